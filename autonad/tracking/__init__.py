"""MLflow: every step is a run, the steps of one execution are children of one parent run.

    with track(settings, stage="retrain", execution="2025-06-01", params=config) as run:
        run.log({"train/loss": 0.31}, step=4)
        run.artifacts(folder)

    found = last_search("steel", target.hardware_key, settings=settings)
    load_search(found, folder, settings=settings)

Importing this package is cheap: mlflow is imported when a run starts or a search is looked for.
"""

from autonad.tracking.history.searches import FoundSearch, last_search, load_search, log_search
from autonad.tracking.names import METRICS, class_metric
from autonad.tracking.runs.run import NullRun, Run, TrackingSettings
from autonad.tracking.runs.track import track

__all__ = [
    "METRICS",
    "FoundSearch",
    "NullRun",
    "Run",
    "TrackingSettings",
    "class_metric",
    "last_search",
    "load_search",
    "log_search",
    "track",
]
