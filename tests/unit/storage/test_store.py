"""Where a store gets its settings from: where boto3 gets them, and nowhere else."""

from __future__ import annotations

import socket
from pathlib import Path

import pytest

from autonad.errors import StorageError
from autonad.storage.store import Store


@pytest.fixture
def nobody_listens() -> str:
    """An endpoint at which no server is."""
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return f"127.0.0.1:{one.getsockname()[1]}"


def test_a_message_names_the_endpoint_that_was_asked(
    nobody_listens: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = tmp_path / "config"
    config.write_text(f"[default]\nendpoint_url = http://user:autonad-secret@{nobody_listens}\n")
    for name in ("AWS_PROFILE", "AWS_ENDPOINT_URL", "AWS_ENDPOINT_URL_S3"):
        monkeypatch.delenv(name, raising=False)
    for name, value in (("CONFIG_FILE", str(config)), ("ACCESS_KEY_ID", "a"), ("SECRET_ACCESS_KEY", "b")):
        monkeypatch.setenv(f"AWS_{name}", value)
    with pytest.raises(StorageError) as refused:
        Store(attempts=1).exists("bucket", "key")
    assert f"http://{nobody_listens} cannot be reached" in str(refused.value)
    assert "autonad-secret" not in str(refused.value)
