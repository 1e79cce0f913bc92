"""Smaller files beside the exported network, each kept only if measuring says that it is worth having."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from autonad.cores import machine_cores
from autonad.deploy import FP16, INT8, MODEL
from autonad.deploy.quantisation import CALIBRATIONS, FLOAT_PARTS, Calibration, FloatPart, to_fp16, to_int8
from autonad.deploy.speed import speed_up, time_in_turns
from autonad.errors import AutonadError, CheckpointError
from autonad.evaluation.metrics import compute_metrics
from autonad.evaluation.predict import Forward, evaluate_network
from autonad.latency import machine
from autonad.latency.quality import allowed_load, load_of_others
from autonad.latency.runtime import onnx_session
from autonad.latency.target import Target

if TYPE_CHECKING:
    from autonad.data.dataset import Dataset
    from autonad.data.loader import SegmentationData


@dataclass(frozen=True)
class Attempt:
    """A smaller file that was tried.

    Attributes:
        name: What the file is called.
        content: The file; None if it is not worth having.
        reason: Why it was kept, or why not.
        loss: Validation mIoU that it loses (fraction); None if that was not looked at.
        speedup: How many times as fast as the exported network it is here; None if it does not run.
        load: Cores that other processes kept busy meanwhile; None if that is not known.
        trials: Everything that was tried for it, in order.
    """

    name: str
    content: bytes | None
    reason: str
    loss: float | None = None
    speedup: float | None = None
    load: float | None = None
    trials: tuple[dict[str, Any], ...] = ()

    @property
    def told(self) -> str:
        """Whether it was written, and why."""
        return f"{'written' if self.content else 'not written'}: {self.reason}"

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON values; the figures of what was kept, or of the last trial."""
        return {
            "kept": self.content is not None,
            "reason": self.reason,
            "loss": self.loss,
            "speedup": self.speedup,
            "load": self.load,
            "trials": list(self.trials),
        }


@dataclass(frozen=True)
class Examination:
    """What a smaller file is judged by.

    Attributes:
        model: The exported network.
        dataset: The dataset.
        calibration: Training images, without augmentation: they give the ranges, and choose the calibration.
        validation: The validation split: it gives the loss, and has chosen nothing before.
        target: What the files run on.
    """

    model: bytes
    dataset: Dataset
    calibration: SegmentationData
    validation: SegmentationData
    target: Target

    @property
    def shape(self) -> tuple[int, int, int, int]:
        """(1, 3, H, W) of the input."""
        return (1, 3, *self.validation.size)

    def miou(self, model: bytes, data: SegmentationData) -> float:
        """Of a file at input size, background included; NaN where its output is not finite."""
        classes = self.dataset.classes
        forward = session_forward(model, self.target)
        try:
            result = evaluate_network(forward, data, self.dataset, batch_size=8, num_classes=len(classes))
        except CheckpointError:
            return math.nan
        return compute_metrics(result.input_matrices.sum(0), classes).miou


def session_forward(model: bytes, target: Target) -> Forward:
    """An ONNX file as a function from images (B, 3, H, W) to logits (B, C, H, W).

    Raises:
        LatencyError: It cannot be opened on this target.
    """
    session = onnx_session(model, target)
    return lambda images: np.asarray(session.run(["logits"], {"image": images})[0])


def try_int8(exam: Examination, *, max_loss: float, min_speedup: float) -> Attempt:
    """Quantise, with more and more of the network in float, until a file is good and fast enough.

    Args:
        exam: What it is judged by.
        max_loss: Largest mIoU that it may lose on the validation split (fraction).
        min_speedup: How many times as fast as the exported network it must be.

    Raises:
        ExportError: ONNX Runtime cannot quantise the network.
    """
    if not len(exam.validation) or not len(exam.calibration):
        return Attempt(
            INT8, None, "not tried: it takes training images to calibrate, validation images to judge"
        )
    before = machine.cpu_time()
    found = _tried_recipes(exam, max_loss, min_speedup)
    load, cores = load_of_others(before, machine.cpu_time()), machine_cores()
    if load is None or load <= allowed_load(exam.target.threads, cores):
        return replace(found, load=load)
    doubt = (
        f"; other processes kept {load:.1f} of {cores} cores busy, so that the speed says little: export "
        "again on a quiet machine"
    )
    return replace(found, load=load, reason=found.reason + doubt)


