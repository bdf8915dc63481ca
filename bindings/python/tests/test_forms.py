"""Models, samples and wrappers in the forms that users have them; errors with kinds; files that must not be lost."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time
import zlib
from pathlib import Path

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="an extra; CI installs all of them and lets no test skip for this")
from torch import nn  # noqa: E402
from torch.utils.data import DataLoader, TensorDataset  # noqa: E402

import snn_event  # noqa: E402
from snn_event import ConvertedSNN, ConvertError, convert, read_model  # noqa: E402

LAYERS = """input = [6]
[[layer]]
kind = 'linear'
weights = '0'
[[layer]]
kind = 'relu'
[[layer]]
kind = 'linear'
weights = '2'
"""


def net():
    torch.manual_seed(3)
    return nn.Sequential(nn.Linear(6, 9), nn.ReLU(), nn.Linear(9, 3))


def values(model, x):
    with torch.no_grad():
        return model(x).numpy()


@pytest.mark.parametrize("wrap", ["compile", "parallel", "parallel of compile", "compiled part", "compiled in place"])
def test_compiled_and_parallel_modules_are_unwrapped_and_left_as_they_were(wrap):
    plain, x = net(), torch.rand(20, 6)
    expected = values(plain, x)
    wrapped = {
        "compile": lambda: torch.compile(plain),
        "parallel": lambda: nn.DataParallel(plain),
        "parallel of compile": lambda: nn.DataParallel(torch.compile(plain)),
        "compiled part": lambda: nn.Sequential(torch.compile(plain[0]), plain[1], plain[2]),
        "compiled in place": lambda: (plain.compile(), plain)[1],
    }[wrap]()
    before = [type(module) for module in wrapped.modules()]
    assert np.allclose(read_model(wrapped, x).forward(x.numpy()), expected, atol=1e-5)
    assert convert(wrapped, x, T=8).run(x).shape == (20, 3)
    assert [type(module) for module in wrapped.modules()] == before


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16, torch.float64])
def test_modules_and_samples_of_other_floating_point_types_are_taken_in_float32(dtype):
    model, x = net().to(dtype), torch.rand(20, 6).to(dtype)
    assert np.allclose(read_model(model, x).forward(x.float().numpy()), values(net().to(dtype).float(), x.float()), atol=1e-5)
    assert convert(model, x, T=8).run(x).shape == (20, 3) and model[0].weight.dtype == dtype


def test_what_the_exporter_fails_on_is_one_line_and_no_page_of_graph(capfd):
    class Odd(nn.Module):
        def forward(self, x):
            return nn.functional.adaptive_max_pool2d(x, 4).flatten(1)

    class Sorted(nn.Module):
        def forward(self, x):
            return torch.linalg.svdvals(x.reshape(-1, 6, 6)).flatten(1)

    for module in (Odd(), Sorted()):
        with pytest.raises(ConvertError) as refused:
            convert(module, torch.rand(20, 1, 6, 6), T=8)
        assert "cannot be exported to ONNX" in str(refused.value)
        assert len(str(refused.value)) < 800 and "%" not in str(refused.value), refused.value
    printed = capfd.readouterr()
    assert "graph(" not in printed.out + printed.err


@pytest.mark.parametrize("norm", [nn.utils.spectral_norm, nn.utils.weight_norm, nn.utils.parametrizations.weight_norm])
@pytest.mark.filterwarnings("ignore::FutureWarning")
def test_normalised_weights_are_converted_or_refused_and_never_others(norm):
    model, x = net(), torch.rand(20, 6)
    norm(model[0])
    model.eval()
    try:
        found = read_model(model, x).forward(x.numpy())
    except ConvertError:
        return
    assert np.allclose(found, values(model, x), atol=1e-4)


def test_calibration_data_come_as_arrays_lists_data_sets_and_loaders():
    x, model = torch.rand(23, 6), net()
    y = torch.arange(23) % 3
    expected = convert(model, x, T=8).network.to_bytes

    class Samples(torch.utils.data.Dataset):
        def __len__(self):
            return len(x)

        def __getitem__(self, place):
            if place >= len(x):
                raise IndexError
            return x[place], int(y[place])

    forms = {
        "array": x.numpy(),
        "list of tensors": list(x),
        "list of arrays": list(x.numpy()),
        "list of lists": x.tolist(),
        "list of pairs": [(sample, 1) for sample in x],
        "tuple": tuple(x),
        "TensorDataset": TensorDataset(x, y),
        "Dataset": Samples(),
        "Subset": torch.utils.data.Subset(Samples(), range(23)),
        "DataLoader": DataLoader(TensorDataset(x, y), batch_size=5),
        "DataLoader of tensors": DataLoader(x, batch_size=4),
        "DataLoader without batches": DataLoader(TensorDataset(x, y), batch_size=None),
        "generator of batches": (x[first : first + 7] for first in range(0, 23, 7)),
    }
    weights = convert(model, x, T=8).dense_weights()
    assert expected()
    for name, form in forms.items():
        found = convert(model, form, T=8).dense_weights()
        assert all(np.array_equal(a, b) for a, b in zip(found, weights, strict=True)), name


@pytest.mark.parametrize(
    ("samples", "error", "text"),
    [
        ([], ValueError, "holds no samples"),
        ({"image": np.zeros((3, 6))}, TypeError, "calibration_data of type dict"),
        ([{"image": np.zeros(6)}], TypeError, "item 0 of calibration_data is a mapping"),
        ([np.zeros(6), np.zeros(5)], ValueError, "at item 1, of"),
        (np.zeros(6), ValueError, r"allowed are batches of samples, \(N, ...\)"),
        (3, TypeError, "calibration_data of type int"),
        ([np.zeros(6), "text"], TypeError, "item 1 of calibration_data"),
    ],
)
def test_calibration_data_that_are_none_are_refused(samples, error, text):
    with pytest.raises(error, match=text):
        convert(net(), samples, T=8)


def test_state_dicts_with_a_layer_list_files_and_protos_make_the_modules_net(tmp_path):
    safetensors = pytest.importorskip("safetensors.torch", reason="an extra; CI installs all of them and lets no test skip for this")
    onnx = pytest.importorskip("onnx", reason="an extra; CI installs all of them and lets no test skip for this")
    model, x = net(), torch.rand(20, 6)
    expected = values(model, x)
    torch.save(model.state_dict(), tmp_path / "net.pt")
    safetensors.save_file(model.state_dict(), tmp_path / "net.safetensors")
    (tmp_path / "layers.toml").write_text(LAYERS)
    (tmp_path / "net.onnx").write_bytes(snn_event.to_onnx(model, (6,)))
    proto = onnx.load(tmp_path / "net.onnx")
    for given, layers in [
        (model.state_dict(), LAYERS),
        (model.state_dict(), tmp_path / "layers.toml"),
        ({name: tensor.numpy() for name, tensor in model.state_dict().items()}, LAYERS),
        (tmp_path / "net.pt", str(tmp_path / "layers.toml")),
        (str(tmp_path / "net.safetensors"), LAYERS),
        (tmp_path / "net.onnx", None),
        (proto, None),
        (bytearray(proto.SerializeToString()), None),
    ]:
        assert np.allclose(read_model(given, layers=layers).forward(x.numpy()), expected, atol=1e-5), given
        assert convert(given, x, T=8, layers=layers).run(x).shape == (20, 3)


def test_without_a_layer_list_a_state_dict_is_told_what_is_missing(tmp_path):
    torch.save(net().state_dict(), tmp_path / "net.pt")
    for given in (net().state_dict(), tmp_path / "net.pt"):
        with pytest.raises(ConvertError, match="layer list") as refused:
            convert(given, torch.rand(5, 6))
        assert "0.weight [9, 6]" in str(refused.value) and "--" not in str(refused.value)
    with pytest.raises(ConvertError, match="layers: not a readable layer list"):
        convert(net().state_dict(), layers="what is this")
    with pytest.raises(FileNotFoundError):
        convert(net().state_dict(), layers=tmp_path / "none.toml")
    with pytest.raises(FileNotFoundError):
        convert(tmp_path / "none.pt", layers=LAYERS)
    with pytest.raises(ValueError, match="leave it out"):
        convert(net(), torch.rand(5, 6), layers=LAYERS)


def test_a_network_is_made_of_weights_biases_and_thresholds_as_in_sc_neurocore():
    rng = np.random.default_rng(0)
    weights = [rng.integers(-8, 9, (5, 4)) / 8, rng.integers(-8, 9, (3, 5)) / 8]
    biases = [rng.integers(-2, 3, 5) / 8, None]
    snn = ConvertedSNN(weights=weights, biases=biases, thresholds=[1.0, 0.5], T=20, initial_membrane_fraction=0.5)
    assert (snn.T, snn.n_layers, snn.thresholds, snn.initial_membrane_fraction) == (20, 2, [1.0, 0.5], 0.5)
    assert all(np.array_equal(a, b) for a, b in zip(snn.dense_weights(), weights, strict=True))
    raster = rng.random((20, 4)) < 0.5
    potentials, spikes = [np.full(5, 0.5), np.full(3, 0.25)], np.zeros(3, int)
    for fired in raster:
        for layer, (weight, bias, theta) in enumerate(zip(weights, biases, [1.0, 0.5], strict=True)):
            potentials[layer] += weight @ fired + (0 if bias is None else bias)
            fired = potentials[layer] >= theta
            potentials[layer] -= theta * fired
        spikes += fired
    assert np.array_equal(snn.run(raster=raster), spikes)
    again = ConvertedSNN(weights=snn.dense_weights(), biases=snn.biases, thresholds=snn.thresholds, T=20, initial_membrane_fraction=0.5)
    assert np.array_equal(again.run(raster=raster), spikes)
    for wrong in ({"thresholds": [1.0]}, {"thresholds": [1.0, 0.0]}, {"thresholds": [1.0, None]}, {"biases": [None]}, {"thresholds": None}):
        with pytest.raises(ValueError):
            ConvertedSNN(**{"weights": weights, "biases": biases, "thresholds": [1.0, 0.5], "T": 8, **wrong})
    with pytest.raises(ValueError, match="give either a network"):
        ConvertedSNN()


def test_errors_have_kinds(tmp_path):
    snn = convert(net(), torch.rand(20, 6), T=8)
    with pytest.raises(snn_event.InputError):
        snn.run(np.zeros((2, 5)))
    with pytest.raises(snn_event.StateError):
        snn.simulator().restore(b"no state")
    with pytest.raises(snn_event.UnsupportedError, match="GRU|Sin"):
        class Sine(nn.Module):
            def forward(self, x):
                return torch.sin(x)

        convert(nn.Sequential(net(), Sine(), nn.Linear(3, 2)), torch.rand(20, 6), T=8)
    (tmp_path / "net.bin").write_bytes(b"nothing of the kind")
    with pytest.raises(snn_event.FormatError):
        ConvertedSNN.load(tmp_path / "net.bin")
    with pytest.raises(FileNotFoundError):
        ConvertedSNN.load(tmp_path / "none.bin")
    with pytest.raises(OSError):
        ConvertedSNN.load(tmp_path)
    for kind, base in [
        (snn_event.InputError, snn_event.NetworkError),
        (snn_event.StateError, snn_event.NetworkError),
        (snn_event.UnsupportedError, ConvertError),
        (snn_event.DifferentNetError, ConvertError),
        (snn_event.NetworkError, ValueError),
        (ConvertError, ValueError),
        (snn_event.FormatError, ValueError),
    ]:
        assert issubclass(kind, base)


def test_a_network_is_never_saved_over_a_file_that_it_was_made_of(tmp_path):
    path, x = tmp_path / "net.onnx", torch.rand(20, 6)
    path.write_bytes(snn_event.to_onnx(net(), (6,)))
    before = path.read_bytes()
    (tmp_path / "link").symlink_to(path)
    (tmp_path / "hard").hardlink_to(path)
    snn = convert(path, x, T=8)
    for output in (path, tmp_path / "link", tmp_path / "hard", tmp_path / "." / "net.onnx"):
        with pytest.raises(ValueError, match="it would be destroyed"):
            snn.save(output)
    assert path.read_bytes() == before
    snn.save(tmp_path / "net.bin")
    loaded = ConvertedSNN.load(tmp_path / "net.bin")
    with pytest.raises(ValueError, match="it would be destroyed"):
        loaded.save(tmp_path / "net.bin")
    loaded.save(tmp_path / "other.bin")


def test_the_report_and_the_provenance_survive_saving_and_loading(tmp_path):
    path, x = tmp_path / "net.onnx", torch.rand(20, 6)
    path.write_bytes(snn_event.to_onnx(net(), (6,)))
    snn = convert(path, x, T=8, compare=True)
    snn.save(tmp_path / "net.bin")
    loaded = ConvertedSNN.load(tmp_path / "net.bin")
    assert loaded.report == json.loads(json.dumps(snn.report)) and loaded.provenance == snn.provenance
    said = loaded.provenance
    assert said["model"]["file"] == "net.onnx" and len(said["model"]["crc32"]) == 8
    assert said["calibration"]["shape"] == [20, 6] and said["options"]["T"] == 8
    assert convert(path, x + 0.1, T=8).provenance["calibration"] != said["calibration"]
    # A report that is longer than a file may say loses its layers, not the file.
    long = ConvertedSNN(snn.network, 8, {"layers": [{"name": "x" * 1000}] * 600, "notes": ["kept"]})
    long.save(tmp_path / "long.bin")
    report = ConvertedSNN.load(tmp_path / "long.bin").report
    assert report == {"layers": [], "notes": ["kept"], "shortened": True}


def test_a_run_tells_what_made_it():
    snn, x = convert(net(), torch.rand(20, 6), T=8), torch.rand(3, 6)
    said = snn.simulate(x, encoding="poisson", seed=5).provenance
    options = {"T": 8, "encoding": "poisson", "mode": "auto", "seed": 5}
    defaults = {"threads": said["options"]["threads"], "memory_limit": 384 << 20}
    assert said["options"] == options | defaults and 1 <= defaults["threads"] <= 3
    assert said["input"]["shape"] == [3, 6] and said["kernels"] and said["tool"].startswith("snn_event ")
    other = snn.simulate(x + 0.1, encoding="poisson", seed=5).provenance
    assert other["net"] == said["net"] and other["input"] != said["input"]
    network = snn.network.to_bytes()
    assert said["net"] == {"bytes": len(network), "crc32": f"{zlib.crc32(network):08x}"}


def of(data):
    return {"bytes": len(data), "crc32": f"{zlib.crc32(data):08x}"}


def test_a_network_tells_every_option_in_effect_and_the_digest_of_all_that_was_read(tmp_path):
    path, x, labels = tmp_path / "net.onnx", torch.rand(20, 6).numpy(), np.arange(20) % 3
    path.write_bytes(snn_event.to_onnx(net(), (6,)))
    snn = convert(path, x, labels=labels)
    said = snn.provenance
    assert said["model"] == {"file": "net.onnx", **of(path.read_bytes())}
    assert said["calibration"] == {"shape": [20, 6], **of(x.tobytes())}
    assert said["labels"] == {"shape": [20], **of(labels.astype(np.int64).tobytes())}
    assert said["options"] == {
        "T": 16,
        "compare": True,
        "fit": True,
        "fit_by": "search",
        "input_mean": [],
        "input_shape": None,
        "input_std": [],
        "levels": 16,
        "max_spikes": 1,
        "neuron": "unit",
        "reconstruct": None,
        "normalise": "mse",
        "percentile": None,
        "readout": said["options"]["readout"],
        "scale_per": "shape",
        "scale_steps": 16,
        "unroll": False,
        "v0": "half",
        "weights": "f32",
        "zeros": "in",
    }
    # A file says its own digest in the runs of what is in it, without a look at all of it.
    snn.save(tmp_path / "net.bin")
    run = ConvertedSNN.load(tmp_path / "net.bin").simulate(x[:2])
    assert run.provenance["net"] == {"file": "net.bin", **of((tmp_path / "net.bin").read_bytes())}
    # Nothing that depends on the machine is in the file.
    assert not {"kernels", "threads"} & set(said)


def test_a_model_of_several_files_tells_all_of_them(tmp_path):
    tensors = {name: value for name, value in net().state_dict().items()}
    torch.save(tensors, tmp_path / "net.pt")
    layers = tmp_path / "net.toml"
    layers.write_text(LAYERS)
    said = convert(tmp_path / "net.pt", torch.rand(20, 6), layers=layers).provenance
    assert said["model"] == {"file": "net.pt", **of((tmp_path / "net.pt").read_bytes())}
    assert said["layers"] == {"file": "net.toml", **of(layers.read_bytes())}
    text = convert(tensors, torch.rand(20, 6), layers=LAYERS).provenance
    assert text["layers"] == of(LAYERS.encode()) and text["model"]["tensors"] == len(tensors)


def test_a_memory_limit_bounds_reading_and_running_as_on_the_command_line(tmp_path):
    path, x = tmp_path / "net.bin", np.zeros((3, 6), np.float32)
    convert(net(), torch.rand(20, 6), T=8).save(path)
    with pytest.raises(snn_event.FormatError, match="raise the memory limit"):
        ConvertedSNN.load(path, memory_limit="1K")
    snn = ConvertedSNN.load(path)
    with pytest.raises(snn_event.InputError, match="raise memory_limit"):
        snn.run(x, memory_limit=1000)
    with pytest.raises(snn_event.InputError, match="raise memory_limit"):
        snn_event.Simulator(snn.network, memory_limit=100)
    with pytest.raises(ValueError, match="memory_limit: `4X` is no number of bytes"):
        snn.run(x, memory_limit="4X")
    # What was allowed for a file holds for its runs; what is allowed for a run comes first.
    loaded = ConvertedSNN.load(path, memory_limit="200M")
    assert loaded.network.memory_limit() == 200 << 20 and loaded.network.memory_limit("1G") == 1 << 30
    assert (loaded.run(x) == snn.run(x, memory_limit="2G")).all()


LONG = {
    "run": "snn.run(np.full((1, 784), 0.5, np.float32), T=40_000_000)",
    "stepwise run": "snn.run(np.full((1, 784), 0.5, np.float32), T=4_000_000, mode='event')",
    "dense run": "snn.run(np.full((1, 784), 0.5, np.float32), T=400_000, mode='dense')",
    # Fitting is linear in the depth, so it takes depth to be long.
    "fit": "snn_event.convert(layers[:1] + [(rng.standard_normal((300, 300)) / 10, None)] * 80, "
    "np.random.default_rng(0).random((2000, 784)), T=2000, normalise='mse', fit=True)",
}


@pytest.mark.skipif(sys.platform == "win32", reason="signals of POSIX")
@pytest.mark.parametrize("work", LONG, ids=str)
def test_an_interrupt_ends_long_work_soon(work):
    program = f"""
