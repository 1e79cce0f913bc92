"""An architecture as a picture: SVG text, drawn from the value alone.

Encoder stages stand side by side, their blocks coloured by operator; below them is the feature aggregation
module (MFAM) as the graph that it is: lateral edges, pooling branches, the path from coarse to fine, output
edges, fusion.
"""

from __future__ import annotations

from html import escape

from autonad.space import EDGES, Architecture, Block, EdgeOperator, Operator, Stage

OPERATOR_COLOURS: dict[Operator, tuple[str, str]] = {
    "attention": ("#ede7f8", "#6a46b5"),
    "convolution": ("#e1eefb", "#1a66b3"),
    "shift": ("#fdeedb", "#994c00"),
}
"""Operator → (fill, line and text); contrast of text on fill is above 4.5."""
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
}

_WIDTH, _MARGIN, _COLUMN, _GAP = 1080, 26, 221, 48
_BLOCK, _STEP, _CARD_TOP, _HEADER = 42, 50, 70, 56
_INK, _SOFT, _LINE = "#1d2733", "#566573", "#8a98a8"
_SCALES = ("1/4", "1/8", "1/16", "1/32")


def draw_architecture(architecture: Architecture, num_classes: int) -> str:
    """Draw an architecture.

    Args:
        architecture: What to draw.
        num_classes: Classes including background, for the last box.

    Returns:
        An `<svg>` element for an HTML page, with a title and a description for screen readers.
    """
    depth = max(len(stage.blocks) for stage in architecture.stages)
    card = _HEADER + depth * _STEP + 4
    mfam = _CARD_TOP + card + 44
    parts = [
        _text(_MARGIN, 24, "Encoder", size=15, weight=700),
        _text(_MARGIN, 46, "image → patches of 4 × 4", size=12.5, colour=_SOFT),
        *(part for i, stage in enumerate(architecture.stages) for part in _stage(i, stage, card)),
        *(_arrow(_x(i) + _COLUMN, _CARD_TOP + 28, _x(i + 1), _CARD_TOP + 28) for i in range(3)),
        *_aggregation(architecture, num_classes, mfam, _CARD_TOP + card),
    ]
    height = mfam + 424
    return (
        f'<svg class="architecture" viewBox="0 0 {_WIDTH} {height}" role="img" '
        'aria-labelledby="architecture-title architecture-description" font-family="inherit">'
        f'<title id="architecture-title">Architecture {architecture.key}</title>'
        f'<desc id="architecture-description">{escape(describe(architecture))}</desc>'
        '<defs><marker id="tip" viewBox="0 0 8 8" refX="7" refY="4" markerWidth="7" markerHeight="7" '
        f'orient="auto-start-reverse"><path d="M0 0.5 L8 4 L0 7.5z" fill="{_LINE}"/></marker></defs>'
        + "".join(parts)
        + "</svg>"
    )


def describe(architecture: Architecture) -> str:
    """The architecture in words, for a reader who cannot see the drawing."""
    stages = "; ".join(
        f"stage {number}: {stage.width} channels, " + ", ".join(_block_name(block) for block in stage.blocks)
        for number, stage in enumerate(architecture.stages, start=1)
    )
    edges = ", ".join(
        f"{edge} {EDGE_NAMES[name]}" for edge, name in zip(EDGES, architecture.edges, strict=True)
    )
    pools = ", ".join(f"{side}×{side}" for side in architecture.pools)
    return f"{stages}. Feature aggregation: {edges}. Pooling to {pools}."


def _stage(index: int, stage: Stage, card: int) -> list[str]:
    x = _x(index)
    parts = [
        _box(x, _CARD_TOP, _COLUMN, card, "#ffffff", "#cfd8e3", radius=10),
        _text(x + 14, _CARD_TOP + 24, f"Stage {index + 1}", size=15, weight=700),
        _text(x + 14, _CARD_TOP + 43, f"{_SCALES[index]} of the input", size=12, colour=_SOFT),
        _text(x + _COLUMN - 14, _CARD_TOP + 26, str(stage.width), size=17, weight=700, anchor="end"),
        _text(x + _COLUMN - 14, _CARD_TOP + 43, "channels", size=12, colour=_SOFT, anchor="end"),
    ]
    for position, block in enumerate(stage.blocks):
        y = _CARD_TOP + _HEADER + position * _STEP
        fill, line = OPERATOR_COLOURS[block.operator]
        name = OPERATOR_NAMES[block.operator] + (f" {block.kernel}×{block.kernel}" if block.kernel else "")
        parts += [
            _box(x + 10, y, _COLUMN - 20, _BLOCK, fill, line, radius=7),
            _text(x + 22, y + 26, name, size=13.5, weight=600, colour=line),
            _text(x + _COLUMN - 22, y + 26, f"FFN ×{block.ffn_ratio:g}", size=12, colour=_INK, anchor="end"),
        ]
    return parts


