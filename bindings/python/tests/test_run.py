"""Runs of networks: against plain NumPy, shapes, encodings, given spikes, statistics, bad input."""

from __future__ import annotations

import pickle

import numpy as np
import pytest
from conftest import ROOT, lattice_layers, numpy_run

import snn_event


def spiking(layers, T=16, **options):
    return snn_event.convert(layers, T=T, normalise="none", **options)


@pytest.mark.parametrize("sizes", [[7, 5], [20, 30, 10], [12, 16, 16, 9, 4]])
def test_spikes_counts_and_potentials_are_those_of_a_dense_simulation_in_numpy(rng, sizes):
    for _ in range(10):
        layers = lattice_layers(rng, sizes)
        snn = spiking(layers)
        raster = rng.random((3, 40, sizes[0])) < 0.3
        run = snn.simulate(raster=raster, spikes=True)
        assert run.counts.dtype == np.uint32 and run.counts.shape == (3, sizes[-1])
        for sample in range(3):
            spikes, potentials = numpy_run(layers, raster[sample])
            assert np.array_equal(run.counts[sample], spikes[-1].sum(0))
            integrated = potentials[-1] + spikes[-1].sum(0)
            assert np.array_equal(run.potentials[sample], integrated.astype(np.float32))
            assert np.array_equal(run.spikes["input"].raster(sample), raster[sample])
            for place, expected in enumerate(spikes):
                assert np.array_equal(run.spikes[f"layer{place}"].raster(sample), expected)
        assert np.array_equal(run.spikes[f"layer{len(layers) - 1}"].counts(), run.counts)


def test_event_driven_and_dense_runs_are_equal_for_any_number_of_threads(rng):
    snn = spiking(lattice_layers(rng, [30, 40, 10]))
    x = rng.random((17, 30)).astype(np.float32)
    for encoding in ("constant", "poisson", "regular"):
        runs = [
            snn.simulate(x, encoding=encoding, seed=5, mode=mode, threads=threads, T=300)
            for mode, threads in [("event", 1), ("event", 2), ("auto", 1), ("auto", 5), ("dense", 2)]
        ]
        for run in runs[1:]:
            assert np.array_equal(run.counts, runs[0].counts)
            assert run.potentials.tobytes() == runs[0].potentials.tobytes()
            assert run.statistics == runs[0].statistics


def test_one_sample_is_spread_over_threads_with_the_same_bits(rng):
    # Wide enough that a layer's work is worth a second thread.
    snn = spiking(lattice_layers(rng, [64, 4096, 1024, 10]), readout="potential")
    x = rng.random(64)
    alone, spread = (snn.simulate(x, T=64, threads=threads) for threads in (1, 2))
    assert (alone.provenance["options"]["threads"], spread.provenance["options"]["threads"]) == (1, 2)
    assert spread.potentials.tobytes() == alone.potentials.tobytes() and spread.statistics == alone.statistics


def test_one_sample_gives_results_without_an_axis_of_samples(rng):
    snn = spiking(lattice_layers(rng, [9, 8, 4]))
    x = rng.random((5, 9))
    batch = snn.simulate(x)
    single = snn.simulate(x[0])
    assert single.counts.shape == single.potentials.shape == (4,) and single.classes().shape == ()
    assert np.array_equal(single.counts, batch.counts[0]) and single.classes() == batch.classes()[0]
    assert snn.run(x[:1]).shape == (1, 4) and snn.run(x[:0]).shape == (0, 4)
    raster = rng.random((11, 9)) < 0.5
    assert np.array_equal(snn.run(raster=raster), snn.run(raster=raster[None])[0])


def test_arrays_of_any_type_and_order_are_read_by_their_values(rng):
    snn = spiking(lattice_layers(rng, [6, 8, 4]))
    x = rng.integers(0, 2, (10, 6))
    expected = snn.run(x.astype(np.float32))
    for other in (x, x.tolist(), x.astype(np.float64), np.asfortranarray(x), np.repeat(x, 2, 1)[:, ::2], x.astype(bool)):
        assert np.array_equal(snn.run(other), expected)
    raster = rng.random((3, 20, 6)) < 0.4
    expected = snn.run(raster=raster)
    for other in (raster.astype(np.uint8), raster.astype(int), raster.astype(float), np.asfortranarray(raster)):
        assert np.array_equal(snn.run(raster=other), expected)


def test_poisson_spikes_depend_on_the_seed_and_the_place_of_the_sample_and_on_nothing_else(rng):
    snn = spiking(lattice_layers(rng, [40, 10]))
    x = np.full((6, 40), 0.3)
    spikes = snn.spikes(x, encoding="poisson", seed=1, T=50)["input"]
    again = snn.spikes(x[:3], encoding="poisson", seed=1, T=20)["input"]
    for sample in range(3):
        assert np.array_equal(spikes.raster(sample)[:20], again.raster(sample))
    assert not np.array_equal(spikes.raster(0), spikes.raster(1))
    other = snn.spikes(x, encoding="poisson", seed=2, T=50)["input"]
    assert not np.array_equal(spikes.raster(0), other.raster(0))
    assert spikes.counts().mean() / 50 == pytest.approx(0.3, abs=0.03)
    # Given back as a raster, the spikes give the same run.
    raster = np.stack([spikes.raster(sample) for sample in range(6)])
    assert np.array_equal(snn.run(raster=raster), snn.run(x, encoding="poisson", seed=1, T=50))


