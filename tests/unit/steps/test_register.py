"""Registering detectors in a real store: who gets the alias, and what happens when somebody meddles."""

from __future__ import annotations

import json
import shutil
import sys
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from toy_candidates import drawn

from autonad import steps
from autonad.config import Config, load_config
from autonad.config.context import Context
from autonad.errors import AutonadError, ConfigError, ExportError, TrackingError
from autonad.evaluation.candidates import candidates_file
from autonad.files import sha256_file, write_json
from autonad.steps.register import RegisterResult

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")


@dataclass(frozen=True)
class Shop:
    """A dataset and two detectors for it."""

    root: Path

    @property
    def dataset(self) -> Path:
        return self.root / "steel"


def make_export(folder: Path, dataset: Path, weights: str, target_ms: float = 4.0) -> None:
    """An exported detector: a good one finds no defect anywhere, a poor one finds nothing but defects."""
    from autonad.data.dataset import Dataset
    from autonad.deploy.export import export_onnx
    from autonad.network import AutoNADNet
    from autonad.space import SearchSpace
    from autonad.training.inputs import detector_spec

    source = Dataset.open(dataset)
    spec = detector_spec(source, load_config(None, ["input.height=32", "input.width=32"]).input)
    torch.manual_seed(1)
    network = AutoNADNet(SearchSpace.preset("tiny").sample(np.random.default_rng(1)), spec.num_classes).eval()
    with torch.no_grad():
        network.classify.weight.zero_()
        network.classify.bias.copy_(torch.tensor([5.0, 0.0] if weights == "good" else [0.0, 5.0]))
    folder.mkdir(parents=True)
    provenance = {
        "weights_sha256": weights,
        "target": "line-3",
        "hardware_key": "0123456789ab",
        "target_ms": target_ms,
    }
    export_onnx(network, spec, folder / "model.onnx", provenance)
    write_json(folder / "latency.json", {"model.onnx": {"median_ms": 99.0, "hardware_key": "ffffffffffff"}})
    (folder / "model.int8.onnx").write_bytes(weights.encode())
    int8 = {"kept": True, "sha256": sha256_file(folder / "model.int8.onnx")}
    fp16 = {"kept": False, "reason": "loses too much"}
    write_json(folder / "parity.json", {"model.onnx": {}, "model.int8.onnx": int8, "model.fp16.onnx": fp16})
    (folder / "MODEL_CARD.md").write_text("# Defect detector\n")
    metrics = {
        "parameters": {"weights_sha256": weights, "dataset": source.fingerprint},
        "classes": ["background", "crack"],
        "input": {"miou": 0.5, "mf1": 0.6, "classes": {"background": {"iou": 0.9}, "crack": {"iou": 0.1}}},
        "intervals": {"input": {"miou": {"low": 0.4, "high": 0.61234567}}},
        "image_level": {"misses": {"count": 2, "of": 10, "rate": 0.2}},
    }
    write_json(folder / "evaluation" / "metrics.json", metrics)


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Shop:
    root = tmp_path_factory.mktemp("shop")
    config = load_config(
        None,
        [
            "tracking.enabled=false",
            "synthesize.num_images=100",
            "synthesize.image_side=32",
            "synthesize.classes=[crack]",
        ],
    )
    steps.synthesize(Context(config), output=root / "steel")
    for weights in ("poor", "good"):
        make_export(root / weights, root / "steel", weights)
    return Shop(root)


@pytest.fixture
def config(new_store: Callable[..., str], monkeypatch: pytest.MonkeyPatch) -> Config:
    monkeypatch.delenv("MLFLOW_RUN_ID", raising=False)
    return load_config(None, [f"tracking.uri={new_store()}", "register.resamples=200", "threads=1"])


Register = Callable[..., RegisterResult]


@pytest.fixture
def register(shop: Shop, config: Config, tmp_path: Path) -> Register:
    def run(which: str | Path, *, config: Config = config, output: str = "registration") -> RegisterResult:
        export = shop.root / which
        return steps.register(
            Context(config),
            export=export,
            evaluation=export / "evaluation",
            dataset=shop.dataset,
            output=tmp_path / output,
        )

    return run


def client(config: Config) -> Any:
    from autonad.tracking.connection import MlflowClient

    return MlflowClient(config.tracking.uri)


def with_(config: Config, **changes: Any) -> Config:
    return config.model_copy(update=changes)


NAME = "autonad-steel-line-3"


