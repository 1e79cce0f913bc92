import gc
import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnxruntime
import pytest
import torch
from torch import nn

from autonad.errors import ExportError, LatencyError
from autonad.latency import measure
from autonad.latency.measure import Measurement, measure_network, quiet, time_calls
from autonad.latency.runtime import module_run, onnx_run, onnx_session
from autonad.latency.target import Target
from autonad.network import AutoNADNet
from autonad.network.onnx_bytes import module_to_onnx
from autonad.space import SearchSpace

ONNX = Target.describe("onnx", threads=1)
TORCH = Target.describe("torch", "pytorch", threads=1)
SHAPE = (1, 3, 32, 32)


@pytest.fixture(scope="module")
def exported() -> bytes:
    return module_to_onnx(nn.Conv2d(3, 2, 3), SHAPE)


class Clock:
    """Time that passes only when a call says so."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.now, self.calls = 0.0, 0
        monkeypatch.setattr(measure.time, "perf_counter", lambda: self.now)

    def run(self, seconds: Callable[[int], float]) -> Callable[[], None]:
        def call() -> None:
            self.now += seconds(self.calls)
            self.calls += 1

        return call


def test_warm_up_is_not_timed_and_samples_are_ms_per_call(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = Clock(monkeypatch)
    samples = time_calls(clock.run(lambda n: 1.0 if n < 5 else 0.002), warmup=5, repeats=4, calls=3)
    assert clock.calls == 5 + 4 * 3
    assert samples == pytest.approx([2.0] * 4)


def test_a_time_limit_leaves_at_least_three_samples(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = Clock(monkeypatch)
    assert len(time_calls(clock.run(lambda _: 1.0), warmup=0, repeats=100, max_seconds=0.5)) == 3
    assert len(time_calls(clock.run(lambda _: 0.125), warmup=0, repeats=100, max_seconds=1.0)) == 8


def test_a_latency_carries_everything_it_depends_on() -> None:
    measurement = Measurement(ONNX, SHAPE, tuple(float(value) for value in range(1, 102)), warmup=7)
    values = json.loads(json.dumps(measurement.to_dict(), allow_nan=False))
    assert values["median_ms"] == 51.0
    assert values["p95_ms"] == 96.0
    assert values["mean_ms"] == 51.0
    assert values["std_ms"] == pytest.approx(np.std(range(101)))
    assert (values["n"], values["warmup"], values["batch"]) == (101, 7, 1)
    for field in ("runtime", "provider", "precision", "threads", "cpu", "gpu", "version"):
        assert values["target"][field] == getattr(ONNX, field)
    assert values["hardware_key"] == ONNX.hardware_key


def test_the_same_network_is_measured_in_either_runtime(exported: bytes, tmp_path: Path) -> None:
    (tmp_path / "model.onnx").write_bytes(exported)
    module = nn.Conv2d(3, 2, 3).train()
    found = [
        measure_network(network, target, input_shape=SHAPE, warmup=1, repeats=4)
        for network, target in (
            (exported, ONNX),
            (tmp_path / "model.onnx", ONNX),
            (module, ONNX),
            (module, TORCH),
        )
    ]
    for measurement in found:
        assert len(measurement.samples_ms) == 4
        assert 0 < measurement.median_ms <= measurement.p95_ms
    with pytest.raises(LatencyError, match="runs no ONNX file"):
        measure_network(exported, TORCH, input_shape=SHAPE)
    with pytest.raises(LatencyError, match="repeats is 0"):
        measure_network(exported, ONNX, input_shape=SHAPE, repeats=0)


def test_pytorch_runs_in_inference_mode_and_evaluation_mode() -> None:
    seen: list[tuple[bool, bool, torch.dtype]] = []

    class Spy(nn.Module):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            y = x.flatten(1) @ x.flatten(1).T
            seen.append((torch.is_inference_mode_enabled(), self.training, y.dtype))
            return y

    measure_network(Spy().train(), TORCH, input_shape=SHAPE, warmup=1, repeats=1)
    half = Target.describe("half", "pytorch", precision="bf16", threads=1)
    module_run(Spy(), half, SHAPE)()
    assert seen == [(True, False, torch.float32)] * 2 + [(True, False, torch.bfloat16)]


def test_timing_leaves_garbage_collection_and_threads_as_they_were() -> None:
    threads = torch.get_num_threads()
    more = TORCH.model_copy(update={"threads": threads + 1})
    inside = []

    def fail() -> None:
        with quiet(more):
            inside.append((gc.isenabled(), torch.get_num_threads()))
            raise RuntimeError("while timing")

    with pytest.raises(RuntimeError, match="while timing"):
        fail()
    assert inside == [(False, threads + 1)]
    assert gc.isenabled()
    assert torch.get_num_threads() == threads


def test_a_session_has_the_targets_threads(exported: bytes) -> None:
    session = onnx_session(exported, ONNX.model_copy(update={"threads": 2}))
    assert session.get_session_options().intra_op_num_threads == 2
    assert session.get_providers() == ["CPUExecutionProvider"]


def test_bad_models_and_inputs_are_refused(exported: bytes, tmp_path: Path) -> None:
    with pytest.raises(LatencyError, match="cannot open"):
        measure_network(b"no model", ONNX, input_shape=SHAPE)
    with pytest.raises(LatencyError, match=r"missing\.onnx"):
        measure_network(tmp_path / "missing.onnx", ONNX, input_shape=SHAPE)
    with pytest.raises(LatencyError, match=r"\(1, 3, 16, 16\)"):
        onnx_run(exported, ONNX, (1, 3, 16, 16))


@pytest.mark.skipif(torch.cuda.is_available(), reason="says what happens without CUDA")
def test_a_missing_device_is_an_error_and_no_silent_fallback(exported: bytes) -> None:
    for provider in ("cuda", "tensorrt"):
        with pytest.raises(LatencyError, match="CPUExecutionProvider"):
            onnx_session(exported, ONNX.model_copy(update={"provider": provider}))
    with pytest.raises(LatencyError, match="CUDA"):
        module_run(nn.ReLU(), TORCH.model_copy(update={"provider": "cuda"}), SHAPE)


@pytest.mark.skipif(torch.cuda.is_available(), reason="says what happens without CUDA")
@pytest.mark.filterwarnings("ignore:Specified provider")
def test_a_provider_that_does_not_start_is_an_error(exported: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    both = ["CUDAExecutionProvider", "CPUExecutionProvider"]
    monkeypatch.setattr(onnxruntime, "get_available_providers", lambda: both)
    with pytest.raises(LatencyError, match="fell back to CPUExecutionProvider"):
        onnx_session(exported, ONNX.model_copy(update={"provider": "cuda"}))


@pytest.mark.parametrize("size", [(32, 32), (45, 70)])
def test_an_exported_network_answers_as_the_torch_one(size: tuple[int, int]) -> None:
    torch.manual_seed(0)
    network = AutoNADNet(SearchSpace.preset("tiny").sample(np.random.default_rng(1)), num_classes=3).train()
    content = module_to_onnx(network, (1, 3, *size), dynamic_batch=True)
    assert network.training
    images = torch.randn(2, 3, *size)
    session = onnx_session(content, ONNX)
    assert [item.name for item in (*session.get_inputs(), *session.get_outputs())] == ["image", "logits"]
    (logits,) = session.run(None, {"image": images.numpy()})
    with torch.no_grad():
        expected = network.eval()(images).numpy()
    np.testing.assert_allclose(logits, expected, atol=1e-4)


def test_what_onnx_cannot_express_is_named() -> None:
    class Odd(nn.Module):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return torch.linalg.eigvals(x).real

    with pytest.raises(ExportError, match="Odd cannot be exported"):
        module_to_onnx(Odd(), SHAPE)
