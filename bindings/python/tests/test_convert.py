"""Conversion: what models are taken, what is chosen, what is refused."""

from __future__ import annotations

import json

import numpy as np
import pytest
from conftest import ROOT, lattice_layers, numpy_run

import snn_event

GOLDEN = sorted((ROOT / "tests" / "data" / "golden").glob("*.npz"))


def relu_net(layers, x):
    """The trained net itself, in float64."""
    for place, (weight, bias) in enumerate(layers):
        x = x @ weight.T.astype(np.float64) + (0 if bias is None else bias)
        x = x if place + 1 == len(layers) else np.maximum(x, 0)
    return x


@pytest.fixture
def layers(rng):
    sizes = [20, 40, 30, 5]
    scale = [(rng.standard_normal((n, m)) / np.sqrt(m / 2), rng.standard_normal(n) / 10) for m, n in zip(sizes, sizes[1:])]
    return [(weight.astype(np.float32), bias.astype(np.float32)) for weight, bias in scale]


@pytest.mark.parametrize("normalise", ["percentile", "max", "mse"])
def test_many_steps_give_what_the_trained_net_gives(layers, rng, normalise):
    x = rng.random((50, 20)).astype(np.float32)
    snn = snn_event.convert(layers, x, T=3000, percentile=100, normalise=normalise, readout="potential")
    values = relu_net(layers, x)
    error = np.abs(snn.potentials(x) / 3000 - values).max() / np.abs(values).max()
    # Least squared error cuts off some of the largest activations.
    assert error < (0.25 if normalise == "mse" else 0.01)
    assert np.allclose(snn_event.read_model(layers).forward(x), values, atol=1e-5)


def test_biases_flow_in_every_step_so_that_a_value_of_one_reads_one():
    """sc-neurocore's published example: weight 1, input 0.5, bias 0.5 makes 1.0, a spike in every step."""
    layers = [(np.array([[1.0]]), np.array([0.5])), (np.array([[1.0]]), None)]
    for T in (4, 16, 100):
        assert snn_event.convert(layers, T=T, normalise="none").run(np.array([0.5])).tolist() == [T]


def test_layers_may_be_sparse_and_lack_biases(layers, rng):
    sparse = pytest.importorskip("scipy.sparse")
    x = rng.random((10, 20))
    plain = [(weight, None) for weight, _ in layers]
    for kind in (sparse.csr_array, sparse.coo_array, sparse.csc_matrix):
        converted = [snn_event.convert(form, x).potentials(x) for form in (plain, [(kind(w), None) for w, _ in plain])]
        assert converted[0].tobytes() == converted[1].tobytes()


def bits(snn):
    """The network without what it says about its origin."""
    return snn.network.with_provenance("{}").to_bytes()


def test_files_and_arrays_and_bytes_of_one_net_give_one_network(layers, rng, tmp_path, mnist, mnist_onnx):
    x = rng.random((10, 20)).astype(np.float32)
    arrays = {f"{kind}{place}": pair[i] for place, pair in enumerate(layers) for i, kind in enumerate("Wb")}
    np.savez(tmp_path / "net.npz", **arrays)
    nets = [bits(snn_event.convert(model, x)) for model in (layers, arrays, tmp_path / "net.npz")]
    assert nets[0] == nets[1] == nets[2]
    images, _, calibration = mnist
    one = snn_event.convert(mnist_onnx, calibration)
    two = snn_event.convert(mnist_onnx.read_bytes(), calibration)
    assert bits(one) == bits(two)


@pytest.mark.parametrize("path", GOLDEN, ids=lambda path: path.stem)
def test_golden_nets_fire_spike_for_spike(path):
    golden = np.load(path)
    snn = snn_event.convert(path)
    run = snn.simulate(raster=golden["raster"], spikes=True)
    for place in range(snn.n_layers):
        assert np.array_equal(run.spikes[f"layer{place}"].raster(0), golden[f"spikes{place}"])
    if str(golden["reset"]) == "zero":
        with pytest.raises(ValueError, match="by='counts'"):
            run.classes()
    else:
        last = snn.n_layers - 1
        start = np.broadcast_to(golden["v_start"], snn.n_layers)[last]
        theta = np.broadcast_to(golden["theta"], snn.n_layers)[last]
        expected = golden[f"v_end{last}"] + theta * golden[f"spikes{last}"].sum(0, dtype=np.int64) - start
        assert np.array_equal(run.potentials, expected.astype(np.float32))


def test_the_golden_nets_are_there():
    assert len(GOLDEN) == 10


