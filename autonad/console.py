"""What a step reports, on a terminal as progress bars and elsewhere as plain lines."""

from __future__ import annotations

import re
import sys
import textwrap
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

# Plain lines come at most this often, so that a log file stays readable.
SECONDS_BETWEEN_LINES = 10.0
LONGEST_LINE = 300  # characters of what is printed
_LONGEST_PATH = 255
_SHORTEST_WORD = 40  # to which long names and paths are cut first
_SURROGATE = re.compile("[\ud800-\udfff]")


Report = Callable[[str], None]
Advance = Callable[[int, int, str], None]


@dataclass(frozen=True)
class Console:
    """How a step tells a person what it does; silent unless given functions.

    Attributes:
        report: Prints one line.
        advance: Receives steps done, steps in all, and what is going on.
    """

    report: Report = lambda line: None
    advance: Advance = lambda done, total, text: None


SILENT = Console()


def as_text(name: str) -> str:
    r"""A file's name that every file and table can hold: a byte that is no UTF-8 is written as \xff."""
    return _SURROGATE.sub(lambda found: _escaped(found[0]), name)


def shown(text: str) -> str:
    """A text with names in it, safe to print and to store: what cannot be seen is written as an escape.

    Line breaks, terminal codes, marks that turn the direction of writing and bytes that are no UTF-8 come out
    as they would be typed in Python.
    """
    if text.isprintable():
        return text
    return "".join(c if c.isprintable() else _escaped(c) for c in text)


def abridged(text: str, most: int = 1000) -> str:
    """A text with names in it, safe to print (see `shown`), without its middle where it is longer."""
    safe = shown(text[: 2 * most] + text[-2 * most :] if len(text) > 4 * most else text)
    return safe if len(safe) <= most else f"{safe[: most // 2]} … {safe[-most // 2 :]}"


def printable(message: str, most: int = LONGEST_LINE) -> str:
    """A message as it is printed: one line of at most so many characters, each of which can be seen.

    A message that is longer loses the middle of its longest words first, which are names, paths and what is
    quoted, and only then its own.
    """
    if len(message) > 200 * most:
        message = f"{message[: 100 * most]} … {message[-100 * most :]}"
    words = shown(" ".join(message.split())).split(" ")
    while len(" ".join(words)) > most and len(longest := max(words, key=len)) > _SHORTEST_WORD:
        excess = len(" ".join(words)) - most
        words[words.index(longest)] = _cut(longest, max(_SHORTEST_WORD, len(longest) - excess))
    return _cut(" ".join(words), most)


def with_paths(message: str) -> str:
    """A message as it is printed, see `printable`, to which the paths in it may add as much as they take.

    They are what a person looks at next, or gives again.
    """
    paths = sum(len(word) for word in message.split() if "/" in word and len(word) <= _LONGEST_PATH)
    return printable(message, LONGEST_LINE + min(paths, 2 * _LONGEST_PATH))


def _cut(text: str, most: int) -> str:
    """A text without its middle where it is longer."""
    if len(text) <= most:
        return text
    return f"{text[: most // 2]}…{text[len(text) - (most - most // 2 - 1) :]}"


def some(names: Sequence[str], most: int = 3) -> str:
    """The first of perhaps many names, for a message that stays one line."""
    return ", ".join(names[:most]) + (" …" if len(names) > most else "")


def _escaped(character: str) -> str:
    code = ord(character)
    # Python reads a byte that is no UTF-8 as one of these.
    if 0xDC80 <= code <= 0xDCFF:
        return f"\\x{code - 0xDC00:02x}"
    return character.encode("unicode_escape").decode()


@contextmanager
def open_console() -> Iterator[Console]:
    """The console of one command."""
    if sys.stdout.isatty():
        with _bars() as bars:
            yield bars
    else:
        yield _lines()


def duration(seconds: float) -> str:
    """A time as people say it: "40 s", "12 min", "3 h 20 min"."""
    if seconds < 99.5:
        return f"{seconds:.0f} s"
    minutes = round(seconds / 60)
    return f"{minutes} min" if minutes < 100 else f"{minutes // 60} h {minutes % 60:02d} min"


class _Pace:
    """How long the rest of a count takes, by the time that its first part took."""

    def __init__(self) -> None:
        self._total, self._done, self._first, self._begun = 0, 0, 0, 0.0

    def left(self, done: int, total: int, now: float) -> str:
        """What is appended to a line; empty for the first of a count, and for the last."""
        if total != self._total or done <= self._done:
            self._total, self._first, self._begun = total, done, now
        self._done = done
        if done == self._first or done >= total:
            return ""
        return f", {duration((now - self._begun) / (done - self._first) * (total - done))} left"


def tell(*lines: str) -> None:
    """Print results on standard output, each as one line of a bounded length in which all can be seen."""
    for line in lines or ("",):
        print(_bounded(line), flush=True)


def told_whole(sentences: str) -> list[str]:
    """Sentences of ours as lines for `tell`, which would cut a long one."""
    return textwrap.wrap(sentences, LONGEST_LINE // 2, break_long_words=False, break_on_hyphens=False)


def _bounded(line: str) -> str:
    """A reported line as it is printed; a long one, or one with what cannot be seen, in single spaces."""
    if len(line) <= LONGEST_LINE and line.isprintable():
        return line
    indent = line[: len(line) - len(line.lstrip(" "))]
    return indent + with_paths(line)


def _lines() -> Console:
    last, pace = time.monotonic() - SECONDS_BETWEEN_LINES, _Pace()

    def advance(done: int, total: int, text: str) -> None:
        nonlocal last
        now = time.monotonic()
        left = pace.left(done, total, now)
        if done >= total or now - last >= SECONDS_BETWEEN_LINES:
            last = now
            print(_bounded(f"   {done}/{total} {text}{left}"), flush=True)

    return Console(lambda line: print(_bounded(line), flush=True), advance)


@contextmanager
def _bars() -> Iterator[Console]:
    from rich.console import Console as Terminal
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    terminal = Terminal(highlight=False)
    columns = (
        BarColumn(bar_width=30),
        MofNCompleteColumn(),
        TimeRemainingColumn(),
        TextColumn("{task.description}"),
    )
    with Progress(*columns, console=terminal) as progress:
        task: Any = None

        def advance(done: int, total: int, text: str) -> None:
            nonlocal task
            if task is None:
                task = progress.add_task(text, total=total)
            progress.update(task, completed=done, total=total, description=text)
            if done >= total:
                task = None

        yield Console(lambda line: terminal.print(_bounded(line), markup=False), advance)
