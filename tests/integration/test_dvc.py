"""`dvc repro` on one machine: what runs when data, material, target or budget change, and what never does."""

from __future__ import annotations

import json
import os
import random
import re
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pandas as pd
import psutil
import pytest
import yaml
from commands import SETTINGS, Autonad, environment
from servers import ObjectStore

from autonad.storage.store import Store
from autonad.tracking import TrackingSettings
from autonad.tracking.connection import connect

pytestmark = [pytest.mark.acceptance, pytest.mark.timeout(1200)]

ROOT = Path(__file__).parents[2]
SHIPPING = ["fit-thresholds", "export", "register"]
SEARCH = ["train-supernet", "profile-latency", "search"]
DAILY = ["retrain", "evaluate", *SHIPPING]
ALL = ["decide", *SEARCH, *DAILY]
FILES = [
    "pin/manifest.parquet",
    "pin/features.parquet",
    "pin/pin.json",
    "decide/decision.json",
    "train-supernet/supernet.safetensors",
    "search/architecture.json",
    "search/inherited.safetensors",
    "retrain/model.safetensors",
    "evaluate/metrics.json",
]


def run(*command: object, cwd: Path, code: int = 0, extra: dict[str, str] | None = None) -> str:
    """A command's output; its exit code must be `code`."""
    done = subprocess.run(
        list(map(str, command)),
        cwd=cwd,
        env=variables() | (extra or {}),
        text=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
    )
    assert done.returncode == code, done.stdout
    return done.stdout


def variables() -> dict[str, str]:
    """DVC without analytics, `autonad` and `dvc` on the path, git with a name."""
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    names = {f"GIT_{who}_{what}": "test" for who in ("AUTHOR", "COMMITTER") for what in ("NAME", "EMAIL")}
    return {
        **environment(),
        **names,
        "PATH": path,
        "DVC_NO_ANALYTICS": "true",
        "GIT_CONFIG_GLOBAL": os.devnull,
    }


def repro(repo: Path) -> list[str]:
    """The stages that `dvc repro` ran, in order."""
    return re.findall(r"Running stage '([\w-]+)'", run("dvc", "repro", cwd=repo))


def commit(repo: Path, message: str) -> None:
    run("git", "add", "-A", cwd=repo)
    run("git", "commit", "-qm", message, cwd=repo)


def surfaces(autonad: Autonad, output: Path, **settings: object) -> Path:
    """A folder of generated images and masks with their `groups.csv`: what a line delivers."""
    sets = [part for name, value in settings.items() for part in ("--set", f"synthesize.{name}={value}")]
    params = output.with_suffix(".yaml")
    params.write_text(SETTINGS)
    autonad(
        "synthesize",
        "--params",
        params,
        "--output",
        output,
        *sets,
        "--set",
        "tracking.enabled=false",
        cwd=output.parent,
    )
    manifest = pd.read_parquet(output / "manifest.parquet")
    manifest[["image", "group"]].to_csv(output / "groups.csv", index=False)
    return output


@pytest.fixture(scope="module")
def same(tmp_path_factory: pytest.TempPathFactory, autonad: Autonad) -> Path:
    """A batch of the appearance that the first data have."""
    folder = tmp_path_factory.mktemp("same") / "batch"
    return surfaces(autonad, folder, seed=11, num_images=24, materials="[steel]")


@pytest.fixture(scope="module")
def other(tmp_path_factory: pytest.TempPathFactory, autonad: Autonad) -> Path:
    """A batch of another material."""
    folder = tmp_path_factory.mktemp("other") / "batch"
    return surfaces(autonad, folder, seed=12, num_images=24, materials="[ceramic]")


