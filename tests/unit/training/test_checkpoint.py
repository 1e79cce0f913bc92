import errno
import os

import pytest
import torch
from torch import nn

from autonad.errors import CheckpointError, StorageError
from autonad.files import write_json
from autonad.training.checkpoint import Checkpoints, Progress, load_into, load_weights, save_weights
from autonad.training.folders import load_search_spec


def test_weights_survive_the_disk(tmp_path):
    tensors = {"a": torch.randn(3, 4).T, "b": torch.arange(5)}
    save_weights(tmp_path / "w.safetensors", tensors)
    loaded = load_weights(tmp_path / "w.safetensors", "the weights")
    assert all(torch.equal(loaded[name], tensor) for name, tensor in tensors.items())


def test_a_missing_and_a_damaged_file_are_named(tmp_path):
    with pytest.raises(CheckpointError, match=r"the weights is not at .*missing"):
        load_weights(tmp_path / "missing.safetensors", "the weights")
    save_weights(tmp_path / "w.safetensors", {"a": torch.zeros(100)})
    content = (tmp_path / "w.safetensors").read_bytes()
    (tmp_path / "w.safetensors").write_bytes(content[:50])
    with pytest.raises(CheckpointError, match="damaged"):
        load_weights(tmp_path / "w.safetensors", "the weights")


def test_weights_of_another_network_are_refused():
    with pytest.raises(
        CheckpointError, match=r"1 tensors missing, 1 unknown, 1 of another shape or type \(first: bias"
    ):
        load_into(nn.Linear(2, 2), {"weight": torch.zeros(3, 3), "other": torch.zeros(1)}, "the file")


def test_a_search_that_does_not_say_what_its_weights_know_is_refused(tmp_path):
    write_json(tmp_path / "search.json", {"architecture_key": "0" * 12})
    with pytest.raises(CheckpointError, match="does not say what its weights were trained with; run"):
        load_search_spec(tmp_path)


def full_disk(*_: object) -> None:
    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def test_a_full_disk_keeps_the_last_checkpoint(tmp_path, monkeypatch):
    torch.manual_seed(0)
    module = nn.Linear(3, 3)
    optimizer = torch.optim.AdamW(module.parameters())
    checkpoints = Checkpoints(tmp_path, {"run": 1})
    checkpoints.save(Progress(epoch=1, step=5), module, optimizer, {})
    saved = {name: tensor.clone() for name, tensor in module.state_dict().items()}
    with torch.no_grad():
        module.weight.add_(1)
    with monkeypatch.context() as patch:
        patch.setattr("autonad.files.os.fsync", full_disk)
        with pytest.raises(StorageError, match=r"No space left on device; free some space"):
            checkpoints.save(Progress(epoch=2, step=10), module, optimizer, {})
    progress, _ = checkpoints.restore(module, optimizer)
    assert progress.step == 5
    assert all(torch.equal(saved[name], tensor) for name, tensor in module.state_dict().items())
    assert not list(tmp_path.rglob("*.tmp"))


def test_the_optimiser_comes_back(tmp_path):
    torch.manual_seed(0)
    module = nn.Linear(3, 1)
    optimizer = torch.optim.AdamW(module.parameters(), lr=0.1)
    for _ in range(3):
        module(torch.randn(4, 3)).sum().backward()
        optimizer.step()
    checkpoints = Checkpoints(tmp_path, {})
    checkpoints.save(Progress(step=3), module, optimizer, {"x": torch.ones(2)})
    other = nn.Linear(3, 1)
    restored = torch.optim.AdamW(other.parameters(), lr=0.1)
    _, extra = checkpoints.restore(other, restored)
    assert torch.equal(extra["x"], torch.ones(2))
    for one, two in zip(optimizer.state.values(), restored.state.values(), strict=True):
        assert all(torch.equal(one[name], two[name]) for name in one)


