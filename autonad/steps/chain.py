"""Steps one after the other in one folder; what has finished with what it would read now is not repeated."""

from __future__ import annotations

import json
import shutil
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field, replace
from datetime import datetime
from pathlib import Path
from typing import Any

from pydantic import Field

from autonad.config import Config
from autonad.config.context import Context
from autonad.console import duration
from autonad.errors import ConfigError, StorageError
from autonad.files import read_json, sha256_file, write_json
from autonad.reading.shape_checks import Shape

RECORD = "run.json"

Figures = Mapping[str, Any]
"""What a step's result says, as JSON values."""


class ReadsFile(Shape):
    """What a step reads: settings, and sha256 of files by their paths."""

    settings: dict[str, Any]
    files: dict[str, str]


class StepFile(Shape):
    """A step that has finished."""

    reads: ReadsFile
    figures: dict[str, Any]
    seconds: float = Field(ge=0)
    red_flags: list[str]


class BegunFile(Shape):
    """The step that was begun last, and the wall time that it was interrupted after, s."""

    name: str
    reads: ReadsFile
    seconds: float = Field(0.0, ge=0)


class KeptFile(Shape):
    """A value that was found for given circumstances."""

    of: dict[str, Any]
    value: Any


class RecordFile(Shape):
    """`run.json`."""

    what: dict[str, Any]
    steps: dict[str, StepFile]
    kept: dict[str, KeptFile]
    begun: BegunFile | None = None


@dataclass(frozen=True)
class Link:
    """One step of a chain.

    Attributes:
        name: The step's verb, and what it is for if there are several.
        does: Runs the step.
        settings: What its result depends on beside files, as JSON values.
        reads: Files that its result depends on.
        writes: Files that are there when it has finished.
    """

    name: str
    does: Callable[[], Figures]
    settings: Mapping[str, Any] = field(default_factory=dict)
    reads: tuple[Path, ...] = ()
    writes: tuple[Path, ...] = ()


class Chain:
    """The steps of one folder, and the record of those that have finished.

    A step counts as finished if its files are there and it read then what it would read now: the same
    settings, and files of the same content. The record is written after every step, and a step is struck
    from it before it is repeated, so that a kill at any moment leaves nothing half done that counts. What
    made a result doubtful is kept with its step, and said again where the step is not repeated.

    Args:
        context: Says what is done.
        folder: Where everything is written.
        what: What the folder is of, as JSON values; what another chain left there is refused.

    Raises:
        ConfigError: The folder holds something else.
    """

    def __init__(self, context: Context, folder: Path, what: Mapping[str, Any]) -> None:
        self._context, self._folder = context, folder
        self._record: dict[str, Any] = {"what": dict(what), "steps": {}, "kept": {}}
        self.spent: dict[str, float] = {}
        known = recorded(folder)
        if known is not None and known["what"] != self._record["what"]:
            there = ", ".join(f"{name} {value}" for name, value in known["what"].items())
            raise ConfigError(
                f"output {folder} holds what was made of {there}, so nothing was done; choose another "
                "--output, or give --replace"
            )
        if known is None:
            self._write()
        else:
            self._record = known

    def __call__(self, link: Link) -> Figures:
        """Run a step, or take what it said when it finished.

        Returns:
            Its figures.
        """
        reads, steps, say = self._read_by(link), self._record["steps"], self._context.console.report
        known, flags = steps.get(link.name), self._context.red_flags
        if known is not None and self._still_holds(link, reads):
            say(f"── {link.name}: done before, in {duration(known['seconds'])}")
            for line in known["red_flags"]:
                if line not in flags:
                    say(line)
                    flags.append(line)
            self.spent[link.name] = known["seconds"]
            return dict(known["figures"])
        say(f"── {link.name}{'' if known is None else ': again, because ' + _why(known['reads'], reads)}")
        steps.pop(link.name, None)
        before = self._record["begun"].get("seconds", 0.0) if self.begun(link) else 0.0
        begun = self._record["begun"] = {"name": link.name, "reads": reads, "seconds": before}
        self._write()
        started, flagged = time.monotonic(), len(flags)
        try:
            figures = _as_json(dict(link.does()))
        except BaseException:
            begun["seconds"] = before + time.monotonic() - started
            with suppress(StorageError):  # What has interrupted the step is said.
                self._write()
            raise
        seconds = self.spent[link.name] = before + time.monotonic() - started
        facts = {"reads": reads, "figures": figures, "seconds": seconds, "red_flags": flags[flagged:]}
        steps[link.name], self._record["begun"] = facts, None
        self._write()
        return dict(figures)

    def finished(self, link: Link) -> Figures | None:
        """What a step said when it finished; None if it will be done, or done again."""
        if not all(path.is_file() for path in link.reads):
            return None
        return self._record["steps"][link.name]["figures"] if self._still_holds(link) else None

    def begun(self, link: Link) -> bool:
        """Whether a step was cut off, and goes on with what it reads now."""
        begun = self._record.get("begun")
        if begun is None or begun["name"] != link.name or not all(path.is_file() for path in link.reads):
            return False
        return bool(begun["reads"] == self._read_by(link))

    def _read_by(self, link: Link) -> dict[str, Any]:
        files = {str(path.relative_to(self._folder)): sha256_file(path) for path in link.reads}
        return dict(_as_json({"settings": dict(link.settings), "files": files}))

    def _still_holds(self, link: Link, reads: dict[str, Any] | None = None) -> bool:
        known = self._record["steps"].get(link.name)
        return (
            known is not None
            and known["reads"] == (reads or self._read_by(link))
            and all(path.is_file() for path in link.writes)
        )

    def kept(self, name: str, of: Mapping[str, Any], find: Callable[[], Any]) -> Any:
        """A value that is found once for given circumstances, so that a run that goes on has the same.

        Args:
            name: What it is called.
            of: The circumstances, as JSON values.
            find: Finds it, as JSON values.
        """
        known = self._record["kept"].get(name)
        if known is None or known["of"] != _as_json(dict(of)):
            known = _as_json({"of": dict(of), "value": find()})
            self._record["kept"][name] = known
            self._write()
        return known["value"]

    def named(self) -> Context:
        """The context with names of dataset and execution: by default the folder, and when it was begun."""
        folder, config = self._folder.resolve().name, self._context.config
        name = self.kept("execution", {}, lambda: f"{folder}-{datetime.now():%Y%m%d-%H%M%S}")
        tracking = config.tracking.model_copy(update={"dataset": config.tracking.dataset or folder})
        config = config.model_copy(update={"tracking": tracking})
        return replace(self._context, config=config, execution=self._context.execution or name)

    def forget(self, name: str) -> None:
        """Let a step be repeated when the chain runs again."""
        if self._record["steps"].pop(name, None) is not None:
            self._write()

    def _write(self) -> None:
        write_json(self._folder / RECORD, self._record)


