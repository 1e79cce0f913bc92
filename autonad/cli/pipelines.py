"""The verbs about Kubeflow pipelines: `autonad pipeline …`."""

from __future__ import annotations

import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from autonad.cli.options import Params, Set, read_config
from autonad.errors import ConfigError

if TYPE_CHECKING:
    from autonad.kubeflow.client import Kubeflow
    from autonad.kubeflow.package import Package

Name = Annotated[str, typer.Option("--pipeline", help="autonad, retrain, or a file that `compile` wrote.")]
Image = Annotated[
    str | None, typer.Option("--image", envvar="AUTONAD_IMAGE", help="Image of the tasks, best by digest.")
]
Host = Annotated[
    str | None,
    typer.Option(
        "--host",
        envvar="KFP_HOST",
        help="Address of the pipelines' API. Default: this cluster, or kubeconfig's.",
    ),
]
Namespace = Annotated[
    str | None, typer.Option("--namespace", envvar="KFP_NAMESPACE", help="Your profile's namespace.")
]
Token = Annotated[
    str | None, typer.Option("--token", envvar="KFP_TOKEN", help="Token to log in with.", show_envvar=True)
]
Cookies = Annotated[
    str | None,
    typer.Option("--cookies", envvar="KFP_COOKIES", help="Session cookie of Dex or OIDC, NAME=VALUE."),
]
InCluster = Annotated[bool, typer.Option("--in-cluster", help="Log in with the pod's service account token.")]
CaCert = Annotated[
    Path | None, typer.Option("--ca-cert", envvar="KFP_CA_CERT", help="Certificate authority of the server.")
]
Dataset = Annotated[
    str | None,
    typer.Option("--dataset", help="Dataset folder; on a cluster its DVC version. Default: generated."),
]
TargetFile = Annotated[
    Path | None, typer.Option("--target", help="Target file. Default: the machine of the first task.")
]
Parameter = Annotated[
    list[str] | None,
    typer.Option(
        "--parameter", help="A parameter of the pipeline: NAME=VALUE. Repeatable.", metavar="NAME=VALUE"
    ),
]
RunName = Annotated[str | None, typer.Option("--name", help="What the run is called.")]
Experiment = Annotated[str, typer.Option("--experiment", help="Experiment in Kubeflow.")]

pipeline = typer.Typer(help="Kubeflow pipelines: compile, run, upload, schedule.", no_args_is_help=True)


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
    retries: Annotated[int, typer.Option("--retries", help="Attempts after the first, in training.")] = 3,
    hours: Annotated[float, typer.Option("--training-hours", help="Time limit of training tasks.")] = 72,
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
    from autonad.kubeflow.package import Package

    cluster = Cluster(retries=retries, training_hours=hours, checkpoint_volume=volume)
    for name in PIPELINES:
        path = output / file_name(name)
        output.mkdir(parents=True, exist_ok=True)
        compile_pipeline(name, path, cluster)
        if image is not None:
            Package.load(str(path)).with_image(image).save(path)
        print(f"{path}: {path.stat().st_size / 1000:.0f} kB")


@pipeline.command()
def run(
    local: Annotated[bool, typer.Option("--local", help="On this machine, tasks as processes.")] = False,
    docker: Annotated[bool, typer.Option("--docker", help="On this machine, tasks as containers.")] = False,
    dataset: Dataset = None,
    target: TargetFile = None,
    checkpoints: Annotated[
        str, typer.Option("--checkpoints", help="s3://bucket/prefix or folder that training goes on from.")
    ] = "",
    output: Annotated[Path, typer.Option("--output", help="Folder of local runs.")] = Path("runs/pipeline"),
    retries: Annotated[int, typer.Option("--retries", help="Of training tasks, in local runs.")] = 0,
    wait: Annotated[bool, typer.Option("--wait", help="Wait for the run on the cluster to end.")] = False,
    timeout: Annotated[float, typer.Option("--timeout", help="How long to wait, s.")] = 7 * 86400,
    name: RunName = None,
    which: Name = "autonad",
    parameter: Parameter = None,
    params: Params = None,
    set: Set = None,
    experiment: Experiment = "AutoNAD",
    host: Host = None,
    namespace: Namespace = None,
    token: Token = None,
    cookies: Cookies = None,
    in_cluster: InCluster = False,
    ca_cert: CaCert = None,
    image: Image = None,
) -> None:
    """Run a pipeline: on this machine, or on a cluster."""
    if local and docker:
        raise ConfigError("--local and --docker exclude each other; choose one")
    here = local or docker
    package = _package(which, image)
    given = _arguments(package, dataset, target, params, set, parameter, here=here)
    given.setdefault("checkpoints", checkpoints)
    title = name or f"{package.name}-{datetime.datetime.now():%Y%m%d-%H%M%S}"
    if not here:
        server = _server(host, namespace, token, cookies, in_cluster, ca_cert)
        run_id = server.run(package, given, name=title, experiment=experiment)
        print(f"run {run_id} is started; its execution in MLflow has the same name")
        if wait:
            server.wait(run_id, timeout=timeout, tell=lambda state: print(f"   {state}", flush=True))
            print(f"run {run_id} has succeeded")
        return
    from autonad.kubeflow.local import run_local
    from autonad.kubeflow.package import image_of

    done = run_local(
        package,
        given,
        folder=output.absolute(),
        execution=title,
        retries=retries,
        image=image_of(package) if docker else None,
    )
    print(f"\n{done.folder}: execution {title}")
    if done.summary is not None:
        print(done.summary)


