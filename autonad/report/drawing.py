"""An architecture as a picture, drawn from the value alone: shapes here, SVG in `architecture.svg`.

Encoder stages stand side by side, their blocks coloured by operator; below them is the feature aggregation
module (MFAM) as the graph that it is: lateral edges, pooling branches, the path from coarse to fine, output
edges, fusion.
"""

from __future__ import annotations

from autonad.report.kit import render
from autonad.report.shapes import Arrow, Box, Shape, Sum, Text
from autonad.space import Architecture, Block, EdgeOperator, Operator

OPERATOR_NAMES: dict[Operator, str] = {
    "attention": "attention",
    "convolution": "convolution",
    "shift": "shift (MLP)",
}
EDGE_NAMES: dict[EdgeOperator, str] = {
    "conv1x1": "conv 1×1",
    "conv3x3": "conv 3×3",
    "conv5x5": "conv 5×5",
    "dilated3x3": "dilated 3×3",
    "depthwise3x3": "depthwise 3×3",
    "depthwise7x7": "depthwise 7×7",
}

_WIDTH, _MARGIN, _COLUMN, _GAP = 1080, 26, 221, 48
_BLOCK, _STEP, _CARD_TOP, _HEADER = 42, 50, 70, 56


def draw_architecture(architecture: Architecture, num_classes: int) -> str:
    """Draw an architecture.

    Args:
        architecture: What to draw.
        num_classes: Classes including background, for the last box.

    Returns:
        An `<svg>` element for a page, with a title and a description for screen readers and without
        identifiers, so that a page can hold several.
    """
    depth = max(len(stage.blocks) for stage in architecture.stages)
    card = _HEADER + depth * _STEP + 4
    mfam = _CARD_TOP + card + 44
    shapes: list[Shape] = [
        Text(_MARGIN, 24, "Encoder", size=15, weight=700),
        Text(_MARGIN, 46, _stem(architecture), size=12.5, colour="soft"),
        *(shape for i in range(len(architecture.stages)) for shape in _stage(i, architecture, card)),
        *(
            Arrow(_x(i) + _COLUMN, _CARD_TOP + 28, _x(i + 1), _CARD_TOP + 28)
            for i in range(len(architecture.stages) - 1)
        ),
        *_aggregation(architecture, mfam, _CARD_TOP + card),
        *_fusion(architecture, num_classes, mfam + 346),
    ]
    return render(
        "architecture.svg",
        width=_WIDTH,
        height=mfam + 424,
        title=f"Architecture {architecture.key}",
        description=describe(architecture),
        shapes=shapes,
    ).strip()


def describe(architecture: Architecture) -> str:
    """The architecture in words, for a reader who cannot see the drawing."""
    stages = "; ".join(
        f"stage {number}: {stage.width} channels, "
        + ", ".join(f"{block_name(block)} with FFN ratio {block.ffn_ratio:g}" for block in stage.blocks)
        for number, stage in enumerate(architecture.stages, start=1)
    )
    edges = ", ".join(f"{edge} {EDGE_NAMES[name]}" for edge, name in architecture.edge_items())
    pools = ", ".join(f"{side}×{side}" for side in architecture.pools)
    return f"{_stem(architecture)}. {stages}. Feature aggregation: {edges}. Pooling to {pools}."


def block_name(block: Block) -> str:
    """A block's operator and kernel, as people write them."""
    return OPERATOR_NAMES[block.operator] + (f" {block.kernel}×{block.kernel}" if block.kernel else "")


def _stem(architecture: Architecture) -> str:
    side = architecture.stem_stride
    scaled = "" if architecture.scale == 1 else f" → averaged to {architecture.scale:g} of its sides"
    return f"image{scaled} → patches of {side} × {side}"


def _resolution(architecture: Architecture, index: int) -> str:
    """Side of a stage's features over that of the input, as people write it: "1/8"."""
    return f"1/{1 / architecture.resolution(index):.3g}"


