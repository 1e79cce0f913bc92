import os
import signal

import numpy as np
import pytest
import torch
from torch import nn

from autonad.config import TrainingConfig
from autonad.errors import CheckpointError, DatasetError, StorageError
from autonad.training.averaging import Average
from autonad.training.checkpoint import Checkpoints
from autonad.training.inputs import TrainingData
from autonad.training.loop import Task, train
from autonad.training.optimizer import learning_rate, make_optimizer
from autonad.training.paths import TrainingPath
from autonad.training.samplers import batches


def equal(one: nn.Module, two: nn.Module) -> bool:
    return all(
        torch.equal(a, b) for a, b in zip(one.state_dict().values(), two.state_dict().values(), strict=True)
    )


def test_it_learns(run):
    _, progress = run(epochs=15, learning_rate=0.03)
    losses = [row["train/loss"] for row in progress.history]
    assert losses[-1] < 0.5 * losses[0]
    assert progress.best_miou > 0.9


def test_two_runs_with_one_seed_are_equal_bit_for_bit(run):
    assert equal(run("a")[0], run("b")[0])


@pytest.mark.parametrize("settings", [{}, {"ema_decay": 0.9}, {"optimizer": "adam", "schedule": "poly"}])
@pytest.mark.parametrize("stop", [1, 3])
def test_resumed_equals_uninterrupted_bit_for_bit(run, stop, settings):
    whole, expected = run("whole", **settings)
    with pytest.raises(InterruptedError):
        run("cut", stop=stop, **settings)
    resumed, found = run("cut", resume=True, **settings)
    assert equal(whole, resumed)
    without_time = [
        [{k: v for k, v in row.items() if k != "train/seconds"} for row in progress.history]
        for progress in (expected, found)
    ]
    assert without_time[0] == without_time[1]


def without_time(progress):
    return [{k: v for k, v in row.items() if k != "train/seconds"} for row in progress.history]


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
@pytest.mark.parametrize("step", [0, 1, 2, 3, 7, 11])
def test_asked_to_end_within_an_epoch_it_loses_no_step(run, step, number):
    """Three steps make an epoch."""
    settings = {"ema_decay": 0.9, "checkpoint_every": 4}
    whole, expected = run("whole", **settings)
    before = signal.signal(number, signal.default_int_handler)
    try:
        with pytest.raises(KeyboardInterrupt):
            run("cut", at_step=lambda now: now == step and os.kill(os.getpid(), number), **settings)
    finally:
        signal.signal(number, before)
    done = []
    resumed, found = run("cut", resume=True, at_step=done.append, **settings)
    assert done == list(range(step + 1, 12))
    assert equal(whole, resumed)
    assert without_time(expected) == without_time(found)


@pytest.mark.parametrize("validation", [1, 4])
def test_asked_to_end_while_it_validates_it_loses_no_step(run, validation):
    settings = {"ema_decay": 0.9, "checkpoint_every": 4}
    whole, expected = run("whole", **settings)
    count = 0

    def interrupt() -> None:
        nonlocal count
        count += 1
        if count == validation:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run("cut", at_validation=interrupt, **settings)
    done = []
    resumed, found = run("cut", resume=True, at_step=done.append, **settings)
    assert done == list(range(3 * validation, 12))
    assert equal(whole, resumed)
    assert without_time(expected) == without_time(found)
    assert (expected.best_miou, expected.best_epoch) == (found.best_miou, found.best_epoch)


@pytest.mark.parametrize("written", [False, True])
def test_asked_to_end_while_the_best_weights_are_written_it_does_not_lose_them(run, monkeypatch, written):
    whole, expected = run("whole", ema_decay=0.9)
    validations: list[int] = []

    write = Checkpoints.save_best

    def save(checkpoints, epoch, module):
        last = len(validations) == expected.best_epoch
        if written or not last:
            write(checkpoints, epoch, module)
        if last:
            raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(Checkpoints, "save_best", save)
        with pytest.raises(KeyboardInterrupt):
            run("cut", ema_decay=0.9, at_validation=lambda: validations.append(1))
    resumed, found = run("cut", resume=True, ema_decay=0.9)
    assert equal(whole, resumed)
    assert (expected.best_miou, expected.best_epoch) == (found.best_miou, found.best_epoch)


