"""What is written of an image stays in its folder, whatever the image is called."""

from __future__ import annotations

from pathlib import Path

import pytest
from dark_detector import dark_spec, forward, surface

from autonad.console import SILENT
from autonad.detector.engine import Detector
from autonad.detector.finished import Finished
from autonad.detector.image_names import ImageNames
from autonad.detector.image_sources import BucketImages
from autonad.detector.outputs import Outputs
from autonad.detector.rules import Rules
from autonad.detector.working import Line, Tally, work_through
from autonad.errors import StorageError
from autonad.storage.source import Arrival, Entry

DETECTOR = Detector(forward, dark_spec(), Rules.from_dict({}, dark_spec().classes, "the test's rules"))


class Listed:
    """A bucket of which nothing but keys is known."""

    name = "s3://bucket/line"

    def __init__(self, *keys: str) -> None:
        self.keys = keys

    def entries(self) -> list[Entry]:
        return [Entry(key, f"{self.name}/{key}", 1, "1") for key in self.keys]

    def fetch(self, wanted: object) -> list[Arrival]:
        raise AssertionError("nothing of it is fetched")


def test_keys_of_a_bucket_that_lead_out_remove_nothing(tmp_path: Path) -> None:
    output, mine = tmp_path / "out", tmp_path / "home" / "holiday.png"
    mine.parent.mkdir()
    mine.write_text("mine")
    (output / "masks").mkdir(parents=True)
    source = Listed("../../home/holiday.jpg", f"{mine.parent}/holiday.png", f"{'long' * 100}.png")
    images, tally = (
        BucketImages(source, ImageNames(frozenset({".png", ".jpg"}), lambda suffix: None)),
        Tally(),
    )
    line = Line(DETECTOR, images, Outputs(output), lambda path: surface(), workers=1)

    with Finished(output / "finished.jsonl", {"source": source.name}) as finished:
        work_through(line, finished, images.scan().images, tally, SILENT)

    assert tally.unreadable == 3
    assert mine.read_text() == "mine"


def test_what_was_written_of_an_image_is_removed(tmp_path: Path) -> None:
    outputs, image = Outputs(tmp_path, probabilities=True), surface((10, 20, 14, 50))
    for name in ("line 2/a", "b"):
        outputs.write(name, image, DETECTOR.detect(image))
    outputs.remove("line 2/a")
    outputs.remove("never written")

    assert not outputs.are_there("line 2/a")
    files = sorted(path.relative_to(tmp_path).as_posix() for path in tmp_path.rglob("b.*"))
    assert files == ["masks/b.png", "overlays/b.jpg", "probabilities/b.png"]
    assert len([path for path in tmp_path.rglob("*") if path.is_file()]) == 3


@pytest.mark.parametrize("name", ["../a", "x/../../../a", "{folder}/a"])
def test_a_name_that_leads_out_is_refused(tmp_path: Path, name: str) -> None:
    outputs, name = Outputs(tmp_path / "out"), name.format(folder=tmp_path)

    with pytest.raises(StorageError, match="outside of"):
        outputs.write(name, surface(), DETECTOR.detect(surface()))
    with pytest.raises(StorageError, match="outside of"):
        outputs.are_there(name)
    assert list(tmp_path.iterdir()) == []
