"""The rooms of the package, and what their modules import, read from the files without running them."""

from __future__ import annotations

import ast
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

ROOT = Path(__file__).parents[1]
PACKAGE = ROOT / "autonad"

# Imports point one way: a room may use those before it in this list (see docs/architecture.md).
ORDER = (
    "errors",
    "cores",
    "console",
    "reading",
    "locks",
    "files",
    "config",
    "space",
    "storage",
    "detector",
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
    "service",
    "steps",
    "kubeflow",
    "cli",
)
# An import runs with its module, later in a function, or never: for type checkers alone.
When = Literal["import", "call", "types"]


@dataclass(frozen=True)
class Import:
    file: Path
    line: int
    module: str
    when: When

    @property
    def on_import(self) -> bool:
        return self.when == "import"

    def __str__(self) -> str:
        return f"{self.file.relative_to(ROOT)}:{self.line} imports {self.module}"


def imports_of(file: Path) -> list[Import]:
    found: list[Import] = []

    def visit(node: ast.AST, when: When) -> None:
        if isinstance(node, ast.Import):
            found.extend(Import(file, node.lineno, alias.name, when) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{file}:{node.lineno} imports relatively"
            assert node.module is not None
            found.append(Import(file, node.lineno, node.module, when))
            if node.module.split(".")[0] == "autonad":  # `from autonad import steps` names a module too
                names = (f"{node.module}.{alias.name}" for alias in node.names)
                found.extend(Import(file, node.lineno, name, when) for name in names if is_module(name))
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda) and when == "import":
            when = "call"
        if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.dump(node.test):
            for child in node.body:
                visit(child, "types")
            for child in node.orelse:
                visit(child, when)
            return
        for child in ast.iter_child_nodes(node):
            visit(child, when)

    visit(ast.parse(file.read_text()), "import")
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
    """Place of a module's room in the order; None for the package itself and for other people's."""
    parts = module.split(".")
    return ORDER.index(parts[1]) if parts[0] == "autonad" and len(parts) > 1 else None


def circle(*, calls: bool) -> tuple[str, ...] | None:
    """Modules of which each imports the next and the last the first; None where there are none.

    Args:
        calls: Also count imports that run in functions. A package's own `__init__` is left out: it is already
            running when a module of the package is imported.
    """
    graph: dict[str, set[str]] = {}
    for found in IMPORTS:
        if (found.on_import or (calls and found.when == "call")) and is_module(found.module):
            own, other = name_of(found.file), found.module
            if other.startswith("autonad") and not own.startswith(f"{other}."):
                graph.setdefault(own, set()).add(other)
    finished: set[str] = set()

    def from_here(module: str, path: tuple[str, ...]) -> tuple[str, ...] | None:
        if module in path:
            return (*path[path.index(module) :], module)
        if module in finished:
            return None
        for other in sorted(graph.get(module, ())):
            if (found := from_here(other, (*path, module))) is not None:
                return found
        finished.add(module)
        return None

    return next((found for module in sorted(graph) if (found := from_here(module, ())) is not None), None)
