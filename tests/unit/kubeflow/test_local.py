"""Pipelines on this machine, run for real by kfp.local."""

from pathlib import Path

import pytest
import yaml
from kfp import compiler, dsl
from kfp.dsl import Markdown, Output

from autonad.kubeflow.local import run_local
from autonad.kubeflow.package import Package

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::FutureWarning")


@dsl.component(base_image="python", install_kfp_package=False)
def register(text: str, summary: Output[Markdown]) -> None:
    """Write what it is given."""
    from pathlib import Path

    Path(summary.path).write_text(text)


def package(name: str, folder: Path) -> Package:
    """A pipeline of one task, as `autonad pipeline compile` would write it."""

    @dsl.pipeline(name=name)
    def pipeline(text: str = "") -> None:
        register(text=text)

    compiler.Compiler().compile(pipeline, str(folder / "pipeline.yaml"))
    (spec,) = yaml.safe_load_all((folder / "pipeline.yaml").read_text())
    return Package(spec, {"platforms": {}})


def test_a_name_that_is_used_again_shows_what_the_new_run_made(tmp_path: Path) -> None:
    # Folders of tasks are sorted by the pipeline's name first, so the older run would come last.
    for name, text in (("second", "of before"), ("first", "of now")):
        done = run_local(
            package(name, tmp_path), {"text": text}, folder=tmp_path / "runs", execution="monday"
        )

    summary = done.output("register*", "summary")
    assert summary is not None
    assert summary.read_text() == "of now"
    assert len(list(done.folder.glob("*/register/summary"))) == 2
    assert done.output("search", "found") is None
