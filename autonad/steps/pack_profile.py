"""Pack what a device needs to measure a search space by itself."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from autonad.config.context import Context

README = """# A kit of AutoNAD

Everything that a device needs to measure the search space `{preset}` ({space})
at {height} x {width} pixels: {models} ONNX files. Their weights are left out
and drawn on the device: what a network costs does not depend on them.

1. On the device: `pip install .` in a copy of AutoNAD {autonad}, or the wheel
   built from it: the base install, which brings ONNX Runtime and no torch.
2. Leave the device alone and run `sh profile.sh NAME THREADS`, for example
   `sh profile.sh line-3 4`. A third argument names the folder to write; it is
   `measured` otherwise.
3. Bring that folder back, to `autonad profile-latency --measured measured
   --output ...`, or push it where the pipeline's parameter `latency` finds it.

Do not change the files: `kit.json` holds their sha256.
"""
SCRIPT = """#!/bin/sh
# Measures this kit on this device: sh profile.sh NAME [THREADS [OUTPUT]]
set -eu
kit=$(dirname -- "$0")
name=${1:?say what the device is called: sh profile.sh NAME [THREADS [OUTPUT]]}
set -- "${2:-}" "${3:-measured}"
autonad profile-latency --kit "$kit" --name "$name" ${1:+--threads "$1"} --output "$2"
"""


@dataclass(frozen=True)
class PackResult:
    """What was packed.

    Attributes:
        key: Of the kit.
        pieces: Pieces of the space.
        models: ONNX files; equal pieces share one.
        megabytes: Size of the folder.
    """

    key: str
    pieces: int
    models: int
    megabytes: float


def pack_profile(context: Context, *, output: Path, num_classes: int = 4) -> PackResult:
    """Write a kit that a device measures with the base install alone.

    Args:
        context: Sections `space`, `input` and `profile_latency` decide.
        output: Kit folder to write: `kit.json`, `models.zip`, `README.md`, `profile.sh`.
        num_classes: Classes of the head; they hardly matter for latency.

    Raises:
        ExportError: A piece cannot be expressed in ONNX.
        StorageError: The folder cannot be written.
    """
    from autonad.files import withdraw, write_text_atomic
    from autonad.latency.pack import pack_kit
    from autonad.space.configured import configured_space
    from autonad.steps.profile_latency import subject_of
    from autonad.steps.step import seed_everything

    config, console = context.config, context.console
    seed_everything(config.seed, config.threads)
    subject = subject_of(config, num_classes)
    space = configured_space(config.space, config.input.size)
    kit = pack_kit(space, subject, lambda what, done, total: console.advance(done, total, what))
    withdraw(output / "profile.sh")  # It goes last: an old one would stand for this kit.
    kit.save(output)
    height, width = subject.input_size
    models = len(kit.index.models)
    facts = {"preset": subject.preset, "space": subject.space, "autonad": subject.autonad}
    text = README.format(**facts, models=models, height=height, width=width)
    write_text_atomic(output / "README.md", text)
    write_text_atomic(output / "profile.sh", SCRIPT)
    return PackResult(
        key=kit.key,
        pieces=sum(map(len, kit.index.groups)),
        models=models,
        megabytes=sum(path.stat().st_size for path in output.iterdir() if path.is_file()) / 1e6,
    )