@pipeline.command()
def upload(
    version: Annotated[str | None, typer.Option("--version", help="Name of the version; the time.")] = None,
    which: Name = "autonad",
    host: Host = None,
    namespace: Namespace = None,
    token: Token = None,
    cookies: Cookies = None,
    in_cluster: InCluster = False,
    ca_cert: CaCert = None,
    image: Image = None,
) -> None:
    """Add a pipeline, or a new version of it, to a cluster."""
    package = _package(which, image)
    server = _server(host, namespace, token, cookies, in_cluster, ca_cert)
    found, added = server.upload(package, version or f"{datetime.datetime.now():%Y-%m-%d %H:%M:%S}")
    print(f"pipeline {package.name} ({found}): version {added}")


@pipeline.command()
def schedule(
    cron: Annotated[str, typer.Option("--cron", help='When, such as "0 4 * * 1" (Mondays at four).')],
    dataset: Dataset = None,
    target: TargetFile = None,
    name: RunName = None,
    which: Name = "autonad",
    parameter: Parameter = None,
    params: Params = None,
    set: Set = None,
    experiment: Experiment = "AutoNAD",
    host: Host = None,
    namespace: Namespace = None,
    token: Token = None,
    cookies: Cookies = None,
    in_cluster: InCluster = False,
    ca_cert: CaCert = None,
    image: Image = None,
) -> None:
    """Run a pipeline on a cluster again and again."""
    package = _package(which, image)
    given = _arguments(package, dataset, target, params, set, parameter, here=False)
    server = _server(host, namespace, token, cookies, in_cluster, ca_cert)
    made = server.schedule(package, given, name=name or package.name, experiment=experiment, cron=cron)
    print(f"schedule {made} of {package.name}: {cron}")


@pipeline.command("list")
def list_(
    limit: Annotated[int, typer.Option("--limit", help="Newest runs to show.")] = 20,
    host: Host = None,
    namespace: Namespace = None,
    token: Token = None,
    cookies: Cookies = None,
    in_cluster: InCluster = False,
    ca_cert: CaCert = None,
) -> None:
    """List the newest runs of a cluster."""
    for found in _server(host, namespace, token, cookies, in_cluster, ca_cert).runs(limit):
        print(f"{found.run_id}  {found.state.lower():<10} {found.created[:19]}  {found.name}")


@pipeline.command("wait")
def wait_(
    run_id: Annotated[str, typer.Option("--run", help="Id of the run.")],
    timeout: Annotated[float, typer.Option("--timeout", help="How long at most, s.")] = 7 * 86400,
    host: Host = None,
    namespace: Namespace = None,
    token: Token = None,
    cookies: Cookies = None,
    in_cluster: InCluster = False,
    ca_cert: CaCert = None,
) -> None:
    """Wait for a run on a cluster to end; the exit code says how."""
    server = _server(host, namespace, token, cookies, in_cluster, ca_cert)
    server.wait(run_id, timeout=timeout, tell=lambda state: print(f"   {state}", flush=True))
    print(f"run {run_id} has succeeded")


def _package(name: str, image: str | None) -> Package:
    from autonad.kubeflow.package import Package

    package = Package.load(name)
    return package if image is None else package.with_image(image)


def _server(
    host: str | None,
    namespace: str | None,
    token: str | None,
    cookies: str | None,
    in_cluster: bool,
    ca_cert: Path | None,
) -> Kubeflow:
    from autonad.kubeflow.client import Access, Kubeflow

    return Kubeflow(Access(host, namespace, token, cookies, in_cluster, str(ca_cert) if ca_cert else None))


def _arguments(
    package: Package,
    dataset: str | None,
    target: Path | None,
    params: Path | None,
    overrides: list[str] | None,
    parameters: list[str] | None,
    *,
    here: bool,
) -> dict[str, Any]:
    """What the options say, as values of the pipeline's parameters; --parameter has the last word."""
    from autonad.data.versions import from_folder
    from autonad.steps import config_text

    given: dict[str, Any] = {}
    if here or params is not None or overrides or Path("params.yaml").is_file():
        given["settings"] = config_text(read_config(params, overrides))
        # The settings decide, not the defaults that a person sees in the interface.
        given |= {"preset": "", "supernet_epochs": 0, "retrain_epochs": 0}
    if here:
        given |= {"mlflow_uri": "", "experiment": ""}
    if dataset is not None:
        repository, revision, path = from_folder(Path(dataset), in_place=here)
        given |= {"dataset_repository": repository, "dataset_revision": revision, "dataset_path": path}
    if target is not None:
        from autonad.latency.target import Target

        given["target"] = Target.load(target).model_dump_json()
    known = package.defaults
    given = {name: value for name, value in given.items() if name in known}
    for one in parameters or ():
        name, separator, value = one.partition("=")
        if not separator:
            raise ConfigError(f"--parameter {one!r} is not of the form NAME=VALUE, such as memory=16Gi")
        given[name] = value
    return package.arguments(given)
