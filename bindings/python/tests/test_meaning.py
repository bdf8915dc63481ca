"""What inputs mean and what results say they are: shapes, labels, units, run lengths, the default recipe."""

from __future__ import annotations

import subprocess
import warnings

import numpy as np
import pytest

import snn_event
from snn_event import ConversionWarning, RunWarning


@pytest.fixture
def layers(rng):
    sizes = [3 * 6 * 5, 40, 10]
    return [
        (
            (rng.standard_normal((n, m)) / np.sqrt(m / 2)).astype(np.float32),
            (rng.standard_normal(n) / 10).astype(np.float32),
        )
        for m, n in zip(sizes, sizes[1:])
    ]


def quiet(call):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        return call()


def test_one_default_recipe_makes_the_same_network_here_and_by_command(binary, mnist, mnist_onnx, tmp_path):
    images, labels, calibration = mnist
    calib = mnist_onnx.parent / "x_calib.npy"
    for T in (4, 100):
        arguments = ["--model", mnist_onnx, "--calib", calib, "--T", T, "--readout", "spikes"]
        made = [binary, "convert", *map(str, arguments), "--out", str(tmp_path / "net.bin")]
        subprocess.run(made, check=True, capture_output=True)
        theirs = snn_event.ConvertedSNN.load(tmp_path / "net.bin")
        ours = snn_event.convert(mnist_onnx, calibration, T=T)
        assert (theirs.T, theirs.network.run_length) == (T, ours.network.run_length)
        assert ours.network.run_length == (T, "fitted" if T == 4 else "scaled")
        for one, other in zip(ours.network.populations, theirs.network.populations, strict=True):
            for part in ("threshold", "bias", "start", "scale", "offset"):
                assert np.array_equal(getattr(one, part), getattr(other, part)), (one.name, part)
        for one, other in zip(ours.dense_weights(), theirs.dense_weights(), strict=True):
            assert one.tobytes() == other.tobytes()
    ours = snn_event.convert(mnist_onnx, calibration, T=4)
    percentile = snn_event.convert(mnist_onnx, calibration, T=4, percentile=99.9)
    assert percentile.report["fitted"] is False
    right = [(snn.classify(images) == labels).mean() for snn in (ours, percentile)]
    assert right[0] > 0.95 and right[0] > right[1] + 0.1, right


def test_a_network_is_run_for_the_steps_that_it_was_fitted_to_and_others_give_a_warning(mnist, mnist_onnx, tmp_path):
    images, _, calibration = mnist
    snn_event.convert(mnist_onnx, calibration, T=8).save(tmp_path / "net.bin")
    snn = snn_event.ConvertedSNN.load(tmp_path / "net.bin")
    assert snn.T == 8 and snn.network.run_length == (8, "fitted")
    assert quiet(lambda: snn.simulate(images[:3])).T == 8
    assert snn.network.run(images[:3]).T == 8
    with pytest.warns(RunWarning, match="T = 8, and this one has T = 64"):
        snn.run(images[:3], T=64)
    with pytest.warns(RunWarning, match="constant input"):
        snn.run(images[:3], encoding="poisson")
    # A user who says another length does not change what the network was fitted to.
    snn.T = 64
    snn.save(tmp_path / "again.bin")
    assert snn_event.Network.load(tmp_path / "again.bin").run_length == (8, "fitted")
    stated = snn_event.convert(mnist_onnx, calibration, T=8, normalise="max")
    assert stated.network.run_length == (8, "stated")
    quiet(lambda: stated.run(images[:3], T=64))


def test_doubtful_conversions_give_warnings(mnist, mnist_onnx):
    _, _, calibration = mnist
    with pytest.warns(ConversionWarning, match="say 99.9"):
        snn = snn_event.convert(mnist_onnx, calibration, T=16, percentile=0.999)
    assert "99.9" in snn.report["notes"][0]
    with pytest.warns(ConversionWarning, match="is saturated"):
        snn_event.convert(mnist_onnx, calibration * 1000, T=16, normalise="none")
    dead = [(-np.ones((4, 3), np.float32), None), (np.ones((2, 4), np.float32), None)]
    with pytest.warns(ConversionWarning, match="is dead"):
        snn_event.convert(dead, np.ones((5, 3)), readout="potential")
    quiet(lambda: snn_event.convert(mnist_onnx, calibration))


def test_permuted_images_are_refused_with_the_transpose_that_helps(rng):
    torch = pytest.importorskip("torch")
    model = torch.nn.Sequential(torch.nn.Conv2d(3, 4, 3), torch.nn.ReLU(), torch.nn.Flatten(), torch.nn.Linear(48, 2))
    x = rng.random((20, 3, 6, 5)).astype(np.float32)
    snn = snn_event.convert(model, x)
    with pytest.raises(snn_event.NetworkError, match=r"x\.transpose\(0, 3, 1, 2\)"):
        snn.run(x.transpose(0, 2, 3, 1))
    with pytest.raises(snn_event.NetworkError, match=r"x\.transpose\(2, 0, 1\)"):
        snn.run(x[0].transpose(1, 2, 0))
    with pytest.raises(snn_event.NetworkError, match=r"x\.transpose\(0, 1, 4, 2, 3\)"):
        snn.run(raster=(rng.random((2, 7, 6, 5, 3)) < 0.5))
    with pytest.raises(snn_event.ConvertError, match=r"calibration_data: .*x\.transpose\(0, 3, 1, 2\)"):
        snn_event.convert(snn_event.read_model(model, x), x.transpose(0, 2, 3, 1))
    assert np.array_equal(snn.run(x), snn.run(x.reshape(20, -1)))