@pytest.fixture(scope="module")
def first(tmp_path_factory: pytest.TempPathFactory, autonad: Autonad) -> Path:
    """A repository in which `dvc repro` ran once, committed."""
    repo = tmp_path_factory.mktemp("dvc") / "repo"
    shutil.copytree(ROOT / "autonad", repo / "autonad", ignore=shutil.ignore_patterns("__pycache__"))
    (repo / "data").mkdir()
    for name in ("dvc.yaml", ".gitignore", ".dvcignore", "data/.gitignore"):
        shutil.copy(ROOT / name, repo / name)
    settings = yaml.safe_load((ROOT / "params.yaml").read_text())
    # Without MLflow, which these tests do not look at and every stage would wait for.
    small = {"decide": {"calibration_draws": 20}, "tracking": {"enabled": False}}
    for section, values in {**yaml.safe_load(SETTINGS), **small}.items():
        settings[section] = settings[section] | values if isinstance(values, dict) else values
    (repo / "params.yaml").write_text(yaml.safe_dump(settings))
    run("git", "init", "-q", "-b", "main", cwd=repo)
    run("dvc", "init", "-q", cwd=repo)
    folder = surfaces(autonad, repo / "data" / "current", materials="[steel]")
    (folder / "groups.csv").unlink()
    folder.with_suffix(".yaml").unlink()
    run("dvc", "add", "-q", "data/current", cwd=repo)
    autonad("describe-target", "--output", "targets/line.json", "--threads", 1, cwd=repo)
    assert repro(repo) == ALL
    commit(repo, "first search")
    return repo


@pytest.fixture
def repo(first: Path, tmp_path: Path) -> Path:
    """A copy of that repository, to be changed."""
    return shutil.copytree(first, tmp_path / "repo", symlinks=True)


def ingest(repo: Path, batch: Path, name: str, autonad: Autonad) -> None:
    autonad("ingest", "--source", batch, "--dataset", "data/current", "--batch", name, cwd=repo)
    run("dvc", "add", "-q", "data/current", cwd=repo)


def decision(repo: Path) -> dict[str, object]:
    return json.loads((repo / "artifacts/decide/decision.json").read_text())


def kinds(repo: Path) -> list[str]:
    return [reason["kind"] for reason in decision(repo)["reasons"]]  # type: ignore[index, attr-defined]


def trained_on(repo: Path) -> str:
    return json.loads((repo / "artifacts/retrain/model.json").read_text())["provenance"]["dataset"]


def test_a_second_run_runs_nothing(repo: Path) -> None:
    assert decision(repo)["action"] == "train"
    assert kinds(repo) == ["first_search"]
    assert repro(repo) == []


def changed_stages(repo: Path) -> set[str]:
    """The stages that `dvc status` names."""
    return set(json.loads(run("dvc", "status", "--json", cwd=repo)))


def test_another_colour_repeats_no_search_and_another_interpolation_trains_anew(repo: Path) -> None:
    (repo / "autonad/space/__pycache__").mkdir()
    (repo / "autonad/space/__pycache__/new.pyc").write_bytes(b"compiled")
    assert changed_stages(repo) == set()

    for page in (repo / "autonad/report").rglob("*.py"):
        page.write_text(page.read_text() + "# another colour\n")
    assert changed_stages(repo) == {"evaluate", "fit-thresholds"}

    loader = repo / "autonad/data/loader.py"
    loader.write_text(loader.read_text() + "# another interpolation\n")
    assert changed_stages(repo) >= {"train-supernet", "search", "retrain", "evaluate"}
    assert "profile-latency" not in changed_stages(repo)


def test_another_wish_for_the_rules_chooses_and_ships_them_and_evaluates_nothing(repo: Path) -> None:
    before = (repo / "artifacts/evaluate/metrics.json").read_bytes()
    params = yaml.safe_load((repo / "params.yaml").read_text())
    params["fit_thresholds"] |= {"target": "miss", "rate": 0.1}
    (repo / "params.yaml").write_text(yaml.safe_dump(params))

    assert repro(repo) == SHIPPING
    assert (repo / "artifacts/evaluate/metrics.json").read_bytes() == before
    operating = json.loads((repo / "artifacts/fit-thresholds/operating.json").read_text())
    assert operating["goal"] | {"kind": "miss", "rate": 0.1} == operating["goal"]
    registered = json.loads((repo / "artifacts/register/registration.json").read_text())
    assert registered["rules"] == operating["rules"]


def test_a_batch_of_the_same_appearance_retrains_and_searches_nothing(
    repo: Path, same: Path, autonad: Autonad
) -> None:
    before = trained_on(repo)
    ingest(repo, same, "monday", autonad)

    assert repro(repo) == ["decide", *DAILY]
    assert decision(repo)["action"] == "reuse"
    assert trained_on(repo) != before
    assert repro(repo) == []


