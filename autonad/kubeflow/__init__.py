"""Kubeflow: what a task does around its step, and how pipelines are run, uploaded and scheduled.

Importing this package is cheap; kfp is imported by `local`, `access` and `client` alone.

    tasks.py    around the step in a pod: configuration, console, one clear line when it fails
    closing.py  what a pipeline does last: the execution's status, and the page of the run
    display.py  what the interface shows of a step
    package.py  compiled pipelines, their parameters and image
    local.py    a pipeline on this machine
    access.py   the way to a server: address, login, what it means when it refuses
    client.py   pipelines on a server: upload, run, schedule, list, wait
"""

from autonad.kubeflow.closing import Closed, close
from autonad.kubeflow.display import show_evaluation, show_figures, show_page, show_summary
from autonad.kubeflow.tasks import as_file, copied, task, tracking_text

__all__ = [
    "Closed",
    "as_file",
    "close",
    "copied",
    "show_evaluation",
    "show_figures",
    "show_page",
    "show_summary",
    "task",
    "tracking_text",
]
