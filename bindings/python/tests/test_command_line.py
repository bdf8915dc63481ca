"""The command line and Python give the same bits for the same net.bin, input and seed."""

from __future__ import annotations

import json
import subprocess

import numpy as np
import pytest

import snn_event


def call(binary, *arguments):
    done = subprocess.run([binary, *map(str, arguments)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def by_command(binary, mnist_onnx, tmp_path_factory):
    """A net.bin that the command line made."""
    folder = tmp_path_factory.mktemp("net")
    calibration = mnist_onnx.parent / "x_calib.npy"
    call(binary, "convert", "--model", mnist_onnx, "--calib", calibration, "--T", 32, "--out", folder / "net.bin")
    return folder / "net.bin"


@pytest.mark.parametrize("encoding", ["constant", "poisson", "regular", "raster"])
@pytest.mark.parametrize("readout", ["potential", "spikes"])
def test_runs_are_equal_by_bits(binary, by_command, mnist, mnist_onnx, tmp_path, encoding, readout, rng):
    images, _, calibration = mnist
    images = images[:40]
    if readout == "potential":
        net = by_command
    else:
        net = tmp_path / "net.bin"
        snn_event.convert(mnist_onnx, calibration).save(net)
    given = images if encoding != "raster" else rng.random((10, 30, 784)) < 0.2
    np.save(tmp_path / "x.npy", given)
    steps = 30
    out = call(
        binary, "run", "--net", net, "--input", tmp_path / "x.npy", "--T", steps, "--encoding", encoding, "--seed", 42,
        "--counts", tmp_path / "counts.npy", "--potentials", tmp_path / "v.npy", "--spikes", tmp_path / "spikes.npz",
        "--json", "-",
    )  # fmt: skip
    report = json.loads(out)
    snn = snn_event.ConvertedSNN.load(net)
    if encoding == "raster":
        run = snn.simulate(raster=given, T=steps, spikes=True)
        outcomes = snn.network.run(raster=given, T=steps)
    else:
        run = snn.simulate(given, T=steps, encoding=encoding, seed=42, spikes=True)
        outcomes = snn.network.run(given, steps, encoding=encoding, seed=42)
    assert np.array_equal(run.counts, np.load(tmp_path / "counts.npy"))
    assert outcomes.potentials.tobytes() == np.load(tmp_path / "v.npy").tobytes()
    assert outcomes.classes.tolist() == report["predictions"]
    theirs = np.load(tmp_path / "spikes.npz")
    for name, spikes in run.spikes.items():
        for part in ("node_ids", "timestamps", "sample_ptr"):
            assert np.array_equal(getattr(spikes, part), theirs[f"{name}.{part}"]), (name, part)
    for ours, other in zip(run.statistics.populations, report["populations"], strict=True):
        assert {key: getattr(ours, key) for key in other} == other


def test_a_network_converted_in_python_has_the_bits_of_one_converted_by_command(by_command, mnist, mnist_onnx):
    images, _, calibration = mnist
    snn = snn_event.convert(mnist_onnx, calibration, T=32, normalise="mse", fit=True, readout="potential")
    theirs = snn_event.ConvertedSNN.load(by_command)
    assert theirs.T == 32
    for ours, other in zip(snn.dense_weights(), theirs.dense_weights(), strict=True):
        assert ours.tobytes() == other.tobytes()
    assert snn.potentials(images).tobytes() == theirs.potentials(images).tobytes()


def test_errors_have_the_texts_of_the_command_line(binary, by_command, tmp_path):
    cut = tmp_path / "cut.bin"
    cut.write_bytes(by_command.read_bytes()[:-3])
    np.save(tmp_path / "x.npy", np.full((2, 784), 2.0, np.float32))
    done = subprocess.run(
        [binary, "run", "--net", cut, "--input", tmp_path / "x.npy"], capture_output=True, text=True, check=False
    )
    with pytest.raises(snn_event.FormatError) as raised:
        snn_event.Network.load(cut)
    assert str(raised.value) in done.stderr
    done = subprocess.run(
        [binary, "run", "--net", by_command, "--input", tmp_path / "x.npy", "--encoding", "poisson"],
        capture_output=True,
        text=True,
        check=False,
    )
    with pytest.raises(snn_event.NetworkError) as raised:
        snn_event.ConvertedSNN.load(by_command).run(np.load(tmp_path / "x.npy"), encoding="poisson")
    assert str(raised.value) in done.stderr


def test_the_best_neurons_and_named_recipes_are_those_of_the_command_line(mnist, mnist_onnx):
    images, _, calibration = mnist
    best = snn_event.convert(mnist_onnx, calibration, T=2, neuron="best")
    tried = {one["neuron"]: one["error"] for one in best.report["candidates"]}
    # Two steps of unit spikes tell three levels.
    assert best.report["neuron"] == "signed" and tried["signed"] < tried["unit"]
    named = snn_event.convert(mnist_onnx, calibration, T=2, neuron="signed")
    assert best.potentials(images).tobytes() == named.potentials(images).tobytes()
    # The same where nobody names them, unless the result is read from spikes.
    usual = snn_event.convert(mnist_onnx, calibration, T=2, readout="potential")
    assert usual.report["candidates"] == best.report["candidates"]
    assert usual.potentials(images).tobytes() == named.potentials(images).tobytes()
    assert snn_event.convert(mnist_onnx, calibration, T=2).report["neuron"] == "unit"
    for recipe in ({"fit_by": "bias"}, {"fit_by": "start"}, {"normalise": "balance"}):
        snn = snn_event.convert(mnist_onnx, calibration, T=16, readout="potential", **recipe)
        assert recipe.items() <= snn.provenance["options"].items()
        assert snn.classify(images).shape == (len(images),)
    with pytest.raises(ValueError, match="fit_by"):
        snn_event.convert(mnist_onnx, calibration, T=16, fit_by="guess")
    with pytest.raises(snn_event.ConvertError, match="number of steps"):
        snn_event.convert(mnist_onnx, calibration, neuron="best")
