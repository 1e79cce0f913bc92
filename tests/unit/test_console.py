"""What a person reads while a step works, where lines are printed instead of bars."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from autonad import console
from autonad.console import LONGEST_LINE, Console, duration, open_console, printable, tell, told_whole
from autonad.training.resumable import _describe, _LastValidation

Told = Callable[[], list[str]]


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> dict[str, float]:
    now = {"s": 1000.0}
    monkeypatch.setattr(console.time, "monotonic", lambda: now["s"])
    return now


def count(screen: Console, clock: dict[str, float], total: int, seconds: float) -> None:
    for done in range(1, total + 1):
        clock["s"] += seconds
        screen.advance(done, total, "epochs")


def test_a_line_says_how_long_the_rest_takes(
    clock: dict[str, float], capsys: pytest.CaptureFixture[str]
) -> None:
    with open_console() as screen:
        count(screen, clock, 20, 30.0)

    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 20
    assert lines[0] == "   1/20 epochs"
    assert lines[9] == "   10/20 epochs, 5 min left"
    assert lines[-1] == "   20/20 epochs"


def test_another_count_begins_anew(clock: dict[str, float], capsys: pytest.CaptureFixture[str]) -> None:
    with open_console() as screen:
        count(screen, clock, 5, 1000.0)
        capsys.readouterr()
        count(screen, clock, 5, 20.0)

    assert capsys.readouterr().out.splitlines()[2] == "   3/5 epochs, 40 s left"


def test_a_count_that_goes_on_where_another_run_stopped_knows_its_own_pace(
    clock: dict[str, float], capsys: pytest.CaptureFixture[str]
) -> None:
    with open_console() as screen:
        for done in (80, 81, 82):
            clock["s"] += 10
            screen.advance(done, 100, "epochs")

    assert capsys.readouterr().out.splitlines()[-1] == "   82/100 epochs, 3 min left"


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(4.2, "4 s"), (99, "99 s"), (120, "2 min"), (5400, "90 min"), (3 * 3600 + 20 * 60, "3 h 20 min")],
)
def test_times_are_said_as_people_say_them(seconds: float, text: str) -> None:
    assert duration(seconds) == text


def test_the_last_validation_stays_beside_the_loss() -> None:
    judged = _LastValidation()
    epoch = {"train/loss": 0.5, "train/seconds": 12.34}
    assert _describe(epoch, judged.take(epoch, 1)) == "epochs: loss 0.500, 12 s per epoch"
    judged.take(epoch | {"val/miou": 0.512}, 2)
    assert _describe(epoch, judged.take(epoch, 3)) == (
        "epochs: loss 0.500, validation mIoU 51.2 % (epoch 2), 12 s per epoch"
    )


@given(st.text(max_size=4000))
def test_whatever_is_printed_is_one_line_that_can_be_seen(message: str) -> None:
    line = printable(message)
    assert line.isprintable()
    assert len(line) <= LONGEST_LINE
    if len(message) <= LONGEST_LINE and message.isprintable():
        assert line == " ".join(message.split())


@given(st.integers(300, 9000), st.integers(0, 9000))
def test_long_names_are_cut_and_what_to_do_stays(first: int, second: int) -> None:
    line = printable(
        f"dataset {'a' * first}.png has no mask; give {'b/' * second}masks, then repeat the command"
    )
    assert line.startswith("dataset aaa")
    assert ".png has no mask; give " in line
    assert line.endswith("masks, then repeat the command")
    assert len(line) <= LONGEST_LINE


def test_a_reported_line_is_one_line_and_keeps_its_indent(capsys: pytest.CaptureFixture[str]) -> None:
    with open_console() as screen:
        screen.report("   " + "x" * 5000 + "\n\x1b[31mred")

    (line,) = capsys.readouterr().out.splitlines()
    assert line.startswith("   xxx")
    assert line.endswith(r" \x1b[31mred")
    assert len(line) <= LONGEST_LINE + 3


def test_columns_of_a_reported_line_stay(capsys: pytest.CaptureFixture[str]) -> None:
    with open_console() as console:
        console.report("found    40 images of 20 parts")
    assert capsys.readouterr().out == "found    40 images of 20 parts\n"


def test_a_result_is_as_many_lines_as_it_has_parts_whatever_names_are_in_it(
    capsys: pytest.CaptureFixture[str],
) -> None:
    tell("", "runs/one: \x1b[2Jdone\nopen http://elsewhere", f"  {'n' * 5000} is in use")
    first, second, third = capsys.readouterr().out.splitlines()
    assert first == ""
    assert second == "runs/one: \\x1b[2Jdone open http://elsewhere"
    assert third.startswith("  nnn")
    assert third.endswith("is in use")
    assert len(third) <= 302


def test_long_sentences_of_ours_are_told_whole(capsys: pytest.CaptureFixture[str]) -> None:
    sentences = " ".join(f"Of {number} parts {number} % were held back." for number in range(40))
    tell(*(f"   {line}" for line in told_whole(sentences)))
    printed = capsys.readouterr().out
    assert " ".join(printed.split()) == sentences
    assert max(map(len, printed.splitlines())) < LONGEST_LINE
