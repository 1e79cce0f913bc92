"""Rules of the whole project, read from its files: imports, dependencies, what tracked files may hold."""

from __future__ import annotations

import ast
import json
import re
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from importlib.metadata import packages_distributions
from pathlib import Path
from statistics import median

import pytest
from rooms import IMPORTS, ORDER, PACKAGE, ROOT, circle, name_of, rank

HEAVY = {"torch", "pandas", "pyarrow", "mlflow", "cv2", "onnx", "onnxruntime", "matplotlib"}


def test_every_part_of_the_package_has_its_place_in_the_order() -> None:
    parts = {path.stem for path in PACKAGE.iterdir() if path.suffix == ".py" or any(path.glob("*.py"))}

    assert parts - {"__init__"} == set(ORDER)


def test_imports_point_one_way() -> None:
    upward = [
        str(found)
        for found in IMPORTS
        if (own := rank(name_of(found.file))) is not None
        and (other := rank(found.module)) is not None
        and other > own
    ]

    assert not upward


@pytest.mark.parametrize("calls", [False, True], ids=["on import", "also in functions"])
def test_no_modules_import_each_other(calls: bool) -> None:
    assert circle(calls=calls) is None


@pytest.mark.parametrize(
    ("library", "allowed"),
    [
        ("mlflow", ("autonad.tracking.",)),
        ("typer", ("autonad.cli.",)),
        ("boto3", ("autonad.storage.",)),
        ("botocore", ("autonad.storage.",)),
        ("onnx", ("autonad.deploy.", "autonad.latency.pack")),
        ("kfp", ("autonad.kubeflow.",)),
        ("fastapi", ("autonad.service.",)),
        ("uvicorn", ("autonad.service.",)),
    ],
)
def test_a_library_is_imported_in_one_place(library: str, allowed: tuple[str, ...]) -> None:
    users = [found for found in IMPORTS if found.module.split(".")[0] == library]

    assert users, f"nothing imports {library}: this test has lost its object"
    assert not [str(found) for found in users if not f"{name_of(found.file)}.".startswith(allowed)]


@pytest.mark.parametrize("part", ["space", "search", "config", "errors", "files"])
def test_these_parts_never_import_torch(part: str) -> None:
    torch = {"torch", "autonad.network", "autonad.training"}
    users = [found for found in IMPORTS if any(f"{found.module}.".startswith(f"{name}.") for name in torch)]

    assert users
    assert not [str(found) for found in users if rank(name_of(found.file)) == ORDER.index(part)]


def test_steps_import_heavy_libraries_only_when_they_run() -> None:
    for part in ("steps", "cli", "console"):
        early = [
            str(found)
            for found in IMPORTS
            if rank(name_of(found.file)) == ORDER.index(part)
            and found.on_import
            and found.module.split(".")[0] in HEAVY
        ]
        assert not early


# -- dependencies ----------------------------------------------------------------------------------------


