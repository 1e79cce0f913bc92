"""Real servers for tests of tracking: PostgreSQL, and MLflow in front of it."""

from __future__ import annotations

import os
import pwd
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from servers import free_port, wait_for_port

ROOT = Path(__file__).parents[1]
PASSWORD = "ab%20cd/ef@gh:ij and more"  # what a URI and an ini file find hard


def postgres_programs() -> Path | None:
    """Folder of the newest PostgreSQL's programs, where Debian or the path has one."""
    folders = sorted(Path("/usr/lib/postgresql").glob("*/bin"), key=lambda path: int(path.parent.name))
    found = shutil.which("initdb")
    if found is not None:
        folders.append(Path(found).resolve().parent)
    return next((path for path in reversed(folders) if (path / "initdb").exists()), None)


@contextmanager
def postgres() -> Iterator[str]:
    """Start a cluster of its own in a temporary folder and stop it at the end; gives the database's URI.

    PostgreSQL refuses to run as root, so that it gets the user `postgres` of Debian's package then.
    """
    programs = postgres_programs()
    if programs is None:
        pytest.skip("PostgreSQL is not installed (apt-get install postgresql)")
    user: dict[str, object] = {}
    folder = Path(tempfile.mkdtemp(prefix="autonad-postgres-"))
    if os.geteuid() == 0:
        try:
            account = pwd.getpwnam("postgres")
        except KeyError:
            pytest.skip("PostgreSQL does not run as root, and there is no user 'postgres'")
        os.chown(folder, account.pw_uid, account.pw_gid)
        user = {"user": account.pw_uid, "group": account.pw_gid, "extra_groups": []}
    quoted = urllib.request.quote(PASSWORD, safe="")
    port = free_port()
    (folder / "password").write_text(PASSWORD)
    (folder / "password").chmod(0o644)
    data, log = folder / "data", folder / "log"
    try:
        subprocess.run(
            [
                programs / "initdb",
                "-D",
                data,
                "-U",
                "autonad",
                "-A",
                "scram-sha-256",
                "--pwfile",
                folder / "password",
                "-E",
                "UTF8",
                "--no-sync",
            ],
            check=True,
            capture_output=True,
            cwd=folder,
            **user,
        )
        with log.open("wb") as output:
            server = subprocess.Popen(
                [
                    programs / "postgres",
                    "-D",
                    data,
                    "-p",
                    str(port),
                    "-c",
                    "listen_addresses=127.0.0.1",
                    "-c",
                    "unix_socket_directories=",
                    "-c",
                    "fsync=off",
                    "-c",
                    "max_connections=100",
                ],
                stdout=output,
                stderr=output,
                cwd=folder,
                **user,
            )
        try:
            wait_for_port(port, lambda: server.poll() is None, log)
            yield f"postgresql+psycopg2://autonad:{quoted}@127.0.0.1:{port}/postgres"
        finally:
            server.send_signal(signal.SIGINT)  # fast shutdown: clients are cut off
            server.wait(30)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@dataclass
class MlflowServer:
    """An MLflow server that can be killed and started again at the same address.

    Attributes:
        command: What runs it.
        environment: With these variables beside the test's own.
        folder: Where it runs, and keeps its log.
        port: Where it listens.
    """

    command: list[str]
    environment: Mapping[str, str]
    folder: Path
    port: int = field(default_factory=free_port)
    _process: subprocess.Popen[bytes] | None = None

    @property
    def uri(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def log(self) -> Path:
        return self.folder / "server.log"

    def start(self) -> None:
        """Start it and wait until it answers."""
        assert self._process is None
        variables = {
            **os.environ,
            "MLFLOW_DISABLE_TELEMETRY": "true",
            "OMP_NUM_THREADS": "1",
            "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
            "MLFLOW_PORT": str(self.port),
            "MLFLOW_HOST": "127.0.0.1",
            **self.environment,
        }
        self.folder.mkdir(parents=True, exist_ok=True)
        with self.log.open("ab") as output:
            self._process = subprocess.Popen(
                self.command,
                cwd=self.folder,
                env=variables,
                stdout=output,
                stderr=output,
                start_new_session=True,
            )
        deadline = time.monotonic() + 300  # on a machine with other work
        while time.monotonic() < deadline and self._process.poll() is None:
            with suppress(OSError), urllib.request.urlopen(f"{self.uri}/health", timeout=2):
                return
            time.sleep(0.2)
        raise AssertionError(f"MLflow does not answer: {self.log.read_text(errors='replace')[-3000:]}")

    def kill(self) -> None:
        """End it and its workers at once, as a crash would."""
        if self._process is None:
            return
        with suppress(ProcessLookupError):
            os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait(10)
        self._process = None


@contextmanager
def running(server: MlflowServer) -> Iterator[MlflowServer]:
    """Start a server and kill it at the end."""
    try:
        server.start()
        yield server
    finally:
        server.kill()


def sqlite_server(folder: Path) -> MlflowServer:
    """A server as `make mlflow` starts it: sqlite and local artifacts."""
    command = [
        *("mlflow", "server", "--backend-store-uri", f"sqlite:///{folder}/mlflow.db"),
        *("--artifacts-destination", f"{folder}/mlartifacts", "--workers", "2"),
        *("--uvicorn-opts", "--timeout-worker-healthcheck 60"),
    ]
    return MlflowServer(command, {"MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false"}, folder)


def production_server(folder: Path, database: str, store: Mapping[str, str], artifacts: str) -> MlflowServer:
    """The production form, by the script that `deploy/mlflow` ships."""
    environment = {
        **store,
        "MLFLOW_BACKEND_STORE_URI": database,
        "MLFLOW_ARTIFACTS_DESTINATION": artifacts,
        "MLFLOW_FLASK_SERVER_SECRET_KEY": "only for this test",
        "MLFLOW_AUTH_ADMIN_PASSWORD": PASSWORD,
        "MLFLOW_SERVER_ALLOWED_HOSTS": "127.0.0.1:*",
        "MLFLOW_WORKERS": "1",
    }
    return MlflowServer([str(ROOT / "deploy/mlflow/serve")], environment, folder)
