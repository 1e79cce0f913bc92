"""What the detector will run on: a small file made once on the device, and its hardware key.

Needs neither torch nor pandas, so that a device with the detector alone can describe itself.
"""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from autonad.cores import too_many_threads, usable_cores
from autonad.errors import LatencyError
from autonad.files import read_json, write_json
from autonad.latency import machine
from autonad.latency.support import SUPPORTED, Precision, Provider, Runtime, runtime_version
from autonad.reading.bounds import parse_json
from autonad.reading.shape_checks import faults

# All but the name, and the memory: a network that fits is not faster in more of it.
DECIDING = ("runtime", "provider", "precision", "threads", "cpu", "cores", "gpu", "os", "arch", "version")


class Target(BaseModel):
    """One device together with how the detector runs on it.

    Attributes:
        name: What people call it; not in the hardware key.
        runtime: Library that runs the network.
        provider: Kind of processor: "cpu", "cuda", or "tensorrt" (ONNX Runtime only).
        precision: Arithmetic: "fp32", "fp16" or "bf16".
        threads: Threads of one network on the processor.
        cpu: Processor name.
        cores: Processor cores that this process may use.
        gpu: Graphics processor name, None without one.
        memory_gib: Main memory, rounded, in GiB.
        os: Operating system, "Linux".
        arch: Instruction set, "x86_64".
        version: Version of the runtime.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, str_max_length=500)

    name: str = Field(min_length=1)
    runtime: Runtime
    provider: Provider
    precision: Precision
    threads: int = Field(ge=1, le=4096)
    cpu: str
    cores: int = Field(ge=1, le=1_000_000)
    gpu: str | None
    memory_gib: int = Field(ge=0, le=1_000_000)
    os: str
    arch: str
    version: str

    @model_validator(mode="after")
    def _supported(self) -> Target:
        allowed = SUPPORTED.get((self.runtime, self.provider))
        if allowed is None:
            raise ValueError(f"{self.runtime} has no provider {self.provider!r}; use cpu or cuda")
        if self.precision not in allowed:
            able = [
                " on ".join(pair) for pair, precisions in SUPPORTED.items() if self.precision in precisions
            ]
            raise ValueError(
                f"{self.runtime} on {self.provider} runs {' or '.join(allowed)}, not {self.precision}, which "
                f"{' and '.join(able)} can"
            )
        return self

    @classmethod
    def describe(
        cls,
        name: str,
        runtime: Runtime = "onnxruntime",
        *,
        provider: Provider = "cpu",
        precision: Precision = "fp32",
        threads: int | None = None,
    ) -> Target:
        """Describe this machine.

        Args:
            name: What people call the target.
            runtime: Library that will run the network.
            provider: Kind of processor.
            precision: Arithmetic.
            threads: Threads of one network; all usable cores when None.

        Raises:
            LatencyError: The runtime is not installed, or cannot do what is asked; or there are fewer cores.
        """
        target = cls._here(name, runtime, provider=provider, precision=precision, threads=threads)
        if wrong := too_many_threads(target.threads):
            raise LatencyError(f"{wrong}; use --threads {target.cores} or fewer")
        return target

    @classmethod
    def _here(
        cls, name: str, runtime: Runtime, *, provider: Provider, precision: Precision, threads: int | None
    ) -> Target:
        cores = usable_cores()
        return _validated(
            cls,
            {
                "name": name,
                "runtime": runtime,
                "provider": provider,
                "precision": precision,
                "threads": cores if threads is None else threads,
                "cpu": machine.cpu_name(),
                "cores": cores,
                "gpu": None if provider == "cpu" else machine.gpu_name(),
                "memory_gib": machine.memory_gib(),
                "os": machine.system(),
                "arch": machine.instruction_set(),
                "version": runtime_version(runtime),
            },
            f"target {name!r}",
            "describe it with values that go together",
        )

    @classmethod
    def load(cls, path: Path) -> Target:
        """Read a target that `save` wrote.

        Raises:
            StorageError: The file is missing or is not JSON.
            LatencyError: It is no target; the message names the field.
        """
        return _validated(cls, read_json(path, "the target"), f"the target at {path}")

    @classmethod
    def parse(cls, text: str) -> Target:
        """Read a target from the text of its file.

        Raises:
            LatencyError: It is no JSON or no target; the message names the field.
        """
        try:
            return _validated(cls, parse_json(text), "the target")
        except ValueError as error:
            raise LatencyError(
                f"the target is not JSON ({error}); give the text of a file that `autonad describe-target` "
                "wrote"
            ) from error

    def save(self, path: Path) -> None:
        """Write the target as JSON, in one step.

        Raises:
            StorageError: The file cannot be written.
        """
        write_json(path, self.model_dump())

    @property
    def hardware_key(self) -> str:
        """First 12 hexadecimal digits of the sha256 of what decides latency.

        The name does not, the memory does not (a network that fits is not faster in more of it), and of the
        version only major and minor count: a patch release repeats no search.
        """
        deciding = {**self.model_dump(include=set(DECIDING)), "version": _release(self.version)}
        canonical = json.dumps(deciding, sort_keys=True, separators=(",", ":"))
        return hashlib.sha256(canonical.encode()).hexdigest()[:12]

    def verify_here(self) -> Target | None:
        """Compare this machine with the described one before measuring on it.

        Returns:
            This machine, described in the same words, where it is another one by its hardware key; None where
            it is the target.

        Raises:
            LatencyError: The runtime is not installed here.
        """
        here = Target._here(
            self.name, self.runtime, provider=self.provider, precision=self.precision, threads=self.threads
        )
        return None if here.hardware_key == self.hardware_key else here

    def differences(self, other: Target, *, beside: tuple[str, ...] = ()) -> str:
        """What of another device is not as in this target, of what decides latency: "cpu is A, not B; …".

        Args:
            other: The other device.
            beside: Fields that are not looked at.
        """
        values = [
            (field, getattr(other, field), getattr(self, field))
            for field in DECIDING
            if field not in ("version", *beside) and getattr(other, field) != getattr(self, field)
        ]
        if _release(other.version) != _release(self.version):
            values.append((f"version of {self.runtime}", other.version, self.version))
        return "; ".join(f"{field} is {there}, not {here}" for field, there, here in values)

    def require_here(self) -> None:
        """Make sure that this machine is the target, before something is measured in its name.

        Raises:
            LatencyError: It is another machine; names the differences, and the ways out.
        """
        here = self.verify_here()
        if (
            here is not None
            and here.model_copy(update={"cores": self.cores}).hardware_key == self.hardware_key
        ):
            raise LatencyError(
                f"target {self.name!r} has {self.cores} cores, and here are {here.cores}: on a cluster set "
                f"`resources.cpu_limit` to {self.cores}, or describe the target in a pod with the limit of "
                "these tasks; elsewhere describe this machine with `autonad describe-target`"
            )
        if here is not None:
            raise LatencyError(
                f"this machine is not target {self.name!r}: {self.differences(here)}; profile there (kit: "
                "`autonad pack-profile`), describe this machine (`autonad describe-target`), or "
                "--for-another-device"
            )


def _release(version: str) -> str:
    """Major and minor of a version."""
    return ".".join(version.split("+")[0].split(".")[:2])


def _validated(
    cls: type[Target],
    data: Any,
    what: str,
    remedy: str = "make it with `autonad describe-target` on the device",
) -> Target:
    try:
        return cls.model_validate(data)
    except ValidationError as error:
        raise LatencyError(f"{what} is not valid: {faults(error.errors())}; {remedy}") from error
