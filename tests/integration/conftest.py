import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
from commands import SETTINGS, Autonad, command, environment


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """What several tests share is built once: users of the chain and each other file keep to one worker."""
    for item in items:
        if "integration" in item.path.parts:
            group = "chain" if "chain" in getattr(item, "fixturenames", ()) else item.path.stem
            item.add_marker(pytest.mark.xdist_group(group))


@pytest.fixture(scope="session")
def autonad() -> Autonad:
    """Run the command line in a folder; `code` is the exit code that is expected."""

    def run(*arguments: object, cwd: Path, code: int = 0) -> "subprocess.CompletedProcess[str]":
        done = subprocess.run(command(*arguments), cwd=cwd, capture_output=True, text=True, env=environment())
        assert done.returncode == code, f"{done.stdout}\n{done.stderr}"
        assert "Traceback" not in done.stderr, done.stderr
        return done

    return run


@pytest.fixture(scope="session")
def start_autonad() -> Callable[..., "subprocess.Popen[bytes]"]:
    """Start the command line in a folder, to be killed."""

    def start(*arguments: object, cwd: Path) -> "subprocess.Popen[bytes]":
        return subprocess.Popen(
            command(*arguments), cwd=cwd, env=environment(), stdout=subprocess.DEVNULL, stderr=subprocess.PIPE
        )

    return start


@pytest.fixture(scope="session")
def chain(tmp_path_factory: pytest.TempPathFactory, autonad: Autonad) -> Path:
    """A folder in which every step ran once, through the command line."""
    root = tmp_path_factory.mktemp("chain")
    (root / "params.yaml").write_text(SETTINGS)
    steps = [
        ("synthesize", "--output", "dataset"),
        ("audit", "--dataset", "dataset"),
        ("describe-target", "--output", "targets/here.json", "--threads", 1),
        ("train-supernet", "--dataset", "dataset", "--output", "supernet"),
        ("profile-latency", "--target", "targets/here.json", "--output", "latency", "--num-classes", 3),
        (
            "search",
            "--dataset",
            "dataset",
            "--supernet",
            "supernet",
            "--latency",
            "latency",
            "--output",
            "search",
        ),
        ("retrain", "--dataset", "dataset", "--search", "search", "--output", "model"),
        (
            "evaluate",
            "--dataset",
            "dataset",
            "--model",
            "model",
            "--search",
            "search",
            "--latency",
            "latency",
            "--output",
            "evaluation",
        ),
        ("fit-thresholds", "--from-evaluation", "evaluation", "--output", "rules"),
        (
            "export",
            "--model",
            "model",
            "--dataset",
            "dataset",
            "--evaluation",
            "evaluation",
            "--rules",
            "rules/rules.yaml",
            "--output",
            "export",
        ),
        (
            "register",
            "--export",
            "export",
            "--evaluation",
            "evaluation",
            "--dataset",
            "dataset",
            "--output",
            "registration",
        ),
    ]
    for step in steps:
        execution = () if step[0] == "describe-target" else ("--execution", "test")
        autonad(*step, *execution, cwd=root)
    return root
