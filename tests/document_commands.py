"""The commands that documents show, run word for word as somebody would who follows them."""

from __future__ import annotations

import os
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from commands import environment
from rooms import ROOT
from servers import free_port

FENCE = re.compile(r"^( *)```(\w*)\s*$")
SHELLS = ("sh", "bash", "console")


@dataclass(frozen=True)
class Command:
    """One command of a document.

    Attributes:
        document: Path of the document in the repository.
        line: Where it stands there, from 1.
        text: The command as it is written, with its comment and its further lines.
    """

    document: str
    line: int
    text: str

    @property
    def place(self) -> str:
        return f"{self.document}:{self.line}"


def commands_of(document: str) -> list[Command]:
    """All commands in fenced blocks of a shell, in order; comments and empty lines are none."""
    found: list[Command] = []
    fence: re.Match[str] | None = None
    begun: list[str] = []
    for number, line in enumerate((ROOT / document).read_text().splitlines(), 1):
        match = FENCE.match(line)
        if match is not None:
            fence = match if fence is None else None
            continue
        if fence is None or fence[2] not in SHELLS:
            continue
        line = line.removeprefix(fence[1])
        if not begun and (not line.strip() or line.lstrip().startswith("#")):
            continue
        begun.append(line)
        if not line.endswith("\\"):
            found.append(Command(document, number - len(begun) + 1, "\n".join(begun)))
            begun = []
    assert not begun, f"{document}: the last command goes on nowhere"
    return found


@dataclass
class Desk:
    """Where somebody works: a folder, and what a shell there remembers from one command to the next.

    Attributes:
        root: The folder of the document; what is kept from one command to the next lies beside it.
        folder: The folder in which the next command runs.
        variables: Its environment.
    """

    root: Path
    folder: Path = field(init=False)
    variables: dict[str, str] = field(init=False)

    def __post_init__(self) -> None:
        self.root.mkdir(parents=True, exist_ok=True)
        self.folder = self.root
        names = {f"GIT_{who}_{what}": "test" for who in ("AUTHOR", "COMMITTER") for what in ("NAME", "EMAIL")}
        self.variables = {
            **environment(),
            **names,
            "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
            "PYTHONPATH": str(ROOT),
            "DVC_NO_ANALYTICS": "true",
            "GIT_CONFIG_GLOBAL": os.devnull,
            "PAGER": "cat",
        }

    def run(self, text: str, *, place: str = "before", code: int = 0) -> str:
        """Run a command in a shell; what it exports and where it goes holds for the next one.

        Returns:
            What it printed.
        """
        state = self.root.with_name(f"{self.root.name}.environment")
        done = subprocess.run(
            ["bash", "-eo", "pipefail", "-c", f"trap 'env -0 > {state}' EXIT\n{text}"],
            cwd=self.folder,
            env=self.variables,
            text=True,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
        )
        assert done.returncode == code, f"{place}: `{text}` ends with {done.returncode}\n{done.stdout}"
        assert "Traceback" not in done.stdout, f"{place}: `{text}`\n{done.stdout}"
        self.variables = dict(one.split("=", 1) for one in state.read_text().split("\0") if one)
        self.folder = Path(self.variables["PWD"])
        return done.stdout

    @contextmanager
    def serving(self, text: str, port: int, *, place: str) -> Iterator[None]:
        """A command that runs until it is stopped, from when it answers at a port of this machine."""
        log = self.root.with_name(f"{self.root.name}.{port}.log")
        with log.open("wb") as output:
            process = subprocess.Popen(
                ["bash", "-c", text],
                cwd=self.folder,
                env=self.variables,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                start_new_session=True,
            )
        try:
            deadline = time.monotonic() + 120
            while not answers(port):
                assert process.poll() is None, f"{place}: `{text}` ended\n{log.read_text()}"
                assert time.monotonic() < deadline, f"{place}: `{text}` does not answer\n{log.read_text()}"
                time.sleep(0.1)
            yield
        finally:
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGTERM)
            process.wait(60)


def answers(port: int) -> bool:
    """Whether a program takes connections at a port of this machine."""
    with suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=1):
        return True
    return False


def at_port(text: str, port: int, other: int) -> str:
    """A server's command for another port than the one that it has or names."""
    if str(port) in text:
        return text.replace(str(port), str(other))
    return f"{re.split(r' +#', text)[0]} --port {other}"


@dataclass(frozen=True)
class Reader:
    """What somebody brings along who follows a document.

    Each key is how commands begin for which the value holds; one that fits no command is refused.

    Attributes:
        filled: Words of the document that stand for what only its reader knows, and what they are.
        before: What the reader has done before a command.
        said: A regular expression that is found in what a command prints.
        codes: Exit codes other than 0.
        ports: Where commands answer that run until they are stopped; where another program does, they and
            the commands after them get another port.
    """

    filled: Mapping[str, str] = field(default_factory=dict)
    before: Mapping[str, Callable[[Desk], object]] = field(default_factory=dict)
    said: Mapping[str, str] = field(default_factory=dict)
    codes: Mapping[str, int] = field(default_factory=dict)
    ports: Mapping[str, int] = field(default_factory=dict)

    def follow(self, commands: list[Command], desk: Desk) -> None:
        """Run commands one after another; a server runs until the next one at its port, or the end."""
        used: set[str] = set()
        servers: dict[int, ExitStack] = {}
        moved: dict[int, int] = {}  # where another program has the port

        def given(name: str, text: str) -> Any:
            for start, value in getattr(self, name).items():
                if text.startswith(start) and not (name == "before" and f"{name}: {start}" in used):
                    used.add(f"{name}: {start}")
                    return value
            return None

        with ExitStack() as all_servers:
            for command in commands:
                if prepare := given("before", command.text):
                    prepare(desk)
                text = command.text
                for word, value in self.filled.items():
                    if word in text:
                        used.add(f"filled: {word}")
                        text = text.replace(word, value)
                for port, other in moved.items():
                    text = text.replace(f":{port}/", f":{other}/")
                if port := given("ports", command.text):
                    servers.pop(port, ExitStack()).close()
                    if answers(port):
                        moved[port] = free_port()
                        text = at_port(text, port, moved[port])
                    servers[port] = all_servers.enter_context(ExitStack())
                    server = desk.serving(text, moved.get(port, port), place=command.place)
                    servers[port].enter_context(server)
                    continue
                printed = desk.run(text, place=command.place, code=given("codes", command.text) or 0)
                if wanted := given("said", command.text):
                    found = re.search(wanted, printed)
                    assert found, f"{command.place}: `{text}` does not say {wanted!r}\n{printed}"
        names = ("filled", "before", "said", "codes", "ports")
        known = {f"{name}: {key}" for name in names for key in getattr(self, name)}
        assert used == known, f"no command begins so: {sorted(known - used)}"
