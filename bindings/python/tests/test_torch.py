"""Torch modules: what is executed counts, everything else is refused, and trained nets keep their accuracy."""

from __future__ import annotations

import numpy as np
import pytest

torch = pytest.importorskip("torch")
import torch.nn.functional as F  # noqa: E402
from torch import nn  # noqa: E402

import snn_event  # noqa: E402
from snn_event import QCFSActivation, convert, replace_relu_with_qcfs  # noqa: E402


@pytest.fixture(autouse=True)
def seeded():
    torch.manual_seed(7)


class Residual(nn.Module):
    """Layers declared in another order than executed, a functional ReLU, batch-norm, a branch."""

    def __init__(self) -> None:
        super().__init__()
        self.head = nn.Linear(6, 4)
        self.second = nn.Conv2d(6, 6, 3, padding=1)
        self.norm = nn.BatchNorm2d(6)
        self.first = nn.Conv2d(1, 6, 3, stride=2, padding=1)

    def forward(self, x):
        x = F.relu(self.norm(self.first(x)))
        x = torch.relu(self.second(x) + x)
        return self.head(F.adaptive_avg_pool2d(x, 1).flatten(1))


def test_a_convolutional_net_with_branches_approaches_the_trained_one():
    model = Residual()
    x = torch.rand(40, 1, 8, 8)
    model.train()
    model(x)
    model.eval()
    with torch.no_grad():
        expected = model(x).numpy()
    snn = convert(model, x, T=2000, percentile=100)
    values = snn_event.read_model(model, x).forward(x.numpy())
    assert np.allclose(values, expected, atol=1e-5)
    error = np.abs(convert(model, x, T=2000, percentile=100, readout="potential").potentials(x) / 2000 - expected)
    assert error.max() < 0.02 * np.abs(expected).max()
    # Images in channels-first order, flat ones too, and the written-out network gives the same bits.
    assert np.array_equal(snn.run(x[:5]), snn.run(x[:5].reshape(5, -1)))
    unrolled = convert(model, x, T=2000, percentile=100, unroll=True)
    assert np.array_equal(unrolled.potentials(x[:5], T=50), snn.potentials(x[:5], T=50))


def test_the_weights_of_a_convolution_are_its_matrix_in_the_order_of_the_user():
    pytest.importorskip("scipy")
    model = nn.Sequential(nn.Conv2d(2, 3, 3, padding=1), nn.ReLU(), nn.Flatten(), nn.Linear(3 * 4 * 5, 2))
    snn = convert(model, input_shape=(2, 4, 5), normalise="none")
    x = torch.randn(2 * 4 * 5, dtype=torch.float64)
    with torch.no_grad():
        expected = F.conv2d(x.reshape(1, 2, 4, 5), model[0].weight.double(), padding=1).numpy().ravel()
    first = snn.weights[0]
    assert first.shape == (60, 40) and np.allclose(first @ x.numpy(), expected, atol=1e-5)
    assert np.allclose(snn.weights[1].toarray(), model[3].weight.detach().numpy())
    assert np.allclose(snn.biases[0].reshape(3, 20), model[0].bias.detach().numpy()[:, None])


def test_converting_leaves_the_model_as_it_was():
    model = nn.Sequential(nn.Linear(4, 8), nn.BatchNorm1d(8), nn.ReLU(), nn.Dropout(), nn.Linear(8, 2))
    model.train()
    model[1].eval()
    before = {name: value.clone() for name, value in model.state_dict().items()}
    convert(model, torch.rand(10, 4))
    assert model.training and not model[1].training and model[3].training
    assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())


def test_the_shape_of_the_input_is_found_where_it_can_be_and_asked_for_where_not():
    fully = nn.Sequential(nn.Flatten(), nn.Linear(12, 5), nn.ReLU(), nn.Linear(5, 2))
    assert convert(fully, normalise="none").network.populations[0].shape == (12,)
    convolution = nn.Sequential(nn.Conv2d(1, 2, 3), nn.ReLU(), nn.Flatten(), nn.Linear(8, 2))
    with pytest.raises(ValueError, match=r"input_shape=, for instance \(1, 28, 28\)"):
        convert(convolution, normalise="none")
    assert convert(convolution, normalise="none", input_shape=(1, 4, 4)).network.populations[0].shape == (1, 4, 4)


