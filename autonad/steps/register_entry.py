"""The detector that wants to be registered, read from its folders and checked to belong together."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from autonad.config import Config
from autonad.deploy import MODEL
from autonad.errors import ConfigError, ExportError
from autonad.steps.step import dataset_name
from autonad.tracking.runs.made_for import variant_tags
from autonad.tracking.tags import ARCHITECTURE, FINGERPRINT, HARDWARE_KEY

if TYPE_CHECKING:
    from autonad.data.dataset import Dataset
    from autonad.data.faults import Fault
    from autonad.deploy.shipped import ShippedNetwork
    from autonad.deploy.verdict import Verdict


@dataclass(frozen=True)
class Entry:
    """The detector that wants to be registered.

    Attributes:
        name: The registered model.
        folder: The export folder.
        network: The exported network.
        source: The dataset.
        latency: Whether it keeps the budget.
        line: What its rules do on the test split; None where that is not known.
        minimum: Whether it is good enough to be in use at all.
        flags: What makes it worthless or doubtful.
        tags: Of the run and the version.
    """

    name: str
    folder: Path
    network: ShippedNetwork
    source: Dataset
    latency: Verdict
    line: dict[str, Any] | None
    minimum: Verdict
    flags: tuple[Fault, ...]
    tags: dict[str, str]

    def to_dict(self) -> dict[str, Any]:
        """What `registration.json` says of it."""
        from autonad.report.flagged import KEY, to_json

        return {
            "model": self.name,
            "dataset": self.source.fingerprint,
            "architecture": self.network.architecture.key,
            "latency": self.latency.figures,
            "rules": self.network.network.rules.to_dict(),
            "line": self.line,
            "minimum": self.minimum.figures,
            KEY: to_json(self.flags),
        }


def read_entry(config: Config, export: Path, evaluation: Path, dataset: Path, target: Path | None) -> Entry:
    """The detector, checked to belong to evaluation and dataset.

    Raises:
        ExportError: It does not.
        ConfigError: It is not known what the detector shall run on.
    """
    from autonad.data.dataset import Dataset
    from autonad.deploy.shipped import ShippedNetwork
    from autonad.deploy.verdict import judge_minimum
    from autonad.latency.target import Target
    from autonad.report.flagged import from_json
    from autonad.report.red_flags import rules_find_nothing
    from autonad.steps.shipped_rules import rules_on_test
    from autonad.tracking.registry.model_versions import model_name

    network = ShippedNetwork.open(export / MODEL, config.threads)
    source = Dataset.open(dataset)
    metrics = _checked_evaluation(evaluation, network, source)
    device = Target.load(target) if target is not None else None
    where = network.provenance.get("target") if device is None else device.name
    if where is None:
        raise ConfigError(
            f"{export} does not say which target its architecture was searched for; name one with --target "
            "FILE"
        )
    key = network.provenance.get("hardware_key") if device is None else device.hardware_key
    budget = network.provenance.get("latency_budget_ms", config.search.budgets_ms[0])
    latency = _latency(config, export, network, str(where), key, budget)
    tags = {FINGERPRINT: source.fingerprint, ARCHITECTURE: network.architecture.key}
    tags |= variant_tags(network.provenance)
    if key is not None:
        tags[HARDWARE_KEY] = key
    rules, confidence = network.network.rules, config.fit_thresholds.confidence
    line, _ = rules_on_test(evaluation, rules, confidence)
    name = model_name(dataset_name(config, source), str(where), budget)
    flags = (*from_json(metrics, evaluation / "metrics.json"), *rules_find_nothing(line))
    missed, settings = metrics.get("image_level", {}).get("misses"), config.register
    minimum = judge_minimum(missed, flags, settings.minimum, settings.accept)
    return Entry(name, export, network, source, latency, line, minimum, flags, tags)


def _checked_evaluation(evaluation: Path, challenger: ShippedNetwork, source: Dataset) -> dict[str, Any]:
    """Content of `metrics.json`, which is of this detector on this dataset."""
    from autonad.evaluation.line_result import EvaluatedFile
    from autonad.files import read_json

    metrics: dict[str, Any] = read_json(evaluation / "metrics.json", "the evaluation", EvaluatedFile)
    told = metrics.get("parameters", {})
    weights = challenger.provenance.get("weights_sha256")
    if told.get("weights_sha256") != weights or told.get("dataset") != source.fingerprint:
        what = "other weights" if told.get("weights_sha256") != weights else "another dataset"
        raise ExportError(
            f"the evaluation in {evaluation} is of {what} than {challenger.path}; run `autonad evaluate` and "
            "`autonad export` on this model and dataset first"
        )
    return metrics


def _latency(
    config: Config,
    export: Path,
    challenger: ShippedNetwork,
    where: str,
    key: str | None,
    budget_ms: float | None,
) -> Verdict:
    """The latency on the target against the budget."""
    from autonad.deploy.latency_figure import LatencyFile, target_latency
    from autonad.deploy.verdict import judge_latency
    from autonad.files import read_json

    here = read_json(export / "latency.json", "the exported network's latency", LatencyFile)[MODEL]
    latency_ms = target_latency(challenger.provenance, here, key)
    return judge_latency(latency_ms, budget_ms, config.register.latency_tolerance, where)
