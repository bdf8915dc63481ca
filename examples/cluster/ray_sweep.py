"""A study over the workers of a Ray cluster: each runs one part, nets and samples are read by their paths.

    python examples/cluster/ray_sweep.py study.toml results.jsonl [cluster address, else two local workers]
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
from pathlib import Path


def part(study: str, number: int, of: int, out: str) -> str:
    """Runs one part; again after a worker was lost, it goes on where it was."""
    command = ["snn-event", "sweep", study, "--shard", f"{number}/{of}", "--threads", "1", "--out", out]
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    return out


def main(study: str, results: str, address: str | None = None) -> None:
    import ray

    ray.init(address=address, **({} if address else {"num_cpus": 2, "include_dashboard": False}))
    with tempfile.TemporaryDirectory(dir=Path(results).resolve().parent) as folder:
        remote, parts = ray.remote(num_cpus=1)(part), 4
        study = str(Path(study).resolve())
        jobs = [remote.remote(study, number, parts, f"{folder}/{number}.jsonl") for number in range(1, parts + 1)]
        subprocess.run(["snn-event", "merge", *ray.get(jobs), "--out", results], check=True)
    ray.shutdown()


if __name__ == "__main__":
    main(*sys.argv[1:])
