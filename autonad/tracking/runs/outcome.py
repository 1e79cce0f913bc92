"""How an execution ended, from what the orchestrator says and what its steps say; values in, a value out.

Kubeflow hands an exit handler one word. That of a good run is COMPLETE or CACHED, of `kfp.local` SUCCEEDED,
of a failed one FAILED. A run that a person terminated is handed over as RUNNING, and so is one that lost a
pod for good, since nobody was left to say so; newer backends say CANCELED or CANCELING. Of any other word
nothing is known, and the steps decide.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal, NamedTuple

Status = Literal["FINISHED", "FAILED", "KILLED"]

SUCCESS = frozenset({"COMPLETE", "CACHED", "SUCCEEDED"})
FAILURE = frozenset({"FAILED", "ERROR", "SYSTEM_ERROR"})
CANCELLED = frozenset({"CANCELED", "CANCELLED", "CANCELING", "CANCELLING", "CANCEL_PENDING"})
UNFINISHED = "RUNNING"

LOST = "it ended without a word: out of memory, evicted or past its timeout; see the pod's events and log"
TERMINATED = "terminated in Kubeflow"
NO_WORD = "a task failed before it began; see its log"
INTERRUPTED = "interrupted"
UNRECORDED = "its end was not recorded; Kubeflow says that it succeeded"


class Attempt(NamedTuple):
    """One run of a step: its id in MLflow, its verb, its status there, why it failed, what it was for.

    The last two are "" where that is not known; `variant` tells runs of several detectors apart.
    """

    run_id: str
    stage: str
    status: str
    reason: str = ""
    variant: str = ""


class End(NamedTuple):
    """What a run that still counts as running gets: its status, and what is said about it."""

    status: Status
    reason: str


@dataclass(frozen=True)
class Outcome:
    """How an execution ended.

    Attributes:
        status: Of the parent.
        reason: Why; empty for FINISHED.
        ends: Run id → how a step that still counts as running is ended.
    """

    status: Status
    reason: str = ""
    ends: Mapping[str, End] = field(default_factory=dict)


def decide_outcome(state: str, attempts: Sequence[Attempt], *, said: str = "", message: str = "") -> Outcome:
    """Decide how an execution ended.

    Args:
        state: The orchestrator's word.
        attempts: Runs of its steps, oldest first; a later one of a step replaces an earlier one.
        said: "step: reason" of a task that failed outside of a step's run; "" without one.
        message: What the orchestrator says about a failure.
    """
    state = state.strip().upper()
    last: dict[tuple[str, str], Attempt] = {}
    for attempt in attempts:
        last.pop(_step(attempt), None)
        last[_step(attempt)] = attempt
    failed = [one for one in last.values() if one.status == "FAILED"]
    killed = [one for one in last.values() if one.status == "KILLED"]
    silent = [one for one in last.values() if one.status not in ("FINISHED", "FAILED", "KILLED")]
    # What a task said counts until its step was done after all.
    open_ = {one.stage for one in last.values() if one.status != "FINISHED"}
    done = {one.stage for one in last.values()} - open_
    said = "" if said.partition(": ")[0] in done else " ".join(said.split())
    message = " ".join(message.split())
    status = _status(state, attempts, failed, killed, silent, said)
    ends = {
        one.run_id: _end(status, state, latest=last[_step(one)] is one)
        for one in attempts
        if one.status not in ("FINISHED", "FAILED", "KILLED")
    }
    if status == "FINISHED":
        return Outcome(status, ends=ends)
    if status == "KILLED":
        return Outcome(status, TERMINATED, ends)
    several = len({one.variant for one in last.values() if one.variant}) > 1

    def told(one: Attempt, why: str) -> str:
        return f"{one.stage} {one.variant}: {why}" if several and one.variant else f"{one.stage}: {why}"

    reasons = [told(one, one.reason or NO_WORD) for one in failed]
    reasons = reasons or [told(one, LOST) for one in silent]
    interrupted = [told(one, one.reason or INTERRUPTED) for one in killed]
    reasons = reasons or ([said] if said else interrupted)
    return Outcome(status, reasons[-1] if reasons else message or NO_WORD, ends)


def _step(attempt: Attempt) -> tuple[str, str]:
    """What a later attempt replaces: a step, for one detector."""
    return attempt.stage, attempt.variant


def _status(
    state: str,
    attempts: Sequence[Attempt],
    failed: Sequence[Attempt],
    killed: Sequence[Attempt],
    silent: Sequence[Attempt],
    said: str,
) -> Status:
    """The parent's status; arguments as in `decide_outcome`, of each step its last attempt."""
    if state in SUCCESS:
        return "FAILED" if failed or killed else "FINISHED"
    if state in FAILURE:
        return "FAILED"
    if state in CANCELLED:
        return "KILLED"
    if state == UNFINISHED:
        if killed:
            return "KILLED"
        # A step that was lost again and again was not terminated: Kubeflow gave it up.
        given_up = any(sum(_step(one) == _step(other) for one in attempts) > 1 for other in silent)
        return "FAILED" if failed or given_up else "KILLED"
    if failed or silent or said or not attempts:
        return "FAILED"
    return "KILLED" if killed else "FINISHED"


def _end(status: Status, state: str, *, latest: bool) -> End:
    """How a run ends that never said so itself."""
    if latest and status == "KILLED":
        return End("KILLED", TERMINATED)
    if latest and state in SUCCESS:
        return End("FINISHED", UNRECORDED)
    return End("FAILED", LOST)
