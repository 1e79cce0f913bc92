"""Smaller files of an exported network: what is in them, and when they are kept."""

from __future__ import annotations

import dataclasses
import json

import numpy as np
import onnx
import pytest
import torch
from onnx import TensorProto

from autonad import steps
from autonad.config import load_config
from autonad.config.context import Context
from autonad.data.dataset import Dataset
from autonad.deploy import reduced
from autonad.deploy.export import export_onnx
from autonad.deploy.quantisation import CALIBRATIONS, FLOAT_PARTS, to_fp16, to_int8
from autonad.deploy.reduced import Examination, session_forward, try_fp16, try_int8
from autonad.deploy.speed import SAMPLES, speed_up
from autonad.detector.session import METADATA_KEY
from autonad.latency.machine import CpuTime
from autonad.latency.measure import Measurement
from autonad.latency.target import Target
from autonad.network import AutoNADNet
from autonad.space import SearchSpace
from autonad.steps.export import _try_smaller
from autonad.training.inputs import detector_spec, evaluation_data


@pytest.fixture(scope="module")
def exam(tmp_path_factory):
    root = tmp_path_factory.mktemp("exam")
    settings = ["synthesize.num_images=14", "synthesize.image_side=48", "synthesize.classes=[crack]"]
    steps.synthesize(Context(load_config(None, ["tracking.enabled=false", *settings])), output=root / "steel")
    source = Dataset.open(root / "steel")
    spec = detector_spec(source, load_config(None, ["input.height=48", "input.width=48"]).input)
    torch.manual_seed(3)
    architecture = SearchSpace.preset("tiny").sample(np.random.default_rng(3))
    export_onnx(AutoNADNet(architecture, spec.num_classes).eval(), spec, root / "model.onnx", {"seed": 3})
    return Examination(
        model=(root / "model.onnx").read_bytes(),
        dataset=source,
        calibration=evaluation_data(source, spec, "train"),
        validation=evaluation_data(source, spec, "val"),
        target=Target.describe("here", threads=1),
    )


@pytest.fixture(scope="module")
def images(exam):
    return exam.calibration.batch(range(6))[0]


def convolutions(content):
    """Name → whether its weights were quantised."""
    graph = onnx.load_from_string(content).graph
    makers = {output: node.op_type for node in graph.node for output in node.output}
    return {
        node.name: makers.get(node.input[1]) == "DequantizeLinear"
        for node in graph.node
        if node.op_type == "Conv"
    }


def description(content):
    properties = {prop.key: prop.value for prop in onnx.load_from_string(content).metadata_props}
    return json.loads(properties[METADATA_KEY])


def weight_bytes(content):
    return sum(each.ByteSize() for each in onnx.load_from_string(content).graph.initializer)


def outputs(content, exam, images):
    return session_forward(content, exam.target)(images)


@pytest.mark.parametrize("part", FLOAT_PARTS, ids=lambda part: part.name)
def test_convolutions_are_quantised_except_those_that_stay_in_float(exam, images, part):
    found = convolutions(to_int8(exam.model, images, calibration="minmax", keep_float=part))
    assert any(found.values())
    assert {name for name, quantised in found.items() if not quantised} == {
        name for name in found if part.prefixes and name.startswith(part.prefixes)
    }


@pytest.mark.parametrize("calibration", CALIBRATIONS)
def test_int8_says_nearly_the_same_for_every_batch_and_carries_the_description(exam, images, calibration):
    content = to_int8(exam.model, images, calibration=calibration)
    wanted, found = (outputs(each, exam, images) for each in (exam.model, content))
    assert np.corrcoef(wanted.ravel(), found.ravel())[0, 1] > 0.98
    alone = np.concatenate([outputs(content, exam, image[None]) for image in images])
    np.testing.assert_allclose(found, alone, atol=1e-4)
    assert description(content) == description(exam.model)


def test_quantising_again_gives_the_same_file(exam, images):
    first, second = (to_int8(exam.model, images, calibration="minmax") for _ in range(2))
    assert first == second


def test_half_precision_takes_and_gives_float32_and_halves_the_weights(exam, images):
    content = to_fp16(exam.model)
    graph = onnx.load_from_string(content).graph
    types = {value.type.tensor_type.elem_type for value in (*graph.input, *graph.output)}
    assert types == {TensorProto.FLOAT}
    assert weight_bytes(content) < 0.7 * weight_bytes(exam.model)
    assert description(content) == description(exam.model)
    np.testing.assert_allclose(outputs(content, exam, images), outputs(exam.model, exam, images), atol=0.05)


def test_a_good_and_fast_file_is_kept_at_once(exam):
    attempt = try_int8(exam, max_loss=1.0, min_speedup=0.0)
    assert attempt.content is not None
    assert [trial["recipe"] for trial in attempt.trials] == [FLOAT_PARTS[0].name]
    assert attempt.to_dict()["kept"]
    assert attempt.loss == exam.miou(exam.model, exam.validation) - exam.miou(
        attempt.content, exam.validation
    )