def test_statistics_are_exact(rng):
    layers = lattice_layers(rng, [15, 12, 6], density=0.3)
    snn = spiking(layers)
    raster = rng.random((4, 25, 15)) < 0.4
    run = snn.simulate(raster=raster, spikes=True)
    statistics = run.statistics
    fired = [run.spikes[name].counts().sum(0) for name in ("input", "layer0", "layer1")]
    for place, (weight, _) in enumerate(layers):
        population = statistics[f"layer{place}"]
        assert population.spikes == fired[place + 1].sum()
        assert population.synaptic_operations == ((weight != 0).sum(0) * fired[place]).sum()
        assert population.dense_operations == weight.size * 25 * 4
        assert population.rate == pytest.approx(population.spikes / (population.neurons * 100))
    assert statistics.samples == 4 and statistics.T == 25
    assert statistics.synaptic_operations == sum(p.synaptic_operations for p in statistics.populations)
    with pytest.raises(KeyError, match="there is no population 'layer9'"):
        statistics["layer9"]


def test_a_network_keeps_weights_biases_and_thresholds(rng):
    layers = lattice_layers(rng, [5, 7, 3])
    snn = spiking(layers, T=9)
    assert (snn.n_layers, snn.T, snn.thresholds, snn.initial_membrane_fraction) == (2, 9, [1.0, 1.0], 0.0)
    for (weight, bias), ours, our_bias in zip(layers, snn.dense_weights(), snn.biases, strict=True):
        assert np.array_equal(ours, weight) and np.array_equal(our_bias, bias)
    assert repr(snn) == "ConvertedSNN(input 5 -> layer0 7 -> layer1 3, T=9)"


def test_weights_are_scipy_csr_arrays_in_the_order_of_the_user(rng):
    sparse = pytest.importorskip("scipy.sparse", reason="an extra; CI installs all of them and lets no test skip for this")
    layers = lattice_layers(rng, [5, 7, 3])
    for (weight, _), ours in zip(layers, spiking(layers).weights, strict=True):
        assert isinstance(ours, sparse.csr_array) and ours.has_sorted_indices
        assert np.array_equal(ours.toarray(), weight) and ours.nnz == np.count_nonzero(weight)


def test_a_saved_network_is_loaded_with_its_steps_and_gives_the_same_bits(rng, tmp_path):
    snn = spiking(lattice_layers(rng, [12, 10, 5]), T=33)
    snn.save(tmp_path / "net.bin")
    loaded = snn_event.ConvertedSNN.load(tmp_path / "net.bin")
    x = rng.random((8, 12))
    assert loaded.T == 33 and loaded.report == snn.report
    assert loaded.potentials(x).tobytes() == snn.potentials(x).tobytes()
    assert snn_event.ConvertedSNN.load(str(tmp_path / "net.bin"), T=7).T == 7
    # Also through pickle, as dask and multiprocessing send it.
    assert np.array_equal(pickle.loads(pickle.dumps(snn)).run(x), snn.run(x))


def test_the_integrated_input_loses_no_negative_output():
    layers = [(np.eye(3, dtype=np.float32), None), (-np.diag([0.25, 0.5, 0.75]).astype(np.float32), None)]
    snn = spiking(layers, T=32)
    x = np.ones(3)
    assert snn.run(x).tolist() == [0, 0, 0]
    assert snn.potentials(x).tolist() == [-8.0, -16.0, -24.0]
    assert snn.classify(x) == 0 and snn.classify(x, by="counts") == 0
    assert snn.classify(x[None] * [[1, 0, 1]]).tolist() == [1]


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        ({"x": np.zeros((2, 5))}, r"samples of shape \(2, 5\); allowed are \(N, 4\) and \(4\)"),
        ({"x": np.full((2, 4), np.nan)}, r"sample 0, value \[0\] is NaN; allowed are finite numbers"),
        ({"x": np.full((2, 4), 2.0), "encoding": "poisson"}, r"sample 0, value \[0\] is 2; allowed are spike rates"),
        ({"x": np.zeros(4), "encoding": "bursts"}, r'encoding is "bursts"; allowed are "constant", "once", "poisson"'),
        ({"x": np.zeros(4), "mode": "fast"}, r'mode is "fast"; allowed are "auto", "event" and "dense"'),
        ({"x": np.zeros(4), "T": 0}, "allowed are|steps from 1 on"),
        ({"x": np.zeros(4), "threads": 0}, "numbers from 1 on"),
        ({}, "give one of x, raster= and packed="),
        ({"x": np.zeros(4), "raster": np.zeros((2, 4))}, "give one of x, raster= and packed="),
        ({"packed": np.zeros((3, 2), np.uint8)}, r"shape \(3, 2\); allowed are \(T, 1\) and \(N, T, 1\), eight of 4 neurons"),
        ({"packed": np.full((3, 1), 8, np.uint8)}, "sample 0, step 0, bit 4.* is set; the population has 4 neurons"),
        ({"raster": np.zeros((3, 3))}, r"a raster of shape \(3, 3\); allowed are \(T, 4\) and \(N, T, 4\)"),
        ({"raster": np.full((3, 4), 2.5)}, r"the raster has 2\.5 at \[0, 0\]; allowed are 0 and 1, and whole numbers"),
        ({"raster": np.full((3, 4), np.nan)}, r"the raster has nan at \[0, 0\]"),
        ({"raster": np.full((3, 4), 5000)}, "a raster has the value 5000; allowed are spikes of -4096 to 4096"),
        ({"raster": np.zeros((3, 4)), "T": 4}, "T is 4; the raster has 3 steps"),
        ({"raster": np.zeros((0, 4))}, "allowed are rasters of at least one step"),
    ],
)
def test_bad_input_is_refused_with_what_was_found_and_what_is_allowed(arguments, text):
    snn = spiking([(np.ones((2, 4), np.float32), None)])
    with pytest.raises(ValueError, match=text):
        snn.run(**arguments)