def normal(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def requirements(*extras: str) -> set[str]:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    lines = [
        *project["dependencies"],
        *(line for extra in extras for line in project["optional-dependencies"][extra]),
    ]
    names = {normal(re.match(r"[A-Za-z0-9._-]+", line)[0]) for line in lines}  # type: ignore[index]
    return names - {"autonad"}


def test_every_imported_library_is_declared() -> None:
    distributions = packages_distributions()
    used = (
        {found.module.split(".")[0] for found in IMPORTS} - sys.stdlib_module_names - {"autonad", "pipelines"}
    )
    declared = requirements("full")

    assert {name for name in used if not {normal(d) for d in distributions[name]} & declared} == set()


def test_the_detector_alone_needs_no_torch() -> None:
    assert not requirements() & {"torch", "pandas", "pyarrow", "mlflow", "opencv-python-headless"}


@pytest.mark.parametrize("room", ["detector", "service"])
def test_what_runs_on_the_line_imports_the_base_install_alone(room: str) -> None:
    distributions = packages_distributions()
    used = (
        {found.module.split(".")[0] for found in IMPORTS if rank(name_of(found.file)) == ORDER.index(room)}
        - sys.stdlib_module_names
        - {"autonad"}
    )

    assert {"detector": "onnxruntime", "service": "fastapi"}[room] in used
    assert {name for name in used if not {normal(d) for d in distributions[name]} & requirements()} == set()


def test_constraints_pin_every_requirement_exactly() -> None:
    lines = [
        line
        for line in (ROOT / "constraints.txt").read_text().splitlines()
        if line and not line.startswith("#")
    ]
    pins = {}
    for line in lines:
        assert re.fullmatch(r"[A-Za-z0-9._-]+==[0-9A-Za-z.]+", line), f"{line} is no plain pin"
        name, _, version = line.partition("==")
        pins[normal(name)] = version

    assert requirements("full", "dev") - pins.keys() == set()
    assert pins["torch"].startswith("2.")


def test_what_bandit_doubts_is_allowed_with_a_number_and_a_reason() -> None:
    marked = [
        line.strip()
        for folder in (PACKAGE, ROOT / "components", ROOT / "pipelines")
        for path in folder.rglob("*.py")
        for line in path.read_text().splitlines()
        if "# nosec" in line
    ]

    assert marked
    assert not [line for line in marked if not re.search(r"# nosec B\d{3} # \w{1,}( \S+)+$", line)]


# -- what a process imports ------------------------------------------------------------------------------


def modules_after(code: str) -> set[str]:
    """Top-level modules outside the standard library that a fresh interpreter loads for `code`."""
    report = "import json, sys; print(json.dumps(sorted({name.split('.')[0] for name in sys.modules})))"
    done = subprocess.run(
        [sys.executable, "-c", f"{code}\n{report}"], capture_output=True, text=True, check=True
    )
    loaded = set(json.loads(done.stdout.splitlines()[-1]))
    return loaded - sys.stdlib_module_names


def test_importing_the_package_imports_nothing_else() -> None:
    before = modules_after("pass")

    assert modules_after("import autonad") - before == {"autonad"}


def test_help_loads_light_modules_only() -> None:
    code = (
        "import sys\nfrom autonad.cli import main\nsys.argv = ['autonad', '--help']\n"
        "try:\n    main()\nexcept SystemExit as ended:\n    assert not ended.code"
    )
    light = {
        "autonad",
        "typer",
        "click",
        "rich",
        "annotated_doc",
        "typing_extensions",
        "shellingham",
        "pygments",
    }
    before = modules_after("pass")

    loaded = modules_after(code) - before
    assert "typer" in loaded
    assert loaded <= light


def test_steps_can_be_imported_without_the_heavy_libraries() -> None:
    loaded = modules_after("import autonad.steps, autonad.space, autonad.tracking, autonad.latency.target")

    assert "autonad" in loaded
    assert not loaded & (HEAVY - {"onnxruntime"})


# -- what tracked files may hold -------------------------------------------------------------------------

# One character in brackets, so that this file passes its own test.
FORBIDDEN = {
    "an absolute path of a machine": r"(?<![\w.])/(?:[w]ork|[h]ome|[r]oot|[U]sers)/\w",
    "a folder outside of the project": r"\.\./[s]hared",
    # PyTorch's index for processors is the only place that has them.
    "a package registry": (
        r"(?i)\b(?:pypi[.]org|pythonhosted[.]org|[a]rtifactory|download[.]pytorch[.]org(?!/whl/cpu))"
    ),
    "an unfinished place": r"\b(?:[T]ODO|[F]IXME|[X]XX)\b",
}


def project_files() -> Iterator[Path]:
    """Files that are tracked or would be; in a tree without git, all that look like the project's."""
    listing = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT,
        capture_output=True,
        text=True,
    )
    if listing.returncode == 0:
        names = listing.stdout.splitlines()
    else:
        parts = ("autonad", "tests", "docs", "benchmarks", ".ci")
        inside = [path for part in parts for path in (ROOT / part).rglob("*")]
        names = [str(path.relative_to(ROOT)) for path in (*ROOT.glob("*"), *inside)]
    for name in names:
        path = ROOT / name
        if path.is_file() and "__pycache__" not in path.parts:
            yield path


def test_no_file_names_a_machine_or_a_registry() -> None:
    texts = 0
    faults = []
    for path in project_files():
        try:
            text = path.read_text(encoding="utf-8")
        except UnicodeDecodeError:
            continue
        texts += 1
        for what, pattern in FORBIDDEN.items():
            faults += [
                f"{path.relative_to(ROOT)}:{text[: hit.start()].count(chr(10)) + 1} holds {what}: {hit[0]}"
                for hit in re.finditer(pattern, text)
            ]

    assert texts > 50
    assert not faults


