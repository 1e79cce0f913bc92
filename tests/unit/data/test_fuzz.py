import os
from multiprocessing.connection import Connection
from pathlib import Path

import numpy as np
import pytest
from fuzz import worker
from fuzz.mutations import mutate
from fuzz.verdict import artefacts, damaged, kinds, try_one
from fuzz.worker import try_all

from autonad.data.images import read_image
from autonad.data.pixels.labelling import Labels, Meaning
from autonad.data.pixels.mask_files import MaskFile
from autonad.data.pixels.mask_reading import MaskReading


@pytest.fixture(scope="module")
def scratch(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("fuzz")


def test_nothing_but_one_line_comes_of_damaged_files(scratch: Path) -> None:
    wrong = {}
    for kind in kinds(scratch):
        for seed in range(4):
            wrong[kind, seed] = try_one(kind, seed, scratch)
    assert {case: found for case, found in wrong.items() if found} == {}


def test_whole_files_are_read(scratch: Path) -> None:
    folder, known = artefacts(scratch)
    for artefact in known.values():
        content = (folder / artefact.path).read_bytes()
        artefact.read(folder)
        (folder / artefact.path).parent.mkdir(exist_ok=True)
        (folder / artefact.path).write_bytes(content)
    assert len(known) > 40


def test_a_seed_is_a_file() -> None:
    content = bytes(range(256)) * 9
    first = [mutate("any", content, np.random.default_rng(seed)) for seed in range(50)]
    assert first == [mutate("any", content, np.random.default_rng(seed)) for seed in range(50)]
    assert len(set(first)) > 40


def test_what_should_not_happen_is_seen(scratch: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(
        mask: MaskFile, reading: MaskReading, meaning: Meaning, index: int | None, name: str
    ) -> Labels:
        raise ZeroDivisionError(name)

    monkeypatch.setattr("autonad.data.layouts.decoding.label", broken)
    (found,) = try_one("mask-png", 0, scratch)
    assert found.startswith("traceback: ZeroDivisionError: p1.png at")


@pytest.mark.slow
def test_processes_try_the_same(scratch: Path) -> None:
    cases = [("mask-png", seed) for seed in range(4)]
    assert dict(try_all(cases, workers=1)) == {case: [] for case in cases}


def hang(kind: str, seed: int, scratch: Path) -> list[str]:
    while seed == 1:
        pass
    if seed == 2:
        os._exit(3)
    return []


def hanging(connection: Connection, folder: Path) -> None:
    worker.try_one = hang
    worker.work(connection, folder)


@pytest.mark.slow
def test_a_process_that_hangs_or_dies_is_replaced(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(worker, "SECONDS", 0.5)
    monkeypatch.setattr(worker, "START", hanging)
    found = dict(try_all([("any", seed) for seed in range(4)], workers=1))
    assert [found["any", seed] for seed in (0, 3)] == [[], []]
    assert found["any", 1][0].startswith("hang")
    assert found["any", 2] == ["died: exit code 3"]


def test_the_damaged_source_differs_in_one_file(scratch: Path) -> None:
    source, folder = damaged("image-bmp", 3, scratch)
    whole = scratch / "whole-masks"
    changed = {
        path.relative_to(folder).as_posix()
        for path in folder.rglob("*")
        if path.is_file() and path.read_bytes() != (whole / path.relative_to(folder)).read_bytes()
    }
    assert changed == {source.targets["image-bmp"].path}
    assert read_image(whole / source.targets["image-bmp"].path).shape == (48, 48, 3)
