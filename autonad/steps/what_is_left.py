"""What a run that was interrupted has still to do."""

from __future__ import annotations

from pathlib import Path

from autonad.config import TrainingConfig
from autonad.errors import StorageError
from autonad.files import read_json
from autonad.search.state import count_evaluations
from autonad.steps.chain import Link
from autonad.steps.design_chain import Design
from autonad.steps.search import JOURNAL
from autonad.steps.search_winners import LEARNT


def shares_left(design: Design) -> dict[str, float]:
    """The share of each step that is not done, from 0 to 1, by the names of `Pace.costs`.

    A step is done anew if one before it is; of a training or a search that was cut off, what it goes on from
    is done.
    """
    folder, settings = design.output / "train-supernet", design.context.config.train_supernet
    supernet = _training(design, design.supernet_link(), folder, settings)
    latency = float(design.chain.finished(design.latency_link()) is None)
    search, finalists = _search(design) if not (supernet or latency) else (1.0, 1.0)
    retraining, last = _detectors(design) if not (supernet or latency) else (1.0, 1.0)
    return {
        "latency": latency,
        "supernet": supernet,
        "search": search,
        "finalists": finalists,
        "retraining": retraining,
        "evaluation and export": last,
    }


def _training(design: Design, link: Link, folder: Path, settings: TrainingConfig) -> float:
    if design.chain.finished(link) is not None:
        return 0.0
    if not design.chain.begun(link):
        return 1.0
    from autonad.training.checkpoint import POINTER, PointerFile
    from autonad.training.resumable import FOLDER

    try:
        pointer = read_json(folder / FOLDER / POINTER, "the checkpoint", PointerFile)
    except StorageError:
        return 1.0  # None yet, or a damaged one: the training begins anew.
    return max(0.0, 1 - pointer["progress"]["epoch"] / settings.epochs)


def _search(design: Design) -> tuple[float, float]:
    """Of the evaluations, and of what finalists learn."""
    link, settings = design.search_link(), design.context.config.search
    if design.chain.finished(link) is not None:
        return 0.0, 0.0
    if not design.chain.begun(link):
        return 1.0, 1.0
    folder, wanted = design.output / "search", settings.population * settings.generations
    search = max(0.0, 1 - count_evaluations(folder / JOURNAL) / wanted)
    if search:
        return search, 1.0
    learning = settings.finalists * len(settings.budgets_ms)
    return search, max(0.0, 1 - _lines(folder / LEARNT) / learning)


def _lines(path: Path) -> int:
    """Entries of a journal after its first one."""
    if not path.is_file():
        return 0
    with path.open("rb") as lines:
        next(lines, None)
        return sum(1 for _ in lines)


def _detectors(design: Design) -> tuple[float, float]:
    """Of retraining, and of what follows, over all budgets."""
    searched = design.chain.finished(design.search_link())
    if searched is None:
        return 1.0, 1.0
    found = searched["found"]
    alone = len(found) == 1
    retraining, last = [], []
    for one in found:
        first, *others = design.detector_links(one, alone=alone)
        folder = design.place(one) / "retrain"
        retraining.append(_training(design, first, folder, design.context.config.retrain))
        done = [design.chain.finished(link) is not None for link in others]
        # What stands after something that is done anew is done anew, too.
        last.append(1 - ([*done, False].index(False) / len(done) if not retraining[-1] else 0))
    return sum(retraining) / len(found), sum(last) / len(found)
