"""A study of 39 cells over two local workers gives the file of a single run, byte for byte."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest
from conftest import ROOT


@pytest.mark.parametrize("cluster", ["dask", "ray"])
def test_a_study_over_two_workers_is_the_single_run(cluster, binary, tmp_path):
    try:
        __import__("distributed" if cluster == "dask" else "ray")
    except ImportError:
        pytest.skip(f"peer not installed: {cluster}")
    study = ROOT / "examples" / "study.toml"
    environment = {**os.environ, "PATH": f"{binary.parent}{os.pathsep}{os.environ['PATH']}"}
    subprocess.run([binary, "sweep", study, "--out", tmp_path / "one.jsonl"], check=True, stdout=subprocess.DEVNULL)
    script = ROOT / "examples" / "cluster" / f"{cluster}_sweep.py"
    subprocess.run([sys.executable, script, study, tmp_path / "many.jsonl"], check=True, env=environment)
    one = (tmp_path / "one.jsonl").read_bytes()
    assert one.count(b"\n") > 30
    assert (tmp_path / "many.jsonl").read_bytes() == one
    assert sorted(path.name for path in tmp_path.iterdir()) == ["many.jsonl", "one.jsonl"]
