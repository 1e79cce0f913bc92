"""The form of a pipeline: what is forgiven, and what is refused before anything runs."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from autonad.config import Config, parse_config
from autonad.config.context import Context
from autonad.errors import AutonadError, ConfigError, LatencyError, StorageError, TrackingError
from autonad.latency.measured import FORMAT, Measured, Row
from autonad.latency.pieces import piece_groups
from autonad.latency.quality import Quality
from autonad.latency.target import Target
from autonad.space import SearchSpace
from autonad.steps import SECRET_KEYS
from autonad.steps.configure import Form, PipelineInput, configure
from autonad.steps.profile_latency import subject_of

TINY = "tracking: {enabled: false}\ninput: {height: 48, width: 48}\nprofile_latency: {networks: 4}\n"
EMPTY = Form(
    repository="generated",
    revision="",
    path="",
    target="here",
    latency="",
    latency_budget_ms=0.0,
    latency_budgets_ms=[],
    preset="tiny",
    force="none",
    settings=TINY,
    checkpoints="",
    resources={},
    secret="none",
    mlflow_uri="",
    experiment="",
)


@pytest.fixture
def entered(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., PipelineInput]:
    """Checks the form with some of its fields filled in otherwise."""
    for key in SECRET_KEYS:
        monkeypatch.delenv(key, raising=False)

    def enter(**fields: Any) -> PipelineInput:
        return configure(Context(Config()), Form(**{**vars(EMPTY), **fields}), tmp_path / "measured")

    return enter


def refused(enter: Callable[..., PipelineInput], kind: type[AutonadError], **fields: Any) -> str:
    """What is said about a mistake: one line."""
    with pytest.raises(kind) as caught:
        enter(**fields)
    assert "\n" not in str(caught.value)
    return str(caught.value)


# -- what is forgiven ----------------------------------------------------------------------------------------


def test_an_empty_form_is_the_configuration_of_its_settings(entered: Callable[..., PipelineInput]) -> None:
    found = entered(preset="")
    named = found.config.tracking.model_copy(update={"dataset": None})

    assert found.config.model_copy(update={"tracking": named}) == parse_config(TINY, source="test")
    assert (found.config.tracking.dataset, found.version.location) == ("generated", "generated")
    assert found.decides


@pytest.mark.parametrize(
    ("preset", "force", "target"), [("Tiny", "Search", " Here "), (" TINY ", " TRAIN", "HERE")]
)
def test_case_and_blanks_are_forgiven(
    preset: str, force: str, target: str, entered: Callable[..., PipelineInput]
) -> None:
    found = entered(
        preset=preset, force=force, target=target, repository=" Generated", secret="None ", latency=" "
    )

    assert found.config.space.preset == "tiny"
    assert found.config.decide.force == force.strip().lower()
    assert found.target.name == "here"


@pytest.mark.parametrize(("force", "decides"), [("none", True), ("", True), ("None", True), ("reuse", False)])
def test_nothing_is_forced_by_default_and_reusing_decides_nothing(
    force: str, decides: bool, entered: Callable[..., PipelineInput]
) -> None:
    found = entered(force=force)

    assert found.config.decide.force == "none"
    assert found.decides == decides


def test_the_forms_fields_have_the_last_word(entered: Callable[..., PipelineInput]) -> None:
    text = TINY + "search: {latency_budget_ms: 9, finalists: 2}\nspace: {preset: small}\n"
    found = entered(settings=text, latency_budget_ms=4.5)
    kept = entered(settings=text, preset="", latency_budget_ms=0.0)

    assert (found.config.search.latency_budget_ms, found.config.space.preset) == (4.5, "tiny")
    assert found.config.search.finalists == 2
    assert (kept.config.search.latency_budget_ms, kept.config.space.preset) == (9.0, "small")


def test_several_budgets_are_a_list(entered: Callable[..., PipelineInput]) -> None:
    several = entered(latency_budgets_ms=[1.0, 3.0])
    one = entered(latency_budgets_ms=[3.0])
    text = TINY + "search: {latency_budget_ms: [2, 4]}\n"

    assert several.config.search.budgets_ms == (1.0, 3.0)
    assert one.config == entered(latency_budget_ms=3.0).config
    assert entered(settings=text).config.search.budgets_ms == (2.0, 4.0)
    assert entered(settings=text, latency_budgets_ms=[1.0, 3.0]).config.search.budgets_ms == (1.0, 3.0)
    many = [float(number) for number in range(1, 60)]
    assert entered(latency_budgets_ms=many).config.search.budgets_ms == tuple(many)


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        (
            {"latency_budget_ms": 2.0, "latency_budgets_ms": [1.0, 3.0]},
            "fill in the first for one detector, or",
        ),
        ({"latency_budgets_ms": [1.0, 1.0]}, "names a budget twice"),
        ({"latency_budgets_ms": [1.0, -3.0]}, "search.latency_budget_ms"),
        ({"latency_budgets_ms": ["fast"]}, "search.latency_budget_ms"),
    ],
)
def test_budgets_that_make_no_sense_are_refused(
    fields: dict[str, Any], message: str, entered: Callable[..., PipelineInput]
) -> None:
    assert message in refused(entered, ConfigError, **fields)


def test_the_settings_may_name_the_dataset(entered: Callable[..., PipelineInput]) -> None:
    found = entered(settings="tracking: {enabled: false, dataset: castings}")

    assert (found.version.name, found.config.tracking.dataset) == ("castings", "castings")


# -- the target ----------------------------------------------------------------------------------------------


def test_here_uses_no_more_cores_than_later_tasks_may(entered: Callable[..., PipelineInput]) -> None:
    found = entered(resources={"cpu": "500m", "cpu_limit": 1.0})

    assert (found.target.threads, found.target.cores) == (1, 1)
    assert found.resources.cpu_limit == "1"


def test_here_is_not_the_node_that_a_selector_names(entered: Callable[..., PipelineInput]) -> None:
    said = refused(entered, ConfigError, resources={"node_selector": {"device": "edge"}})

    assert "resources.node_selector" in said
    assert "autonad describe-target" in said


def test_a_target_is_a_text_or_a_name(entered: Callable[..., PipelineInput], tmp_path: Path) -> None:
    described = Target.describe("line-3", threads=1)
    text = f"\n {described.model_dump_json()} \n"
    assert entered(target=text, resources={"node_selector": {"device": "edge"}}).target == described

    described.save(tmp_path / "line/targets/line-3.json")
    (tmp_path / "line/parts").mkdir()
    (tmp_path / "line/parts/manifest.parquet").write_text("")
    place = {"repository": str(tmp_path / "line"), "path": "parts"}
    assert entered(target=" Line-3", **place).target == described
    assert "but line-3" in refused(entered, AutonadError, target="line-4", **place)
    assert "is a name" in refused(entered, AutonadError, target="line-3")
    assert refused(entered, AutonadError, target='{"name": 3')


# -- what is missing -----------------------------------------------------------------------------------------


def test_a_secret_that_gives_nothing_is_named(
    entered: Callable[..., PipelineInput], monkeypatch: pytest.MonkeyPatch
) -> None:
    said = refused(entered, ConfigError, secret="autonda")

    assert "Secret 'autonda' is not in this namespace" in said
    assert "secrets.template.yaml" in said
    assert "'none'" in said
    monkeypatch.setenv("MLFLOW_TRACKING_USERNAME", "line")
    assert entered(secret="autonad").decides


def test_mlflow_must_answer(entered: Callable[..., PipelineInput], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    said = refused(entered, TrackingError, settings="", mlflow_uri="http://127.0.0.1:9")

    assert "http://127.0.0.1:9 cannot be used" in said


def test_checkpoints_must_have_a_place(entered: Callable[..., PipelineInput], tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    said = refused(entered, StorageError, checkpoints=f"{tmp_path}/file/copies")

    assert "checkpoints cannot be written" in said
    assert entered(checkpoints=str(tmp_path / "copies")).decides
    assert list(tmp_path.glob("copies/*")) == []


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"preset": "huge"}, "there is no search space preset 'huge'; use one of"),
        ({"force": "retrain"}, "decide.force is 'retrain'"),
        ({"latency_budget_ms": -1.0}, "search.latency_budget_ms is -1.0"),
        ({"resources": {"cpus": 4}}, "resources: cpus is no known key: did you mean cpu?"),
        ({"settings": "serach: {}"}, "the form's settings: serach is no known key: did you mean search?"),
        ({"settings": "train_supernet: epochs=3"}, "the form's settings: "),
        ({"settings": "a: ["}, "the form's settings cannot be read as YAML"),
        ({"settings": "60"}, "the form's settings holds a int"),
    ],
)
def test_mistakes_are_named_with_the_field_of_the_form(
    fields: dict[str, Any], message: str, entered: Callable[..., PipelineInput]
) -> None:
    assert message in refused(entered, ConfigError, **fields)


# -- what a device measured ----------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def device() -> Target:
    """A device that is none of this machine's kind."""
    return Target.describe("line-3", threads=1).model_copy(
        update={"cpu": "Cortex-A78AE", "architecture": "aarch64"}
    )


