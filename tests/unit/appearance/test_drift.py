from __future__ import annotations

import json
from collections.abc import Callable

import numpy as np
import pandas as pd
import pytest

from autonad.appearance.drift import compare
from autonad.appearance.features import FEATURES
from autonad.appearance.morphology import MORPHOLOGY
from autonad.errors import DatasetError

MakeTable = Callable[..., pd.DataFrame]
CAMERA = {"noise_log2": 2.0, "sharpness_log2": 2.0}


def test_an_unchanged_batch_has_not_changed(make_table: MakeTable) -> None:
    drift = compare(make_table(0, 60), make_table(1, 25, name="new"))

    assert not drift.changed
    assert drift.p_value > 0.01
    assert drift.new_classes == ()
    assert {statistic.name for statistic in drift.statistics} == {"mmd", "classifier"}
    assert all(statistic.value < statistic.threshold for statistic in drift.statistics)


def test_changed_textures_are_seen_and_named(make_table: MakeTable) -> None:
    drift = compare(make_table(0, 60), make_table(1, 25, name="new", shift=CAMERA))

    assert drift.changed
    assert drift.p_value == pytest.approx(2 / 1001)
    assert {shift.feature for shift in drift.shifted} >= set(CAMERA)
    first = drift.shifted[0]
    assert first.feature in CAMERA
    assert first.direction == "higher"
    assert first.batch > first.reference
    assert FEATURES[first.feature] in first.words
    assert len(drift.shifted) < 8


def test_changed_defects_are_seen(make_table: MakeTable) -> None:
    shift = dict.fromkeys(("defect_area_log2", "defect_elongation_log2"), -2.0)
    drift = compare(make_table(0, 60), make_table(1, 30, name="new", shift=shift))

    assert drift.changed
    assert "defects" in drift.statistics[0].view
    assert {shift.direction for shift in drift.shifted if shift.feature.startswith("defect")} == {"lower"}


def test_a_new_class_always_counts_as_changed(make_table: MakeTable) -> None:
    reference, batch = make_table(0, 40), make_table(1, 20, name="new")
    batch.at[3, "classes"] = (1, 7)
    drift = compare(reference, batch)

    assert drift.changed
    assert drift.new_classes == (7,)
    assert not compare(reference, make_table(1, 20, name="new")).changed


def test_a_batch_of_new_classes_alone_is_changed_without_a_test(make_table: MakeTable) -> None:
    drift = compare(make_table(0, 40), make_table(1, 20, name="new", classes=(5,)))

    assert drift.changed
    assert drift.new_classes == (5,)
    assert drift.statistics == ()
    assert "too few parts" in drift.note


def test_another_mix_of_known_classes_is_reported_and_changes_nothing(make_table: MakeTable) -> None:
    drift = compare(make_table(0, 80), make_table(1, 30, name="new", classes=(2,)))

    assert not drift.changed
    assert drift.class_mix is not None
    assert drift.class_mix.p is not None
    assert drift.class_mix.p < 0.01
    assert drift.class_mix.batch == {2: 1.0}
    assert drift.class_mix.reference.keys() == {1, 2}


def test_more_images_without_defects_are_another_mix_too(make_table: MakeTable) -> None:
    drift = compare(make_table(0, 80, free=0.3), make_table(1, 40, name="new", free=0.7))

    assert not drift.changed
    assert drift.class_mix is not None
    assert drift.class_mix.p is not None
    assert drift.class_mix.p < 0.01
    assert drift.class_mix.batch[0] > 0.5


@pytest.mark.parametrize("both", [False, True])
def test_unlabelled_images_are_compared_by_texture_alone(make_table: MakeTable, both: bool) -> None:
    same, other = make_table(1, 30, name="new"), make_table(1, 30, name="new", shift=CAMERA)
    reference = make_table(0, 60)

    def bare(table: pd.DataFrame) -> pd.DataFrame:
        return table.assign(classes=None, **dict.fromkeys(MORPHOLOGY, float("nan")))

    reference = bare(reference) if both else reference
    assert not compare(reference, bare(same)).changed
    drift = compare(reference, bare(other))
    assert drift.changed
    assert "have no mask" in drift.note
    assert drift.class_mix is None
    assert not any(shift.feature.startswith("defect") for shift in drift.shifted)


