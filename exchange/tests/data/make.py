"""Makes the files of this folder with the tools themselves: NAME.nir, and NAME.json with what h5py reads in it.

    pip install snntorch==1.0.0 norse==1.1.0 sinabs==3.1.3 h5py torch numpy
    pip install nir==1.0.8; python make.py snntorch snntorch_recurrent by_hand in_chunks newest
    pip install nir==1.0.4; python make.py norse sinabs    (which read and write with this version)

Of snnTorch's and norse's nets also spikes that go in (NAME.raster.npy, [steps, neurons]) and the tool's own that come out
(NAME.spikes.npy, [steps, neurons]). Weights are random but fixed by the seed.
"""

import json
import sys

import h5py
import nir
import numpy as np
import torch

rng = np.random.default_rng(20261201)
torch.manual_seed(20261201)
torch.set_num_threads(1)


def described(name):
    """What h5py reads: shapes and numbers, or texts, by path."""
    found = {}

    def visit(path, item):
        if not isinstance(item, h5py.Dataset):
            return
        value = item[()]
        if item.dtype.kind in "OS":
            texts = np.vectorize(lambda text: text.decode() if isinstance(text, bytes) else text, otypes=[object])(value)
            found[path] = {"texts": np.asarray(texts).tolist()}
        else:
            found[path] = {"shape": list(item.shape), "numbers": np.asarray(value, np.float64).ravel().tolist()}

    with h5py.File(f"{name}.nir") as file:
        file.visititems(visit)
    with open(f"{name}.json", "w") as out:
        json.dump(found, out, indent=0, sort_keys=True)
        out.write("\n")


def kept(name, graph, **how):
    nir.write(f"{name}.nir", graph, **how)
    if not name.startswith("refused"):
        described(name)


def played(name, raster, spikes):
    np.save(f"{name}.raster.npy", raster)
    np.save(f"{name}.spikes.npy", spikes)
    assert spikes.sum() > 50, spikes.sum()


def snntorch():
    """Two layers of Leaky neurons that are set to zero when they fire."""
    import snntorch
    from snntorch import utils
    from snntorch.export_nir import export_to_nir

    neurons = lambda n: snntorch.Leaky(
        beta=torch.full((n,), 0.75), threshold=torch.ones(n), reset_mechanism="zero", reset_delay=False, init_hidden=True
    )
    net = torch.nn.Sequential(torch.nn.Linear(12, 20), neurons(20), torch.nn.Linear(20, 6), neurons(6))
    for place in (0, 2):
        net[place].weight.data *= 4
    kept("snntorch", export_to_nir(net, torch.rand(1, 12), ignore_dims=[0]))
    raster = rng.random((100, 12)) < 0.4
    utils.reset(net)
    with torch.no_grad():
        out = [net(torch.tensor(flags[None], dtype=torch.float32)).numpy()[0] > 0 for flags in raster]
    played("snntorch", raster, np.array(out))


def snntorch_recurrent():
    """A recurrent layer, which snnTorch writes as a graph inside the graph."""
    import snntorch
    from snntorch.export_nir import export_to_nir

    recurrent = snntorch.RSynaptic(
        alpha=torch.full((8,), 0.5), beta=torch.full((8,), 0.75), all_to_all=True, linear_features=8, threshold=torch.ones(8), init_hidden=True
    )
    net = torch.nn.Sequential(torch.nn.Linear(5, 8), recurrent)
    kept("snntorch-recurrent", export_to_nir(net, torch.rand(1, 5), ignore_dims=[0]))


def norse():
    """Neurons with synaptic filters behind a linear map, which norse runs."""
    import norse.torch

    step = 2.0**-10
    ones = np.ones(10, np.float32)
    graph = nir.NIRGraph.from_list(
        nir.Input(np.array([12])),
        nir.Affine(rng.integers(-30, 60, (10, 12)).astype(np.float32) / 8, rng.integers(-4, 8, 10).astype(np.float32) / 8),
        nir.CubaLIF(tau_mem=4 * step * ones, tau_syn=2 * step * ones, r=2 * ones, v_leak=0 * ones, v_threshold=ones, w_in=ones),
        nir.Output(np.array([10])),
    )
    module = norse.torch.from_nir(graph, dt=step)
    kept("norse", graph)
    raster = rng.random((100, 12)) < 0.2
    state, out = None, []
    with torch.no_grad():
        for flags in raster:
            spikes, state = module(torch.tensor(flags[None], dtype=torch.float32), state)
            out.append(spikes.numpy()[0] > 0)
    played("norse", raster, np.array(out))


