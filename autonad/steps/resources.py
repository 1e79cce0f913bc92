"""What a pipeline's tasks may use of a cluster, as a person enters it."""

from __future__ import annotations

import re
from difflib import get_close_matches
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator

from autonad.errors import ConfigError

_QUANTITY = re.compile(r"\d+(\.\d+)?([munkMGTPE]|[KMGTPE]i)?")
_SUFFIXES = {"m": 1e-3, "k": 1e3, "M": 1e6, "G": 1e9, "T": 1e12, "Ki": 2.0**10, "Mi": 2.0**20, "Gi": 2.0**30}
_SUFFIXES |= {"Ti": 2.0**40, "Pi": 2.0**50, "Ei": 2.0**60, "P": 1e15, "E": 1e18, "u": 1e-6, "n": 1e-9}


class PodResources(BaseModel):
    """Requests, limits and places of tasks that train, search or measure.

    Attributes:
        cpu: Cores that a node must have free.
        memory: Memory that a node must have free.
        cpu_limit: Cores at most; the request where that is more.
        memory_limit: Memory at most; likewise.
        accelerator_type: Resource name of the accelerator.
        accelerator_count: How many of them a task that trains gets; "0" trains on the processor.
        node_selector: Labels that a node must have.
        tolerations: Taints of nodes that are accepted.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    cpu: str = "1"
    memory: str = "2Gi"
    cpu_limit: str = "4"
    memory_limit: str = "8Gi"
    accelerator_type: str = "nvidia.com/gpu"
    accelerator_count: str = "0"
    node_selector: dict[str, str] = Field(default_factory=dict)
    tolerations: list[dict[str, Any]] = Field(default_factory=list)

    @field_validator("cpu", "memory", "cpu_limit", "memory_limit", "accelerator_count", mode="before")
    @classmethod
    def _as_quantity(cls, value: Any) -> str:
        # Kubeflow hands numbers out as floats.
        text = str(value).strip().removesuffix(".0")
        if not _QUANTITY.fullmatch(text):
            raise ValueError("write a quantity of Kubernetes, such as 4, 500m, 8Gi")
        return text

    @field_validator("accelerator_count")
    @classmethod
    def _whole(cls, value: str) -> str:
        if not value.isdigit():
            raise ValueError("write a whole number")
        return value

    @model_validator(mode="after")
    def _limits_hold_requests(self) -> PodResources:
        raised = {
            f"{name}_limit": getattr(self, name)
            for name in ("cpu", "memory")
            if quantity(getattr(self, name)) > quantity(getattr(self, f"{name}_limit"))
        }
        for name, value in raised.items():
            if name in self.model_fields_set:
                raise ValueError(f"{name} is less than what is requested, {value}")
        return self.model_copy(update=raised) if raised else self

    @classmethod
    def of(cls, entered: dict[str, Any]) -> PodResources:
        """What was entered, with defaults for the rest.

        Raises:
            ConfigError: A key is unknown or a value is no quantity; all faults are named.
        """
        try:
            return cls.model_validate(entered)
        except ValidationError as error:
            faults = "; ".join(_explain(fault) for fault in error.errors())
            raise ConfigError(f"resources: {faults}") from error

    @property
    def cores(self) -> int:
        """Whole cores that a task may use, at least one."""
        return max(1, int(quantity(self.cpu_limit)))


def quantity(text: str) -> float:
    """A quantity of Kubernetes as a number: cores, or bytes."""
    digits = text.rstrip("".join({letter for suffix in _SUFFIXES for letter in suffix}))
    return float(digits) * _SUFFIXES.get(text[len(digits) :], 1.0)


def _explain(fault: Any) -> str:
    name = ".".join(str(part) for part in fault["loc"]) or "together"
    if fault["type"] == "extra_forbidden":
        known = list(PodResources.model_fields)
        close = get_close_matches(name, known, n=1)
        return f"{name} is no known key: " + (
            f"did you mean {close[0]}?" if close else f"known are {', '.join(known)}"
        )
    return f"{name} is {fault['input']!r}: {fault['msg'].removeprefix('Value error, ')}"
