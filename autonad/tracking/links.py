"""Addresses in MLflow's user interface that show trainings: without the word it opens on traces of chats."""

from __future__ import annotations

LOCAL = "http://127.0.0.1:5000"  # where `mlflow ui` listens unless told otherwise
_TRAININGS = "workflowType=machine_learning"


def experiments_link(ui: str) -> str:
    """The list of all experiments.

    Args:
        ui: Address of the server.
    """
    return f"{ui.rstrip('/')}/#/experiments?{_TRAININGS}"


def run_link(ui: str, experiment: str, run: str) -> str:
    """The page of a run.

    Args:
        ui: Address of the server.
        experiment: Id of its experiment.
        run: Id of the run.
    """
    return f"{ui.rstrip('/')}/#/experiments/{experiment}/runs/{run}?{_TRAININGS}"
