"""Evaluations in Python are those of the command line, and points are runs; where two runs part."""

from __future__ import annotations

import json
import pickle
import subprocess

import numpy as np
import pytest
from conftest import MNIST, lattice_layers

import snn_event


@pytest.fixture(scope="module")
def snn(mnist_onnx, mnist):
    return snn_event.convert(mnist_onnx, mnist[2], T=8, readout="potential")


@pytest.fixture(scope="module")
def evaluation(snn, mnist, mnist_onnx):
    images, labels, _ = mnist
    return snn_event.evaluate(
        snn, images[:40], labels[:40], model=mnist_onnx, stop=["margin=1", "confidence=0.9"], membrane_updates=True,
        energy=["horowitz-fp32", "loihi"],
    )  # fmt: skip


@pytest.mark.filterwarnings("ignore::snn_event.RunWarning")
def test_every_point_is_a_run_of_that_length(snn, evaluation, mnist):
    images, labels, _ = mnist
    assert evaluation.points.tolist() == list(range(1, 9)) and (evaluation.T, evaluation.samples) == (8, 40)
    for place in (0, 3, 7):
        run = snn.simulate(images[:40], T=place + 1) if place < 7 else snn.simulate(images[:40])
        statistics = run.statistics
        assert evaluation.accuracy[place] == (run.classes() == labels[:40].ravel()).mean()
        assert evaluation.synaptic_operations[place] == statistics.synaptic_operations / 40
        for ours, theirs in (("spikes", "spikes"), ("magnitude", "magnitude"), ("touched_potentials", "updates")):
            total = sum(getattr(population, theirs) for population in statistics.populations)
            assert getattr(evaluation, ours)[place] == total / 40
    assert np.array_equal(evaluation.predictions, snn.classify(images[:40]))
    low, high = evaluation.interval.T
    assert (low < evaluation.accuracy).all() and (evaluation.accuracy <= high).all()
    assert evaluation.settled[-1].share == 1.0
    chosen = snn_event.evaluate(snn, images[:40], labels[:40], points=[2, 8])
    assert chosen.accuracies == (evaluation.accuracies[1], evaluation.accuracies[7])


