"""The modules of ours that a registered model needs, beside it: who serves it need not have AutoNAD."""

from __future__ import annotations

import ast
import shutil
from collections.abc import Iterator
from pathlib import Path

import autonad

_PACKAGE = Path(autonad.__file__).parent


def copy_code(module: str, folder: Path) -> None:
    """Copy a module and all of ours that it needs, also within functions.

    Args:
        module: Such as "autonad.deploy.pyfunc".
        folder: Where the package `autonad` is put.
    """
    found: dict[Path, None] = {}
    waiting = [module]
    while waiting:
        for file in _files(waiting.pop()):
            if file not in found:
                found[file] = None
                waiting += _imports(file)
    for file in found:
        place = folder / file.relative_to(_PACKAGE.parent)
        place.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(file, place)


def _files(name: str) -> Iterator[Path]:
    """The file of a module, with those of the packages around it; nothing for what is no module of ours."""
    parts = name.split(".")
    if parts[0] != _PACKAGE.name:
        return
    for end in range(1, len(parts) + 1):
        path = _PACKAGE.parent.joinpath(*parts[:end])
        if path.is_dir():
            yield path / "__init__.py"
        elif path.with_suffix(".py").is_file():
            yield path.with_suffix(".py")


def _imports(file: Path) -> Iterator[str]:
    tree = ast.parse(file.read_text(encoding="utf-8"))
    for node in _at_run_time(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module is not None:
            yield node.module
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def _at_run_time(node: ast.AST) -> Iterator[ast.AST]:
    """All nodes below one, without what only type checkers read."""
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.If) and ast.unparse(child.test) == "TYPE_CHECKING":
            continue
        yield child
        yield from _at_run_time(child)
