"""What was exported is what was trained: torch modules against the nets that are read of them."""

from __future__ import annotations

import re
import warnings

import numpy as np
import pytest

torch = pytest.importorskip("torch")
import torch.nn.functional as F  # noqa: E402
from torch import nn  # noqa: E402

import snn_event  # noqa: E402
from snn_event import ConvertError, QCFSActivation, convert, read_model  # noqa: E402


@pytest.fixture(autouse=True)
def seeded():
    torch.manual_seed(7)


class Frozen(nn.Module):
    """A fully connected net with something of Python in front of it."""

    def __init__(self, before, inputs: int = 6) -> None:
        super().__init__()
        self.before = before
        self.net = nn.Sequential(nn.Linear(inputs, 9), nn.ReLU(), nn.Linear(9, 3))

    def forward(self, x):
        return self.net(self.before(x))


def scaled(x):
    if x.max() > 1.5:
        x = x / 255
    return x


def centred_by_item(x):
    return x - x.mean().item()


def centred_by_float(x):
    return x - float(x.mean())


def centred_by_numpy(x):
    return x - torch.from_numpy(np.asarray(x.detach().numpy().mean()))


def normed_when_bright(x):
    return x * (2.0 if bool((x > 0.95).any()) else 1.0)


FROZEN = [scaled, centred_by_item, centred_by_float, centred_by_numpy, normed_when_bright]


@pytest.mark.parametrize("before", FROZEN, ids=lambda before: before.__name__)
@pytest.mark.filterwarnings("ignore::torch.jit.TracerWarning")
def test_what_a_trace_froze_is_refused_with_both_values_and_the_place(before):
    samples = torch.rand(40, 6)
    samples[::2] *= 0.5
    with pytest.raises(ConvertError, match="is not the one that was trained") as refused:
        convert(Frozen(before), samples, T=8)
    text = str(refused.value)
    assert "expected was" in text and "relative difference" in text
    assert "test_exported_as_trained.py:" in text, text


@pytest.mark.filterwarnings("ignore::torch.jit.TracerWarning")
def test_without_samples_frozen_values_show_on_zeros_ones_and_their_like():
    for before in FROZEN:
        with pytest.raises(ConvertError, match="is not the one that was trained"):
            convert(Frozen(before), input_shape=(6,), normalise="none")


def test_the_values_in_the_error_are_those_of_the_module_and_of_the_net():
    model, sample = Frozen(centred_by_item), torch.rand(1, 6)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        with pytest.raises(ConvertError) as refused:
            convert(model, sample, T=8)
    # The trace holds for the one sample it was made of; zeros tell.
    found = re.search(r"output (\d) of sample 0 is (\S+), expected was (\S+) ", str(refused.value))
    with torch.no_grad():
        own = model.net(torch.zeros(1, 6))[0, int(found[1])]
        frozen = model.net(torch.zeros(1, 6) - sample.mean())[0, int(found[1])]
    assert float(found[3]) == pytest.approx(float(own), rel=1e-4)
    assert float(found[2]) == pytest.approx(float(frozen), rel=1e-4)


def test_loops_over_the_batch_are_refused():
    class Loop(nn.Module):
        def __init__(self):
            super().__init__()
            self.net = nn.Linear(6, 3)

        def forward(self, x):
            return torch.stack([self.net(x[i]) for i in range(x.shape[0])])

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        with pytest.raises(ConvertError) as refused:
            convert(Loop(), torch.rand(20, 6), T=8)
    assert "test_exported_as_trained.py:" in str(refused.value), refused.value


def test_samples_that_depend_on_their_batch_are_refused_with_the_reason():
    class Centred(nn.Module):
        def __init__(self):
            super().__init__()
            self.net = nn.Sequential(nn.Linear(6, 4), nn.BatchNorm1d(4, track_running_stats=False), nn.ReLU(), nn.Linear(4, 2))

        def forward(self, x):
            return self.net(x)

    with pytest.raises(ConvertError) as refused:
        convert(Centred(), torch.rand(20, 6), T=8)
    assert "batch" in str(refused.value), refused.value


def test_a_module_that_is_random_in_evaluation_is_refused_as_such():
    noisy = Frozen(lambda x: x + 0.1 * torch.rand_like(x))
    with pytest.raises(ConvertError):
        convert(noisy, torch.rand(20, 6), T=8)
    dropping = Frozen(lambda x: F.dropout(x, 0.5, training=True))
    with pytest.raises(ConvertError):
        convert(dropping, torch.rand(20, 6), T=8)


def test_values_that_leave_torch_are_the_reason_not_a_missing_input():
    class Leaves(nn.Module):
        def __init__(self):
            super().__init__()
            self.net = nn.Linear(6, 3)

        def forward(self, x):
            return self.net(torch.from_numpy(x.detach().numpy() * 2))

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        with pytest.raises(ConvertError) as refused:
            convert(Leaves(), torch.rand(20, 6), T=8)
    text = str(refused.value)
    assert "do not depend on its input" in text and "numpy in " in text and "no input" not in text, text


def test_a_branch_on_values_is_traced_on_real_samples_and_compared_on_zeros():
    class Guarded(nn.Module):
        def __init__(self):
            super().__init__()
            self.net = nn.Linear(6, 3)

        def forward(self, x):
            if x.sum() == 0:
                return torch.full((x.shape[0], 3), 7.0)
            return self.net(x)

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        with pytest.raises(ConvertError) as refused:
            convert(Guarded(), torch.rand(20, 6), T=8)
    text = str(refused.value)
    assert "expected was 7" in text and "__bool__ in " in text, text


