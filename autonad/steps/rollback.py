"""Put the previous detector in use again."""

from __future__ import annotations

from autonad.config.context import Context
from autonad.errors import ConfigError
from autonad.steps.step import tracking_settings


def rollback(context: Context, *, name: str | None, to: int | None = None) -> tuple[str, int, int | None]:
    """Give the alias `champion` back to the version that had it before.

    Args:
        context: Section `tracking` decides.
        name: Registered model; None if there is only one.
        to: Version; None takes the one with the alias `previous`.

    Returns:
        The model, its champion now, and the one before.

    Raises:
        ConfigError: Tracking is off, or there are several models and none is named.
        TrackingError: There is nothing to go back to.
    """
    config = context.config
    from autonad.tracking.registry.registry import Registry

    if not config.tracking.enabled:
        raise ConfigError("tracking is off, and the registry is part of it; leave out tracking.enabled=false")
    registry = Registry(tracking_settings(config))
    if name is None:
        known = registry.models()
        if len(known) != 1:
            raise ConfigError(
                f"there are {len(known)} registered models; name one with --name "
                f"({', '.join(known) or 'none'})"
            )
        (name,) = known
    chosen, old = registry.rollback(name, to)
    return name, chosen.number, None if old is None else old.number
