"""What goes from the line back: which images, how they lie, and what a full place gives up."""

from __future__ import annotations

import datetime
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from dark_detector import CLASSES, dark_spec, forward, surface
from PIL import Image

from autonad.detector.backlog import MOST_WAITING, Backlog
from autonad.detector.engine import Detection, Detector, Pixels
from autonad.detector.informative import most_informative, uncertainty
from autonad.detector.keeping import Keeper, KeepSettings, Sighting
from autonad.detector.kept import KeptName, content_of, read_predicted
from autonad.detector.looks import LOOKS, looks_of
from autonad.detector.rules import Rules
from autonad.errors import DatasetError, StorageError

RULES = Rules.default(CLASSES)
DETECTOR = Detector(forward, dark_spec(), RULES)
NOON = datetime.datetime(2026, 3, 1, 12, tzinfo=datetime.UTC)


def keeper(place: Path | str, said: list[str] | None = None, **settings: float) -> Keeper:
    return Keeper(
        KeepSettings(str(place), **settings),  # type: ignore[arg-type]
        warn=(said if said is not None else []).append,
        now=lambda: NOON,
    )


def seen(name: str, image: np.ndarray, detection: Detection) -> Sighting:
    return Sighting(name, image, detection, CLASSES, RULES, "0123456789abcdef")


def detected(image: np.ndarray) -> tuple[np.ndarray, Detection]:
    return image, DETECTOR.detect(image)


def unsure(level: int, length: int = 40) -> tuple[np.ndarray, Detection]:
    """A crack whose grey makes the network more or less sure."""
    return detected(surface((10, 10, 30, 10 + length), level=level))


def files(place: Path) -> list[str]:
    return sorted(path.relative_to(place).as_posix() for path in place.rglob("*") if path.is_file())


def test_a_defect_is_kept_with_its_mask_and_what_was_said(tmp_path: Path) -> None:
    image, detection = unsure(20)

    assert keeper(tmp_path).offer(seen("cam 1/part.bmp", image, detection))

    picture, predicted = files(tmp_path)
    assert picture.removeprefix("images/") == predicted.removeprefix("predicted/")
    assert picture.startswith("images/2026-03-01/")
    assert picture.endswith("-part.png")
    assert "-NG-" in picture
    assert (np.asarray(Image.open(tmp_path / picture).convert("RGB")) == image).all()
    assert (np.asarray(Image.open(tmp_path / predicted)) == detection.mask).all()
    told = read_predicted(tmp_path / predicted)
    assert (told.image, told.verdict, told.model, told.classes) == (
        "cam 1/part.bmp",
        "NG",
        "0123456789ab",
        CLASSES,
    )
    assert told.defects[0]["class_name"] == "crack"
    assert told.rules == RULES.to_dict()
    assert len(told.looks) == len(LOOKS)


def test_colours_come_back_as_they_are(tmp_path: Path) -> None:
    image, _ = unsure(20)
    image[..., 2] //= 2

    keeper(tmp_path).offer(seen("a.png", image, DETECTOR.detect(surface((5, 5, 30, 30)))))

    assert (np.asarray(Image.open(tmp_path / files(tmp_path)[0])) == image).all()


