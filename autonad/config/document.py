"""params.yaml with every key, its default and its meaning.

`python -m autonad.config.document FILE` writes it.
"""

from __future__ import annotations

import inspect
import sys
from pathlib import Path
from typing import Any, Literal, get_args, get_origin

import yaml
from pydantic import BaseModel
from pydantic.fields import FieldInfo

from autonad.config import Config
from autonad.files import write_text_atomic

HEADER = (
    "# Every parameter of AutoNAD with its default. Each verb reads the sections that concern it. A key "
    "that\n"
    "# is left out keeps its default; `--set section.key=value` overrides one; `make params` writes this.\n"
)


def params_yaml() -> str:
    """The text of params.yaml: it loads to exactly `Config()`."""
    plain, sections = [], []
    for name, field in Config.model_fields.items():
        value = field.get_default()
        if isinstance(value, BaseModel):
            meaning = (inspect.getdoc(type(value)) or "").splitlines()[0]
            lines = _lines(value, indent="  ")
            sections.append(f"\n# {meaning}\n{name}:\n" + "\n".join(lines) + "\n")
        else:
            plain.append((f"{name}: {_yaml(value)}", _comment(field)))
    return HEADER + "\n" + "\n".join(_aligned(plain)) + "\n" + "".join(sections)


def _lines(section: BaseModel, indent: str) -> list[str]:
    values = section.model_dump(mode="json")
    return _aligned(
        [
            (f"{indent}{name}: {_yaml(values[name])}", _comment(field))
            for name, field in type(section).model_fields.items()
        ]
    )


def _aligned(lines: list[tuple[str, str]]) -> list[str]:
    width = max(len(assignment) for assignment, _ in lines)
    return [f"{assignment:<{width}}  # {comment}" for assignment, comment in lines]


def _comment(field: FieldInfo) -> str:
    """The field's description, with its choices where it has some."""
    assert field.description is not None, "every parameter says what it means"
    choices = [str(choice) for choice in get_args(field.annotation)] if _is_choice(field) else []
    return field.description + (f" [{' | '.join(choices)}]" if choices else "")


def _is_choice(field: FieldInfo) -> bool:
    return get_origin(field.annotation) is Literal


def _yaml(value: Any) -> str:
    """One value as YAML on one line."""
    text = yaml.safe_dump(value, default_flow_style=True, width=10_000, allow_unicode=True)
    return text.removesuffix("\n").removesuffix("\n...")


if __name__ == "__main__":
    write_text_atomic(Path(sys.argv[1] if len(sys.argv) > 1 else "params.yaml"), params_yaml())
