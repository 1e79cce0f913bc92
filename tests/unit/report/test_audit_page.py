"""The page of an audit: what was found, the images beside their masks, and nothing from outside."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from html_page import EVIL, assert_stands_alone
from screens import Screens

from autonad.data.faults import Fault, fault_table
from autonad.data.sanity.looked import Expected, Looked
from autonad.data.sanity.measures import Measures
from autonad.report.audit_page import MOST_LISTED, AuditContent, render_audit, write_audit_page
from autonad.report.palette import channels, class_colour
from autonad.report.size_bars import count_sizes
from autonad.report.suspects import EXAMPLES, MOST_SUSPECTS
from autonad.report.thumbnails import flat


@dataclass(frozen=True)
class Joined:
    a: str
    b: str
    correlation: float
    reason: str
    joined: bool = True


def picture(number: int, side: int = 6) -> tuple[np.ndarray, np.ndarray]:
    image = np.random.default_rng(number).integers(0, 255, (48, 64, 3)).astype(np.uint8)
    mask = np.zeros((48, 64), np.uint8)
    mask[10 : 10 + side, 20 : 20 + side] = 1 + number % 2
    return image, mask


def content(faults: list[Fault], count: int = 40) -> AuditContent:
    pairs = {f"{number:02d}.png": picture(number) for number in range(count)}
    images = [Looked(item, Measures.of(*pair), item, item) for item, pair in pairs.items()]
    splits = [("train", "val", "test")[number % 3] for number in range(count)]
    rows = pd.DataFrame(
        {
            "group": list(pairs),
            "split": splits,
            "pixels": [[3036, 36 * (n % 2 == 0), 36 * (n % 2)] for n in range(count)],
        }
    )
    return AuditContent(
        "parts",
        fault_table(faults),
        images,
        Expected("parts", (24, 32)),
        pairs.get,
        ("background", "crack", "stain"),
        rows,
    )


def shown(page: str) -> list[str]:
    return re.findall(r'alt="Image ([^"]+)"', page)


def test_the_page_stands_alone_and_equal_content_gives_equal_bytes(tmp_path: Path) -> None:
    faults = [
        Fault("error", "unreadable", "gone.png", "it cannot be read"),
        Fault("warning", "mostly-defect", "03.png", "61 % of its pixels are defect"),
    ]
    for name in ("a.html", "b.html"):
        write_audit_page(tmp_path / name, content(faults))
    page = (tmp_path / "a.html").read_text()
    seen = assert_stands_alone(page)
    assert (tmp_path / "b.html").read_bytes() == (tmp_path / "a.html").read_bytes()
    assert "1 errors, 1 warnings" in seen.text
    assert seen.text.index("error: unreadable") < seen.text.index("warning: mostly defect")
    assert shown(page) == ["03.png"]  # what cannot be shown is left out
    assert "audit" in re.findall("<title>(.*)</title>", page)[0]


def test_many_findings_are_counted_and_some_of_each_kind_shown() -> None:
    faults = [Fault("warning", "no-edge", f"{n:02d}.png", f"number {n}") for n in range(38)]
    faults += [Fault("warning", "vanishing-defect", f"{n:02d}.png", "small") for n in (38, 39)]
    page = render_audit(content(faults))
    assert len(shown(page)) == MOST_SUSPECTS
    assert {"38.png", "39.png"} <= set(shown(page))
    assert page.count("number ") == MOST_LISTED
    assert f"The first {MOST_LISTED} of 38" in page
    assert len(page) < 1_000_000


def test_what_is_said_of_the_set_is_shown_at_examples() -> None:
    page = render_audit(content([Fault("warning", "inverted-masks", "parts", "they look inverted")]))
    assert len(shown(page)) == EXAMPLES


def test_hostile_names_are_text(tmp_path: Path) -> None:
    made = content([Fault("warning", EVIL, EVIL, EVIL)])
    made = replace(
        made,
        name=EVIL,
        classes=("background", EVIL, "stain"),
        notes=[EVIL],
        joins=[Joined(EVIL, "00.png", 0.9991, EVIL)],
        look=lambda item: picture(0),
    )
    assert assert_stands_alone(render_audit(made)).text.count(EVIL) >= 6


def test_the_table_of_classes_counts_images_parts_and_splits() -> None:
    text = " ".join(assert_stands_alone(render_audit(content([], 9))).text.split())
    assert "crack 5 5 180 2 1 2" in text
    assert "stain 4 4 144 1 2 1" in text
    assert "Nothing was found." in text


def test_joined_images_are_side_by_side() -> None:
    joins = [Joined("00.png", f"{n:02d}.png", 0.9987, "the same pixels") for n in range(1, 20)]
    page = render_audit(replace(content([]), joins=joins, notes=["masks: 0/255, one class"]))
    assert_stands_alone(page)
    assert shown(page)[:2] == ["00.png", "01.png"]
    assert "correlation 0.999" in page
    assert "7 more pairs" in page
    assert "masks: 0/255, one class" in page


def test_bars_count_every_defect_twice() -> None:
    made = content([], 7)
    bars = count_sizes(made.images, made.expected)
    assert bars is not None
    # A side of 6 pixels in images that are halved for the input.
    assert [(label, one.count) for label, one, _ in bars.bins if one.count] == [("4–8", 7)]
    assert [(label, other.count) for label, _, other in bars.bins if other.count] == [("2–4", 7)]
    assert "6.0 pixels in the images and 3.0" in bars.summary
    assert count_sizes([], made.expected) is None


@pytest.mark.parametrize(("value", "colour"), [(0, "#000000"), (2, class_colour(2)), (255, "#808080")])
def test_masks_have_the_colours_of_their_classes(value: int, colour: str) -> None:
    assert flat(np.full((2, 2), value, np.uint8))[0, 0].tolist() == list(channels(colour))


def test_it_fits_every_screen_and_paper(screens: Screens) -> None:
    faults = [Fault("warning", "vanishing-defect", "00.png", "the defect vanishes at the input")]
    screens.check(render_audit(content(faults)))
