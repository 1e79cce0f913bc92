"""From a folder of images and masks to a detector in one call, however often it is interrupted."""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from autonad.config import Config, load_config
from autonad.config.context import Context
from autonad.console import Console
from autonad.errors import ConfigError, SearchError
from autonad.steps.own_data import OwnDataResult, run_own_data

pytestmark = [pytest.mark.acceptance, pytest.mark.timeout(1200)]

TINY = [
    "threads=1",
    "tracking.enabled=false",
    "input.height=32",
    "input.width=32",
    "space.preset=tiny",
    "train_supernet.epochs=3",
    "train_supernet.panel=1",
    "train_supernet.validate_every=2",
    "profile_latency.warmup=0",
    "profile_latency.repeats=3",
    "profile_latency.networks=4",
    "profile_latency.accept_noise=true",
    "search.population=4",
    "search.generations=3",
    "search.top_k=2",
    "search.finalists=2",
    "search.finalist_epochs=2",
    "retrain.epochs=3",
    "evaluate.resamples=100",
    "evaluate.panels=2",
    "export.int8=false",
    "export.parity_images=2",
]
# What a run ends with, byte for byte.
RESULTS = (
    "dataset/manifest.parquet",
    "train-supernet/supernet.safetensors",
    "search/architecture.json",
    "search/inherited.safetensors",
    "retrain/model.safetensors",
    "evaluate/metrics.json",
    "evaluate/per_image.parquet",
    "fit-thresholds/rules.yaml",
    "fit-thresholds/operating.json",
)
# In the middle of each step that takes long; a part of the line that is on the screen then.
MOMENTS = (
    "images read",
    "2/3 epochs: loss",
    "evaluations: generation 1",
    "0/0 finalist ",
    "1/3 epochs: loss",
    "/[0-9]+ images$",
)


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Twenty images, bright squares on noise, masks of 0 and 255."""
    folder = tmp_path_factory.mktemp("own") / "mydata"
    rng = np.random.default_rng(1)
    for name in ("images", "masks"):
        (folder / name).mkdir(parents=True)
    for number in range(20):
        image = rng.integers(0, 120, (32, 32, 3), dtype=np.uint8)
        mask = np.zeros((32, 32), dtype=np.uint8)
        row, column = rng.integers(0, 20, 2)
        mask[row : row + 10, column : column + 10] = 255
        image[mask > 0] += 100
        Image.fromarray(image).save(folder / f"images/{number:02}.png")
        Image.fromarray(mask).save(folder / f"masks/{number:02}.png")
    return folder


@pytest.fixture(scope="module")
def config() -> Config:
    return load_config(None, TINY)


@pytest.fixture(scope="module")
def undisturbed(source: Path, config: Config, tmp_path_factory: pytest.TempPathFactory) -> Path:
    output = tmp_path_factory.mktemp("runs") / "undisturbed"
    run_own_data(Context(config), source=source, output=output)
    return output


Again = Callable[..., tuple[OwnDataResult, list[str]]]


@pytest.fixture
def again(undisturbed: Path, source: Path, tmp_path: Path) -> Again:
    """Calls a run on a copy of the finished one."""
    output = tmp_path / "undisturbed"
    shutil.copytree(undisturbed, output)

    def call(config: Config, folder: Path = source) -> tuple[OwnDataResult, list[str]]:
        said: list[str] = []
        found = run_own_data(Context(config, console=Console(said.append)), source=folder, output=output)
        return found, [
            line[3:].split(":")[0] for line in said if line.startswith("── ") and "before" not in line
        ]

    return call


def test_interrupted_at_six_moments_it_ends_as_undisturbed(
    undisturbed: Path, source: Path, config: Config, tmp_path: Path
) -> None:
    output = tmp_path / "cut"
    # Latency is measured and never twice the same: the table of the other run is known here.
    output.mkdir()
    record = json.loads((undisturbed / "run.json").read_text())
    steps = {"profile-latency": record["steps"]["profile-latency"]}
    (output / "run.json").write_text(json.dumps({"what": record["what"], "steps": steps, "kept": {}}))
    shutil.copytree(undisturbed / "profile-latency", output / "profile-latency")
    done: list[str] = []
    left: list[str] = []
    for moment in MOMENTS:

        def interrupt(line: str, moment: str = moment) -> None:
            left.extend([line] if line.startswith("0/0 left") else [])
            if re.search(moment, line) and len(done) == MOMENTS.index(moment):
                done.append(moment)
                raise KeyboardInterrupt

        console = Console(
            lambda line: interrupt(f"0/0 {line}"), lambda now, total, text: interrupt(f"{now}/{total} {text}")
        )
        with pytest.raises(KeyboardInterrupt):
            run_own_data(Context(config, console=console), source=source, output=output)
    found = run_own_data(Context(config), source=source, output=output)

    assert tuple(done) == MOMENTS
    # What each run that went on had to do next.
    assert [line.split(": ")[1].split()[0] for line in left] == [
        "supernet",
        "search",
        "finalists",
        "retraining",
    ]
    assert {name: (output / name).read_bytes() == (undisturbed / name).read_bytes() for name in RESULTS} == (
        dict.fromkeys(RESULTS, True)
    )
    assert [one.model.is_file() and one.report.is_file() for one in found.detectors] == [True]


def test_what_has_finished_is_not_repeated(again: Again, config: Config) -> None:
    found, repeated = again(config)
    assert repeated == []
    assert found.detectors[0].model.is_file()


def test_what_makes_results_doubtful_is_said_by_a_run_that_repeats_nothing(
    undisturbed: Path, source: Path, config: Config, tmp_path: Path
) -> None:
    output = tmp_path / "undisturbed"
    shutil.copytree(undisturbed, output)
    said: list[str] = []
    context = Context(config, console=Console(said.append))
    run_own_data(context, source=source, output=output)

    steps = json.loads((output / "run.json").read_text())["steps"]
    assert sorted(context.red_flags) == sorted(line for step in steps.values() for line in step["red_flags"])
    assert any("the test images show" in line for line in context.red_flags), "few parts"
    assert set(context.red_flags) <= set(said)
    assert "left     nothing: all steps have finished" in said


def test_another_setting_repeats_its_step_and_those_after_it(again: Again, config: Config) -> None:
    longer = config.model_copy(update={"retrain": config.retrain.model_copy(update={"epochs": 4})})
    # The time that steps take is found anew, as it depends on how they are trained.
    assert again(longer)[1] == [
        "timing a few steps, for about half a minute",
        "retrain",
        "evaluate",
        "fit-thresholds",
        "export",
    ]


def test_each_latency_budget_gets_a_detector(again: Again, config: Config) -> None:
    search = config.search.model_copy(update={"latency_budget_ms": (200.0, 400.0)})
    found, repeated = again(config.model_copy(update={"search": search}))

    names = [one.name for one in found.detectors]
    assert names == ["this-machine-200ms", "this-machine-400ms"]
    assert len({one.model for one in found.detectors if one.model.is_file()}) == 2
    assert len({one.report for one in found.detectors if one.report.is_file()}) == 2
    assert repeated[0] == "search"
    assert [line for line in repeated if line.startswith("export")] == [f"export {name}" for name in names]


@pytest.mark.parametrize(
    ("limit", "word"),
    [
        ({"latency_budget_ms": (0.0001, 400.0)}, "search.latency_budget_ms = 0.0001 cannot be kept"),
        ({"max_parameters": 10}, "no network keeps search.max_parameters = 10"),
        ({"max_memory_mib": 0.001}, "no network keeps search.max_memory_mib = 0.001"),
    ],
)
def test_limits_that_nothing_keeps_are_found_before_anything_is_trained(
    again: Again, undisturbed: Path, config: Config, tmp_path: Path, limit: dict[str, Any], word: str
) -> None:
    search = config.search.model_copy(update=limit)
    with pytest.raises(SearchError, match=word):
        again(config.model_copy(update={"search": search, "seed": 9}))  # With it all would be trained anew.
    weights = "train-supernet/supernet.safetensors"
    assert (tmp_path / "undisturbed" / weights).read_bytes() == (undisturbed / weights).read_bytes()


def test_touched_files_of_the_same_content_train_nothing(again: Again, config: Config, source: Path) -> None:
    for path in (source / "images").iterdir():
        path.touch()
    assert again(config)[1] == ["import-data"]


def test_other_images_are_another_run(again: Again, config: Config, source: Path, tmp_path: Path) -> None:
    other = tmp_path / "elsewhere"
    shutil.copytree(source, other)
    with pytest.raises(ConfigError, match="choose another --output"):
        again(config, other)


@pytest.mark.parametrize(("output", "word"), [("mydata/runs", "lies in the source"), ("mydata", "lies in")])
def test_the_output_is_no_part_of_the_source(source: Path, config: Config, output: str, word: str) -> None:
    with pytest.raises(ConfigError, match=word):
        run_own_data(Context(config), source=source, output=source.parent / output)


def test_a_source_that_is_not_there_is_said(config: Config, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="--source"):
        run_own_data(Context(config), source=tmp_path / "nowhere", output=tmp_path / "run")
    assert not (tmp_path / "run").exists()


def test_too_few_minutes_are_refused_before_anything_is_trained(
    again: Again, source: Path, config: Config, tmp_path: Path
) -> None:
    output = tmp_path / "hasty"
    with pytest.raises(ConfigError, match="too little"):
        run_own_data(Context(config), source=source, output=output, minutes=0.1)
    assert {path.name for path in output.iterdir()} == {"run.json", "dataset"}


def test_the_demo_is_the_same_chain_and_goes_on_likewise(tmp_path: Path) -> None:
    from autonad.steps.demo import demo, demo_config

    budgets = "search.latency_budget_ms=[200, 400]"
    settings = demo_config((*TINY, budgets, "synthesize.num_images=24", "synthesize.image_side=32"))
    output = tmp_path / "demo"

    def interrupt(done: int, total: int, text: str) -> None:
        if "loss" in text:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        demo(Context(settings, console=Console(advance=interrupt)), output=output)
    said: list[str] = []
    found = demo(Context(settings, console=Console(said.append)), output=output)

    assert said[0].startswith("── synthesize: done before")
    names = [one.name for one in found.detectors]
    assert names == ["this-machine-200ms", "this-machine-400ms"]
    assert list(found.seconds)[-2:] == [f"register {name}" for name in names]
    assert all(one.model.is_file() for one in found.detectors)
    assert all(one.evaluation.with_name("register").is_dir() for one in found.detectors)
    assert (found.execution or "").startswith("demo-")
