"""How long the steps of a dataset took when they were last finished, as MLflow remembers it."""

from __future__ import annotations

from collections.abc import Sequence

from autonad.errors import TrackingError
from autonad.tracking.destination import TrackingSettings
from autonad.tracking.history.searches import open_history
from autonad.tracking.identifiers import tag_is
from autonad.tracking.tags import DATASET, STAGE

SECONDS = "time/seconds"


def last_durations(dataset: str, stages: Sequence[str], *, settings: TrackingSettings) -> dict[str, float]:
    """Wall time of the newest finished run of each stage.

    Args:
        dataset: The dataset's name.
        stages: Names of stages.
        settings: Where to look.

    Returns:
        Stage → seconds; without those that have not been finished yet, and empty where tracking is off or
        cannot be asked, since a decision does not wait for what it would cost.
    """
    from autonad.tracking.connection import CONNECT, clear_failures

    if not settings.enabled:
        return {}
    found = {}
    try:
        client = open_history(settings)
        with clear_failures(settings, CONNECT):
            experiment = client.get_experiment_by_name(settings.experiment)
            for stage in stages if experiment is not None else ():
                query = (
                    "attributes.status = 'FINISHED'",
                    f"tags.`{STAGE}` = '{stage}'",
                    tag_is(DATASET, dataset),
                )
                runs = client.search_runs(
                    [experiment.experiment_id],
                    " AND ".join(query),
                    order_by=["attributes.end_time DESC"],
                    max_results=1,
                )
                if runs and SECONDS in runs[0].data.metrics:
                    found[stage] = float(runs[0].data.metrics[SECONDS])
    except TrackingError:
        return {}
    return found