def test_it_is_what_the_command_line_tells(snn, evaluation, binary, mnist, mnist_onnx, tmp_path):
    snn.save(tmp_path / "net.bin")
    done = subprocess.run(
        [
            binary, "eval", "--net", tmp_path / "net.bin", "--input", MNIST / "x.npy", "--labels", MNIST / "y.npy",
            "--batch-range", "0:40", "--model", mnist_onnx, "--stop", "margin=1", "--stop", "confidence=0.9",
            "--membrane-updates", "--energy", "horowitz-fp32", "--energy", "loihi", "--T", "8", "--json", "-",
        ],
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    theirs, ours = json.loads(done.stdout), evaluation.to_dict()
    their_provenance, our_provenance = theirs.pop("provenance"), ours.pop("provenance")
    assert ours == theirs
    for same in ("command", "kernels", "machine", "model"):
        assert our_provenance[same] == their_provenance[same]
    for same in ("T", "points", "stop", "encoding", "seed", "energy", "mode", "readout_from", "membrane_updates"):
        assert our_provenance["options"][same] == their_provenance["options"][same]
    assert json.dumps(evaluation.to_dict())


def test_costs_energies_and_the_trained_net_are_told_by_the_names_of_the_field(evaluation, mnist):
    bench = evaluation.neurobench
    names = {"Footprint", "ConnectionSparsity", "ActivationSparsity", "ActivationSparsityByLayer", "MembraneUpdates"}
    # The bytes as stored are ours.
    assert set(bench) == names | {"SynapticOperations", "SparseBytes"}
    assert bench["SparseBytes"] < bench["Footprint"]
    assert set(bench["SynapticOperations"]) == {"Effective_MACs", "Effective_ACs", "Dense"}
    assert round(bench["ConnectionSparsity"], 1) == 0.9
    energy = evaluation.energy["horowitz-fp32"]
    terms = {term.operation: term for term in energy.terms}
    assert terms["addition"].picojoules == 0.9 and "Horowitz" in energy.source
    assert energy.nanojoules == pytest.approx(sum(term.count * term.picojoules for term in energy.terms) / 1e3)
    additions = sum(population.additions for population in evaluation.populations)
    assert terms["addition"].count == pytest.approx(additions)
    assert list(evaluation.energy) == ["horowitz-fp32", "loihi"]
    assert evaluation.rivals[0].name == "dense, trained"
    assert evaluation.rivals[0].multiply_adds == evaluation.trained_operations["dense"]
    trained = evaluation.trained
    assert trained.accuracy.share > 0.9 and trained.agreement.samples == 40 and 0 <= trained.mcnemar.p <= 1
    margin, confident = evaluation.stops
    assert margin.rule == "margin=1" and sum(samples for _, samples in confident.ended) == 40
    assert margin.mean_steps <= evaluation.T and margin.synaptic_operations <= evaluation.synaptic_operations[-1]
    assert sum(one.recall.samples for one in evaluation.classes) == 40
    presets = snn_event.energy_presets()
    assert presets["horowitz-int8"]["addition"] == 0.03 and presets["loihi"]["source"]


def test_it_is_the_same_for_every_mode_and_number_of_threads_and_of_given_spikes(rng):
    snn = snn_event.convert(lattice_layers(rng, [12, 20, 5]), T=9, normalise="none")
    raster = rng.random((7, 9, 12)) < 0.3
    labels = rng.integers(0, 5, 7)
    first = snn_event.evaluate(snn, None, labels, raster=raster)
    assert first.T == 9
    for mode, threads in (("event", 1), ("dense", 2), ("auto", 3)):
        assert snn_event.evaluate(snn.network, None, labels, raster=raster, mode=mode, threads=threads) == first
    packed = np.packbits(raster, axis=-1)
    assert snn_event.evaluate(snn, y=labels, packed=packed) == first
    assert snn_event.evaluate(snn, raster=raster[:, :4]).synaptic_operations.tolist() == (
        first.synaptic_operations[:4].tolist()
    )
    assert len(set(first.spike_digests.values())) == len(first.spike_digests) == 3
    # The trained net is given the rates.
    layers = lattice_layers(rng, [12, 5])
    trained = snn_event.evaluate(snn, y=labels, raster=raster, model=layers, T=6).trained
    of_bits = snn_event.evaluate(snn, y=labels, packed=packed, model=layers, T=6).trained
    outputs = raster[:, :6].mean(axis=1, dtype=np.float32) @ layers[0][0].T + layers[0][1]
    assert trained.accuracy.of_them == (outputs.argmax(1) == labels).sum() and of_bits == trained


def test_it_can_be_looked_at_kept_and_refused(snn, evaluation, mnist, tmp_path):
    images, labels, _ = mnist
    text = repr(evaluation)
    assert "samples=40, T=8" in text and "accuracy" in text and "\n" not in text
    assert evaluation._repr_html_().count("<tr>") == 9
    assert pickle.loads(pickle.dumps(evaluation)) == evaluation
    unlabelled = snn_event.evaluate(snn, images[:2])
    assert unlabelled.accuracies is None and unlabelled.classes == () and "accuracy" not in repr(unlabelled)
    assert unlabelled._repr_html_().count("<tr>") == 9 and unlabelled.trained is None
    with pytest.raises(ValueError, match="give y"):
        _ = unlabelled.accuracy
    for wrong, part in [
        ({"points": [4, 2]}, "points: they do not ascend"),
        ({"points": []}, "points is empty"),
        ({"points": [2], "T": 2}, "T or points"),
        ({"readout_from": 8}, "readout_from: nothing is left"),
        ({"stop": "soon"}, "margin=M"),
        ({"energy": "sun"}, "horowitz-fp32"),
        ({"y": labels[:2]}, "labels"),
    ]:
        with pytest.raises(ValueError, match=part):
            snn_event.evaluate(snn, images[:3], **{"y": labels[:3], **wrong})
    own = tmp_path / "own.toml"
    own.write_text("[chip]\nsource = 'measured'\naddition = 2.0\n")
    mine = snn_event.evaluate(snn, images[:2], energy_file=own)
    assert list(mine.energy) == ["chip"] and mine.provenance["energy_file"]["file"] == "own.toml"
    own.write_bytes(b"\xff")
    with pytest.raises(ValueError, match="own.toml"):
        snn_event.evaluate(snn, images[:2], energy_file=own)


def test_a_network_that_runs_until_it_is_quiet_is_told_at_powers_of_two(mnist_onnx, mnist):
    images, _, calibration = mnist
    snn = snn_event.convert(mnist_onnx, calibration, neuron="settle", levels=8, max_spikes=1)
    evaluation = snn_event.evaluate(snn, images[:3])
    assert evaluation.points[:4].tolist() == [1, 2, 4, 8] and evaluation.points[-1] == 10_000
    assert evaluation.stops[0].rule == "quiet" and evaluation.stops[0].unended == 0


def test_a_data_frame_has_a_row_for_each_point(evaluation):
    pytest.importorskip("pandas")
    frame = evaluation.to_pandas()
    assert frame.index.tolist() == list(range(1, 9)) and (frame["low"] <= frame["accuracy"]).all()


def test_two_runs_part_at_the_first_place_that_is_another(rng, tmp_path):
    layers = lattice_layers(rng, [12, 20, 5])
    changed = [(layers[0][0].copy(), layers[0][1]), layers[1]]
    changed[0][0][3] += 0.25
    one, other = (snn_event.convert(each, T=9, normalise="none") for each in (layers, changed))
    raster = rng.random((4, 9, 12)) < 0.5
    assert snn_event.diff(one, one, raster=raster) is None
    found = snn_event.diff(one, other, raster=raster)
    first = next(
        (sample, step)
        for sample in range(4)
        for step in range(9)
        if raster[sample, step].any()
    )  # fmt: skip
    assert (found.sample, found.step, found.population, found.neuron) == (*first, "layer0", 3)
    assert found.potentials is not None and found.potentials[0] != found.potentials[1]
    assert snn_event.diff(one.network, other.network, raster=raster, T=9) == found
    with pytest.raises(snn_event.InputError, match="neurons of `layer0`"):
        snn_event.diff(one, snn_event.convert(lattice_layers(rng, [12, 7, 5]), T=9, normalise="none"), raster=raster)
    with pytest.raises(ValueError, match="give T"):
        snn_event.diff(one, snn_event.convert(layers, T=3, normalise="none"), rng.random((2, 12)))
    with pytest.raises(TypeError, match="two networks, or two files"):
        snn_event.diff(one, tmp_path / "spikes.npz", raster=raster)
    files = []
    for name, net in (("a", one), ("b", other)):
        arrays = {}
        for population, spikes in net.spikes(raster=raster).items():
            for part in ("node_ids", "timestamps", "sample_ptr"):
                arrays[f"{population}.{part}"] = getattr(spikes, part)
        files.append(tmp_path / f"{name}.npz")
        np.savez(files[-1], **arrays)
    assert snn_event.diff(files[0], files[0]) is None
    parted = snn_event.diff(*files)
    assert parted.potentials is None and parted.spikes[0] != parted.spikes[1]
    assert (parted.sample, parted.step) >= first
    with pytest.raises(ValueError, match="leave x"):
        snn_event.diff(*files, raster=raster)
    with pytest.raises(FileNotFoundError, match="none.npz"):
        snn_event.diff(files[0], tmp_path / "none.npz")