def test_only_the_newest_checkpoint_is_kept(tmp_path):
    module = nn.Linear(1, 1)
    optimizer = torch.optim.AdamW(module.parameters())
    checkpoints = Checkpoints(tmp_path, {})
    for step in (1, 2, 3):
        checkpoints.save(Progress(step=step), module, optimizer, {})
    assert [folder.name for folder in tmp_path.glob("step-*")] == ["step-00000003"]


def test_another_identity_is_refused_by_name(tmp_path):
    module = nn.Linear(1, 1)
    optimizer = torch.optim.AdamW(module.parameters())
    Checkpoints(tmp_path, {"input": {"height": 64}, "seed": 1}).save(Progress(), module, optimizer, {})
    with pytest.raises(CheckpointError, match=r"input.height \(64 there, 128 now\)") as caught:
        Checkpoints(tmp_path, {"input": {"height": 128}, "seed": 1}).restore(module, optimizer)
    assert "seed" not in str(caught.value)


@pytest.mark.parametrize("value", [float("nan"), float("inf"), float("-inf")])
def test_weights_that_are_not_finite_are_refused(tmp_path, value):
    save_weights(tmp_path / "w.safetensors", {"a": torch.ones(2), "b.c": torch.tensor([1.0, value])})
    with pytest.raises(CheckpointError, match=r"b\.c holds a number that is not finite"):
        load_weights(tmp_path / "w.safetensors", "the weights")


def test_weights_of_another_type_are_refused():
    weights = {"weight": torch.zeros(2, 2, dtype=torch.float64), "bias": torch.zeros(2)}
    with pytest.raises(CheckpointError, match=r"1 of another shape or type \(first: weight"):
        load_into(nn.Linear(2, 2), weights, "the file")


def whole_checkpoint(folder) -> Checkpoints:
    """A checkpoint with best weights and all that belongs to it."""
    torch.manual_seed(0)
    module = nn.Linear(3, 1)
    optimizer = torch.optim.AdamW(module.parameters())
    module(torch.randn(4, 3)).sum().backward()
    optimizer.step()
    checkpoints = Checkpoints(folder, {"run": 1})
    checkpoints.save_best(1, module)
    checkpoints.save(Progress(epoch=1, step=1, best_epoch=1, best_miou=0.5), module, optimizer, {})
    return checkpoints


FILES = ("model", "optimizer", "random", "extra", "best-00001")


@pytest.mark.parametrize("name", FILES)
@pytest.mark.parametrize("damage", ["truncated", "missing", "not finite"])
def test_a_run_that_may_start_over_does_so_from_a_damaged_checkpoint(tmp_path, name, damage):
    checkpoints = whole_checkpoint(tmp_path)
    assert checkpoints.resumes("or-restart")
    (path,) = tmp_path.rglob(f"{name}.safetensors")
    if damage == "truncated":
        path.write_bytes(path.read_bytes()[:-3] if path.stat().st_size > 100 else b"")
    elif damage == "missing":
        path.unlink()
    else:
        save_weights(path, {"weight": torch.tensor([float("nan")])})
    assert not checkpoints.resumes("or-restart")
    module = nn.Linear(3, 1)
    with pytest.raises(CheckpointError, match="give --replace to start over"):
        checkpoints.restore(module, torch.optim.AdamW(module.parameters()))


def test_best_weights_stay_until_a_checkpoint_points_to_others(tmp_path):
    checkpoints, module = whole_checkpoint(tmp_path), nn.Linear(3, 1)
    checkpoints.save_best(2, module)
    assert not torch.equal(checkpoints.load_best(1)["weight"], checkpoints.load_best(2)["weight"])
    optimizer = torch.optim.AdamW(module.parameters())
    checkpoints.save(Progress(epoch=2, step=2, best_epoch=2, best_miou=0.6), module, optimizer, {})
    assert [path.name for path in tmp_path.glob("best-*")] == ["best-00002.safetensors"]
