"""The production form of MLflow's server: its script refuses what is incomplete and shows no secret."""

from __future__ import annotations

import configparser
import os
import re
import subprocess
from pathlib import Path

import pytest
import yaml

FOLDER = Path(__file__).parents[2] / "deploy/mlflow"
COMPLETE = {
    "MLFLOW_BACKEND_STORE_URI": "postgresql+psycopg2://mlflow:p%40ss@database/mlflow",
    "MLFLOW_ARTIFACTS_DESTINATION": "s3://bucket/mlflow",
    "MLFLOW_FLASK_SERVER_SECRET_KEY": "signing-key",
    "MLFLOW_AUTH_ADMIN_PASSWORD": "twelve or more",
    "MLFLOW_SERVER_ALLOWED_HOSTS": "mlflow:5000",
}


PARTS = {"POSTGRES_HOST": "database", "POSTGRES_PASSWORD": "p@ss/w:rd%25 of it"}
FAKE = """#!/bin/sh
printf '%s\\n' "$@"
cat "${MLFLOW_AUTH_CONFIG_PATH:-/dev/null}"
echo "[seen]
store $MLFLOW_BACKEND_STORE_URI
jobs $MLFLOW_SERVER_ENABLE_JOB_EXECUTION
telemetry off $MLFLOW_DISABLE_TELEMETRY
uvicorn $MLFLOW_UVICORN_OPTS"
"""
UPGRADE = """
import pathlib, os
def upgrade(arguments):
    pathlib.Path(os.environ["TMPDIR"], "upgraded").write_text("\\n".join(arguments))
"""