def test_a_spiking_net_is_not_converted_again(rng):
    layers = lattice_layers(rng, [4, 3])
    arrays = {"W0": layers[0][0], "b0": layers[0][1], "theta": 0.5, "v_start": 0.25, "reset": "subtract"}
    snn = snn_event.convert(arrays)
    raster = rng.random((30, 4)) < 0.5
    spikes, _ = numpy_run(layers, raster, threshold=0.5, start=0.25)
    assert np.array_equal(snn.run(raster=raster), spikes[0].sum(0)) and snn.thresholds == [0.5]
    with pytest.raises(ValueError, match="spiking net already"):
        snn_event.convert(arrays, np.zeros((2, 4)))
    with pytest.raises(ValueError, match="spiking net already"):
        snn_event.read_model(arrays)


def test_without_calibration_data_thresholds_are_one_with_a_warning(layers):
    with pytest.warns(snn_event.ConversionWarning, match="give samples of the training set"):
        snn = snn_event.convert(layers)
    assert snn.T == 16 and snn.thresholds == [1.0, 1.0, 1.0]
    for (weight, _), ours in zip(layers, snn.dense_weights(), strict=True):
        assert np.array_equal(weight, ours)


def test_the_percentile_is_that_of_numpy_over_all_activations_of_the_layer(layers, rng):
    x = rng.random((64, 20)).astype(np.float32)
    snn = snn_event.convert(layers, x, percentile=97.5)
    hidden = np.maximum(x @ layers[0][0].T.astype(np.float64) + layers[0][1], 0)
    assert snn.report["layers"][1]["scale"]["median"] == pytest.approx(np.percentile(hidden, 97.5), rel=1e-5)
    assert np.allclose(snn.dense_weights()[0], layers[0][0] / np.percentile(hidden, 97.5), rtol=1e-5)


def test_the_shipped_net_keeps_its_accuracy(mnist, mnist_onnx):
    images, labels, calibration = mnist
    trained = (snn_event.read_model(mnist_onnx).forward(images).argmax(1) == labels).mean()
    snn = snn_event.convert(mnist_onnx, calibration, T=128)
    assert (snn.classify(images) == labels).mean() >= trained - 0.01
    assert (snn.classify(images, by="counts") == labels).mean() >= trained - 0.02
    assert (snn.classify(images, encoding="poisson", T=256) == labels).mean() >= trained - 0.02
    assert snn.accuracy(images, labels, [128]) == {128: (snn.classify(images) == labels).mean()}
    statistics = snn.statistics(images)
    assert 0 < statistics.synaptic_operations < 0.1 * statistics.dense_operations


def test_options_go_into_the_file_and_the_report_tells_every_layer(layers, rng):
    snn = snn_event.convert(layers, rng.random((9, 20)), T=24, percentile=99)
    options = json.loads(snn.network.provenance)["options"]
    expected = {"T": 24, "normalise": "percentile", "percentile": 99, "readout": "spikes", "fit": False}
    assert {**options, **expected} == options and options["zeros"] and not options["unroll"]
    assert [layer["neurons"] for layer in snn.report["layers"]] == [20, 40, 30, 5]


def test_input_normalisation_is_folded(layers, rng):
    x = rng.random((20, 20)).astype(np.float32)
    folded = snn_event.convert(layers, x, T=500, input_mean=0.5, input_std=0.25, readout="potential")
    expected = relu_net(layers, (x - 0.5) / 0.25)
    assert np.corrcoef((folded.potentials(x) / 500).ravel(), expected.ravel())[0, 1] > 0.999


def test_a_network_fitted_to_few_steps_is_closer_in_so_many(layers, rng):
    x, fresh = rng.random((200, 20)).astype(np.float32), rng.random((200, 20)).astype(np.float32)
    values = relu_net(layers, fresh)
    error = {}
    for fit in (False, True):
        snn = snn_event.convert(layers, x, T=8, normalise="mse", readout="potential", fit=fit)
        error[fit] = np.abs(snn.potentials(fresh) / 8 - values).mean()
        assert snn.report["fitted"] == fit and json.loads(snn.network.provenance)["options"].get("fit", False) == fit
    assert error[True] < 0.9 * error[False]


def test_the_report_compares_with_the_trained_net_if_asked_to(layers, rng, mnist, mnist_onnx):
    images, labels, _ = mnist
    snn = snn_event.convert(mnist_onnx, images, T=64, labels=labels)
    assert snn.report["compared"] == 200
    trained = (snn_event.read_model(mnist_onnx).forward(images).argmax(1) == labels).mean()
    accuracy = snn.report["accuracy"]
    assert accuracy["samples"] == 200 and accuracy["trained"] == pytest.approx(trained)
    assert accuracy["spiking"] == pytest.approx(trained, abs=0.02)
    x = rng.random((50, 20))
    assert snn_event.convert(layers, x, compare=True).report["accuracy"] is None
    assert snn_event.convert(layers, x).report["compared"] is None


