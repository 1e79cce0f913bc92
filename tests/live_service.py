"""The detector's service for tests: within the test's process, or as a process of its own."""

from __future__ import annotations

import http.client
import os
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from autonad.console import SILENT
from autonad.service.app import Service
from autonad.service.examining import Examination, Sink
from autonad.service.limits import Limits, Workers
from autonad.service.monitoring import Monitor
from autonad.service.reloading import Reloading
from autonad.service.served_model import FileSource, Opening
from autonad.service.serving import address_of, listen, make_server


def service_of(
    model: Path, *, limits: Limits | None = None, sink: Sink | None = None, threads: int = 2
) -> Service:
    """A service whose requests are worked on in threads of this process."""
    given, monitor = limits or Limits(), Monitor()
    reloading = Reloading(Opening(FileSource(model)), monitor, SILENT, seconds=0.05)
    return Service(reloading, Examination(given, monitor, sink), Workers(threads, given), monitor)


@dataclass(frozen=True)
class Live:
    """A service that answers.

    Attributes:
        address: http://127.0.0.1:PORT.
        process: Its process; None if it is this one.
    """

    address: str
    process: subprocess.Popen[str] | None = None

    @property
    def port(self) -> int:
        return int(self.address.rsplit(":", 1)[1])

    def ask(self, method: str, path: str, body: bytes | None = None, **headers: str) -> Answer:
        """One request on a connection of its own."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)
        try:
            given = {name.replace("_", "-"): value for name, value in headers.items()}
            connection.request(method, path, body, given)
            response = connection.getresponse()
            return Answer(response.status, response.read(), dict(response.getheaders()))
        finally:
            connection.close()


@dataclass(frozen=True)
class Answer:
    status: int
    content: bytes
    headers: dict[str, str] = field(default_factory=dict)

    def json(self) -> Any:
        import json

        return json.loads(self.content)


@contextmanager
def live(service: Service, *, token: str | None = None) -> Iterator[Live]:
    """A service on a port of its own, in a thread."""
    with listen("127.0.0.1", 0) as listening:
        server = make_server(service, service.examination.limits, token)
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listening]}, daemon=True)
        thread.start()
        try:
            while not server.started:
                assert thread.is_alive()
                time.sleep(0.01)
            yield Live(address_of(listening))
        finally:
            server.should_exit = True
            thread.join(30)
            assert not thread.is_alive()


@contextmanager
def serving(model: str | Path, *options: str, **environment: str) -> Iterator[Live]:
    """`autonad serve` as a process."""
    command = [sys.executable, "-m", "autonad.cli", "serve", "--model", str(model), "--port", "0", *options]
    process = subprocess.Popen(
        command,
        env={**os.environ, "PYTHONUNBUFFERED": "1", **environment},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    assert process.stderr is not None
    try:
        line = process.stdout.readline()
        assert " is served at " in line, line + process.stderr.read()
        yield Live(line.split(" is served at ")[1].split(";")[0], process)
    finally:
        process.kill()
        process.communicate()


def png(image: Any) -> bytes:
    """An array as an image file."""
    from autonad.data.images import encode_png

    return encode_png(image)