def _tried_recipes(exam: Examination, max_loss: float, min_speedup: float) -> Attempt:
    """The first recipe whose file is good and fast enough; see `try_int8`."""
    images, _ = exam.calibration.batch(exam.calibration.spread(len(exam.calibration.rows)))
    wanted = exam.miou(exam.model, exam.validation)
    count = exam.target.threads
    threads = "1 thread" if count == 1 else f"{count} threads"
    trials: list[dict[str, Any]] = []
    told: list[str] = []
    for part in FLOAT_PARTS:
        # The calibration changes numbers, not operators: any of them tells how fast the file is.
        calibration = CALIBRATIONS[0]
        content = to_int8(exam.model, images, calibration=calibration, keep_float=part)
        timed = time_in_turns({MODEL: exam.model, INT8: content}, exam.target, exam.shape)
        speedup, loss = speed_up(timed[MODEL], timed[INT8]), None
        if speedup >= min_speedup:
            content, calibration = _best_calibration(exam, images, part, content)
            loss = wanted - exam.miou(content, exam.validation)
        trials.append(
            {"recipe": part.name, "calibration": calibration, "loss": _finite(loss), "speedup": speedup}
        )
        words = f"{speedup:.2f} times as fast on {exam.target.cpu} with {threads}"
        if loss is not None and loss <= max_loss:
            reason = f"{part.name}, {calibration} calibration: {words}, {_lost(loss)}"
            return Attempt(INT8, content, reason, loss, speedup, trials=tuple(trials))
        told.append(f"{part.name}: {words}" + ("" if loss is None else f", {_lost(loss)}"))
    wish = f"wanted are at least {min_speedup:g} times and at most {100 * max_loss:g} points lost"
    last = trials[-1]
    return Attempt(
        INT8, None, f"{'; '.join(told)}; {wish}", last["loss"], last["speedup"], trials=tuple(trials)
    )


def try_fp16(exam: Examination, *, max_loss: float) -> Attempt:
    """Convert to half precision, which is for GPUs: here it is checked, and its speed does not count.

    Args:
        exam: What it is judged by.
        max_loss: Largest mIoU that it may lose on the validation split (fraction).
    """
    if not len(exam.validation):
        return Attempt(FP16, None, "not tried: there are no validation images to judge it by")
    content = to_fp16(exam.model)
    try:
        timed = time_in_turns({MODEL: exam.model, FP16: content}, exam.target, exam.shape)
        loss = exam.miou(exam.model, exam.validation) - exam.miou(content, exam.validation)
    except AutonadError as error:
        return Attempt(FP16, None, f"it cannot be checked here: {error}")
    good = loss <= max_loss
    wish = (
        "for GPUs, so that its speed here does not count" if good else f"wanted: {100 * max_loss:g} at most"
    )
    return Attempt(
        FP16,
        content if good else None,
        f"{_lost(loss)}; {wish}",
        _finite(loss),
        speed_up(timed[MODEL], timed[FP16]),
    )


def _finite(loss: float | None) -> float | None:
    return None if loss is None or math.isnan(loss) else loss


def _lost(loss: float) -> str:
    if math.isnan(loss):
        return "its output is not finite"
    return f"{100 * loss:.2f} points of validation mIoU lost"


def _best_calibration(
    exam: Examination, images: np.ndarray, part: FloatPart, first: bytes
) -> tuple[bytes, Calibration]:
    """The file with the best mIoU on the calibration images themselves, and how it was calibrated."""
    found = {CALIBRATIONS[0]: first} | {
        calibration: to_int8(exam.model, images, calibration=calibration, keep_float=part)
        for calibration in CALIBRATIONS[1:]
    }
    scores = {calibration: exam.miou(content, exam.calibration) for calibration, content in found.items()}
    best = max(found, key=lambda calibration: np.nan_to_num(scores[calibration], nan=-1.0))
    return found[best], best
