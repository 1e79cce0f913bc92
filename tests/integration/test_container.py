"""The image, built without a registry, and the pipeline in it, through podman's Docker API."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from commands import SETTINGS, Autonad, command, environment
from dark_detector import export_dark, surface
from live_service import live, png, service_of

pytestmark = [
    pytest.mark.acceptance,
    pytest.mark.container,
    pytest.mark.slow,
    pytest.mark.timeout(5400),
    pytest.mark.skipif(
        not all(map(shutil.which, ("podman", "runc", "debootstrap"))) or os.geteuid() != 0,
        reason="podman, runc and debootstrap are not here, or this is not root",
    ),
]

ROOT = Path(__file__).parents[2]
BASE, TAG = "localhost/autonad-test-base:bookworm", "test"
ULIMITS = 'default_ulimits = ["nofile=1024:1024", "nproc=1024:1024"]'


def podman(*arguments: object, **options: Any) -> str:
    done = subprocess.run(
        ["podman", "--runtime", "runc", *map(str, arguments)],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        **options,
    )
    output = done.stdout.decode()
    assert done.returncode == 0, output[-4000:]
    return output


@pytest.fixture(scope="module", autouse=True)
def limits(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Limits that a container within a container may set, in a configuration of this test's own."""
    path = tmp_path_factory.mktemp("podman") / "containers.conf"
    path.write_text(f"[containers]\n{ULIMITS}\n")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("CONTAINERS_CONF", str(path))
        yield


@pytest.fixture(scope="module")
def base(limits: None, tmp_path_factory: pytest.TempPathFactory) -> str:
    """A Debian with Python, in place of the image that a registry would give."""
    if subprocess.run(["podman", "image", "exists", BASE]).returncode:
        folder = tmp_path_factory.mktemp("base")
        packages = "--include=ca-certificates,python3,python3-venv"
        subprocess.run(["debootstrap", "--variant=minbase", packages, "bookworm", folder], check=True)
        archive = folder.with_suffix(".tar")
        subprocess.run(["tar", "-C", folder, "-cf", archive, "."], check=True)
        podman("import", archive, BASE)
    return BASE


def build(base: str, target: str) -> str:
    """Build with what this machine tells pip; the answer is the image's name."""
    image = "localhost/autonad-test"
    name = f"{image}-detector:{TAG}" if target == "detector" else f"{image}:{TAG}"
    found = subprocess.run(
        [
            "make",
            "image",
            "ENGINE=podman --runtime runc",
            f"IMAGE={image}",
            f"TARGETS={target}",
            f"VERSION={TAG}",
            f"BUILD_ARGS=--network host --build-arg BASE_IMAGE={base} {pip_arguments()}",
        ],
        cwd=ROOT,
        capture_output=True,
        text=True,
    )
    assert found.returncode == 0, found.stdout[-3000:] + found.stderr[-3000:]
    return name


def pip_arguments() -> str:
    """A folder of wheels that pip of this machine is told to look in is shown to the build as well."""
    wheels = os.environ.get("PIP_FIND_LINKS", "")
    if not Path(wheels).is_dir():
        return ""
    certificates = "--volume /etc/ssl/certs:/etc/ssl/certs:ro"
    return f"--build-arg PIP_FIND_LINKS={wheels} --volume {wheels}:{wheels}:ro {certificates}"


@pytest.fixture(scope="module")
def detector(base: str) -> str:
    return build(base, "detector")


def test_the_detectors_image_is_small_and_runs_as_any_user(detector: str) -> None:
    plain = ("run", "--rm", "--user", "12345:0", "--network", "none", detector)

    assert "Designs the defect detector" in podman(*plain, "--help")
    loaded = podman(
        "run",
        "--rm",
        "--user",
        "12345:0",
        "--network",
        "none",
        "--entrypoint",
        "python",
        detector,
        "-c",
        "import importlib.util as u; print([n for n in ('torch', 'mlflow', 'kfp') if u.find_spec(n)])",
    )
    assert loaded.strip() == "[]"


# Asks the service within its container, which has no network; the image comes from standard input.
ASK = """
import json, os, sys, time, urllib.error, urllib.request

def is_writable(folder):
    try:
        os.close(os.open(f"{folder}/file", os.O_CREAT | os.O_WRONLY))
    except OSError:
        return False
    return True

def ask(path, body=None, **headers):
    request = urllib.request.Request("http://127.0.0.1:8080" + path, body, headers)
    try:
        with urllib.request.urlopen(request, timeout=60) as answer:
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as error:
        return error.code, error.reason
    except urllib.error.URLError as error:
        return 0, str(error)

end = time.monotonic() + 60
while ask("/ready")[0] != 200 and time.monotonic() < end:
    time.sleep(0.1)
token = {"Authorization": "Bearer secret"}
detected = ask("/detect?shapes=rle", sys.stdin.buffer.read(), **token, **{"Content-Type": "image/png"})
print(json.dumps({
    "writable": [folder for folder in ("/app", "/opt/autonad", "/model", "/tmp") if is_writable(folder)],
    "open": {path: ask(path)[0] for path in ("/health", "/ready", "/")},
    "guarded": {path: ask(path)[0] for path in ("/metrics", "/version", "/rules")},
    "metrics": ask("/metrics", **token)[1],
    "detected": json.loads(detected[1]),
}))
"""