def test_the_share_of_ok_images_is_drawn_by_content_alone(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    images = [surface() + rng.integers(0, 2, (64, 64, 1), dtype=np.uint8) for _ in range(300)]
    _, fine = detected(surface())
    assert fine.judgement.verdict == "OK"

    first, second = keeper(tmp_path / "a", ok_share=0.1), keeper(tmp_path / "b", ok_share=0.1)
    kept = [first.offer(seen("a.png", image, fine)) for image in images]
    again = [second.offer(seen("b.png", image, fine)) for image in reversed(images)]

    assert kept == again[::-1]
    assert 15 <= sum(kept) <= 50
    assert not any(keeper(tmp_path / "c", ok_share=0).offer(seen("a.png", image, fine)) for image in images)


def test_pixels_that_are_kept_are_not_kept_again(tmp_path: Path) -> None:
    image, detection = unsure(20)
    first = keeper(tmp_path)

    assert first.offer(seen("a.png", image, detection))
    assert not first.offer(seen("b.png", image, detection))
    assert not keeper(tmp_path).offer(seen("c.png", image, detection))
    assert len(files(tmp_path)) == 2


def test_a_full_place_gives_up_what_the_network_was_surest_about(tmp_path: Path) -> None:
    levels = [20, 50, 30, 55, 40, 25]
    found = {level: unsure(level) for level in levels}
    by_content = {content_of(image): level for level, (image, _) in found.items()}
    (tmp_path / "images").mkdir()
    (tmp_path / "images" / "own.png").write_bytes(b"of somebody else")
    full = keeper(tmp_path, most_images=2)

    for image, detection in found.values():
        full.offer(seen("a.png", image, detection))

    names = [
        KeptName.parse(name.removeprefix("images/")) for name in files(tmp_path) if "predicted" not in name
    ]
    assert {by_content[name.content] for name in names if name} == {50, 55}
    assert (tmp_path / "images" / "own.png").is_file()
    assert len([name for name in files(tmp_path) if name.startswith("predicted/")]) == 2


def test_no_more_bytes_are_kept_than_allowed(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    full = keeper(tmp_path, most_bytes=30_000)

    for number in range(30):
        noisy = surface((10, 10, 30, 50), level=20 + number) + rng.integers(0, 9, (64, 64, 3), dtype=np.uint8)
        full.offer(seen("a.png", *detected(noisy)))

    size = sum((tmp_path / name).stat().st_size for name in files(tmp_path))
    assert 15_000 < size <= 30_000
    again = keeper(tmp_path, most_bytes=30_000)
    again.offer(seen("a.png", *detected(surface((10, 10, 60, 60), level=58))))
    assert sum((tmp_path / name).stat().st_size for name in files(tmp_path)) <= 30_000


def test_a_large_image_that_is_sure_drives_out_none_that_is_unsure(tmp_path: Path) -> None:
    first = keeper(tmp_path)
    for level in (50, 55):
        assert first.offer(seen("a.png", *unsure(level)))
    before = files(tmp_path)
    full = keeper(tmp_path, most_bytes=sum((tmp_path / name).stat().st_size for name in before) + 1)

    assert not full.offer(seen("b.png", *unsure(20)))

    assert files(tmp_path) == before
    assert full.offer(seen("c.png", *unsure(58)))


def test_threads_keep_each_image_once(tmp_path: Path) -> None:
    some = [unsure(level, length) for level in (20, 30) for length in range(10, 50, 4)]
    shared = keeper(tmp_path)

    with ThreadPoolExecutor(8) as pool:
        kept = list(pool.map(lambda one: shared.offer(seen("a.png", *one)), some * 4))

    assert sum(kept) == shared.kept == len(some)
    assert len(files(tmp_path)) == 2 * len(some)


def test_a_place_that_refuses_is_said_once_and_the_line_goes_on(tmp_path: Path) -> None:
    blocked = tmp_path / "kept"
    said: list[str] = []
    refusing = keeper(blocked, said)
    blocked.write_text("a file where the folder should be")

    kept = [refusing.offer(seen("a.png", *unsure(level))) for level in (20, 30, 40)]
    blocked.unlink()

    assert kept == [False] * 3
    assert refusing.lost == 3
    assert len(said) == 1
    assert str(blocked) in said[0]
    assert refusing.offer(seen("a.png", *unsure(20))), "what was lost is tried again"


def test_a_bucket_keeps_and_gives_up_as_a_folder(bucket: str, tmp_path: Path) -> None:
    from autonad.storage.places import place_at

    place = f"s3://{bucket}/line"
    full = keeper(place, most_images=2)
    for level in (20, 50, 30, 55):
        full.offer(seen("a.png", *unsure(level)))

    names = place_at(place).names()
    assert len(names) == 4
    assert not keeper(place, most_images=2).offer(seen("a.png", *unsure(20)))
    with pytest.raises(StorageError, match="no-such-bucket"):
        keeper("s3://no-such-bucket/line")


def test_uncertainty_is_highest_at_the_threshold() -> None:
    def of(score: float, threshold: float = 0.5, mask: int = 1) -> float:
        shape = (32, 32)
        pixels = Pixels(np.full(shape, mask, np.uint8), np.full(shape, score, np.float32))
        return uncertainty(pixels, (threshold, 0.9))

    assert of(0.5) == pytest.approx(1)
    assert of(0.8, threshold=0.8) == pytest.approx(1)
    assert of(0.5) > of(0.7) > of(0.99) > 0
    assert of(0.01, mask=0) == 0
    assert of(0.5, mask=0) == pytest.approx(1, abs=1e-3)
    assert of(1.0, threshold=1.0) == pytest.approx(1)


def test_one_noisy_pixel_is_no_unsure_image() -> None:
    score = np.zeros((200, 200), np.float32)
    score[3, 3] = 0.5

    assert uncertainty(Pixels(np.zeros((200, 200), np.uint8), score), (0.5,)) == pytest.approx(
        1 / 64, abs=1e-3
    )


def test_the_most_informative_are_unsure_and_unlike_each_other() -> None:
    rng = np.random.default_rng(0)
    centres = np.repeat(np.array([[0.0, 0], [10, 0], [0, 10], [10, 10]]), 10, axis=0)
    vectors = centres + rng.normal(0, 0.1, centres.shape)
    sure = np.r_[vectors, rng.normal(5, 50, (100, 2))]
    values = np.r_[rng.uniform(0.5, 1, 40), np.zeros(100)]

    chosen = most_informative(values, sure, 10)

    assert chosen[0] == int(values.argmax())
    assert {index // 10 for index in chosen[:4]} == {0, 1, 2, 3}
    assert max(chosen) < 40
    assert len(set(chosen)) == 10
    assert sorted(most_informative(values, sure, 500)) == list(range(140))
    assert most_informative(values[:0], sure[:0], 3) == []


def test_equal_images_are_chosen_last() -> None:
    vectors = np.array([[0.0], [0.0], [0.0], [1.0]])

    assert most_informative(np.array([0.9, 0.8, 0.7, 0.1]), vectors, 2) == [0, 3]
    assert sorted(most_informative(np.ones(5), np.zeros((5, 2)), 5)) == list(range(5))


def test_looks_tell_brightness_detail_and_direction_apart() -> None:
    rng = np.random.default_rng(0)
    flat = surface()
    noisy = np.clip(flat + rng.normal(0, 20, flat.shape), 0, 255).astype(np.uint8)
    stripes = flat.copy()
    stripes[:, ::2] += 50
    named = [dict(zip(LOOKS, looks_of(image), strict=True)) for image in (flat, noisy, stripes, flat // 2)]

    assert named[0]["grey_p95"] == pytest.approx(128 / 255, abs=1e-3)
    assert named[3]["brightness_log2"] == pytest.approx(named[0]["brightness_log2"] - 1, abs=0.02)
    assert named[1]["detail1_log2"] > named[0]["detail1_log2"] + 3
    assert named[2]["direction_log2"] > 0.5 > abs(named[1]["direction_log2"])
    for size in ((1, 1), (1, 9), (3000, 20)):
        assert np.isfinite(looks_of(surface(size=size))).all()


def test_a_foreign_picture_is_no_kept_one(tmp_path: Path) -> None:
    Image.new("L", (4, 4)).save(tmp_path / "a.png")

    with pytest.raises(DatasetError, match=r"a\.png does not say what the detector saw"):
        read_predicted(tmp_path / "a.png")


def test_a_slow_place_holds_up_nobody(tmp_path: Path) -> None:
    shared, begun, go = keeper(tmp_path), threading.Event(), threading.Event()
    put = shared.offer

    def slow(one: Sighting) -> bool:
        begun.set()
        assert go.wait(60)
        return put(one)

    shared.offer = slow  # type: ignore[method-assign]
    backlog, told = Backlog(shared), list[bool]()
    for level in range(20, 20 + MOST_WAITING + 3):
        backlog.offer(seen("a.png", *unsure(level)), told.append)
    assert begun.wait(60)
    assert told == [False] * 3, "those that find no room are lost at once"
    go.set()
    backlog.close()

    assert told == [False] * 3 + [True] * MOST_WAITING
    assert len(files(tmp_path)) == 2 * MOST_WAITING
