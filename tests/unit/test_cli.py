"""The command line: exit codes, and one line for a user's mistake."""

from __future__ import annotations

import errno
import json
import os
import re
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import typer
from PIL import Image

from autonad import steps
from autonad.cli import main
from autonad.cli.entry import app
from autonad.cli.output_options import _FINISHED, RESUMED, ResumedOutput
from autonad.config.context import Context
from autonad.errors import FaultyItems, StorageError
from autonad.locks import SECRET_OPTIONS, exclusive
from autonad.steps.demo import DemoResult

QUIET = ("--set", "tracking.enabled=false")
TINY = ("--set", "synthesize.num_images=12", "--set", "synthesize.image_side=32")
# Logging to MLflow has its own tests and would cost each of these seconds.
DATA_VERBS = {"import-data", "synthesize", "audit", "export-data"}


@dataclass(frozen=True)
class Outcome:
    code: int
    out: str
    err: str

    @property
    def complaint(self) -> str:
        """What a user's mistake prints: exactly one line."""
        assert self.code == 2, self.err
        assert self.out == ""
        assert self.err.startswith("error: ")
        assert self.err.endswith("\n")
        assert self.err.count("\n") == 1, self.err
        return self.err


Run = Callable[..., Outcome]


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str], tmp_path: Path) -> Run:
    """Runs the command line in an empty working folder."""
    monkeypatch.chdir(tmp_path)

    def call(*arguments: object) -> Outcome:
        if arguments and arguments[0] in DATA_VERBS:
            arguments = (*arguments, *QUIET)
        monkeypatch.setattr(sys, "argv", ["autonad", *map(str, arguments)])
        with pytest.raises(SystemExit) as ended:
            main()
        code = ended.value.code or 0
        assert isinstance(code, int)
        return Outcome(code, *capfd.readouterr())

    return call


@pytest.fixture(scope="module")
def dataset(tmp_path_factory: pytest.TempPathFactory) -> Path:
    from autonad.config import load_config

    folder = tmp_path_factory.mktemp("data") / "generated"
    steps.synthesize(Context(load_config(None, (*TINY[1::2], *QUIET[1::2]))), output=folder)
    return folder


def layout(folder: Path, count: int = 6) -> Path:
    """Images and binary masks that can be imported as `masks`."""
    rng = np.random.default_rng(3)
    for name in ("images", "masks"):
        (folder / name).mkdir(parents=True)
    for number in range(count):
        mask = np.zeros((40, 40), dtype=np.uint8)
        mask[5:15, 5 + number : 20 + number] = 255
        Image.fromarray(rng.integers(0, 255, (40, 40, 3), dtype=np.uint8)).save(
            folder / f"images/{number}.png"
        )
        Image.fromarray(mask).save(folder / f"masks/{number}.png")
    return folder


# -- 0: done -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("verb", ["export", "fit-thresholds", "retrain"])
def test_an_option_without_a_default_must_be_given(run: Run, verb: str) -> None:
    outcome = run(verb)

    assert outcome.code == 2
    assert "Missing option" in outcome.err
    assert "required" in run(verb, "--help").out.split("--output")[1].split("--")[0]


def test_help_lists_every_verb_in_the_order_of_work(run: Run) -> None:
    from autonad.cli.entry import app
    from autonad.cli.verb_list import ORDER

    outcome = run("--help")

    names = [name for verbs in ORDER.values() for name in verbs]
    there = {command.name or command.callback.__name__ for command in app.registered_commands}  # type: ignore[union-attr]
    assert set(names) == there | {"pipeline"}
    assert (outcome.code, outcome.err) == (0, "")
    places = [outcome.out.index(f"\n  {name} ") for name in names]
    assert places == sorted(places)
    assert "..." not in outcome.out.partition("[ARGS]...")[2]


def test_a_folder_to_work_in_is_made_once(run: Run, tmp_path: Path) -> None:
    made, again = run("init", "mine"), run("init", "mine")

    assert (made.code, made.err) == (0, "")
    assert made.out.startswith("mine: params.yaml, dvc.yaml")
    assert "autonad run --source" in made.out
    assert "params.yaml" in again.complaint