def test_another_material_searches_anew_and_going_back_reuses_nothing_wrong(
    repo: Path, other: Path, autonad: Autonad
) -> None:
    before, pin = trained_on(repo), decision(repo)["keys"]["pin"]  # type: ignore[index]
    ingest(repo, other, "tuesday", autonad)

    assert repro(repo) == ["decide", "train-supernet", "search", *DAILY]
    assert kinds(repo) == ["appearance_changed"]
    commit(repo, "another material")

    run("git", "checkout", "-q", "HEAD~1", "--", "data/current.dvc", cwd=repo)
    run("dvc", "checkout", "-q", "data/current.dvc", cwd=repo)
    repro(repo)
    assert kinds(repo) == ["data_withdrawn"]
    assert decision(repo)["keys"]["pin"] == pin  # type: ignore[index]
    assert trained_on(repo) == before
    assert repro(repo) == []


def test_going_back_over_a_batch_without_change_keeps_the_search(
    repo: Path, same: Path, autonad: Autonad
) -> None:
    before = trained_on(repo)
    ingest(repo, same, "monday", autonad)
    repro(repo)
    run("git", "checkout", "-q", "HEAD", "--", "data/current.dvc", cwd=repo)
    run("dvc", "checkout", "-q", "data/current.dvc", cwd=repo)
    ran = repro(repo)

    assert not set(ran) & set(SEARCH)
    assert decision(repo)["action"] == "reuse"
    assert trained_on(repo) == before


def documented(start: str) -> list[str]:
    """The commands of a block in docs/retraining.md, by how it begins."""
    text = (ROOT / "docs/retraining.md").read_text()
    block = next(b for b in re.findall(r"```console\n(.*?)```", text, re.S) if b.startswith(start))
    return [line.split("#")[0].strip() for line in block.splitlines()]


def pinned(repo: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in (repo / "artifacts/pin").iterdir()}


def test_a_batch_that_was_looked_at_is_taken_back_as_documented(
    repo: Path, same: Path, other: Path, autonad: Autonad
) -> None:
    ingest(repo, same, "monday", autonad)  # the pin is smaller than the dataset from now on
    repro(repo)
    commit(repo, "monday")
    before = pinned(repo)

    ingest(repo, other, "tuesday", autonad)
    run("dvc", "repro", "decide", cwd=repo)
    assert decision(repo)["action"] == "train"
    assert pinned(repo) != before
    said = [
        run("bash", "-ec", line, cwd=repo) for line in documented("git checkout HEAD -- data/current.dvc")
    ]
    assert "up to date" in said[-1]
    assert pinned(repo) == before
    assert run("git", "status", "--short", cwd=repo) == ""

    ingest(repo, other, "tuesday", autonad)
    run("dvc", "repro", "decide", cwd=repo)
    run("git", "checkout", "-q", "HEAD", "--", "data/current.dvc", cwd=repo)
    run("dvc", "checkout", "-q", cwd=repo)
    assert repro(repo) == ["decide"]
    assert decision(repo)["action"] == "reuse"
    assert pinned(repo) == before
    assert repro(repo) == []


def test_an_experiment_registers_nothing_and_touches_no_state(repo: Path, tmp_path: Path) -> None:
    command, _ = documented("dvc exp run --temp")
    store = f"sqlite:///{tmp_path}/mlflow.db"
    # Without its own threshold of a latency that a busy machine cannot keep.
    more = f"-S tracking.enabled=true -S tracking.uri={store}"
    run("bash", "-ec", f"{command.replace('=5', '=500')} {more}", cwd=repo)

    assert run("git", "status", "--short", cwd=repo) == ""
    assert repro(repo) == []
    client = connect(TrackingSettings(uri=store))
    assert client.search_registered_models() == []
    ran = client.search_runs([client.get_experiment_by_name("autonad").experiment_id])
    assert {run.data.tags["autonad.stage"] for run in ran if "autonad.stage" in run.data.tags} >= {"search"}


def test_ten_figures_fit_a_terminal_and_pictures_need_no_network(repo: Path) -> None:
    shown = run("dvc", "metrics", "show", cwd=repo).splitlines()
    assert len(shown) == 2
    assert max(map(len, shown)) <= 120
    figures = repo / "artifacts/register/figures.json"
    figures.write_text(figures.read_text().replace('"miou": 0', '"miou": 1'))
    assert max(map(len, run("dvc", "metrics", "diff", cwd=repo).splitlines())) <= 80

    run("dvc", "plots", "show", cwd=repo)
    page = (repo / "dvc_plots/index.html").read_text()
    assert page.count("<img") == 6
    assert "http" not in page


