"""Makes the sample files of this folder: python make.py (numpy 2; the bytes do not depend on the machine)."""

import os
import zipfile

import numpy as np

here = os.path.dirname(os.path.abspath(__file__))


def save(name, array, version=None):
    with open(os.path.join(here, name + ".npy"), "wb") as file:
        np.lib.format.write_array(file, array, version=version, allow_pickle=False)


grid = np.arange(6).reshape(2, 3)
for kind in ["i1", "i2", "i4", "i8", "u1", "u2", "u4", "u8", "f4", "f8"]:
    values = grid.astype(kind)
    if kind[0] == "f":
        values = values / np.array(4, kind)
    elif kind[0] == "i":
        values = values - np.array(2, kind)
    save(kind, values)
    if kind[1] != "1":
        save(kind + "-big", values.astype(">" + kind))
limits = {"i8": [-(2**63), 2**63 - 1], "u8": [0, 2**64 - 1]}
for kind, ends in limits.items():
    save(kind + "-limits", np.array(ends, kind))
save("f4-special", np.array([0.0, -0.0, np.inf, -np.inf, 1e-45, 3.4028235e38, np.nan], "<f4"))
save("bool", np.array([[True, False, True], [False, False, True]]))
save("f2", np.array([1.0], "<f2"))
save("c8", np.array([1 + 2j], "<c8"))
save("structured", np.array([(1, 2.0)], [("a", "<i4"), ("b", "<f4")]))
save("text", np.array("subtract"))
save("text-big", np.array(["zero", "\u00e9\u2192"], ">U8"))
save("bytes", np.array([b"zero", b"x"], "S4"))
save("fortran", np.asfortranarray(np.arange(24, dtype="<i4").reshape(2, 3, 4)))
save("fortran-big", np.asfortranarray(np.arange(6, dtype=">f8").reshape(3, 2)))
save("scalar", np.array(2.5, "<f4"))
save("empty", np.zeros((0,), "<f4"))
save("empty-middle", np.zeros((3, 0, 2), "<i8"))
save("version-2", np.arange(3, dtype="<f4"), (2, 0))
save("version-3", np.arange(3, dtype="<f4"), (3, 0))

# What this crate's writers must make, byte for byte.
save("ours-f4", np.arange(12, dtype="<f4").reshape(3, 4) / np.float32(8))
save("ours-u4", np.arange(5, dtype="<u4"))
save("ours-i8", np.array([[-1], [1]], "<i8"))
save("ours-u1", np.array(7, "u1"))
save("ours-u8", np.zeros((0, 10), "<u8"))

arrays = {"W0": np.arange(6, dtype="<f4").reshape(2, 3), "theta": np.array(1.5, "<f4"), "reset": np.array("zero")}
dated = (1980, 1, 1, 0, 0, 0)
for name, method in [("stored", zipfile.ZIP_STORED), ("deflated", zipfile.ZIP_DEFLATED)]:
    with zipfile.ZipFile(os.path.join(here, name + ".npz"), "w", method) as archive:
        for key, value in arrays.items():
            entry = zipfile.ZipInfo(key + ".npy", dated)
            entry.compress_type = method
            with archive.open(entry, "w", force_zip64=True) as file:
                np.lib.format.write_array(file, value, allow_pickle=False)
