"""How a latency is written for people: three significant digits, whatever its size."""

from __future__ import annotations

import math

DIGITS = 3


def milliseconds(value: float, *, signed: bool = False) -> str:
    """A latency or, signed, a difference of two: "0.323 ms", "4.12 ms", "41.2 ms", "1,230 ms".

    Args:
        value: In ms.
        signed: Whether a plus stands before what is not negative.
    """
    sign = "+" if signed else ""
    if not math.isfinite(value) or value == 0:
        return f"{value:{sign}g} ms"
    rounded = float(f"{value:.{DIGITS - 1}e}")
    decimals = max(0, DIGITS - 1 - math.floor(math.log10(abs(rounded))))
    return f"{rounded:{sign},.{decimals}f} ms"