@pytest.mark.parametrize(
    ("model", "error", "text"),
    [
        (3, TypeError, "a model of type int; allowed are a torch.nn.Module"),
        ("net.h5", ValueError, r"net\.h5: unknown kind of model; allowed are files named \.onnx, \.npz, \.pt"),
        ([], ValueError, "`W0` is missing"),
        ([np.zeros((2, 2))], ValueError, "`W0`"),
        ([3], ValueError, r"layer 0 is no pair \(weight, bias\)"),
        ([(np.zeros(3), None)], ValueError, r"`W0` has the shape \[3\]; allowed is \[out, in\]"),
        ([(np.zeros((3, 2)), np.zeros(2))], ValueError, r"`b0` has the shape \[2\]; allowed is \[3\]"),
        ([(np.zeros((3, 2)), None), (np.zeros((3, 2)), None)], ValueError, "takes 2 inputs"),
        ([(np.full((3, 2), np.inf), None)], ValueError, "allowed are finite numbers"),
        (b"hello", snn_event.ConvertError, "not a readable ONNX file"),
    ],
)
def test_what_is_no_model_is_refused(model, error, text):
    with pytest.raises(error, match=text):
        snn_event.convert(model, np.zeros((3, 2)), normalise="max")


@pytest.mark.parametrize(
    ("options", "text"),
    [
        ({"normalise": "best"}, 'normalise is "best"; allowed are'),
        ({"readout": "votes"}, 'readout is "votes"'),
        ({"scale_per": "neuron"}, 'scale_per is "neuron"'),
        ({"v0": "third"}, 'v0 is "third"'),
        ({"percentile": 101}, "the percentile is 101; allowed is above 0 and at most 100"),
        ({"T": 0}, "the number of steps is 0"),
        ({"input_std": 0.0}, "allowed are positive"),
    ],
)
def test_options_that_do_not_exist_are_refused(layers, options, text):
    with pytest.raises(ValueError, match=text):
        snn_event.convert(layers, np.zeros((3, 20)), **options)


def test_calibration_data_of_the_wrong_shape_are_refused(layers):
    with pytest.raises(snn_event.ConvertError, match=r"calibration_data: samples of shape \(3, 19\); allowed are \(N, 20\)"):
        snn_event.convert(layers, np.zeros((3, 19)))


def test_neurons_that_count_give_the_trained_net_in_one_step_and_run_as_they_are_made_to(layers, rng, tmp_path):
    x = rng.random((60, 20)).astype(np.float32)
    values = relu_net(layers, x)
    nets = {
        "one step": snn_event.convert(layers, x, neuron="settle", levels=64),
        "until quiet": snn_event.convert(layers, x, neuron="settle", levels=64, max_spikes=5),
        "signed": snn_event.convert(layers, x, T=4, neuron="signed", max_spikes=16),
    }
    for name, snn in nets.items():
        snn.save(tmp_path / "net.bin")
        for net in (snn, snn_event.ConvertedSNN.load(tmp_path / "net.bin")):
            run = net.simulate(x, spikes=True)
            error = np.abs(run.outputs() - values).max() / np.abs(values).max()
            assert error < 0.05, (name, error)
            assert net.network.encoding == ("constant" if name == "signed" else "once")
            # The rates stand for the activations, whose values the spikes carry.
            hidden = np.maximum(x @ layers[0][0].T + layers[0][1], 0)
            rates = run.rates()[net.network.populations[1].name]
            assert np.abs(rates - hidden).max() < 0.1 * hidden.max(), name
            assert run.spikes[net.network.populations[1].name].values is not None
    assert nets["one step"].network.run_length == (1, "settled")
    assert nets["until quiet"].network.until_quiet
    assert (nets["one step"].classify(x) == nets["until quiet"].classify(x)).all()
    report = nets["signed"].report
    assert (report["neuron"], report["levels"], report["max_spikes"]) == ("signed", 64, 16)


def test_options_of_neurons_that_do_not_fit_are_refused(layers, rng):
    x = rng.random((10, 20)).astype(np.float32)
    for options, part in [
        ({"neuron": "spiky"}, "settle"),
        ({"levels": 4}, "levels"),
        ({"neuron": "settle", "T": 4}, "steps"),
        ({"neuron": "settle", "readout": "spikes"}, "read-out"),
    ]:
        with pytest.raises(ValueError, match=part):
            snn_event.convert(layers, x, **options)
    with pytest.raises(snn_event.ConvertError, match="calibration samples"):
        snn_event.convert(layers, neuron="settle")
