"""params.yaml as frozen, validated models: every number has one place, a unit and a range.

Absent is None. Unknown keys and wrong types are errors that name the field.
"""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from pydantic import Field, ValidationError

from autonad.config.design_sections import (
    AssessSupernetConfig,
    LatencyConfig,
    RetrainConfig,
    SearchConfig,
    SpaceConfig,
    SupernetConfig,
)
from autonad.config.explaining import LONGEST_VALUE, cut, explain, misplaced, quoted
from autonad.config.fields import Seed, Threads
from autonad.config.sections import (
    DataConfig,
    DecideConfig,
    EvaluateConfig,
    ExportConfig,
    FitThresholdsConfig,
    GcConfig,
    IngestConfig,
    InputConfig,
    RegisterConfig,
    Section,
    SynthesizeConfig,
    TrackingConfig,
)
from autonad.console import abridged
from autonad.errors import ConfigError, one_line
from autonad.reading.bounds import LARGEST_YAML, Unreadable, folded, parse_yaml, read_bytes

# pydantic warns of a field that is called like a method of its metaclass; instances do not see that method.
warnings.filterwarnings("ignore", message='Field name "register" in "Config" shadows an attribute')


class Config(Section):
    """The whole of params.yaml."""

    seed: Seed = Field(0, description="seed of everything that has no seed of its own")
    threads: Threads | None = Field(
        None, description="CPU threads of torch, and of the detector in `run` and `demo`; absent: all cores"
    )
    processes: Threads | None = Field(None, description="processes that train together; absent: one per GPU")
    data: DataConfig = DataConfig()
    ingest: IngestConfig = IngestConfig()
    synthesize: SynthesizeConfig = SynthesizeConfig()
    input: InputConfig = InputConfig()
    space: SpaceConfig = SpaceConfig()
    train_supernet: SupernetConfig = SupernetConfig()
    profile_latency: LatencyConfig = LatencyConfig()
    search: SearchConfig = SearchConfig()
    assess_supernet: AssessSupernetConfig = AssessSupernetConfig()
    retrain: RetrainConfig = RetrainConfig()
    decide: DecideConfig = DecideConfig()
    evaluate: EvaluateConfig = EvaluateConfig()
    fit_thresholds: FitThresholdsConfig = FitThresholdsConfig()
    export: ExportConfig = ExportConfig()
    register: RegisterConfig = RegisterConfig()
    gc: GcConfig = GcConfig()
    tracking: TrackingConfig = TrackingConfig()


def load_config(path: Path | None, overrides: Sequence[str] = ()) -> Config:
    """Read params.yaml and apply `section.key=value` overrides.

    Args:
        path: The file; None gives the defaults.
        overrides: Assignments whose values are YAML ("train_supernet.epochs=5").

    Raises:
        ConfigError: The file is missing or not YAML, a key is unknown, or a value is of the wrong type.
    """
    text = ""
    if path is not None:
        try:
            text = read_bytes(path, LARGEST_YAML).decode()
        except FileNotFoundError as error:
            raise ConfigError(
                f"there is no parameter file {path}; create it or name another with --params"
            ) from error
        except (OSError, ValueError) as error:
            reason = folded(one_line(error))
            raise ConfigError(f"{abridged(str(path), 100)} cannot be read as YAML: {reason}") from error
    sources = [str(path)] * (path is not None) + ["--set"] * bool(overrides)
    return parse_config(text, overrides, source=" with ".join(sources))


def parse_config(text: str, overrides: Sequence[str] = (), *, source: str) -> Config:
    """The configuration that a YAML text describes, with `section.key=value` overrides.

    Args:
        text: Sections as in params.yaml.
        overrides: See `load_config`.
        source: What the text is to the user, for messages.

    Raises:
        ConfigError: See `load_config`.
    """
    try:
        data: Any = parse_yaml(text) or {}
    except Unreadable as error:
        raise ConfigError(f"{abridged(source, 100)} cannot be read as YAML: {error}") from error
    if not isinstance(data, dict):
        raise ConfigError(f"{source} holds a {type(data).__name__}; it must hold sections such as 'search:'")
    # Before anything is assigned into them: an override that a form makes is nobody's mistake.
    if faults := misplaced(data, Config):
        raise ConfigError(explain(faults, Config, source))
    for override in overrides:
        _assign(data, override)
    try:
        return Config.model_validate(data)
    except ValidationError as error:
        raise ConfigError(explain(error.errors(), Config, source)) from error


def _assign(data: dict[str, Any], override: str) -> None:
    name, separator, text = override.partition("=")
    said = f"--set {quoted(override)}"
    if not separator or not name.strip():
        raise ConfigError(f"{said} is not of the form section.key=value, such as search.finalists=5")
    *sections, key = name.strip().split(".")
    for section in sections:
        inner = data.setdefault(section, {})
        if not isinstance(inner, dict):
            raise ConfigError(f"{said}: {cut(section, LONGEST_VALUE)} is a value, not a section")
        data = inner
    try:
        data[key] = parse_yaml(text)
    except Unreadable as error:
        raise ConfigError(
            f"{said}: {error}; write it as in params.yaml, such as data.fractions=[0.8,0.1,0.1]"
        ) from error
