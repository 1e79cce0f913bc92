"""Rules of the whole project, read from its files: imports, dependencies, what tracked files may hold."""

from __future__ import annotations

import ast
import json
import re
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass
from importlib.metadata import packages_distributions
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PACKAGE = ROOT / "autonad"

# Imports point one way: a part may use those before it in this list (see docs/architecture.md).
ORDER = (
    "errors",
    "files",
    "console",
    "config",
    "space",
    "storage",
    "data",
    "network",
    "training",
    "latency",
    "search",
    "evaluation",
    "appearance",
    "report",
    "deploy",
    "tracking",
    "steps",
    "kubeflow",
    "cli",
)
HEAVY = {"torch", "pandas", "pyarrow", "mlflow", "albumentations", "cv2", "onnx", "onnxruntime", "matplotlib"}


@dataclass(frozen=True)
class Import:
    file: Path
    line: int
    module: str
    on_import: bool  # runs when the module is imported, not later in a function or for type checkers alone

    def __str__(self) -> str:
        return f"{self.file.relative_to(ROOT)}:{self.line} imports {self.module}"


def imports_of(file: Path) -> list[Import]:
    found: list[Import] = []

    def visit(node: ast.AST, on_import: bool) -> None:
        if isinstance(node, ast.Import):
            found.extend(Import(file, node.lineno, alias.name, on_import) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{file}:{node.lineno} imports relatively"
            assert node.module is not None
            found.append(Import(file, node.lineno, node.module, on_import))
            if node.module.split(".")[0] == "autonad":  # `from autonad import steps` names a module too
                names = (f"{node.module}.{alias.name}" for alias in node.names)
                found.extend(Import(file, node.lineno, name, on_import) for name in names if is_module(name))
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda):
            on_import = False
        if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.dump(node.test):
            for child in node.body:
                visit(child, False)
            for child in node.orelse:
                visit(child, on_import)
            return
        for child in ast.iter_child_nodes(node):
            visit(child, on_import)

    visit(ast.parse(file.read_text()), True)
    return found


def is_module(name: str) -> bool:
    path = ROOT.joinpath(*name.split("."))
    return path.with_suffix(".py").is_file() or (path / "__init__.py").is_file()


def name_of(file: Path) -> str:
    """Dotted name of a module."""
    parts = file.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def all_imports() -> list[Import]:
    return [found for file in sorted(PACKAGE.rglob("*.py")) for found in imports_of(file)]


IMPORTS = all_imports()


def rank(module: str) -> int | None:
    parts = module.split(".")
    return ORDER.index(parts[1]) if parts[0] == "autonad" and len(parts) > 1 else None


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


def test_no_modules_import_each_other() -> None:
    graph: dict[str, set[str]] = {}
    for found in IMPORTS:
        if found.on_import and found.module.startswith("autonad") and is_module(found.module):
            own, other = name_of(found.file), found.module
            if not own.startswith(f"{other}."):  # a package's own __init__ is already running
                graph.setdefault(own, set()).add(other)

    def cycle(module: str, path: tuple[str, ...]) -> tuple[str, ...] | None:
        if module in path:
            return (*path[path.index(module) :], module)
        if module in finished:
            return None
        for other in sorted(graph.get(module, ())):
            if (found := cycle(other, (*path, module))) is not None:
                return found
        finished.add(module)
        return None

    finished: set[str] = set()
    cycles = [cycle(module, ()) for module in sorted(graph)]
    assert [found for found in cycles if found is not None] == []


@pytest.mark.parametrize(
    ("library", "allowed"),
    [
        ("mlflow", ("autonad.tracking.",)),
        ("albumentations", ("autonad.data.transforms",)),
        ("typer", ("autonad.cli.",)),
        ("boto3", ("autonad.storage.",)),
        ("botocore", ("autonad.storage.",)),
        ("onnx", ("autonad.deploy.",)),
        ("kfp", ("autonad.kubeflow.",)),
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
    assert not requirements() & {
        "torch",
        "pandas",
        "pyarrow",
        "mlflow",
        "albumentations",
        "opencv-python-headless",
    }


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
    "a package registry": r"(?i)\b(?:pypi[.]org|pythonhosted[.]org|[a]rtifactory|download[.]pytorch)",
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


def test_no_python_file_is_much_too_long() -> None:
    long = {
        str(p.relative_to(ROOT)): n
        for p in PACKAGE.rglob("*.py")
        if (n := len(p.read_text().splitlines())) > 400
    }

    assert not long


# -- documentation ---------------------------------------------------------------------------------------


def verbs() -> set[str]:
    from autonad.cli import app

    single = {command.name or command.callback.__name__ for command in app.registered_commands}  # type: ignore[union-attr]
    return single | {str(group.name) for group in app.registered_groups}


def test_the_readme_names_every_verb_and_no_other() -> None:
    readme = (ROOT / "README.md").read_text()
    table = readme.split("## Verbs")[1].split("\n## ")[0]

    assert set(re.findall(r"^\| `([^`]+)`", table, flags=re.MULTILINE)) == verbs()


def test_options_in_the_documentation_exist() -> None:
    """`autonad VERB --option` in README and docs: verb and options are known."""
    from typer.main import get_command

    from autonad.cli import app

    commands = get_command(app).commands  # type: ignore[attr-defined]
    options = {name: {opt for p in command.params for opt in p.opts} for name, command in commands.items()}
    for name, command in commands.items():
        for inner, one in getattr(command, "commands", {}).items():
            options[f"{name} {inner}"] = {opt for p in one.params for opt in p.opts}
    seen = 0
    for path in (ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").rglob("*.md"))):
        text = path.read_text().replace("\\\n", " ")
        for verb, rest in re.findall(r"autonad ([a-z]+(?:-[a-z]+)*)\b([^\n`|#]*)", text):
            if verb not in options and not rest.strip().startswith("--"):
                continue  # prose: "autonad searches ..."
            assert verb in options, f"{path.name} uses the unknown verb {verb!r}"
            inner = f"{verb} {(rest.split() or [''])[0]}"
            verb = inner if inner in options else verb
            for option in re.findall(r"(?<![\w-])--[a-z-]+", rest):
                assert option in options[verb] | {"--help"}, f"{path.name}: autonad {verb} has no {option}"
                seen += 1

    assert seen > 15


def test_links_between_documents_lead_somewhere() -> None:
    broken = []
    for path in (*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")):
        for target in re.findall(r"\]\(([^)#\s]+)(?:#[^)]*)?\)", path.read_text()):
            if "://" not in target and not (path.parent / target).exists():
                broken.append(f"{path.relative_to(ROOT)} → {target}")

    assert not broken


def test_make_targets_that_the_documents_name_exist() -> None:
    targets = set(re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text(), flags=re.MULTILINE))
    texts = [
        (ROOT / name).read_text() for name in ("README.md", "CONTRIBUTING.md", "CHANGELOG.md", ".ci/run")
    ]
    named = {
        name for text in texts for name in re.findall(r"(?:^|`)make ([a-z]+)\b", text, flags=re.MULTILINE)
    }

    assert {"help", "demo", "test", "check"} <= targets
    assert named
    assert named <= targets


def test_decisions_are_numbered_without_gaps() -> None:
    numbers = sorted(int(path.name[:4]) for path in (ROOT / "docs" / "decisions").glob("[0-9]*.md"))

    assert numbers == list(range(1, len(numbers) + 1))


def test_tracked_metrics_are_documented() -> None:
    from autonad.tracking import METRICS

    text = (ROOT / "docs" / "mlflow.md").read_text()

    assert {name for name in METRICS if f"`{name}`" not in text} == set()
