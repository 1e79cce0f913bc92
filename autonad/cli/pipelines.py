"""The verbs about Kubeflow pipelines: `autonad pipeline …`."""

from __future__ import annotations

import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from autonad.cli.option_groups import grouped
from autonad.cli.pipeline_options import DEFAULT_BRANCH, Image, Inputs, Login, Which, followed_branch
from autonad.cli.verb_list import FiniteNumbers
from autonad.console import tell
from autonad.errors import ConfigError

if TYPE_CHECKING:
    from autonad.kubeflow.client import Kubeflow

RunName = Annotated[str | None, typer.Option("--name", help="What the run is called.")]
Experiment = Annotated[str, typer.Option("--experiment", help="Experiment in Kubeflow.")]
Timeout = Annotated[float, typer.Option("--timeout", help="How long to wait, s.", min=0)]
WEEK = 7 * 86400

pipeline = typer.Typer(
    cls=FiniteNumbers,
    help="Kubeflow pipelines: compile, run, upload, schedule, list, wait.",
    no_args_is_help=True,
)


def add_to(app: typer.Typer) -> None:
    """Add these verbs to the command line."""
    app.add_typer(pipeline, name="pipeline", rich_help_panel=None)


@pipeline.command("compile")
def compile_(
    output: Annotated[Path, typer.Option("--output", help="Folder to write.")] = Path("pipelines"),
    volume: Annotated[
        str | None,
        typer.Option("--checkpoint-volume", help="PersistentVolumeClaim to mount at /checkpoints."),
    ] = None,
    retries: Annotated[int, typer.Option("--retries", help="Attempts after the first.", min=0, max=100)] = 3,
    hours: Annotated[
        float, typer.Option("--training-hours", help="Time limit of training tasks.", min=0.01, max=10_000)
    ] = 72,
    kubernetes: Annotated[
        str | None,
        typer.Option(
            "--kubernetes",
            help="Also write objects to apply with kubectl, as this version.",
            metavar="VERSION",
        ),
    ] = None,
    namespace: Annotated[str | None, typer.Option("--namespace", help="Namespace of these objects.")] = None,
    image: Image = None,
) -> None:
    """Write the pipelines as YAML."""
    try:
        from pipelines.cluster import Cluster
        from pipelines.compile import PIPELINES, compile_pipeline, file_name
    except ModuleNotFoundError as error:
        raise ConfigError(
            "the pipelines' sources are not here; `compile` works in AutoNAD's repository. `upload` and "
            "`run` need no sources, and take --image"
        ) from error
    import yaml

    from autonad.files import make_folder, write_text_atomic
    from autonad.kubeflow.manifests import as_objects
    from autonad.kubeflow.package import Package

    make_folder(output)
    cluster = Cluster(retries=retries, training_hours=hours, checkpoint_volume=volume)
    for name in PIPELINES:
        path = output / file_name(name)
        compile_pipeline(name, path, cluster)
        if image is not None:
            Package.load(str(path)).with_image(image).save(path)
        tell(f"{path}: {path.stat().st_size / 1000:.0f} kB")
        if kubernetes is not None:
            applied = path.with_suffix(".kubernetes.yaml")
            objects = as_objects(Package.load(str(path)), kubernetes, namespace)
            write_text_atomic(applied, yaml.safe_dump_all(objects, sort_keys=True))
            tell(f"{applied}: {applied.stat().st_size / 1000:.0f} kB")