def test_a_few_unlabelled_images_are_left_out_and_named(make_table: MakeTable) -> None:
    batch = make_table(1, 30, name="new")
    batch.loc[:2, list(MORPHOLOGY)] = float("nan")
    batch["classes"] = [None if row < 3 else shown for row, shown in enumerate(batch["classes"])]
    drift = compare(make_table(0, 60), batch)

    assert "3 images without a mask are left out" in drift.note
    assert drift.images[1] == len(batch) - 3
    assert drift.class_mix is not None


def test_a_batch_without_defects_is_compared_by_texture(make_table: MakeTable) -> None:
    reference = make_table(0, 60)
    same, other = (make_table(5, 30, name="new", free=1.0, shift=shift) for shift in (None, CAMERA))
    # Made parts differ by class everywhere; take that out, as if defects covered little of the image.
    for index in (1, 2):
        rows = [shown == (index,) for shown in reference["classes"]]
        reference.loc[rows, list(FEATURES)] -= 2.0 * index
    assert compare(reference, other).changed
    drift = compare(reference, same)

    assert not drift.changed
    assert "textures alone" in drift.note


def test_too_few_parts_are_admitted(make_table: MakeTable) -> None:
    reference = make_table(0, 60)
    three = compare(reference, make_table(1, 3, name="new"))
    one = compare(reference, make_table(1, 1, name="new"))
    many = compare(make_table(0, 300), make_table(1, 150, name="new"))

    assert "too few parts (3 in the batch) to see small shifts" in three.note
    assert three.detectable is not None
    assert many.detectable is not None
    assert three.detectable > 1 > many.detectable
    assert one.detectable is None
    assert "too few parts (1 in the batch) to see any shift" in one.note
    assert not one.changed
    assert many.note == ""


def test_the_detectable_shift_is_seen(make_table: MakeTable) -> None:
    seen = 0
    for seed in range(12):
        reference = make_table(2 * seed, 60)
        size = compare(reference, make_table(2 * seed + 1, 20, name="new"), permutations=199).detectable
        assert size is not None
        shift = {"noise_log2": size * 1.05}
        batch = make_table(2 * seed + 1, 20, name="new", shift=shift)
        seen += compare(reference, batch, permutations=399).p_value <= 0.01
    # Features without any correlation are the hardest case: nothing predicts the one that moved.
    assert seen >= 6


def test_a_significant_trifle_is_no_change(make_table: MakeTable) -> None:
    reference = make_table(0, 1500, images=(1, 1))
    batch = make_table(1, 1500, images=(1, 1), name="new", shift=dict.fromkeys(CAMERA, 0.2))
    drift = compare(reference, batch, permutations=199, minimum_effect=0.25)

    assert drift.p_value <= 0.01
    assert max(statistic.effect for statistic in drift.statistics) < 0.25
    assert not drift.changed
    assert compare(reference, batch, permutations=199, minimum_effect=0.0).changed


def test_parts_on_both_sides_count_once(make_table: MakeTable) -> None:
    reference, batch = make_table(0, 60), make_table(1, 20, name="new")
    shared = pd.concat([reference, batch.assign(image="again " + batch["image"])])
    drift = compare(shared, batch)

    assert drift.groups == (60, 20)
    assert drift.images == (len(reference), len(batch))
    assert drift.statistics == compare(reference, batch).statistics
    assert f"{len(batch)} images of the reference show parts of the batch" in drift.note
    batch["classes"] = [(3,)] * len(batch)
    again = batch.assign(image="again " + batch["image"])
    assert compare(pd.concat([reference, again]), batch).new_classes == ()
    with pytest.raises(DatasetError, match="every part"):
        compare(batch, batch)


def test_order_and_names_do_not_matter_and_results_repeat(make_table: MakeTable) -> None:
    reference, batch = make_table(0, 40), make_table(1, 20, name="new", shift={"entropy_bits": 1.0})
    first = compare(reference, batch)
    again = compare(reference.sample(frac=1, random_state=0), batch.iloc[::-1])
    renamed = compare(
        reference.assign(group="a" + reference["group"]), batch.assign(group="z" + batch["group"])
    )

    assert json.dumps(again.to_dict()) == json.dumps(first.to_dict())
    assert json.dumps(renamed.to_dict()) == json.dumps(first.to_dict())
    assert compare(reference, batch, seed=1).p_value != first.p_value or first.p_value < 0.01


