"""Training in several processes of this machine, one per GPU, by the launcher of torchrun."""

from __future__ import annotations

import logging
import os
import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from functools import wraps
from types import FrameType
from typing import TYPE_CHECKING, Any, Concatenate, ParamSpec, TypeVar

from autonad.config import Config
from autonad.config.context import Context
from autonad.console import Console
from autonad.errors import AutonadError, ConfigError, Interrupted

if TYPE_CHECKING:
    from multiprocessing.queues import SimpleQueue
    from multiprocessing.synchronize import Event

    from autonad.training.world import World

P = ParamSpec("P")
R = TypeVar("R")
# Set by torchrun; in it, a step has been started as often as it shall be.
STARTED = "TORCHELASTIC_RUN_ID"
SECONDS_TO_HEAR = 0.5
# What steps note in the context for those that follow.
NOTES = ("red_flags", "said")
CARRIED = ("execution", "parameters", *NOTES)
QUIETED = (
    "torch.distributed.elastic",
    "torch.distributed.elastic.agent.server.api",
    "torch.multiprocessing.spawn",
)


def on_every_gpu(step: Callable[Concatenate[Context, P], R]) -> Callable[Concatenate[Context, P], R]:
    """Start a step once per process that the configuration asks for, and return what the first returns.

    What the first process reports goes to the caller's console, what it notes in the context for the steps
    that follow to the caller's, and an error that any of them raises on purpose is raised here. A step that
    torchrun has started already runs as it is.

    Raises:
        ConfigError: There are fewer GPUs than processes.
    """

    @wraps(step)
    def started(context: Context, *args: P.args, **options: P.kwargs) -> R:
        count = 1 if STARTED in os.environ else processes_of(context.config)
        if count == 1:
            return step(context, *args, **options)
        assert not args, "steps take their paths by keyword"
        return _launch(started, count, context, options)

    return started


@contextmanager
def joined() -> Iterator[World]:
    """The processes that torchrun started, connected with each other; one alone without it."""
    import torch
    import torch.distributed as dist

    from autonad.training.folders import pick_device
    from autonad.training.world import World

    if STARTED not in os.environ:
        yield World(pick_device())
        return
    if torch.cuda.is_available():
        torch.cuda.set_device(int(os.environ["LOCAL_RANK"]))
        device, backend = torch.device("cuda", torch.cuda.current_device()), "nccl"
    else:
        device, backend = torch.device("cpu"), "gloo"
    dist.init_process_group(backend)
    try:
        yield World(device, dist.get_rank(), dist.get_world_size())
    finally:
        dist.destroy_process_group()


def started_first() -> bool:
    """Whether this is the first of the processes that torchrun started, or the only one."""
    return os.environ.get("RANK", "0") == "0"


def processes_of(config: Config) -> int:
    """How many processes train: what the configuration says, else one per GPU."""
    import torch

    devices = torch.cuda.device_count()
    if config.processes is not None and 0 < devices < config.processes:
        raise ConfigError(
            f"processes is {config.processes}, but this machine has {devices} GPUs and each process needs "
            "one of its own; lower it, or leave it out to use all"
        )
    return config.processes or max(1, devices)


