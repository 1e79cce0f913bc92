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

from autonad.cli.output_options import require_free
from autonad.config import Config
from autonad.detector.rules import Rules
from autonad.errors import ConfigError, StorageError
from autonad.evaluation.candidates import Candidates, candidates_file
from autonad.evaluation.operating import split_figures
from autonad.files import write_json
from autonad.report.line_section import LineFigures, write_line_report
from autonad.steps.fit_thresholds import fit_rules
from autonad.steps.shipped_rules import shipped_rules
from autonad.tracking.names import line_metrics

OF = {"weights_sha256": "ab", "architecture": "0123456789ab", "dataset": "cd"}


@pytest.fixture
def evaluation(tmp_path: Path) -> Path:
    folder = tmp_path / "evaluation"
    folder.mkdir()
    for seed, split in enumerate(("val", "test")):
        drawn(seed, clean=400, defective=200).save(candidates_file(folder, split))
    write_json(folder / "metrics.json", {"parameters": OF})
    (folder / "report.html").write_text(
        "<p>before</p><!-- rules of the line -->later<!-- end of the rules of the line --><p>after</p>"
    )
    return folder


def fit(
    *arguments: object, code: str = "from autonad.cli import main; main()"
) -> subprocess.CompletedProcess[str]:
    quiet = ("--set", "tracking.enabled=false")
    command = [sys.executable, "-c", code, "fit-thresholds", *map(str, arguments), *quiet]
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
    assert operating["of"] == OF
    assert (out / "curves.svg").read_text().startswith("<svg")
    page = (out / "report.html").read_text().replace("\N{NO-BREAK SPACE}", " ")
    assert page.startswith("<p>before</p>")
    assert page.endswith("<p>after</p>")
    assert operating["promise"]["text"] in page
    assert "later" not in page


def test_the_same_evaluation_gives_the_same_files(evaluation: Path, tmp_path: Path) -> None:
    for name in ("one", "two"):
        fit("--from-evaluation", evaluation, "--output", tmp_path / name, "--miss", 0.2)

    for name in ("rules.yaml", "operating.json", "curves.csv", "curves.svg", "report.html"):
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


def test_without_the_full_install_it_logs_nothing(evaluation: Path, tmp_path: Path) -> None:
    command = [sys.executable, "-c", ALONE, "fit-thresholds", "--from-evaluation", evaluation]
    done = subprocess.run(
        [*command, "--output", tmp_path / "rules"], capture_output=True, text=True, cwd=tmp_path
    )

    assert done.returncode == 0, done.stderr
    assert sorted(path.name for path in (tmp_path / "rules").iterdir()) == [
        "curves.csv",
        "operating.json",
        "rules.yaml",
    ]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["evaluation", "rules"]


def test_without_validation_images_the_usual_rules_are_written_and_say_so(
    evaluation: Path, tmp_path: Path
) -> None:
    Candidates.none(CLASSES).save(candidates_file(evaluation, "val"))
    out = tmp_path / "rules"
    done = fit("--from-evaluation", evaluation, "--output", out)
    operating = json.loads((out / "operating.json").read_text())

    assert done.returncode == 0, done.stderr
    assert "no validation images" in done.stdout
    assert Rules.load(out / "rules.yaml", CLASSES) == Rules.default(CLASSES)
    assert (operating["promise"]["kept"], "val" in operating) == (False, False)
    assert operating["test"]["images"] == 600
    assert len((out / "curves.csv").read_text().splitlines()) == 1
    assert "no validation images" in (out / "report.html").read_text()
    assert line_metrics(operating)["line/promised"] == 0
    assert "usual" in shipped(evaluation, out / "rules.yaml")[1].source


