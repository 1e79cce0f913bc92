from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from autonad.config import TrainingConfig
from autonad.training.checkpoint import Checkpoints, Progress
from autonad.training.inputs import TrainingData
from autonad.training.loop import Task, train
from autonad.training.paths import TrainingPath


class Blobs:
    """Bright squares to be found; sample i of epoch e follows from both."""

    def __init__(self, count: int = 12, side: int = 32) -> None:
        self.count, self.side = count, side

    def __len__(self) -> int:
        return self.count

    def batch(self, indices: Sequence[int], epoch: int) -> tuple[Any, Any]:
        images, labels = [], []
        for index in indices:
            rng = np.random.default_rng([index, epoch])
            image = rng.normal(0, 0.3, (3, self.side, self.side)).astype(np.float32)
            label = np.zeros((self.side, self.side), dtype=np.int64)
            top, left = rng.integers(0, self.side - 10, 2)
            label[top : top + 9, left : left + 9] = 1
            images.append(image + 2 * label.astype(np.float32))
            labels.append(label)
        return np.stack(images), np.stack(labels)


class Small(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.layers = nn.Sequential(nn.Conv2d(3, 8, 3, padding=1), nn.ReLU(), nn.Conv2d(8, 2, 1))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.layers(x)


@torch.no_grad()
def accuracy(module: nn.Module) -> dict[str, float]:
    images, labels = Blobs().batch(range(4), 99)
    right = module(torch.from_numpy(images)).argmax(1).numpy() == labels
    return {"val/miou": float(right.mean())}


@pytest.fixture
def blobs() -> Blobs:
    return Blobs()


@pytest.fixture
def run(tmp_path: Path) -> Callable[..., tuple[nn.Module, Progress]]:
    """Train a small network; `stop` raises after that many checkpoints, like a kill between two steps.

    `at_step` is called with the number of each step, `at_validation` at each validation.
    """

    def run(
        folder: str = "a",
        *,
        resume: bool = False,
        stop: int | None = None,
        identity: object = 0,
        at_step: Callable[[int], object] = lambda step: None,
        at_validation: Callable[[], object] = lambda: None,
        **settings: Any,
    ) -> tuple[nn.Module, Progress]:
        torch.manual_seed(0)
        module, saved = Small(), 0
        values = {"epochs": 4, "batch_size": 4, "learning_rate": 0.01, "validate_every": 1, **settings}

        def checkpointed() -> None:
            nonlocal saved
            saved += 1
            if stop is not None and saved >= stop:
                raise InterruptedError

        def paths(step: int) -> list[TrainingPath]:
            at_step(step)
            return [TrainingPath(module)]

        def validate(current: nn.Module) -> dict[str, float]:
            at_validation()
            return accuracy(current)

        task = Task(
            module=module,
            data=TrainingData(Blobs(), None, None),
            config=TrainingConfig(**values),
            seed=7,
            paths=paths,
            validate=validate,
        )
        kept = Checkpoints(tmp_path / folder, {"what": identity, "settings": values})
        return module, train(task, kept, resume=resume, on_checkpoint=checkpointed)

    return run
