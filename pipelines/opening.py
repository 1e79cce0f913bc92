"""What every pipeline begins and ends with: checked inputs, the dataset, the last search, and the closing."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from kfp import dsl

from components.close_run import close_run
from components.configure import configure
from components.fetch_dataset import fetch_dataset
from components.load_search import load_search
from pipelines.cluster import Resources, credentials


@dataclass(frozen=True)
class Opened:
    """What the later tasks start from.

    Attributes:
        config: The checked configuration.
        target: The target's text.
        dataset: The dataset's content.
        last: Outputs of `load_search`.
    """

    config: Any
    target: Any
    dataset: Any
    last: Any


@contextmanager
def opened(use: Resources, **entered: Any) -> Iterator[Opened]:
    """Tasks within run after the inputs were checked; whatever becomes of them, the execution is closed.

    Args:
        use: What tasks may use.
        entered: Inputs of `configure`.
    """
    told = {name: entered[name] for name in ("settings", "mlflow_uri", "experiment")}
    closing = close_run(**told)
    closing.set_caching_options(enable_caching=False)
    credentials(closing, use.secret)
    with dsl.ExitHandler(closing, name="detector"):
        checked = use.light(configure(**entered)).outputs
        config, target, name = checked["config"], checked["target"], checked["name"]
        fetched = use.light(
            fetch_dataset(config=config, location=checked["location"], md5=checked["md5"], name=name)
        )
        last = use.light(load_search(config=config, name=name, target=target))
        yield Opened(config, target, fetched.outputs["dataset"], last.outputs)
