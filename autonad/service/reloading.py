"""Another model takes over while requests are answered; those under way end with the one they began with."""

from __future__ import annotations

import threading

from autonad.console import Console, shown
from autonad.errors import AutonadError, cause_of
from autonad.service.monitoring import Monitor
from autonad.service.served_model import Opening, ServedModel


class Reloading:
    """The model in use, and a thread that looks whether another one is meant.

    Args:
        opening: How it is opened.
        monitor: Is told of each change.
        console: Is told in words.
        seconds: Time between two looks.

    Raises:
        AutonadError: The first model cannot be opened.
    """

    def __init__(self, opening: Opening, monitor: Monitor, console: Console, *, seconds: float) -> None:
        self._opening, self._monitor, self._console, self._seconds = opening, monitor, console, seconds
        self._opened = opening.stamp()
        self._said = ""
        self._current = opening.open()
        monitor.model(self._current.identity)
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._follow, name="reload", daemon=True)

    @property
    def current(self) -> ServedModel:
        """The model in use; whoever holds it may go on with it."""
        return self._current

    @property
    def source(self) -> str:
        """Where it comes from."""
        return self._opening.source.name

    def start(self) -> None:
        """Begin to look for another model."""
        self._thread.start()

    def close(self) -> None:
        """Look no more."""
        self._ended.set()
        self._thread.join()

    def look(self) -> None:
        """Open another model if one is meant; until it can be used, the old one stays."""
        try:
            stamp = self._opening.stamp()
            if stamp == self._opened:
                self._said = ""
                return
            opened = self._opening.open()
        except Exception as error:  # Whatever it is, the next look may find a model that can be used.
            problem = str(error) if isinstance(error, AutonadError) else cause_of(error)
            if problem != self._said:
                self._said = problem
                self._monitor.reloaded(False)
                self._console.report(shown(f"the model in use stays: {problem}"))
            return
        self._current, self._opened, self._said = opened, stamp, ""
        self._monitor.model(opened.identity)
        self._monitor.reloaded(True)
        version = "" if opened.identity.version is None else f", version {opened.identity.version}"
        self._console.report(f"another model is in use: sha256 {opened.identity.sha256[:12]}{version}")

    def _follow(self) -> None:
        while not self._ended.wait(self._seconds):
            self.look()