def test_a_folder_of_another_version_is_noted(run: Run, tmp_path: Path) -> None:
    assert run("init").code == 0
    assert "note" not in run("synthesize", "--output", "a", *TINY).out
    (tmp_path / "autonad.version").write_text("0.0.1")
    assert run("synthesize", "--output", "b", *TINY).out.startswith("note: autonad.version says '0.0.1'")


def test_images_that_cannot_be_used_end_a_run_with_their_causes(run: Run, tmp_path: Path) -> None:
    source = layout(tmp_path / "mydata")
    for file in (source / "images").iterdir():
        file.write_text("no image")

    outcome = run("run", "--source", source, *QUIET)

    assert outcome.code == 2
    assert outcome.err.count("\n") == 1
    assert "unreadable" in outcome.out


def test_the_version_is_said(run: Run) -> None:
    from autonad import __version__

    assert run("--version") == Outcome(0, f"{__version__}\n", "")


def test_a_generated_dataset_passes_its_audit(run: Run, tmp_path: Path) -> None:
    made = run("synthesize", "--output", "made", *TINY)
    looked = run("audit", "--dataset", "made")

    assert (made.code, made.err) == (0, "")
    assert made.out.startswith("made: 12 images of ")
    assert (looked.code, looked.err) == (0, "")
    assert looked.out.splitlines()[-1].startswith("0 errors, ")
    assert (tmp_path / "made" / "manifest.parquet").is_file()


def test_the_parameter_file_of_the_working_folder_is_read(run: Run, tmp_path: Path) -> None:
    (tmp_path / "params.yaml").write_text("synthesize: {num_images: 14, image_side: 32}\n")
    (tmp_path / "other.yaml").write_text("synthesize: {num_images: 16, image_side: 32}\n")

    assert run("synthesize", "--output", "a").out.startswith("a: 14 images")
    assert run("synthesize", "--output", "b", "--params", "other.yaml").out.startswith("b: 16 images")
    assert run("synthesize", "--output", "c", "--set", "synthesize.num_images=18").out.startswith(
        "c: 18 images"
    )


def test_a_target_is_described(run: Run, tmp_path: Path) -> None:
    outcome = run("describe-target", "--output", "targets/line.json", "--threads", 1)

    target = json.loads((tmp_path / "targets" / "line.json").read_text())
    assert outcome.code == 0
    assert (target["name"], target["threads"]) == ("line", 1)


@pytest.mark.parametrize(
    ("provider", "runtime", "precision"),
    [("cpu", "pytorch", "bf16"), ("cuda", "pytorch", "fp16"), ("tensorrt", "onnxruntime", "fp16")],
)
def test_every_precision_of_a_target_can_be_asked_for(
    run: Run, tmp_path: Path, provider: str, runtime: str, precision: str
) -> None:
    wanted = ("--provider", provider, "--runtime", runtime, "--precision", precision)
    outcome = run("describe-target", "--output", "line.json", *wanted)

    assert outcome.code == 0, outcome.err
    assert json.loads((tmp_path / "line.json").read_text())["precision"] == precision


# -- 1: done, but some items were faulty -------------------------------------------------------------------


def test_an_import_with_a_faulty_image_is_done_and_names_it(run: Run, tmp_path: Path) -> None:
    source = layout(tmp_path / "source")
    (source / "images" / "2.png").write_bytes(b"no image")

    outcome = run("import-data", "--format", "masks", "--source", source, "--output", "set")

    assert outcome.code == 1
    assert "images/2.png" in outcome.out
    assert "set: 5 images" in outcome.out
    assert outcome.err.startswith("note: 1 ")
    assert "quarantine" in outcome.err
    assert outcome.err.count("\n") == 1


def test_exported_annotations_are_imported_again(run: Run, dataset: Path) -> None:
    exported = run("export-data", "--dataset", dataset, "--format", "labelme", "--output", "shapes")
    imported = run("import-data", "--format", "labelme", "--source", "shapes", "--output", "again")

    assert (exported.code, exported.err) == (0, "")
    assert exported.out.splitlines()[-1].startswith("shapes: 12 images with masks as labelme; ")
    assert imported.code == 0
    assert "again: 12 images of " in imported.out