def _launch(step: Callable[..., R], count: int, context: Context, options: dict[str, Any]) -> R:
    """Run a step in processes of its own, with what they say brought here."""
    import multiprocessing

    import torch
    from torch.distributed.elastic.multiprocessing import SignalException
    from torch.distributed.elastic.multiprocessing.errors import ChildFailedError
    from torch.distributed.launcher.api import LaunchConfig, elastic_launch

    config = context.config
    if config.threads is None and not torch.cuda.is_available():
        config = config.model_copy(update={"threads": max(1, torch.get_num_threads() // count)})
    spawning = multiprocessing.get_context("spawn")
    said, asked = spawning.SimpleQueue(), spawning.Event()
    launcher = LaunchConfig(
        min_nodes=1,
        max_nodes=1,
        nproc_per_node=count,
        run_id="autonad",
        rdzv_backend="c10d",
        rdzv_endpoint="localhost:0",
        max_restarts=0,
        monitor_interval=0.1,
        start_method="spawn",
        signals_to_handle="SIGQUIT",  # The others are ours, see `_told_to_end`.
    )
    there = {"config": config, **{name: getattr(context, name) for name in CARRIED}}
    with _heard(said, context) as errors, _quiet(*QUIETED), _told_to_end(asked) as told:
        try:
            return elastic_launch(launcher, _work)(step, said, asked, there, options)[0]
        except ChildFailedError as failure:
            failed = failure
        except SignalException as signalled:
            told.append(signalled.sigval)
    if told:
        signal.raise_signal(told[0])  # as whoever listened before would have had it
        raise Interrupted(told[0])
    if errors:
        raise errors[0] from None
    _, first = failed.get_first_failure()
    if first.exitcode < 0:
        # It was killed and could not say why: what started this process is told the signal.
        raise SystemExit(128 - first.exitcode) from None
    raise failed


@contextmanager
def _told_to_end(asked: Event) -> Iterator[list[int]]:
    """Collect the signals that tell this process to end, in place of the launcher, and tell the others why.

    The launcher ends them with SIGTERM, which could as well mean that one of them has failed.

    Args:
        asked: Set before the others are ended.
    """
    from torch.distributed.elastic.multiprocessing import SignalException

    told: list[int] = []

    def tell(number: int, frame: FrameType | None) -> None:
        told.append(number)
        asked.set()
        raise SignalException("told to end", signal.SIGTERM)

    main = threading.current_thread() is threading.main_thread()
    numbers = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP) if main else ()
    before = {number: signal.getsignal(number) for number in numbers}
    for number, handler in before.items():
        if handler not in (signal.SIG_IGN, None):
            signal.signal(number, tell)
    try:
        yield told
    finally:
        for number, handler in before.items():
            if handler is not None:
                signal.signal(number, handler)


@contextmanager
def _quiet(*names: str) -> Iterator[None]:
    """Without the loggers' own account of a failure that is raised anyway."""
    loggers = [logging.getLogger(name) for name in names]
    levels = [logger.level for logger in loggers]
    for logger in loggers:
        logger.setLevel(logging.CRITICAL)
    try:
        yield
    finally:
        for logger, level in zip(loggers, levels, strict=True):
            logger.setLevel(level)


def _work(
    step: Callable[..., R],
    said: SimpleQueue[Any],
    asked: Event,
    known: dict[str, Any],
    options: dict[str, Any],
) -> R:
    """A step in one of the processes; `known` is the caller's context without its console."""

    def stop(number: int, frame: FrameType | None) -> None:
        # The first process must still close its run in MLflow: once is enough.
        for other in (signal.SIGINT, signal.SIGTERM):
            signal.signal(other, signal.SIG_IGN)
        # All may have been told at once, and this one first.
        if number == signal.SIGINT or asked.wait(SECONDS_TO_HEAR):
            raise Interrupted(number)
        raise RuntimeError("another of the processes failed")

    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, stop)
    console = Console(
        lambda line: said.put(("report", (line,))), lambda *progress: said.put(("advance", progress))
    )
    context = Context(console=console, **known)
    before = {name: len(known[name]) for name in NOTES}
    try:
        return step(context, **options)
    except AutonadError as error:
        said.put(("error", (error,)))
        raise
    finally:
        for name, count in before.items() if started_first() else ():
            for line in getattr(context, name)[count:]:
                said.put((name, (line,)))


@contextmanager
def _heard(said: SimpleQueue[Any], context: Context) -> Iterator[list[AutonadError]]:
    """Pass on what the processes say, until the end of the block; errors are collected."""
    errors: list[AutonadError] = []
    hear: dict[str, Callable[..., None]] = {
        "report": context.console.report,
        "advance": context.console.advance,
        "error": errors.append,
        **{name: getattr(context, name).append for name in NOTES},
    }
    over = threading.Event()

    def listen() -> None:
        # A process that was killed in the middle of a word ends the conversation.
        with suppress(EOFError, OSError):
            while not (over.wait(0.05) and said.empty()):
                while not said.empty():
                    what, words = said.get()
                    hear[what](*words)

    listener = threading.Thread(target=listen, daemon=True)
    listener.start()
    try:
        yield errors
    finally:
        over.set()
        listener.join(timeout=5)
