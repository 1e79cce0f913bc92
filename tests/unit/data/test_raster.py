"""Which pixels a shape covers, against the rule taken at its word and against the tools' own rasterisers."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image, ImageDraw

from autonad.data.annotations.marks import Ellipse, Polygon, Runs, Stamp, rectangle, ring
from autonad.data.annotations.outlines import pieces
from autonad.data.annotations.raster import cover, paint
from autonad.errors import DatasetError

SIZE = (40, 52)


def drawn(shape: Polygon | Ellipse | Runs | Stamp, size: tuple[int, int] = SIZE) -> np.ndarray:
    region, _ = cover(shape, size)
    mask = np.zeros(size, dtype=bool)
    region.of(mask)[...] = region.inside
    return mask


def by_the_rule(points: np.ndarray, size: tuple[int, int] = SIZE) -> np.ndarray:
    """Centres with an odd number of edges to their left, pixel by pixel."""
    inside = np.zeros(size, dtype=bool)
    for y in range(size[0]):
        for x in range(size[1]):
            crossed = 0
            for (x0, y0), (x1, y1) in zip(points, np.roll(points, -1, axis=0), strict=True):
                (xa, ya), (xb, yb) = ((x0, y0), (x1, y1)) if y0 <= y1 else ((x1, y1), (x0, y0))
                if ya <= y + 0.5 < yb:
                    crossed += xa + (y + 0.5 - ya) * ((xb - xa) / (yb - ya)) <= x + 0.5
            inside[y, x] = crossed % 2
    return inside


def test_a_polygon_covers_the_pixels_whose_centres_it_encloses() -> None:
    rng = np.random.default_rng(0)
    for _ in range(40):
        points = rng.uniform(-8, 60, (rng.integers(3, 9), 2))

        assert np.array_equal(drawn(Polygon((ring(points),))), by_the_rule(points))


def test_a_border_through_centres_counts_on_the_left_and_above() -> None:
    mask = drawn(rectangle((2.5, 3.5), (6.5, 5.5)))

    assert np.argwhere(mask).min(axis=0).tolist() == [3, 2]
    assert np.argwhere(mask).max(axis=0).tolist() == [4, 5]


def test_polygons_that_share_a_border_share_no_pixel_and_leave_no_gap() -> None:
    rng = np.random.default_rng(1)
    for _ in range(50):
        x, y = rng.uniform(1, 50), rng.uniform(1, 38)
        corners = [(0, 0), (52, 0), (52, 40), (0, 40)]
        parts = [[corners[n], corners[(n + 1) % 4], (x, y)][:: (-1) ** n] for n in range(4)]
        covered = sum(drawn(Polygon((ring(part),))).astype(int) for part in parts)

        assert (covered == 1).all()


def test_a_circle_covers_the_centres_within_its_radius() -> None:
    y, x = np.mgrid[: SIZE[0], : SIZE[1]] + 0.5
    mask = drawn(Ellipse((20.3, 18.1), (9.7, 9.7)))

    assert np.array_equal(mask, np.hypot(x - 20.3, y - 18.1) <= 9.7)


def test_an_ellipse_is_turned_clockwise() -> None:
    long = drawn(Ellipse((26, 20), (15, 3), 45))

    assert long[28, 34]
    assert not long[12, 34]
    assert np.array_equal(drawn(Ellipse((26, 20), (12, 4), 90)), drawn(Ellipse((26, 20), (4, 12))))


def test_a_shape_without_a_centre_takes_the_pixels_that_it_passes() -> None:
    painted = paint([(Polygon((ring([(3.1, 4.2), (9.9, 4.3), (9.9, 4.2)]),)), 1)], SIZE)

    assert painted.thin == 1
    assert np.argwhere(painted.mask).tolist() == [[4, x] for x in range(3, 10)]


@pytest.mark.parametrize("far", [1e3, 1e8])
def test_what_lies_outside_is_nowhere_and_costs_nothing(far: float) -> None:
    outside = Polygon((ring([(far, far), (far + 5, far), (far, far + 5)]),))
    across = Polygon((ring([(-far, 10), (far, 10), (far, 12), (-far, 12)]),))
    painted = paint([(outside, 1), (across, 2)], SIZE)

    assert (painted.outside, painted.clipped) == (1, 1)
    assert np.array_equal(np.argwhere(painted.mask.any(axis=1)).ravel(), [10, 11])
    assert (painted.mask[10:12] == 2).all()


def test_a_later_shape_wins_and_only_other_classes_count_as_overlap() -> None:
    shapes = [
        (rectangle((0, 0), (10, 10)), 1),
        (rectangle((5, 0), (15, 10)), 1),
        (rectangle((8, 0), (12, 10)), 2),
        (rectangle((0, 0), (2, 10)), 255),
    ]
    painted = paint(shapes, SIZE)

    assert painted.overlap == 40
    assert painted.mask[0, [0, 3, 9, 14]].tolist() == [255, 1, 2, 1]


def test_runs_and_stamps_are_placed_and_cut_at_the_border() -> None:
    stamp = drawn(Stamp(np.ones((4, 6), dtype=bool), (-2, 49)))
    runs = drawn(Runs(np.array([1, 2, 3]), (2, 3), by_column=False, corner=(10, 20), whole=False))

    assert np.argwhere(stamp).tolist() == [[y, x] for y in (0, 1) for x in (49, 50, 51)]
    assert np.argwhere(runs).tolist() == [[10, 21], [10, 22]]


def test_runs_of_another_image_are_refused() -> None:
    with pytest.raises(DatasetError, match="10 × 10"):
        cover(Runs(np.array([0, 100]), (10, 10), by_column=True), SIZE)


def test_an_outline_of_endless_detail_is_refused_rather_than_drawn() -> None:
    zigzag = np.stack([np.arange(60_000) % 7, np.arange(60_000) % 2 * 2000], axis=1)

    with pytest.raises(DatasetError, match="simplify"):
        cover(Polygon((ring(zigzag),)), (2000, 2000))


def test_outlines_drawn_again_give_the_mask() -> None:
    rng = np.random.default_rng(2)
    holes = 0
    for number in range(200):
        mask = (rng.random((14, 17)) < rng.uniform(0.05, 0.95)) * rng.integers(1, 4, (14, 17))
        again = np.zeros(mask.shape, dtype=int)
        for piece in pieces(mask.astype(np.uint8)):
            outer, *inner = (drawn(Polygon((ring(one),)), mask.shape) for one in piece.rings)
            for hole in inner:
                assert (outer | ~hole).all()
                outer = outer & ~hole
            holes += len(inner)
            again += outer * piece.value

        assert np.array_equal(again, mask), number
    assert holes > 100


def test_a_piece_without_holes_has_one_outline_even_where_pixels_touch_at_corners() -> None:
    diagonal = np.eye(6, dtype=np.uint8)

    assert [len(piece.rings) for piece in pieces(diagonal)] == [1]
    assert [len(piece.rings) for piece in pieces(diagonal[::-1].copy())] == [1]


# pycocotools 2.0.11 with NumPy 2.4
@pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")
def test_agreement_with_pycocotools() -> None:
    """Equal for outlines along pixels; otherwise within the pixels of the outline, which it rounds."""
    coco = pytest.importorskip("pycocotools.mask")
    rng = np.random.default_rng(3)
    different = covered = 0
    for number in range(200):
        points = star(rng) if number % 2 else np.array(rectilinear(rng), dtype=float)
        theirs = coco.decode(coco.frPyObjects([points.ravel().tolist()], *SIZE))[..., 0].astype(bool)
        mine = drawn(Polygon((ring(points),)))
        if number % 2 == 0:
            assert np.array_equal(mine, theirs)
        different += int((mine ^ theirs).sum())
        covered += int(mine.sum())

    assert different < 0.02 * covered


def test_agreement_with_the_drawing_of_labelme() -> None:
    """labelme draws the outline, too (Pillow's polygon): all that we have, and a rim of a pixel."""
    rng = np.random.default_rng(4)
    for _ in range(200):
        points = star(rng)
        image = Image.new("L", SIZE[::-1])
        ImageDraw.Draw(image).polygon([tuple(point) for point in points], fill=1, outline=1)
        theirs, mine = np.asarray(image) > 0, drawn(Polygon((ring(points),)))
        rim = sum(np.roll(mine, (dy, dx), (0, 1)) for dy in (-1, 0, 1) for dx in (-1, 0, 1)) > 0

        assert (mine & ~theirs).sum() <= 0.02 * mine.sum() + 2
        assert (theirs & ~rim).sum() <= 3  # the tips of sharp corners


def star(rng: np.random.Generator) -> np.ndarray:
    angles = np.sort(rng.uniform(0, 2 * np.pi, rng.integers(6, 12)))
    radius = rng.uniform(8, 18, len(angles))
    return np.stack([26 + radius * np.cos(angles), 20 + radius * np.sin(angles)], axis=1)


def rectilinear(rng: np.random.Generator) -> list[tuple[int, int]]:
    x0, y0 = rng.integers(0, 20, 2).tolist()
    x1, y1 = x0 + int(rng.integers(1, 14)), y0 + int(rng.integers(1, 10))
    x2, y2 = x1 + int(rng.integers(1, 14)), y1 + int(rng.integers(1, 10))
    return [(x0, y0), (x2, y0), (x2, y1), (x1, y1), (x1, y2), (x0, y2)]
