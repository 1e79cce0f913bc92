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


def serve(environment: dict[str, str], scratch: Path) -> subprocess.CompletedProcess[str]:
    """Run the script with an `mlflow` that only tells how it was called."""
    fake = scratch / "mlflow"
    fake.write_text('#!/bin/sh\nprintf "%s\\n" "$@"\ncat "$MLFLOW_AUTH_CONFIG_PATH"\n')
    fake.chmod(0o755)
    path = f"{scratch}{os.pathsep}{os.environ['PATH']}"
    return subprocess.run(
        [FOLDER / "serve"],
        env={"PATH": path, "TMPDIR": str(scratch), **environment},
        capture_output=True,
        text=True,
    )


@pytest.mark.parametrize("name", COMPLETE)
def test_a_missing_setting_is_named(name: str, tmp_path: Path) -> None:
    done = serve({key: value for key, value in COMPLETE.items() if key != name}, tmp_path)
    assert done.returncode == 2
    assert done.stderr.strip() == f"serve: {name} is not set; mlflow.env.example says what it is"


def test_a_short_password_is_refused_before_the_server_starts(tmp_path: Path) -> None:
    done = serve({**COMPLETE, "MLFLOW_AUTH_ADMIN_PASSWORD": "short"}, tmp_path)
    assert done.returncode == 2
    assert "fewer than 12 characters" in done.stderr


def test_arguments_hold_no_secret_and_users_live_in_the_same_database(tmp_path: Path) -> None:
    done = serve(COMPLETE, tmp_path)
    assert done.returncode == 0, done.stderr
    arguments, _, ini = done.stdout.partition("[mlflow]")
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
    assert set(COMPLETE) <= set(given)
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
