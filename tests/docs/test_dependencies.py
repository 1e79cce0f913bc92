"""docs/dependencies.md lists exactly what pyproject.toml asks for, with the licences that packages state."""

from __future__ import annotations

import re
import tomllib
from importlib.metadata import PackageNotFoundError, metadata
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
DOCUMENT = (ROOT / "docs/dependencies.md").read_text()
PARTS = {"base": "The base install", "full": "`autonad[full]`", "dev": "`autonad[dev]`"}


def normal(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def listed(part: str) -> dict[str, list[str]]:
    """Package → licence, purpose, last release."""
    (text,) = (one for one in DOCUMENT.split("\n## ") if one.startswith(PARTS[part]))
    rows = [
        [cell.strip() for cell in line.strip("|").split("|")]
        for line in text.splitlines()
        if line.startswith("| ")
    ]
    return {normal(name): rest for name, *rest in rows if name not in ("package", "---")}


def asked(part: str) -> set[str]:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    lines = project["dependencies"] if part == "base" else project["optional-dependencies"][part]
    names = {normal(re.match(r"[A-Za-z0-9._-]+", line)[0]) for line in lines}  # type: ignore[index]
    return names - {"autonad"}


@pytest.mark.parametrize("part", PARTS)
def test_every_dependency_is_listed_and_no_other(part: str) -> None:
    assert listed(part).keys() == asked(part)


@pytest.mark.parametrize("part", PARTS)
def test_each_has_a_licence_a_purpose_and_a_release(part: str) -> None:
    for name, (licence, purpose, release) in listed(part).items():
        assert licence, name
        assert purpose, name
        assert re.match(r"20\d\d-\d\d", release), name


FAMILIES = ("AGPL", "LGPL", "GPL", "MPL", "APACHE", "BSD", "MIT", "PSF|PYTHON SOFTWARE FOUNDATION")


def families(text: str) -> set[str]:
    text = text.upper().replace("LESSER GENERAL PUBLIC", "LGPL").replace("AFFERO", "AGPL")
    return {one for one in FAMILIES if re.search(rf"\b(?:{one})", text)}


@pytest.mark.parametrize("part", PARTS)
def test_licences_are_those_that_the_packages_state(part: str) -> None:
    for name, (licence, *_) in listed(part).items():
        try:
            found = metadata(name)
        except PackageNotFoundError:
            continue
        classifiers = [one for one in found.get_all("Classifier") or [] if one.startswith("License ::")]
        stated = " ".join([found.get("License-Expression") or found.get("License") or "", *classifiers])
        assert families(licence) & families(stated), f"{name}: {licence!r} here, {stated[:200]!r} there"


@pytest.mark.parametrize("part", ["base", "full"])
def test_nothing_that_users_install_is_copyleft(part: str) -> None:
    assert not [name for name, (licence, *_) in listed(part).items() if "GPL" in licence]
