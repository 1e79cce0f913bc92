"""Every command that README and docs/ show is run, word for word, in a folder of its document."""

from __future__ import annotations

import re
import shutil
import socket
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import yaml
from commands import SETTINGS
from dark_detector import DARK, export_dark, save, surface
from document_commands import Command, Desk, Reader, at_port, commands_of
from kubeflow_stub import kubeflow_stub
from layouts import mt, neu
from PIL import Image
from rooms import ROOT
from servers import ObjectStore, object_store

from autonad import steps
from autonad.config import parse_config
from autonad.config.context import Context
from autonad.config.document import params_yaml

pytestmark = [pytest.mark.slow, pytest.mark.timeout(1800), pytest.mark.xdist_group("documents")]

DOCUMENTS = ("README.md", *sorted(f"docs/{path.name}" for path in (ROOT / "docs").glob("*.md")))
# What is not run, and why. `make` targets are compared with the Makefile by test_documents.py.
NOT_RUN = {
    r"make (venv|demo|test|mlflow|s3|image)\b": "installs everything, runs for minutes, or is a server",
    r"(docker|podman) ": "needs a container engine: tests/integration/test_container.py",
    r"kubectl ": "needs a cluster: tests/cluster",
    r"curl -u admin ": "asks for a password; tests/integration/test_mlflow_server.py makes users",
    r"cd deploy/mlflow$|cp mlflow.env.example ": "prepares the server in a container",
}
ONE, TWO = ["crack"], ["crack", "blowhole"]
CHAIN = 12  # commands of the tutorial before it goes on to other datasets
REGISTERED = (
    "--export runs/export --evaluation runs/evaluation --dataset data/steel --target targets/line-3.json"
)
SMALL = {
    "synthesize": {"image_side": 32},
    "input": {"height": 32, "width": 32},
    "train_supernet": {"epochs": 2},
    "profile_latency": {"warmup": 0, "repeats": 3},
    "search": {"population": 4, "generations": 2, "top_k": 2, "finalists": 1},
    "retrain": {"epochs": 2},
    "decide": {"calibration_draws": 20},
    "export": {"int8": False, "parity_images": 2},
    "assess_supernet": {"architectures": 4, "sample": 20, "minutes": None, "resamples": 100},
    "tracking": {"system_seconds": None},
}


def excused(command: Command) -> bool:
    return any(re.match(pattern, command.text) for pattern in NOT_RUN)


def settings(folder: Path, **more: dict[str, object]) -> None:
    """Write params.yaml as `autonad init` does, with numbers for seconds and not for hours."""
    found = yaml.safe_load(params_yaml())
    for sections in (yaml.safe_load(SETTINGS), SMALL, more):
        for name, values in sections.items():
            found[name] = found[name] | values if isinstance(values, dict) else values
    (folder / "params.yaml").write_text(yaml.safe_dump(found))


def generated(output: Path, **values: object) -> Path:
    """A dataset of small images."""
    sections = {"synthesize": {"image_side": 32, **values}, "tracking": {"enabled": False}}
    steps.synthesize(Context(parse_config(yaml.safe_dump(sections), (), source="test")), output=output)
    return output


def delivered(folder: Path, **values: object) -> Path:
    """A folder of images and masks with their groups.csv, as somebody brings it."""
    made = generated(folder.with_name(f"{folder.name}.made"), **{"materials": ["steel"], **values})
    for name in ("images", "masks"):
        shutil.copytree(made / name, folder / name, dirs_exist_ok=True)
    pd.read_parquet(made / "manifest.parquet")[["image", "group"]].to_csv(folder / "groups.csv", index=False)
    shutil.rmtree(made)
    return folder


def copied(source: Path, desk: Desk) -> None:
    """The folder of a document that is finished, for another document."""
    shutil.copytree(source, desk.root, symlinks=True, dirs_exist_ok=True)


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[ObjectStore, Path]]:
    """An object store, and the folder whose folders are its buckets."""
    data = tmp_path_factory.mktemp("store") / "buckets"
    with object_store(data, remembers="100ms") as found:
        yield found, data


