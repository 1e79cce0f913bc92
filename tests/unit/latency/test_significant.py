import pytest

from autonad.latency.significant import milliseconds


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0.32345, "0.323 ms"),
        (0.0001234, "0.000123 ms"),
        (1.1, "1.10 ms"),
        (9.999, "10.0 ms"),
        (41.25, "41.2 ms"),
        (99.96, "100 ms"),
        (1234.5, "1,230 ms"),
        (0.0, "0 ms"),
        (float("nan"), "nan ms"),
    ],
)
def test_a_latency_has_three_significant_digits(value: float, text: str) -> None:
    assert milliseconds(value) == text


def test_a_difference_has_its_sign() -> None:
    assert milliseconds(0.0312, signed=True) == "+0.0312 ms"
    assert milliseconds(-2.0, signed=True) == "-2.00 ms"
    assert milliseconds(0.0, signed=True) == "+0 ms"
