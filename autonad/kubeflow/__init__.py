"""Kubeflow: what a task does around its step, and how pipelines are run, uploaded and scheduled.

Importing this package is cheap; kfp is imported by `local` and `client` alone.
"""

from autonad.kubeflow.display import show_evaluation, show_figures, show_page, show_summary
from autonad.kubeflow.tasks import as_file, close, copied, task, tracking_text

__all__ = [
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
