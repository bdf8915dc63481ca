"""A study over the workers of a Dask cluster: each runs one part, nets and samples are read by their paths.

    python examples/cluster/dask_sweep.py study.toml results.jsonl [scheduler address, else two local workers]
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
    from dask.distributed import Client, LocalCluster

    cluster = address or LocalCluster(n_workers=2, threads_per_worker=1, dashboard_address=None)
    with Client(cluster) as client, tempfile.TemporaryDirectory(dir=Path(results).resolve().parent) as folder:
        parts = 2 * len(client.scheduler_info()["workers"])
        jobs = [
            client.submit(part, str(Path(study).resolve()), number, parts, f"{folder}/{number}.jsonl", pure=False)
            for number in range(1, parts + 1)
        ]
        subprocess.run(["snn-event", "merge", *client.gather(jobs), "--out", results], check=True)
    if address is None:
        cluster.close()


if __name__ == "__main__":
    main(*sys.argv[1:])
