"""MLflow: every step is a run, the steps of one execution are children of one parent run.

Three wings, each with a map of its files: `runs/` (a step logs what it does), `registry/` (versions of a
detector, and which is in use), `history/` (what is remembered, read back or removed). All of them share:

    destination.py   which server, which experiment
    sqlite_file.py   a store in a file: made whole, mended, moved with its folder
    links.py         addresses in MLflow's interface
    connection.py    the only door to MLflow: opening a store, waiting for it, one clear line when it fails
    tags.py          the names of all tags and aliases
    names.py         the names of all metrics, with their units
    identifiers.py   names that people give, as the server takes them, each its own
    values.py        values as the server takes them: flat, short enough, without passwords
    checksums.py     files that come back are the files that were sent

    with track(settings, stage="retrain", execution="2025-06-01", params=config) as run:
        run.log({"train/loss": 0.31}, step=4)
        run.artifacts(folder)

    found = last_search("steel", target.hardware_key, settings=settings)
    load_search(found, folder, settings=settings)

Importing this package is cheap: mlflow is imported when a run starts or a search is looked for.
"""

from autonad.tracking.destination import TrackingSettings
from autonad.tracking.history.search_files import load_search, log_search
from autonad.tracking.history.searches import FoundSearch, last_search
from autonad.tracking.names import METRICS, class_metric
from autonad.tracking.runs.lifecycle import track
from autonad.tracking.runs.run import NullRun, Run

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