def test_the_first_version_is_put_in_use_and_a_better_one_takes_over(
    register: Register, config: Config, tmp_path: Path, shop: Shop
) -> None:
    first = register("poor")
    assert (first.model, first.version, first.champion) == (NAME, 1, True)
    second = register("good")
    assert (second.version, second.champion) == (2, True)
    model = client(config).get_registered_model(NAME)
    assert {alias: int(number) for alias, number in model.aliases.items()} == {"champion": 2, "previous": 1}
    told = json.loads((tmp_path / "registration/registration.json").read_text())
    assert told["compared_with"] == 1
    assert told["comparison"]["sets"]["all"]["probability"] > 0.95
    assert told["comparison"]["sets"]["all"]["images"] == told["comparison"]["sets"]["own"]["images"] > 5
    version = client(config).get_model_version(NAME, "2")
    assert version.description.startswith("In use against version 1.")
    assert version.tags["autonad.onnx_sha256"] == sha256_file(shop.root / "good/model.onnx")
    run = client(config).get_run(version.run_id)
    assert run.data.tags["autonad.stage"] == "register"
    assert run.data.metrics["register/p_better"] > 0.95


def test_a_version_says_what_its_rules_do(
    register: Register, config: Config, tmp_path: Path, shop: Shop
) -> None:
    shutil.copytree(shop.root / "good", tmp_path / "judged")
    found = drawn(0, clean=40, defective=20)
    value, truth = (np.ones_like(values) for values in (found.value, found.defect_class))
    found = replace(found, classes=("background", "crack"), value=value, defect_class=truth)
    found.save(candidates_file(tmp_path / "judged/evaluation", "test"))
    register(tmp_path / "judged")

    told = json.loads((tmp_path / "registration/registration.json").read_text())
    version = client(config).get_model_version(NAME, "1")
    misses = told["line"]["misses"]
    assert told["rules"]["classes"].keys() == {"crack"}
    assert (told["line"]["images"], misses["of"]) == (60, 20)
    assert version.tags["autonad.line.misses"].startswith(f"{misses['count']} of 20 (")
    assert f"missed (not NG) {version.tags['autonad.line.misses']}" in version.description


def test_a_worse_one_is_refused_with_the_reason(register: Register, config: Config, tmp_path: Path) -> None:
    register("good")
    found = register("poor")
    assert (found.version, found.champion) == (2, False)
    assert int(client(config).get_registered_model(NAME).aliases["champion"]) == 1
    description = client(config).get_model_version(NAME, "2").description
    assert description.startswith("Refused against version 1: not in use.")
    assert "better with probability 0.000, but 0.95 is needed" in description


def test_the_same_file_again_adds_nothing(register: Register, config: Config) -> None:
    assert register("good").champion
    again = register("good")
    assert (again.version, again.champion) == (1, True)
    assert "champion already" in again.reasons[0]
    assert len(client(config).search_model_versions(f"name = '{NAME}'")) == 1


