"""Optional packages: used where they are, named with their extra where they are not; interrupts and progress."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time

import numpy as np
import pytest
from conftest import lattice_layers

import snn_event

BLOCKED = """
import sys

class Blocked:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in {blocked}:
            raise ModuleNotFoundError(f"No module named {{name!r}}", name=name)

sys.meta_path.insert(0, Blocked())
"""


def python(text: str, blocked: set[str]) -> str:
    code = BLOCKED.format(blocked=blocked) + text
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


OPTIONAL = {"torch", "scipy", "matplotlib", "tqdm", "pandas", "neo", "onnx", "quantities"}


def test_the_import_needs_numpy_only_and_imports_nothing_else():
    out = python(
        "import numpy\nbefore = set(sys.modules)\nimport snn_event\n"
        "from snn_event import *\n"
        "print(sorted({name.partition('.')[0] for name in set(sys.modules) - before}"
        " - set(sys.stdlib_module_names) - {'numpy'}))",
        OPTIONAL,
    )
    assert out.split() == ["['snn_event']"]


@pytest.mark.parametrize(
    ("use", "extra"),
    [
        ("snn_event.QCFSActivation", "torch"),
        ("from snn_event import replace_relu_with_qcfs", "torch"),
        ("snn.weights", "scipy"),
        ("snn.run(x, progress=True)", "progress"),
        ("snn.statistics(x).to_pandas()", "pandas"),
        ("snn.spikes(x)['input'].to_neo(0)", "neo"),
    ],
)
def test_what_is_missing_is_named_with_the_command_that_installs_it(use, extra):
    out = python(
        "import numpy as np, snn_event\n"
        "x = np.ones((3, 2))\n"
        "snn = snn_event.convert([(np.ones((1, 2)), None)], normalise='none')\n"
        "assert snn.run(x).tolist() == [[16]] * 3\n"
        f"try:\n    {use}\nexcept snn_event.MissingExtra as error:\n    print(error)\n",
        OPTIONAL,
    )
    assert f"pip install snn-event[{extra}]" in out


@pytest.fixture
def snn(rng):
    return snn_event.convert(lattice_layers(rng, [30, 60, 60, 10]), T=50, normalise="none")


def test_statistics_become_a_data_frame(snn, rng):
    pytest.importorskip("pandas", reason="an extra; CI installs all of them and lets no test skip for this")
    statistics = snn.statistics(rng.random((5, 30)))
    frame = statistics.to_pandas()
    assert list(frame.index) == ["input", "layer0", "layer1", "layer2"]
    assert frame.synaptic_operations.sum() == statistics.synaptic_operations


def test_spikes_become_neo_spike_trains(snn, rng):
    pytest.importorskip("neo", reason="an extra; CI installs all of them and lets no test skip for this")
    spikes = snn.spikes(rng.random((2, 30)))["layer0"]
    trains = spikes.to_neo(1, step=0.5)
    raster = spikes.raster(1)
    assert len(trains) == 60
    for neuron, train in enumerate(trains):
        assert np.allclose(train.rescale("ms").magnitude, np.flatnonzero(raster[:, neuron]) * 0.5)
        assert float(train.t_stop.rescale("ms")) == 25.0


def test_progress_counts_every_sample(snn, rng, capsys):
    pytest.importorskip("tqdm", reason="an extra; CI installs all of them and lets no test skip for this")
    snn.run(rng.random((37, 30)), progress=True)
    assert "37/37" in capsys.readouterr().err
    told = []
    snn.network.run(rng.random((400, 30)).astype(np.float32), 2000, progress=told.append)
    assert sum(told) == 400 and len(told) > 1


def test_what_a_progress_callback_raises_ends_the_run(snn, rng):
    def stop(_):
        raise RuntimeError("enough")

    with pytest.raises(RuntimeError, match="enough"):
        snn.network.run(rng.random((3000, 30)).astype(np.float32), 2000, progress=stop)


@pytest.mark.skipif(not hasattr(signal, "SIGINT"), reason="no interrupts here")
@pytest.mark.parametrize("threads", [1, 2])
def test_an_interrupt_ends_a_long_run(snn, rng, threads):
    x = rng.random((100_000, 30)).astype(np.float32)
    # What is started in the background of a shell ignores interrupts.
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    timer = threading.Timer(0.3, os.kill, (os.getpid(), signal.SIGINT))
    started = time.monotonic()
    timer.start()
    try:
        with pytest.raises(KeyboardInterrupt):
            snn.run(x, T=20_000, threads=threads)
    finally:
        signal.signal(signal.SIGINT, before)
    assert time.monotonic() - started < 5


def test_other_threads_go_on_while_a_run_goes_on(snn, rng):
    x = rng.random((600, 30)).astype(np.float32)
    turns = 0
    done = threading.Event()

    def run():
        snn.run(x, T=2000, threads=1)
        done.set()

    worker = threading.Thread(target=run)
    worker.start()
    while not done.wait(0.001):
        turns += 1
    worker.join()
    assert turns > 10
