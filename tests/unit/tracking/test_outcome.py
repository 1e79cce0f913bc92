"""How an execution ends: every word that Kubeflow is known to say, against what its steps say."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from autonad.tracking import TrackingSettings, track
from autonad.tracking.runs.ending import close_execution
from autonad.tracking.runs.origin import Execution
from autonad.tracking.runs.outcome import LOST, NO_WORD, TERMINATED, UNRECORDED, Attempt, decide_outcome
from autonad.tracking.runs.parents import record_failure

GOOD = ("COMPLETE", "CACHED", "SUCCEEDED")
CANCELLED = ("CANCELED", "CANCELLED", "CANCELING", "CANCEL_PENDING")
UNKNOWN = ("", "RUNTIME_STATE_UNSPECIFIED", "SKIPPED", "PAUSED", "PENDING", "NEW", "UNKNOWN", "something new")

# Steps as "verb status", oldest first; "lost" still counts as running.
DONE = ("decide FINISHED", "retrain FINISHED")
FAILED = ("decide FINISHED", "retrain FAILED")
REPEATED = ("retrain FAILED", "retrain lost", "retrain KILLED", "retrain FINISHED")
SILENT = ("decide FINISHED", "retrain lost")
GIVEN_UP = ("retrain lost", "retrain lost", "retrain lost")
KILLED = ("decide FINISHED", "retrain KILLED")

REASON = "retrain: the loss diverges"
CASES = [
    *((state, steps, "FINISHED", "") for state in GOOD for steps in (DONE, REPEATED, SILENT, ())),
    *((state, FAILED, "FAILED", REASON) for state in GOOD),
    *((state, steps, "KILLED", TERMINATED) for state in CANCELLED for steps in (DONE, FAILED, SILENT, ())),
    ("RUNNING", DONE, "KILLED", TERMINATED),
    ("RUNNING", SILENT, "KILLED", TERMINATED),
    ("RUNNING", KILLED, "KILLED", TERMINATED),
    ("RUNNING", (), "KILLED", TERMINATED),
    ("RUNNING", FAILED, "FAILED", REASON),
    ("RUNNING", GIVEN_UP, "FAILED", f"retrain: {LOST}"),
    *(
        case
        for state in ("FAILED", "SYSTEM_ERROR", "failed")
        for case in (
            (state, FAILED, "FAILED", REASON),
            (state, SILENT, "FAILED", f"retrain: {LOST}"),
            (state, KILLED, "FAILED", "retrain: interrupted"),
            (state, DONE, "FAILED", NO_WORD),
            (state, REPEATED, "FAILED", NO_WORD),
            (state, (), "FAILED", NO_WORD),
        )
    ),
    *(
        case
        for state in UNKNOWN
        for case in (
            (state, DONE, "FINISHED", ""),
            (state, REPEATED, "FINISHED", ""),
            (state, FAILED, "FAILED", REASON),
            (state, SILENT, "FAILED", f"retrain: {LOST}"),
            (state, KILLED, "KILLED", TERMINATED),
            (state, (), "FAILED", NO_WORD),
        )
    ),
]


def attempts(steps: tuple[str, ...]) -> list[Attempt]:
    said = {"FAILED": "the loss diverges", "KILLED": "interrupted", "FINISHED": "", "lost": ""}
    found = []
    for number, step in enumerate(steps):
        stage, status = step.split()
        found.append(Attempt(str(number), stage, status.replace("lost", "RUNNING"), said[status]))
    return found


@pytest.mark.parametrize(("state", "steps", "status", "reason"), CASES)
def test_state_and_steps_decide_together(
    state: str, steps: tuple[str, ...], status: str, reason: str
) -> None:
    found = decide_outcome(state, attempts(steps))

    assert (found.status, found.reason) == (status, reason)
    # Nothing counts as running afterwards, and what has ended keeps its status.
    assert set(found.ends) == {str(number) for number, step in enumerate(steps) if "lost" in step}


def test_a_step_that_was_lost_and_repeated_stays_lost_and_the_last_one_ends_as_the_run_does() -> None:
    silent = attempts(("retrain lost", "retrain lost"))

    assert decide_outcome("CANCELED", silent).ends == {"0": ("FAILED", LOST), "1": ("KILLED", TERMINATED)}
    assert decide_outcome("COMPLETE", silent).ends == {"0": ("FAILED", LOST), "1": ("FINISHED", UNRECORDED)}
    assert decide_outcome("FAILED", silent).ends == {"0": ("FAILED", LOST), "1": ("FAILED", LOST)}


def test_the_reason_is_that_of_the_step_that_failed_last() -> None:
    steps = [
        Attempt("1", "search", "FAILED", "old"),
        Attempt("2", "retrain", "FAILED", "earlier"),
        Attempt("3", "search", "FAILED", "later"),
    ]

    assert decide_outcome("FAILED", steps).reason == "search: later"


def test_what_a_task_said_counts_until_its_step_is_done() -> None:
    said = "export: the file\nis too large"

    assert decide_outcome("FAILED", (), said=said, message="m").reason == "export: the file is too large"
    assert decide_outcome("PAUSED", (), said=said).status == "FAILED"
    done = [Attempt("1", "export", "FINISHED")]
    assert decide_outcome("PAUSED", done, said=said).status == "FINISHED"
    assert decide_outcome("FAILED", done, said=said, message="evicted\n by x").reason == "evicted by x"
    assert decide_outcome("COMPLETE", (), said=said).reason == ""


def test_of_several_detectors_each_has_its_own_last_attempt() -> None:
    def attempt(number: int, status: str, variant: str) -> Attempt:
        return Attempt(str(number), "retrain", status, "", variant)

    lost = [attempt(1, "FINISHED", "line-1ms"), attempt(2, "RUNNING", "line-3ms")]
    assert decide_outcome("RUNNING", lost).status == "KILLED", "it was lost once, and nobody gave it up"
    assert decide_outcome("FAILED", lost).reason == f"retrain line-3ms: {LOST}"
    again = [*lost, attempt(3, "FINISHED", "line-1ms"), attempt(4, "FINISHED", "line-3ms")]
    assert decide_outcome("COMPLETE", again).ends == {"2": ("FAILED", LOST)}
    failed = [attempt(1, "FAILED", "line-1ms"), attempt(2, "FINISHED", "line-3ms")]
    assert decide_outcome("COMPLETE", failed).status == "FAILED"
    said = "retrain: too slow"
    assert decide_outcome("FAILED", lost[:1], said=said, message="m").reason == "m"
    assert decide_outcome("FAILED", [*lost[:1], attempt(2, "KILLED", "line-3ms")], said=said).reason == (
        "retrain: too slow"
    )


# -- on a store --------------------------------------------------------------------------------------------

ON_KUBEFLOW = {"KFP_RUN_ID": "0a1b", "AUTONAD_RUN_NAME": "first-train"}
EXECUTION = Execution("0a1b", "first-train", closed_by_orchestrator=True)


@pytest.fixture
def settings(new_store: Any, tmp_path: Path) -> TrackingSettings:
    return TrackingSettings(uri=new_store(), unsent=tmp_path / "unsent")


@pytest.fixture
def client(settings: TrackingSettings) -> Any:
    from autonad.tracking.connection import connect

    return connect(settings)


def runs(client: Any, settings: TrackingSettings) -> dict[str, Any]:
    """By name; of a step that ran twice the last one."""
    experiment = client.get_experiment_by_name(settings.experiment).experiment_id
    found = client.search_runs([experiment], order_by=["attributes.start_time ASC"])
    return {run.info.run_name: run for run in found}


def step(settings: TrackingSettings, stage: str, error: BaseException | None = None, **more: str) -> None:
    try:
        with track(settings, stage=stage, environment=ON_KUBEFLOW | more):
            if error is not None:
                raise error
    except (ValueError, KeyboardInterrupt):
        pass


def lose(client: Any, settings: TrackingSettings, stage: str) -> None:
    """A step whose process ended without a word."""
    step(settings, stage)
    client.update_run(runs(client, settings)[stage].info.run_id, status="RUNNING")


def test_steps_on_kubeflow_leave_the_parents_status_alone(settings: TrackingSettings, client: Any) -> None:
    step(settings, "retrain")
    assert runs(client, settings)["first-train"].info.status == "RUNNING"
    step(settings, "evaluate", ValueError("no"))
    parent = runs(client, settings)["first-train"]
    assert parent.info.status == "RUNNING"
    assert parent.data.tags["autonad.failure"] == "evaluate: ValueError: no"
    record_failure(settings, EXECUTION, "export: no")
    assert runs(client, settings)["first-train"].info.status == "RUNNING"


def test_a_reason_goes_when_its_step_succeeds_and_no_other_does(
    settings: TrackingSettings, client: Any
) -> None:
    step(settings, "evaluate", ValueError("no"))
    step(settings, "retrain")
    assert "autonad.failure" in runs(client, settings)["first-train"].data.tags
    step(settings, "evaluate")
    assert "autonad.failure" not in runs(client, settings)["first-train"].data.tags


@pytest.mark.parametrize("state", GOOD)
def test_a_good_run_closes_as_finished(state: str, settings: TrackingSettings, client: Any) -> None:
    step(settings, "retrain", KeyboardInterrupt())
    step(settings, "retrain")
    closed = close_execution(settings, EXECUTION, state=state)

    found = runs(client, settings)
    assert closed.outcome.status == found["first-train"].info.status == "FINISHED"
    assert closed.run_id == found["first-train"].info.run_id
    assert len(closed.steps) == 2
    assert "autonad.failure" not in found["first-train"].data.tags


def test_a_terminated_run_closes_as_killed_with_what_still_ran(
    settings: TrackingSettings, client: Any
) -> None:
    step(settings, "decide")
    lose(client, settings, "retrain")
    close_execution(settings, EXECUTION, state="RUNNING")

    found = runs(client, settings)
    assert {name: run.info.status for name, run in found.items()} == {
        "first-train": "KILLED",
        "decide": "FINISHED",
        "retrain": "KILLED",
    }
    for name in ("first-train", "retrain"):
        assert found[name].data.tags["autonad.failure"] == "terminated in Kubeflow"


def test_a_failed_run_says_why_and_one_that_never_began_says_what_kubeflow_does(
    settings: TrackingSettings, client: Any
) -> None:
    step(settings, "decide", ValueError("no\nmore"))
    assert close_execution(settings, EXECUTION, state="FAILED").outcome.reason == "decide: ValueError: no"
    other = Execution("2", "second", closed_by_orchestrator=True)
    close_execution(settings, other, state="FAILED", message="no node has 64 cpu")

    found = runs(client, settings)
    assert found["first-train"].info.status == found["second"].info.status == "FAILED"
    assert found["second"].data.tags["autonad.failure"] == "no node has 64 cpu"


def test_the_parent_is_found_by_its_id_and_carries_the_runs_name(
    settings: TrackingSettings, client: Any
) -> None:
    step(settings, "decide", AUTONAD_RUN_NAME="")
    assert runs(client, settings)["0a1b"].data.tags["autonad.execution"] == "0a1b"
    step(settings, "retrain")
    step(settings, "evaluate", AUTONAD_RUN_NAME="")

    found = runs(client, settings)
    assert set(found) == {"first-train", "decide", "retrain", "evaluate"}
    assert found["first-train"].data.tags["autonad.execution"] == "0a1b"
    assert found["retrain"].data.tags["mlflow.parentRunId"] == found["first-train"].info.run_id


@pytest.mark.parametrize("title", ["Run of autonad (a1b2c)", "week 7, Jo's", 'the "big" one', "Größe ≥ 3"])
def test_an_execution_is_found_by_its_id_and_by_the_newest_of_its_name(
    title: str, settings: TrackingSettings, client: Any
) -> None:
    from autonad.tracking.history.executions import Executions

    for run_id in ("1", "2"):
        step(settings, "retrain", KFP_RUN_ID=run_id, AUTONAD_RUN_NAME=title)
    first, newest = Executions(settings).named(["1", title])

    assert newest.name.startswith(title)
    assert newest.run_id != first.run_id


def test_a_run_that_kubeflow_made_is_the_parent_and_its_status_is_kubeflows(
    settings: TrackingSettings, client: Any
) -> None:
    theirs = client.create_run(client.create_experiment(settings.experiment), run_name="theirs").info.run_id
    for stage in ("decide", "retrain"):
        step(settings, stage, MLFLOW_RUN_ID=theirs)
    execution = Execution("0a1b", "first-train", closed_by_orchestrator=True, run_id=theirs)
    closed = close_execution(settings, execution, state="FAILED", message="evicted")

    found = runs(client, settings)
    assert set(found) == {"theirs", "decide", "retrain"}
    assert {found[name].data.tags["mlflow.parentRunId"] for name in ("decide", "retrain")} == {theirs}
    assert (found["theirs"].info.status, found["theirs"].info.run_name) == ("RUNNING", "theirs")
    assert found["theirs"].data.tags["autonad.failure"] == "evicted"
    assert closed.run_id == theirs