def measured_on(device: Target, folder: Path, text: str = TINY) -> Path:
    """What a device returns that measured the tiny space: every cost is a millisecond."""
    config = parse_config(text, ("space.preset=tiny",), source="test")
    subject = subject_of(config, 4)
    groups = piece_groups(SearchSpace.preset("tiny"), 4, config.input.size)
    figures = {"ms": 1.0, "n": 5, "spread": 0.01, "stderr": 0.001}
    rows = tuple(Row(**{**row, **figures}) for group in groups for piece in group for row in piece.rows)
    quality = Quality(
        threads=1,
        cores=4.0,
        load_before=None,
        load=None,
        throttled=None,
        disagreement=None,
        drift=0.0,
        error=None,
        rank_correlation=None,
        attempts=1,
        faults=(),
    )
    Measured(
        format=FORMAT,
        subject=subject,
        kit="0123456789ab",
        target=device,
        measured_on=None,
        overhead_ms=0.0,
        rows=rows,
        networks=(),
        quality=quality,
    ).save(folder)
    return folder


def test_a_devices_measurements_say_which_device_is_the_target(
    entered: Callable[..., PipelineInput], device: Target, tmp_path: Path
) -> None:
    folder = measured_on(device, tmp_path / "returned")

    for target in ("here", "", device.model_dump_json()):
        found = entered(latency=str(folder), target=target)
        assert found.target == device
        assert json.loads((tmp_path / "measured/measured.json").read_text())["kit"] == "0123456789ab"
        for file in (tmp_path / "measured").iterdir():
            file.unlink()
        (tmp_path / "measured").rmdir()


