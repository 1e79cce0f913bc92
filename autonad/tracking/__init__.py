"""MLflow: every step is a run, the steps of one execution are children of one parent run.

    with track(settings, stage="retrain", execution="2025-06-01", params=config) as run:
        run.log({"train/loss": 0.31}, step=4)
        run.artifacts(folder)

Importing this package is cheap: only `client.py` imports mlflow, and only when a run starts.
"""

from autonad.tracking.names import METRICS, class_metric
from autonad.tracking.run import NullRun, Run, TrackingSettings
from autonad.tracking.track import track

__all__ = ["METRICS", "NullRun", "Run", "TrackingSettings", "class_metric", "track"]