def _aggregation(architecture: Architecture, num_classes: int, top: int, stages_end: int) -> list[str]:
    operators = dict(zip(EDGES, architecture.edges, strict=True))
    edge, joint, out, fuse = top + 70, top + 222, top + 266, top + 346
    middle = [_x(i) + _COLUMN // 2 for i in range(4)]
    parts = [
        _box(8, top, _WIDTH - 16, 416, "#f4f7fa", "#dbe3ec", radius=12),
        _text(middle[0] + 14, top + 27, "Feature aggregation (MFAM)", size=15, weight=700),
        _text(
            middle[1] + 14,
            top + 27,
            f"{architecture.mfam_width} channels, each edge searched",
            size=12.5,
            colour=_SOFT,
        ),
    ]
    for i in range(3):
        x, centre = _x(i), middle[i]
        parts += [
            _arrow(centre, stages_end, centre, edge + 22),
            _edge(x, edge + 24, f"lateral {i + 1}", operators[f"lateral{i + 1}"]),
            _arrow(centre, edge + 74, centre, joint - 15),
            _sum(centre, joint),
            _arrow(centre, joint + 14, centre, out - 2),
            _edge(x, out, f"output {i + 1}", operators[f"output{i + 1}"]),
            _arrow(centre, out + 50, centre, fuse - 2),
            # From coarse to fine, upsampled by two.
            _arrow(middle[i + 1] - 14, joint, centre + 16, joint),
            _text(
                (centre + middle[i + 1]) // 2,
                joint - 8,
                "upsample ×2",
                size=11,
                colour=_SOFT,
                anchor="middle",
            ),
        ]
    x, centre = _x(3), middle[3]
    parts.append(_arrow(centre, stages_end, centre, top + 44))
    for number, side in enumerate(architecture.pools):
        y = top + 46 + number * 37
        parts += [
            _box(x, y, _COLUMN, 32, "#ffffff", "#5d7183", radius=7),
            _text(x + 12, y + 21, f"pool to {side}×{side}", size=12, colour=_SOFT),
            _text(
                x + _COLUMN - 12,
                y + 21,
                EDGE_NAMES[operators[f"pool{number + 1}"]],
                size=12.5,
                weight=600,
                anchor="end",
            ),
        ]
    parts += [
        _arrow(centre, top + 189, centre, joint - 15),
        _sum(centre, joint),
        _text(centre + 20, joint + 4, "with stage 4", size=11, colour=_SOFT),
        _arrow(centre, joint + 14, centre, fuse - 2),
        _box(_MARGIN, fuse, _WIDTH - 2 * _MARGIN, 50, "#1f3a52", "#1f3a52", radius=8),
        _text(
            _WIDTH // 2,
            fuse + 31,
            f"sum at 1/4 of the input → normalise → project → classify: {num_classes} classes → upsample ×4",
            size=14,
            weight=600,
            colour="#ffffff",
            anchor="middle",
        ),
    ]
    return parts


def _edge(x: int, y: int, name: str, operator: EdgeOperator) -> str:
    return (
        _box(x, y, _COLUMN, 50, "#ffffff", "#5d7183", radius=7)
        + _text(x + 12, y + 30, name, size=12, colour=_SOFT)
        + _text(x + _COLUMN - 12, y + 30, EDGE_NAMES[operator], size=13.5, weight=600, anchor="end")
    )


def _block_name(block: Block) -> str:
    kernel = f" {block.kernel}×{block.kernel}" if block.kernel else ""
    return f"{OPERATOR_NAMES[block.operator]}{kernel} with FFN ratio {block.ffn_ratio:g}"


def _x(column: int) -> int:
    return _MARGIN + column * (_COLUMN + _GAP)


def _box(x: float, y: float, width: float, height: float, fill: str, line: str, *, radius: int) -> str:
    place = f'x="{x}" y="{y}" width="{width}" height="{height}" rx="{radius}"'
    return f'<rect {place} fill="{fill}" stroke="{line}"/>'


def _sum(x: int, y: int) -> str:
    plus = f'<path d="M{x - 6} {y}h12M{x} {y - 6}v12" stroke="{_INK}" stroke-width="2"/>'
    return f'<circle cx="{x}" cy="{y}" r="13" fill="#ffffff" stroke="{_INK}" stroke-width="1.5"/>{plus}'


def _arrow(x1: int, y1: int, x2: int, y2: int) -> str:
    line = f'd="M{x1} {y1}L{x2} {y2}" stroke="{_LINE}" stroke-width="1.8" fill="none"'
    return f'<path {line} marker-end="url(#tip)"/>'


def _text(
    x: float,
    y: float,
    text: str,
    *,
    size: float,
    weight: int = 400,
    colour: str = _INK,
    anchor: str = "start",
) -> str:
    return (
        f'<text x="{x}" y="{y}" font-size="{size}" font-weight="{weight}" fill="{colour}" '
        f'text-anchor="{anchor}">{escape(text)}</text>'
    )