def test_packed_bits_are_the_raster_that_they_pack(rng):
    snn = spiking(lattice_layers(rng, [13, 5]))
    flags = rng.random((3, 40, 13)) < 0.3
    plain, packed = snn.simulate(raster=flags), snn.simulate(packed=np.packbits(flags, axis=-1))
    assert packed.T == 40 and packed.statistics == plain.statistics and packed.provenance["options"]["encoding"] == "packed"
    assert np.array_equal(packed.counts, plain.counts) and packed.counts.any()
    single = snn.simulate(packed=np.packbits(flags[0], axis=-1), T=10)
    assert np.array_equal(single.counts, snn.simulate(raster=flags[0, :10]).counts)


def test_spikes_carry_their_values_through_runs_rasters_rates_and_steps(rng):
    (weights, bias), *_ = layers = lattice_layers(rng, [6, 5])
    snn = spiking(layers, readout="potential")
    raster = rng.integers(-3, 4, (2, 30, 6))
    run = snn.simulate(raster=raster, spikes=True)
    given = run.spikes["input"]
    for sample in range(2):
        assert np.array_equal(given.valued_raster(sample), raster[sample])
        assert np.array_equal(given.raster(sample), raster[sample] != 0)
        assert np.array_equal(given.to_sparse(sample).toarray(), raster[sample])
    # Events and the sums of their values have names of their own; rates are of the values.
    assert np.array_equal(given.events(), (raster != 0).sum(1)) and np.array_equal(given.counts(), raster.sum(1))
    assert np.allclose(run.rates()["input"], raster.sum(1) / 30)
    assert run.statistics["input"].spikes == (raster != 0).sum()
    assert run.statistics["input"].magnitude == np.abs(raster).sum()
    arrived = raster.sum(1) @ np.asarray(weights, np.float64).T
    arrived += 0 if bias is None else 30 * np.asarray(bias, np.float64)
    assert np.allclose(run.potentials, arrived)
    # What a run gives back it takes again.
    again = snn.simulate(raster=np.stack([given.valued_raster(sample) for sample in range(2)]))
    assert np.array_equal(again.potentials, run.potentials)
    simulator = snn.simulator()
    for values in raster[0]:
        fired = np.flatnonzero(values)
        simulator.step((fired, values[fired]))
        assert np.array_equal(simulator.spike_values("input"), values)
        assert np.array_equal(simulator.spikes("input"), values != 0)
    assert np.array_equal(simulator.potentials(), run.potentials[0])


def test_files_that_are_missing_or_damaged_raise_what_python_users_expect(tmp_path, rng):
    with pytest.raises(FileNotFoundError, match=r"nowhere\.bin"):
        snn_event.Network.load(tmp_path / "nowhere.bin")
    with pytest.raises(FileNotFoundError, match=r"nowhere\.onnx"):
        snn_event.convert(tmp_path / "nowhere.onnx")
    snn = spiking([(np.ones((2, 4), np.float32), None)])
    with pytest.raises(OSError, match="nowhere"):
        snn.save(tmp_path / "nowhere" / "net.bin")
    path = tmp_path / "net.bin"
    snn.save(path)
    data = path.read_bytes()
    path.write_bytes(data[:-1])
    with pytest.raises(snn_event.FormatError, match=r"net\.bin"):
        snn_event.Network.load(path)
    with pytest.raises(snn_event.FormatError):
        snn_event.Network.from_bytes(data[: len(data) // 2])


def test_a_shipped_network_file_of_version_1_is_read():
    tiny = snn_event.ConvertedSNN.load(ROOT / "tests" / "data" / "net-v1-tiny.bin")
    assert tiny.T == 256 and tiny.network.populations[0].kind == "source"
