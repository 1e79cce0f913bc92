"""A task's process under supervision: what is started again, what is not, what is left of it."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from autonad.kubeflow.pod_memory import GIB, PodMemory
from autonad.kubeflow.supervisor import Supervisor

# Each attempt adds a line to `attempts`, and then does what is to be done.
BEGIN = """
import os, signal, subprocess, sys, time
from pathlib import Path
folder = Path(sys.argv[1])
with (folder / "attempts").open("a") as file:
    file.write(f"{os.getpid()}\\n")
attempt = len((folder / "attempts").read_text().split())
"""
DIE_TWICE = "if attempt < 3:\n    os.kill(os.getpid(), signal.SIGKILL)\nprint('made it in', attempt)"


class Pod:
    """A pod whose only process is a supervised task."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def start(self, body: str, *, retries: str = "3") -> subprocess.Popen[str]:
        (self.folder / "made_task.py").write_text(BEGIN + body)
        return subprocess.Popen(
            [sys.executable, "-m", "autonad.kubeflow.supervisor", "made_task", str(self.folder)],
            env={**os.environ, "AUTONAD_RETRIES": retries, "PYTHONPATH": f"{self.folder}:{os.getcwd()}"},
            text=True,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )

    def run(self, body: str, *, retries: str = "3") -> tuple[int, str, str]:
        process = self.start(body, retries=retries)
        out, err = process.communicate(timeout=60)
        return process.returncode, out, err

    def wait_for(self, name: str) -> str:
        """What a file holds as soon as it holds anything."""
        until = time.monotonic() + 60
        while not (self.folder / name).is_file() or not (self.folder / name).read_text():
            assert time.monotonic() < until, f"no {name}"
            time.sleep(0.01)
        return (self.folder / name).read_text()

    @property
    def attempts(self) -> int:
        return len((self.folder / "attempts").read_text().split())


@pytest.fixture
def pod(tmp_path: Path) -> Pod:
    return Pod(tmp_path)


def gone(process: int) -> bool:
    """Whether a process has ended; what nobody has asked for its exit code counts as ended."""
    try:
        return Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0] in "ZX"
    except FileNotFoundError:
        return True


def test_a_process_that_dies_is_started_again_until_it_succeeds(pod: Pod) -> None:
    code, out, err = pod.run(DIE_TWICE)

    assert code == 0, err
    assert pod.attempts == 3
    assert out == "made it in 3\n"
    notes = [line for line in err.splitlines() if line.startswith("note: ")]
    assert [f"({number} of 3) and goes on from its last checkpoint" in notes[number - 1] for number in (1, 2)]
    assert all("died of SIGKILL" in line for line in notes)


def test_too_many_deaths_end_the_task(pod: Pod) -> None:
    code, _, err = pod.run("os.kill(os.getpid(), signal.SIGSEGV)", retries="1")

    assert code == 128 + signal.SIGSEGV
    assert pod.attempts == 2
    assert err.splitlines()[-1] == "error: the task's process died of SIGSEGV, and is not started again"


@pytest.mark.parametrize("code", [0, 1, 2, 143])
def test_a_process_that_says_how_it_ended_is_not_repeated(code: int, pod: Pod) -> None:
    ended, _, err = pod.run(f"print('error: a wrong preset', file=sys.stderr); sys.exit({code})")

    assert ended == code
    assert pod.attempts == 1
    assert err == "error: a wrong preset\n"


def test_a_shell_that_reports_a_death_counts_as_one(pod: Pod) -> None:
    """A training in several processes ends with 128 and the signal that one of them died of."""
    code, out, _ = pod.run("if attempt == 1:\n    sys.exit(137)\nprint('well')")

    assert (code, out, pod.attempts) == (0, "well\n", 2)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_task_that_is_asked_to_end_is_told_and_not_started_again(number: signal.Signals, pod: Pod) -> None:
    body = """
def end(number, frame):
    (folder / "told").write_text(signal.Signals(number).name)
    os.kill(os.getpid(), signal.SIGKILL)
for one in (signal.SIGTERM, signal.SIGINT):
    signal.signal(one, end)
(folder / "ready").write_text("yes")
time.sleep(60)
"""
    process = pod.start(body)
    pod.wait_for("ready")
    process.send_signal(number)
    _, said = process.communicate(timeout=60)

    assert "started again" not in said
    assert (pod.folder / "told").read_text() == number.name
    assert pod.attempts == 1
    assert process.returncode == 128 + number


def test_what_a_task_has_started_ends_with_it(pod: Pod) -> None:
    body = """
child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(300)"])
with (folder / "children").open("a") as file:
    file.write(f"{child.pid}\\n")
if attempt == 1:
    os.kill(os.getpid(), signal.SIGKILL)
"""
    code, _, err = pod.run(body)
    children = [int(line) for line in (pod.folder / "children").read_text().split()]
    until = time.monotonic() + 30
    while not all(map(gone, children)) and time.monotonic() < until:
        time.sleep(0.01)

    assert (code, len(children)) == (0, 2), err
    assert [child for child in children if not gone(child)] == []


class Counted(PodMemory):
    """A pod in which the kernel has killed once more with each look."""

    def __init__(self, full: str = "") -> None:
        self.limit, self._count, self._full = 2 * GIB, 0, full

    def kills(self) -> int:
        self._count += 1
        return self._count

    def nearly_full(self) -> str:
        return self._full and self.ran_out()


@pytest.fixture
def own_signals() -> Iterator[None]:
    """Signals are handled by the test's process again afterwards."""
    before = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT)}
    yield
    for number, handler in before.items():
        signal.signal(number, handler)


@pytest.mark.usefixtures("own_signals")
@pytest.mark.parametrize(
    ("memory", "code"),
    [
        (Counted(), "import os; os.kill(os.getpid(), 9)"),
        (Counted(full="yes"), "import time; time.sleep(300)"),
    ],
    ids=["the kernel killed it", "it is killed before the kernel kills the pod"],
)
def test_a_task_that_needed_too_much_memory_says_how_much_there_is(
    memory: PodMemory, code: str, capsys: pytest.CaptureFixture[str]
) -> None:
    ended = Supervisor([sys.executable, "-c", code], retries=0, memory=memory).run()

    assert ended == 128 + signal.SIGKILL
    assert capsys.readouterr().err == (
        "error: the task's process died of SIGKILL (out of memory: the limit of 2.0 GiB is reached; raise "
        "memory_limit in the form's `resources`), and is not started again\n"
    )


def test_the_supervisor_is_small() -> None:
    """It must not be the process that runs out of memory."""
    code = (
        "import sys; import autonad.kubeflow.supervisor as s; print(len(sys.modules), 'kfp' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    count, kfp = done.stdout.split()

    assert kfp == "False"
    assert int(count) < 200