def test_an_audit_that_finds_errors_says_so(run: Run, tmp_path: Path) -> None:
    source = layout(tmp_path / "source")
    (source / "masks" / "4.png").unlink()

    outcome = run("audit", "--format", "masks", "--source", source)

    assert outcome.code == 1
    assert "images/4.png" in outcome.out
    assert "1 errors" in outcome.out.splitlines()[-1]
    assert outcome.err.startswith("note: ")


# -- 2: the request is wrong -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("arguments", "part"),
    [
        (["nonsense"], "nonsense"),
        (["search", "--nope"], "--nope"),
        (["synthesize"], "--output"),
        (["train-supernet", "--output", "x"], "--dataset"),
        (["describe-target", "--output", "t.json", "--threads", "two"], "--threads"),
        (["synthesize", "--output", "x", "surplus"], "surplus"),
    ],
)
def test_an_unknown_verb_or_option_shows_the_usage(
    run: Run, arguments: list[str], part: str, tmp_path: Path
) -> None:
    outcome = run(*arguments)

    assert outcome.code == 2
    assert outcome.out == ""
    assert outcome.err.startswith("Usage: ")
    assert part in outcome.err.splitlines()[-1]
    assert "Traceback" not in outcome.err
    assert not any(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("arguments", "parts"),
    [
        (["synthesize", "--output", "x", "--params", "none.yaml"], ["none.yaml", "--params"]),
        (
            ["synthesize", "--output", "x", "--set", "synthesize.images=3"],
            ["synthesize.images", "num_images"],
        ),
        (
            ["synthesize", "--output", "x", "--set", "synthesize.num_images=some"],
            ["num_images", "'some'", "integer"],
        ),
        (["synthesize", "--output", "x", "--set", "num_images"], ["num_images", "section.key=value"]),
        (["synthesize", "--output", "x", "--set", "synthesize.classes=[rust]"], ["rust", "crack"]),
        (["demo", "--set", "synthesize.nothing=1"], ["synthesize.nothing", "--set"]),
        (["run", "--source", "nowhere"], ["nowhere", "--source"]),
        (["run", "--source", ".", "--output", "runs/x"], ["lies in the source", "--output"]),
        (["run", "--source", "/", "--set", "seach.population=4"], ["seach", "search"]),
        (["audit"], ["--dataset", "--format"]),
        (["audit", "--format", "masks"], ["--source"]),
        (["audit", "--dataset", "nowhere"], ["nowhere", "import-data"]),
        (["import-data", "--format", "png", "--source", ".", "--output", "x"], ["'png'", "masks"]),
        (
            ["import-data", "--format", "neu", "--source", "nowhere", "--output", "x"],
            ["nowhere", "does not exist"],
        ),
        (["import-data", "--format", "neu", "--source", ".", "--output", "x"], ["Source Images"]),
        (["describe-target", "--output", "t.json", "--runtime", "abacus"], ["'abacus'", "onnxruntime"]),
        (
            ["describe-target", "--output", "t.json", "--precision", "fp16"],
            ["onnxruntime on cpu runs fp32, not fp16", "onnxruntime on tensorrt", "pytorch on cuda"],
        ),
        (["describe-target", "--output", "t.json", "--precision", "int4"], ["precision", "'fp16' or 'bf16'"]),
        (["profile-latency", "--target", "none.json", "--output", "x"], ["none.json", "target"]),
        (["train-supernet", "--dataset", "nowhere", "--output", "x"], ["nowhere", "import-data"]),
    ],
)
def test_a_mistake_is_one_line_and_nothing_is_written(
    run: Run, arguments: list[str], parts: list[str], tmp_path: Path
) -> None:
    complaint = run(*arguments).complaint

    assert not [part for part in parts if part not in complaint], complaint
    assert not any(tmp_path.iterdir())


def test_missing_inputs_of_later_steps_are_named(run: Run, dataset: Path, tmp_path: Path) -> None:
    common = ("--dataset", dataset, "--output", "x", *QUIET)

    assert "supernet" in run("search", "--supernet", "none", "--latency", "none", *common).complaint
    assert "none/architecture.json" in run("retrain", "--search", "none", *common).complaint
    assert "none/model.json" in run("evaluate", "--model", "none", *common).complaint
    assert "none/model.json" in run("export", "--model", "none", "--evaluation", "none", *common).complaint
    assert not any(tmp_path.iterdir())


