"""A recurrent net of leaky neurons beside Brian2, step by step in the same weights and inputs."""

from __future__ import annotations

import numpy as np
import pytest

import snn_event


def test_a_recurrent_net_spikes_as_in_brian2(rng):
    try:
        import brian2 as b2
    except (ImportError, AttributeError):
        # Versions up to 2.9 fail at their import beside NumPy 2.
        pytest.skip("peer not installed: brian2")
    b2.prefs.codegen.target = "numpy"
    n, steps, dt, tau, delay = 60, 400, 0.1, 10.0, 15
    weights = np.where(rng.random((n, n)) < 0.2, rng.normal(0.1, 1.0, (n, n)), 0.0).astype(np.float32)
    currents = rng.normal(0.05, 0.3, (steps, n)).astype(np.float32)
    leak = np.float32(np.exp(-dt / tau))
    network = snn_event.from_scipy(weights, "leaky", delay=delay, leak=float(leak), threshold=1.0, reset="to")
    ours = snn_event.Simulator(network).run(steps, currents=currents).spikes["neurons"]

    b2.start_scope()
    b2.defaultclock.dt = dt * b2.ms
    given = b2.TimedArray(currents.astype(float), dt=dt * b2.ms)
    group = b2.NeuronGroup(n, "v : 1", threshold="v >= 1", reset="v = 0", method="exact", namespace={"given": given})
    # In a step, as in ours: the potential leaks and takes its current, then what arrives, then it fires.
    group.run_regularly(f"v = {float(leak)!r} * v + given(t, i)", dt=dt * b2.ms, when="start")
    # Spikes are queued behind the arrivals of their step, so the queue itself takes one step.
    synapses = b2.Synapses(group, group, "w : 1", on_pre="v_post += w", delay=(delay - 1) * dt * b2.ms)
    post, pre = np.nonzero(weights)
    synapses.connect(i=pre, j=post)
    synapses.w = weights[post, pre]
    monitor = b2.SpikeMonitor(group)
    # Arrivals before the threshold is looked at.
    b2.magic_network.schedule = ["start", "groups", "synapses", "thresholds", "resets", "end"]
    b2.run(steps * dt * b2.ms)
    theirs = np.zeros((steps, n), bool)
    theirs[np.rint(np.asarray(monitor.t / b2.ms) / dt).astype(int), np.asarray(monitor.i)] = True
    assert theirs.sum() > 200
    assert (ours.raster(0) == theirs).mean() > 0.999
