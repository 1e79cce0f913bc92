"""From a dataset and a target to an exported detector: the steps that `run` and `demo` share."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from autonad.config.context import Context
from autonad.errors import AutonadError, LatencyError
from autonad.files import sha256_file
from autonad.steps.chain import Chain, Figures, Link
from autonad.steps.evaluate import evaluate
from autonad.steps.export import export
from autonad.steps.fit_thresholds import fit_thresholds
from autonad.steps.profile_latency import device_of, profile_latency
from autonad.steps.retrain import retrain
from autonad.steps.search import search
from autonad.steps.search_limits import require_limits
from autonad.steps.step import tell_execution
from autonad.steps.train_supernet import train_supernet

THIS_MACHINE = "this-machine"
_MODEL = ("model.safetensors", "model.json", "architecture.json")


@dataclass(frozen=True)
class Designed:
    """One detector that was designed.

    Attributes:
        name: `<target>-<budget>`, or the target's name without a budget.
        miou: Test mIoU of the retrained architecture, a fraction, background included.
        mf1: Test mF1, likewise.
        interval: Bootstrap interval of the mIoU over parts.
        inherited_miou: Validation mIoU of the same architecture with the supernet's weights.
        parameters: Scalars in its tensors.
        latency: What it takes on the target and where it was exported, in words.
        told: What its rules promise and do, in sentences.
        report: The page to open.
        model: The ONNX file.
        evaluation: Evaluation folder.
    """

    name: str
    miou: float
    mf1: float
    interval: tuple[float, float] | None
    inherited_miou: float
    parameters: int
    latency: str
    told: tuple[str, ...]
    report: Path
    model: Path
    evaluation: Path


@dataclass(frozen=True)
class Design:
    """The steps of one dataset, each in a sub-folder of `output` that is named after it.

    Attributes:
        context: What every step is called with.
        chain: Runs them, or knows that they were run.
        output: Where all of it is.
        fingerprint: The dataset's.
        classes: Its classes, background first.
        measured: Folder that `autonad profile-latency --kit` wrote on the device; None measures here.
    """

    context: Context
    chain: Chain
    output: Path
    fingerprint: str
    classes: tuple[str, ...]
    measured: Path | None = None

    @property
    def dataset(self) -> Path:
        """Dataset folder."""
        return self.output / "dataset"

    def run(self, target: Path | None = None) -> list[Designed]:
        """Run all steps.

        Args:
            target: Target file that the detector is for; None is what was measured, or this machine.

        Returns:
            A detector for each latency budget.

        Raises:
            SearchError: No network keeps the search's limits.
            AutonadError: A step cannot be done; those before it are kept.
        """
        self._describe(target)
        self.chain(self.latency_link())
        try:
            self._require_limits()
            self.chain(self.supernet_link())
            found = self.chain(self.search_link())["found"]
        except LatencyError:
            # The table may be of a busy moment: the same command shall measure again.
            self.chain.forget("profile-latency")
            raise
        return [self._detector(one, alone=len(found) == 1) for one in found]

    def _require_limits(self) -> None:
        """Before anything is trained: a search that cannot return anything is found in minutes.

        Raises:
            LatencyError: See `require_limits`.
            SearchError: The same.
        """
        if self.chain.finished(self.supernet_link()) is not None:
            return
        try:
            require_limits(self.context.config, self.output / "profile-latency", len(self.classes))
        except AutonadError as error:
            tell_execution(self.context, f"search: {error}")
            raise

    def _settings(self, *sections: str) -> dict[str, Any]:
        """What a step's result depends on in the configuration, and the dataset's fingerprint."""
        kept = self.context.config.model_dump(mode="json", include={"seed", *sections})
        return {**kept, "dataset": self.fingerprint}

    def _describe(self, target: Path | None) -> None:
        """Write the target; it costs nothing, so that another machine is noticed each time.

        Raises:
            LatencyError: What was measured is of another device, space or input.
        """
        from autonad.latency.target import Target

        device = device_of(self.context.config, target, self.measured)
        described = device or Target.describe(THIS_MACHINE, threads=self.context.config.threads)
        described.save(self.output / "target.json")

    def supernet_link(self) -> Link:
        """The supernet's training."""
        folder = self.output / "train-supernet"
        return Link(
            "train-supernet",
            lambda: _miou(
                train_supernet(self.context, dataset=self.dataset, output=folder, resume="or-restart")
            ),
            self._settings("space", "input", "train_supernet"),
            writes=(folder / "supernet.safetensors", folder / "supernet.json"),
        )

    def latency_link(self) -> Link:
        """Measuring the target."""
        from autonad.latency.measured import MEASURED, Measured

        folder, target = self.output / "profile-latency", self.output / "target.json"
        classes, brought = len(self.classes), {}
        if self.measured is not None:
            # Classes hardly matter for latency, and a device is measured before they are known.
            classes = Measured.load(self.measured).subject.num_classes
            brought = {"measured": sha256_file(self.measured / MEASURED)}

        def does() -> Figures:
            done = profile_latency(
                self.context, target=target, output=folder, num_classes=classes, measured=self.measured
            )
            return {"cautions": done.cautions}

        settings = self.context.config.model_dump(
            mode="json", include={"seed", "space", "input", "profile_latency"}
        )
        return Link(
            "profile-latency",
            does,
            {**settings, "classes": classes, **brought},
            (target,),
            tuple(folder / name for name in ("table.parquet", "target.json", "prior.json")),
        )

    def search_link(self) -> Link:
        """The search, whose figures name what was found."""
        folder = self.output / "search"
        supernet, latency = self.output / "train-supernet", self.output / "profile-latency"

        def does() -> Figures:
            first = search(
                self.context,
                dataset=self.dataset,
                supernet=supernet,
                latency=latency,
                output=folder,
                resume="or-restart",
            )
            found = [asdict(one) for one in (first, *first.others)]
            return {"found": [{name: one[name] for name in _FOUND} | _place(one, folder) for one in found]}

        return Link(
            "search",
            does,
            self._settings("search", "profile_latency"),
            (
                *(supernet / name for name in ("supernet.safetensors", "supernet.json")),
                *(latency / name for name in ("table.parquet", "target.json", "prior.json")),
            ),
            tuple(folder / name for name in ("architecture.json", "inherited.safetensors", "search.json")),
        )

    def _detector(self, found: Mapping[str, Any], *, alone: bool) -> Designed:
        """Retrain, evaluate and export what a search found for one budget."""
        place = self.place(found)
        _, scored, fitted, shipped = map(self.chain, self.detector_links(found, alone=alone))
        return Designed(
            name=str(found["name"]),
            miou=scored["miou"],
            mf1=scored["mf1"],
            interval=None if scored["interval"] is None else tuple(scored["interval"]),
            inherited_miou=found["miou"],
            parameters=found["parameters"],
            latency=shipped["latency"],
            told=tuple(fitted["told"]),
            report=place / "fit-thresholds" / "report.html",
            model=place / "export" / "model.onnx",
            evaluation=place / "evaluate",
        )

    def place(self, found: Mapping[str, Any]) -> Path:
        """Where the detector of a budget is made: as the search's own folder of it, below the output."""
        return self.output / str(found["folder"])

    def detector_links(self, found: Mapping[str, Any], *, alone: bool) -> tuple[Link, Link, Link, Link]:
        """Retraining, evaluation, rules and export of what a search found for one budget; see `place`."""
        place, mark = self.place(found), "" if alone else f" {found['name']}"
        searched = self.output / "search" / found["folder"]
        model, evaluation = place / "retrain", place / "evaluate"
        line, exported = place / "fit-thresholds", place / "export"
        return (
            self._retraining(mark, searched, model),
            self._evaluating(mark, searched, model, evaluation),
            self._fitting(mark, evaluation, line),
            self._exporting(mark, model, evaluation, line / "rules.yaml", exported),
        )

    def _retraining(self, mark: str, searched: Path, model: Path) -> Link:
        config, teacher = self.context.config, self.output / "train-supernet"
        names = ("architecture.json", "inherited.safetensors", "search.json")
        reads = [searched / name for name in names]
        if config.retrain.teacher != "none":
            reads += [teacher / name for name in ("supernet.safetensors", "supernet.json")]
        given: dict[str, Any] = {"dataset": self.dataset, "search": searched, "output": model}
        return Link(
            f"retrain{mark}",
            lambda: _miou(retrain(self.context, **given, teacher=teacher, resume="or-restart")),
            self._settings("retrain", "input"),
            tuple(reads),
            tuple(model / name for name in (*_MODEL, "history.parquet")),
        )

    def _evaluating(self, mark: str, searched: Path, model: Path, evaluation: Path) -> Link:
        latency = self.output / "profile-latency"

        def does() -> Figures:
            done = evaluate(
                self.context,
                dataset=self.dataset,
                model=model,
                output=evaluation,
                search=searched,
                latency=latency,
            )
            return {"miou": done.miou, "mf1": done.mf1, "interval": done.interval}

        return Link(
            f"evaluate{mark}",
            does,
            self._settings("evaluate"),
            (
                *(model / name for name in _MODEL),
                model / "history.parquet",
                searched / "search.json",
                searched / "population.parquet",
                latency / "prior.json",
            ),
            tuple(
                evaluation / name
                for name in ("metrics.json", "report.html", "candidates-val.npz", "candidates-test.npz")
            ),
        )

    def _fitting(self, mark: str, evaluation: Path, line: Path) -> Link:
        config = self.context.config

        def does() -> Figures:
            return {"told": fit_thresholds(self.context, evaluation=evaluation, output=line).told}

        names = ("metrics.json", "report.html", "candidates-val.npz", "candidates-test.npz")
        return Link(
            f"fit-thresholds{mark}",
            does,
            {**self._settings("fit_thresholds"), "resamples": config.evaluate.resamples},
            tuple(evaluation / name for name in names),
            (line / "rules.yaml", line / "report.html"),
        )

    def _exporting(self, mark: str, model: Path, evaluation: Path, rules: Path, exported: Path) -> Link:
        def does() -> Figures:
            done = export(
                self.context,
                model=model,
                dataset=self.dataset,
                evaluation=evaluation,
                rules=rules,
                output=exported,
            )
            return {"latency": done.latency}

        return Link(
            f"export{mark}",
            does,
            self._settings("export"),
            (
                *(model / name for name in _MODEL),
                *(evaluation / name for name in ("metrics.json", "candidates-test.npz")),
                *(rules.parent / name for name in ("rules.yaml", "operating.json")),
            ),
            (exported / "model.onnx", exported / "parity.json", exported / "MODEL_CARD.md"),
        )


_FOUND = ("name", "miou", "parameters", "predicted_ms", "measured_ms", "reason")


def _place(found: Mapping[str, Any], folder: Path) -> dict[str, str]:
    return {"folder": str(Path(found["folder"]).relative_to(folder))}


def _miou(done: Any) -> Figures:
    return {"miou": done.miou}


def fingerprint_of(dataset: Path) -> str:
    """A dataset's fingerprint."""
    from autonad.data.dataset import Dataset

    return Dataset.open(dataset).fingerprint
