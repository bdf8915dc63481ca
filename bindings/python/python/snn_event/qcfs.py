"""QCFS, the activation that a spiking neuron can compute exactly (Bu et al. 2022, "Optimal ANN-SNN conversion for
high-accuracy and ultra-low-latency spiking neural networks", ICLR). Needs PyTorch."""

from __future__ import annotations

import math
from typing import Any

from snn_event.extras import need

need("torch", "torch")

import torch  # noqa: E402  (after the check that it is there)
from torch import Tensor, nn  # noqa: E402

__all__ = ["QCFSActivation", "replace_relu_with_qcfs"]


def _staircase(x: Tensor, theta: Tensor, levels: int) -> Tensor:
    """`clip(floor(x·L/θ + ½), 0, L)·θ/L`, in the order of operations that an exported model has."""
    return (x * levels / theta + 0.5).floor().clamp(0, levels) * theta / levels


class _Quantise(torch.autograd.Function):
    """The staircase, with the gradients of Bu et al. 2022, section 4.4: the floor passes gradients straight through.

    With `h` the result, `L` the levels and `inside` meaning `-θ/2L < x < θ - θ/2L`:

    - `∂h/∂x` is 1 inside, else 0;
    - `∂h/∂θ` is `(h - x)/θ` inside, 0 below and 1 above.
    """

    @staticmethod
    def forward(ctx: Any, x: Tensor, theta: Tensor, levels: int) -> Tensor:
        result = _staircase(x, theta, levels)
        ctx.save_for_backward(x, theta, result)
        ctx.levels = levels
        return result

    @staticmethod
    def backward(ctx: Any, *grads: Any) -> tuple[Tensor | None, Tensor | None, None]:
        (grad,) = grads
        x, theta, result = ctx.saved_tensors
        half = theta / (2 * ctx.levels)
        above = x >= theta - half
        inside = (x > -half) & ~above
        grad_x = grad_theta = None
        if ctx.needs_input_grad[0]:
            grad_x = grad * inside
        if ctx.needs_input_grad[1]:
            slope = torch.where(inside, (result - x) / theta, above.to(x.dtype))
            grad_theta = (grad * slope).sum().reshape(theta.shape).to(theta.dtype)
        return grad_x, grad_theta, None


class QCFSActivation(nn.Module):
    """Quantised ReLU: `clip(floor(x·T/θ + ½), 0, T)·θ/T`, the `T + 1` values that a neuron with threshold θ that starts
    at θ/2 can express by its spike count in `T` steps.

    The forward pass really is quantised. The gradient with respect to `x` is 1 inside the range and 0 outside; θ gets the
    gradient of Bu et al. 2022 if it is learned.

    Args:
        T: number of steps, at least 1; the paper's L.
        theta: the threshold θ, above 0.
        learn_theta: whether θ is a parameter of the training. It is otherwise a buffer.
    """

    T: int
    theta: Tensor

    def __init__(self, T: int = 8, theta: float = 1.0, learn_theta: bool = False) -> None:
        super().__init__()
        if isinstance(T, bool) or int(T) != T or T < 1:
            raise ValueError(f"T is {T}; allowed are whole numbers from 1 on")
        if not (math.isfinite(theta) and theta > 0):
            raise ValueError(f"theta is {theta}; allowed are finite numbers above 0")
        self.T = int(T)
        value = torch.tensor(float(theta))
        if learn_theta:
            self.theta = nn.Parameter(value)
        else:
            self.register_buffer("theta", value)

    def forward(self, x: Tensor) -> Tensor:
        """The quantised activations, of the shape and type of `x`."""
        if torch.onnx.is_in_onnx_export():
            # Plain operators, by which a reader of the file recognises the activation.
            return _staircase(x, self.theta.detach().to(x.dtype), self.T)
        result: Tensor = _Quantise.apply(x, self.theta.to(x.dtype), self.T)
        return result

    def extra_repr(self) -> str:
        """What `print(model)` shows in the brackets."""
        learned = isinstance(self.theta, nn.Parameter)
        return f"T={self.T}, theta={self.theta.item():.6g}, learn_theta={learned}"


def _replace(module: nn.Module, make: Any, made: dict[nn.Module, QCFSActivation]) -> None:
    # Not named_children(), which passes over the second name of a module that has two.
    for name, child in module._modules.items():
        if isinstance(child, nn.ReLU | nn.ReLU6):
            if child not in made:
                made[child] = make(child)
            module._modules[name] = made[child]
        elif child is not None:
            _replace(child, make, made)


def _largest(model: nn.Module, samples: Tensor, percentile: float) -> dict[nn.Module, float]:
    """For every ReLU of the model, the percentile of its activations on the samples."""
    import numpy as np

    seen: dict[nn.Module, list[Any]] = {}

    def note(module: nn.Module, _: Any, output: Tensor) -> None:
        seen.setdefault(module, []).append(output.detach().cpu().numpy().ravel())

    hooks = [
        module.register_forward_hook(note) for module in model.modules() if isinstance(module, nn.ReLU | nn.ReLU6)
    ]
    training = model.training
    try:
        model.eval()
        with torch.no_grad():
            model(samples)
    finally:
        model.train(training)
        for hook in hooks:
            hook.remove()
    return {module: float(np.percentile(np.concatenate(values), percentile)) for module, values in seen.items()}


def replace_relu_with_qcfs(
    model: nn.Module,
    T: int = 8,
    theta: float = 1.0,
    learn_theta: bool = True,
    *,
    calibration_data: Tensor | None = None,
    percentile: float = 99.9,
) -> nn.Module:
    """Puts a :class:`QCFSActivation` in place of every `nn.ReLU` and `nn.ReLU6` of a model, at any depth.

    The model is changed in place; train it for some epochs before :func:`snn_event.convert`. A module that stands in
    several places of the model is replaced by one that stands in the same places. Calls of `torch.relu` or
    `torch.nn.functional.relu` are no modules and stay as they are.

    Args:
        model: the model to change.
        T: steps of every new activation.
        theta: threshold that every new activation starts with.
        learn_theta: whether the thresholds are parameters of the training.
        calibration_data: samples; with them the thresholds start at the percentile of the activations that they replace.
        percentile: which percentile, in per cent.

    Returns:
        The same model, or the new activation if the model was nothing but a ReLU.

    Raises:
        ValueError: if the model has no such module.
    """
    thetas = {} if calibration_data is None else _largest(model, calibration_data, percentile)

    def make(relu: nn.Module) -> QCFSActivation:
        start = thetas.get(relu, theta)
        # A ReLU that never was active says nothing about its threshold.
        return QCFSActivation(T, start if start > 0 else theta, learn_theta)

    if isinstance(model, nn.ReLU | nn.ReLU6):
        return make(model)
    made: dict[nn.Module, QCFSActivation] = {}
    _replace(model, make, made)
    if not made:
        raise ValueError(
            f"{type(model).__name__} has no nn.ReLU or nn.ReLU6 to replace; calls of torch.relu and "
            "torch.nn.functional.relu are not modules: write them as nn.ReLU()"
        )
    reference = next(iter(model.parameters()), None)
    if reference is not None:
        for activation in made.values():
            activation.to(reference.device)
    return model