def test_a_file_that_loses_too_much_is_tried_with_more_in_float_and_then_given_up(exam, monkeypatch):
    monkeypatch.setattr(reduced, "CALIBRATIONS", CALIBRATIONS[:1])
    attempt = try_int8(exam, max_loss=-1.0, min_speedup=0.0)
    assert attempt.content is None
    assert [trial["recipe"] for trial in attempt.trials] == [part.name for part in FLOAT_PARTS]
    assert all(part.name in attempt.reason for part in FLOAT_PARTS)
    assert "at most -100 points" in attempt.reason


def test_a_slow_file_is_not_kept_however_good(exam):
    attempt = try_int8(exam, max_loss=1.0, min_speedup=1e9)
    assert attempt.content is None
    assert [trial["loss"] for trial in attempt.trials] == [None] * len(FLOAT_PARTS)
    assert "wanted are at least 1e+09 times" in attempt.reason


@pytest.mark.parametrize(("busy", "doubted"), [(0.0, False), (1.9, True)])
def test_a_speed_that_was_measured_beside_others_is_doubted(exam, monkeypatch, busy, doubted):
    moments = iter([CpuTime(100, 0, 0), CpuTime(100 + 10 * busy, 0, 10)])
    monkeypatch.setattr(reduced.machine, "cpu_time", lambda: next(moments))
    monkeypatch.setattr(reduced, "machine_cores", lambda: 2)
    attempt = try_int8(exam, max_loss=1.0, min_speedup=0.0)
    assert attempt.content is not None
    assert attempt.to_dict()["load"] == pytest.approx(busy)
    assert ("other processes kept 1.9 of 2 cores busy" in attempt.reason) == doubted


def test_the_calibration_with_the_best_miou_on_training_images_is_taken(exam, monkeypatch):
    scores = {b"minmax": 0.5, b"percentile": 0.7, b"entropy": float("nan")}
    monkeypatch.setattr(reduced, "to_int8", lambda *_, calibration, keep_float: calibration.encode())
    monkeypatch.setattr(Examination, "miou", lambda self, model, data: scores.get(model, 0.7))
    monkeypatch.setattr(reduced, "time_in_turns", lambda *_: {name: took([1.0]) for name in reduced_names()})
    assert try_int8(exam, max_loss=0.1, min_speedup=0.5).trials[0]["calibration"] == "percentile"


def test_half_precision_is_kept_by_its_loss_alone(exam):
    assert try_fp16(exam, max_loss=0.5).content is not None
    attempt = try_fp16(exam, max_loss=-1.0)
    assert attempt.content is None
    assert "wanted: -100 at most" in attempt.reason


@pytest.mark.parametrize("split", ["val", "train"])
def test_without_the_images_that_it_takes_int8_is_not_tried(exam, split):
    """As an export asks for it, of a dataset that has no such split."""
    source = Dataset.open(exam.dataset.root)
    source.manifest = source.manifest[source.manifest["split"] != split]
    config = load_config(None, ["export.fp16=true", "input.height=48", "input.width=48"])
    spec = detector_spec(exam.dataset, config.input)
    int8, fp16 = _try_smaller(config, source, spec, exam.model, exam.target)
    assert int8.content is None
    assert int8.reason.startswith("not tried: ")
    assert fp16.reason.startswith("not tried: ") == (split == "val")


def test_where_no_smaller_file_is_wanted_no_images_are_read(exam):
    config = load_config(None, ["export.int8=false", "export.fp16=false"])
    assert _try_smaller(config, None, None, exam.model, exam.target) == []


def reduced_names():
    return reduced.MODEL, reduced.INT8


def took(rounds):
    """A measurement in which every call of a round took the same time, ms."""
    samples = tuple(float(ms) for ms in rounds for _ in range(SAMPLES))
    return Measurement(Target.describe("here"), (1, 3, 8, 8), samples, 1)


def test_a_busy_moment_does_not_decide_which_file_is_faster():
    assert speed_up(took([4, 4, 40, 4, 4]), took([2, 2, 20, 2, 90])) == 2.0
    busy = dataclasses.replace(took([4, 4, 4]), samples_ms=(4.0, 50.0, 50.0, 50.0, 50.0) * 3)
    assert speed_up(busy, took([2, 2, 2])) == 2.0


@pytest.mark.gpu
def test_half_precision_on_a_gpu_says_what_the_processor_says_in_float(exam, images):
    onnxruntime = pytest.importorskip("onnxruntime")
    if "CUDAExecutionProvider" not in onnxruntime.get_available_providers():
        pytest.skip("this ONNX Runtime has no CUDA")
    target = Target.describe("here", provider="cuda")
    found = session_forward(to_fp16(exam.model), target)(images)
    np.testing.assert_allclose(found, outputs(exam.model, exam, images), atol=0.05)