def test_the_version_can_be_loaded_by_mlflow_and_is_the_exported_file(
    register: Register, config: Config, shop: Shop, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import mlflow

    register("good")
    version = client(config).get_model_version(NAME, "1")
    folder = Path(
        mlflow.artifacts.download_artifacts(
            artifact_uri=version.source, dst_path=str(tmp_path / "got"), tracking_uri=config.tracking.uri
        )
    )
    names = {path.name for path in folder.iterdir()}
    assert (folder / "model.int8.onnx").read_bytes() == b"good"
    assert {"MLmodel", "model.onnx", "MODEL_CARD.md", "architecture.json", "input_example.json"} <= names
    assert sha256_file(folder / "model.onnx") == sha256_file(shop.root / "good/model.onnx")
    info = mlflow.models.get_model_info(str(folder))
    assert info.signature.inputs.input_names() == ["image"]
    monkeypatch.setattr(sys, "path", [*sys.path])  # MLflow puts the model's code before ours
    loaded = mlflow.pyfunc.load_model(str(folder))
    (answer,) = loaded.predict(loaded.input_example)
    assert (answer["verdict"], answer["defects"]) == ("OK", [])


def test_a_smaller_file_of_another_export_stays_behind(
    register: Register, config: Config, shop: Shop, tmp_path: Path
) -> None:
    mixed = tmp_path / "mixed"
    shutil.copytree(shop.root / "good", mixed)
    shutil.copyfile(shop.root / "poor/model.int8.onnx", mixed / "model.int8.onnx")
    register(mixed)
    assert stored(config, "1", "model.onnx").is_file()
    assert not (stored(config, "1", "model.onnx").parent / "model.int8.onnx").exists()


def test_equal_inputs_give_equal_bytes(
    register: Register, config: Config, tmp_path: Path, new_store: Callable[..., str]
) -> None:
    register("poor", output="a")
    register("good", output="a")
    other = with_(config, tracking=config.tracking.model_copy(update={"uri": new_store("other.db")}))
    register("poor", config=other, output="b")
    register("good", config=other, output="b")
    assert (tmp_path / "a/registration.json").read_bytes() == (tmp_path / "b/registration.json").read_bytes()


def test_the_latency_budget_also_binds_the_first_version(register: Register, config: Config) -> None:
    tight = with_(config, search=config.search.model_copy(update={"latency_budget_ms": 3.0}))
    found = register("good", config=tight)
    assert not found.champion
    assert found.reasons[-1].startswith("4.00 ms on line-3 exceeds the budget of 3 ms")
    assert client(config).get_registered_model(f"{NAME}-3ms").aliases == {}


def evaluated(shop: Shop, folder: Path, misses: int, **flag: str) -> Path:
    """A copy of the good detector whose evaluation says that it misses some of ten, and has a red flag."""
    shutil.copytree(shop.root / "good", folder)
    path = folder / "evaluation/metrics.json"
    metrics = json.loads(path.read_text())
    metrics["image_level"]["misses"] |= {"count": misses, "rate": misses / 10}
    metrics["red_flags"] = (
        [{"severity": "error", "item": "search", "message": "chance", **flag}] if flag else []
    )
    write_json(path, metrics)
    return folder


def test_a_first_champion_below_the_minimum_is_refused_and_says_how_it_can_be_used(
    register: Register, config: Config, shop: Shop, tmp_path: Path
) -> None:
    poor = evaluated(shop, tmp_path / "poor", 6)
    found = register(poor)
    assert not found.champion
    assert found.reasons[0].startswith("it predicts a defect on 40.0 % of the 10 test images with one")
    assert f"`autonad rollback --name {NAME} --to 1`" in found.reasons[1]
    assert client(config).get_registered_model(NAME).aliases == {}
    description = client(config).get_model_version(NAME, "1").description
    assert "register.minimum asks for 50 %" in description

    lower = with_(config, register=config.register.model_copy(update={"minimum": 0.4}))
    assert register(poor, config=lower).champion


@pytest.mark.parametrize("champion", [False, True], ids=["first", "challenger"])
def test_what_has_a_red_flag_is_never_champion_unless_its_kind_is_accepted(
    register: Register, config: Config, shop: Shop, tmp_path: Path, champion: bool
) -> None:
    if champion:
        assert register("poor").champion
    bad = evaluated(shop, tmp_path / "bad", 0, kind="identical-scores")
    found = register(bad)
    assert (found.champion, found.reasons[0]) == (False, "search: chance")
    assert [flag.kind for flag in found.red_flags] == ["identical-scores"]
    number = str(found.version)
    assert (
        client(config).get_model_version(NAME, number).tags["autonad.red_flags"] == "red flag: search: chance"
    )
    told = json.loads((tmp_path / "registration/registration.json").read_text())
    assert told["red_flags"][0]["kind"] == "identical-scores"
    run = client(config).get_run(client(config).get_model_version(NAME, number).run_id)
    assert run.data.metrics["flags/errors"] == 1.0

    accepting = with_(config, register=config.register.model_copy(update={"accept": ("identical-scores",)}))
    assert register(bad, config=accepting).champion


def test_a_warning_is_told_and_refuses_nothing(
    register: Register, config: Config, shop: Shop, tmp_path: Path
) -> None:
    doubtful = evaluated(shop, tmp_path / "doubtful", 0, kind="short-front", severity="warning")
    assert register(doubtful).champion
    assert "- search: chance" in client(config).get_model_version(NAME, "1").description


def test_rules_that_find_nothing_are_no_champion(
    register: Register, config: Config, shop: Shop, tmp_path: Path
) -> None:
    blind = evaluated(shop, tmp_path / "blind", 0)
    found = drawn(0, clean=40, defective=20)
    value, truth = (np.ones_like(values) for values in (found.value, found.defect_class))
    nothing = {name: np.zeros_like(getattr(found, name)) for name in ("area", "mean", "peak")}
    found = replace(found, classes=("background", "crack"), value=value, defect_class=truth, **nothing)
    found.save(candidates_file(blind / "evaluation", "test"))
    told = register(blind)
    assert not told.champion
    assert told.reasons[0].startswith(
        "rules: at the rules that are shipped, all 20 test images with a defect are OK"
    )


def test_each_budget_has_a_detector_of_its_own(register: Register, config: Config) -> None:
    def under(budget: float) -> Config:
        return with_(config, search=config.search.model_copy(update={"latency_budget_ms": budget}))

    assert register("good", config=under(5.0)).champion
    assert register("poor", config=under(8.0)).champion, "that of 5 ms is no rival"
    for name in (f"{NAME}-5ms", f"{NAME}-8ms"):
        assert list(client(config).get_registered_model(name).aliases) == ["champion"]


def test_rollback_goes_back_and_forth(register: Register, config: Config) -> None:
    register("poor")
    with pytest.raises(TrackingError, match="nothing to go back to"):
        steps.rollback(Context(config), name=None)
    register("good")
    assert steps.rollback(Context(config), name=None) == (NAME, 1, 2)
    assert "rollback from version 2" in client(config).get_model_version(NAME, "1").description
    assert steps.rollback(Context(config), name=NAME) == (NAME, 2, 1)
    with pytest.raises(TrackingError, match="has no version 7; it has 1, 2"):
        steps.rollback(Context(config), name=NAME, to=7)
    with pytest.raises(TrackingError, match="no registered model 'x'; known are autonad-steel-line-3"):
        steps.rollback(Context(config), name="x")


def test_a_detector_behind_a_hundred_other_models_is_found(register: Register, config: Config) -> None:
    for number in range(100):  # as many as a server sends at once
        client(config).create_registered_model(f"another {number:02}")
    register("poor")
    register("good")
    assert steps.rollback(Context(config), name=None) == (NAME, 1, 2)
    client(config).rename_registered_model(NAME, "our best")
    with pytest.raises(TrackingError, match="was renamed to our best"):
        register("good")


def test_without_tracking_it_says_so_and_goes_on(register: Register, config: Config, tmp_path: Path) -> None:
    off = with_(config, tracking=config.tracking.model_copy(update={"enabled": False}))
    found = register("poor", config=off)
    assert found.version is None
    told = json.loads((tmp_path / "registration/registration.json").read_text())
    assert told["reasons"] == ["not registered: tracking is off (tracking.enabled)"]
    with pytest.raises(ConfigError, match="tracking is off"):
        steps.rollback(Context(off), name=None)


# -- somebody else registers meanwhile -------------------------------------------------------------------


def same_again(shop: Shop, folder: Path, which: str) -> Path:
    """The same detector as another file."""
    import onnx

    shutil.copytree(shop.root / which, folder)
    model = onnx.load(folder / "model.onnx")
    model.doc_string = "again"
    onnx.save(model, folder / "model.onnx")
    return folder


@pytest.mark.parametrize("first", [True, False], ids=["no champion", "another champion"])
def test_a_champion_of_meanwhile_is_compared_with_too(
    first: bool,
    register: Register,
    config: Config,
    shop: Shop,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    from autonad.tracking.registry.registry import Registry

    if not first:
        register("poor")
    other, add = same_again(shop, tmp_path / "other", "good"), Registry.add

    def others_first(self: Registry, *given: Any, **more: Any) -> Any:
        monkeypatch.setattr(Registry, "add", add)
        assert register(other, output="other-registration").champion
        return self.add(*given, **more)

    monkeypatch.setattr(Registry, "add", others_first)
    found = register("good")
    theirs, ours = (1, 2) if first else (2, 3)

    assert (found.version, found.champion) == (ours, False)
    told = json.loads((tmp_path / "registration/registration.json").read_text())
    assert told["compared_with"] == theirs
    assert int(client(config).get_registered_model(NAME).aliases["champion"]) == theirs
    description = client(config).get_model_version(NAME, str(ours)).description
    assert description.startswith(f"Refused against version {theirs}: not in use.")


def test_a_champion_that_never_stays_ends_in_one_line(
    register: Register, config: Config, shop: Shop, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from autonad.tracking.registry.registry import Registry

    register("poor")
    register(same_again(shop, tmp_path / "other", "poor"))
    champion = Registry.champion

    def moves(self: Registry, name: str) -> Any:
        found = champion(self, name)
        client(config).set_registered_model_alias(NAME, "champion", "2" if found.number == 1 else "1")
        return found

    monkeypatch.setattr(Registry, "champion", moves)
    with pytest.raises(TrackingError, match=r"^while version 3 of .* 3 times; repeat the command"):
        register("good")
    monkeypatch.setattr(Registry, "champion", champion)
    assert register("good").champion


# -- somebody meddles ------------------------------------------------------------------------------------


def stored(config: Config, version: str, name: str) -> Path:
    source = client(config).get_model_version(NAME, version).source
    return Path(source.removeprefix("file://")) / name


@pytest.mark.parametrize("name", ["model.onnx", "images.parquet", "digests.json"])
def test_one_changed_byte_in_the_champion_is_named(register: Register, config: Config, name: str) -> None:
    register("poor")
    path = stored(config, "1", name)
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)
    with pytest.raises(TrackingError, match=rf"{name} of version 1 of {NAME} does not have the sha256"):
        register("good")
    assert len(client(config).search_model_versions(f"name = '{NAME}'")) == 1


def test_a_champion_without_its_onnx_file_is_named(register: Register, config: Config) -> None:
    register("poor")
    stored(config, "1", "model.onnx").unlink()
    with pytest.raises(TrackingError, match=r"version 1 of .* has no file model.onnx .*rollback"):
        register("good")


def test_a_champion_that_somebody_else_made_is_named(register: Register, config: Config) -> None:
    client(config).create_registered_model(NAME)
    client(config).create_model_version(NAME, "file:///nowhere")
    client(config).set_registered_model_alias(NAME, "champion", "1")
    with pytest.raises(TrackingError, match=r"version 1 of .* has no file digests.json"):
        register("good")


def test_a_renamed_model_is_not_taken_for_a_new_one(register: Register, config: Config) -> None:
    register("poor")
    client(config).rename_registered_model(NAME, "our best")
    for action in (lambda: register("good"), lambda: steps.rollback(Context(config), name=NAME)):
        with pytest.raises(TrackingError, match="was renamed to our best"):
            action()


def test_a_removed_alias_is_not_taken_for_no_champion(register: Register, config: Config) -> None:
    register("poor")
    client(config).delete_registered_model_alias(NAME, "champion")
    with pytest.raises(TrackingError, match=r"somebody took it away; .*rollback --name .* --to 1"):
        register("good")
    assert steps.rollback(Context(config), name=NAME, to=1) == (NAME, 1, None)
    assert register("good").champion


def test_a_moved_alias_counts_and_is_told(register: Register, config: Config) -> None:
    register("poor")
    register("good")
    client(config).set_registered_model_alias(NAME, "champion", "1")
    found = register("good")
    assert found.champion
    assert "somebody moved the alias from version 2 to 1" in found.reasons[0]


def test_files_that_do_not_belong_together_are_refused(
    register: Register, shop: Shop, config: Config, tmp_path: Path
) -> None:
    with pytest.raises(ExportError, match="other weights"):
        steps.register(
            Context(config),
            export=shop.root / "poor",
            evaluation=shop.root / "good/evaluation",
            dataset=shop.dataset,
            output=tmp_path / "x",
        )
    with pytest.raises(ExportError, match=r"no exported network at .*nothing/model.onnx"):
        register("nothing")
    broken = tmp_path / "broken"
    shutil.copytree(shop.root / "poor", broken)
    (broken / "model.onnx").write_bytes(b"no graph")
    with pytest.raises(ExportError, match="cannot be opened as ONNX"):
        register(broken)
    assert not (tmp_path / "x").exists()


def test_no_server_costs_nothing_but_the_registration(
    register: Register, config: Config, shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    away = with_(config, tracking=config.tracking.model_copy(update={"uri": "http://127.0.0.1:9"}))
    with pytest.raises(AutonadError, match="Connection refused"):
        register("poor", config=away)
    assert register("poor").champion


def test_ten_figures_are_written_whatever_is_decided(
    register: Register, config: Config, tmp_path: Path
) -> None:
    off = config.model_copy(update={"tracking": config.tracking.model_copy(update={"enabled": False})})
    register("good", config=off)
    figures = json.loads((tmp_path / "registration" / "figures.json").read_text())

    assert len(figures) == 10
    shown = {"miou": 0.5, "low": 0.4, "high": 0.612, "mf1": 0.6, "worst": 0.1, "ms": 4.0}
    assert figures | shown == figures


def test_an_experiment_of_dvc_registers_nothing(
    register: Register, config: Config, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DVC_EXP_NAME", "tipsy-hens")
    result = register("good")

    assert (result.version, result.champion) == (None, False)
    assert "dvc exp apply tipsy-hens" in result.reasons[0]
    assert client(config).search_registered_models() == []
    monkeypatch.delenv("DVC_EXP_NAME")
    assert register("good").version == 1
