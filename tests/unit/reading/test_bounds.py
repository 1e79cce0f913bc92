"""JSON and YAML of any content end in plain values, or in one short line."""

from __future__ import annotations

import json
import math
import time

import pytest

from autonad.reading.bounds import LARGEST_YAML, Unreadable, folded, parse_json, parse_yaml

BOMB = "a0: &a0 [x]\n" + "".join(f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]\n" for n in range(1, 9))


@pytest.mark.parametrize(
    ("text", "part"),
    [
        ("[" * 100_000, "nested"),
        ("[" * 70 + "]" * 70, "nested"),
        ('{"a":' * 70 + "1" + "}" * 70, "nested"),
        ("1" * 5000, "thousands of digits"),
        ("1" * 400, "too large"),
        ("1e999", "too large"),
        ("[NaN]", "NaN"),
        ("-Infinity", "Infinity"),
        ('"\\ud800"', "half a character"),
        ('{"\\ud800": 1}', "half a character"),
        ("", "no JSON"),
        ("{]", "no JSON"),
    ],
)
def test_json_that_is_none_is_refused_in_a_line(text: str, part: str) -> None:
    with pytest.raises(Unreadable, match=part) as refused:
        parse_json(text)
    assert str(refused.value).isprintable()
    assert len(str(refused.value)) < 200


def test_other_json_is_what_it_says() -> None:
    value = {"state": 2**127, "list": [[1.5, None, True], "\u00e9"], "small": 5e-324}

    assert parse_json(json.dumps(value)) == value


@pytest.mark.parametrize(
    ("text", "part"),
    [
        ("2024-13-45", "2024-13-45 is no date"),
        ("!!timestamp abc", "abc is no date"),
        ("0b_", "0b_ is no whole number"),
        ("!!int x", "x is no whole number"),
        ("a: !!float x", "x is no number"),
        ("9" * 5000, "no whole number"),
        ("[" * 5000, "nested"),
        ("- " * 5000, "nested"),
        ("a: &a [*a]", "nested"),
        (BOMB, "aliases"),
        ("a: b: c", "line 1"),
        ("!!python/object:os.system x", "constructor"),
        ("\x00", "character"),
        ("? [a, {b: c}]\n: d", "unhashable"),
    ],
)
def test_yaml_that_is_none_is_refused_in_a_line(text: str, part: str) -> None:
    with pytest.raises(Unreadable, match=part) as refused:
        parse_yaml(text)
    assert str(refused.value).isprintable()
    assert len(str(refused.value)) < 250


def test_a_key_that_stands_twice_is_refused() -> None:
    with pytest.raises(Unreadable, match="line 3: retrain stands there twice"):
        parse_yaml("retrain: {epochs: 60}\nseed: 1\nretrain: {learning_rate: 0.1}\n")
    with pytest.raises(Unreadable, match="line 1: a stands there twice"):
        parse_yaml("x: {a: 1, a: 1}")
    assert parse_yaml("base: &b {a: 1}\nx: {<<: *b, a: 2}\n1: one\n'1': text\n") == {
        "base": {"a": 1},
        "x": {"a": 2},
        1: "one",
        "1": "text",
    }
    merged = parse_yaml("a: &a {x: 1, y: 2}\nall:\n  one: &one {<<: *a, x: 3}\nlast: {<<: *one, z: 4}\n")
    assert merged["last"] == {"x": 3, "y": 2, "z": 4}


def test_other_yaml_is_what_it_says() -> None:
    assert parse_yaml("a: &x [1, 2]\nb: *x\nc: {<<: {d: 0x10}, e: 1_000}") == {
        "a": [1, 2],
        "b": [1, 2],
        "c": {"d": 16, "e": 1000},
    }
    assert math.isinf(parse_yaml(".inf"))  # what is no number here is said where the field is known


def test_what_is_too_large_is_not_parsed() -> None:
    begun = time.process_time()
    with pytest.raises(Unreadable, match="MiB"):
        parse_yaml("x" * (LARGEST_YAML + 1))
    assert time.process_time() - begun < 1


def test_what_others_say_is_folded() -> None:
    assert folded("one\n   two\x1b[31m") == "one two\\x1b[31m"
    assert len(folded("x" * 10_000, 50)) == 50
