"""The quantised activation: values, gradients, replacement, export."""

from __future__ import annotations

import numpy as np
import pytest

torch = pytest.importorskip("torch")
from torch import nn  # noqa: E402

import snn_event  # noqa: E402
from snn_event import QCFSActivation, replace_relu_with_qcfs  # noqa: E402


def published(x, theta, levels):
    """Bu et al. 2022, equation 13 with φ = ½, in float64: λ·clip(⌊x·L/λ + ½⌋/L, 0, 1)."""
    return theta * np.clip(np.floor(x * levels / theta + 0.5) / levels, 0, 1)


@pytest.mark.parametrize("levels", [1, 2, 4, 8, 31])
@pytest.mark.parametrize("theta", [0.5, 1.0, 1.37, 8.0])
def test_the_forward_pass_is_really_quantised(levels, theta):
    activation = QCFSActivation(levels, theta).double()
    activation.theta.fill_(theta)
    # Away from the steps of the staircase, where rounding decides.
    x = (np.arange(-3 * levels, 3 * levels) + 0.37) * theta / levels / 1.9
    y = activation(torch.tensor(x)).numpy()
    assert np.allclose(y, published(x, theta, levels), rtol=1e-12, atol=0)
    assert np.unique(np.round(y * levels / theta, 9)).tolist() == list(range(levels + 1))


def test_steps_of_the_staircase_belong_to_the_value_above():
    x = torch.tensor([0.0624999, 0.0625, 0.9374999, 0.9375, 1e9, -1e9, 0.0])
    assert QCFSActivation(8, 1.0)(x).tolist() == [0.0, 0.125, 0.875, 1.0, 1.0, 0.0, 0.0]


@pytest.mark.parametrize("levels", [1, 4, 8])
@pytest.mark.parametrize("theta", [0.5, 1.37, 4.0])
def test_gradients_are_those_of_the_paper(levels, theta):
    """Bu et al. 2022, section 4.4: 1 to x inside (-λ/2L, λ - λ/2L); (ĥ - x)/λ to λ inside, 0 below, 1 above."""
    activation = QCFSActivation(levels, theta, learn_theta=True).double()
    with torch.no_grad():
        activation.theta.fill_(theta)
    x = torch.linspace(-theta, 2.5 * theta, 777, dtype=torch.float64, requires_grad=True)
    weights = torch.linspace(0.3, 1.9, 777, dtype=torch.float64)
    (activation(x) * weights).sum().backward()
    values, half = x.detach().numpy(), theta / (2 * levels)
    inside = (values > -half) & (values < theta - half)
    assert np.array_equal(x.grad.numpy(), weights.numpy() * inside)
    assert inside.any() and (~inside).any()
    slope = np.where(
        inside, (published(values, theta, levels) - values) / theta, (values >= theta - half).astype(float)
    )
    assert activation.theta.grad.shape == ()
    assert activation.theta.grad.item() == pytest.approx(float((slope * weights.numpy()).sum()), rel=1e-10)


def test_the_gradient_to_theta_is_that_of_the_staircase_whose_floor_passes_gradients_straight_through():
    x = torch.randn(4, 50, dtype=torch.float64)
    ours = QCFSActivation(8, 0.8, learn_theta=True).double()
    ours(x).sum().backward()
    theta = ours.theta.detach().clone().requires_grad_()
    scaled = x * 8 / theta + 0.5
    # The clip looks at the argument of the floor, which is what gives the bounds of the paper.
    passed = scaled.clamp(0, 8) + (scaled.floor().clamp(0, 8) - scaled.clamp(0, 8)).detach()
    (passed * theta / 8).sum().backward()
    assert ours.theta.grad.item() == pytest.approx(theta.grad.item(), rel=1e-10)


def test_a_fixed_theta_is_a_buffer_and_gets_no_gradient():
    activation = QCFSActivation(4, 2.0)
    assert list(activation.parameters()) == [] and activation.state_dict()["theta"].item() == 2.0
    x = torch.ones(3, requires_grad=True)
    activation(x).sum().backward()
    assert x.grad.tolist() == [1.0, 1.0, 1.0]


def test_half_precision_stays_half_precision():
    x = torch.randn(5, dtype=torch.bfloat16, requires_grad=True)
    activation = QCFSActivation(8, 1.0, learn_theta=True)
    y = activation(x)
    y.sum().backward()
    assert y.dtype == x.grad.dtype == torch.bfloat16 and activation.theta.grad.dtype == torch.float32


@pytest.mark.parametrize("arguments", [{"T": 0}, {"T": 1.5}, {"T": True}, {"theta": 0.0}, {"theta": float("nan")}])
def test_steps_and_thresholds_that_make_no_sense_are_refused(arguments):
    with pytest.raises(ValueError, match="allowed are"):
        QCFSActivation(**arguments)


def test_every_relu_is_replaced_at_any_depth_and_a_shared_one_stays_shared():
    shared = nn.ReLU()
    model = nn.Sequential(
        nn.Linear(3, 3), shared, nn.Sequential(nn.Linear(3, 3), nn.ReLU6(), nn.Sequential(nn.Linear(3, 3), shared))
    )
    assert replace_relu_with_qcfs(model, T=4, theta=2.0) is model
    assert not any(isinstance(module, nn.ReLU | nn.ReLU6) for module in model.modules())
    assert model[1] is model[2][2][1] and model[1] is not model[2][1]
    assert (model[1].T, model[1].theta.item(), model[1].theta.requires_grad) == (4, 2.0, True)
    assert isinstance(replace_relu_with_qcfs(nn.ReLU()), QCFSActivation)


def test_a_model_without_relu_modules_is_refused():
    with pytest.raises(ValueError, match=r"write them as nn.ReLU\(\)"):
        replace_relu_with_qcfs(nn.Sequential(nn.Linear(2, 2)))


def test_thresholds_can_start_at_the_percentile_of_the_activations():
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(5, 64), nn.ReLU(), nn.Linear(64, 3), nn.ReLU())
    x = torch.randn(200, 5)
    hidden = torch.relu(model[0](x)).detach().numpy()
    model.train()
    replace_relu_with_qcfs(model, calibration_data=x, percentile=90)
    assert model.training
    assert model[1].theta.item() == pytest.approx(float(np.percentile(hidden, 90)), rel=1e-6)


def test_an_exported_activation_is_recognised_with_its_levels_and_threshold():
    model = nn.Sequential(nn.Linear(6, 5), QCFSActivation(8, 1.3), nn.Linear(5, 4), QCFSActivation(3, 0.7, True))
    x = torch.randn(50, 6)
    net = snn_event.read_model(model, x)
    assert net.activations == [8, 3] and net.input_shape == (6,) and net.output_shape == (4,)
    ours, theirs = net.forward(x.numpy()), model(x).detach().numpy()
    # A value at a step of the staircase may fall to either side.
    assert np.isclose(ours, theirs, atol=1e-5).mean() > 0.98