import numpy as np, signal, snn_event
# Python takes no interrupts where they were ignored when it began, as in the background of a shell.
signal.signal(signal.SIGINT, signal.default_int_handler)
rng = np.random.default_rng(1)
layers = [(rng.standard_normal((300, 784)) / 20, None), (rng.standard_normal((10, 300)) / 10, None)]
snn = snn_event.convert(layers, rng.random((10, 784)), T=8)
print("begun", flush=True)
try:
    {LONG[work]}
    print("ended", flush=True)
except KeyboardInterrupt:
    print("interrupted", flush=True)
"""
    process = subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE, text=True)
    assert process.stdout.readline() == "begun\n"
    time.sleep(1.0)
    sent = time.monotonic()
    process.send_signal(signal.SIGINT)
    assert process.stdout.readline() == "interrupted\n"
    # The promise is half a second; a busy machine gets some more here.
    assert time.monotonic() - sent < 2.0
    assert process.wait(10) == 0


def test_no_file_of_the_bindings_needs_one_that_needs_it():
    folder = Path(__file__).parent.parent / "src"
    if not folder.is_dir():
        pytest.skip("the sources are not there")
    import re

    names = {path.stem for path in folder.glob("*.rs")} - {"lib"}
    needs = {}
    for name in names:
        text = (folder / f"{name}.rs").read_text()
        used = set(re.findall(r"crate::(\w+)", text))
        for group in re.findall(r"use crate::\{([^}]*)\}", text):
            used |= set(re.findall(r"\b(\w+)\b", group))
        needs[name] = used & names - {name}
    done: set[str] = set()
    while ready := {name for name in needs if name not in done and needs[name] <= done}:
        done |= ready
    assert done == names, f"in a circle: {sorted(names - done)}"