@pytest.fixture(scope="module")
def tutorial(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder in which the tutorial was followed, up to other datasets."""
    desk = Desk(tmp_path_factory.mktemp("tutorial") / "here")
    settings(desk.root)
    neu(desk.root / "data/published/neu", per_class=8)
    (desk.root / ".venv").symlink_to(sys.prefix)
    Reader().follow(tutorial_commands()[:CHAIN], desk)
    return desk.root


def tutorial_commands() -> list[Command]:
    return runnable("docs/tutorial.md")


def runnable(document: str) -> list[Command]:
    return [command for command in commands_of(document) if not excused(command)]


# -- which commands are run -------------------------------------------------------------------------------


FOLLOWED = (
    "README.md",
    "docs/data.md",
    "docs/detect.md",
    "docs/kubeflow.md",
    "docs/mlflow.md",
    "docs/red-flags.md",
    "docs/retraining.md",
    "docs/storage.md",
    "docs/supernet.md",
    "docs/targets.md",
    "docs/thresholds.md",
    "docs/tutorial.md",
)


def test_each_document_with_commands_is_followed() -> None:
    assert {name for name in DOCUMENTS if runnable(name)} == set(FOLLOWED)
    tests = Path(__file__).read_text()
    assert [name for name in FOLLOWED if f'runnable("{name}")' not in tests] == []


def test_few_commands_are_excused_and_none_of_our_own() -> None:
    excused_ones = [command for name in DOCUMENTS for command in commands_of(name) if excused(command)]

    assert [command.place for command in excused_ones if command.text.startswith(("autonad ", "dvc "))] == []
    assert len(excused_ones) <= sum(len(runnable(name)) for name in DOCUMENTS) / 2
    assert [
        reason
        for pattern, reason in NOT_RUN.items()
        if not any(re.match(pattern, c.text) for c in excused_ones)
    ] == []


def test_a_failing_command_is_named_with_its_line(tmp_path: Path) -> None:
    desk = Desk(tmp_path / "here")
    commands = [
        Command("page.md", 3, "export WORD=kept && mkdir in && cd in"),
        Command("page.md", 7, "ls $WORD"),
    ]

    with pytest.raises(AssertionError, match=r"page\.md:7: `ls \$WORD` ends with 2\n.*kept"):
        Reader().follow(commands, desk)
    assert desk.folder == tmp_path / "here/in"
    with pytest.raises(AssertionError, match="no command begins so"):
        Reader(said={"rm": "x"}).follow(commands[:1], Desk(tmp_path / "there"))


def test_a_server_whose_port_is_taken_gets_another_and_so_do_those_who_ask_it(tmp_path: Path) -> None:
    server = f"{sys.executable} -m http.server --bind 127.0.0.1"
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        commands = [
            Command("page.md", 1, "touch here.txt"),
            Command("page.md", 2, f"{server} {port}   # answers"),
            Command("page.md", 3, f"curl -s http://127.0.0.1:{port}/"),
        ]
        Reader(ports={sys.executable: port}, said={"curl": "here.txt"}).follow(
            commands, Desk(tmp_path / "it")
        )

    assert (
        at_port("autonad serve --model m   # http://127.0.0.1", 8080, 1) == "autonad serve --model m --port 1"
    )


# -- the documents ----------------------------------------------------------------------------------------


@pytest.mark.acceptance
def test_readme(tmp_path: Path) -> None:
    desk = Desk(tmp_path / "here")
    settings(desk.root)
    delivered(desk.root / "mydata", num_images=30, classes=ONE)

    def take_the_model_along(desk: Desk) -> None:
        shutil.copy(desk.folder / "runs/mydata/export/model.onnx", desk.folder)
        shutil.copytree(desk.folder / "mydata/images", desk.folder / "images")

    Reader(
        before={"autonad detect": take_the_model_along},
        ports={"autonad serve": 8080},
        said={"autonad run --source mydata": r"report +runs/mydata"},
    ).follow(runnable("README.md"), desk)
    assert (desk.root / "results/verdicts.csv").is_file()


@pytest.mark.acceptance
def test_retraining(tmp_path: Path, store: tuple[ObjectStore, Path]) -> None:
    server, buckets = store
    (buckets / "my-bucket").mkdir(exist_ok=True)
    desk = Desk(tmp_path / "here")
    desk.variables |= server.environment
    (desk.root / ".venv").symlink_to(sys.prefix)
    delivered(desk.root / "my-images", num_images=30, classes=TWO)
    batch = buckets / "line-3/2026-06-02"

    def another_material(desk: Desk) -> None:
        folder = delivered(tmp_path / "ceramic", seed=12, num_images=24, classes=TWO, materials=["ceramic"])
        desk.run(f"autonad ingest --source {folder} --dataset data/current --batch tuesday")
        desk.run("dvc add data/current")
        desk.run("dvc repro decide")

    def go_back(desk: Desk) -> None:
        desk.run("cd ../plant")

    with kubeflow_stub() as stub:
        reader = Reader(
            filled={
                "--host …": f"--host {stub.host}",
                "git clone … && cd …": "git clone . ../clone && cd ../clone",
                "EXPERIMENT": "$(dvc exp list --name-only | head -1)",
            },
            before={
                "dvc add": lambda desk: settings(desk.folder, tracking={"enabled": False}),
                "autonad ingest": lambda desk: delivered(batch, seed=11, num_images=12, classes=TWO),
                "git checkout HEAD": another_material,
                "dvc exp run": go_back,
            },
        )
        reader.follow(runnable("docs/retraining.md"), desk)


@pytest.mark.acceptance
def test_tutorial(tutorial: Path, tmp_path: Path) -> None:
    desk = Desk(tmp_path / "here")
    copied(tutorial, desk)
    mt(desk.root / "data/published/mt", groups=4)
    delivered(desk.root / "my-images", num_images=24, classes=TWO)
    Reader(ports={"mlflow ui": 5000}).follow(tutorial_commands()[CHAIN:], desk)


@pytest.mark.acceptance
def test_thresholds(tutorial: Path, tmp_path: Path) -> None:
    desk = Desk(tmp_path / "here")
    copied(tutorial, desk)
    desk.run("mv data/neu data/mine && cp -r data/mine/images images && rm -r runs/rules runs/export")
    Reader().follow(runnable("docs/thresholds.md"), desk)


@pytest.mark.acceptance
def test_supernet(tutorial: Path, tmp_path: Path) -> None:
    desk = Desk(tmp_path / "here")
    copied(tutorial, desk)
    Reader().follow(runnable("docs/supernet.md"), desk)


@pytest.mark.acceptance
def test_data(tmp_path: Path) -> None:
    desk = Desk(tmp_path / "here")
    settings(desk.root)
    delivered(desk.root / "my-images", num_images=24, classes=ONE)
    delivered(desk.root / "new-batch", seed=2, num_images=6, classes=ONE)
    Reader().follow(runnable("docs/data.md"), desk)


@pytest.mark.acceptance
def test_targets(tmp_path: Path) -> None:
    desk = Desk(tmp_path / "here")
    settings(desk.root, tracking={"enabled": False})
    Reader().follow(runnable("docs/targets.md"), desk)


@pytest.mark.acceptance
def test_detect(tmp_path: Path, store: tuple[ObjectStore, Path]) -> None:
    server, buckets = store
    (buckets / "line-3").mkdir(exist_ok=True)
    desk = Desk(tmp_path / "here")
    desk.variables |= server.environment
    settings(desk.root, tracking={"enabled": False})
    export_dark(desk.root / "model.onnx")
    rng = np.random.default_rng(1)
    for number in range(12):
        row, column = rng.integers(4, 40, 2).tolist()
        picture = surface((row, column, row + 12, column + 9 + number))
        picture += rng.integers(0, 9, picture.shape, dtype=np.uint8)
        folder = "images" if number < 6 else "first/images"
        save(desk.root / f"{folder}/{number}.png", picture)
        if number >= 6:
            save(
                desk.root / f"first/masks/{number}.png", 255 * (picture[..., 0] <= DARK + 9).astype(np.uint8)
            )
    shutil.copy(desk.root / "images/0.png", desk.root / "part.png")
    desk.run("autonad import-data --format masks --source first --classes crack --output data/current")
    Reader(ports={"autonad serve": 8080}, said={"curl --form image": '"verdict"'}).follow(
        runnable("docs/detect.md"), desk
    )


def repository(desk: Desk, remote: str, dataset: Path, target: str) -> None:
    """A project with a dataset of DVC, a remote and a target."""
    desk.run("git init -q && dvc init -q && mkdir data targets")
    shutil.copytree(dataset, desk.root / "data/current")
    desk.run(f"dvc remote add -q -d store {remote} && dvc add -q data/current")
    desk.run(f"autonad describe-target --output targets/{target}.json && git add -A && git commit -qm first")


def own_store(desk: Desk, server: ObjectStore) -> None:
    """Let DVC find the remote's store, as a person does for one machine alone."""
    local = f"['remote \"store\"']\n    endpointurl = {server.endpoint}\n"
    (desk.root / ".dvc/config.local").write_text(local)


@pytest.fixture(scope="module")
def dataset(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Generated parts as a dataset."""
    output = tmp_path_factory.mktemp("dataset") / "parts"
    return generated(output, num_images=30, classes=TWO)


@pytest.mark.acceptance
def test_storage(tmp_path: Path, store: tuple[ObjectStore, Path], dataset: Path) -> None:
    server, buckets = store
    (buckets / "my-bucket").mkdir(exist_ok=True)
    delivered(buckets / "line-3/2026-06-02", seed=21, num_images=6, classes=TWO)
    desk = Desk(tmp_path / "here")
    desk.variables |= server.environment
    settings(desk.root, tracking={"enabled": False})
    repository(desk, "s3://elsewhere", dataset, "line")
    desk.run("dvc remote remove store")
    # The store of the page is not ours: what a person sets for this machine alone comes before it.
    own_store(desk, server)
    Reader(said={"dvc push": "pushed"}).follow(runnable("docs/storage.md"), desk)


@pytest.mark.acceptance
def test_kubeflow(tmp_path: Path, store: tuple[ObjectStore, Path], dataset: Path) -> None:
    server, buckets = store
    (buckets / "versions").mkdir(exist_ok=True)
    desk = Desk(tmp_path / "here")
    desk.variables |= server.environment
    settings(desk.root)
    repository(desk, "s3://versions/autonad", dataset, "line")
    own_store(desk, server)
    desk.run("dvc push -q")
    with kubeflow_stub() as stub:
        filled = {
            "https://kubeflow.example.com/pipeline": stub.host,
            "REGISTRY/autonad@sha256:…": f"registry.example.com/autonad@sha256:{'0' * 64}",
            "--host …": f"--host {stub.host}",
            "RUN_ID": "run-1",
        }
        Reader(filled=filled, said={"autonad pipeline wait": "(?i)succeeded"}).follow(
            runnable("docs/kubeflow.md"), desk
        )
        assert stub.sent("POST", "/runs")
        assert stub.sent("POST", "/recurringruns")


@pytest.fixture(scope="module")
def registry(tutorial: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """After the tutorial: executions of two days, and a registered detector of the line."""
    desk = Desk(tmp_path_factory.mktemp("registry") / "here")
    copied(tutorial, desk)
    desk.run("cp -r data/neu data/steel && autonad describe-target --output targets/line-3.json")
    for day in ("monday", "tuesday"):
        again = "--dataset data/steel --model runs/model --search runs/search --latency runs/latency"
        desk.run(f"autonad evaluate {again} --output runs/{day} --execution {day}")
    desk.run(f"autonad register {REGISTERED} --execution tuesday --output runs/registration")
    return desk.root


@pytest.mark.acceptance
def test_mlflow(registry: Path, tmp_path: Path) -> None:
    desk = Desk(tmp_path / "here")
    copied(registry, desk)
    some = next(path for path in (desk.root / "data/steel/images").rglob("*.*") if path.is_file())
    Image.open(some).save(desk.root / "part.png")
    Reader(
        ports={"mlflow models serve": 5001},
        said={
            "curl -H": '"verdict": "(OK|REVIEW|NG)"',
            "autonad compare monday tuesday": "tuesday",
            "autonad compare --last 3": "neu-1",
        },
    ).follow(runnable("docs/mlflow.md"), desk)


@pytest.mark.acceptance
def test_red_flags(registry: Path, tmp_path: Path) -> None:
    desk = Desk(tmp_path / "here")
    copied(registry, desk)
    Reader(filled={"register …": f"register {REGISTERED} --output runs/again"}).follow(
        runnable("docs/red-flags.md"), desk
    )
