"""What a drawing is made of; `architecture.svg` knows how each kind looks."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar


@dataclass(frozen=True)
class Box:
    """A rounded rectangle; colours are names of the palette."""

    kind: ClassVar[str] = "box"
    x: float
    y: float
    width: float
    height: float
    fill: str = "paper"
    line: str = "stroke"
    radius: int = 7


@dataclass(frozen=True)
class Text:
    """A line of text; the colour is a name of the palette."""

    kind: ClassVar[str] = "text"
    x: float
    y: float
    text: str
    size: float = 12
    weight: int = 400
    colour: str = "ink"
    anchor: str = "start"


@dataclass(frozen=True)
class Arrow:
    """A horizontal or vertical arrow to (x2, y2)."""

    kind: ClassVar[str] = "arrow"
    x1: int
    y1: int
    x2: int
    y2: int

    @property
    def turn(self) -> int:
        """Degrees by which the tip, drawn to the right, is turned."""
        if self.y1 == self.y2:
            return 0 if self.x2 > self.x1 else 180
        return 90 if self.y2 > self.y1 else -90


@dataclass(frozen=True)
class Sum:
    """A plus in a circle."""

    kind: ClassVar[str] = "sum"
    x: int
    y: int


Shape = Box | Text | Arrow | Sum
