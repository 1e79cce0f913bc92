"""How well a supernet ranks architectures, as a page: the scatter, the coefficients, every architecture."""

from __future__ import annotations

import math
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from autonad.files import write_text_atomic
from autonad.report import palette
from autonad.report.axes import scale_of, ticks_of
from autonad.report.front import Drawings
from autonad.report.kit import Card, Table, render
from autonad.report.units import ABSENT, milliseconds, percent, whole

if TYPE_CHECKING:
    import pandas as pd

    from autonad.evaluation.result import Size

WIDTH, HEIGHT, NARROW_WIDTH = 840, 440, 420
_LEFT, _RIGHT, _TOP, _BOTTOM = 58, 66, 44, 46
NAMES = {"inherited": "Inherited mIoU", "parameters": "Parameters", "flops": "FLOPs"}


class Point(NamedTuple):
    """An architecture in the scatter."""

    x: float
    y: float
    colour: str
    title: str


def write_page(path: Path, table: pd.DataFrame, description: Mapping[str, Any]) -> None:
    """Write one self-contained page.

    Args:
        path: The page, written in one step; it needs no network and no script.
        table: A row per architecture: `key`, `latency_ms`, `parameters`, `flops`, `epochs`, `minutes`, and
            `inherited_miou`, `trained_miou` with their `native` counterparts, fractions.
        description: Content of `assessment.json`.

    Raises:
        StorageError: The file cannot be written.
    """
    size: Size = description["score_at"]
    page = render(
        "assessment.html",
        title=f"{len(table)} architectures, inherited and trained from scratch",
        subtitle=f"mIoU at {size} size, latencies on {description['target']}",
        cards=_cards(description),
        cautions=description["cautions"],
        verdict=_verdict(description),
        scatter=Drawings(_scatter(table, size), _scatter(table, size, narrow=True)),
        predictors=_predictors(description),
        architectures=_architectures(table),
        cost=_cost(table, description["minutes"]),
    )
    write_text_atomic(path, page)


def scatter_file(table: pd.DataFrame, size: Size) -> str:
    """The scatter as a file of its own, on white paper."""
    attributes = 'xmlns="http://www.w3.org/2000/svg" style="background:var(--paper)"'
    return palette.with_colours(_scatter(table, size).replace("<svg", f"<svg {attributes}", 1))


def _scatter(table: pd.DataFrame, size: Size, *, narrow: bool = False) -> str:
    width = NARROW_WIDTH if narrow else WIDTH
    native = "" if size == "input" else "native_"
    inherited = [100 * float(value) for value in table[f"inherited_{native}miou"]]
    trained = [100 * float(value) for value in table[f"trained_{native}miou"]]
    latencies = [float(value) for value in table["latency_ms"]]
    x = scale_of(inherited, _LEFT, width - _RIGHT)
    y = scale_of(trained, HEIGHT - _BOTTOM, _TOP)
    points = [
        Point(
            x(one),
            y(other),
            _shade(ms, latencies),
            f"{key} · inherited {one:.2f} % · trained {other:.2f} % · {milliseconds(ms)}",
        )
        for key, one, other, ms in zip(table["key"], inherited, trained, latencies, strict=True)
    ]
    summary = (
        f"{len(table)} architectures: inherited mIoU {min(inherited):.1f} to {max(inherited):.1f} %, trained "
        f"from scratch {min(trained):.1f} to {max(trained):.1f} %"
    )
    return render(
        "scatter.svg",
        width=width,
        height=HEIGHT,
        frame={"left": _LEFT, "right": width - _RIGHT, "top": _TOP, "bottom": HEIGHT - _BOTTOM},
        summary=summary,
        points=points,
        x_ticks=ticks_of(x, 5 if narrow else 8),
        y_ticks=ticks_of(y, 6),
        ages=palette.AGES,
        fastest=milliseconds(min(latencies)),
        slowest=milliseconds(max(latencies)),
    ).strip()


