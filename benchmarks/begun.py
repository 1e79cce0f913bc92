"""An output folder goes on with the options that it was begun with."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from autonad.config import Config
from autonad.errors import ConfigError
from autonad.files import read_json, sha256_file, write_json

OPTIONS = "options.json"


def go_on(output: Path, config: Config, latency: Path | None, **options: Any) -> None:
    """Keep in the output what its results depend on, or make sure that it is the same as before.

    Args:
        output: The benchmark's folder.
        config: Its configuration.
        latency: Latency folder that was given; None where the benchmark measures it into the output.
        options: Others that decide, JSON values.

    Raises:
        ConfigError: The folder was begun with others.
    """
    now = {f"--set {name}": value for name, value in _flat(config.model_dump(mode="json"))}
    now |= {f"--{name.replace('_', '-')}": value for name, value in options.items()}
    if latency is not None and latency.resolve() != (output / "latency").resolve():
        now["--latency"] = sha256_file(latency / "table.parquet")
    kept = output / OPTIONS
    if not kept.is_file():
        if output.is_dir() and any(output.iterdir()):
            raise ConfigError(
                f"{output} holds files and no {OPTIONS}, so nobody knows what they are of; choose another "
                "--output"
            )
        output.mkdir(parents=True, exist_ok=True)
        write_json(kept, now)
        return
    before = read_json(kept, "the options of before")
    names = [name for name in {**before, **now} if before.get(name) != now.get(name)]
    if names:
        told = "; ".join(f"{name} was {before.get(name)}, now {now.get(name)}" for name in names[:3])
        raise ConfigError(f"{output} was begun with other options: {told}; choose another --output")


def _flat(value: Mapping[str, Any], name: str = "") -> list[tuple[str, Any]]:
    found = []
    for key, part in value.items():
        if isinstance(part, dict):
            found += _flat(part, f"{name}{key}.")
        else:
            found.append((f"{name}{key}", part))
    return found