def test_another_budget_searches_with_the_same_supernet(repo: Path) -> None:
    settings = yaml.safe_load((repo / "params.yaml").read_text())
    settings["search"]["latency_budget_ms"] = 500.0
    (repo / "params.yaml").write_text(yaml.safe_dump(settings))

    ran = repro(repo)
    assert ran[:2] == ["decide", "search"]
    assert kinds(repo) == ["latency_budget_changed"]


def test_another_target_profiles_and_searches_with_the_same_supernet(repo: Path, autonad: Autonad) -> None:
    autonad("describe-target", "--output", "targets/line.json", "--threads", 2, cwd=repo)

    ran = repro(repo)
    assert ran[:3] == ["decide", "profile-latency", "search"]
    assert "train-supernet" not in ran
    assert kinds(repo) == ["hardware_changed"]


@pytest.fixture(scope="module")
def pushed(first: Path, s3: ObjectStore) -> dict[str, str]:
    """The repository's data in an S3 remote; the environment that reaches it."""
    with pytest.MonkeyPatch.context() as patch:
        for name, value in s3.environment.items():
            patch.setenv(name, value)
        Store().create_bucket("versions")
    run("dvc", "remote", "add", "-q", "-f", "-d", "store", "s3://versions/cache", cwd=first)
    run("dvc", "remote", "modify", "store", "endpointurl", s3.endpoint, cwd=first)
    commit(first, "a remote")
    run("dvc", "push", cwd=first, extra=s3.environment)
    return s3.environment


def test_a_fresh_clone_that_pulls_runs_nothing(first: Path, pushed: dict[str, str], tmp_path: Path) -> None:
    run("git", "clone", "-q", first, "clone", cwd=tmp_path)
    run("dvc", "pull", cwd=tmp_path / "clone", extra=pushed)

    assert repro(tmp_path / "clone") == []


def test_a_fresh_clone_without_the_pin_says_so_and_searches_nothing(
    first: Path, pushed: dict[str, str], tmp_path: Path
) -> None:
    clone = tmp_path / "clone"
    run("git", "clone", "-q", first, "clone", cwd=tmp_path)
    run("dvc", "pull", "data/current.dvc", cwd=clone, extra=pushed)

    output = run("dvc", "repro", cwd=clone, code=255)
    assert "dvc pull" in output
    assert re.findall(r"Running stage '([\w-]+)'", output) == ["decide"]
    assert not (clone / "artifacts/pin/pin.json").exists()


def test_killed_in_every_stage_and_repeated_ends_the_same(first: Path, tmp_path: Path) -> None:
    repo = shutil.copytree(first, tmp_path / "repo", symlinks=True)
    shutil.rmtree(repo / "artifacts")
    shutil.rmtree(repo / ".dvc/cache/runs", ignore_errors=True)
    (repo / "dvc.lock").unlink()
    # The table is measured and differs from run to run: with another one the search may end elsewhere.
    latency = first / "artifacts/profile-latency"
    rng, left, killed = random.Random(0), list(ALL), []
    for _ in range(2 * len(ALL)):
        process = subprocess.Popen(
            ["dvc", "repro"],
            cwd=repo,
            env=variables(),
            start_new_session=True,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
        )
        while process.poll() is None:
            stage = running(process.pid)
            if stage in left:
                time.sleep(rng.uniform(0.0, 3.0))  # somewhere in the stage, or already in the next one
                killed.append(running(process.pid))
                left.remove(stage)
                os.killpg(process.pid, signal.SIGKILL)
            time.sleep(0.1)
        output = process.communicate()[0].decode()
        if process.returncode == 0:
            break
        assert process.returncode == -signal.SIGKILL, output
        shutil.rmtree(repo / "artifacts/profile-latency", ignore_errors=True)
        shutil.copytree(latency, repo / "artifacts/profile-latency")
        run("dvc", "commit", "-q", "-f", "profile-latency", cwd=repo)
    assert len(killed) >= len(ALL) - 2
    for name in FILES:
        assert (repo / "artifacts" / name).read_bytes() == (first / "artifacts" / name).read_bytes(), name
    assert repro(repo) == []


def running(group: int) -> str | None:
    """The verb that a process group runs now."""
    try:
        children = psutil.Process(group).children(recursive=True)
        commands = [child.cmdline() for child in children]
    except psutil.Error:
        return None
    verbs = [
        words[words.index(word) + 1] for words in commands for word in words if word.endswith("bin/autonad")
    ]
    return verbs[0] if verbs else None
