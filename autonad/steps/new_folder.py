"""A folder to work in: settings and DVC's pipeline, for those who have no clone of AutoNAD."""

from __future__ import annotations

import re
from dataclasses import dataclass
from importlib import resources
from pathlib import Path

from autonad import __version__
from autonad.errors import ConfigError
from autonad.files import make_folder, write_text_atomic

VERSION = "autonad.version"
PIPELINES = ("dvc.yaml", "variants/dvc.yaml")
IGNORED_BY_GIT = (
    "/.venv/",
    "/runs/",
    "/artifacts/*/checkpoint/",
    "/artifacts/*/records.jsonl",
    "/artifacts/*/journal.jsonl",
    "/artifacts/*/finalists.jsonl",
    "/artifacts/*/learning/",
    "/artifacts/decide/last-pin/",
    "/artifacts/pin/",
    "/artifacts/variants/",
    "/artifacts/search/variants/",
    "/artifacts/*/*.safetensors",
    "/artifacts/*/*.parquet",
    "/artifacts/*/*.npz",
    "/artifacts/*/*.onnx",
    "/artifacts/*/*.html",
    "/artifacts/*/*.svg",
    "/artifacts/*/*.png",
    "/artifacts/train-supernet/supernet.json",
    "/artifacts/profile-latency/*.json",
    "/artifacts/search/search.json",
    "/artifacts/retrain/*.json",
    "/artifacts/evaluate/roc.json",
    "/artifacts/fit-thresholds/rules.yaml",
    "/artifacts/export/MODEL_CARD.md",
    "/mlflow.db*",
    "/mlruns/",
    "/mlartifacts/",
    "/dvc_plots/",
    ".*.lock",
    "/mlflow-unsent/",
    "/compare.html",
)
IGNORED_BY_DVC = (".venv", "__pycache__", ".git", "runs", "mlruns", "mlartifacts", ".*.lock")
SOURCE_FILE = re.compile(r"^(\s+- )autonad(/\S*)?$")
# A paragraph of the repository's pipeline that says how its dependencies are written, and what stands there
# for users.
ABOUT_SOURCES = "`make dvc`"
ABOUT_VERSION = """\
# Every stage depends on autonad.version: the version of AutoNAD that its results are of. After an upgrade
# they stay valid until you want new ones: `autonad --version > autonad.version`, then `dvc repro`."""


@dataclass(frozen=True)
class NewFolder:
    """What was made.

    Attributes:
        written: Files that are new, relative to the folder.
        extended: Files that were there and have more lines now.
    """

    written: tuple[str, ...]
    extended: tuple[str, ...]


def new_folder(folder: Path) -> NewFolder:
    """Write params.yaml, the pipelines of DVC, the version, and what git and DVC ignore.

    Args:
        folder: It is made if it is not there; other files in it stay as they are.

    Raises:
        ConfigError: One of the files is there already; nothing is written then.
        StorageError: The folder cannot be written.
    """
    from autonad.config.document import params_yaml

    texts = {
        "params.yaml": params_yaml(),
        **{name: for_users(_shipped(name)) for name in PIPELINES},
        VERSION: f"{__version__}\n",
    }
    if there := [name for name in texts if (folder / name).exists()]:
        raise ConfigError(
            f"{folder} holds {' and '.join(there)} already, so nothing was written; take another folder, or "
            "move them away"
        )
    make_folder(folder)
    for name, text in texts.items():
        write_text_atomic(folder / name, text)
    written: list[str] = list(texts)
    extended: list[str] = []
    for name, lines in ((".gitignore", IGNORED_BY_GIT), (".dvcignore", IGNORED_BY_DVC)):
        (extended if (folder / name).exists() else written).append(name)
        _extend(folder / name, lines)
    return NewFolder(tuple(written), tuple(extended))


def version_note(folder: Path) -> str | None:
    """What to know where a folder's results are of another version than the one that is installed."""
    file = folder / VERSION
    if not file.is_file():
        return None
    made = file.read_text(errors="replace").strip()
    if made == __version__:
        return None
    return (
        f"note: {VERSION} says {made[:40]!r}, and {__version__} is installed; `autonad --version > "
        f"{VERSION}` and `dvc repro` make everything anew with it"
    )


def for_users(pipeline: str) -> str:
    """A pipeline of the repository for a folder without the product's source files.

    In place of the files that a stage's result depends on stands one that names the version.
    """
    lines: list[str] = []
    named = False
    for line in pipeline.splitlines():
        found = SOURCE_FILE.match(line)
        if found is None:
            lines.append(line)
            named = named and line.strip().startswith(("- ", "#"))
        elif not named:
            lines.append(f"{found[1]}{VERSION}")
            named = True
    paragraphs = "\n".join(lines).split("\n\n")
    return "\n\n".join(ABOUT_VERSION if ABOUT_SOURCES in part else part for part in paragraphs) + "\n"


def _shipped(name: str) -> str:
    """Inside the package when it is installed, beside it in a checkout."""
    package = Path(str(resources.files("autonad")))
    inside = package / "project" / name
    return (inside if inside.is_file() else package.parent / name).read_text()


def _extend(file: Path, lines: tuple[str, ...]) -> None:
    before = file.read_text() if file.exists() else ""
    known = set(before.splitlines())
    if new := [line for line in lines if line not in known]:
        join = "" if not before or before.endswith("\n") else "\n"
        write_text_atomic(file, before + join + "\n".join(new) + "\n")
