"""Which rules a detector ships, and what they do."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from autonad.detector.rules import Rules
    from autonad.detector.spec import DetectorSpec
    from autonad.report.line_section import LineFigures


def shipped_rules(
    evaluation: Path, given: Path | None, spec: DetectorSpec, confidence: float
) -> tuple[Rules, LineFigures]:
    """The rules that go into the exported file, with their figures for the model card.

    Args:
        evaluation: Evaluation folder; without validation images it has no rules.
        given: rules.yaml that takes precedence; None takes the evaluation's, else the usual ones.
        spec: Classes.
        confidence: Of the intervals of rules that are given.

    Raises:
        ConfigError: The rules are none, or of other classes.
        StorageError: The evaluation is damaged.
    """
    from autonad.detector.rules import Rules
    from autonad.errors import ConfigError
    from autonad.evaluation.candidates import Candidates, candidates_file
    from autonad.evaluation.line_result import OPERATING, RULES, told, told_found
    from autonad.evaluation.operating import split_figures
    from autonad.files import read_json
    from autonad.report.line_section import LineFigures

    fitted = evaluation / RULES
    if given is None and not fitted.is_file():
        usual = Rules.default(spec.classes)
        return usual, LineFigures(usual, "the usual ones, chosen on no images", (), None)
    rules = Rules.load(given or fitted, spec.classes)
    if fitted.is_file() and rules == Rules.load(fitted, spec.classes):
        operating = read_json(evaluation / OPERATING, "the evaluation's rules")
        source = "chosen on the validation split"
        return rules, LineFigures(rules, source, tuple(told(operating)), operating.get("test"))
    source = "given at the export"
    file = candidates_file(evaluation, "test")
    try:
        figures = split_figures(Candidates.load(file), rules, confidence) if file.is_file() else None
    except ConfigError as error:
        return rules, LineFigures(rules, source, (f"Not measured: {error}.",), None)
    sentences = () if figures is None else (told_found("test", figures, confidence),)
    return rules, LineFigures(rules, source, sentences, figures)