def test_everything_that_cannot_be_converted_is_listed_at_once():
    model = nn.Sequential(nn.Linear(4, 4), nn.Sigmoid(), nn.Linear(4, 4), nn.GELU(), nn.Linear(4, 2))
    with pytest.raises(snn_event.ConvertError) as refused:
        convert(model, torch.rand(5, 4))
    assert "Sigmoid" in str(refused.value) and "Erf" in str(refused.value)


def test_quantised_activations_keep_their_thresholds_and_start_at_half():
    model = nn.Sequential(nn.Linear(6, 9), QCFSActivation(4, 1.7), nn.Linear(9, 3))
    x = torch.rand(30, 6)
    for calibration in (x, None):
        if calibration is None:
            with pytest.warns(snn_event.ConversionWarning, match="not trained"):
                snn = convert(model)
        else:
            snn = convert(model, calibration)
        assert snn.T == 4 and snn.initial_membrane_fraction == 0.5
        assert np.allclose(snn.dense_weights()[0], model[0].weight.detach().numpy() / 1.7)
    assert np.allclose(snn.dense_weights()[1], model[2].weight.detach().numpy() * 1.7)
    # With constant input the first layer's rates are the quantised activations, exactly.
    hidden = snn.spikes(x)["/1/Floor"].counts()
    with torch.no_grad():
        expected = (model[1](model[0](x)) * 4 / 1.7).round().numpy()
    assert np.array_equal(hidden, expected)


@pytest.fixture(scope="module")
def digits():
    sklearn = pytest.importorskip("sklearn.datasets")
    digits = sklearn.load_digits()
    order = np.random.default_rng(0).permutation(len(digits.target))
    x = (digits.images[order] / 16).astype(np.float32)
    y = digits.target[order]
    return x[:1200], y[:1200], x[1200:], y[1200:]


def trained(model, x, y, epochs, rate=2e-3):
    optimiser = torch.optim.Adam(model.parameters(), rate)
    x, y = torch.tensor(x), torch.tensor(y)
    for _ in range(epochs):
        for batch in torch.randperm(len(x)).split(64):
            optimiser.zero_grad()
            F.cross_entropy(model(x[batch]), y[batch]).backward()
            optimiser.step()
    return model.eval()


def accuracy(model, x, y):
    with torch.no_grad():
        return float((model(torch.tensor(x)).argmax(1).numpy() == y).mean())


def test_a_net_trained_from_scratch_with_qcfs_keeps_its_accuracy_in_as_many_steps_as_it_has_levels(digits):
    x, y, x_test, y_test = digits
    model = nn.Sequential(nn.Flatten(), nn.Linear(64, 96), nn.ReLU(), nn.Linear(96, 96), nn.ReLU(), nn.Linear(96, 10))
    replace_relu_with_qcfs(model, T=8, theta=1.0)
    trained(model, x, y, 30)
    ann = accuracy(model, x_test, y_test)
    snn = convert(model, x[:300])
    assert ann > 0.95 and snn.T == 8
    assert not np.allclose([m.theta.item() for m in model if isinstance(m, QCFSActivation)], 1.0, atol=1e-4)
    assert (snn.classify(x_test) == y_test).mean() >= ann - 0.01


def test_a_relu_net_keeps_its_accuracy(digits):
    x, y, x_test, y_test = digits
    x, x_test = x[:, None], x_test[:, None]
    model = nn.Sequential(
        nn.Conv2d(1, 12, 3, padding=1), nn.ReLU(), nn.AvgPool2d(2), nn.Flatten(), nn.Linear(192, 10)
    )
    trained(model, x, y, 15)
    ann = accuracy(model, x_test, y_test)
    snn = convert(model, x[:300], T=64)
    assert ann > 0.93
    assert (snn.classify(x_test) == y_test).mean() >= ann - 0.01
    assert (snn.classify(x_test, by="counts") == y_test).mean() >= ann - 0.02