def _shade(latency_ms: float, all_ms: list[float]) -> str:
    """The colour of a latency; each shade stands for the same factor."""
    low, here, high = (math.log(max(value, 1e-6)) for value in (min(all_ms), latency_ms, max(all_ms)))
    steps = len(palette.AGES)
    return palette.AGES[min(int((here - low) / max(high - low, 1e-9) * steps), steps - 1)]


def _cards(description: Mapping[str, Any]) -> list[Card]:
    inherited = description["predictors"]["inherited"]
    better = description["top_half"]
    return [
        Card("Kendall's τ", _figure(inherited["tau"]), "inherited against trained mIoU"),
        Card("Spearman's ρ", _figure(inherited["rho"]), "of the same"),
        Card(
            "τ in the better half",
            _figure(better["predictors"]["inherited"]["tau"]),
            f"the {better['architectures']} that trained best",
        ),
    ]


def _verdict(description: Mapping[str, Any]) -> str:
    """Whether inherited mIoU says more than what needs no supernet, in a sentence."""
    differences = {name: one["tau"] for name, one in description["differences"].items()}
    if any(one["low"] is None for one in differences.values()):
        return "All architectures scored alike on one side, so that no order can be compared."
    names = {"parameters": "counting parameters", "flops": "counting FLOPs"}
    beaten = [names[name] for name, one in differences.items() if one["low"] > 0]
    beating = [names[name] for name, one in differences.items() if one["high"] < 0]
    open_ = [names[name] for name, one in differences.items() if one["low"] <= 0 <= one["high"]]
    said = []
    if beaten:
        said.append(f"Inherited mIoU ranks these architectures better than {' and '.join(beaten)}.")
    if beating:
        said.append(f"It ranks them worse than {' and '.join(beating)}.")
    if open_:
        said.append(
            f"That it ranks them better than {' or '.join(open_)} is not shown by so few architectures: the "
            "interval of the difference holds 0."
        )
    return " ".join(said)


def _predictors(description: Mapping[str, Any]) -> Table:
    rows = []
    for name, kinds in description["predictors"].items():
        difference = description["differences"].get(name)
        better = description["top_half"]["predictors"][name]
        rows.append(
            [
                NAMES[name],
                _figure(kinds["tau"]),
                _figure(kinds["rho"]),
                _figure(better["tau"]),
                ABSENT if difference is None else _figure(difference["tau"]),
            ]
        )
    header = ("Ranked by", "τ", "ρ", "τ, better half", "inherited τ minus this")
    return Table(header, rows, f"Agreement over {description['architectures']} architectures")


def _architectures(table: pd.DataFrame) -> Table:
    rows = [
        [
            str(row["key"]),
            milliseconds(row["latency_ms"]),
            whole(row["parameters"]),
            f"{row['flops'] / 1e6:,.1f}",
            f"{percent(row['inherited_miou'], 2)} / {percent(row['inherited_native_miou'], 2)}",
            f"{percent(row['trained_miou'], 2)} / {percent(row['trained_native_miou'], 2)}",
            whole(row["epochs"]),
        ]
        for row in table.to_dict("records")
    ]
    header = (
        "Architecture",
        "Latency",
        "Parameters",
        "MFLOPs",
        "Inherited mIoU, input / native",
        "Trained mIoU, input / native",
        "Epochs",
    )
    return Table(header, rows, "From the fastest to the slowest")


def _cost(table: pd.DataFrame, minutes: float | None) -> str:
    if minutes is None:
        return "All were trained for the same epochs."
    low, high = float(table["minutes"].min()), float(table["minutes"].max())
    return (
        f"Each was trained from scratch for the epochs that fit best into {minutes:g} processor minutes of "
        f"one thread, by the mean time of some of its steps: {low:.2f} to {high:.2f} minutes."
    )


def _figure(figure: Mapping[str, float | None]) -> str:
    if figure["value"] is None:
        return ABSENT
    ends = "" if figure["low"] is None else f" ({figure['low']:.2f} to {figure['high']:.2f})"
    return f"{figure['value']:.2f}{ends}"
