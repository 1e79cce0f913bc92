"""What our messages quote of others' errors: one line, no secret."""

import pytest

from autonad.errors import cause_of, first_line, one_line, redact


@pytest.mark.parametrize(
    ("uri", "shown"),
    [
        ("http://me:secret@host:5000/x", "http://***@host:5000/x"),
        ("postgresql://me:secret@db/mlflow", "postgresql://***@db/mlflow"),
        ("sqlite:///mlflow.db", "sqlite:///mlflow.db"),
    ],
)
def test_passwords_are_taken_out(uri: str, shown: str) -> None:
    assert redact(f"cannot reach {uri} now") == f"cannot reach {shown} now"
    assert "secret" not in cause_of(ValueError(uri))


def test_the_reason_beneath_a_wrapped_error_is_told() -> None:
    error = ValueError("very long")
    error.__cause__ = ConnectionRefusedError(111, "Connection refused")
    assert cause_of(error) == "Connection refused"
    assert cause_of(ValueError("first\nsecond")) == first_line(ValueError("first\nsecond")) == "first"
    assert one_line(ValueError("first\n second")) == "first second"
    assert cause_of(KeyError()) == one_line(KeyError()) == first_line(KeyError()) == "KeyError"