def serve(environment: dict[str, str], scratch: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run the script with an `mlflow` that only tells how it was called."""
    programs, library = scratch / "programs", scratch / "library" / "mlflow"
    for folder in (programs, library):
        folder.mkdir(parents=True)
    (programs / "mlflow").write_text(FAKE)
    (programs / "mlflow").chmod(0o755)
    (library / "__init__.py").touch()
    (library / "db.py").write_text(UPGRADE)
    path = f"{programs}{os.pathsep}{os.environ['PATH']}"
    return subprocess.run(
        [FOLDER / "serve", *arguments],
        env={"PATH": path, "TMPDIR": str(scratch), "PYTHONPATH": str(library.parent), **environment},
        capture_output=True,
        text=True,
    )


def seen(done: subprocess.CompletedProcess[str]) -> dict[str, str]:
    """What the server finds in its environment."""
    assert done.returncode == 0, done.stderr
    return dict(line.rsplit(" ", 1) for line in done.stdout.partition("[seen]\n")[2].splitlines())


@pytest.mark.parametrize("name", sorted(COMPLETE.keys() - {"MLFLOW_BACKEND_STORE_URI"}))
def test_a_missing_setting_is_named(name: str, tmp_path: Path) -> None:
    done = serve({key: value for key, value in COMPLETE.items() if key != name}, tmp_path)
    assert done.returncode == 2
    assert done.stderr.strip() == f"serve: {name} is not set; mlflow.env.example says what it is"


@pytest.mark.parametrize("name", PARTS)
def test_without_an_address_of_the_database_its_parts_are_needed(name: str, tmp_path: Path) -> None:
    given = {key: value for key, value in (COMPLETE | PARTS).items() if key != name}
    del given["MLFLOW_BACKEND_STORE_URI"]
    done = serve(given, tmp_path)
    assert done.returncode == 2
    assert done.stderr.strip() == f"serve: {name} is not set; mlflow.env.example says what it is"


def test_any_password_of_the_database_becomes_an_address_with_the_driver_that_the_image_has(
    tmp_path: Path,
) -> None:
    from sqlalchemy.engine import make_url

    given = COMPLETE | PARTS | {"POSTGRES_PORT": "5433"}
    del given["MLFLOW_BACKEND_STORE_URI"]
    address = seen(serve(given, tmp_path))["store"]

    url = make_url(address)
    assert url.drivername == "postgresql+psycopg2"
    assert "psycopg2-binary" in (FOLDER / "Containerfile").read_text()
    assert (url.username, url.password, url.host, url.port, url.database) == (
        "mlflow",
        PARTS["POSTGRES_PASSWORD"],
        "database",
        5433,
        "mlflow",
    )
    assert (tmp_path / "upgraded").read_text() == address


def test_without_users_is_said_and_not_guessed(tmp_path: Path) -> None:
    """A forgotten password must not open the server."""
    given = {key: value for key, value in COMPLETE.items() if key.split("_")[1] not in {"AUTH", "FLASK"}}
    assert serve(given, tmp_path / "forgotten").returncode == 2

    done = serve(given, tmp_path / "said", "--without-users")
    assert done.returncode == 0, done.stderr
    assert "basic-auth" not in done.stdout

    done = serve(given, tmp_path / "misspelt", "--no-users")
    assert done.returncode == 2
    assert "--no-users" in done.stderr


def test_jobs_and_telemetry_are_off_and_a_busy_worker_is_not_killed(tmp_path: Path) -> None:
    done = serve(COMPLETE, tmp_path)
    known = seen(done)
    assert known["jobs"] == "false"
    assert known["telemetry off"] == "true"
    assert "uvicorn --timeout-worker-healthcheck 60" in done.stdout
    assert "--workers\n2\n" in done.stdout


def test_a_short_password_is_refused_before_the_server_starts(tmp_path: Path) -> None:
    done = serve({**COMPLETE, "MLFLOW_AUTH_ADMIN_PASSWORD": "short"}, tmp_path)
    assert done.returncode == 2
    assert "fewer than 12 characters" in done.stderr


def test_arguments_hold_no_secret_and_users_live_in_the_same_database(tmp_path: Path) -> None:
    done = serve(COMPLETE, tmp_path)
    assert done.returncode == 0, done.stderr
    arguments, _, ini = done.stdout.partition("[seen]")[0].partition("[mlflow]")
    assert "basic-auth" in arguments
    assert "--serve-artifacts" in arguments
    for value in COMPLETE.values():
        assert value not in arguments
    assert COMPLETE["MLFLOW_AUTH_ADMIN_PASSWORD"] not in ini
    config = configparser.ConfigParser()
    config.read_string(f"[mlflow]{ini}")
    assert config["mlflow"]["database_uri"] == COMPLETE["MLFLOW_BACKEND_STORE_URI"]
    (kept,) = tmp_path.glob("*/auth.ini")
    assert kept.stat().st_mode & 0o077 == 0


def test_the_template_names_what_the_script_needs_and_holds_no_secret() -> None:
    lines = (FOLDER / "mlflow.env.example").read_text().splitlines()
    given = dict(line.split("=", 1) for line in lines if re.match(r"[A-Z_]+=", line))
    assert set(COMPLETE) - {"MLFLOW_BACKEND_STORE_URI"} <= set(given)
    assert set(PARTS) <= set(given)
    for name in given:
        if re.search(r"PASSWORD|SECRET|ACCESS_KEY", name):
            assert given[name] == "", name


def test_the_compose_file_starts_the_server_behind_the_database_and_closes_it_in() -> None:
    services = yaml.safe_load((FOLDER / "compose.yaml").read_text())["services"]
    assert services["mlflow"]["depends_on"]["database"]["condition"] == "service_healthy"
    assert services["mlflow"]["env_file"] == "mlflow.env"
    assert "ports" not in services["database"]
    assert all(port.startswith("127.0.0.1:") for port in services["mlflow"]["ports"])
    dockerfile = FOLDER.parents[1] / services["mlflow"]["build"]["dockerfile"]
    text = dockerfile.read_text()
    assert re.search(r"^USER (?!0|root)", text, flags=re.MULTILINE)
    for source in re.findall(r"^COPY (\S+)", text, flags=re.MULTILINE):
        assert (FOLDER.parents[1] / source).exists(), source