@pytest.mark.parametrize("content", [None, "<p>of another version</p>"])
def test_a_report_that_cannot_be_added_to_is_named(
    evaluation: Path, tmp_path: Path, content: str | None
) -> None:
    report = evaluation / "report.html"
    report.unlink() if content is None else report.write_text(content)
    done = fit("--from-evaluation", evaluation, "--output", tmp_path / "rules")

    assert done.returncode == 2
    assert str(report) in done.stderr
    assert "run `autonad evaluate` again" in done.stderr


def shipped(evaluation: Path, given: Path | None, weights: str = "ab") -> tuple[Rules, LineFigures]:
    from dark_detector import dark_spec

    return shipped_rules(evaluation, given, dark_spec(), weights, 0.95)


def test_rules_whose_report_fails_are_not_finished(evaluation: Path, tmp_path: Path) -> None:
    out, page = tmp_path / "rules", evaluation / "report.html"
    splits = {name: Candidates.load(candidates_file(evaluation, name)) for name in ("val", "test")}
    result = fit_rules(Config(), splits, dict(OF))
    whole = page.read_text()
    for before in ("nothing", "rules of before"):
        page.write_text("no report")
        with pytest.raises(StorageError, match="no report that rules can be added to"):
            result.write(out, lambda: write_line_report(page, out / "report.html", result))
        assert (out / "operating.json").is_file()
        require_free("fit-thresholds", out)
        page.write_text(whole)
        result.write(out, lambda: write_line_report(page, out / "report.html", result))
        with pytest.raises(ConfigError, match="finished"):
            require_free("fit-thresholds", out)
        assert (out / "rules.yaml").is_file(), before


def test_chosen_rules_are_shipped_with_their_promise(evaluation: Path, tmp_path: Path) -> None:
    fit("--from-evaluation", evaluation, "--output", tmp_path, "--overkill", 0.05)
    rules, line = shipped(evaluation, tmp_path / "rules.yaml")

    assert rules == Rules.load(tmp_path / "rules.yaml", CLASSES)
    assert line.figures == json.loads((tmp_path / "operating.json").read_text())["test"]
    assert "Promised with a confidence of 95 %" in line.told[0]
    assert line.source == "chosen on the validation split"


def test_a_promise_counts_for_the_same_rules_and_weights_alone(evaluation: Path, tmp_path: Path) -> None:
    fit("--from-evaluation", evaluation, "--output", tmp_path, "--overkill", 0.05)
    _, other = shipped(evaluation, tmp_path / "rules.yaml", weights="ef")
    edited = json.loads((tmp_path / "operating.json").read_text())["rules"]
    edited["classes"]["crack"]["min_area_px"] += 1
    (tmp_path / "rules.yaml").write_text(json.dumps(edited))
    _, changed = shipped(evaluation, tmp_path / "rules.yaml")

    for line in (other, changed):
        assert line.source == "given at the export"
        assert "Promised" not in " ".join(line.told)
        assert line.figures is not None


def test_rules_that_are_given_are_measured_anew(evaluation: Path, tmp_path: Path) -> None:
    (tmp_path / "own.yaml").write_text("defaults: {probability: 0.1, review: 0.1, min_area_px: 4}\n")
    (tmp_path / "mm.yaml").write_text("mm_per_pixel: 0.1\ndefaults: {min_area_mm2: 1}\n")
    rules, line = shipped(evaluation, tmp_path / "own.yaml")
    _, unmeasured = shipped(evaluation, tmp_path / "mm.yaml")

    assert rules.classes["crack"].probability == 0.1
    assert line.figures is not None
    assert line.figures["overkill"]["rate"] > 0.2
    assert unmeasured.figures is None
    assert "Not measured" in unmeasured.told[0]


def test_without_rules_the_usual_ones_are_shipped_and_measured(evaluation: Path, tmp_path: Path) -> None:
    rules, line = shipped(evaluation, None)
    _, unmeasured = shipped(tmp_path, None)

    assert rules == Rules.default(CLASSES)
    assert "usual" in line.source
    assert line.figures == split_figures(Candidates.load(candidates_file(evaluation, "test")), rules, 0.95)
    assert unmeasured.figures is None
