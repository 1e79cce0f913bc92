"""An exported network, open in ONNX Runtime, with what its file says about it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from pydantic import Field

from autonad.detector.providers import PROVIDERS, start_session
from autonad.detector.rules import Rules
from autonad.detector.spec import DetectorSpec
from autonad.errors import AutonadError, CheckpointError, ConfigError, ExportError, first_line
from autonad.reading.bounds import Unreadable, folded, parse_json
from autonad.reading.shape_checks import Shape, check_shape

# The one metadata property of the file; its value is JSON.
METADATA_KEY = "autonad"

_REMEDY = "run `autonad export`, or name the file that it wrote"


class ToldFile(Shape):
    """What an exported file says about itself."""

    spec: dict[str, Any]
    rules: dict[str, Any] = Field({})
    architecture: dict[str, Any] | None = None
    parameters: int | None = Field(None, ge=0)
    provenance: dict[str, Any] | None = None


@dataclass(frozen=True)
class OnnxNetwork:
    """A network as it is shipped: the file alone. Safe to be used by several threads.

    Attributes:
        path: The file.
        spec: Classes, input and normalisation.
        rules: What counts as a defect, as shipped.
        told: All that the file says about itself, plain JSON values.
        session: ONNX Runtime's session.
    """

    path: Path
    spec: DetectorSpec
    rules: Rules
    told: dict[str, Any]
    session: Any

    @classmethod
    def open(cls, path: Path, *, threads: int | None = None, provider: str = "cpu") -> OnnxNetwork:
        """Open a file that `autonad export` wrote.

        Args:
            path: The file.
            threads: Threads of one call on the CPU; all cores when None.
            provider: "cpu", "cuda" or "tensorrt".

        Raises:
            ExportError: It is missing, is no ONNX, or was not written by `autonad export`.
            ConfigError: This machine's ONNX Runtime has no such provider.
        """
        if not path.is_file():
            raise ExportError(f"there is no exported network at {path}; {_REMEDY}")
        session = _session(path, threads, _available(provider))
        try:
            text = session.get_modelmeta().custom_metadata_map.get(METADATA_KEY, "null")
            told = check_shape(parse_json(text), ToldFile)
            spec = DetectorSpec.from_dict(told["spec"])
        except (Unreadable, UnicodeDecodeError, CheckpointError) as error:
            raise ExportError(
                f"{path} is ONNX, but does not say what it is ({folded(str(error))}); only files "
                f"that AutoNAD exported do: {_REMEDY}"
            ) from error
        _check_signature(session, spec, path)
        try:
            # A file of before the rules were shipped is judged by the defaults.
            rules = Rules.from_dict(told.get("rules", {}), spec.classes, f"the rules in {path}")
        except AutonadError as error:
            raise ExportError(f"{error}; {_REMEDY}") from error
        return cls(path, spec, rules, told, session)

    def forward(self, images: np.ndarray) -> np.ndarray:
        """Logits float32 (B, C, H, W) of normalised images float32 (B, 3, H, W)."""
        (logits,) = self.session.run(["logits"], {"image": images})
        return np.asarray(logits)


def _available(provider: str) -> Sequence[str]:
    import onnxruntime

    if provider not in PROVIDERS:
        raise ConfigError(f"there is no provider {provider!r}; choose one of {', '.join(PROVIDERS)}")
    here = onnxruntime.get_available_providers()
    if PROVIDERS[provider][0] not in here:
        raise ConfigError(
            f"this machine's ONNX Runtime has no {PROVIDERS[provider][0]} (it has {', '.join(here)}); "
            "install onnxruntime-gpu, or use the provider cpu"
        )
    return [name for name in PROVIDERS[provider] if name in here]


def _check_signature(session: Any, spec: DetectorSpec, path: Path) -> None:
    """Make sure that a network takes and gives what its description says.

    Raises:
        ExportError: It does not.
    """
    inputs, outputs = (
        {one.name: one.shape for one in found} for found in (session.get_inputs(), session.get_outputs())
    )
    image, logits = inputs.get("image", ()), outputs.get("logits", ())
    needed = zip([*image[1:], *logits[1:2]], [3, *spec.size, spec.num_classes], strict=False)
    # A size that the file leaves open is a name there.
    wrong = any(isinstance(side, int) and side != wanted for side, wanted in needed)
    if len(inputs) != 1 or len(image) != 4 or len(logits) != 4 or wrong:
        raise ExportError(
            f"{path} takes {folded(str(inputs), 60)} and gives {folded(str(outputs), 60)}, and says that it "
            f"has {spec.num_classes} classes and an input of {spec.height} x {spec.width}; {_REMEDY}"
        )


def _session(path: Path, threads: int | None, providers: Sequence[str]) -> Any:
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads or 0
    options.log_severity_level = 3
    try:
        return start_session(str(path), options, list(providers))
    except AutonadError:
        raise
    except Exception as error:  # ONNX Runtime's errors share no base class of their own.
        raise ExportError(
            f"{path} cannot be opened as ONNX ({folded(first_line(error))}); {_REMEDY}"
        ) from error
