"""How often do unchanged batches raise an alarm, and which changes of appearance are seen?

Null batches are whole parts drawn at random and compared with the rest. For a change, the images of the drawn
parts are changed and compared with the same rest; "unseen class" leaves the parts of one class out of the
reference and lets them make up a fifth of the batch, under a wrong, known label and under their own;
"another mix" draws one known class alone, which shall raise no alarm. Prints a table, then one JSON line.
"""

from __future__ import annotations

import argparse
import io
import json
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pandas as pd
from PIL import Image
from scipy.stats import binomtest

from autonad.appearance.calibration import draw_parts
from autonad.appearance.drift import compare
from autonad.appearance.features import extract_features, image_features
from autonad.appearance.parts import check_table, make_parts
from autonad.appearance.pool import Pool
from autonad.appearance.power import detectable_shift
from autonad.appearance.texture import TEXTURE
from autonad.data.dataset import Dataset
from autonad.data.synthetic.generator import synthesize

UNSEEN_SHARE = 0.2


def main() -> None:
    options = arguments()
    started = time.monotonic()
    with tempfile.TemporaryDirectory() as folder:
        made = synthesize(
            Path(folder) / "made", num_images=200, size=(200, 200), materials=("leather",), defect_free=0.0
        )
        strange = {"material: generated leather": extract_features(made, made.manifest)}
    tables = {path.name: changed_features(Dataset.open(path)) for path in options.dataset}
    rows = []
    for name, changed in tables.items():
        others = {
            f"material: {other}": table["unchanged"] for other, table in tables.items() if other != name
        }
        for experiment, images, alarm, seconds in experiments(changed, {**strange, **others}, options):
            count = len(alarm)
            low, high = binomtest(sum(alarm), count).proportion_ci(0.95, method="wilson")
            rows.append(
                {
                    "dataset": name,
                    "experiment": experiment,
                    "images": images,
                    "draws": count,
                    "alarms": round(sum(alarm) / count, 4),
                    "low": round(low, 4),
                    "high": round(high, 4),
                    "seconds": round(seconds, 1),
                }
            )
            print(*rows[-1].values(), sep="\t", flush=True, file=sys.stderr)
    print(pd.DataFrame(rows).to_string(index=False))
    minutes = round((time.monotonic() - started) / 60, 1)
    settings = {"alpha": options.alpha, "permutations": options.permutations, "minutes": minutes}
    print(json.dumps({"benchmark": "drift", **settings, "rows": rows}, ensure_ascii=False))


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--dataset", type=Path, nargs="+", required=True, help="dataset folders")
    parser.add_argument(
        "--images", type=int, nargs="+", default=[30, 100], help="images of a batch, at least"
    )
    parser.add_argument("--null-draws", type=int, default=1000, help="unchanged batches per size")
    parser.add_argument("--draws", type=int, default=100, help="changed batches per size and change")
    parser.add_argument("--alpha", type=float, default=0.01)
    parser.add_argument("--permutations", type=int, default=1000)
    return parser.parse_args()


# -- changes of appearance -------------------------------------------------------------------------------


def to_bytes(image: np.ndarray) -> np.ndarray:
    return np.clip(np.rint(image), 0, 255).astype(np.uint8)


