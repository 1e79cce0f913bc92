"""Another model takes over while the service answers; what cannot be used changes nothing."""

from __future__ import annotations

import errno
import os
import shutil
import threading
from pathlib import Path

import pytest
from dark_detector import dark_spec, export_dark, surface
from live_service import live, png, service_of

from autonad.console import Console
from autonad.detector.session import OnnxNetwork
from autonad.errors import ConfigError, ExportError, TrackingError
from autonad.service.monitoring import Monitor
from autonad.service.reloading import Reloading
from autonad.service.served_model import FileSource, Opening, RegisteredSource, parse_registered

HEADERS = {"Content_Type": "image/png"}


@pytest.fixture(scope="module")
def other(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return export_dark(tmp_path_factory.mktemp("other") / "model.onnx", dark_spec(32, 32))


def replace(path: Path, by: Path) -> None:
    temporary = path.with_suffix(".tmp")
    shutil.copyfile(by, temporary)
    os.replace(temporary, path)


def reloading(model: Path, said: list[str], rules: Path | None = None) -> tuple[Reloading, Monitor]:
    monitor = Monitor()
    console = Console(said.append)
    return Reloading(Opening(FileSource(model), rules), monitor, console, seconds=60), monitor


def test_a_new_file_takes_over_and_the_old_model_goes_on(
    dark_model: Path, other: Path, tmp_path: Path
) -> None:
    model, said = tmp_path / "model.onnx", []
    shutil.copyfile(dark_model, model)
    followed, monitor = reloading(model, said)
    old = followed.current

    followed.look()
    assert followed.current is old
    replace(model, other)
    followed.look()
    new = followed.current
    followed.look()

    assert followed.current is new
    assert new.identity.sha256 != old.identity.sha256
    assert followed.current.detector.spec.size == (32, 32)
    assert old.detector.detect(surface((10, 20, 14, 50))).judgement.verdict == "NG"
    assert said == [f"another model is in use: sha256 {followed.current.identity.sha256[:12]}"]
    figures = monitor.text().decode()
    assert 'autonad_reloads_total{outcome="taken"} 1.0' in figures
    assert figures.count("autonad_model_info{") == 1


def test_a_damaged_file_or_none_changes_nothing(dark_model: Path, other: Path, tmp_path: Path) -> None:
    model, said = tmp_path / "model.onnx", []
    shutil.copyfile(dark_model, model)
    followed, monitor = reloading(model, said)
    old = followed.current

    model.write_bytes(dark_model.read_bytes()[:500])
    for _ in range(3):
        followed.look()
    model.unlink()
    for _ in range(3):
        followed.look()
    assert followed.current is old
    assert len(said) == 2
    assert all(line.startswith("the model in use stays: ") for line in said)
    assert 'autonad_reloads_total{outcome="failed"} 2.0' in monitor.text().decode()
    replace(model, other)
    followed.look()

    assert followed.current is not old


def test_changed_rules_take_over_and_wrong_ones_do_not(dark_model: Path, tmp_path: Path) -> None:
    rules, said = tmp_path / "rules.yaml", []
    rules.write_text("defaults: {min_area_px: 10}")
    followed, _ = reloading(dark_model, said, rules)

    rules.write_text("defaults: {min_area_px: 1000}")
    followed.look()
    assert followed.current.detector.rules.classes["crack"].min_area_px == 1000
    rules.write_text("classes: {rust: {}}")
    followed.look()

    assert followed.current.detector.rules.classes["crack"].min_area_px == 1000
    assert "the detector knows no class" in said[-1]


def test_an_alias_that_moves_is_another_model(dark_model: Path, other: Path) -> None:
    files, version = {"1": dark_model, "2": other}, ["1"]

    def fetch(number: str, folder: Path) -> Path:
        return Path(shutil.copy(files[number], folder / "model.onnx"))

    source = RegisteredSource("models:/steel@champion", lambda: version[0], fetch)
    followed = Reloading(Opening(source), Monitor(), Console(), seconds=60)
    assert followed.current.identity.version == "1"
    version[0] = "2"
    followed.look()

    assert followed.current.identity.version == "2"
    assert followed.current.detector.spec.size == (32, 32)


def test_a_registry_that_fails_once_is_asked_again(dark_model: Path, other: Path) -> None:
    files, version, up, said = {"1": dark_model, "2": other}, ["1"], [True], []

    def fetch(number: str, folder: Path) -> Path:
        if not up[0]:
            raise TrackingError("MLflow cannot be reached")
        return Path(shutil.copy(files[number], folder / "model.onnx"))

    source = RegisteredSource("models:/steel@champion", lambda: version[0], fetch)
    followed = Reloading(Opening(source), Monitor(), Console(said.append), seconds=60)
    version[0], up[0] = "2", False
    for _ in range(3):
        followed.look()
    assert followed.current.identity.version == "1"
    assert said == ["the model in use stays: MLflow cannot be reached"]
    up[0] = True
    followed.look()

    assert followed.current.identity.version == "2"


def test_a_full_disk_leaves_the_model_and_is_looked_past(dark_model: Path, other: Path) -> None:
    files, version, full, said = {"1": dark_model, "2": other}, ["1"], [False], []

    def fetch(number: str, folder: Path) -> Path:
        if full[0]:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        return Path(shutil.copy(files[number], folder / "model.onnx"))

    source, monitor = RegisteredSource("models:/steel@champion", lambda: version[0], fetch), Monitor()
    followed = Reloading(Opening(source), monitor, Console(said.append), seconds=60)
    version[0], full[0] = "2", True
    for _ in range(3):
        followed.look()
    assert followed.current.identity.version == "1"
    assert said == ["the model in use stays: No space left on device"]
    assert 'autonad_reloads_total{outcome="failed"} 1.0' in monitor.text().decode()
    full[0] = False
    followed.look()

    assert followed.current.identity.version == "2"


def test_a_model_that_opens_but_cannot_run_is_refused(
    dark_model: Path, other: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    model, said = tmp_path / "model.onnx", []
    shutil.copyfile(dark_model, model)
    followed, _ = reloading(model, said)
    old = followed.current

    def refuse(self: OnnxNetwork, images: object) -> None:
        raise RuntimeError("[ONNXRuntimeError] : 6 : Failed to allocate memory")

    monkeypatch.setattr(OnnxNetwork, "forward", refuse)
    replace(model, other)
    followed.look()

    assert followed.current is old
    assert "cannot run ([ONNXRuntimeError] : 6 : Failed to allocate memory); free some" in said[0]
    with pytest.raises(ExportError, match="cannot run"):
        reloading(model, [])


def test_while_models_change_every_request_is_answered(dark_model: Path, other: Path, tmp_path: Path) -> None:
    model = tmp_path / "model.onnx"
    shutil.copyfile(dark_model, model)
    content, seen, failures = png(surface((10, 20, 14, 50))), set(), []
    with live(service_of(model)) as service:
        done = threading.Event()

        def ask() -> None:
            while not done.is_set():
                answer = service.ask("POST", "/detect", content, **HEADERS)
                if answer.status != 200 or answer.json()["verdict"] != "NG":
                    failures.append(answer)
                seen.add(answer.json()["model"]["sha256"])

        asking = threading.Thread(target=ask)
        asking.start()
        for step in range(6):
            while len(seen) < min(step + 1, 2) and asking.is_alive():
                asking.join(0.01)
            replace(model, (other, dark_model)[step % 2])
        done.set()
        asking.join()

    assert failures == []
    assert len(seen) == 2


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("models:/autonad-neu-cpu@champion", ("autonad-neu-cpu", "champion", None)),
        ("models:/autonad-neu-cpu/7", ("autonad-neu-cpu", None, 7)),
    ],
)
def test_names_of_registered_models(text: str, expected: tuple[str, str | None, int | None]) -> None:
    assert parse_registered(text) == expected


@pytest.mark.parametrize("text", ["models:/", "models:/a", "models:/a@", "models:/a/b/3", "models:/a/latest"])
def test_what_names_no_registered_model_is_refused(text: str) -> None:
    with pytest.raises(ConfigError, match="write models:/NAME@ALIAS"):
        parse_registered(text)


def test_a_model_that_is_none_is_refused_before_anybody_asks(tmp_path: Path) -> None:
    with pytest.raises(ExportError, match="cannot be read"):
        Reloading(Opening(FileSource(tmp_path / "none.onnx")), Monitor(), Console(), seconds=60)
