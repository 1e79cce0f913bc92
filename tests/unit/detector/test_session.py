from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest
from dark_detector import dark_spec, export_dark, forward

from autonad.detector.rules import Rules
from autonad.detector.session import METADATA_KEY, OnnxNetwork
from autonad.detector.spec import DetectorSpec
from autonad.detector.tiles import Tiling
from autonad.errors import CheckpointError, ConfigError, ExportError


def with_metadata(model: Path, path: Path, change) -> Path:
    """A copy of a model file whose description is changed."""
    proto = onnx.load(model)
    told = json.loads(proto.metadata_props[0].value)
    onnx.helper.set_model_props(proto, change(told))
    onnx.save(proto, path)
    return path


def test_a_file_is_all_that_is_needed(dark_model: Path) -> None:
    network = OnnxNetwork.open(dark_model)
    images = np.random.default_rng(0).normal(size=(2, 3, 64, 64)).astype(np.float32)

    assert network.spec == dark_spec()
    assert network.rules == Rules.default(network.spec.classes)
    np.testing.assert_allclose(network.forward(images), forward(images), atol=1e-4)


def test_rules_ship_in_the_file(dark_model: Path, tmp_path: Path) -> None:
    rules = Rules.from_dict({"classes": {"hole": {"probability": 0.31}}}, dark_spec().classes, "rules")
    path = with_metadata(
        dark_model,
        tmp_path / "model.onnx",
        lambda told: {METADATA_KEY: json.dumps(told | {"rules": rules.to_dict()})},
    )

    assert OnnxNetwork.open(path).rules == rules


def test_tiles_ship_in_the_file(tmp_path: Path) -> None:
    spec = dark_spec(tiles=Tiling(128, 128, 32))

    assert OnnxNetwork.open(export_dark(tmp_path / "model.onnx", spec)).spec == spec


def test_a_description_of_before_there_were_tiles_is_the_same() -> None:
    assert "tiles" not in dark_spec().to_dict()
    assert DetectorSpec.from_dict(dark_spec().to_dict()) == dark_spec()
    with pytest.raises(CheckpointError, match="malformed"):
        DetectorSpec.from_dict({**dark_spec().to_dict(), "tiles": {"height": 4, "width": 4, "overlap": 3}})


def test_files_that_are_not_ours_are_named(dark_model: Path, tmp_path: Path) -> None:
    text = tmp_path / "text.onnx"
    text.write_text("no network")
    foreign = with_metadata(dark_model, tmp_path / "foreign.onnx", lambda told: {"author": "somebody"})
    unruly = with_metadata(
        dark_model,
        tmp_path / "unruly.onnx",
        lambda told: {METADATA_KEY: json.dumps(told | {"rules": {"classes": {"crak": {}}}})},
    )

    with pytest.raises(ExportError, match=r"there is no exported network at .*none\.onnx"):
        OnnxNetwork.open(tmp_path / "none.onnx")
    with pytest.raises(ExportError, match=r"text\.onnx cannot be opened as ONNX"):
        OnnxNetwork.open(text)
    with pytest.raises(ExportError, match=r"foreign\.onnx is ONNX, but does not say what it is"):
        OnnxNetwork.open(foreign)
    with pytest.raises(ExportError, match=r"the rules in .*unruly\.onnx.*crak"):
        OnnxNetwork.open(unruly)


def test_a_provider_that_is_not_here_is_refused(dark_model: Path) -> None:
    with pytest.raises(ConfigError, match="there is no provider 'quantum'; choose one of cpu, cuda"):
        OnnxNetwork.open(dark_model, provider="quantum")


@pytest.mark.skipif(
    "CUDAExecutionProvider" in onnxruntime.get_available_providers(), reason="says what happens without CUDA"
)
@pytest.mark.filterwarnings("ignore:Specified provider")
def test_a_provider_that_does_not_start_is_no_slower_detector(dark_model: Path, monkeypatch) -> None:
    both = ["CUDAExecutionProvider", "CPUExecutionProvider"]
    monkeypatch.setattr(onnxruntime, "get_available_providers", lambda: both)
    with pytest.raises(ConfigError, match="could not start CUDAExecutionProvider and fell back to CPU"):
        OnnxNetwork.open(dark_model, provider="cuda")


def test_a_file_that_cannot_run_is_tried_once_and_nothing_else_is_printed(
    dark_model: Path, tmp_path: Path, capfd
) -> None:
    kind = onnx.load(dark_model).graph.node[0].op_type.encode()
    damaged = tmp_path / "damaged.onnx"
    damaged.write_bytes(dark_model.read_bytes().replace(kind, kind[:-1] + b"\xff"))

    with pytest.raises(ExportError, match="cannot be opened as ONNX"):
        OnnxNetwork.open(damaged)
    assert capfd.readouterr() == ("", "")