def test_bytes_given_to_a_net_of_shares_of_one_give_a_warning(mnist, mnist_onnx):
    images, _, calibration = mnist
    snn = snn_event.convert(mnist_onnx, calibration)
    with pytest.warns(RunWarning, match="from 0 to 255.*divided by 255"):
        snn.run((images[:3] * 255).round().astype(np.uint8))
    quiet(lambda: snn.run(images[:3]))


def test_outputs_are_the_trained_nets_in_its_unit(mnist, mnist_onnx, tmp_path):
    images, _, calibration = mnist
    trained = snn_event.read_model(mnist_onnx).forward(images)
    size = np.sqrt((trained**2).mean())
    for readout in ("spikes", "potential"):
        many = snn_event.convert(mnist_onnx, calibration, T=1024, normalise="max", readout=readout)
        few = snn_event.convert(mnist_onnx, calibration, T=16, readout=readout)
        for snn, allowed in ((many, 0.01), (few, 0.15)):
            outputs = snn.outputs(images)
            assert np.sqrt(((outputs - trained) ** 2).mean()) < allowed * size
            assert np.array_equal(outputs.argmax(1), snn.classify(images))
            snn.save(tmp_path / "net.bin")
            loaded = snn_event.ConvertedSNN.load(tmp_path / "net.bin")
            assert loaded.simulate(images).outputs().tobytes() == outputs.tobytes()
            assert loaded.simulate(images[0]).outputs().shape == (10,)
    spiking = snn_event.convert({"W0": np.eye(3), "theta": 1.0})
    with pytest.raises(ValueError, match="does not say what its outputs stand for"):
        spiking.simulate(np.ones(3)).outputs()


def test_rates_are_activations_in_their_unit(layers, rng, tmp_path):
    x = rng.random((30, 90)).astype(np.float32)
    snn = snn_event.convert(layers, x, T=2000, normalise="max", scale_per="channel")
    snn.save(tmp_path / "net.bin")
    hidden = np.maximum(x @ layers[0][0].T + layers[0][1], 0)
    for made in (snn, snn_event.ConvertedSNN.load(tmp_path / "net.bin")):
        rates = made.simulate(x, spikes=True).rates()
        assert list(rates) == [population.name for population in made.network.populations[1:]]
        name = made.network.populations[1].name
        assert rates[name].shape == (30, 40)
        assert np.abs(rates[name] - hidden).max() < 0.01 * hidden.max()
    with pytest.raises(ValueError, match="spikes=True"):
        snn.simulate(x).rates()
    # The input, given as spikes, stands for the values that the net sees, after mean and deviation.
    folded = snn_event.convert(layers, x, T=4000, input_mean=0.5, input_std=0.25)
    run = folded.simulate(x[:2], T=4000, encoding="regular", spikes=True)
    assert np.abs(run.rates()["input"] - (x[:2] - 0.5) / 0.25).max() < 0.01


def test_labels_that_are_no_classes_are_named_and_one_hot_and_column_labels_are_taken(mnist, mnist_onnx):
    images, labels, _ = mnist
    snn = snn_event.convert(mnist_onnx, images, T=8)
    right = snn.accuracy(images, labels, [8])
    one_hot = np.eye(10)[labels]
    for form in (labels[:, None], one_hot, one_hot.astype(bool), labels.astype(np.float32), labels.astype(np.uint8)):
        assert snn.accuracy(images, form, [8]) == right
    told = snn_event.convert(mnist_onnx, images, T=8, labels=labels[:, None]).report["accuracy"]
    assert told["samples"] == 200 and told["spiking"] == pytest.approx(right[8], abs=0.02)
    wrong = {
        "label 99 of sample 3": np.where(np.arange(200) == 3, 99, labels),
        "label -1 of sample 3": np.where(np.arange(200) == 3, -1, labels),
        r"6\.5 at index \[0\]": labels + 0.5,
        "row 0 has no 1": one_hot * 0,
        r"shape \[100\]": labels[:100],
    }
    for text, bad in wrong.items():
        with pytest.raises(ValueError, match=text):
            snn.accuracy(images, bad, [8])
        with pytest.raises(ValueError, match=text):
            snn_event.convert(mnist_onnx, images, T=8, labels=bad)
    with pytest.raises(ValueError, match="labels of type"):
        snn.accuracy(images, np.array(["seven"] * 200), [8])


def test_constant_currents_are_counted_once_on_both_sides(mnist, mnist_onnx):
    images, _, calibration = mnist
    snn = snn_event.convert(mnist_onnx, calibration, T=16)
    constant = snn.statistics(images[:5])
    with pytest.warns(RunWarning, match="constant input"):
        poisson = snn.statistics(images[:5], encoding="poisson")
    first = snn.network.populations[1].name
    assert constant[first].dense_operations == constant[first].synaptic_operations == 0
    assert constant.dense_drive_operations == constant[first].dense_drive_operations == 5 * 784 * 300
    assert 0 < constant.drive_operations < 0.1 * constant.dense_drive_operations
    assert constant.dense_operations == 5 * 16 * (300 * 100 + 100 * 10)
    assert poisson.dense_drive_operations == poisson.drive_operations == 0
    assert poisson[first].dense_operations == 5 * 16 * 784 * 300
