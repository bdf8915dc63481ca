"""Exports torchvision's classifiers with random weights from both of torch's ONNX exporters, converts them on one core, and
compares the net that was read with torch.

    python torchvision_nets.py --snn-event PROGRAM [--folder FOLDER] [--exporter torchscript|dynamo] [NAME …]

Needs torch, torchvision, onnx, onnxscript and numpy. Prints a table in Markdown; `CPU s` is the time of the
whole conversion with four calibration samples, `trained` the weights of the trained net, or weights and indices where that is less.
"""

import argparse
import os
import re
import subprocess
import tempfile
import time
import warnings
from pathlib import Path

import numpy as np
import onnx
import torch
import torchvision

NETS = [
    "resnet18",
    "resnet34",
    "resnet50",
    "vgg16",
    "alexnet",
    "googlenet",
    "inception_v3",
    "densenet121",
    "mobilenet_v2",
    "mnasnet1_0",
    "squeezenet1_1",
    "shufflenet_v2_x1_0",
    "regnet_x_400mf",
]
SAMPLES = 4


def side(name: str, exporter: str) -> int:
    """Of an image. The older exporter cannot write adaptive pooling that enlarges, which these two do with small images."""
    return 224 if exporter == "torchscript" and name in ("alexnet", "vgg16") else 96


def net(name: str, side: int) -> torch.nn.Module:
    """A net with random weights, whose batch normalisations have seen some images."""
    torch.manual_seed(0)
    options = {}
    if name in ("googlenet", "inception_v3"):
        options = {"aux_logits": False, "init_weights": True}
    model = getattr(torchvision.models, name)(weights=None, **options)
    for module in model.modules():
        if isinstance(module, torch.nn.BatchNorm2d):
            module.momentum = None
            torch.nn.init.uniform_(module.weight, 0.5, 1.5)
            torch.nn.init.uniform_(module.bias, -0.2, 0.2)
        if isinstance(module, torch.nn.Dropout):
            module.p = 0.0
    model.train()
    with torch.no_grad():
        for _ in range(2):
            model(torch.rand(SAMPLES, 3, side, side))
    return model.eval()


def export(model: torch.nn.Module, path: Path, exporter: str, side: int) -> None:
    sample = torch.rand(1, 3, side, side)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        if exporter == "dynamo":
            batch = torch.export.Dim("batch", min=1, max=64)
            torch.onnx.export(model, (torch.rand(2, 3, side, side),), path, dynamo=True, dynamic_shapes=({0: batch},), verbose=False)
        else:
            axes = {"input": {0: "batch"}}
            torch.onnx.export(
                model, (sample,), path, dynamo=False, input_names=["input"], output_names=["logits"], dynamic_axes=axes
            )


def trained_bytes(model: torch.nn.Module) -> int:
    """Weights and indices of the trained net: of every tensor the smaller of dense numbers and numbers with places."""
    total = 0
    for parameter in model.parameters():
        nonzeros = int(torch.count_nonzero(parameter))
        total += min(4 * parameter.numel(), 8 * nonzeros)
    return total


def row(program: str, folder: Path, name: str, exporter: str) -> str:
    pixels = side(name, exporter)
    model = net(name, pixels)
    path = folder / "net.onnx"
    for stale in folder.iterdir():
        stale.unlink()
    try:
        export(model, path, exporter, pixels)
    except Exception as error:  # The exporter's own limits are part of the table.
        return f"| {name} | {exporter} | not exported: {type(error).__name__} | | | | | | | |"
    x = torch.rand(SAMPLES, 3, pixels, pixels)
    np.save(folder / "x.npy", x.numpy())
    with torch.no_grad():
        np.save(folder / "y.npy", model(x).numpy())
    opset = next(entry.version for entry in onnx.load(path, load_external_data=False).opset_import if entry.domain in ("", "ai.onnx"))
    command = [program, "convert", "--model", path, "--calib", folder / "x.npy", "--expect", folder / "y.npy"]
    command += ["--normalise", "max", "--out", folder / "net.bin"]
    before = os.times()
    began = time.monotonic()
    environment = os.environ | {"RAYON_NUM_THREADS": "1"}
    done = subprocess.run([str(part) for part in command], capture_output=True, text=True, env=environment)
    wall = time.monotonic() - began
    after = os.times()
    seconds = after.children_user + after.children_system - before.children_user - before.children_system
    if done.returncode != 0:
        return f"| {name} | {exporter} | {pixels} | {opset} | {done.stderr.strip().splitlines()} | | | | | |"
    agreement = re.search(r"largest relative difference ([0-9.e+-]+)", done.stdout)
    difference = agreement.group(1) if agreement else "not told"
    relays = sum(line.split()[1:2] == ["bipolar"] for line in done.stdout.splitlines())
    size, trained = (folder / "net.bin").stat().st_size, trained_bytes(model)
    return (
        f"| {name} | {exporter} | {pixels} | {opset} | {difference} | {seconds:.1f} | {wall:.1f} | {trained / 2**20:.1f} |"
        f" {size / 2**20:.1f} ({size / trained:.2f}) | {relays} |"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--snn-event", default="snn-event", help="the program")
    parser.add_argument("--folder", type=Path, help="where files are made and deleted (default: a temporary one)")
    parser.add_argument("--exporter", choices=["torchscript", "dynamo"], help="default: both")
    parser.add_argument("nets", nargs="*", metavar="NAME", help="default: all")
    options = parser.parse_args()
    torch.set_num_threads(1)
    print("| net | exporter | pixels | opset | largest difference | CPU s | wall s | trained MiB | net.bin MiB (ratio) | relays |")
    print("|---|---|---:|---:|---:|---:|---:|---:|---:|---:|")
    with tempfile.TemporaryDirectory(dir=options.folder) as folder:
        for name in options.nets or NETS:
            for exporter in [options.exporter] if options.exporter else ["torchscript", "dynamo"]:
                print(row(options.snn_event, Path(folder), name, exporter), flush=True)


if __name__ == "__main__":
    main()
