"""Which rules a detector ships, and what they do."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from autonad.detector.rules import Rules
    from autonad.detector.spec import DetectorSpec
    from autonad.report.line_section import LineFigures

USUAL, CHOSEN, GIVEN = (
    "the usual ones, chosen on no images",
    "chosen on the validation split",
    "given at the export",
)


def shipped_rules(
    evaluation: Path, given: Path | None, spec: DetectorSpec, weights: str, confidence: float
) -> tuple[Rules, LineFigures]:
    """The rules that go into the exported file, with their figures for the model card.

    Args:
        evaluation: Evaluation folder.
        given: rules.yaml; what `fit-thresholds` wrote beside it says what the rules promise, if it is of the
            same rules and weights. None takes the usual ones.
        spec: Classes.
        weights: Sha256 of the weights that are exported.
        confidence: Of the intervals.

    Raises:
        ConfigError: The rules are none, or of other classes.
        StorageError: The evaluation, or what is beside the rules, is damaged.
    """
    from autonad.detector.rules import Rules
    from autonad.evaluation.line_result import OPERATING, OperatingFile, told, told_found
    from autonad.files import read_json
    from autonad.report.line_section import LineFigures

    rules = Rules.default(spec.classes) if given is None else Rules.load(given, spec.classes)
    beside = None if given is None else given.with_name(OPERATING)
    if beside is not None and beside.is_file():
        operating = read_json(beside, "what the rules promise", OperatingFile)
        if (
            operating.get("rules") == rules.to_dict()
            and operating.get("of", {}).get("weights_sha256") == weights
        ):
            source = CHOSEN if "val" in operating else USUAL
            return rules, LineFigures(rules, source, tuple(told(operating)), operating.get("test"))
    source = USUAL if given is None else GIVEN
    figures, why_not = rules_on_test(evaluation, rules, confidence)
    sentences = (told_found("test", figures),) if figures else (f"Not measured: {why_not}.",)
    return rules, LineFigures(rules, source, sentences, figures)


def rules_on_test(evaluation: Path, rules: Rules, confidence: float) -> tuple[dict[str, Any] | None, str]:
    """What rules do on the test split of an evaluation; None, and why, where that cannot be said.

    Args:
        evaluation: Evaluation folder.
        rules: Of the same classes.
        confidence: Of the intervals.

    Raises:
        StorageError: The evaluation is damaged.
    """
    from autonad.errors import ConfigError
    from autonad.evaluation.candidates import Candidates, candidates_file
    from autonad.evaluation.operating import split_figures

    file = candidates_file(evaluation, "test")
    if not file.is_file():
        return None, "the evaluation kept no candidates"
    try:
        return split_figures(Candidates.load(file), rules, confidence), ""
    except ConfigError as error:
        return None, str(error)
