"""params.yaml: what it may hold, and what it says when it holds something else."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml
from pydantic import BaseModel, ValidationError

from autonad.config import Config, load_config, parse_config
from autonad.config.design_sections import PAPER_RETRAINING
from autonad.config.document import params_yaml
from autonad.errors import ConfigError
from autonad.steps.demo import demo_config

ROOT = Path(__file__).parents[2]


def refusal(*overrides: str, path: Path | None = None) -> str:
    with pytest.raises(ConfigError) as caught:
        load_config(path, overrides)
    message = str(caught.value)
    assert "\n" not in message
    return message


def leaves(value: BaseModel, prefix: str = "") -> dict[str, object]:
    flat: dict[str, object] = {}
    for name in type(value).model_fields:
        inner = getattr(value, name)
        flat |= (
            leaves(inner, f"{prefix}{name}.") if isinstance(inner, BaseModel) else {f"{prefix}{name}": inner}
        )
    return flat


BOMB = (
    "{a0: &a0 [x]," + ",".join(f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]" for n in range(1, 9)) + "}"
)


@pytest.mark.parametrize(
    "override",
    [
        *("seed=2024-13-45", "seed=0b_", "seed=!!int x", "seed=!!timestamp abc", f"seed={'[' * 50_000}"),
        *(f"seed={'9' * 5000}", f"seed={'9' * 100}", f"search={BOMB}", "input.width=3200000", "seed=-1"),
        *(f"{'x' * 10_000}=1", f"{'a.' * 5000}b=1", f"space.preset={'x' * 100_000}", "seed=\x1b[31m"),
    ],
)
def test_whatever_is_set_is_refused_in_a_line(override: str) -> None:
    assert len(refusal(override)) <= 300


def test_a_file_that_is_no_yaml_is_refused_in_a_line(tmp_path: Path) -> None:
    for content in (BOMB.encode(), b"\xff", b"a: b: c", b"x" * 2**20, b"seed: 2024-13-45"):
        (tmp_path / "params.yaml").write_bytes(content)
        assert len(refusal(path=tmp_path / "params.yaml").replace(str(tmp_path), "")) <= 300


def test_every_number_has_both_bounds() -> None:
    unbounded = []

    def look(schema: dict[str, Any], where: str) -> None:
        if schema.get("type") in ("integer", "number"):
            lower, upper = ("minimum", "exclusiveMinimum"), ("maximum", "exclusiveMaximum")
            if not all(any(name in schema for name in bound) for bound in (lower, upper)):
                unbounded.append(where)
        for key, inner in schema.items():
            for one in inner if isinstance(inner, list) else [inner]:
                if isinstance(one, dict):
                    look(one, f"{where}.{key}")

    look(Config.model_json_schema(), "")
    assert unbounded == []


# -- the file ----------------------------------------------------------------------------------------------


def test_the_parameter_file_is_current() -> None:
    assert (ROOT / "params.yaml").read_text() == params_yaml(), "run `make params`"


def test_the_parameter_file_holds_exactly_the_defaults() -> None:
    assert load_config(ROOT / "params.yaml") == Config()


def test_the_parameter_file_holds_every_key_with_its_meaning() -> None:
    text = params_yaml()
    data = yaml.safe_load(text)
    keys = {f"{s}.{k}" for s, v in data.items() if isinstance(v, dict) for k in v}
    keys |= {name for name, value in data.items() if not isinstance(value, dict)}

    assert keys == set(leaves(Config()))
    assignments = [line for line in text.splitlines() if ": " in line and not line.lstrip().startswith("#")]
    assert len(assignments) == len(keys)
    assert all(line.split("  # ", 1)[1].strip() for line in assignments)


def test_writing_the_parameter_file_gives_that_text(tmp_path: Path) -> None:
    import subprocess
    import sys

    subprocess.run(
        [sys.executable, "-m", "autonad.config.document", str(tmp_path / "params.yaml")], check=True
    )

    assert (tmp_path / "params.yaml").read_text() == params_yaml()


def test_settings_of_the_demo_are_valid_and_differ_from_the_defaults() -> None:
    assert demo_config() != Config()
    assert demo_config(("seed=3",)).seed == 3


# -- loading -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("text", ["", "# nothing\n", "{}\n"])
def test_an_empty_file_gives_the_defaults(tmp_path: Path, text: str) -> None:
    (tmp_path / "p.yaml").write_text(text)

    assert load_config(tmp_path / "p.yaml") == load_config(None) == Config()


def test_overrides_win_over_the_file_and_leave_the_rest(tmp_path: Path) -> None:
    (tmp_path / "p.yaml").write_text("search: {population: 7, top_k: 3}\nseed: 5\n")

    config = load_config(tmp_path / "p.yaml", ["search.population=9"])

    assert (config.search.population, config.search.top_k, config.seed) == (9, 3, 5)
    assert config.search.generations == Config().search.generations


@pytest.mark.parametrize(
    ("override", "name", "value"),
    [
        ("seed=4", "seed", 4),
        (" retrain.epochs = 3", "retrain.epochs", 3),
        ("retrain.learning_rate=1e-3", "retrain.learning_rate", 1e-3),
        ("retrain.clip_norm=null", "retrain.clip_norm", None),
        ("data.include_defect_free=yes", "data.include_defect_free", True),
        ("data.fractions=[0.8,0.1,0.1]", "data.fractions", (0.8, 0.1, 0.1)),
        ("synthesize.classes=[stain]", "synthesize.classes", ("stain",)),
        ("search.latency_weight=auto", "search.latency_weight", "auto"),
        ("search.latency_weight=0.002", "search.latency_weight", 0.002),
        ("search.latency_budget_ms=5", "search.latency_budget_ms", 5.0),
        ("tracking.uri=http://host:5000/?a=b", "tracking.uri", "http://host:5000/?a=b"),
    ],
)
def test_an_override_sets_one_value(override: str, name: str, value: object) -> None:
    assert leaves(load_config(None, [override])) == leaves(Config()) | {name: value}


def test_later_overrides_win() -> None:
    assert load_config(None, ["seed=1", "seed=2"]).seed == 2


def test_values_never_change() -> None:
    config = Config()
    with pytest.raises(ValidationError):
        config.search.population = 3  # type: ignore[misc]


# -- what is refused: the message names the field, what it holds, and what it needs ------------------------


@pytest.mark.parametrize(
    ("override", "parts"),
    [
        ("search.populatoin=3", ["search.populatoin", "no known key", "did you mean population?"]),
        ("serach.population=3", ["serach", "did you mean search?"]),
        ("search.zzz=3", ["search.zzz", "known here are algorithm, prior, score_at"]),
        ("train_supernet.epochs=many", ["train_supernet.epochs", "'many'", "integer"]),
        ("train_supernet.epochs=2.5", ["train_supernet.epochs", "2.5", "integer"]),
        ("train_supernet.epochs=true", ["train_supernet.epochs", "True", "null is 'absent'"]),
        ("train_supernet.ema_decay=off", ["train_supernet.ema_decay", "False", "null is 'absent'"]),
        ("train_supernet.epochs=null", ["train_supernet.epochs", "None", "integer"]),
        ("train_supernet.epochs=[1, 2]", ["train_supernet.epochs", "[1, 2]", "integer"]),
        ("retrain.optimizer=sgd", ["retrain.optimizer", "'sgd'", "'adamw' or 'adam'"]),
        ("space.operators=attention", ["space.operators", "'attention'", "list"]),
        ("data.fractions=[0.6, 0.4]", ["data.fractions", "missing"]),
        ("search=5", ["search", "5", "section"]),
        ("seed.x=1", ["seed", "{'x': 1}", "integer"]),
        ("tracking.uri=5", ["tracking.uri", "5", "string"]),
        ("search.latency_weight=much", ["search.latency_weight is 'much'", "number", "'auto'"]),
    ],
)
def test_an_unknown_key_or_a_wrong_type_is_named(override: str, parts: list[str]) -> None:
    message = refusal(override)

    assert not [part for part in parts if part not in message], message
    assert not [part for part in ("pydantic", "constrained", "literal[") if part in message], message
    assert "Config" not in message


@pytest.mark.parametrize("section", ["train_supernet", "retrain"])
def test_a_training_without_any_loss_is_refused(section: str) -> None:
    message = refusal(f"{section}.cross_entropy=0", f"{section}.dice=0")

    assert "cross_entropy and dice are both 0" in message


def test_a_split_without_training_images_is_refused() -> None:
    assert load_config(None, ["data.fractions=[1, 0, 0]"]).data.fractions == (1, 0, 0)
    with pytest.raises(ConfigError, match=r"data\.fractions is .*nothing would be left to train on"):
        load_config(None, ["data.fractions=[0, 0.5, 0.5]"])


def test_the_profile_of_the_paper_learns_by_cross_entropy_whatever_was_set() -> None:
    settings = load_config(None, ["retrain.profile=paper", "retrain.cross_entropy=0"]).retrain.resolved()

    assert (settings.cross_entropy, settings.dice) == (1.0, 0.0)


@pytest.mark.parametrize(
    ("name", "value", "need"),
    [
        ("data.mask_threshold", "255", "254"),
        ("synthesize.image_side", "31", "32"),
        ("input.height", "0", "32"),
        ("train_supernet.batch_size", "0", "1"),
        ("retrain.learning_rate", "0", "greater than 0"),
        ("retrain.learning_rate", ".inf", "finite"),
        ("retrain.learning_rate", ".nan", "finite"),
        ("retrain.warmup", "1.5", "1"),
        ("retrain.dice", "-0.1", "0"),
        ("profile_latency.repeats", "2", "3"),
        ("search.mutation_rate", "-0.1", "0"),
        ("search.mutation_rate", "1.5", "1"),
        ("search.crossover_rate", "-0.1", "0"),
        ("search.population", "1", "2"),
        ("search.generations", "0", "1"),
        ("search.top_k", "0", "1"),
        ("search.latency_budget_ms", "0", "greater than 0"),
        ("search.latency_weight", "-1", "0"),
        ("evaluate.confidence", "1", "less than 1"),
        ("threads", "0", "1"),
    ],
)
def test_a_value_out_of_range_is_named_with_its_limit(name: str, value: str, need: str) -> None:
    message = refusal(f"{name}={value}")

    assert f"{name} is " in message
    assert need in message.split(f"{name} is ")[1]


def test_all_faults_are_named_at_once() -> None:
    message = refusal("search.population=0", "retrain.epochs=0")

    assert "search.population is 0" in message
    assert "retrain.epochs is 0" in message


@pytest.mark.parametrize(
    ("override", "part"),
    [
        ("search.population", "section.key=value"),
        ("=5", "section.key=value"),
        ("search.population.x=5", "search.population is"),
        ("data.fractions=[0.5", "no YAML"),
    ],
)
def test_a_malformed_override_is_shown(override: str, part: str) -> None:
    message = refusal(override)

    assert part in message
    assert "--set" in message


def test_an_override_cannot_enter_a_value_of_the_file(tmp_path: Path) -> None:
    (tmp_path / "p.yaml").write_text("seed: 3\n")

    assert "seed is a value, not a section" in refusal("seed.x=1", path=tmp_path / "p.yaml")


@pytest.mark.parametrize(
    ("content", "part"),
    [
        (b"seed: [1\n", "cannot be read as YAML"),
        (b"\xff\xfe\x00", "cannot be read as YAML"),
        (b"- 1\n- 2\n", "holds a list"),
        (b"just text\n", "holds a str"),
        (b"seed: !!python/object/apply:os.getcwd []\n", "cannot be read as YAML"),
        (b"sed: 3\n", "did you mean seed?"),
        (b"search:\n", "search is None"),
        (b"3: 4\n", "3 is no known key"),
    ],
)
def test_a_damaged_file_is_named(tmp_path: Path, content: bytes, part: str) -> None:
    path = tmp_path / "p.yaml"
    path.write_bytes(content)

    message = refusal(path=path)

    assert str(path) in message
    assert part in message


def test_a_missing_file_and_a_folder_are_named(tmp_path: Path) -> None:
    assert "there is no parameter file" in refusal(path=tmp_path / "none.yaml")
    assert str(tmp_path) in refusal(path=tmp_path)


# -- profiles ----------------------------------------------------------------------------------------------


def test_the_papers_recipe_overrides_its_fields_and_no_others() -> None:
    own = load_config(
        None, ["retrain.profile=paper", "retrain.epochs=7", "retrain.learning_rate=0.5"]
    ).retrain

    resolved = own.resolved()

    assert {name: getattr(resolved, name) for name in PAPER_RETRAINING} == PAPER_RETRAINING
    assert (resolved.optimizer, resolved.learning_rate, resolved.schedule) == ("adam", 1e-4, "poly")
    assert resolved.model_dump(exclude=set(PAPER_RETRAINING)) == own.model_dump(exclude=set(PAPER_RETRAINING))
    assert Config().retrain.resolved() == Config().retrain


# -- mistakes in the text of a form ------------------------------------------------------------------------


def said_of(text: str, *overrides: str) -> str:
    with pytest.raises(ConfigError) as caught:
        parse_config(text, overrides, source="the form's settings")
    message = str(caught.value)
    assert "\n" not in message
    assert len(message) <= 300
    assert message.startswith("the form's settings")
    return message


@pytest.mark.parametrize(
    ("text", "advice"),
    [
        ("train_supernet: epochs=3", "train_supernet is 'epochs=3': it is a section"),
        ("train_supernet: epochs=3", "write train_supernet: {epochs: 3}"),
        ("retrain: 'epochs: 3'", "write retrain: {epochs: 3}"),
        ("retrain: 60", "write retrain: {"),
        ("data:", "write data: {fractions: [0.6, 0.2, 0.2]}"),
        ("batch_size: 4", "it is a key of train_supernet, retrain: write train_supernet: {batch_size: 4}"),
        ("search: {batch_size: 4}", "it is a key of train_supernet, retrain: write"),
        ("include_defect_free: yes", "it is a key of data: write data: {include_defect_free: true}"),
        ("search: {threads: 2}", "it belongs to no section: write threads: 2"),
        ("epoch: 3", "known here are seed, threads"),
    ],
)
def test_a_mistake_in_a_text_says_how_it_is_written(text: str, advice: str) -> None:
    assert advice in said_of(text)


def test_what_was_advised_is_right() -> None:
    """Each advice can be entered as it stands."""
    for text in ("train_supernet: epochs=3", "batch_size: 4", "retrain: 60", "data:", "search: {threads: 2}"):
        advice = said_of(text).partition(": write ")[2].partition(" at the beginning")[0]
        assert parse_config(advice, source="advice") is not None


def test_an_override_that_nobody_typed_is_not_named() -> None:
    assert "--set" not in said_of("space: tiny", "space.preset=tiny")


@pytest.mark.parametrize(
    "text",
    [
        "seed: 2024-13-45",
        "seed: 0b_",
        "seed: !!int x",
        "seed: " + "[" * 5000,
        "seed: " + "x" * 10**6,
        "x" * 10**6 + ": 3",
        "a: &a [1, 1, 1, 1, 1, 1, 1, 1, 1, 1]\n"
        + "".join(
            f"{n}: &{n} [{', '.join([f'*{m}'] * 10)}]\n" for m, n in zip("abcdefgh", "bcdefghi", strict=True)
        ),
        "".join(f"wrong_key_{number}: 1\n" for number in range(200)),
    ],
    ids=["date", "binary", "tag", "depth", "long value", "long key", "alias bomb", "many"],
)
def test_odd_texts_are_one_short_line(text: str) -> None:
    said_of(text)


def test_of_many_faults_as_many_are_named_as_a_line_takes() -> None:
    message = said_of("".join(f"wrong_{number}: 1\n" for number in range(20)))

    assert "wrong_0 is no known key" in message
    assert message.endswith(" more")
    assert load_config(None, ["seed=1"]).seed == 1
    assert len(refusal("seed=" + "y" * 10**5)) <= 300
    assert len(refusal("y" * 10**5)) <= 300
