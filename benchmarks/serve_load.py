"""How `autonad serve` bears load: many connections, latency, memory over many requests, its first verdict.

    python -m benchmarks.serve_load [--seconds 60] [--connections 200] [--requests 10000] [--side 200]

Two loads. `crowd`: so many connections ask as fast as they can for so many seconds; anything but 200 and
429 is an error. `steady`: a connection per core sends requests one after another, and the process's memory is
read on the way.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from autonad.cores import usable_cores
from autonad.data.images import encode_png
from autonad.deploy.export import export_onnx
from autonad.detector.spec import DetectorSpec
from autonad.network import AutoNADNet
from autonad.space import SearchSpace


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--seconds", type=float, default=60)
    options.add_argument("--connections", type=int, default=200)
    options.add_argument("--requests", type=int, default=10_000)
    options.add_argument("--side", type=int, default=200, help="of the network's input and of images, pixels")
    options.add_argument("--model", type=Path, help="a model.onnx; else one that knows nothing is made")
    given = options.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        model = given.model or untrained(Path(folder, "model.onnx"), given.side)
        rng = np.random.default_rng(0)
        content = encode_png(rng.integers(0, 256, (given.side, given.side, 3), dtype=np.uint8))
        figures: dict[str, float] = {
            "cores": usable_cores(),
            "side": given.side,
            "load_before": os.getloadavg()[0],
        }
        process, port, first = start(model, content)
        try:
            figures["first_verdict_s"] = first
            figures |= asyncio.run(crowd(port, content, given.connections, given.seconds))
            show(figures)
            figures |= asyncio.run(steady(port, content, given.requests, process.pid))
        finally:
            process.terminate()
            process.wait(60)
        figures["exit_code"] = process.returncode
    show(figures)
    print(json.dumps(figures))


def show(figures: dict[str, float]) -> None:
    for name, value in figures.items():
        print(f"{name:<32}{value:12.3f}", flush=True)


def untrained(path: Path, side: int) -> Path:
    architecture = SearchSpace.preset("tiny").sample(np.random.default_rng(0))
    spec = DetectorSpec(("background", "crack"), side, side, True, (0.5,) * 3, (0.5,) * 3)
    export_onnx(AutoNADNet(architecture, 2).eval(), spec, path, {})
    return path


def start(model: Path, content: bytes) -> tuple[subprocess.Popen[str], int, float]:
    """The process, its port, and the seconds from its start to the first verdict."""
    begun = time.perf_counter()
    process = subprocess.Popen(
        [sys.executable, "-m", "autonad.cli", "serve", "--model", str(model), "--port", "0"],
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONUNBUFFERED": "1"},
    )
    assert process.stdout is not None
    port = int(process.stdout.readline().split(" is served at ")[1].split(";")[0].rsplit(":", 1)[1])
    request = urllib.request.Request(f"http://127.0.0.1:{port}/detect", content)
    request.add_header("Content-Type", "image/png")
    urllib.request.urlopen(request).read()
    return process, port, time.perf_counter() - begun


@dataclass
class Seen:
    """What clients saw."""

    statuses: Counter[int] = field(default_factory=Counter)
    seconds: list[float] = field(default_factory=list)
    broken: int = 0

    @property
    def errors(self) -> int:
        """Broken connections, and answers that are neither a verdict nor the word to come again."""
        return self.broken + sum(n for status, n in self.statuses.items() if status not in (200, 429))


class Client:
    """One connection, kept alive."""

    def __init__(self, port: int, content: bytes) -> None:
        head = "POST /detect?shapes=none HTTP/1.1\r\nHost: x\r\nContent-Type: image/png\r\n"
        self._request = f"{head}Content-Length: {len(content)}\r\n\r\n".encode() + content
        self._port = port
        self._streams: tuple[asyncio.StreamReader, asyncio.StreamWriter] | None = None

    async def ask(self, seen: Seen) -> int | None:
        """The status of one request; None if the connection broke."""
        begun = time.perf_counter()
        try:
            if self._streams is None:
                self._streams = await asyncio.open_connection("127.0.0.1", self._port)
            reader, writer = self._streams
            writer.write(self._request)
            head = (await reader.readuntil(b"\r\n\r\n")).lower()
            length = int(head.split(b"content-length:")[1].split(b"\r\n")[0])
            await reader.readexactly(length)
        except (OSError, asyncio.IncompleteReadError):
            seen.broken += 1
            self.close()
            return None
        status = int(head.split(b" ")[1])
        seen.statuses[status] += 1
        if status == 200:
            seen.seconds.append(time.perf_counter() - begun)
        return status

    def close(self) -> None:
        """End the connection."""
        if self._streams is not None:
            self._streams[1].close()
            self._streams = None


async def crowd(port: int, content: bytes, connections: int, seconds: float) -> dict[str, float]:
    seen, end = Seen(), time.monotonic() + seconds

    async def one() -> None:
        client = Client(port, content)
        while time.monotonic() < end:
            if await client.ask(seen) == 429:
                await asyncio.sleep(1)  # as Retry-After says
        client.close()

    await asyncio.gather(*(one() for _ in range(connections)))
    return {
        "crowd_connections": connections,
        "crowd_answered": seen.statuses[200],
        "crowd_refused_429": seen.statuses[429],
        "crowd_errors": seen.errors,
        "crowd_per_s": seen.statuses[200] / seconds,
        **percentiles("crowd", seen),
    }


async def steady(port: int, content: bytes, requests: int, pid: int) -> dict[str, float]:
    seen, left, begun = Seen(), requests, time.perf_counter()
    memory: list[float] = []

    async def one() -> None:
        nonlocal left
        client = Client(port, content)
        while left > 0:
            left -= 1
            if left % max(1, requests // 20) == 0:
                memory.append(resident_mb(pid))
                print(f"{requests - left:6d} requests sent: {memory[-1]:.1f} MB", flush=True)
            await client.ask(seen)
        client.close()

    await asyncio.gather(*(one() for _ in range(usable_cores())))
    return {
        "steady_requests": requests,
        "steady_errors": seen.errors + seen.statuses[429],
        "steady_per_s": requests / (time.perf_counter() - begun),
        **percentiles("steady", seen),
        "memory_first_mb": memory[0],
        "memory_middle_mb": memory[len(memory) // 2],
        "memory_last_mb": memory[-1],
        "memory_most_mb": max(memory),
    }


def percentiles(name: str, seen: Seen) -> dict[str, float]:
    values = np.percentile(seen.seconds or [np.nan], [50, 95, 99]) * 1000
    return {f"{name}_p{share}_ms": float(value) for share, value in zip((50, 95, 99), values, strict=True)}


def resident_mb(pid: int) -> float:
    pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 1e6


if __name__ == "__main__":
    main()
