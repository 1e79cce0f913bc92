"""A target by its name, from where the dataset comes from."""

from __future__ import annotations

from pathlib import Path

import pytest
from dvc_repositories import commit, make_repository, run

from autonad.data.versions import find_target, read_target
from autonad.errors import DatasetError

pytestmark = pytest.mark.filterwarnings("ignore")


@pytest.fixture(scope="module")
def repo(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A repository whose tag `one` has a target less than HEAD."""
    repo = tmp_path_factory.mktemp("named") / "repo"
    make_repository(repo, "/nowhere")
    (repo / "targets").mkdir()
    (repo / "targets/line-3.json").write_text("three")
    (repo / "targets/notes.txt").write_text("no target")
    commit(repo, "one")
    run("git", "tag", "one", cwd=repo)
    (repo / "targets/Line-4.json").write_text("four")
    commit(repo, "two")
    return repo


@pytest.mark.parametrize("name", ["line-3", " Line-3 ", "LINE 3", "line_3", "line-3.json"])
@pytest.mark.parametrize("revision", ["", "one", "main"])
def test_case_and_blanks_do_not_matter(repo: Path, name: str, revision: str) -> None:
    assert read_target(str(repo), revision, name) == "three"


def test_a_revision_has_its_own_targets(repo: Path, tmp_path: Path) -> None:
    run("git", "clone", "-q", "--bare", repo, tmp_path / "bare.git", cwd=tmp_path)
    address = (tmp_path / "bare.git").as_uri()

    assert read_target(address, "", "line-4") == "four"
    with pytest.raises(DatasetError, match=r"no target 'line-4' in revision one of .*, but line-3; correct"):
        read_target(address, "one", "line-4")
    with pytest.raises(DatasetError, match=r"cannot be read from revision nine of"):
        read_target(address, "nine", "line-4")


@pytest.mark.parametrize("name", ["../data/secret", "/etc/passwd", "notes", "..", ""])
def test_a_name_never_leaves_the_folder(repo: Path, name: str) -> None:
    (repo / "data/secret.json").write_text("secret")
    for revision in ("", "main"):
        with pytest.raises(DatasetError, match=r"there is no target .* but Line-4, line-3; correct the name"):
            read_target(str(repo), revision, name)


def test_without_repository_or_targets_it_says_so(tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match="a generated dataset has no repository"):
        read_target("generated", "", "line")
    with pytest.raises(DatasetError, match=r"cannot be read from revision HEAD of .*make sure that git"):
        read_target(str(tmp_path / "none"), "", "line")
    nothing = r"no target 'line' in .*/targets/, but none at all; correct the name, or write it on the device"
    with pytest.raises(DatasetError, match=nothing):  # a folder of datasets, which is no repository
        read_target(str(tmp_path), "", "line")
    (tmp_path / "targets").mkdir()
    with pytest.raises(DatasetError, match=nothing):
        read_target(str(tmp_path), "", "line")


def test_two_names_that_differ_in_case_alone_are_told_apart(tmp_path: Path) -> None:
    (tmp_path / "line.json").write_text("small")
    (tmp_path / "LINE.json").write_text("large")

    assert find_target("LINE", tmp_path).read_text() == "large"
    with pytest.raises(DatasetError, match="'Line' can mean LINE or line"):
        find_target("Line", tmp_path)


def test_the_command_line_takes_a_file_or_a_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "targets").mkdir()
    (tmp_path / "targets/line-3.json").write_text("three")
    (tmp_path / "own.json").write_text("own")

    assert find_target("own.json") == Path("own.json")
    assert find_target(" Line-3 ") == Path("targets/line-3.json")
    with pytest.raises(DatasetError, match="no target 'line-5' in targets/, but line-3"):
        find_target("line-5")
