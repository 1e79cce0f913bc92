"""Serve an exported model over HTTP; with a file it needs the base install alone."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from autonad.config.context import Context
from autonad.cores import usable_cores
from autonad.errors import ConfigError, TrackingError

if TYPE_CHECKING:
    from autonad.detector.keeping import KeepSettings
    from autonad.service.examining import Sink
    from autonad.service.limits import Limits
    from autonad.service.served_model import ModelSource


@dataclass(frozen=True)
class ServeSettings:
    """How a model is served.

    Attributes:
        host: Name or address that is listened at.
        port: 0 for any that is free.
        rules: rules.yaml; None takes the rules in the model.
        mm_per_pixel: Side of a pixel, mm; None takes the rules'.
        provider: "cpu", "cuda" or "tensorrt".
        token: What clients must send; None asks for nothing.
        limits: By name, as in `Limits`; None and what is missing take the defaults.
        reload_seconds: Time between two looks for another model.
        keep: What is kept for labelling; None keeps nothing.
    """

    host: str = "127.0.0.1"
    port: int = 8080
    rules: Path | None = None
    mm_per_pixel: float | None = None
    provider: str = "cpu"
    token: str | None = None
    limits: dict[str, float | None] = field(default_factory=dict)
    reload_seconds: float = 5.0
    keep: KeepSettings | None = None


def serve(context: Context, *, model: str, settings: ServeSettings) -> None:
    """Answer requests until a signal asks to end.

    Args:
        context: Section `tracking` says where registered models are.
        model: The file that `export` wrote, or models:/name@alias.
        settings: How.

    Raises:
        ConfigError: The address, the rules or the model's name cannot be used.
        ExportError: The model is no file of ours.
        TrackingError: There is no such registered model, or MLflow cannot be reached.
        StorageError: The place of kept images cannot be listed.
    """
    from autonad.service.app import Service
    from autonad.service.examining import Examination
    from autonad.service.limits import Workers
    from autonad.service.monitoring import Monitor
    from autonad.service.reloading import Reloading
    from autonad.service.served_model import Opening
    from autonad.service.serving import address_of, is_local, listen, make_server

    if settings.token is not None and not re.fullmatch(r"[!-~]+", settings.token):
        raise ConfigError(
            "the token holds characters that no header can; use letters, digits and signs of ASCII"
        )
    cores = usable_cores()
    limits, monitor = _limits(settings, cores), Monitor()
    with listen(settings.host, settings.port) as listening:
        # A worker per core, each with one thread of the network: together they use what is there.
        opening = Opening(
            _source(context, model),
            settings.rules,
            settings.mm_per_pixel,
            threads=1,
            provider=settings.provider,
        )
        reloading = Reloading(opening, monitor, context.console, seconds=settings.reload_seconds)
        with _backlog(settings, context.console.report) as sink:
            service = Service(reloading, Examination(limits, monitor, sink), Workers(cores, limits), monitor)
            context.console.report(f"{model} is served at {address_of(listening)}; interrupt to end")
            if settings.token is None and not is_local(listening):
                context.console.report(
                    "no token is set, so that all who reach this address are answered; set AUTONAD_TOKEN"
                )
            make_server(service, limits, settings.token).run(sockets=[listening])


@contextmanager
def _backlog(settings: ServeSettings, warn: Callable[[str], None]) -> Iterator[Sink | None]:
    """What keeps images; at the end, what waits is still kept."""
    from autonad.detector.backlog import Backlog
    from autonad.detector.keeping import Keeper

    if settings.keep is None:
        yield None
        return
    backlog = Backlog(Keeper(settings.keep, warn=warn))
    try:
        yield backlog.offer
    finally:
        backlog.close()


def _limits(settings: ServeSettings, cores: int) -> Limits:
    from autonad.service.limits import Limits

    given = {name: value for name, value in settings.limits.items() if value is not None}
    in_flight = round(given.pop("in_flight", 2 * cores))
    return Limits(in_flight=in_flight, **given)  # type: ignore[arg-type]


def _source(context: Context, model: str) -> ModelSource:
    from autonad.service.served_model import REGISTERED, FileSource, RegisteredSource, parse_registered

    if not model.startswith(REGISTERED):
        return FileSource(Path(model))
    name, alias, number = parse_registered(model)
    if not context.config.tracking.enabled:
        raise ConfigError("tracking is off, and the registry is part of it; leave out tracking.enabled=false")
    from autonad.deploy import MODEL
    from autonad.steps.step import tracking_settings
    from autonad.tracking.registry.registry import Registry

    registry = Registry(tracking_settings(context.config))

    def current() -> str:
        if number is not None:
            return str(number)
        assert alias is not None
        version = registry.alias(name, alias)
        if version is None:
            raise TrackingError(
                f"no version of {name} has the alias {alias}; register one, or name another alias or version"
            )
        return str(version.number)

    def fetch(version: str, folder: Path) -> Path:
        for one in registry.versions(name):
            if str(one.number) == version:
                registry.fetch(one, [MODEL], folder)
                return folder / MODEL
        raise TrackingError(f"{name} has no version {version}; name one that it has")

    return RegisteredSource(model, current, fetch)
