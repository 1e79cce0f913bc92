"""A training that can be cut off at any moment, with a copy of its checkpoints elsewhere."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from autonad.console import Console
from autonad.storage.checkpoints import Mirror, Resume
from autonad.training.checkpoint import POINTER, Checkpoints, Progress
from autonad.training.folders import MODEL, SUPERNET
from autonad.training.loop import Log, Task, train
from autonad.training.timing import LatencyRecords
from autonad.training.world import World

FOLDER = "checkpoint"


@dataclass(frozen=True)
class Trained:
    """What a training ended with; the module holds the best weights.

    Attributes:
        history: One row of metrics per epoch.
        best_miou: Best validation mIoU, a fraction.
        best_epoch: The epoch that it belongs to.
        copy: Of the checkpoints; to be removed when everything is written.
        best_foreground_miou: Validation mIoU without background in that epoch, a fraction; None where no mask
            shows a defect and none is predicted.
    """

    history: list[dict[str, float]]
    best_miou: float
    best_epoch: int
    copy: Mirror
    best_foreground_miou: float | None = None


def run_training(
    task: Task,
    *,
    identity: dict[str, Any],
    output: Path,
    resume: Resume,
    copies: str | None,
    owner: str | None,
    records: LatencyRecords | None = None,
    log: Log,
    console: Console,
    world: World,
) -> Trained:
    """Train, going on from the checkpoint where there is one, and report every epoch.

    Args:
        task: What is trained; its module holds the best weights in the end.
        identity: What the run is, with its `stage`; see `Checkpoints`.
        output: The step's output folder.
        resume: See `Resume`.
        copies: Where copies of the checkpoints are kept for another machine; see `Mirror`.
        owner: Run in MLflow that these copies belong to.
        records: Forward times that are taken on the way; they go back as far as the checkpoint does.
        log: Receives metrics and the epoch; also of the epochs that were done before.
        console: Where progress goes.
        world: The processes that train together.

    Raises:
        CheckpointError: `resume`, and the checkpoint belongs to another configuration.
        DatasetError: There are no training images, or the loss diverges.
        StorageError: The copies cannot be fetched.
    """
    epochs = task.config.epochs
    mirror = Mirror(
        copies,
        stage=identity["stage"],
        identity=identity,
        output=output,
        names=(FOLDER,) if records is None else (FOLDER, records.path.name),
        pointer=f"{FOLDER}/{POINTER}",
        owner=owner,
        warn=console.report,
    )
    if resume and world.leads:
        mirror.pull()
    world.wait()
    checkpoints = Checkpoints(output / FOLDER, identity)
    resume = checkpoints.resumes(resume)
    if world.leads and not resume:
        _start_over(output, checkpoints, records)

    def resumed(progress: Progress) -> None:
        for row in progress.history:
            log({name: value for name, value in row.items() if name != "epoch"}, int(row["epoch"]))
            judged.take(row, int(row["epoch"]))
        if records is not None and world.leads:
            records.rewind(progress.step)
        within = f" and {len(progress.losses)} steps" if progress.losses else ""
        console.report(f"resumed after epoch {progress.epoch} of {epochs}{within}")

    judged = _LastValidation()

    def logged(metrics: dict[str, float], epoch: int) -> None:
        log(metrics, epoch)
        console.advance(epoch, epochs, _describe(metrics, judged.take(metrics, epoch)))

    progress = train(
        task,
        checkpoints,
        resume=resume,
        log=logged,
        on_checkpoint=mirror.push,
        on_resume=resumed,
        world=world,
    )
    assert progress.best_miou is not None
    assert progress.best_epoch is not None
    best = next((row for row in progress.history if row["epoch"] == progress.best_epoch), {})
    foreground = best.get("val/foreground_miou")
    return Trained(progress.history, progress.best_miou, progress.best_epoch, mirror, foreground)


def _start_over(output: Path, checkpoints: Checkpoints, records: LatencyRecords | None) -> None:
    """Remove the result, then the checkpoint, then the records: a kill between leaves nothing to resume."""
    for description in (MODEL, SUPERNET):
        (output / description).unlink(missing_ok=True)
    checkpoints.clear()
    if records is not None:
        records.rewind(0)


class _LastValidation:
    """The newest validation mIoU, to be shown beside every later loss."""

    def __init__(self) -> None:
        self._text = ""

    def take(self, metrics: dict[str, float], epoch: int) -> str:
        """The newest one, after an epoch that may have had one."""
        if "val/miou" in metrics:
            self._text = f", validation mIoU {100 * metrics['val/miou']:.1f} % (epoch {epoch})"
        return self._text


def _describe(metrics: dict[str, float], judged: str) -> str:
    """One short phrase for a progress line, after the number of epochs."""
    seconds = metrics["train/seconds"]
    return f"epochs: loss {metrics['train/loss']:.3f}{judged}, {seconds:.2g} s per epoch"