def test_a_result_is_plain_json(make_table: MakeTable) -> None:
    drift = compare(make_table(0, 40), make_table(1, 20, name="new", shift=CAMERA))
    content = json.loads(json.dumps(drift.to_dict(), allow_nan=False))

    assert content["changed"] is True
    assert content["groups"] == [40, 20]
    assert content["class_mix"]["reference"].keys() == {"1", "2"}
    assert content["shifted"][0]["words"] == drift.shifted[0].words
    assert content["statistics"][0].keys() == {"name", "view", "value", "threshold", "p", "effect"}


def test_classes_may_come_from_parquet(make_table: MakeTable, tmp_path: object) -> None:
    reference, batch = make_table(0, 40, free=0.2), make_table(1, 20, name="new", free=0.2)
    expected = compare(reference, batch).to_dict()
    for table in (reference, batch):
        table["classes"] = [np.array(shown, dtype=np.int64) for shown in table["classes"]]

    assert compare(reference, batch).to_dict() == expected


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda table: table.drop(columns="noise_log2"), "lacks noise_log2"),
        (lambda table: table[:0], "lacks images"),
        (lambda table: table.assign(grey_p50=float("nan")), "no finite texture for images/new0000-0"),
    ],
)
def test_tables_are_checked(
    make_table: MakeTable, change: Callable[[pd.DataFrame], pd.DataFrame], message: str
) -> None:
    with pytest.raises(DatasetError, match=message):
        compare(make_table(0, 10), change(make_table(1, 10, name="new")))


@pytest.mark.parametrize(("alpha", "permutations"), [(0.0, 1000), (1.0, 1000), (0.01, 100)])
def test_levels_that_cannot_be_reached_are_refused(
    make_table: MakeTable, alpha: float, permutations: int
) -> None:
    with pytest.raises(DatasetError, match="permutations"):
        compare(make_table(0, 10), make_table(1, 9, name="new"), alpha=alpha, permutations=permutations)


# -- false alarms ----------------------------------------------------------------------------------------


def alarms(make: Callable[[int], tuple[pd.DataFrame, pd.DataFrame]], draws: int, alpha: float) -> int:
    return sum(
        compare(*make(seed), alpha=alpha, permutations=99, seed=seed, minimum_effect=0.0).p_value <= alpha
        for seed in range(draws)
    )


def test_whole_parts_hold_the_level_where_images_are_no_samples(make_table: MakeTable) -> None:
    def make(seed: int) -> tuple[pd.DataFrame, pd.DataFrame]:
        return (
            make_table(2 * seed, 25, within=0.05),
            make_table(2 * seed + 1, 10, name="new", within=0.05, images=(6, 6)),
        )

    found = alarms(make, 80, 0.1)
    assert found <= 15  # 8 are expected; more than 15 happen once in 200 times


def test_images_taken_for_samples_would_not_hold_it(make_table: MakeTable) -> None:
    """The guard of the test above: with a part per image the same batches do raise alarms."""

    def make(seed: int) -> tuple[pd.DataFrame, pd.DataFrame]:
        tables = (
            make_table(2 * seed, 25, within=0.05),
            make_table(2 * seed + 1, 10, name="new", within=0.05, images=(6, 6)),
        )
        return tables[0].assign(group=tables[0]["image"]), tables[1].assign(group=tables[1]["image"])

    assert alarms(make, 10, 0.1) >= 8


def test_ties_raise_no_alarm(make_table: MakeTable) -> None:
    """All images equal, or one of two values: names in order and ties must not look like a difference."""
    reference, batch = make_table(0, 40, classes=(1,)), make_table(1, 20, name="zzz", classes=(1,))
    flat = dict.fromkeys(FEATURES, 1.0)
    drift = compare(reference.assign(**flat), batch.assign(**flat))
    assert not drift.changed
    assert drift.shifted == ()

    def two_values(seed: int) -> tuple[pd.DataFrame, pd.DataFrame]:
        rng = np.random.default_rng(seed)
        coins = {part: float(rng.random() < 0.5) for table in (reference, batch) for part in table["group"]}
        tossed = [table.assign(**flat) for table in (reference, batch)]
        tossed = [table.assign(noise_log2=table["group"].map(coins)) for table in tossed]
        return tossed[0], tossed[1]

    assert alarms(two_values, 60, 0.1) <= 13
