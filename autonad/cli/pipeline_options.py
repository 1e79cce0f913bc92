"""What the commands about pipelines share: which pipeline, what it is given, and the server it is for."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from autonad.cli.options import Params, Set, read_config
from autonad.errors import ConfigError

if TYPE_CHECKING:
    from autonad.kubeflow.client import Kubeflow
    from autonad.kubeflow.package import Package

Image = Annotated[
    str | None, typer.Option("--image", envvar="AUTONAD_IMAGE", help="Image of the tasks, best by digest.")
]
DEFAULT_BRANCH = "main"


@dataclass(frozen=True)
class Login:
    """How to reach a server; see `autonad.kubeflow.access.Access`."""

    host: Annotated[
        str | None,
        typer.Option(
            "--host",
            envvar="KFP_HOST",
            help="Address of the pipelines' API. Default: this cluster, or kubeconfig's.",
        ),
    ] = None
    namespace: Annotated[
        str | None, typer.Option("--namespace", envvar="KFP_NAMESPACE", help="Your profile's namespace.")
    ] = None
    token: Annotated[
        str | None,
        typer.Option("--token", envvar="KFP_TOKEN", help="Token to log in with.", show_envvar=True),
    ] = None
    cookies: Annotated[
        str | None,
        typer.Option("--cookies", envvar="KFP_COOKIES", help="Session cookie of Dex or OIDC, NAME=VALUE."),
    ] = None
    in_cluster: Annotated[
        bool, typer.Option("--in-cluster", help="Log in with the pod's service account token.")
    ] = False
    ca_cert: Annotated[
        Path | None,
        typer.Option("--ca-cert", envvar="KFP_CA_CERT", help="Certificate authority of the server."),
    ] = None

    def server(self) -> Kubeflow:
        """The server, logged in to."""
        from autonad.kubeflow.access import Access
        from autonad.kubeflow.client import Kubeflow

        return Kubeflow(Access(**asdict(self)))


@dataclass(frozen=True)
class Which:
    """A compiled pipeline."""

    which: Annotated[
        str, typer.Option("--pipeline", help="autonad, retrain, or a file that `compile` wrote.")
    ] = "autonad"
    image: Image = None

    def package(self) -> Package:
        """The pipeline, with its tasks in the image."""
        from autonad.kubeflow.package import Package

        package = Package.load(self.which)
        return package if self.image is None else package.with_image(self.image)


@dataclass(frozen=True)
class Inputs:
    """What a pipeline is given."""

    dataset: Annotated[
        str | None,
        typer.Option("--dataset", help="Dataset folder; on a cluster its DVC version. Default: generated."),
    ] = None
    target: Annotated[
        str | None,
        typer.Option(
            "--target", help="Target file, or its name in ./targets. Default: the machine of the first task."
        ),
    ] = None
    checkpoints: Annotated[
        str | None,
        typer.Option("--checkpoints", help="s3://bucket/prefix or folder that training goes on from."),
    ] = None
    parameter: Annotated[
        list[str] | None,
        typer.Option(
            "--parameter", help="A parameter of the pipeline: NAME=VALUE. Repeatable.", metavar="NAME=VALUE"
        ),
    ] = None
    params: Params = None
    set: Set = None

    def arguments(self, package: Package, *, here: bool, branch: str | None = None) -> dict[str, Any]:
        """Values of the pipeline's parameters; `--parameter` has the last word.

        Args:
            package: The pipeline.
            here: It runs on this machine, where folders can be used as they are.
            branch: Branch of the dataset that is followed; None fixes the version that DVC recorded.

        Raises:
            ConfigError: It has no such parameter, or a value is of the wrong type.
            DatasetError: The dataset is none, or has no version or branch that a cluster can read; or there
                is no such target.
            LatencyError: The target file is none.
            StorageError: The dataset's remote cannot be used.
        """
        given: dict[str, Any] = {}
        if here or self.params is not None or self.set or Path("params.yaml").is_file():
            given |= _settings(self.params, self.set)
        if here:
            given |= {"mlflow_uri": "", "experiment": "", "secret": "none"}  # the environment has it
        known = package.defaults
        given = {name: value for name, value in given.items() if name in known}
        given |= self._chosen(here=here, branch=branch)
        if self.checkpoints is not None:
            if "checkpoints" not in known:
                raise ConfigError(
                    f"pipeline {package.name} has no parameter checkpoints, so --checkpoints has no meaning "
                    f"for it; leave it out (it has {', '.join(sorted(known))})"
                )
            given["checkpoints"] = self.checkpoints
        for one in self.parameter or ():
            name, separator, value = one.partition("=")
            if not separator:
                raise ConfigError(
                    f"--parameter {one!r} is not of the form NAME=VALUE, such as latency_budget_ms=5"
                )
            given[name] = value
        return package.arguments(given)

    def _chosen(self, *, here: bool, branch: str | None) -> dict[str, str]:
        """Dataset and target, where they are named."""
        from autonad.data.versions import find_target, follow, from_folder

        given: dict[str, str] = {}
        if self.dataset is not None:
            if branch is None:
                place = from_folder(Path(self.dataset), in_place=here)
            else:
                found = follow(Path(self.dataset), branch)
                place = (found.remote, found.branch, found.name)
            given |= zip(("dataset_repository", "dataset_revision", "dataset_path"), place, strict=True)
        if self.target is not None:
            from autonad.latency.target import Target

            given["target"] = Target.load(find_target(self.target)).model_dump_json()
        return given


def followed_branch(dataset: str | None, branch: str | None, *, fixed: bool) -> str | None:
    """The branch of a dataset that a schedule follows; None for a fixed version.

    Raises:
        ConfigError: The options exclude each other, or speak of a dataset that is not named.
    """
    if branch is not None and fixed:
        raise ConfigError("--branch and --fixed exclude each other; choose one")
    if dataset is None and (branch is not None or fixed):
        raise ConfigError(
            f"{'--fixed' if fixed else '--branch'} says which version of a dataset is used; name it with "
            "--dataset FOLDER"
        )
    return None if fixed else branch or DEFAULT_BRANCH


def _settings(params: Path | None, overrides: list[str] | None) -> dict[str, Any]:
    """The configuration as parameters: it decides, not the defaults that a person sees in the interface."""
    import yaml

    # What differs: the interface shows parameters as they were given, and compares runs by them.
    given = read_config(params, overrides).model_dump(mode="json", exclude_defaults=True)
    text = yaml.safe_dump(given, sort_keys=True, default_flow_style=None, width=1000) if given else ""
    return {"settings": text, "preset": ""}
