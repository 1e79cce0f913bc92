"""`autonad fit-thresholds` from an evaluation: with the base install alone, and what it writes."""

from __future__ import annotations

import csv
import json
import subprocess
import sys
from pathlib import Path

import pytest
from base_install import ALONE
from toy_candidates import CLASSES, drawn

from autonad.detector.rules import Rules
from autonad.evaluation.candidates import Candidates, candidates_file
from autonad.evaluation.operating import split_figures
from autonad.report.line_section import LineFigures
from autonad.steps.shipped_rules import shipped_rules


@pytest.fixture
def evaluation(tmp_path: Path) -> Path:
    folder = tmp_path / "evaluation"
    folder.mkdir()
    for seed, split in enumerate(("val", "test")):
        drawn(seed, clean=400, defective=200).save(candidates_file(folder, split))
    return folder


def fit(
    *arguments: object, code: str = "from autonad.cli import main; main()"
) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-c", code, "fit-thresholds", *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True)


def test_it_needs_the_base_install_alone(evaluation: Path, tmp_path: Path) -> None:
    done = fit(
        "--from-evaluation", evaluation, "--output", tmp_path / "rules", "--overkill", 0.05, code=ALONE
    )

    assert done.returncode == 0, done.stderr
    assert "Promised with a confidence of 95 %" in done.stdout
    loaded = set(json.loads(done.stderr.splitlines()[-1]))
    assert not loaded & {"torch", "mlflow", "pandas", "cv2", "scipy", "matplotlib"}


def test_what_is_written_agrees_with_itself(evaluation: Path, tmp_path: Path) -> None:
    out = tmp_path / "rules"
    done = fit("--from-evaluation", evaluation, "--output", out, "--overkill", 0.05)
    rules = Rules.load(out / "rules.yaml", CLASSES)
    operating = json.loads((out / "operating.json").read_text())
    curves = list(csv.DictReader((out / "curves.csv").read_text().splitlines()))

    assert done.returncode == 0, done.stderr
    assert operating["rules"] == rules.to_dict()
    for split in ("val", "test"):
        found = split_figures(Candidates.load(candidates_file(evaluation, split)), rules, 0.95)
        assert operating[split] == found
        own = [row for row in curves if row["split"] == split]
        assert all(
            float(row["misses_low"]) <= float(row["misses"]) <= float(row["misses_high"]) for row in own
        )
    assert operating["goal"]["rate"] == 0.05
    assert (out / "curves.svg").read_text().startswith("<svg")


def test_the_same_evaluation_gives_the_same_files(evaluation: Path, tmp_path: Path) -> None:
    for name in ("one", "two"):
        fit("--from-evaluation", evaluation, "--output", tmp_path / name, "--miss", 0.2)

    for name in ("rules.yaml", "operating.json", "curves.csv", "curves.svg"):
        assert (tmp_path / "one" / name).read_bytes() == (tmp_path / "two" / name).read_bytes()


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (("--overkill", 0.1, "--miss", 0.1), "exclude each other"),
        (("--overkill", 1.5), "fit_thresholds.rate"),
        (("--model", "m"), "either --from-evaluation"),
    ],
)
def test_a_wrong_request_does_nothing(
    evaluation: Path, tmp_path: Path, options: tuple[object, ...], said: str
) -> None:
    done = fit("--from-evaluation", evaluation, "--output", tmp_path / "rules", *options)

    assert done.returncode == 2
    assert said in done.stderr
    assert not (tmp_path / "rules").exists()


def test_an_evaluation_without_candidates_says_what_to_run(tmp_path: Path) -> None:
    done = fit("--from-evaluation", tmp_path, "--output", tmp_path / "rules")

    assert done.returncode == 2
    assert "run `autonad evaluate` again" in done.stderr


def shipped(evaluation: Path, given: Path | None) -> tuple[Rules, LineFigures]:
    from dark_detector import dark_spec

    return shipped_rules(evaluation, given, dark_spec(), 0.95)


def test_the_evaluations_rules_are_shipped_with_their_figures(evaluation: Path, tmp_path: Path) -> None:
    fit("--from-evaluation", evaluation, "--output", evaluation, "--overkill", 0.05)
    rules, line = shipped(evaluation, None)

    assert rules == Rules.load(evaluation / "rules.yaml", CLASSES)
    assert line.figures == json.loads((evaluation / "operating.json").read_text())["test"]


def test_rules_that_are_given_are_measured_anew(evaluation: Path, tmp_path: Path) -> None:
    fit("--from-evaluation", evaluation, "--output", evaluation, "--overkill", 0.05)
    (tmp_path / "own.yaml").write_text("defaults: {probability: 0.1, review: 0.1, min_area_px: 4}\n")
    (tmp_path / "mm.yaml").write_text("mm_per_pixel: 0.1\ndefaults: {min_area_mm2: 1}\n")
    rules, line = shipped(evaluation, tmp_path / "own.yaml")
    _, unmeasured = shipped(evaluation, tmp_path / "mm.yaml")

    assert rules.classes["crack"].probability == 0.1
    assert line.figures is not None
    assert line.figures["overkill"]["rate"] > 0.2
    assert unmeasured.figures is None
    assert "Not measured" in unmeasured.told[0]


def test_without_rules_the_usual_ones_are_shipped(tmp_path: Path) -> None:
    rules, line = shipped(tmp_path, None)

    assert rules == Rules.default(CLASSES)
    assert "usual" in line.source