def require_own_teacher(config: Config) -> None:
    """Make sure that retraining needs nothing that no step of a chain makes.

    Raises:
        ConfigError: A model shall teach.
    """
    if config.retrain.teacher == "model":
        raise ConfigError(
            "retrain.teacher is model, which a chain does not have; set retrain.teacher=supernet-largest, or "
            "give `autonad retrain` the --teacher"
        )


def start_over(folder: Path) -> None:
    """Empty a folder that an earlier chain made, if there is one.

    Raises:
        ConfigError: The folder holds something else.
    """
    if not folder.is_dir() or not any(folder.iterdir()):
        return
    if not (folder / RECORD).is_file():
        raise ConfigError(
            f"output {folder} holds other files and no {RECORD}, so --replace removed nothing; choose "
            "another --output"
        )
    # The record goes last: a removal that is cut off can be done again.
    for path in sorted(folder.iterdir(), key=lambda path: path.name == RECORD):
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path)
        else:
            path.unlink()


def recorded(folder: Path) -> dict[str, Any] | None:
    """The record of the chain that a folder is of; None where nothing is there.

    Raises:
        ConfigError: Something else is there.
    """
    if not (folder / RECORD).is_file():
        if folder.is_dir() and any(folder.iterdir()):
            raise ConfigError(
                f"output {folder} holds other files and no {RECORD}, so nothing was done; choose another "
                "--output"
            )
        return None
    try:
        return read_json(folder / RECORD, "the record of the run", RecordFile)
    except StorageError as error:
        raise ConfigError(
            f"{folder / RECORD} is damaged, so nothing was done; choose another --output, or give --replace"
        ) from error


def _why(before: Mapping[str, Any], now: Mapping[str, Any]) -> str:
    """What differs, in a few words; the step's own files where nothing does."""
    changed = _differing(before["settings"], now["settings"])
    changed += [name for name, digest in now["files"].items() if before["files"].get(name) != digest]
    if not changed:
        return "its files are gone"
    some = ", ".join(changed[:3]) + (" …" if len(changed) > 3 else "")
    return f"{some} changed"


def _differing(before: Any, now: Any, path: str = "") -> list[str]:
    if isinstance(before, dict) and isinstance(now, dict):
        return [
            name
            for key in sorted(before.keys() | now.keys())
            for name in _differing(before.get(key), now.get(key), f"{path}.{key}" if path else key)
        ]
    return [] if before == now else [path]


def _as_json(value: Any) -> Any:
    """A value as it will be read back: tuples become lists."""
    return json.loads(json.dumps(value, default=str))
