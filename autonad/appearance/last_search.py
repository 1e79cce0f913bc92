"""What a search was run with, written beside its result, and read again when the next one is decided on."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from autonad.config import Config
from autonad.files import read_json
from autonad.reading.shape_checks import Shape

# How often a run reports or saves does not change what it ends with.
_CADENCE = {"checkpoint_every"}


class SettingsFile(Shape):
    """What `search.json` says about settings."""

    latency_budget_ms: float | list[float] | None
    search: dict[str, Any]
    supernet: dict[str, Any] | None


class LastSearchFile(Shape):
    """What the next decision relies on in `search.json`."""

    pin_key: str | None
    hardware_key: str
    target: str
    settings: SettingsFile


@dataclass(frozen=True)
class LastSearch:
    """What the last search was run with; compared with what holds now.

    Attributes:
        pin_key: Of the pin whose images it was run on; None without one.
        hardware_key: Of the target.
        target: Name of the target.
        latency_budget_ms: The limit, or several; None without one.
        search_settings: Settings of the search, the budget left out.
        supernet_settings: Everything that decides a supernet but its images; None where it is not known.
    """

    pin_key: str | None
    hardware_key: str
    target: str
    latency_budget_ms: float | list[float] | None
    search_settings: Mapping[str, Any] = field(default_factory=dict)
    supernet_settings: Mapping[str, Any] | None = None


def supernet_settings(config: Config) -> dict[str, Any]:
    """Everything but the images that decides a supernet, with dotted names and JSON values."""
    training = config.train_supernet.model_dump(mode="json", exclude=_CADENCE)
    return _dotted(
        seed=config.seed,
        space=config.space.model_dump(mode="json"),
        input=config.input.model_dump(mode="json"),
        train_supernet=training,
    )


def search_settings(config: Config) -> dict[str, Any]:
    """Settings of profiling and search without the latency budget, which is a reason of its own."""
    return _dotted(
        profile_latency=config.profile_latency.model_dump(mode="json"),
        search=config.search.model_dump(mode="json", exclude={"latency_budget_ms"}),
    )


def budget_setting(config: Config) -> float | list[float] | None:
    """The latency budget as JSON holds it; a list of one is that one."""
    budgets = config.search.latency_budget_ms
    if not isinstance(budgets, tuple):
        return budgets
    return budgets[0] if len(budgets) == 1 else list(budgets)


def this_search(config: Config, pin_key: str | None, hardware_key: str, target: str) -> LastSearch:
    """What a search of now would be run with."""
    return LastSearch(
        pin_key=pin_key,
        hardware_key=hardware_key,
        target=target,
        latency_budget_ms=budget_setting(config),
        search_settings=search_settings(config),
        supernet_settings=supernet_settings(config),
    )


def read_last_search(folder: Path | None) -> LastSearch | None:
    """What the search in a folder was run with; None without a finished one.

    Raises:
        StorageError: Its `search.json` is damaged.
    """
    if folder is None or not (folder / "search.json").is_file():
        return None
    found = read_json(folder / "search.json", "the last search", LastSearchFile)
    settings = found["settings"]
    return LastSearch(
        pin_key=found["pin_key"],
        hardware_key=found["hardware_key"],
        target=found["target"],
        latency_budget_ms=settings["latency_budget_ms"],
        search_settings=_known(settings["search"], search_settings(Config())),
        supernet_settings=settings["supernet"] and _known(settings["supernet"], supernet_settings(Config())),
    )


def _known(saved: Mapping[str, Any], defaults: Mapping[str, Any]) -> dict[str, Any]:
    """Saved settings that there still are; one that there was not yet had what is its default now."""
    return {name: saved.get(name, default) for name, default in defaults.items()}


def _dotted(**sections: Any) -> dict[str, Any]:
    flat: dict[str, Any] = {}
    for section, values in sections.items():
        if isinstance(values, dict):
            flat |= {f"{section}.{name}": value for name, value in values.items()}
        else:
            flat[section] = values
    return flat
