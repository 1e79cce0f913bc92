"""Architectures as names and values, to be read side by side."""

from __future__ import annotations

from collections.abc import Sequence

from autonad.report.compared import Change
from autonad.report.drawing import EDGE_NAMES
from autonad.report.units import ABSENT
from autonad.space import Architecture


def gene_changes(architectures: Sequence[Architecture]) -> list[Change]:
    """Architectures as names and values, place by place, in the order of the drawing."""
    facts = [_genes(one) for one in architectures]
    stages = sorted({name for one in facts for name in one if name.startswith("stage")}, key=_place)
    rest = [name for name in facts[0] if not name.startswith("stage")] if facts else []
    return [
        Change(name, tuple(one.get(name, ABSENT) for one in facts))
        for name in (*rest[:1], *stages, *rest[1:])
    ]


def _genes(architecture: Architecture) -> dict[str, str]:
    found = {
        "architecture": architecture.key,
        "input scale": f"{architecture.scale:g}",
        "stem stride": str(architecture.stem_stride),
        "channels of the MFAM": str(architecture.mfam_width),
    }
    for number, stage in enumerate(architecture.stages, start=1):
        found[f"stage {number}"] = f"{stage.width} channels"
        for place, block in enumerate(stage.blocks, start=1):
            kernel = f" {block.kernel}×{block.kernel}" if block.kernel else ""
            found[f"stage {number}, block {place}"] = f"{block.operator}{kernel}, FFN ×{block.ffn_ratio:g}"
    found |= {edge: EDGE_NAMES[name] for edge, name in architecture.edge_items()}
    return found | {"pools": ", ".join(f"{side}×{side}" for side in architecture.pools)}


def _place(name: str) -> tuple[str, int, str]:
    """Sorts "stage 1" before "stage 1, block 2" before "stage 1, block 10" before "stage 2"."""
    return name.split(",", 1)[0], len(name), name