def test_the_patterns_find_what_they_shall_find() -> None:
    samples = ("/{}/main", "../{}/data", "https://pypi{}org/simple", "# {} later")
    pieces = ("work", "shared", ".", "todo".upper())
    texts = [sample.format(piece) for sample, piece in zip(samples, pieces, strict=True)]

    for pattern, text in zip(FORBIDDEN.values(), texts, strict=True):
        assert re.search(pattern, text), text
    assert not re.search(
        FORBIDDEN["an absolute path of a machine"], "see data/work/x, ./root/y and /homework"
    )


# -- the size and the names of things ---------------------------------------------------------------------

SOURCES = {file: ast.parse(file.read_text()) for file in sorted(PACKAGE.rglob("*.py"))}
LONGEST_FUNCTION = 80  # lines, docstring included
MOST_PARAMETERS = 10
LONGEST_FILE = 350
MEDIAN_FILE = 150

# Modules of one basename in different rooms, each with its reason. Steps are left out: a step is called what
# its verb is called, and so may be the module that does the work.
SAME_NAME: dict[str, str] = {}


def functions() -> Iterator[tuple[Path, ast.FunctionDef | ast.AsyncFunctionDef]]:
    for file, tree in SOURCES.items():
        for node in ast.walk(tree):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                yield file, node


def place(file: Path, node: ast.FunctionDef | ast.AsyncFunctionDef) -> str:
    return f"{file.relative_to(ROOT)}:{node.lineno} {node.name}"


def test_functions_are_short() -> None:
    lengths = {
        place(file, node): node.end_lineno - node.lineno + 1
        for file, node in functions()
        if node.end_lineno is not None
    }

    assert len(lengths) > 500
    assert {where: lines for where, lines in lengths.items() if lines > LONGEST_FUNCTION} == {}


def test_functions_take_few_parameters() -> None:
    """The options of a verb are its parameters, so the command line's verbs are left out."""
    counts = {}
    for file, node in functions():
        given = [*node.args.posonlyargs, *node.args.args, *node.args.kwonlyargs]
        if file.parent != PACKAGE / "cli":
            counts[place(file, node)] = len([one for one in given if one.arg not in ("self", "cls")])

    assert len(counts) > 500
    assert {where: count for where, count in counts.items() if count > MOST_PARAMETERS} == {}


def test_files_are_short() -> None:
    counts = {str(file.relative_to(ROOT)): len(file.read_text().splitlines()) for file in SOURCES}
    lengths = {name: lines for name, lines in counts.items() if lines}

    assert {name: lines for name, lines in lengths.items() if lines > LONGEST_FILE} == {}
    assert median(lengths.values()) <= MEDIAN_FILE


def is_step(file: Path) -> bool:
    """Whether a module is a step: it defines the function of its name, which is a verb's or a task's."""
    return file.parent == PACKAGE / "steps" and hides_itself(file)


def hides_itself(file: Path) -> bool:
    return any(isinstance(node, ast.FunctionDef) and node.name == file.stem for node in SOURCES[file].body)


def test_a_basename_is_in_one_room() -> None:
    rooms: dict[str, list[str]] = {}
    for file in SOURCES:
        if not file.stem.startswith("__") and not is_step(file):
            rooms.setdefault(file.stem, []).append(file.parent.relative_to(PACKAGE).as_posix())
    shared = {name: found for name, found in rooms.items() if len(found) > 1}

    assert {name: found for name, found in shared.items() if name not in SAME_NAME} == {}
    assert SAME_NAME.keys() <= shared.keys(), "an exception that nothing needs any more"


def test_no_function_hides_its_module() -> None:
    """`from autonad.latency import table` shall not leave open which of two things it brings."""
    hiding = [str(file.relative_to(ROOT)) for file in SOURCES if hides_itself(file) and not is_step(file)]

    assert sum(is_step(file) for file in SOURCES) > 15
    assert hiding == []


# One character in brackets, so that this file passes its own test.
TRICKS = {
    "a place where the formatter is off": r"fmt: ?(?:[s]kip|[o]ff)",
    "a change of a frozen value": r"[o]bject\.__setattr__",
}


def test_nothing_evades_the_formatter_or_changes_frozen_values() -> None:
    faults = [
        f"{path.relative_to(ROOT)}: {what}"
        for path in project_files()
        if path.suffix == ".py"
        for what, pattern in TRICKS.items()
        if re.search(pattern, path.read_text(encoding="utf-8"))
    ]

    assert faults == []
