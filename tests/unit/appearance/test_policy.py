from dataclasses import replace

import pytest

from autonad.appearance.last_search import LastSearch
from autonad.appearance.policy import MOVES_PIN, BatchFinding, Decision, apply_policy

SEARCHED = LastSearch(
    pin_key="cccccccccccc",
    hardware_key="aaaaaaaaaaaa",
    target="line",
    latency_budget_ms=None,
    search_settings={"search.population": 24},
    supernet_settings={"train_supernet.epochs": 100},
)


def finding(batch: str, *, changed: bool) -> BatchFinding:
    return BatchFinding(batch, 30, 10, 30, changed, 0.01, None, "")


def decided(**changes: object) -> Decision:
    return apply_policy(**{"has_pin": True, "forced": None, "now": SEARCHED, "last": SEARCHED, **changes})  # type: ignore[arg-type]


def kinds(decision: Decision) -> list[str]:
    return [reason.kind for reason in decision.reasons]


def test_nothing_changed_reuses_and_leaves_the_pin() -> None:
    decision = decided(batches=[finding("a", changed=False), finding("b", changed=False)])

    assert (decision.action, decision.moves_pin, decision.reasons) == ("reuse", False, ())


def test_without_a_pin_everything_begins() -> None:
    decision = decided(has_pin=False, last=None)

    assert (decision.action, decision.moves_pin, kinds(decision)) == ("train", True, ["first_search"])


@pytest.mark.parametrize(
    ("changes", "kind"),
    [
        ({"new_classes": ["dent"]}, "new_class"),
        ({"withdrawn": ["images/1.png"]}, "data_withdrawn"),
        ({"batches": [finding("a", changed=True)]}, "appearance_changed"),
        ({"forced": "train"}, "forced_training"),
    ],
)
def test_other_images_move_the_pin_and_train(changes: dict[str, object], kind: str) -> None:
    decision = decided(**changes)

    assert (decision.action, decision.moves_pin, kinds(decision)) == ("train", True, [kind])
    assert kind in MOVES_PIN


@pytest.mark.parametrize(
    ("now", "kind"),
    [
        (replace(SEARCHED, hardware_key="bbbbbbbbbbbb", target="edge"), "hardware_changed"),
        (replace(SEARCHED, latency_budget_ms=4.0), "latency_budget_changed"),
        (replace(SEARCHED, search_settings={"search.population": 48}), "search_settings_changed"),
    ],
)
def test_another_target_budget_or_search_searches_with_the_same_supernet(now: LastSearch, kind: str) -> None:
    decision = decided(now=now)

    assert (decision.action, decision.moves_pin, kinds(decision)) == ("search", False, [kind])


def test_other_supernet_settings_train_on_the_same_images() -> None:
    decision = decided(now=replace(SEARCHED, supernet_settings={"train_supernet.epochs": 200}))

    assert (decision.action, decision.moves_pin) == ("train", False)
    assert decision.reasons[0].message == "train_supernet.epochs is 200, it was 100"


def test_a_pin_without_a_finished_search_is_not_reused() -> None:
    decision = decided(last=None)

    assert (decision.action, decision.moves_pin, kinds(decision)) == ("train", False, ["unfinished_search"])


@pytest.mark.parametrize("searched", ["dddddddddddd", None])
def test_a_search_of_another_pin_is_not_reused(searched: str | None) -> None:
    decision = decided(last=replace(SEARCHED, pin_key=searched))

    assert (decision.action, decision.moves_pin, kinds(decision)) == ("train", False, ["pin_not_searched"])
    assert "cccccccccccc" in decision.reasons[0].message
    assert (searched or "without a pin") in decision.reasons[0].message


def test_forcing_a_search_leaves_the_pin() -> None:
    decision = decided(forced="search")

    assert (decision.action, decision.moves_pin) == ("search", False)


@pytest.mark.parametrize(("changed", "action"), [(0, "reuse"), (1, "reuse"), (2, "train"), (3, "train")])
def test_as_many_batches_as_asked_for_must_confirm(changed: int, action: str) -> None:
    batches = [finding(name, changed=position < changed) for position, name in enumerate("abc")]

    assert decided(batches=batches, confirm=2).action == action


def test_all_reasons_are_given_and_the_strongest_decides() -> None:
    decision = decided(
        now=replace(SEARCHED, hardware_key="bbbbbbbbbbbb", latency_budget_ms=2.0),
        batches=[finding("a", changed=True)],
    )

    assert decision.action == "train"
    assert kinds(decision) == ["appearance_changed", "hardware_changed", "latency_budget_changed"]


def test_equal_findings_give_equal_documents() -> None:
    def document() -> dict[str, object]:
        return decided(new_classes=["dent"], batches=[finding("a", changed=True)]).to_dict()

    assert document() == document()