@pytest.mark.parametrize("swap", range(1, 9))
def test_asked_to_end_while_weights_are_swapped_it_keeps_those_that_learn(run, monkeypatch, swap):
    """Averaged weights come and go at each of four validations; one tensor is exchanged, then it is asked."""
    whole, expected = run("whole", ema_decay=0.9)
    load, swaps = nn.Module.load_state_dict, 0

    def load_half(module, tensors):
        nonlocal swaps
        swaps += 1
        if swaps == swap:
            load(module, dict(list(tensors.items())[:1]), strict=False)
            raise KeyboardInterrupt
        load(module, tensors)

    with monkeypatch.context() as patch:
        patch.setattr(nn.Module, "load_state_dict", load_half)
        with pytest.raises(KeyboardInterrupt):
            run("cut", ema_decay=0.9)
    done = []
    resumed, found = run("cut", resume=True, ema_decay=0.9, at_step=done.append)
    assert done == list(range(3 * ((swap + 1) // 2), 12)), "no step is lost"
    assert equal(whole, resumed)
    assert without_time(expected) == without_time(found)


def test_a_second_signal_ends_at_once(run):
    """Also in the middle of a step, whose checkpoint would be none."""

    def twice(step: int) -> None:
        if step == 4:
            os.kill(os.getpid(), signal.SIGINT)
            os.kill(os.getpid(), signal.SIGINT)

    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        with pytest.raises(KeyboardInterrupt):
            run("cut", at_step=twice)
    finally:
        signal.signal(signal.SIGINT, before)
    done = []
    resumed, _ = run("cut", resume=True, at_step=done.append)
    assert done == list(range(3, 12))  # from the checkpoint of the first epoch
    assert equal(run("whole")[0], resumed)


def test_without_resume_it_starts_over(run):
    with pytest.raises(InterruptedError):
        run("cut", stop=2)
    assert equal(run("cut")[0], run("whole")[0])


def test_a_checkpoint_of_another_configuration_is_refused_with_the_difference(run):
    with pytest.raises(InterruptedError):
        run("cut", stop=2)
    with pytest.raises(CheckpointError, match=r"settings.learning_rate \(0.01 there, 0.02 now\)"):
        run("cut", resume=True, learning_rate=0.02)


def test_the_best_weights_are_kept_not_the_last(tmp_path, blobs):
    """A validation that prefers the first epoch must get the first epoch's weights back."""
    torch.manual_seed(0)
    module = nn.Conv2d(3, 2, 1)
    seen: list[torch.Tensor] = []

    def validate(current: nn.Module) -> dict[str, float]:
        seen.append(current.state_dict()["weight"].clone())
        return {"val/miou": 1.0 / len(seen)}

    config = TrainingConfig(epochs=3, batch_size=4, validate_every=1, learning_rate=0.05)
    task = Task(
        module=module,
        data=TrainingData(blobs, None, None),
        config=config,
        seed=0,
        paths=lambda step: [TrainingPath(module)],
        validate=validate,
    )
    assert train(task, Checkpoints(tmp_path, {}), resume=False).best_epoch == 1
    assert torch.equal(module.weight, seen[0])
    assert not torch.equal(seen[0], seen[2])


def test_the_learning_rate_is_not_scaled_by_the_batch_size():
    for size in (1, 64):
        config = TrainingConfig(learning_rate=5e-4, batch_size=size, warmup=0.0)
        assert learning_rate(config, 0, 100) == 5e-4


@pytest.mark.parametrize("schedule", ["cosine", "poly"])
def test_the_schedule_rises_then_falls_to_zero(schedule):
    config = TrainingConfig(learning_rate=1.0, schedule=schedule, warmup=0.1)
    rates = [learning_rate(config, step, 100) for step in range(101)]
    assert rates[:10] == sorted(rates[:10])
    assert max(rates) == pytest.approx(1.0)
    assert rates[10:] == sorted(rates[10:], reverse=True)
    assert rates[100] == pytest.approx(0, abs=1e-9)
    assert learning_rate(config, 120, 100) == pytest.approx(0, abs=1e-9)


def test_only_weights_decay():
    module = nn.Sequential(nn.Conv2d(3, 4, 1), nn.GroupNorm(2, 4))
    groups = make_optimizer(module, TrainingConfig(weight_decay=0.1)).param_groups
    assert [(p.ndim >= 2, group["weight_decay"]) for group in groups for p in group["params"]] == [
        (True, 0.1),
        (False, 0.0),
        (False, 0.0),
        (False, 0.0),
    ]


def test_the_average_follows_the_weights_and_swaps_them_only_for_a_while():
    module = nn.Linear(1, 1)
    average = Average(module, 0.5)
    start = module.weight.detach().clone()
    with torch.no_grad():
        module.weight.add_(1.0)
    average.update(module)
    own = module.weight.detach().clone()
    with average.applied(module):
        assert torch.all((module.weight > start) & (module.weight < own))
    assert torch.equal(module.weight, own)


def test_batches_drop_the_rest_unless_it_is_all():
    assert [list(b) for b in batches(np.arange(7), 3)] == [[0, 1, 2], [3, 4, 5]]
    assert [list(b) for b in batches(np.arange(2), 3)] == [[0, 1]]


def test_no_images_and_diverging_losses_are_named(tmp_path, run):
    class Empty:
        def __len__(self) -> int:
            return 0

    task = Task(
        module=nn.Linear(1, 1),
        data=TrainingData(Empty(), None, None),
        config=TrainingConfig(),
        seed=0,
        paths=lambda s: [],
        validate=lambda m: {},
    )
    with pytest.raises(DatasetError, match="training split has no images"):
        train(task, Checkpoints(tmp_path, {}), resume=False)
    with pytest.raises(DatasetError, match="lower learning_rate"):
        run("nan", learning_rate=1e9, clip_norm=None, weight_decay=1.0, warmup=0.0, epochs=4)


@pytest.mark.parametrize("write", range(1, 16))
def test_interrupted_at_any_write_it_resumes_to_the_same_bits(run, monkeypatch, write):
    """Between two files of a checkpoint, or between the best weights and the checkpoint."""
    settings = {"epochs": 3, "ema_decay": 0.9}
    whole, _ = run("whole", **settings)
    real, count = os.replace, 0

    def replace(source: object, target: object) -> None:
        nonlocal count
        count += 1
        if count == write:
            raise InterruptedError
        real(source, target)

    with monkeypatch.context() as patch:
        patch.setattr("autonad.files.os.replace", replace)
        with pytest.raises(StorageError):
            run("cut", **settings)
    resumed, _ = run("cut", resume=True, **settings)
    assert equal(whole, resumed)


STEPS = 3  # of an epoch of the fixture


def breaks_at(step: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """The gradients of one step are no numbers, whose loss is finite."""
    clip, calls = nn.utils.clip_grad_norm_, 0

    def broken(parameters, norm):
        nonlocal calls
        calls += 1
        parameters = list(parameters)
        clip(parameters, norm)
        if calls == step:
            parameters[0].grad.fill_(float("nan"))

    monkeypatch.setattr("autonad.training.loop.nn.utils.clip_grad_norm_", broken)


def test_weights_that_are_no_numbers_replace_no_checkpoint(run, monkeypatch):
    whole, _ = run("whole", epochs=3)
    with monkeypatch.context() as patch:
        breaks_at(2 * STEPS, patch)
        with pytest.raises(DatasetError, match="weights are not finite in epoch 2; lower learning_rate"):
            run("cut", epochs=3)
    resumed, _ = run("cut", resume=True, epochs=3)
    assert equal(whole, resumed)


def test_asked_to_end_while_it_diverges_it_keeps_the_checkpoint_of_before(run, monkeypatch):
    def interrupt(step: int) -> None:
        if step == STEPS + 2:
            os.kill(os.getpid(), signal.SIGINT)

    whole, _ = run("whole", epochs=3)
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        with monkeypatch.context() as patch:
            breaks_at(STEPS + 1, patch)
            with pytest.raises(KeyboardInterrupt):
                run("cut", epochs=3, at_step=interrupt)
    finally:
        signal.signal(signal.SIGINT, before)
    resumed, _ = run("cut", resume=True, epochs=3)
    assert equal(whole, resumed)
