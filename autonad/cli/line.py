"""The verbs of the production line: they need the base install alone."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from autonad.cli.option_groups import grouped
from autonad.cli.options import Call, OutputDir, Settings
from autonad.cli.output_options import Output
from autonad.console import tell, told_whole
from autonad.errors import ConfigError, FaultyItems

if TYPE_CHECKING:
    from autonad.detector.keeping import KeepSettings
    from autonad.detector.working import Tally


@dataclass(frozen=True)
class Judging:
    """How images are judged."""

    rules: Annotated[
        Path | None, typer.Option("--rules", help="rules.yaml; the rules in the model if absent.")
    ] = None
    scale: Annotated[
        float | None, typer.Option("--scale", help="Side of a pixel, mm.", metavar="MM_PER_PX", min=1e-9)
    ] = None
    provider: Annotated[str, typer.Option("--provider", help="cpu, cuda or tensorrt, of ONNX Runtime.")] = (
        "cpu"
    )


@dataclass(frozen=True)
class Keeping:
    """Which images are kept for labelling."""

    keep: Annotated[
        str | None,
        typer.Option("--keep", help="Folder or s3://… that REVIEW and NG images go to, for labelling."),
    ] = None
    keep_ok: Annotated[
        float, typer.Option("--keep-ok", help="Share of the OK images that is kept too.", min=0, max=1)
    ] = 0.01
    keep_most: Annotated[
        int,
        typer.Option("--keep-most", help="Images kept at most; the surest ones are given up first.", min=1),
    ] = 10_000
    keep_gb: Annotated[
        float, typer.Option("--keep-gb", help="Gigabytes kept at most, images and masks.", min=1e-6)
    ] = 20.0

    @property
    def settings(self) -> KeepSettings | None:
        """What is kept; None without a place."""
        from autonad.detector.keeping import KeepSettings

        if self.keep is None:
            return None
        return KeepSettings(self.keep, self.keep_ok, self.keep_most, int(self.keep_gb * 1e9))


@dataclass(frozen=True)
class Address:
    """Where requests are answered, and to whom."""

    host: Annotated[str, typer.Option("--host", help="Name or address that is listened at.")] = "127.0.0.1"
    port: Annotated[int, typer.Option("--port", help="Port; 0 for any that is free.", min=0, max=65535)] = (
        8080
    )
    token: Annotated[
        str | None,
        typer.Option(
            "--token",
            envvar="AUTONAD_TOKEN",
            help="What clients must send as `Authorization: Bearer`; better in the environment.",
            show_envvar=True,
        ),
    ] = None


@dataclass(frozen=True)
class Bounds:
    """What one request may ask for, and how many there may be."""

    max_megabytes: Annotated[
        float | None, typer.Option("--max-megabytes", help="Largest body.", min=0.001, show_default="20")
    ] = None
    max_megapixels: Annotated[
        float | None,
        typer.Option(
            "--max-megapixels",
            help="Most pixels of a request's images together.",
            min=0.001,
            show_default="50",
        ),
    ] = None
    max_in_flight: Annotated[
        int | None,
        typer.Option(
            "--max-in-flight",
            help="Requests at the same time; more are refused.",
            min=1,
            show_default="2 per core",
        ),
    ] = None
    timeout: Annotated[
        float | None,
        typer.Option("--timeout", help="Longest time for one request, s.", min=0.1, show_default="30"),
    ] = None

    @property
    def given(self) -> dict[str, float | None]:
        """By their names in `Limits`."""
        return {
            "megabytes": self.max_megabytes,
            "megapixels": self.max_megapixels,
            "in_flight": self.max_in_flight,
            "seconds": self.timeout,
        }


def add_to(app: typer.Typer) -> None:
    """Add these verbs to the command line."""
    app.command("detect")(grouped(detect))
    app.command("serve")(grouped(serve))
    app.command("fit-thresholds")(grouped(fit_thresholds))


def detect(
    *,
    model: Annotated[Path, typer.Option("--model", help="The model.onnx that `export` wrote.")],
    source: Annotated[str, typer.Option("--source", help="Image, folder, or s3://bucket/prefix.")],
    output: OutputDir,
    judging: Judging,
    keeping: Keeping,
    probabilities: Annotated[
        bool, typer.Option("--probabilities", help="Also write a map of probabilities per image.")
    ] = False,
    watch: Annotated[bool, typer.Option("--watch", help="Wait for more images until interrupted.")] = False,
    max_megapixels: Annotated[
        float, typer.Option("--max-megapixels", help="Larger images are not read.", min=0.001, max=178)
    ] = 50,
) -> None:
    """Find the defects of images and judge each: OK, REVIEW or NG."""
    from autonad.console import open_console
    from autonad.steps.detect import DetectSettings, detect

    settings = DetectSettings(
        judging.rules,
        judging.scale,
        probabilities,
        watch,
        judging.provider,
        keeping.settings,
        round(max_megapixels * 1e6),
    )
    with open_console() as screen, _stopped_by_signals(watch) as stop:
        tally = detect(screen, model=model, source=source, output=output, settings=settings, stop=stop)
    tell(*_summary(tally, output))
    if tally.unreadable:
        shown = "; ".join(tally.problems[:3]) + ("; …" if tally.unreadable > 3 else "")
        raise FaultyItems(f"{tally.unreadable} images could not be read: {shown}")
    if tally.lost:
        raise FaultyItems(f"{tally.lost} images could not be kept in {keeping.keep}: {tally.not_kept}")


def serve(
    *,
    model: Annotated[
        str, typer.Option("--model", help="The model.onnx that `export` wrote, or models:/NAME@ALIAS.")
    ],
    judging: Judging,
    keeping: Keeping,
    address: Address,
    bounds: Bounds,
    settings: Settings,
) -> None:
    """Answer images over HTTP with verdicts and defects, and show a page for people at the line."""
    from autonad import steps

    wanted = steps.ServeSettings(
        address.host,
        address.port,
        judging.rules,
        judging.scale,
        judging.provider,
        address.token or None,
        bounds.given,
        keep=keeping.settings,
    )
    with settings.context() as context, _stopped_by_signals(True):
        steps.serve(context, model=model, settings=wanted)


@dataclass(frozen=True)
class ChosenFrom:
    """What rules are chosen from: an evaluation, or a model and its dataset."""

    from_evaluation: Annotated[
        Path | None, typer.Option("--from-evaluation", help="Evaluation folder; needs no dataset.")
    ] = None
    model: Annotated[Path | None, typer.Option("--model", help="Model folder, in its place.")] = None
    dataset: Annotated[Path | None, typer.Option("--dataset", help="Dataset folder, with --model.")] = None


@dataclass(frozen=True)
class Wanted:
    """What the rules shall keep to; section `fit_thresholds` where nothing is given."""

    overkill: Annotated[
        float | None,
        typer.Option("--overkill", help="Good images that may be NG, such as 0.02.", metavar="SHARE"),
    ] = None
    miss: Annotated[
        float | None,
        typer.Option("--miss", help="Images with a defect that need not be NG.", metavar="SHARE"),
    ] = None

    @property
    def settings(self) -> list[str]:
        """As `--set` takes them.

        Raises:
            ConfigError: Both are given.
        """
        given = {
            name: rate
            for name, rate in (("overkill", self.overkill), ("miss", self.miss))
            if rate is not None
        }
        if len(given) > 1:
            raise ConfigError("--overkill and --miss exclude each other; give one of them")
        return [
            setting
            for name, rate in given.items()
            for setting in (f"fit_thresholds.target={name}", f"fit_thresholds.rate={rate}")
        ]


def fit_thresholds(*, chosen_from: ChosenFrom, wanted: Wanted, to: Output, call: Call) -> None:
    """Choose the rules of a detector for a wanted overkill or miss rate."""
    from autonad.steps.fit_thresholds import fit_thresholds

    asked = Call(call.execution, call.params, [*(call.set or ()), *wanted.settings])
    with to.held("fit-thresholds"), asked.context() as context:
        result = fit_thresholds(
            context,
            output=to.output,
            evaluation=chosen_from.from_evaluation,
            model=chosen_from.model,
            dataset=chosen_from.dataset,
        )
    tell(f"{result.rules}:", *(f"   {line}" for told in result.told for line in told_whole(told)))
    if result.report is not None:
        tell(f"open {result.report}")


@contextmanager
def _stopped_by_signals(wanted: bool) -> Iterator[threading.Event]:
    """An event that an interrupt or an orchestrator's request to end sets; a second one ends at once."""
    stop = threading.Event()

    def ask(number: int, frame: object) -> None:
        if stop.is_set():
            raise KeyboardInterrupt
        stop.set()

    signals = (signal.SIGINT, signal.SIGTERM) if wanted else ()
    before = {number: signal.signal(number, ask) for number in signals}
    try:
        yield stop
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _summary(tally: Tally, output: Path) -> list[str]:
    """What was found, in a few lines."""
    from autonad.detector.judged import MOST_DEFECTS

    judged = sum(tally.verdicts.values())
    lines = [
        f"{output}: {judged} images in {tally.seconds:.1f} s: "
        + ", ".join(f"{tally.verdicts[name]} {name}" for name in ("OK", "REVIEW", "NG"))
    ]
    if tally.known:
        lines[0] += f"; {tally.known} were done before"
    if tally.kept:
        lines[0] += f"; {tally.kept} kept for labelling"
    names = sorted({name for name, _ in tally.defects})
    for name in names:
        review, sure = tally.defects[name, "REVIEW"], tally.defects[name, "NG"]
        lines.append(f"   {name}: {sure} NG, {review} REVIEW")
    if tally.cut:
        lines.append(
            f"   {tally.cut} images have more than {MOST_DEFECTS} defects: defects.csv names the worst and "
            "largest of each, verdicts.csv how many there are"
        )
    if tally.others:
        lines.append(f"   {tally.others} other files are no images and were left alone")
    return lines
