import importlib.metadata
import json
import subprocess
import sys
from pathlib import Path

import pytest

from autonad import cores
from autonad.cores import cpu_quota, usable_cores
from autonad.errors import LatencyError, StorageError
from autonad.latency.target import Target

HERE = Target.describe("line 3", threads=2)


def changed(**fields: object) -> Target:
    return Target.model_validate({**HERE.model_dump(), **fields})


def test_a_saved_target_comes_back_equal_and_equal_targets_give_equal_bytes(tmp_path: Path) -> None:
    HERE.save(tmp_path / "a.json")
    Target.load(tmp_path / "a.json").save(tmp_path / "b.json")
    assert Target.load(tmp_path / "b.json") == HERE
    assert (tmp_path / "a.json").read_bytes() == (tmp_path / "b.json").read_bytes()


@pytest.mark.parametrize(
    "fields",
    [
        {"threads": 1},
        {"cpu": "another processor"},
        {"gpu": "some accelerator"},
        {"arch": "riscv64"},
        {"version": "99.0.1"},
        {"runtime": "pytorch"},
        {"runtime": "onnxruntime", "provider": "cuda"},
        {"provider": "tensorrt", "precision": "fp16"},
    ],
)
def test_the_key_changes_with_what_decides_latency(fields: dict[str, object]) -> None:
    assert changed(**fields).hardware_key != HERE.hardware_key


def test_the_key_ignores_name_memory_and_patch_releases() -> None:
    assert len(HERE.hardware_key) == 12
    assert int(HERE.hardware_key, 16) >= 0
    assert changed(name="line 4", memory_gib=1).hardware_key == HERE.hardware_key
    first, second = changed(version="1.20.0"), changed(version="1.20.7+cpu")
    assert first.hardware_key == second.hardware_key
    assert first.hardware_key != changed(version="1.21.0").hardware_key


@pytest.mark.parametrize(
    ("fields", "named"),
    [
        ({"threads": 0}, "threads"),
        ({"threads": "2"}, "threads"),
        ({"runtime": "tflite"}, "runtime"),
        ({"precision": "fp16"}, "fp32"),
        ({"runtime": "pytorch", "provider": "tensorrt"}, "tensorrt"),
        ({"colour": "red"}, "colour"),
        ({"name": ""}, "name"),
    ],
)
def test_a_faulty_file_is_refused_by_the_name_of_its_field(
    tmp_path: Path, fields: dict[str, object], named: str
) -> None:
    path = tmp_path / "target.json"
    path.write_text(json.dumps({**HERE.model_dump(), **fields}))
    with pytest.raises(LatencyError, match=named):
        Target.load(path)


def test_a_missing_file_says_where(tmp_path: Path) -> None:
    with pytest.raises(StorageError, match=r"nowhere\.json"):
        Target.load(tmp_path / "nowhere.json")


def test_describing_refuses_what_the_runtime_cannot_do() -> None:
    with pytest.raises(LatencyError, match="threads"):
        Target.describe("x", threads=0)
    with pytest.raises(LatencyError, match="bf16"):
        Target.describe("x", precision="bf16")
    with pytest.raises(LatencyError, match="tflite"):
        Target.describe("x", "tflite")  # type: ignore[arg-type]


def test_the_described_machine_verifies_and_another_one_is_named() -> None:
    assert HERE.verify_here() is None
    assert changed(name="other").verify_here() is None
    assert changed(version=f"{HERE.version}.post9").verify_here() is None
    other = changed(cpu="Cortex-A78AE", cores=6, version=f"{HERE.version}.post9")
    assert other.verify_here() == changed(name=other.name)
    HERE.require_here()
    with pytest.raises(LatencyError, match=r"Cortex-A78AE.*pack-profile.*--for-another-device") as refused:
        other.require_here()
    assert "cores is " in str(refused.value)
    assert "version" not in str(refused.value)
    with pytest.raises(LatencyError, match=f"version of onnxruntime is {HERE.version}, not 99"):
        changed(version="99.0.1").require_here()


def test_more_threads_than_cores_are_refused_with_the_cores() -> None:
    with pytest.raises(LatencyError, match=f"threads is 64, and this process may use {HERE.cores} cores"):
        Target.describe("x", threads=64)


def test_a_runtime_that_is_not_installed_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    def absent(package: str) -> str:
        raise importlib.metadata.PackageNotFoundError(package)

    monkeypatch.setattr(importlib.metadata, "version", absent)
    with pytest.raises(LatencyError, match="pip install onnxruntime"):
        HERE.verify_here()


@pytest.mark.parametrize(("quota", "found"), [("150000 100000", 1), ("400000 100000", 4), ("max 100000", 64)])
def test_a_containers_quota_limits_the_cores(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, quota: str, found: int
) -> None:
    monkeypatch.setattr(cores.os, "sched_getaffinity", lambda _: set(range(64)))
    (tmp_path / "cpu.max").write_text(quota)
    monkeypatch.setattr(cores, "cpu_quota", lambda: cpu_quota(tmp_path, tmp_path / "none"))
    assert usable_cores() == found


def test_describing_a_device_needs_neither_torch_nor_pandas() -> None:
    code = (
        "import sys; from autonad.latency.runtime import onnx_session; from autonad.latency.target import "
        "Target; Target.describe('x'); print([m for m in ('torch', 'pandas') if m in sys.modules])"
    )
    answer = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert answer.stdout.strip() == "[]"
