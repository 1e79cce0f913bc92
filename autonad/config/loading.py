"""params.yaml as frozen, validated models: every number has one place, a unit and a range.

Absent is None. Unknown keys and wrong types are errors that name the field.
"""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import yaml
from pydantic import Field, ValidationError

from autonad.config.sections import (
    Count,
    DataConfig,
    DecideConfig,
    EvaluateConfig,
    ExportConfig,
    GcConfig,
    IngestConfig,
    InputConfig,
    LatencyConfig,
    RegisterConfig,
    RetrainConfig,
    SearchConfig,
    Section,
    SpaceConfig,
    SupernetConfig,
    SynthesizeConfig,
    TrackingConfig,
)
from autonad.errors import ConfigError, one_line

# pydantic warns of a field that is called like a method of its metaclass; instances do not see that method.
warnings.filterwarnings("ignore", message='Field name "register" in "Config" shadows an attribute')


class Config(Section):
    """The whole of params.yaml."""

    seed: int = Field(0, description="seed of everything that has no seed of its own")
    threads: Count | None = Field(None, description="CPU threads of torch; absent: all cores")
    processes: Count | None = Field(None, description="processes that train together; absent: one per GPU")
    data: DataConfig = DataConfig()
    ingest: IngestConfig = IngestConfig()
    synthesize: SynthesizeConfig = SynthesizeConfig()
    input: InputConfig = InputConfig()
    space: SpaceConfig = SpaceConfig()
    train_supernet: SupernetConfig = SupernetConfig()
    profile_latency: LatencyConfig = LatencyConfig()
    search: SearchConfig = SearchConfig()
    retrain: RetrainConfig = RetrainConfig()
    decide: DecideConfig = DecideConfig()
    evaluate: EvaluateConfig = EvaluateConfig()
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
            text = path.read_text()
        except FileNotFoundError as error:
            raise ConfigError(
                f"there is no parameter file {path}; create it or name another with --params"
            ) from error
        except (OSError, UnicodeDecodeError) as error:
            raise ConfigError(f"{path} cannot be read as YAML: {one_line(error)}") from error
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
        data: Any = yaml.safe_load(text) or {}
    except yaml.YAMLError as error:
        raise ConfigError(f"{source} cannot be read as YAML: {one_line(error)}") from error
    if not isinstance(data, dict):
        raise ConfigError(f"{source} holds a {type(data).__name__}; it must hold sections such as 'search:'")
    for override in overrides:
        _assign(data, override)
    try:
        return Config.model_validate(data)
    except ValidationError as error:
        raise ConfigError(f"{source}: {_explain(error)}") from error


def _assign(data: dict[str, Any], override: str) -> None:
    name, separator, text = override.partition("=")
    if not separator or not name.strip():
        raise ConfigError(
            f"--set {override!r} is not of the form section.key=value, such as search.finalists=5"
        )
    *sections, key = name.strip().split(".")
    for section in sections:
        inner = data.setdefault(section, {})
        if not isinstance(inner, dict):
            raise ConfigError(f"--set {override!r}: {section} is a value, not a section")
        data = inner
    try:
        data[key] = yaml.safe_load(text)
    except yaml.YAMLError as error:
        raise ConfigError(
            f"--set {override!r}: the value is not YAML; write it as in params.yaml, such as "
            f"data.fractions=[0.8,0.1,0.1]"
        ) from error


def _explain(error: ValidationError) -> str:
    """One line for all faults: field, what it holds, what it needs."""
    faults: dict[str, list[str]] = {}
    for fault in error.errors():
        # A union adds the branch that was tried to the field's place ("constrained-float",
        # "literal['auto']").
        names = [str(name) for name in fault["loc"]]
        field = ".".join(
            name for name in names if not name.startswith(("function", "constrained", "literal["))
        )
        need = fault["msg"].removeprefix("Value error, ")
        match fault["type"]:
            case "extra_forbidden":
                what, need = "is no known key", _nearest(fault["loc"])
            case "invalid_key":
                what, need = "is no known key", "keys are names"
            case "tuple_type":
                what, need = f"is {fault['input']!r}", "it needs a list, such as [a, b]"
            case "missing":
                what, need = "is missing", "give it a value"
            case "model_type":
                what, need = f"is {fault['input']!r}", "it is a section and holds keys with values"
            case _:
                what = f"is {fault['input']!r}"
        faults.setdefault(f"{field} {what}", []).append(need[:1].lower() + need[1:])
    return "; ".join(f"{fault}: {', or '.join(dict.fromkeys(needs))}" for fault, needs in faults.items())


def _nearest(location: tuple[int | str, ...]) -> str:
    """The known key that was probably meant."""
    from difflib import get_close_matches

    model: Any = Config
    for name in location[:-1]:
        annotation = model.model_fields[name].annotation
        model = annotation
    known = list(model.model_fields)
    close = get_close_matches(str(location[-1]), known, n=1)
    return f"did you mean {close[0]}?" if close else f"known here are {', '.join(known)}"
