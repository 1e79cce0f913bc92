import re
import warnings
import xml.etree.ElementTree as ET

import numpy as np
import pytest
from html_page import EVIL

from autonad.report.axes import Scale, ticks_of
from autonad.report.class_charts import confusion_figure
from autonad.report.line_chart import WIDTH, Line, LineChart, Ring, chart_file, draw, text_width

CHART = LineChart(
    "Loss",
    "epoch",
    [Line("a", "best", [1, 2, 4], [3.0, 1.0, 2.0], low=[2.0, 0.5, 1.0], high=[4.0, 2.0, 3.0])],
    [Ring(2, 1.0, "best")],
    counted=True,
)


def test_points_lie_where_their_values_are() -> None:
    drawn = draw(CHART)
    path = re.findall(r'<path d="M([^"]+)" fill="none" stroke="var\(--best\)"', drawn)
    points = [tuple(map(float, point.split())) for point in path[0].split("L")]
    (x1, y1), (x2, y2), (x4, y4) = points
    assert (x2 - x1) / (x4 - x1) == pytest.approx(1 / 3, abs=0.01)
    assert (y1 - y2) / (y4 - y2) == pytest.approx(2, abs=0.02)
    assert y2 > y1  # downwards is less
    assert f'<circle cx="{x2}" cy="{y2}" r="5"' in drawn


def test_letters_of_any_script_are_written_and_no_font_is_asked_for() -> None:
    lines = [Line(name, "best", [0, 1], [0, 1]) for name in ("划痕", "Kratzer", EVIL, "スクラッチ", "긁힘")]
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        drawn = draw(LineChart(EVIL, EVIL, lines))
        confusion = confusion_figure(np.eye(3), ("background", "划痕", EVIL))
    for text in (ET.fromstring(drawn), ET.fromstring(confusion)):
        written = "".join(text.itertext())
        assert "划痕" in written
        assert EVIL in written


def test_entries_of_a_legend_do_not_overlap() -> None:
    names = [
        f"{letter}{'划痕' * (number % 4 + 1)} of class {number}" for number, letter in enumerate("abcdefgh")
    ]
    drawn = draw(LineChart("Precision", "recall", [Line(name, "best", [0, 1], [0, 1]) for name in names]))
    rows: dict[str, float] = {}
    found = re.findall(r'<text x="([\d.]+)" y="([\d.]+)" fill="var\(--ink\)">([^<]*of class \d)', drawn)
    assert len(found) == len(names)
    for x, y, name in found:
        assert float(x) >= rows.get(y, 0)
        rows[y] = float(x) + text_width(name)
        assert rows[y] <= WIDTH
    frame = float(re.findall(r"M[\d.]+ ([\d.]+)V", drawn)[0])
    assert frame > max(map(float, rows))


def test_counts_are_marked_at_whole_places() -> None:
    for high in (1.0, 2.0, 7.0, 14.0, 29.0, 299.0):
        marks = [float(tick.text) for tick in ticks_of(Scale(1.0, 1 + high, 0, 100), 6, whole=True)]
        assert 1 <= len(marks) <= 8
        assert all(mark == int(mark) for mark in marks)


@pytest.mark.parametrize(
    ("low", "high"), [(0.0, 1.0), (-2.0, 102.0), (0.3123, 0.3124), (1e-6, 9e-6), (0, 5e7)]
)
def test_marks_are_round_and_as_many_as_fit(low: float, high: float) -> None:
    ticks = ticks_of(Scale(low, high, 0, 100), 5)
    values = [float(tick.text) for tick in ticks]
    assert 2 <= len(values) <= 6
    assert low - 1e-12 <= values[0]
    assert values[-1] <= high * (1 + 1e-12)
    assert np.allclose(np.diff(values), values[1] - values[0], rtol=1e-3)


def test_a_file_holds_its_charts_beside_one_another_and_is_reproducible() -> None:
    text = chart_file([CHART, CHART])
    root = ET.fromstring(text)
    assert [chart.get("x") for chart in root] == ["0", str(WIDTH)]
    assert root.get("width") == str(2 * WIDTH)
    assert "var(" not in text
    assert text == chart_file([CHART, CHART])


def test_a_chart_of_nothing_says_so() -> None:
    assert "nothing to draw" in draw(LineChart("Loss", "epoch", [Line("a", "best", [], [])]))