def test_the_tracers_warnings_reach_the_user():
    def checked(x):
        assert x.shape[1] == 6
        if x.abs().max() > 1e30:
            raise ValueError("too large")
        return x

    with pytest.warns(torch.jit.TracerWarning):
        snn = convert(Frozen(checked), torch.rand(20, 6), T=8)
    assert snn.network.populations[-1].size == 3


class Pooled(nn.Module):
    def __init__(self, pool, features: int, channels: int = 2) -> None:
        super().__init__()
        self.net = nn.Sequential(nn.Conv2d(1, channels, 1), nn.ReLU(), pool, nn.Flatten(), nn.Linear(features, 3))

    def forward(self, x):
        return self.net(x)


@pytest.mark.parametrize(
    "pool",
    [
        nn.AvgPool2d(2, divisor_override=1),
        nn.AvgPool2d(3, stride=2, padding=1, divisor_override=5),
        nn.AvgPool2d((2, 3), stride=(2, 2), padding=(1, 1), ceil_mode=True, divisor_override=2),
        nn.AvgPool2d(3, stride=2, ceil_mode=True, divisor_override=7, count_include_pad=False),
        nn.AvgPool2d(3, stride=2, padding=1, ceil_mode=True, count_include_pad=False),
        nn.AdaptiveAvgPool2d(4),
        nn.AdaptiveAvgPool2d((5, None)),
        nn.AdaptiveAvgPool2d((2, 3)),
        nn.AdaptiveAvgPool2d(1),
        nn.AdaptiveAvgPool2d(8),
    ],
    ids=str,
)
def test_pools_are_the_modules_own_with_a_divisor_and_where_sizes_do_not_divide(pool):
    for height, width in ((6, 6), (7, 5)):
        x = torch.rand(12, 1, height, width)
        features = pool(torch.zeros(1, 2, height, width)).numel()
        model = Pooled(pool, features)
        net = read_model(model, x)
        with torch.no_grad():
            assert np.allclose(net.forward(x.numpy()), model(x).numpy(), rtol=1e-4, atol=1e-5)
        snn = convert(model, x, T=2000, normalise="max", readout="potential")
        with torch.no_grad():
            assert np.abs(snn.potentials(x) / 2000 - model(x).numpy()).max() < 0.02


def test_adaptive_pooling_along_one_axis_and_as_a_function():
    class Lines(nn.Module):
        def __init__(self):
            super().__init__()
            self.first, self.last = nn.Conv1d(1, 3, 3), nn.Linear(12, 2)

        def forward(self, x):
            return self.last(F.adaptive_avg_pool1d(torch.relu(self.first(x)), 4).flatten(1))

    model, x = Lines(), torch.rand(9, 1, 12)
    with torch.no_grad():
        assert np.allclose(read_model(model, x).forward(x.numpy()), model(x).numpy(), atol=1e-5)


def test_probabilities_and_classes_at_the_end_are_compared_as_such():
    x = torch.rand(30, 6)
    net = nn.Sequential(nn.Linear(6, 9), nn.ReLU(), nn.Linear(9, 3))
    for last in (nn.Softmax(1), nn.LogSoftmax(-1)):
        model = nn.Sequential(net, last)
        with torch.no_grad():
            assert np.allclose(read_model(model, x).forward(x.numpy()), net(x).numpy(), atol=1e-5)

    class Classes(nn.Module):
        def __init__(self):
            super().__init__()
            self.net = net

        def forward(self, x):
            return self.net(x).softmax(1).argmax(1)

    with torch.no_grad():
        assert np.allclose(read_model(Classes(), x).forward(x.numpy()), net(x).numpy(), atol=1e-5)


def test_a_softmax_over_the_batch_is_refused():
    with pytest.raises(ConvertError, match="compares the samples of a batch"):
        convert(nn.Sequential(nn.Linear(6, 3), nn.Softmax(0)), torch.rand(20, 6), T=8)


def test_quantised_nets_agree_although_rounding_moves_values_over_steps():
    model = nn.Sequential(
        *(part for _ in range(6) for part in (nn.Linear(64, 64), QCFSActivation(4, 0.7))), nn.Linear(64, 5)
    )
    for seed in range(5):
        torch.manual_seed(seed)
        for module in model.modules():
            if isinstance(module, nn.Linear):
                module.reset_parameters()
        assert convert(model, torch.rand(100, 64)).T == 4


def test_expected_outputs_are_compared_for_files_too(tmp_path):
    model, x = nn.Sequential(nn.Linear(6, 9), nn.ReLU(), nn.Linear(9, 3)), torch.rand(20, 6)
    path = tmp_path / "net.onnx"
    path.write_bytes(snn_event.to_onnx(model, (6,)))
    with torch.no_grad():
        outputs = model(x)
    snn = convert(path, x, T=8, expect=outputs)
    assert snn.report["agreement"]["samples"] == 20
    with torch.no_grad():
        model[0].weight += 0.1
        other = model(x)
    with pytest.raises(ConvertError, match="is not the one that was trained"):
        convert(path, x, T=8, expect=other)
    with pytest.raises(ConvertError, match="30 expected outputs were given for 20 samples"):
        convert(path, x, T=8, expect=other[:10])
    with pytest.raises(ValueError, match="give both"):
        convert(path, T=8, expect=other)