def test_a_folder_that_is_no_dataset_is_not_overwritten(run: Run, tmp_path: Path) -> None:
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "letter.txt").write_text("dear")

    assert "mine" in run("synthesize", "--output", "mine", *TINY).complaint
    assert [path.name for path in (tmp_path / "mine").iterdir()] == ["letter.txt"]
    assert (tmp_path / "mine" / "letter.txt").read_text() == "dear"


def test_damaged_inputs_are_named(run: Run, dataset: Path, tmp_path: Path) -> None:
    (tmp_path / "target.json").write_text("{")
    (tmp_path / "search").mkdir()
    (tmp_path / "search" / "architecture.json").write_text('{"stages": []}')

    assert (
        "target.json" in run("profile-latency", "--target", "target.json", "--output", "x", *QUIET).complaint
    )
    assert (
        "architecture"
        in run("retrain", "--dataset", dataset, "--search", "search", "--output", "x", *QUIET).complaint
    )


def test_an_unknown_preset_is_named(run: Run) -> None:
    run("describe-target", "--output", "target.json", "--threads", 1)
    asked = run(
        "profile-latency", "--target", "target.json", "--output", "x", "--set", "space.preset=huge", *QUIET
    )

    assert "'huge'" in asked.complaint
    assert "table1" in asked.complaint


# -- however a step ends -----------------------------------------------------------------------------------


def ends_with(monkeypatch: pytest.MonkeyPatch, ending: Callable[[], object]) -> None:
    def step(*_: object, **__: object) -> None:
        ending()

    monkeypatch.setattr(steps, "synthesize", step)


def raising(error: BaseException) -> Callable[[], object]:
    def ending() -> None:
        raise error

    return ending


@pytest.mark.parametrize(
    ("error", "code", "text"),
    [
        (StorageError("the disk is full"), 2, "error: the disk is full\n"),
        (FaultyItems("3 items were faulty"), 1, "note: 3 items were faulty\n"),
    ],
)
def test_an_error_of_ours_is_one_line(
    run: Run, monkeypatch: pytest.MonkeyPatch, error: Exception, code: int, text: str
) -> None:
    ends_with(monkeypatch, raising(error))
    outcome = run("synthesize", "--output", "x")

    assert (outcome.code, outcome.out, outcome.err) == (code, "", text)


@pytest.fixture
def signals() -> Iterator[None]:
    """Signal handlers as a command finds them, whatever started the tests; those of before come back."""
    numbers = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
    before = {number: signal.getsignal(number) for number in numbers}
    signal.signal(signal.SIGINT, signal.default_int_handler)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    signal.signal(signal.SIGHUP, signal.SIG_DFL)
    yield
    for number, handler in before.items():
        signal.signal(number, handler)