def confined() -> list[object]:
    """The options of podman that are what `deploy/detector/compose.yaml` says, and no network."""
    compose = yaml.safe_load((ROOT / "deploy/detector/compose.yaml").read_text())["services"]["detector"]
    options: list[object] = ["--network", "none", "--user", compose["user"], "--memory", compose["mem_limit"]]
    options += ["--pids-limit", compose["pids_limit"]] + ["--read-only"] * compose["read_only"]
    for name, key in (("--tmpfs", "tmpfs"), ("--cap-drop", "cap_drop"), ("--security-opt", "security_opt")):
        options += [word for value in compose[key] for word in (name, value.removesuffix(":true"))]
    return options


def test_the_service_in_its_container_answers_as_in_this_process(detector: str, tmp_path: Path) -> None:
    (tmp_path / "model").mkdir(mode=0o755)
    model = export_dark(tmp_path / "model" / "model.onnx")
    image = png(surface((10, 10, 30, 40), size=(90, 120)))
    with live(service_of(model)) as here:
        wanted = here.ask("POST", "/detect?shapes=rle", image, Content_Type="image/png").json()
    secret, mounted = ("--env", "AUTONAD_TOKEN=secret"), ("--volume", f"{model.parent}:/model:ro")
    container = podman("run", "--detach", *confined(), *secret, *mounted, detector).split()[-1]
    try:
        said = podman("exec", "--interactive", container, "python", "-c", ASK, input=image)
        began = time.monotonic()
        podman("stop", "--time", 40, container)
        seconds = time.monotonic() - began
        code = podman("inspect", "--format", "{{.State.ExitCode}}", container).strip()
    finally:
        podman("rm", "--force", "--time", 0, container)
    found = json.loads(said)
    for answer in (wanted, found["detected"]):
        del answer["ms"]

    assert wanted["verdict"] == "NG"
    assert found["detected"] == wanted
    assert found["writable"] == ["/tmp"]
    assert found["open"] == {"/health": 200, "/ready": 200, "/": 200}
    assert found["guarded"] == {"/metrics": 401, "/version": 401, "/rules": 401}
    assert 'verdict="NG"' in found["metrics"]
    assert (code, seconds < 40) == ("0", True)


@pytest.fixture(scope="module")
def image(base: str) -> str:
    return build(base, "full")


def test_the_image_runs_as_any_user_and_holds_no_compiler(image: str) -> None:
    script = (
        "set -e; id -u; id -g; touch $HOME/file; autonad pipeline run --help > /dev/null; "
        "for tool in gcc cc g++ make; do ! command -v $tool; done; ls /src 2>/dev/null || echo no sources"
    )
    output = podman("run", "--rm", "--user", "12345:0", image, "sh", "-c", script).split("\n")

    assert output[:3] == ["12345", "0", "no sources"]
    labels = podman("image", "inspect", "--format", "{{json .Labels}}", image)
    assert "org.opencontainers.image.version" in labels


# Every imported module has bytecode; that of libraries is taken as it is (flags 1: by hash, unchecked).
BYTECODE = """
import getpass, importlib.util, json, pathlib, struct, sys
import autonad.steps, dvc.repo, kfp, kfp_server_api, mlflow, torch

def lacks(module):
    cached = getattr(module, "__cached__", None)
    if not isinstance(cached, str) or module.__name__ == "__main__":
        return False
    file = pathlib.Path(cached)
    return not file.exists() or "site-packages" in cached and file.read_bytes()[4:8] != struct.pack("<I", 1)

without = sorted(name for name, module in list(sys.modules.items()) if lacks(module))
inside = [name for name in sys.argv[1:] if importlib.util.find_spec(name)]
print(json.dumps({"user": getpass.getuser(), "without": without, "for development": inside}))
"""


def test_any_user_has_a_name_and_bytecode_and_nothing_that_only_development_needs(image: str) -> None:
    unwanted = (
        "playwright",
        "pytest",
        "mypy",
        "ruff",
        "rclone_api",
        "kubernetes_validate",
        "torchmetrics",
        "psycopg2",
    )
    output = podman(
        *("run", "--rm", "--user", "12345:0", "--network", "none", image, "python", "-c", BYTECODE, *unwanted)
    )
    found = json.loads(output.splitlines()[-1])

    assert found == {"user": "autonad", "without": [], "for development": []}


@pytest.fixture
def engine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Podman's Docker API."""
    socket = tmp_path / "podman.sock"
    server = subprocess.Popen(
        ["podman", "--runtime", "runc", "system", "service", "--time", "0", f"unix://{socket}"]
    )
    try:
        deadline = time.monotonic() + 30
        while not socket.exists() and time.monotonic() < deadline:
            time.sleep(0.1)
        monkeypatch.setenv("DOCKER_HOST", f"unix://{socket}")
        yield
    finally:
        server.terminate()
        server.wait(10)


def test_the_pipeline_runs_in_containers(image: str, engine: None, tmp_path: Path, autonad: Autonad) -> None:
    settings = yaml.safe_load(SETTINGS) | {"decide": {"calibration_draws": 0}}
    settings["tracking"] = {"uri": f"sqlite:///{tmp_path / 'runs'}/mlflow.db", "system_seconds": None}
    (tmp_path / "params.yaml").write_text(yaml.safe_dump(settings))
    (tmp_path / "runs").mkdir()
    done = subprocess.run(
        command("pipeline", "run", "--docker", "--image", image, "--output", "runs", "--name", "contained"),
        cwd=tmp_path,
        env={**environment(), "DOCKER_HOST": os.environ["DOCKER_HOST"]},
        capture_output=True,
        text=True,
    )

    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
    assert "| in use | yes |" in done.stdout
