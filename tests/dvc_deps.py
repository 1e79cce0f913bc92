"""Which of the product's files the result of each stage depends on, read from the imports of its step.

`make dvc` writes them into dvc.yaml; `tests/unit/test_dvc_yaml.py` compares. Followed are all imports that
can run, also those inside functions, and data files that a module opens with `resources.files`. A package's
`__init__.py` counts only where something is imported from the package itself.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import yaml

ROOT = Path(__file__).parents[1]
PACKAGE = "autonad"
# What never changes a result: how files are checked before they are believed, pages and figures, words for
# people, where runs are logged, who calls, where copies are kept, and what DVC calls a dataset. The values of
# config/ come in by `params`.
LEFT_OUT = (
    "__init__.py",
    "errors.py",
    "console.py",
    "reading",
    "config",
    "storage",
    "data/dvc_record.py",
    "data/dvc_user.py",
    "data/versions",
    "report",
    "tracking",
    "kubeflow",
    "cli",
)
# A page is the out of these stages, so that its drawing counts.
DRAWS = {"evaluate": "report", "fit-thresholds": "report"}

# Ways to a verb that its stage does not take: `fit-thresholds` has an evaluation, and runs no model;
# `profile-latency` knows of no search.
NOT_TAKEN = {"fit-thresholds": ("steps/model_candidates.py",), "profile-latency": ("steps/search_limits.py",)}


def wanted(root: Path = ROOT) -> dict[str, list[str]]:
    """Stage → the product's files and folders among its `deps`, in the order in which they are written."""
    stages = yaml.safe_load((root / "dvc.yaml").read_text())["stages"]
    return {name: dependencies(name, stage["cmd"], root) for name, stage in stages.items()}


def written(root: Path = ROOT) -> dict[str, list[str]]:
    """The same as dvc.yaml has it now."""
    stages = yaml.safe_load((root / "dvc.yaml").read_text())["stages"]
    return {
        name: [path for path in stage["deps"] if path.startswith(f"{PACKAGE}/")]
        for name, stage in stages.items()
    }


def dependencies(stage: str, command: str, root: Path = ROOT) -> list[str]:
    """What a stage's `deps` must name: whole folders where all of their files are reached."""
    verb = command.split()[1].replace("-", "_")
    left_out = {*LEFT_OUT, *NOT_TAKEN.get(stage, ())} - {DRAWS.get(stage)}
    out = {root / PACKAGE / str(name) for name in left_out}
    todo, reached = [root / PACKAGE / "steps" / f"{verb}.py"], set[Path]()
    while todo:
        file = todo.pop()
        if file not in reached and not out & {file, *file.parents}:
            reached.add(file)
            todo += used_by(file, root) if file.suffix == ".py" else []
    return [str(path.relative_to(root)) for path in coarsest(root / PACKAGE, frozenset(reached))]


def coarsest(folder: Path, reached: frozenset[Path]) -> Iterator[Path]:
    """Folders of which every file is reached, and the reached files of all others."""
    entries = sorted(entry for entry in folder.iterdir() if entry.name != "__pycache__")
    if all(file in reached or is_empty(file) for file in files(folder)):
        yield folder
        return
    for entry in entries:
        if entry.is_dir() and not reached.isdisjoint(files(entry)):
            yield from coarsest(entry, reached)
        elif entry in reached and not is_empty(entry):
            yield entry


def files(folder: Path) -> Iterator[Path]:
    """Every file under a folder but compiled ones."""
    return (path for path in folder.rglob("*") if path.is_file() and "__pycache__" not in path.parts)


@cache
def is_empty(file: Path) -> bool:
    """Whether a package's file holds nothing but its description."""
    return file.name == "__init__.py" and all(
        isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)
        for node in ast.parse(file.read_text()).body
    )


@cache
def used_by(file: Path, root: Path) -> tuple[Path, ...]:
    """Files of the product that a module imports or opens."""
    found: list[Path] = []
    for node in running(ast.parse(file.read_text())):
        match node:
            case ast.Import(names=names):
                found += [path for name in names if (path := module_file(name.name, root))]
            case ast.ImportFrom(module=str(module), level=0, names=names):
                inner = [module_file(f"{module}.{name.name}", root) for name in names]
                found += [path for path in inner if path]
                if None in inner and (path := module_file(module, root)):
                    found.append(path)
            case ast.ImportFrom():
                raise ValueError(f"{file}:{node.lineno} imports relatively; name the whole module")
            case ast.Call(func=ast.Attribute(attr="files"), args=[ast.Constant(value=str(package))]):
                found += data_files(package, root)
    return tuple(found)


def running(node: ast.AST) -> Iterator[ast.AST]:
    """All nodes but those for type checkers alone."""
    yield node
    children = ast.iter_child_nodes(node)
    if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.dump(node.test):
        children = iter(node.orelse)
    for child in children:
        yield from running(child)


def module_file(name: str, root: Path) -> Path | None:
    """The file of one of the product's modules; None if it is no such module."""
    if name.split(".")[0] != PACKAGE:
        return None
    path = root.joinpath(*name.split("."))
    candidates = (path.with_suffix(".py"), path / "__init__.py")
    return next((candidate for candidate in candidates if candidate.is_file()), None)


def data_files(package: str, root: Path) -> list[Path]:
    """What lies in a package beside its modules; nothing of packages inside it."""
    folder = root.joinpath(*package.split("."))
    inner = {path.parent for path in folder.rglob("__init__.py")} - {folder}
    return [path for path in files(folder) if path.suffix != ".py" and not inner & set(path.parents)]


def rewritten(text: str, lists: dict[str, list[str]]) -> str:
    """The text of dvc.yaml with these lists behind the other `deps` of each stage."""
    lines: list[str] = []
    stage, inside = "", False

    def close() -> None:
        nonlocal inside
        if inside:
            lines.extend(f"      - {path}" for path in lists[stage])
        inside = False

    for line in text.splitlines():
        if inside and not line.startswith("      "):
            close()
        if header := re.fullmatch(r"  ([\w-]+):", line):
            stage = header[1]
        if inside and line.startswith(f"      - {PACKAGE}/"):
            continue
        lines.append(line)
        inside = inside or (line == "    deps:" and stage in lists)
    close()
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    path = ROOT / "dvc.yaml"
    path.write_text(rewritten(path.read_text(), wanted()))