@pytest.mark.usefixtures("signals")
@pytest.mark.parametrize(
    ("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143), (signal.SIGHUP, 129)]
)
def test_a_command_that_is_asked_to_end_says_how_to_repeat_it(
    run: Run, monkeypatch: pytest.MonkeyPatch, number: int, code: int
) -> None:
    ends_with(monkeypatch, lambda: os.kill(os.getpid(), number))
    outcome = run("synthesize", "--output", "x", "--set", "tracking.uri=http://me:secret@host")

    assert outcome.code == code
    assert outcome.err.count("\n") == 1
    assert (
        "interrupted; what was written is kept, repeat the command: autonad synthesize --output x"
        in outcome.err
    )
    assert "secret" not in outcome.err


def test_every_option_that_takes_a_secret_is_known() -> None:
    def options(command: Any) -> Iterator[str]:
        for sub in getattr(command, "commands", {}).values():
            yield from options(sub)
        for parameter in command.params:
            yield from parameter.opts

    named = {name for name in options(typer.main.get_command(app)) if re.search("token|cookie|passw", name)}
    assert named == SECRET_OPTIONS


def test_the_demo_shows_no_password(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    done = DemoResult([], {}, "demo-1")
    monkeypatch.setattr("autonad.steps.demo.demo", lambda *given, **more: done)
    outcome = run("demo", "--set", "tracking.uri=http://me:secret@host")

    assert outcome.code == 0
    assert "--backend-store-uri http://***@host " in outcome.out


@pytest.mark.usefixtures("signals")
def test_a_verb_that_resumes_says_so(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(steps, "retrain", lambda *_, **__: os.kill(os.getpid(), signal.SIGINT))
    outcome = run("retrain", "--dataset", "d", "--search", "s", "--output", "it's")

    assert outcome.code == 130
    assert (
        "the same command goes on from here: autonad retrain --dataset d --search s --output" in outcome.err
    )


@pytest.mark.usefixtures("signals")
def test_a_command_that_is_long_or_strange_is_named_whole(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(steps, "retrain", lambda *_, **__: os.kill(os.getpid(), signal.SIGINT))
    options = ["--search", "s" * 400, "--output", "it's", "--dataset", "two\nlines\x1b[31m \udcff'\\ö"]
    outcome = run("retrain", *options)

    said, command = outcome.err.splitlines()
    assert said.endswith("the same command goes on from here:")
    assert command.isprintable()
    pasted = subprocess.run(
        ["bash", "-c", f"autonad() {{ printf '%s\\0' \"$@\"; }}; {command}"], capture_output=True, check=True
    )
    assert [os.fsdecode(word) for word in pasted.stdout.split(b"\0")[:-1]] == ["retrain", *options]


def test_a_signal_that_was_switched_off_stays_off(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    """As nohup and a job in the background have it."""
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        ends_with(
            monkeypatch, lambda: [os.kill(os.getpid(), signal.SIGHUP), raising(StorageError("later"))()]
        )
        outcome = run("synthesize", "--output", "x")
    finally:
        signal.signal(signal.SIGHUP, before)

    assert outcome.complaint == "error: later\n"


def test_a_missing_library_is_named_with_the_remedy(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    ends_with(monkeypatch, raising(ModuleNotFoundError("No module named 'torch'", name="torch")))
    complaint = run("synthesize", "--output", "x").complaint

    assert "torch" in complaint
    assert '`pip install ".[full]"`' in complaint


@pytest.mark.parametrize(
    "error", [RuntimeError("our own fault"), ModuleNotFoundError("No module", name="autonad.nothing")]
)
def test_a_fault_of_the_program_is_not_hidden(
    run: Run, monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    ends_with(monkeypatch, raising(error))
    with pytest.raises(type(error)):
        run("synthesize", "--output", "x")


# -- datasets: what is there stays, and endings are true -------------------------------------------------


@pytest.mark.parametrize("verb", ["synthesize", "import-data"])
def test_an_existing_dataset_is_replaced_only_on_request(run: Run, tmp_path: Path, verb: str) -> None:
    source = layout(tmp_path / "parts")
    given = TINY if verb == "synthesize" else ("--format", "masks", "--source", source)
    assert run(verb, "--output", "made", *given).code == 0
    before = {path: path.read_bytes() for path in (tmp_path / "made").rglob("*") if path.is_file()}

    again = run(verb, "--output", "made", *given)

    assert "a dataset of " in again.complaint
    assert "`autonad ingest`" in again.complaint
    assert "--replace" in again.complaint
    assert run(verb, "--output", "made", *given, "--replace").code == 0
    after = {path: path.read_bytes() for path in (tmp_path / "made").rglob("*") if path.is_file()}
    assert after == before  # pages and tables included


def test_an_audit_is_written_where_it_is_asked_for_and_replaces_none(run: Run, tmp_path: Path) -> None:
    arguments = ("audit", "--format", "masks", "--source", layout(tmp_path / "parts"), "--output", "found")

    assert run(*arguments).out.splitlines()[-1].endswith("open found/audit.html")
    assert (tmp_path / "found/faults.csv").read_text().startswith("severity,kind,item,message\n")
    assert "holds another audit" in run(*arguments).complaint
    assert run(*arguments, "--replace").code == 0


def test_an_import_of_nothing_says_why(run: Run, tmp_path: Path) -> None:
    source = layout(tmp_path / "parts", 7)
    for path in (source / "masks").iterdir():
        Image.fromarray(np.zeros((40, 40), np.uint8)).save(path)

    ended = run("import-data", "--format", "masks", "--source", source, "--output", "made")

    assert ended.code == 2
    assert ended.out.count("empty-mask") == 6  # five of seven, and how many there are
    assert "and 2 more, 7 in all" in ended.out
    assert "7 masks are empty" in ended.err
    assert not (tmp_path / "made").exists()


@pytest.mark.parametrize("verb", ["import-data", "audit"])
def test_a_source_without_a_usable_image_lists_why(run: Run, tmp_path: Path, verb: str) -> None:
    source = layout(tmp_path / "parts", 3)
    for number in range(3):
        (source / f"masks/{number}.png").rename(source / f"masks/other{number}.png")

    ended = run(verb, "--format", "masks", "--source", source, "--output", "made")

    assert ended.code == 2
    assert ended.out.count("missing-mask") == 3
    assert "no usable image" in ended.err


@pytest.mark.parametrize(
    "option", [("--split", "own"), ("--trust-groups",), ("--page", "1"), ("--classes", "a")]
)
def test_an_audit_of_a_dataset_takes_nothing_about_reading(run: Run, option: tuple[str, ...]) -> None:
    ended = run("audit", "--dataset", "made", *option)

    assert ended.code == 2
    assert "leave out" in ended.err


def test_many_findings_of_a_kind_are_summed_and_listed_in_a_file(run: Run, tmp_path: Path) -> None:
    source = layout(tmp_path / "parts", 20)
    for number in range(9):
        (source / f"masks/{number}.png").write_bytes(b"broken")

    ended = run("import-data", "--format", "masks", "--source", source, "--output", "made")

    assert ended.code == 1
    assert "… and 4 more, 9 in all; all of them are in made/faults.csv" in ended.out
    assert (tmp_path / "made/faults.csv").read_text().count("unreadable") == 9
    assert "9 errors were found, named above; 9 files of them are in made/quarantine" in ended.err
    assert (tmp_path / "made/audit.html").is_file()


def test_conflicting_labels_end_alike_in_import_and_ingest(run: Run, tmp_path: Path) -> None:
    source, batch = layout(tmp_path / "parts"), layout(tmp_path / "batch", 3)
    shutil.copy(source / "images/0.png", source / "images/twin.png")
    shutil.copy(source / "masks/1.png", source / "masks/twin.png")
    for number in range(3):  # the images of the dataset, with other masks
        shutil.copy(source / f"masks/{number + 3}.png", batch / f"masks/{number}.png")
    shutil.copy(source / "images/0.png", batch / "images/3.png")
    shutil.copy(source / "masks/0.png", batch / "masks/3.png")

    imported = run("import-data", "--format", "masks", "--source", source, "--output", "made")
    ingested = run("ingest", "--source", batch, "--dataset", "made", *QUIET)

    assert (imported.code, ingested.code) == (1, 1)
    assert imported.out.count("error    label-conflict") == 2
    assert ingested.out.count("error    label-conflict") >= 2
    assert "<p>batch " in (tmp_path / "made/audit.html").read_text()
    looked = run("audit", "--dataset", "made")
    assert looked.out.count("found on import: it is the same image as") == 2


# -- results of other runs stay ----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("verb", "given", "finished"),
    [
        ("train-supernet", ("--dataset", "d"), "supernet.json"),
        ("profile-latency", ("--target", "t.json"), "prior.png"),
        ("search", ("--dataset", "d", "--supernet", "s", "--latency", "l"), "search.json"),
        ("retrain", ("--dataset", "d", "--search", "s"), "model.json"),
        ("evaluate", ("--dataset", "d", "--model", "m"), "report.html"),
        ("export", ("--dataset", "d", "--model", "m", "--evaluation", "e"), "MODEL_CARD.md"),
    ],
)
def test_a_folder_with_a_result_is_not_written_to(
    run: Run, tmp_path: Path, verb: str, given: tuple[str, ...], finished: str
) -> None:
    path = tmp_path / "out" / finished
    path.parent.mkdir()
    path.write_text("precious")

    complaint = run(verb, *given, "--output", "out", *QUIET).complaint

    assert "output out holds " in complaint
    assert "--replace" in complaint
    assert path.read_text() == "precious"
    for consent in ("--replace", *(("--resume", "--resume-or-restart") if verb in RESUMED else ())):
        other = run(verb, *given, "--output", "out", consent, *QUIET)
        assert other.code == 2
        assert "holds" not in other.err  # it got as far as what is missing


@pytest.mark.parametrize(
    ("options", "finished", "resume"),
    [
        ({}, False, True),
        ({"resume": True}, False, True),
        ({"resume": True}, True, True),
        ({"restart": True}, False, "or-restart"),
        ({"restart": True}, True, "or-restart"),
        ({"replace": True}, True, False),
        ({"replace": True}, False, "or-restart"),
        ({"replace": True, "resume": True}, False, True),
    ],
)
def test_what_becomes_of_an_interrupted_run(
    tmp_path: Path, options: dict[str, bool], finished: bool, resume: object
) -> None:
    """Nobody loses hours by repeating a command, whatever was typed the first time."""
    (tmp_path / "checkpoint").mkdir()
    (tmp_path / "checkpoint/latest.json").touch()
    if finished:
        (tmp_path / "model.json").touch()

    with ResumedOutput(tmp_path, **options).held("retrain") as wanted:
        assert wanted == resume


def test_an_output_that_another_command_writes_is_refused_at_once(run: Run, tmp_path: Path) -> None:
    verbs = {
        "synthesize": (),
        "retrain": ("--dataset", "d", "--search", "s"),
        "evaluate": ("--dataset", "d", "--model", "m", "--replace"),
        "decide": ("--dataset", "d", "--pin", "p", "--target", "t"),
    }
    with exclusive(tmp_path / "out", "it"):
        for verb, given in verbs.items():
            complaint = run(verb, *given, "--output", tmp_path / "out").complaint
            assert f"output {tmp_path / 'out'} is being written by " in complaint
            assert f"(process {os.getpid()}) since 20" in complaint
    assert list(tmp_path.iterdir()) == []


def test_traces_are_what_the_steps_write() -> None:
    """The names by which a result is recognised are those that the steps use."""
    package = Path(steps.__file__).parents[1]
    sources = "".join(path.read_text() for path in package.rglob("*.py") if path.parent.name != "cli")
    for names in _FINISHED.values():
        for name in names:
            assert sources.count(f'"{name}"') >= 1, name


@pytest.mark.parametrize(
    ("refused", "said"),
    [
        (
            OSError(errno.ENOSPC, "No space left on device", "/data/a b.png"),
            "no space is left for /data/a b.png",
        ),
        (OSError(errno.EDQUOT, "Disk quota exceeded"), "no space is left for a file"),
        (FileNotFoundError(errno.ENOENT, "No usable temporary directory found in ['/tmp']"), "set TMPDIR"),
    ],
)
def test_a_machine_without_space_is_told_in_one_line(
    refused: OSError, said: str, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object, **__: object) -> None:
        raise refused

    monkeypatch.setattr(steps, "synthesize", full)
    assert said in run("synthesize", "--output", "data").complaint


def test_a_fault_of_ours_keeps_its_traceback(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: object, **__: object) -> None:
        raise OSError(errno.EIO, "Input/output error")

    monkeypatch.setattr(steps, "synthesize", broken)
    with pytest.raises(OSError, match="Input/output"):
        run("synthesize", "--output", "data")


@pytest.mark.parametrize(
    "arguments",
    [
        ("run", "--source", ".", "--minutes", "inf"),
        ("detect", "--model", "m.onnx", "--source", ".", "--keep", "k", "--keep-gb", "nan"),
        ("serve", "--model", "m.onnx", "--max-megabytes", "inf"),
        ("pipeline", "compile", "--training-hours", "nan"),
    ],
)
def test_a_number_that_is_none_is_refused(arguments: tuple[str, ...], run: Run) -> None:
    outcome = run(*arguments)
    assert (outcome.code, outcome.out) == (2, "")
    assert f"Invalid value for {arguments[-2]!r}" in outcome.err


@pytest.mark.parametrize(
    ("budgets", "word"), [((0,), "is 0"), ((3, -1), "is -1"), ((3, 5, 3), "3 is given twice")]
)
@pytest.mark.parametrize("verb", ["run", "search"])
def test_budgets_that_are_none_are_refused_by_the_option(
    verb: str, budgets: tuple[int, ...], word: str, run: Run, tmp_path: Path
) -> None:
    (tmp_path / "mine").mkdir()
    places = {
        "run": ("--source", "mine"),
        "search": ("--dataset", "d", "--supernet", "s", "--latency", "l", "--output", "o"),
    }
    asked = [word for budget in budgets for word in ("--budget-ms", budget)]
    complaint = run(verb, *places[verb], *asked).complaint
    assert f"--budget-ms {word}" in complaint
    assert not (tmp_path / "o").exists()


def test_a_folder_cannot_be_made_where_a_file_is(run: Run, tmp_path: Path) -> None:
    (tmp_path / "taken").write_text("mine")
    assert "taken cannot be made a folder" in run("init", "taken").complaint
    assert (tmp_path / "taken").read_text() == "mine"


def test_a_target_replaces_no_file_of_something_else(run: Run, tmp_path: Path) -> None:
    for name, text in (("mine.yaml", "seed: 3\n"), ("mine.json", '{"seed": 3}')):
        (tmp_path / name).write_text(text)
        assert "describes no target" in run("describe-target", "--output", name, "--threads", 1).complaint
        assert (tmp_path / name).read_text() == text
    for _ in range(2):
        assert run("describe-target", "--output", "line.json", "--threads", 1).code == 0


def test_a_file_where_pipelines_shall_be_is_one_line(run: Run, tmp_path: Path) -> None:
    (tmp_path / "taken").write_text("x")
    assert "cannot be made a folder" in run("pipeline", "compile", "--output", "taken").complaint


@pytest.mark.parametrize(
    "wrong", [("--target", "nowhere.json"), ("--set", "retrain.teacher=model")], ids=["target", "teacher"]
)
def test_what_a_run_refuses_costs_nothing_of_an_earlier_one(
    wrong: tuple[str, str], run: Run, tmp_path: Path
) -> None:
    (tmp_path / "images").mkdir()
    made = tmp_path / "runs/made/dataset"
    made.mkdir(parents=True)
    (made / "manifest.parquet").write_text("x")
    (tmp_path / "runs/made/run.json").write_text("{}")
    assert run("run", "--source", "images", "--output", "runs/made", "--replace", *wrong, *QUIET).code == 2
    assert (made / "manifest.parquet").read_text() == "x"


def test_a_folder_with_a_dot_in_its_name_has_a_run_of_its_own(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    found: list[Path] = []

    def noted(*_: object, output: Path, **__: object) -> None:
        found.append(output)
        raise StorageError("enough")

    monkeypatch.setattr("autonad.steps.own_data.run_own_data", noted)
    for name in ("batch.1", "batch.2"):
        (tmp_path / name).mkdir()
        run("run", "--source", name)
    assert found == [Path("runs/batch.1"), Path("runs/batch.2")]


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("profile-latency", "--target", "t.json", "--threads", 1), "--threads would change nothing here"),
        (("profile-latency", "--records", "r", "--name", "line"), "--name would change nothing here"),
        (("profile-latency", "--measured", "m", "--known", "k"), "--known would change nothing here"),
        (("profile-latency", "--records", "r", "--for-another-device"), "--for-another-device would change"),
        (("demo", "--set", "retrain.teacher=model"), "retrain.teacher is model, which a chain does not have"),
        (
            ("run", "--source", ".", "--budget-ms", 3, "--set", "search.latency_budget_ms=5"),
            "--budget-ms and --set search.latency_budget_ms are both given",
        ),
        (("run", "--source", ".", "--budget-ms", 1.2345671, "--budget-ms", 1.2345672), "is given twice"),
    ],
)
def test_options_that_would_do_nothing_are_refused(run: Run, arguments: tuple[Any, ...], said: str) -> None:
    output = () if arguments[0] in ("demo", "run") else ("--output", "out")
    told = run(*arguments, *output)
    assert told.code == 2
    assert said in told.complaint
