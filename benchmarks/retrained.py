"""Networks retrained and scored, a line per run; what is finished is not repeated."""

from __future__ import annotations

import json
import shutil
import time
from dataclasses import dataclass
from functools import cache, partial
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch

from autonad.config import Config
from autonad.data.dataset import Dataset
from autonad.detector.spec import DetectorSpec
from autonad.evaluation.metrics import compute_metrics
from autonad.evaluation.predict import evaluate_network
from autonad.network import AutoNADNet, SuperNet
from autonad.search.finalists import Learn
from autonad.space import Architecture
from autonad.steps.short_training import ShortTraining, finalist_settings
from autonad.steps.step import seed_everything
from autonad.training.inputs import evaluation_data
from benchmarks.equal_minutes import retraining, train_within

Start = Literal["inherited", "scratch"]


@dataclass(frozen=True)
class Place:
    """Where networks are retrained.

    Attributes:
        name: Of dataset and split, a file name.
        dataset: Training, validation and test images.
        net: The supernet of these images, which weights are inherited from.
        spec: Its classes and input.
        config: Section `retrain` decides.
    """

    name: str
    dataset: Dataset
    net: SuperNet
    spec: DetectorSpec
    config: Config

    def learn(self, folder: Path) -> Learn:
        """What a finalist's mIoU is after a short training, as `autonad search` trains it."""
        training = ShortTraining(
            finalist_settings(self.config.train_supernet),
            self.dataset,
            self.spec,
            network_of=self.net.extract,
            seed=self.config.seed,
            identity={"stage": "finalist"},
            folder=folder,
        )
        epochs, size = self.config.search.finalist_epochs, self.config.search.score_at
        return cache(lambda architecture: training.run(architecture, epochs, resumed=False)[size])

    @property
    def groups(self) -> list[str]:
        """The groups of the test images."""
        return [str(group) for group in self.dataset.split("test")["group"]]


class Runs:
    """Retrainings of equal minutes.

    Args:
        folder: Receives `runs.jsonl` and the confusion matrices of every run.
        minutes: Processor time of one thread, of each.
    """

    def __init__(self, folder: Path, minutes: float) -> None:
        self.folder, self.minutes = folder, minutes
        (folder / "matrices").mkdir(parents=True, exist_ok=True)

    def matrices(self, place: Place, architecture: Architecture, start: Start, seed: int) -> np.ndarray:
        """(N, C, C) confusion matrix at native size of every test image, of a network that is retrained.

        Args:
            place: Where.
            architecture: The network.
            start: Which weights it starts from.
            seed: Of its weights, order and augmentation.
        """
        name = f"{place.name}-{architecture.key}-{start}-{self.minutes:g}-{seed}"
        path = self.folder / "matrices" / f"{name}.npz"
        if not path.is_file():
            row, found = self._run(place, architecture, start, seed, self.folder / "training" / name)
            temporary = path.with_suffix(".tmp.npz")
            np.savez_compressed(temporary, native=found)
            temporary.replace(path)
            with (self.folder / "runs.jsonl").open("a") as file:
                file.write(json.dumps(row) + "\n")
        with np.load(path) as kept:
            return kept["native"].astype(np.int64)

    def _run(
        self, place: Place, architecture: Architecture, start: Start, seed: int, folder: Path
    ) -> tuple[dict[str, Any], np.ndarray]:
        """Train once and score."""
        seed_everything(seed, 1)
        begun = time.process_time()
        inherits = start == "inherited"
        network = (
            place.net.extract(architecture) if inherits else AutoNADNet(architecture, place.spec.num_classes)
        )
        progress = train_within(
            self.minutes,
            partial(retraining, network, place.dataset, place.spec, place.config, seed),
            place.config.retrain.resolved(),
            folder,
            [place.name, place.dataset.fingerprint, architecture.key, start, seed, self.minutes],
        )
        seconds = time.process_time() - begun
        found = native_matrices(network, place)
        shutil.rmtree(folder)
        folder.with_name(f"{folder.name}-epochs.txt").unlink()
        row = {
            "place": place.name,
            "key": architecture.key,
            "start": start,
            "seed": seed,
            "minutes": self.minutes,
            "epochs": progress.epoch,
            "processor_seconds": round(seconds, 1),
            "parameters": network.num_parameters,
            "val_miou": progress.best_miou,
            "test_native_miou": compute_metrics(found.sum(0), place.spec.classes).miou,
            "images": len(found),
        }
        return row, found


def native_matrices(network: torch.nn.Module, place: Place) -> np.ndarray:
    """(N, C, C) confusion matrix at native size of every test image."""

    @torch.inference_mode()
    def forward(images: np.ndarray) -> torch.Tensor:
        return network(torch.from_numpy(images))

    network.eval()
    data = evaluation_data(place.dataset, place.spec, "test")
    return evaluate_network(
        forward, data, place.dataset, batch_size=16, num_classes=place.spec.num_classes
    ).native_matrices.astype(np.int32)
