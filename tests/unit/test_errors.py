"""What our messages quote of others' errors: one line, no secret."""

import pytest

from autonad.errors import cause_of, first_line, one_line, redact


@pytest.mark.parametrize(
    ("uri", "shown"),
    [
        ("http://me:secret@host:5000/x", "http://***@host:5000/x"),
        ("postgresql://me:secret@db/mlflow", "postgresql://***@db/mlflow"),
        ("https://user:secret@1@host/x", "https://***@host/x"),
        ("https://secret@host", "https://***@host"),
        ("postgresql+psycopg2://me:ab/secret+ef==@db/mlflow", "postgresql+psycopg2://***@db/mlflow"),
        ("postgresql://me:12/secret@db/mlflow", "postgresql://***@db/mlflow"),
        ("postgresql://me:?secret#@db/mlflow", "postgresql://***@db/mlflow"),
        ("postgresql://me:a@b/secret@db/mlflow", "postgresql://***@db/mlflow"),
        ("redis://:/secret@cache", "redis://***@cache"),
        ("https://me:a/secret@host", "https://***@host"),
    ],
)
def test_passwords_are_taken_out(uri: str, shown: str) -> None:
    for text in ("cannot reach {} now", "{} is not {}", "{},{}", '["{0}", "http://host:1/a@b", "{0}"]'):
        assert redact(text.format(uri, uri)) == text.format(shown, shown)
    assert redact(f"{uri} of me@x.org") == f"{shown} of me@x.org"
    assert redact(uri, "") == shown.replace("***@", "")
    assert "secret" not in cause_of(ValueError(uri))


@pytest.mark.parametrize(
    "text",
    [
        "sqlite:///mlflow.db",
        "sqlite:////data/a:b@c.db",
        "http://host:5000/users/me@x.org and https://host/a:b@c",
        "http://host/x?mail=me:a@x.org#a:b@c",
        "http://[::1]:5000/users/me@x.org",
        "s3://bucket/batch:1@noon",
        "http://a:5000,https://b:5000/me@x.org",
        '["http://host:5000","https://host:5000/me@x.org"]',
        "http://host:5000 of me@x.org",
    ],
)
def test_what_is_no_password_stays(text: str) -> None:
    assert redact(text) == text


def test_the_reason_beneath_a_wrapped_error_is_told() -> None:
    error = ValueError("very long")
    error.__cause__ = ConnectionRefusedError(111, "Connection refused")
    assert cause_of(error) == "Connection refused"
    assert cause_of(ValueError("first\nsecond")) == first_line(ValueError("first\nsecond")) == "first"
    assert one_line(ValueError("first\n second")) == "first second"
    assert cause_of(KeyError()) == one_line(KeyError()) == first_line(KeyError()) == "KeyError"
