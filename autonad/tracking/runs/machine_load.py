"""How busy the machine is while a step runs: MLflow's own monitors, through our own way to the server."""

from __future__ import annotations

import contextlib
import logging
import threading
from collections.abc import Callable, Mapping
from typing import Any

Log = Callable[[Mapping[str, float], int], None]


class MachineLoad:
    """Samples processor, memory, disk, network and graphics processors in a thread of its own.

    Args:
        log: Receives metrics and their step, counted from 0.
        seconds: Between two samples.
    """

    def __init__(self, log: Log, seconds: float) -> None:
        self._log, self._seconds = log, seconds
        self._done = threading.Event()
        self._monitors = _monitors()
        self._thread = threading.Thread(target=self._work, name="autonad-system", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """End the thread."""
        self._done.set()
        self._thread.join()

    def _work(self) -> None:
        step = 0
        while True:
            self._log(self._sample(), step)
            step += 1
            if self._done.wait(self._seconds):
                return

    def _sample(self) -> dict[str, float]:
        values: dict[str, float] = {}
        for monitor in self._monitors:
            # A device that stops answering must not end the sampling of the others.
            with contextlib.suppress(Exception):
                monitor.collect_metrics()
                values |= {f"system/{name}": float(v) for name, v in monitor.aggregate_metrics().items()}
                monitor.clear_metrics()
        return values


def _monitors() -> list[Any]:
    from mlflow.system_metrics.metrics.cpu_monitor import CPUMonitor
    from mlflow.system_metrics.metrics.disk_monitor import DiskMonitor
    from mlflow.system_metrics.metrics.network_monitor import NetworkMonitor

    monitors: list[Any] = [CPUMonitor(), DiskMonitor(), NetworkMonitor()]
    logging.getLogger("mlflow.system_metrics").setLevel(logging.ERROR)
    with contextlib.suppress(Exception):  # There is no such device, or no library for it.
        from mlflow.system_metrics.metrics.gpu_monitor import GPUMonitor

        monitors.append(GPUMonitor())
    return monitors
