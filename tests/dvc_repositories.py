"""Repositories of git and DVC for tests: datasets with versions in a bucket."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

from autonad import steps
from autonad.config import parse_config
from autonad.config.context import Context

SMALL = "synthesize: {num_images: 8, image_side: 32}\ntracking: {enabled: false}\n"


def run(*command: object, cwd: Path) -> None:
    """Run `git …` or `dvc …`."""
    names = [part for who in ("user.name", "user.email") for part in ("-c", f"{who}=test")]
    words = list(map(str, command))
    program = ["git", *names] if words[0] == "git" else [sys.executable, "-m", "dvc"]
    done = subprocess.run([*program, *words[1:]], cwd=cwd, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def make_repository(repo: Path, remote: str) -> None:
    """An empty repository with a default remote."""
    (repo / "data").mkdir(parents=True)
    run("git", "init", "-q", "-b", "main", cwd=repo)
    run("dvc", "init", "-q", cwd=repo)
    use_remote(repo, remote)


def use_remote(repo: Path, remote: str) -> None:
    """Give a repository another default remote."""
    (repo / ".dvc/config").write_text(f"[core]\nremote = store\n['remote \"store\"']\nurl = {remote}\n")


def add_version(repo: Path, seed: int, tag: str = "", name: str = "parts") -> Path:
    """Generate a dataset of eight images, add it to DVC and commit it; its folder."""
    folder = repo / "data" / name
    shutil.rmtree(folder, ignore_errors=True)
    steps.synthesize(Context(parse_config(SMALL, (f"synthesize.seed={seed}",), source="test")), output=folder)
    run("dvc", "add", "-q", f"data/{name}", cwd=repo)
    commit(repo, tag or f"seed {seed}")
    if tag:
        run("git", "tag", tag, cwd=repo)
    return folder


def commit(repo: Path, message: str) -> None:
    """Commit all that changed."""
    run("git", "add", "-A", cwd=repo)
    run("git", "commit", "-qm", message, cwd=repo)
