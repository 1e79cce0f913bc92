"""Fields of a JSON object are what they must be, or the first wrong ones are named."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from pydantic import Field

from autonad.errors import StorageError
from autonad.files import read_json, write_json
from autonad.reading.bounds import Unreadable
from autonad.reading.shape_checks import Shape, check_shape


class Inner(Shape):
    ms: float = Field(ge=0)


class Outer(Shape):
    name: str
    count: int = Field(ge=1)
    inner: list[Inner]


WHOLE = {"name": "a", "count": 2, "inner": [{"ms": 1, "more": 3}], "further": None}


def test_what_is_right_comes_back_as_it_is() -> None:
    assert check_shape(WHOLE, Outer) is WHOLE


@pytest.mark.parametrize(
    ("change", "part"),
    [
        ({"name": 5}, "name is 5"),
        ({"count": 1e-320}, "count is 1e-320"),
        ({"count": True}, "count is True"),
        ({"count": 0}, "count is 0"),
        ({"inner": [{}]}, "no inner.0.ms"),
        ({"inner": [{"ms": -1}]}, "inner.0.ms is -1"),
        ({"inner": None}, "inner is None"),
        ({"name": ["x" * 10_000]}, "name is"),
    ],
)
def test_a_wrong_field_is_named_in_a_line(change: dict[str, Any], part: str) -> None:
    with pytest.raises(Unreadable) as refused:
        check_shape({**WHOLE, **change}, Outer)
    assert part in str(refused.value)
    assert len(str(refused.value)) < 250


@pytest.mark.parametrize("content", [None, [], "", 5, [WHOLE]])
def test_a_file_that_holds_no_object_is_refused(tmp_path: Path, content: Any) -> None:
    write_json(tmp_path / "metrics.json", content)

    with pytest.raises(StorageError, match=r"the evaluation at .* cannot be read: it holds") as refused:
        read_json(tmp_path / "metrics.json", "the evaluation")
    assert "run the step that writes it again" in str(refused.value)
