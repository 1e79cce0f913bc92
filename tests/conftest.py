"""Servers that several tests share, and how commands that they start take signals."""

from __future__ import annotations

import itertools
import signal
from collections.abc import Iterator

import pytest
from servers import ObjectStore, Wire, object_store, wire

from autonad.storage.store import Store

_NUMBERS = itertools.count(1)


def pytest_configure() -> None:
    """Let tests interrupt the commands that they start: a job in the background has it switched off."""
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(scope="session")
def s3(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ObjectStore]:
    """A real object store, empty at first."""
    with object_store(tmp_path_factory.mktemp("s3") / "data") as store:
        yield store


@pytest.fixture
def s3_environment(s3: ObjectStore, monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    """The variables that a client needs, set for this test."""
    for name, value in s3.environment.items():
        monkeypatch.setenv(name, value)
    for name in ("AWS_PROFILE", "AWS_SESSION_TOKEN", "AWS_ENDPOINT_URL_S3"):
        monkeypatch.delenv(name, raising=False)
    return s3.environment


@pytest.fixture
def bucket(s3_environment: dict[str, str]) -> str:
    """A new bucket."""
    name = f"bucket-{next(_NUMBERS)}"
    Store().create_bucket(name)
    return name


@pytest.fixture
def s3_wire(s3: ObjectStore, bucket: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[Wire]:
    """A proxy in front of the store, which clients of this test use; it can be made to fail."""
    with wire(s3) as proxy:
        monkeypatch.setenv("AWS_ENDPOINT_URL", proxy.endpoint)
        yield proxy