def noisy(image: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    return to_bytes(image + rng.normal(0, 8, image.shape[:2])[..., None])


def compressed(image: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    buffer = io.BytesIO()
    Image.fromarray(image).save(buffer, format="JPEG", quality=20)
    return np.array(Image.open(buffer).convert("RGB"))


Change = Callable[[np.ndarray, np.random.Generator], np.ndarray]
CHANGES: dict[str, Change] = {
    "blur σ 1": lambda image, rng: to_bytes(cv2.GaussianBlur(image.astype(np.float32), (0, 0), sigmaX=1.0)),
    "noise σ 8": noisy,
    "brightness +25": lambda image, rng: to_bytes(image + 25.0),
    "contrast ×0.8 about the mean": lambda image, rng: to_bytes(image.mean() + 0.8 * (image - image.mean())),
    "contrast ×0.8 about black": lambda image, rng: to_bytes(0.8 * image),
    "JPEG quality 20": compressed,
}


def changed_features(dataset: Dataset) -> dict[str, pd.DataFrame]:
    """Features of all images, unchanged and under each change."""
    plain = extract_features(dataset, dataset.manifest)
    cv2.setNumThreads(0)

    def features(job: tuple[int, Any]) -> list[dict[str, float]]:
        index, row = job
        image, mask = dataset.read_image(row), dataset.read_mask(row)
        return [
            image_features(change(image, np.random.default_rng([number, index])), mask, dataset.num_classes)
            for number, change in enumerate(CHANGES.values())
        ]

    with ThreadPoolExecutor(2) as pool:
        found = list(pool.map(features, enumerate(dataset.manifest.itertuples())))
    keys = plain[["image", "group", "batch", "classes"]]
    tables = {
        name: pd.concat([keys, pd.DataFrame([each[number] for each in found])], axis=1)
        for number, name in enumerate(CHANGES)
    }
    return {"unchanged": plain, **tables}


# -- experiments -----------------------------------------------------------------------------------------

Batch = tuple[pd.DataFrame, pd.DataFrame]  # reference, batch


Make = Callable[[int, np.random.Generator], Batch]


def experiments(
    tables: dict[str, pd.DataFrame], strange: dict[str, pd.DataFrame], options: argparse.Namespace
) -> Iterator[tuple[str, int, list[bool], float]]:
    """(experiment, images of a batch, alarms, seconds) of everything that is tried on a dataset."""
    plain = tables["unchanged"]
    for images in options.images:
        for name, make in plans(tables, strange).items():
            began, alarms = time.monotonic(), []
            for number in range(options.null_draws if name == "unchanged" else options.draws):
                reference, batch = make(images, np.random.default_rng([images, number]))
                found = compare(
                    reference, batch, alpha=options.alpha, permutations=options.permutations, seed=number
                )
                alarms.append(found.changed)
            yield name, images, alarms, time.monotonic() - began
        yield simulated(plain, images, options)


def plans(tables: dict[str, pd.DataFrame], strange: dict[str, pd.DataFrame]) -> dict[str, Make]:
    plain = tables["unchanged"]
    bare = plain.assign(classes=None)
    return {
        "unchanged": lambda n, rng: split(plain, plain, n, rng),
        "unchanged, no masks": lambda n, rng: split(bare, bare, n, rng),
        **{name: partial(split, plain, tables[name]) for name in CHANGES},
        **{name: partial(foreign, plain, table) for name, table in strange.items()},
        "unseen class under another label": lambda n, rng: unseen(plain, n, rng, own=False),
        "unseen class, labelled": lambda n, rng: unseen(plain, n, rng, own=True),
        "another mix of known classes": partial(one_class, plain),
    }


def draw(table: pd.DataFrame, images: int, rng: np.random.Generator) -> set[str]:
    sizes = table.groupby("group").size()
    return set(sizes.index[draw_parts(sizes.to_numpy(), images, rng)])


def split(plain: pd.DataFrame, changed: pd.DataFrame, images: int, rng: np.random.Generator) -> Batch:
    chosen = draw(plain, images, rng)
    return plain[~plain["group"].isin(chosen)], changed[changed["group"].isin(chosen)]


def foreign(plain: pd.DataFrame, other: pd.DataFrame, images: int, rng: np.random.Generator) -> Batch:
    """A batch of another material under the known classes' labels."""
    known = sorted({index for shown in plain["classes"] for index in shown})
    batch = other[other["group"].isin(draw(other, images, rng))]
    labels = [tuple({known[(index - 1) % len(known)] for index in shown}) for shown in batch["classes"]]
    return plain, batch.assign(classes=labels, group="other " + batch["group"].astype(str))


def main_class(plain: pd.DataFrame) -> pd.Series:
    """Most frequent class of each part."""
    first = plain.assign(first=[shown[0] if shown else 0 for shown in plain["classes"]])
    return first.groupby("group")["first"].agg(lambda values: values.mode()[0])


def unseen(plain: pd.DataFrame, images: int, rng: np.random.Generator, *, own: bool) -> Batch:
    """A fifth of the batch is a class that the reference lacks, under its own label or a known one."""
    of_part = main_class(plain)
    classes = sorted(set(of_part))
    new = classes[int(rng.integers(len(classes)))]
    label = new if own else int(rng.choice([index for index in classes if index != new]))
    # Parts that show the class beside another one are left out altogether: they would not be unseen.
    shows = plain.assign(shows=[new in shown for shown in plain["classes"]]).groupby("group")["shows"].any()
    old = plain[plain["group"].isin(of_part.index[(of_part != new) & ~shows])]
    fresh = plain[plain["group"].isin(of_part.index[of_part == new])]
    count = round(UNSEEN_SHARE * images)
    few = fresh[fresh["group"].isin(draw(fresh, count, rng))]
    few = few.assign(classes=[(label,)] * len(few))
    reference, batch = split(old, old, images - count, rng)
    return reference, pd.concat([batch, few])


def one_class(plain: pd.DataFrame, images: int, rng: np.random.Generator) -> Batch:
    """A batch of one known class alone, at most half of its images."""
    of_part = main_class(plain)
    chosen = rng.choice(sorted(set(of_part)))
    own = plain[plain["group"].isin(of_part.index[of_part == chosen])]
    groups = draw(own, min(images, len(own) // 2), rng)
    return plain[~plain["group"].isin(groups)], plain[plain["group"].isin(groups)]


def simulated(
    plain: pd.DataFrame, images: int, options: argparse.Namespace
) -> tuple[str, int, list[bool], float]:
    """One texture feature shifted by the "detectable" size: at least 80 % shall be seen."""
    began = time.monotonic()
    parts = make_parts(check_table(plain, "dataset"), plain.iloc[:0], labelled=True)
    textures = parts.values[:, : len(TEXTURE)].copy()
    for stratum in np.unique(parts.strata):
        textures[parts.strata == stratum] -= textures[parts.strata == stratum].mean(axis=0)
    deviations = textures.std(axis=0)
    everyone = np.ones(len(parts), dtype=bool)
    dimensions = Pool(parts.values, parts.strata, labelled=True).dimensions
    alarms = []
    for number in range(options.draws):
        rng = np.random.default_rng([images, number, 1])
        chosen = draw_parts(parts.images, images, rng)
        size = detectable_shift(parts.strata, chosen, everyone, dimensions, options.alpha / 2)
        values = parts.values.copy()
        feature = int(rng.choice(np.flatnonzero(deviations > 1e-9)))
        values[chosen, feature] += (size or 0.0) * deviations[feature]
        test = Pool(values, parts.strata, labelled=True).test(
            chosen, alpha=options.alpha, permutations=options.permutations, rng=rng
        )
        alarms.append(any(each.p <= options.alpha / 2 for each in test.statistics))
    return "one feature shifted by the detectable size", images, alarms, time.monotonic() - began


if __name__ == "__main__":
    main()
