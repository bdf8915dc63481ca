"""Makes the files of this folder: a small trained-looking net with what PyTorch says it computes.

    python make.py        (torch 2.15, numpy)

The weights are random but fixed by the seed; what counts is that PyTorch and the converter compute the same.
"""

import json
import struct

import numpy as np
import torch
from torch import nn
from torch.nn.utils import prune

torch.manual_seed(7)
torch.set_num_threads(1)


class Residual(nn.Module):
    def __init__(self):
        super().__init__()
        self.stem = nn.Conv2d(2, 6, 3, stride=1, padding=1, bias=False)
        self.stem_bn = nn.BatchNorm2d(6)
        self.first = nn.Conv2d(6, 6, 3, padding="same", dilation=2, groups=2)
        self.first_bn = nn.BatchNorm2d(6, eps=1e-3)
        self.theta = nn.Parameter(torch.tensor(1.7))
        self.second = nn.Conv2d(6, 6, (1, 3), padding=(0, 1), bias=False)
        self.second_bn = nn.BatchNorm2d(6, affine=False)
        self.pool = nn.AvgPool2d(3, stride=2, padding=1, ceil_mode=True)
        self.wide = nn.Conv2d(6, 8, (2, 1), stride=(2, 1))
        self.max = nn.MaxPool2d(2, stride=1)
        self.fc = nn.Linear(16, 5)

    def forward(self, x):
        x = torch.relu(self.stem_bn(self.stem((x - 0.5) / 0.25)))
        y = self.first_bn(self.first(x))
        y = torch.clip(torch.floor(y * 8 / self.theta + 0.5), 0, 8) * self.theta / 8
        y = torch.relu(self.second_bn(self.second(y)) + x)
        y = nn.functional.relu6(self.wide(self.pool(y)))
        y = torch.cat([self.max(y).mean((2, 3)), y.amax((2, 3))], 1)
        return self.fc(y)


def safetensors(path, tensors):
    """The format is a length, a header in JSON and the numbers."""
    names = {torch.float16: "F16", torch.bfloat16: "BF16", torch.float32: "F32", torch.float64: "F64", torch.int64: "I64"}
    header, numbers = {}, b""
    for name, tensor in tensors.items():
        part = tensor.detach().contiguous().reshape(-1).view(torch.uint8).numpy().tobytes()
        header[name] = {"dtype": names[tensor.dtype], "shape": list(tensor.shape), "data_offsets": [len(numbers), len(numbers) + len(part)]}
        numbers += part
    text = json.dumps(header).encode()
    with open(path, "wb") as file:
        file.write(struct.pack("<Q", len(text)) + text + numbers)


net = Residual().eval()
with torch.no_grad():
    for module in net.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.running_mean.normal_(0, 0.3)
            module.running_var.uniform_(0.5, 2)
            if module.affine:
                module.weight.normal_(1, 0.3)
                module.bias.normal_(0, 0.3)
    # Exact in every type, so that one set of logits holds for all files.
    for tensor in net.state_dict().values():
        if tensor.is_floating_point():
            tensor.copy_(tensor.bfloat16().float())
        types = [torch.float16, torch.bfloat16, torch.float64]
        assert not tensor.is_floating_point() or all(torch.equal(tensor.to(t).float(), tensor) for t in types)
    # Samples of different brightness, so that the logits differ.
    x = torch.rand(4, 2, 7, 6) ** torch.tensor([0.2, 0.7, 1.5, 5.0]).reshape(4, 1, 1, 1)
    # Pruned as torch.nn.utils.prune leaves it: first.weight_orig and first.weight_mask.
    prune.l1_unstructured(net.first, "weight", 0.5)
    prune.l1_unstructured(net.fc, "weight", 0.5)
    prune.remove(net.fc, "weight")
    np.save("x.npy", x.numpy())
    np.save("logits.npy", net(x).numpy())
    state = net.state_dict()
    torch.save(state, "residual.pt")
    torch.save({"state_dict": state, "epoch": 3}, "checkpoint.pth")
    torch.save({"w.weight": torch.ones(2, 3)}, "legacy.pt", _use_new_zipfile_serialization=False)
    torch.save({"fc.weight": torch.eye(4).to_sparse_csr(), "fc.bias": torch.zeros(4)}, "sparse.pt")
    eye = torch.eye(3)
    layouts = {"a.weight": eye.to_sparse(), "b.weight": eye.to_sparse_csr(), "c.weight": eye, "d.weight": eye.to_sparse_csc()}
    torch.save(layouts, "layouts.pt")
    # Strides and shared storages: a transposed view, a part of a tensor, a repeated row.
    table = torch.arange(12, dtype=torch.float32).reshape(3, 4)
    torch.save({"turned.weight": table.t(), "part.weight": table[1:, 2:], "row.weight": torch.ones(1, 1).expand(300, 4000)}, "views.pt")
    torch.save({"turned.weight": table.t(), "part.weight": table[1:, 2:]}, "strides.pt")
    once = torch.ones(10_000)
    torch.save({f"t{i}": once for i in range(1000)}, "shared.pt")
    types = [torch.float16, torch.bfloat16, torch.float32, torch.float64]
    mixed = {name: tensor.to(types[i % 4]) if tensor.is_floating_point() else tensor for i, (name, tensor) in enumerate(state.items())}
    safetensors("mixed.safetensors", mixed)
    torch.save(mixed, "mixed.pt")
