import pytest

from autonad.tracking import class_metric
from autonad.tracking.names import METRICS, check_names
from autonad.tracking.runs.run import NullRun
from autonad.tracking.values import MAX_PARAM, flatten, key, text


def test_nested_values_become_dotted_names() -> None:
    nested = {"a": {"b": {"c": 1}, "d": [1, 2]}, "e": None, "f": {}}
    assert flatten(nested) == {"a.b.c": 1, "a.d": [1, 2], "e": None, "f": {}}


def test_a_long_value_is_cut_to_the_limit_and_says_so() -> None:
    shown = text("x" * 10_000)
    assert len(shown) == MAX_PARAM
    assert shown.endswith("(cut, 10000 characters)")
    assert text("x" * MAX_PARAM) == "x" * MAX_PARAM


def test_lists_are_json() -> None:
    assert text([1, "a"]) == '[1, "a"]'


def test_passwords_are_taken_out() -> None:
    assert "secret" not in text({"uri": "http://me:secret@host:5000/x"})


def test_keys_hold_only_what_a_server_accepts() -> None:
    assert key("a.b/c-d e") == "a.b/c-d e"
    assert key("a:b'c").startswith("a_b_c-")
    assert len(key("x" * 400)) == 250


def test_metric_names_are_a_vocabulary() -> None:
    check_names(["train/loss", "val/miou", class_metric("test/iou", "Öl/Fleck")])
    with pytest.raises(AssertionError, match="val/mIoU"):
        NullRun().log({"val/mIoU": 0.5})
    with pytest.raises(AssertionError, match="per-class"):
        class_metric("test/nothing", "crack")


def test_names_have_a_group_and_a_meaning() -> None:
    for name, meaning in METRICS.items():
        assert "/" in name
        assert meaning
        if name.endswith("_ms"):
            assert meaning.endswith("ms")
