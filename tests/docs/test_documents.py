"""What the documents say is so."""

from __future__ import annotations

import re

from rooms import ROOT


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