@pipeline.command()
@grouped
def run(
    *,
    local: Annotated[bool, typer.Option("--local", help="On this machine, tasks as processes.")] = False,
    docker: Annotated[bool, typer.Option("--docker", help="On this machine, tasks as containers.")] = False,
    inputs: Inputs,
    which: Which,
    output: Annotated[Path, typer.Option("--output", help="Folder of local runs.")] = Path("runs/pipeline"),
    retries: Annotated[
        int, typer.Option("--retries", help="Of training tasks, in local runs.", min=0, max=100)
    ] = 0,
    wait: Annotated[bool, typer.Option("--wait", help="Wait for the run on the cluster to end.")] = False,
    timeout: Timeout = WEEK,
    name: RunName = None,
    experiment: Experiment = "AutoNAD",
    login: Login,
) -> None:
    """Run a pipeline: on this machine, or on a cluster."""
    if local and docker:
        raise ConfigError("--local and --docker exclude each other; choose one")
    here = local or docker
    package = which.package()
    given = inputs.arguments(package, here=here)
    title = name or f"{package.name}-{datetime.datetime.now():%Y%m%d-%H%M%S}"
    if not here:
        server = login.server()
        run_id = server.run(package, given, name=title, experiment=experiment)
        tell(f"run {run_id} is started; in MLflow its execution is called {title}")
        if caution := server.caution(run_id):
            tell(f"note: {caution}")
        if wait:
            _wait(server, run_id, timeout)
        return
    from autonad.kubeflow.local import run_local
    from autonad.kubeflow.package import image_of

    image = image_of(package) if docker else None
    done = run_local(package, given, folder=output.absolute(), execution=title, retries=retries, image=image)
    tell("", f"{done.folder}: execution {title}")
    if done.summary is not None:
        tell(*done.summary.splitlines())


@pipeline.command()
@grouped
def upload(
    *,
    version: Annotated[
        str | None, typer.Option("--version", help="Name of the version.", show_default="the time")
    ] = None,
    which: Which,
    login: Login,
) -> None:
    """Add a pipeline, or a new version of it, to a cluster."""
    package = which.package()
    named = version or f"{datetime.datetime.now():%Y-%m-%d-%H%M%S}"
    found, added = login.server().upload(package, named)
    tell(f"pipeline {package.name} ({found}): version {added}")


@pipeline.command()
@grouped
def schedule(
    *,
    cron: Annotated[str, typer.Option("--cron", help='When, such as "0 4 * * 1" (Mondays at four).')],
    inputs: Inputs,
    branch: Annotated[
        str | None,
        typer.Option(
            "--branch", help="Branch of the dataset that each run follows.", show_default=DEFAULT_BRANCH
        ),
    ] = None,
    fixed: Annotated[
        bool, typer.Option("--fixed", help="Each run gets the dataset's version of now.")
    ] = False,
    which: Which,
    name: RunName = None,
    experiment: Experiment = "AutoNAD",
    login: Login,
) -> None:
    """Run a pipeline on a cluster again and again; each run gets what `publish` added by then."""
    package = which.package()
    given = inputs.arguments(package, here=False, branch=followed_branch(inputs.dataset, branch, fixed=fixed))
    named = name or package.name
    made = login.server().schedule(package, given, name=named, experiment=experiment, cron=cron)
    tell(f"schedule {made} of {package.name}: {cron}")


@pipeline.command("list")
@grouped
def list_(
    login: Login, limit: Annotated[int, typer.Option("--limit", help="Newest runs to show.")] = 20
) -> None:
    """List the newest runs of a cluster."""
    for found in login.server().runs(limit):
        now = f" ({found.now})" if found.now else ""
        tell(f"{found.run_id}  {found.state.lower():<10} {found.created[:19]}  {found.name}{now}")


@pipeline.command("wait")
@grouped
def wait_(
    *,
    run_id: Annotated[str, typer.Option("--run", help="Id of the run.")],
    timeout: Timeout = WEEK,
    login: Login,
) -> None:
    """Wait for a run on a cluster to end; the exit code says how."""
    _wait(login.server(), run_id, timeout)


def _wait(server: Kubeflow, run_id: str, timeout: float) -> None:
    server.wait(run_id, timeout=timeout, tell=lambda state: tell(f"   {state}"))
    tell(f"run {run_id} has succeeded")