def sinabs():
    """Neurons that integrate behind linear maps: images sinabs writes with sizes of None, which no file can hold."""
    import sinabs.layers
    import sinabs.nir

    integrates = lambda: sinabs.layers.IAFSqueeze(batch_size=1)
    net = torch.nn.Sequential(torch.nn.Linear(6, 5), integrates(), torch.nn.Linear(5, 4, bias=False), integrates())
    kept("sinabs", sinabs.nir.to_nir(net, torch.rand(1, 6)))


def by_hand():
    """All that the package can write: graphs inside graphs, metadata, texts, numbers of several types, unpacked and packed."""
    n, ones = 4, np.ones(4)
    inner = nir.NIRGraph(
        nodes={
            "input": nir.Input(np.array([n])),
            "lif": nir.LIF(tau=0.01 * ones, r=10 * ones, v_leak=0 * ones, v_threshold=ones, v_reset=0 * ones),
            "back": nir.Linear(np.roll(np.eye(n, dtype=np.float32), 1, axis=0) * 2),
            "late": nir.Delay(np.full(n, 0.003)),
            "output": nir.Output(np.array([n])),
        },
        edges=[("input", "lif"), ("lif", "back"), ("back", "late"), ("late", "lif"), ("lif", "output")],
        type_check=False,
    )
    inner.nodes["lif"].metadata["cell type"] = "pyramidal, Ψ"
    image = nir.Conv2d((4, 4), rng.normal(0, 1, (2, 1, 3, 3)).astype(np.float32), 1, "same", 1, 1, np.zeros(2))
    graph = nir.NIRGraph(
        nodes={
            "in": nir.Input(np.array([1, 4, 4])),
            "image": image,
            "if": nir.IF(r=np.ones((2, 4, 4), np.float16), v_threshold=np.ones((2, 4, 4)), v_reset=np.zeros((2, 4, 4))),
            "mean": nir.AvgPool2d(np.array([2, 2]), np.array([2, 2]), np.array([0, 0])),
            "flat": nir.Flatten({"input": np.array([2, 2, 2])}, 0, -1),
            "scale": nir.Scale(np.arange(1, 9, dtype=np.int16)),
            "w": nir.Affine(rng.integers(-4, 5, (4, 8)).astype(np.int32), np.arange(4, dtype=np.uint8)),
            "rnn": inner,
            "out": nir.Output(np.array([n])),
        },
        edges=[("in", "image"), ("image", "if"), ("if", "mean"), ("mean", "flat"), ("flat", "scale"), ("scale", "w"), ("w", "rnn"), ("rnn", "out")],
        type_check=False,
    )
    graph.metadata = {"made by": "hand", "version": 3, "rates": np.array([0.5, 1.5])}
    kept("by-hand", graph)
    kept("by-hand-unpacked", graph, compression=None)
    kept("by-hand-lzf", graph, compression="lzf")


def in_chunks(name="chunked", form="v110"):
    """Weights in many chunks, shuffled and with checksums, written by h5py in the form of HDF5 1.10; texts of a fixed length."""
    weights = np.where(rng.random((40, 30)) < 0.1, rng.normal(0, 1, (40, 30)), 0)
    with h5py.File(f"{name}.nir", "w", libver=(form, form)) as file:
        file["version"] = np.bytes_("0.2")
        root = file.create_group("node")
        root["type"] = np.bytes_("NIRGraph")
        root["edges"] = np.array([["in", "w"], ["w", "out"]], "S8")
        for end, kind, shape in [("in", "Input", 30), ("out", "Output", 40)]:
            node = root.create_group(f"nodes/{end}")
            node["type"], node["shape"] = np.bytes_(kind), np.array([shape], ">i4")
        node = root.create_group("nodes/w")
        node["type"] = np.bytes_("Linear")
        node.create_dataset("weight", data=weights.astype(">f8"), chunks=(16, 16), compression="gzip", shuffle=True, fletcher32=True)
    if not name.startswith("refused"):
        described(name)


def newest():
    """The same in the form of HDF5 2.0, which few read."""
    in_chunks("refused-newest", "latest")


for name in sys.argv[1:]:
    globals()[name]()
