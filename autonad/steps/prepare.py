"""The first task of a pipeline: what is asked for, what there is, and what is to be done."""

from __future__ import annotations

import shutil
import tempfile
from dataclasses import dataclass, replace
from pathlib import Path

from autonad.config.context import Context
from autonad.data.versions import DatasetVersion
from autonad.deploy import MODEL
from autonad.files import write_json
from autonad.steps.configure import REUSE, Form, PipelineInput, config_text, configure
from autonad.steps.decide import decide
from autonad.steps.fetch_dataset import fetch_dataset
from autonad.steps.load_search import load_search, require_search
from autonad.steps.resources import PodResources

# The classes as a dataset has them, so that they are read as a dataset's.
CONFIG, TARGET, CLASSES = "params.yaml", "target.json", "classes.json"


@dataclass(frozen=True, kw_only=True)
class Folders:
    """Where the first task writes what the later ones read.

    Attributes:
        request: The checked configuration, the target, and the names of the classes.
        dataset: The dataset.
        pin: The pin that now holds.
        supernet: That of the last search.
        latency: Its latency table.
        measured: A device's measurements.
        search: The last search.
        decision: The decision and its page.
    """

    request: Path
    dataset: Path
    pin: Path
    supernet: Path
    latency: Path
    measured: Path
    search: Path
    decision: Path


@dataclass(frozen=True)
class Prepared:
    """What was found.

    Attributes:
        action: "train", "search" or "reuse".
        reasons: Why, as sentences.
        pin_key: Key of the pin that now holds; empty without one.
        page: The page that shows the decision; None if nothing was decided.
        version: The dataset.
        images: Its number of images.
        resources: What later tasks may use.
    """

    action: str
    reasons: tuple[str, ...]
    pin_key: str
    page: Path | None
    version: DatasetVersion
    images: int
    resources: PodResources


def prepare(context: Context, form: Form, folders: Folders) -> Prepared:
    """Check the form, bring the dataset and the last search, and decide what is to be done.

    What an attempt that died has left in the folders is removed.

    Args:
        context: Of the task; the configuration comes from the form.
        form: What was entered.
        folders: Where to write.

    Raises:
        ConfigError: See `configure`.
        LatencyError: See `configure`.
        DatasetError: See `configure`.
        StorageError: See `configure`.
        TrackingError: MLflow cannot be used, or holds no search although the last one shall be reused.
    """
    for folder in vars(folders).values():
        shutil.rmtree(folder, ignore_errors=True)
    asked = configure(context, form, folders.measured)
    folders.measured.mkdir(parents=True, exist_ok=True)
    _write(asked, folders.request)
    context = replace(context, config=asked.config)
    fetched = fetch_dataset(context, version=asked.version, output=folders.dataset)
    write_json(folders.request / CLASSES, {"classes": list(fetched.classes)})
    with tempfile.TemporaryDirectory() as temporary:
        champion = Path(temporary)
        last = load_search(
            context,
            dataset=asked.version.name,
            target=folders.request / TARGET,
            pin=folders.pin,
            supernet=folders.supernet,
            latency=folders.latency,
            search=folders.search,
            champion=champion,
        )
        if not asked.decides:
            require_search(folders.search)
            folders.decision.mkdir(parents=True, exist_ok=True)
            said = ("the last search is reused, as asked for",)
            return Prepared(
                REUSE, said, last.pin_key or "", None, asked.version, fetched.images, asked.resources
            )
        decided = decide(
            context,
            dataset=folders.dataset,
            pin=folders.pin,
            target=folders.request / TARGET,
            output=folders.decision,
            search=folders.search,
            model=champion / MODEL,
        )
    return Prepared(
        decided.action,
        decided.reasons,
        decided.pin_key,
        decided.page,
        asked.version,
        fetched.images,
        asked.resources,
    )


def _write(asked: PipelineInput, folder: Path) -> None:
    from autonad.files import write_text_atomic

    folder.mkdir(parents=True, exist_ok=True)
    write_text_atomic(folder / CONFIG, config_text(asked.config))
    asked.target.save(folder / TARGET)