def _stage(index: int, architecture: Architecture, card: int) -> list[Shape]:
    x, stage = _x(index), architecture.stages[index]
    right = x + _COLUMN - 14
    shapes: list[Shape] = [
        Box(x, _CARD_TOP, _COLUMN, card, line="rule", radius=10),
        Text(x + 14, _CARD_TOP + 24, f"Stage {index + 1}", size=15, weight=700),
        Text(x + 14, _CARD_TOP + 43, f"{_resolution(architecture, index)} of the input", colour="soft"),
        Text(right, _CARD_TOP + 26, str(stage.width), size=17, weight=700, anchor="end"),
        Text(right, _CARD_TOP + 43, "channels", colour="soft", anchor="end"),
    ]
    for position, block in enumerate(stage.blocks):
        y = _CARD_TOP + _HEADER + position * _STEP
        fill, line = f"{block.operator}-fill", f"{block.operator}-line"
        shapes += [
            Box(x + 10, y, _COLUMN - 20, _BLOCK, fill, line),
            Text(x + 20, y + 26, block_name(block), size=12.5, weight=600, colour=line),
            Text(right - 8, y + 26, f"FFN ×{block.ffn_ratio:g}", anchor="end"),
        ]
    return shapes


def _aggregation(architecture: Architecture, top: int, stages_end: int) -> list[Shape]:
    operators = dict(architecture.edge_items())
    last = len(architecture.stages) - 1
    edge, joint, out, fuse = top + 70, top + 222, top + 266, top + 346
    middle = [_x(i) + _COLUMN // 2 for i in range(4)]
    width = f"{architecture.mfam_width} channels, each edge searched"
    shapes: list[Shape] = [
        Box(8, top, _WIDTH - 16, 416, "wash", "line", radius=12),
        Text(middle[0] + 14, top + 27, "Feature aggregation (MFAM)", size=15, weight=700),
        Text(middle[1] + 14, top + 27, width, size=12.5, colour="soft"),
    ]
    for i in range(last):
        x, centre = _x(i), middle[i]
        halfway = (centre + middle[i + 1]) // 2
        shapes += [
            Arrow(centre, stages_end, centre, edge + 22),
            *_edge(x, edge + 24, f"lateral {i + 1}", operators[f"lateral{i + 1}"]),
            Arrow(centre, edge + 74, centre, joint - 15),
            Sum(centre, joint),
            Arrow(centre, joint + 14, centre, out - 2),
            *_edge(x, out, f"output {i + 1}", operators[f"output{i + 1}"]),
            Arrow(centre, out + 50, centre, fuse - 2),
            # From coarse to fine, upsampled by two.
            Arrow(middle[i + 1] - 14, joint, centre + 16, joint),
            Text(halfway, joint - 8, "upsample ×2", size=11, colour="soft", anchor="middle"),
        ]
    x, centre = _x(last), middle[last]
    shapes.append(Arrow(centre, stages_end, centre, top + 44))
    for number, side in enumerate(architecture.pools):
        y, name = top + 46 + number * 37, EDGE_NAMES[operators[f"pool{number + 1}"]]
        shapes += [
            Box(x, y, _COLUMN, 32),
            Text(x + 12, y + 21, f"pool to {side}×{side}", colour="soft"),
            Text(x + _COLUMN - 12, y + 21, name, size=12.5, weight=600, anchor="end"),
        ]
    return [
        *shapes,
        Arrow(centre, top + 189, centre, joint - 15),
        Sum(centre, joint),
        Text(centre + 20, joint + 4, f"with stage {last + 1}", size=11, colour="soft"),
        Arrow(centre, joint + 14, centre, fuse - 2),
    ]


def _fusion(architecture: Architecture, num_classes: int, y: int) -> list[Shape]:
    steps = (
        f"sum at {_resolution(architecture, 0)} of the input → normalise → project → classify: "
        f"{num_classes} classes → upsample"
    )
    return [
        Box(_MARGIN, y, _WIDTH - 2 * _MARGIN, 50, "header", "header", radius=8),
        Text(_WIDTH // 2, y + 31, steps, size=14, weight=600, colour="on-header", anchor="middle"),
    ]


def _edge(x: int, y: int, name: str, operator: EdgeOperator) -> list[Shape]:
    return [
        Box(x, y, _COLUMN, 50),
        Text(x + 12, y + 30, name, colour="soft"),
        Text(x + _COLUMN - 12, y + 30, EDGE_NAMES[operator], size=13.5, weight=600, anchor="end"),
    ]


def _x(column: int) -> int:
    return _MARGIN + column * (_COLUMN + _GAP)
