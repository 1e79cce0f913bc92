import os
import subprocess
import sys

from autonad.tracking.runs.origin import Execution, execution_of, origin_tags

CODE = (
    "import os; from autonad.tracking.runs.origin import execution_of; print(execution_of(os.environ).name)"
)


def invocation(stages: int = 2) -> list[str]:
    """What the stages of one invocation take for its name: a parent without DVC_STAGE starts them in a "
    "shell."""
    parent = (
        "import os, subprocess, sys\n"
        f"for stage in range({stages}):\n"
        "    env = {**os.environ, 'DVC_STAGE': f's{stage}', 'DVC_ROOT': '/x'}\n"
        f"    subprocess.run(['/bin/sh', '-c', '{sys.executable} -c \"$CODE\"; true'], env=env, check=True)\n"
    )
    env = {name: value for name, value in os.environ.items() if not name.startswith("DVC_")} | {"CODE": CODE}
    done = subprocess.run([sys.executable, "-c", parent], capture_output=True, text=True, check=True, env=env)
    return done.stdout.split()


def test_the_stages_of_one_invocation_share_a_name_and_the_next_has_another() -> None:
    first, second = invocation(), invocation(1)
    assert len(set(first)) == 1
    assert first[0].startswith("dvc-")
    assert second[0] != first[0]


def test_what_implies_an_execution() -> None:
    assert execution_of({}) is None
    assert execution_of({}, "monday") == Execution("monday", "monday")
    assert execution_of({"KFP_RUN_ID": "0a1b"}) == Execution("0a1b", "0a1b", closed_by_orchestrator=True)
    named = execution_of({"KFP_RUN_ID": "0a1b", "AUTONAD_RUN_NAME": "first-train", "MLFLOW_RUN_ID": "f00"})
    assert named == Execution("0a1b", "first-train", closed_by_orchestrator=True, run_id="f00")


def test_a_name_that_a_person_gave_comes_first() -> None:
    environment = {"KFP_RUN_ID": "0a1b", "AUTONAD_RUN_NAME": "first-train", "DVC_STAGE": "search"}
    assert execution_of(environment, "monday") == Execution("monday", "monday")


def test_the_environment_says_where_a_run_comes_from() -> None:
    given = {
        "AUTONAD_GIT_SHA": "abc",
        "AUTONAD_IMAGE": "reg/autonad@sha256:0",
        "KFP_RUN_ID": "r",
        "KFP_RUN_URL": "http://kfp/#/runs/details/r",
        "DVC_STAGE": "search",
        "OTHER": "x",
    }
    assert origin_tags(given) == {
        "git.sha": "abc",
        "autonad.image": "reg/autonad@sha256:0",
        "kfp.run_id": "r",
        "kfp.run_url": "http://kfp/#/runs/details/r",
        "dvc.stage": "search",
    }
