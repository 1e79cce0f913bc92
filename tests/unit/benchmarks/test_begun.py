"""What lies in a benchmark's output is of the options that it goes on with."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from autonad.config import load_config
from autonad.errors import ConfigError
from benchmarks.begun import go_on


def begin(output: Path, *settings: str, latency: Path | None = None, **options: Any) -> None:
    go_on(output, load_config(None, list(settings)), latency, **{"supernet_minutes": 20.0, **options})


def test_a_folder_of_unknown_options_is_refused(tmp_path: Path) -> None:
    (tmp_path / "runs.jsonl").write_text("{}")
    with pytest.raises(ConfigError, match=r"holds files and no options\.json"):
        begin(tmp_path)
    begin(tmp_path / "new")
    (tmp_path / "new/latency").mkdir()
    begin(tmp_path / "new", latency=tmp_path / "new/latency")  # What was measured into it.


def test_a_folder_goes_on_with_its_options_alone(tmp_path: Path) -> None:
    (tmp_path / "latency").mkdir()
    table = tmp_path / "latency/table.parquet"
    table.write_bytes(b"one")
    output = tmp_path / "runs"
    for _ in range(2):
        begin(output, "search.generations=6", latency=table.parent)
    with pytest.raises(ConfigError, match=r"--supernet-minutes was 20.0, now 30.0; choose another --output"):
        begin(output, "search.generations=6", latency=table.parent, supernet_minutes=30.0)
    with pytest.raises(ConfigError, match=r"--set search.generations was 6, now 7"):
        begin(output, "search.generations=7", latency=table.parent)
    with pytest.raises(ConfigError, match=r"--latency was .*, now None"):
        begin(output, "search.generations=6")
    table.write_bytes(b"other")
    with pytest.raises(ConfigError, match="--latency was "):
        begin(output, "search.generations=6", latency=table.parent)
