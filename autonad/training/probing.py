"""What a step of training costs on this machine, by a few steps spread over its schedule."""

from __future__ import annotations

import copy
import math
import time
from collections.abc import Callable

import torch

from autonad.training.distillation import taught
from autonad.training.loop import Task
from autonad.training.losses import make_criterion
from autonad.training.optimizer import make_optimizer, total_steps
from autonad.training.paths import backward

PROBED = 10
LEAST = 4  # steps that are timed however long they take


def probe_steps(
    task: Task,
    count: int = PROBED,
    *,
    since: float = 0.0,
    seconds: float = math.inf,
    clock: Callable[[], float] = time.monotonic,
) -> float:
    """Mean time of a step, s; the module is left as it is.

    The paths of a supernet differ fiftyfold in cost, and small ones come first: the steps that are timed lie
    evenly over the schedule, also those that were done when the time is over. One before them warms up.

    Args:
        task: What is trained.
        count: Steps that are timed.
        since: Share of the schedule that they leave out at its beginning.
        seconds: After so long no further step is begun.
        clock: Tells the time, s; `time.process_time` leaves out what other programs take.
    """
    state, config, data = copy.deepcopy(task.module.state_dict()), task.config, task.data
    device = next(task.module.parameters()).device
    total = total_steps(config, len(data.images), data.repeats)
    optimizer = make_optimizer(task.module, config)
    criterion = make_criterion(cross_entropy=config.cross_entropy, dice=config.dice)
    loss_of = taught(criterion, share=config.teacher_share, temperature=config.teacher_temperature)
    task.module.train()
    taken: list[float] = []
    for number, place in enumerate((since, *_spread(count, since)), -1):
        begun = clock()
        first = (number + 1) * config.batch_size
        indices = [index % len(data.images) for index in range(first, first + config.batch_size)]
        images, labels = (torch.from_numpy(part).to(device) for part in data.images.batch(indices, 0))
        optimizer.zero_grad(set_to_none=True)
        loss = backward(task.paths(int(place * total)), images, labels, loss_of, config.precision)
        optimizer.step()
        loss.item()  # A GPU has finished then.
        taken.append(clock() - begun)
        if number + 1 >= LEAST and sum(taken) > seconds:
            break
    task.module.load_state_dict(state)
    return sum(taken[1:]) / (len(taken) - 1)


def _spread(count: int, since: float) -> list[float]:
    """Places in a schedule, shares of it; the first so many lie about as evenly as all."""
    bits = max(1, (count - 1).bit_length())
    turned = [int(f"{number:0{bits}b}"[::-1], 2) for number in range(2**bits)]
    order = [number for number in turned if number < count]
    return [since + (1 - since) * (number + 0.5) / count for number in order]
