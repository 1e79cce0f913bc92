"""DVC works for any user id, also for one that the system does not know."""

from __future__ import annotations

import os
import pwd
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from dvc_repositories import make_repository, run

from autonad.locks import user_name

UNKNOWN = 1_234_567
CODE = """
import os, sys, warnings
from pathlib import Path
os.setresuid({uid}, 0, 0)  # others cannot read an interpreter in a home folder
from autonad.data.dvc_record import dvc_state
from autonad.locks import user_name
from autonad.data.versions import DatasetVersion, fetch_folder, pull, read_target, resolve
from autonad.tracking.runs.origin import interface_tags
assert interface_tags("search", None)["mlflow.user"] == user_name() == "uid-{uid}"
warnings.simplefilter("ignore")
repo, out, uses = Path(sys.argv[1]), Path(sys.argv[2]), sys.argv[3]
if uses == "state":
    assert dvc_state(repo / "data/parts").md5 is not None
elif uses == "resolve":
    resolve(str(repo), "main", "data/parts")
elif uses == "pull":
    md5 = (repo / "data/parts.dvc").read_text().split("md5: ")[1].split()[0]
    pull(DatasetVersion(str(repo.parent / "store"), md5, "parts"), out / "parts")
    assert (out / "parts/a").read_text() == "a"
elif uses == "target":
    assert read_target(str(repo), "main", "line") == "line"
else:
    fetch_folder("data/parts", str(repo), "main", out / "folder")
    assert (out / "folder/a").read_text() == "a"
"""


@pytest.fixture(scope="module")
def repo() -> Iterator[Path]:
    """A repository that anybody can read: libgit2 asks what the real user id may, not the effective one."""
    with tempfile.TemporaryDirectory() as folder:
        base = Path(folder)
        base.chmod(0o755)
        yield make(base)


def make(base: Path) -> Path:
    repo = base / "repo"
    make_repository(repo, str(base / "store"))
    (repo / "data/parts").mkdir()
    (repo / "data/parts/a").write_text("a")
    (repo / "targets").mkdir()
    (repo / "targets/line.json").write_text("line")
    run("dvc", "add", "-q", "data/parts", cwd=repo)
    run("git", "add", "-A", cwd=repo)
    run("git", "commit", "-qm", "one", cwd=repo)
    run("dvc", "push", "-q", cwd=repo)
    return repo


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become another user")
@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("home", ["/", None])
@pytest.mark.parametrize("uses", ["state", "resolve", "pull", "target", "folder"])
def test_dvc_works_for_a_user_id_without_entry(
    repo: Path, uses: str, home: str | None, tmp_path: Path
) -> None:
    with pytest.raises(KeyError):
        pwd.getpwuid(UNKNOWN)
    out = tmp_path / "out"
    out.mkdir()
    environment = {"PATH": os.environ["PATH"], "PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
    environment |= {} if home is None else {"HOME": home}
    code = CODE.format(uid=UNKNOWN)
    done = subprocess.run(
        [sys.executable, "-c", code, repo, out, uses],
        env=environment,
        cwd="/",
        capture_output=True,
        text=True,
    )

    assert done.returncode == 0, done.stderr


def test_a_known_user_keeps_the_name(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LOGNAME", "mia")
    assert user_name() == "mia"
