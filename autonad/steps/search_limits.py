"""What architectures cost, and whether any keeps the limits of a search: known before anything is trained."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from autonad.config import Config
    from autonad.latency.table import LatencyTable
    from autonad.search.goals import Pricing


def pricing_by(tables: Sequence[LatencyTable], classes: int, size: tuple[int, int]) -> Pricing:
    """What architectures cost by latency tables, each counted once.

    Args:
        tables: Of the targets, in their order.
        classes: Classes including background.
        size: Height and width of the input.
    """
    from functools import cache

    from autonad.network.peak_memory import count_parameters, peak_activations_mib
    from autonad.search.goals import Pricing

    return Pricing(
        tuple(cache(table.predict) for table in tables),
        cache(lambda architecture: count_parameters(architecture, classes)),
        cache(lambda architecture: peak_activations_mib(architecture, classes, size)),
    )


def require_limits(config: Config, latency: Path, num_classes: int) -> None:
    """Make sure, before anything is trained, that there are networks that keep the search's limits.

    Args:
        config: Sections `space`, `input` and `search` decide.
        latency: Latency folder.
        num_classes: Classes of the dataset, background included; what a pass holds in memory depends on them.

    Raises:
        LatencyError: The table is not good enough for a latency budget.
        SearchError: Nothing keeps one of the limits.
    """
    from autonad.latency.table import LatencyTable
    from autonad.latency.target import Target
    from autonad.search.constrained import require_possible
    from autonad.search.goals import Goal, Limits
    from autonad.space.configured import configured_space

    settings, size = config.search, config.input.size
    table, target = LatencyTable.load(latency / "table.parquet"), Target.load(latency / "target.json")
    for budget in settings.budgets_ms:
        table.check_budget(budget, config.profile_latency.accept_noise)
    require_possible(
        configured_space(config.space, size),
        pricing_by([table], num_classes, size),
        Limits(settings.max_parameters, settings.max_memory_mib),
        [Goal(0, budget, target.name) for budget in settings.budgets_ms],
        config.seed,
    )
