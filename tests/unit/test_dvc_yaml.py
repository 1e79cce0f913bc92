"""dvc.yaml names exactly the files that the result of a stage depends on; `make dvc` writes them."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import dvc_deps
import pytest
import yaml

ROOT = Path(__file__).parents[2]
STAGES = sorted(dvc_deps.wanted())


def stages_with(*changed: Path) -> set[str]:
    """Stages that `dvc status` would name after a change of these files."""
    names = {str(path.relative_to(ROOT)) for path in changed}
    return {
        stage
        for stage, paths in dvc_deps.written().items()
        if any(name == path or name.startswith(f"{path}/") for name in names for path in paths)
    }


@pytest.mark.parametrize("stage", STAGES)
def test_a_stage_depends_on_what_its_step_imports(stage: str) -> None:
    wanted, written = set(dvc_deps.wanted()[stage]), set(dvc_deps.written()[stage])

    lacks, needless = sorted(wanted - written), sorted(written - wanted)
    assert (lacks, needless) == ([], []), f"dvc.yaml, {stage}: lacks, and needs no; run `make dvc`"


def test_every_dependency_is_there_and_named_once() -> None:
    for stage, paths in dvc_deps.written().items():
        assert len(set(paths)) == len(paths), stage
        assert [path for path in paths if not (ROOT / path).exists()] == []


def test_another_colour_is_another_page_and_nothing_else() -> None:
    assert stages_with(*dvc_deps.files(ROOT / "autonad" / "report")) <= {"evaluate", "fit-thresholds"}


def test_another_way_to_choose_rules_evaluates_nothing_anew() -> None:
    found = stages_with(ROOT / "autonad/evaluation/choosing.py", ROOT / "autonad/steps/fit_thresholds.py")

    assert "fit-thresholds" in found
    assert not found & {"train-supernet", "search", "retrain", "evaluate"}


def test_another_wish_for_the_rules_evaluates_nothing_anew() -> None:
    stages = yaml.safe_load((ROOT / "dvc.yaml").read_text())["stages"]
    reading = {name for name, stage in stages.items() if "fit_thresholds" in str(stage.get("params"))}

    assert "fit-thresholds" in reading
    assert "evaluate" not in reading


def test_another_interpolation_in_the_loader_trains_anew() -> None:
    found = stages_with(ROOT / "autonad/data/loader.py")

    assert {"train-supernet", "search", "retrain", "evaluate"} <= found
    assert "profile-latency" not in found


def test_a_space_without_its_presets_is_no_space() -> None:
    assert {"train-supernet", "profile-latency"} <= stages_with(ROOT / "autonad/space/presets/tiny.yaml")


def test_nothing_depends_on_what_talks_or_tracks() -> None:
    talk = [ROOT / "autonad" / name for name in ("cli", "tracking", "kubeflow", "config")]
    files = [file for folder in talk for file in dvc_deps.files(folder)]

    assert files
    assert stages_with(*files, ROOT / "autonad/console.py", ROOT / "autonad/errors.py") == set()


def test_the_lists_are_written_behind_the_other_dependencies() -> None:
    text = (ROOT / "dvc.yaml").read_text()
    before = yaml.safe_load(text)
    lists = {stage: [f"autonad/{stage}", "autonad/z"] for stage in before["stages"]}
    after = yaml.safe_load(dvc_deps.rewritten(text, lists))

    for stage in before["stages"]:
        old, new = (document["stages"][stage].pop("deps") for document in (before, after))
        assert new == [path for path in old if not path.startswith("autonad/")] + lists[stage]
    assert after == before
    assert dvc_deps.rewritten(text, dvc_deps.written()) == text


def test_imports_are_found_wherever_they_stand(tmp_path: Path) -> None:
    files = {
        "autonad/steps/__init__.py": "from autonad.steps.other import other\n",
        "autonad/steps/make.py": (
            "from typing import TYPE_CHECKING\nfrom autonad.a import one\nif TYPE_CHECKING:\n"
            "    from autonad.a import two\nelse:\n    import autonad.b.three\n"
            "def make():\n    from autonad.c import thing\n    from autonad.report import page\n"
        ),
        "autonad/steps/other.py": "",
        "autonad/a/__init__.py": '"""Words."""\n',
        "autonad/a/one.py": "",
        "autonad/a/two.py": "",
        "autonad/b/__init__.py": "",
        "autonad/b/three.py": 'resources.files("autonad.b")\n',
        "autonad/b/table.txt": "",
        "autonad/c/__init__.py": "from autonad.c.thing import thing\n",
        "autonad/c/thing.py": "",
        "autonad/report/page.py": "from autonad.a import two\n",
    }
    for name, text in files.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text)

    assert dvc_deps.dependencies("make", "autonad make --output x", tmp_path) == [
        "autonad/a/one.py",
        "autonad/b",
        "autonad/c/thing.py",
        "autonad/steps/make.py",
    ]


def outputs(*, kept_by_git: bool) -> list[str]:
    """What the stages write, and whether git or DVC keeps it."""
    stages = yaml.safe_load((ROOT / "dvc.yaml").read_text())["stages"].values()
    named = [one for stage in stages for kind in ("outs", "plots", "metrics") for one in stage.get(kind, ())]
    found = [next(iter(one.items())) if isinstance(one, dict) else (one, {}) for one in named]
    return [path for path, about in found if about.get("cache", True) != kept_by_git]


def test_git_ignores_what_dvc_keeps_before_a_stage_has_run(tmp_path: Path) -> None:
    """DVC ignores it at the end of a `dvc repro`, and not at all of one that fails."""
    subprocess.run(["git", "init", "-q", tmp_path], check=True)
    shutil.copy(ROOT / ".gitignore", tmp_path)
    asked = [*outputs(kept_by_git=False), *outputs(kept_by_git=True)]
    for path in asked:
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / path).mkdir() if path.endswith(("pin", "variants")) else (tmp_path / path).touch()
    command = ["git", "check-ignore", *asked]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.stdout.splitlines() == outputs(kept_by_git=False)
