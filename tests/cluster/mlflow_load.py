"""Several clients log runs, metrics and files to an MLflow server for a while; prints what the server took.

python tests/cluster/mlflow_load.py http://10.96.0.5:5000 --seconds 300 --clients 6
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import tempfile
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

from mlflow import MlflowClient
from mlflow.entities import Metric

MIB = 2**20
Answer = TypeVar("Answer")


@dataclass
class Tally:
    """What all clients together did."""

    runs: int = 0
    metrics: int = 0
    mebibytes: int = 0
    failures: list[str] = field(default_factory=list)
    request_s: list[float] = field(default_factory=list)
    lock: threading.Lock = field(default_factory=threading.Lock)

    def timed(self, call: Callable[..., Answer], *arguments: Any, **options: Any) -> Answer:
        """Call it, and remember how long it took."""
        begin = time.monotonic()
        answer = call(*arguments, **options)
        with self.lock:
            self.request_s.append(time.monotonic() - begin)
        return answer


def execution(client: MlflowClient, experiment: str, file: Path, tally: Tally, pause_s: float) -> None:
    """One run as a training step logs it: metrics epoch by epoch, a file, a look at other runs."""
    run = tally.timed(client.create_run, experiment, run_name="load").info.run_id
    for epoch in range(10):
        now = int(time.time() * 1000)
        batch = [Metric(f"load/{name}", epoch / 10, now, epoch) for name in range(20)]
        tally.timed(client.log_batch, run, metrics=batch)
        time.sleep(pause_s)
    tally.timed(client.log_artifact, run, str(file))
    with tempfile.TemporaryDirectory() as folder:
        fetched = Path(tally.timed(client.download_artifacts, run, file.name, folder))
        assert fetched.read_bytes() == file.read_bytes()
    tally.timed(client.search_runs, [experiment], max_results=100)
    tally.timed(client.set_terminated, run)
    with tally.lock:
        tally.runs += 1
        tally.metrics += 200
        tally.mebibytes += 2 * file.stat().st_size // MIB


def main() -> None:
    """Load the server and print a line of JSON."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("uri")
    parser.add_argument("--seconds", type=float, default=300)
    parser.add_argument("--clients", type=int, default=6)
    parser.add_argument("--mebibytes", type=int, default=4, help="size of the file of each run")
    parser.add_argument("--pause", type=float, default=0.5, help="seconds between two epochs")
    chosen = parser.parse_args()
    os.environ["MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR"] = "false"
    client, tally = MlflowClient(chosen.uri), Tally()
    name = f"load-{int(time.time())}"
    experiment = client.create_experiment(name)
    end = time.monotonic() + chosen.seconds

    def work(file: Path) -> None:
        while time.monotonic() < end:
            try:
                execution(client, experiment, file, tally, chosen.pause)
            except Exception as failure:  # every kind counts against the server
                with tally.lock:
                    tally.failures.append(repr(failure)[:300])

    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "weights.bin"
        file.write_bytes(os.urandom(chosen.mebibytes * MIB))
        threads = [threading.Thread(target=work, args=(file,)) for _ in range(chosen.clients)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    client.delete_experiment(experiment)
    print(
        json.dumps(
            {
                "runs": tally.runs,
                "metrics": tally.metrics,
                "mebibytes": tally.mebibytes,
                "requests": len(tally.request_s),
                "median_ms": round(1000 * statistics.median(tally.request_s), 1),
                "p99_ms": round(1000 * statistics.quantiles(tally.request_s, n=100)[98], 1),
                "failures": tally.failures,
            }
        )
    )


if __name__ == "__main__":
    main()
