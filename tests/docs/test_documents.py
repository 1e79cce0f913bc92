"""What the documents say is so: files, links, commands, settings and names that they mention exist."""

from __future__ import annotations

import ast
import re
import shlex
from collections.abc import Iterator
from pathlib import Path

import pytest
import typer
from rooms import ORDER, ROOT
from typer.main import get_command

from autonad.cli.entry import app
from autonad.config import Config, load_config

DOCUMENTS = (ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").rglob("*.md")))
ARCHITECTURE = ROOT / "docs" / "architecture.md"
COMMANDS: dict[str, typer.core.TyperCommand] = get_command(app).commands  # type: ignore[attr-defined]


def section(path: Path, heading: str) -> str:
    return path.read_text().split(f"\n## {heading}\n")[1].split("\n## ")[0]


def rows(table: str) -> list[list[str]]:
    """Cells of the rows of all tables in a text, headings left out."""
    lines = [line for line in table.splitlines() if line.startswith("|")]
    heads = {index - 1 for index, line in enumerate(lines) if re.fullmatch(r"[|\s-]+", line)}
    kept = (
        line for index, line in enumerate(lines) if index not in heads and not re.fullmatch(r"[|\s-]+", line)
    )
    return [[cell.strip() for cell in line.strip("|").split(" | ")] for line in kept]


# -- the README -------------------------------------------------------------------------------------------


def test_the_readme_names_every_verb_once_and_no_other() -> None:
    named = [row[0].strip("` ") for row in rows(section(ROOT / "README.md", "Verbs"))]

    assert sorted(named) == sorted(COMMANDS)


def test_the_readme_shows_a_result_before_anything_else() -> None:
    beginning = (ROOT / "README.md").read_text().split("\n## ")[0]

    assert re.search(r'<img src="docs/images/[^"]+"[^>]* alt="[^"]{20,}"', beginning)
    assert re.search(r"\*\*test mIoU \d+\.\d %", beginning)


def test_the_readme_goes_from_images_to_a_detector_in_two_commands_on_one_screen() -> None:
    beginning = (ROOT / "README.md").read_text().split("\n## ")[0]
    (block,) = re.findall(r"^```sh\n(.*?)^```", beginning, flags=re.MULTILINE | re.DOTALL)

    assert [line.split("  ")[0].split(" && ")[0] for line in block.splitlines()] == [
        "make venv",
        "autonad run --source mydata",
    ]
    assert len(beginning.splitlines()) <= 45
    for told in ("WSL", "**GPU**", "**Cluster**", "Is a search worth it?"):
        assert told in beginning


def test_the_glossary_explains_ten_words_in_a_sentence_each() -> None:
    entries = rows(section(ROOT / "README.md", "Ten words"))

    assert len(entries) == 10
    assert [meaning for _, meaning in entries if not re.fullmatch(r"[^.]+\.", meaning)] == []


# -- findings ---------------------------------------------------------------------------------------------


def finding_kinds() -> Iterator[str]:
    """Kinds of findings as the code writes them: the second argument of a `Fault`, the first of a mask's."""
    position = {"Fault": 1, "MaskFault": 0, "each_or_all": 0, "_faulty": 1, "warn": 0}
    for file in (ROOT / "autonad" / "data").rglob("*.py"):
        for node in ast.walk(ast.parse(file.read_text())):
            if not isinstance(node, ast.Call):
                continue
            name = getattr(node.func, "id", getattr(node.func, "attr", ""))
            for kind in node.args[position[name] : position[name] + 1] if name in position else ():
                either = [kind.body, kind.orelse] if isinstance(kind, ast.IfExp) else [kind]
                yield from (str(one.value) for one in either if isinstance(one, ast.Constant))


def test_every_finding_is_explained() -> None:
    explained = set(re.findall(r"`([a-z-]+)`", section(ROOT / "docs" / "data.md", "Findings")))
    found = set(finding_kinds())

    assert len(found) > 40
    assert found - explained == set()


# -- commands and settings --------------------------------------------------------------------------------


def commands(path: Path) -> Iterator[str]:
    """Lines in the code blocks of a document that call `autonad`, joined and without comments."""
    for block in re.findall(r"^```\w*\n(.*?)^```", path.read_text(), flags=re.MULTILINE | re.DOTALL):
        for line in block.replace("\\\n", " ").splitlines():
            if line.startswith("autonad "):
                yield line.split("  #")[0].split(" # ")[0].strip()


COMPLETE = [
    pytest.param(command, id=f"{path.name}: {command[:60]}")
    for path in DOCUMENTS
    for command in commands(path)
    if "..." not in command and "…" not in command
]


@pytest.mark.parametrize("command", COMPLETE)
def test_a_command_of_a_document_can_be_given(command: str) -> None:
    """The verb is there, its options are, none that it needs is missing, and `--set` sets what there is."""
    _, verb, *arguments = shlex.split(command)
    found = COMMANDS[verb]
    while (inner := getattr(found, "commands", {}).get((arguments or [""])[0])) is not None:
        found, arguments = inner, arguments[1:]

    given = found.make_context(verb, arguments).params
    load_config(None, given.get("set") or ())


def test_many_commands_are_tried() -> None:
    assert len(COMPLETE) > 30


def test_options_in_the_documentation_exist() -> None:
    """`autonad VERB --option` in README and docs, also in the middle of a sentence."""
    options = {name: {opt for p in command.params for opt in p.opts} for name, command in COMMANDS.items()}
    for name, command in COMMANDS.items():
        for inner, one in getattr(command, "commands", {}).items():
            options[f"{name} {inner}"] = {opt for p in one.params for opt in p.opts}
    seen = 0
    for path in DOCUMENTS:
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


def test_settings_that_the_documents_name_exist() -> None:
    """`section.key` in backticks, where `section` is one of params.yaml's."""
    sections = {name: field.annotation for name, field in Config.model_fields.items()}
    seen, unknown = 0, []
    for path in DOCUMENTS:
        for name, key in re.findall(r"`(?:--set )?([a-z_]+)\.([a-z_]+)(?:[=:][^`]*)?`", path.read_text()):
            fields = getattr(sections.get(name), "model_fields", None)
            if fields is not None and key not in ("py", "json"):
                seen += 1
                unknown += [f"{path.name}: {name}.{key}"] if key not in fields else []

    assert seen > 10
    assert unknown == []


# -- files and names --------------------------------------------------------------------------------------


def mentioned(path: Path) -> set[str]:
    """Paths of the repository in a document; `<verb>` and the like stand for any name."""
    found = re.findall(
        r"(?<![\w/.-])((?:autonad|tests|pipelines|components|benchmarks|docs|deploy)/[\w<>*./-]*[\w>*/])",
        path.read_text(),
    )
    return {re.sub(r"<\w+>", "*", name).rstrip("/.") for name in found}


@pytest.mark.parametrize("path", DOCUMENTS, ids=lambda path: path.name)
def test_paths_that_a_document_names_exist(path: Path) -> None:
    assert {name for name in mentioned(path) if not any(ROOT.glob(name))} == set()


def is_there(name: str) -> bool:
    """Whether a dotted name leads to a module, or to what a module defines."""
    parts = name.split(".")
    for count in range(len(parts), 0, -1):
        place = ROOT.joinpath(*parts[:count])
        if place.is_dir() or place.with_suffix(".py").is_file():
            file = place / "__init__.py" if place.is_dir() else place.with_suffix(".py")
            return count == len(parts) or re.search(rf"\b{parts[count]}\b", file.read_text()) is not None
    return False


def test_modules_that_documents_and_docstrings_name_exist() -> None:
    dotted = re.compile(rf"`(autonad\.(?:{'|'.join(ORDER)})\b[\w.]*)(?:\(\))?`")
    named = {
        (str(path.relative_to(ROOT)), name)
        for path in (*DOCUMENTS, *ROOT.glob("autonad/**/*.py"), *ROOT.glob("benchmarks/*.py"))
        for name in dotted.findall(path.read_text())
    }

    assert len(named) > 20
    assert {(place, name) for place, name in named if not is_there(name)} == set()


def test_where_to_change_things_is_a_table_of_paths() -> None:
    entries = rows(section(ARCHITECTURE, "Where do I change …"))

    assert len(entries) >= 20
    assert [change for change, files, *_ in entries if not re.search(r"`[\w/.<>-]+[./]", files)] == []


def test_the_rooms_are_listed_in_the_order_of_imports() -> None:
    names = [
        row[0].strip("`").removesuffix("/").removesuffix(".py")
        for row in rows(section(ARCHITECTURE, "Rooms"))
    ]

    assert [name for name in names if "/" not in name] == list(ORDER)


def test_the_files_of_the_rooms_exist() -> None:
    named = [
        f"autonad/{room.strip('`')}{file}"
        for room, _, files in rows(section(ARCHITECTURE, "Rooms"))
        for file in re.findall(r"`([\w/]+(?:\.py|/))`", files)
    ]

    assert len(named) > 80
    assert [name for name in named if not (ROOT / name).exists()] == []


def test_links_between_documents_lead_somewhere() -> None:
    broken = []
    for path in (*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")):
        text = path.read_text()
        targets = re.findall(r"\]\(([^)#\s]+)(?:#[^)]*)?\)", text) + re.findall(r' src="([^"]+)"', text)
        for target in targets:
            if "://" not in target and not (path.parent / target).exists():
                broken.append(f"{path.relative_to(ROOT)} → {target}")

    assert not broken


def test_make_targets_that_the_documents_name_exist() -> None:
    targets = set(re.findall(r"^([a-z0-9-]+):", (ROOT / "Makefile").read_text(), flags=re.MULTILINE))
    texts = [path.read_text() for path in (*DOCUMENTS, ROOT / "CHANGELOG.md", ROOT / ".ci/run")]
    named = {
        name for text in texts for name in re.findall(r"(?:^|`)make ([a-z0-9-]+)\b", text, flags=re.MULTILINE)
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