def test_measurements_of_another_device_space_or_input_are_refused(
    entered: Callable[..., PipelineInput], device: Target, tmp_path: Path
) -> None:
    folder = measured_on(device, tmp_path / "returned")
    other = device.model_copy(update={"cpu": "Cortex-A53"}).model_dump_json()
    cases: tuple[tuple[dict[str, Any], str], ...] = (
        ({"target": other}, "cpu is Cortex-A78AE, not Cortex-A53"),
        ({"preset": "small"}, "search space"),
        ({"settings": TINY.replace("48", "64")}, "is of input size 48x48"),
    )
    for number, (fields, message) in enumerate(cases):
        with pytest.raises(LatencyError) as caught:
            configure(
                Context(Config()),
                Form(**{**vars(EMPTY), "latency": str(folder), **fields}),
                tmp_path / f"brought-{number}",
            )
        assert message in str(caught.value)


def test_measurements_that_are_damaged_or_not_there_are_refused(
    entered: Callable[..., PipelineInput], device: Target, tmp_path: Path
) -> None:
    assert "nowhere" in refused(entered, AutonadError, latency=str(tmp_path / "nowhere"))
    folder = measured_on(device, tmp_path / "returned")
    content = json.loads((folder / "measured.json").read_text())
    content["rows"] = content["rows"][:-2]
    (folder / "measured.json").write_text(json.dumps(content))
    assert "lacks 2 of the space's" in refused(entered, LatencyError, latency=str(folder))
