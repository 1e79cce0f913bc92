"""What counts as a defect: rules.yaml, shipped inside the model's file and overridden by one beside it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from difflib import get_close_matches
from pathlib import Path
from typing import Annotated, Any, TypeVar

from pydantic import Field, ValidationError

from autonad.config.explaining import explain, quoted
from autonad.config.fields import Count, NotNegative, Positive, Section
from autonad.errors import ConfigError, one_line
from autonad.reading.bounds import LARGEST_YAML, folded, parse_yaml, read_bytes

Share = Annotated[float, Field(gt=0, le=1)]
_Model = TypeVar("_Model", bound=Section)


class ClassRule(Section):
    """When a defect of a class counts, and how sure one must be of it."""

    probability: Share = Field(0.5, description="a pixel belongs to the class from this probability on")
    review: Annotated[float, Field(ge=0, le=1)] = Field(
        0.6, description="a defect whose mean probability is lower is for a person to look at"
    )
    min_area_px: NotNegative = Field(4, description="smaller defects do not count, pixels")
    min_area_mm2: NotNegative = Field(0, description="smaller defects do not count, mm²")
    min_length_px: NotNegative = Field(0, description="shorter defects do not count, pixels")
    min_length_mm: NotNegative = Field(0, description="shorter defects do not count, mm")
    min_count: Count = Field(1, description="fewer defects of the class do not count")

    @property
    def in_millimetres(self) -> bool:
        """Whether the rule needs to know how large a pixel is."""
        return self.min_area_mm2 > 0 or self.min_length_mm > 0


class _General(Section):
    """What holds for all classes."""

    mm_per_pixel: Positive | None = Field(None, description="side of a pixel, mm")


class Rules(Section):
    """The rules of a detector, complete: each class of defects has one."""

    mm_per_pixel: Positive | None
    classes: dict[str, ClassRule]

    @classmethod
    def default(cls, classes: Sequence[str]) -> Rules:
        """Rules that work for any detector.

        Args:
            classes: The detector's, background first.
        """
        return cls(mm_per_pixel=None, classes={name: ClassRule() for name in classes[1:]})

    @classmethod
    def from_dict(cls, data: Any, classes: Sequence[str], source: str) -> Rules:
        """Rules from what YAML or JSON holds.

        Args:
            data: `mm_per_pixel`; `defaults`, which holds for classes that say nothing else; `classes`.
            classes: The detector's, background first.
            source: What holds the rules, for messages.

        Raises:
            ConfigError: A class or key is unknown, a value is out of range, or millimetres are asked for and
                no `mm_per_pixel` is given.
        """
        data = _mapping({} if data is None else data, source)
        defaults = _mapping(data.get("defaults") or {}, f"{source}, defaults")
        own = _mapping(data.get("classes") or {}, f"{source}, classes")
        for name in own:
            _known(name, classes, source)
        general = _checked(
            _General, {k: v for k, v in data.items() if k not in ("defaults", "classes")}, source
        )
        _checked(ClassRule, defaults, f"{source}, defaults")
        rules = {}
        for name in classes[1:]:
            where = f"{source}, classes.{name}"
            rules[name] = _checked(ClassRule, {**defaults, **_mapping(own.get(name) or {}, where)}, where)
        return cls(mm_per_pixel=general.mm_per_pixel, classes=rules)

    @classmethod
    def load(cls, path: Path, classes: Sequence[str]) -> Rules:
        """Read rules.yaml; see `from_dict`.

        Raises:
            ConfigError: The file is missing, is no YAML, or its rules are not ones.
        """
        try:
            data = parse_yaml(read_bytes(path, LARGEST_YAML).decode())
        except FileNotFoundError as error:
            raise ConfigError(f"there are no rules at {path}; check the path") from error
        except (OSError, ValueError) as error:
            raise ConfigError(
                f"{path} cannot be read as YAML ({folded(one_line(error))}); mend it"
            ) from error
        return cls.from_dict(data, classes, str(path))

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON values, from which `from_dict` makes the same rules."""
        return self.model_dump(mode="json")

    def scaled(self, mm_per_pixel: float | None) -> Rules:
        """These rules for a camera whose pixels are this large; None leaves what the rules say.

        Raises:
            ConfigError: The rules speak of millimetres and nobody says how large a pixel is.
        """
        rules = self if mm_per_pixel is None else self.model_copy(update={"mm_per_pixel": mm_per_pixel})
        speaking = [name for name, rule in rules.classes.items() if rule.in_millimetres]
        if speaking and rules.mm_per_pixel is None:
            raise ConfigError(
                f"the rules of {', '.join(speaking)} are in millimetres, and nobody says how large a "
                "pixel is; give --scale MM_PER_PX, or mm_per_pixel in the rules"
            )
        return rules


def _checked(model: type[_Model], data: Mapping[Any, Any], source: str) -> _Model:
    try:
        return model.model_validate(dict(data))
    except ValidationError as error:
        raise ConfigError(explain(error.errors(), model, source)) from error


def _mapping(value: Any, source: str) -> Mapping[Any, Any]:
    if isinstance(value, Mapping):
        return value
    raise ConfigError(f"{source}: {quoted(value)} is no mapping; write keys with values")


def _known(name: Any, classes: Sequence[str], source: str) -> None:
    if name in classes[1:]:
        return
    if name == classes[0]:
        raise ConfigError(f"{source}: {name} is no defect and takes no rule; take it out")
    close = get_close_matches(str(name), classes[1:], n=1, cutoff=0.5)
    hint = (
        f"did you mean {folded(close[0])}?" if close else f"its classes are {folded(', '.join(classes[1:]))}"
    )
    raise ConfigError(f"{source}: the detector knows no class {quoted(name)}; {hint}")
