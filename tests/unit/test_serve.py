"""`autonad serve` as a process: what it imports, how it begins and ends, a kill in the middle."""

from __future__ import annotations

import json
import signal
import socket
import subprocess
import sys
from pathlib import Path

import pytest
from dark_detector import export_dark, surface
from live_service import png, serving

GOOD = png(surface((10, 20, 14, 50)))
HEADERS = {"Content_Type": "image/png"}


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return export_dark(tmp_path_factory.mktemp("model") / "model.onnx")


def refused(*options: str) -> str:
    """What the command says before it ends with exit code 2."""
    command = [sys.executable, "-m", "autonad.cli", "serve", *options]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60)
    assert done.returncode == 2, done.stderr
    assert len(done.stderr.splitlines()) == 1
    return done.stderr


def test_it_answers_and_ends_when_it_is_asked_to(model: Path) -> None:
    with serving(model) as service:
        assert service.ask("POST", "/detect", GOOD, **HEADERS).json()["verdict"] == "NG"
        assert service.process is not None
        service.process.send_signal(signal.SIGTERM)
        _, err = service.process.communicate(timeout=30)

    assert (service.process.returncode, err) == (0, "")


def test_a_file_needs_no_heavy_library(model: Path) -> None:
    code = f"""
import json, os, signal, sys, threading, urllib.request
from autonad.cli import main
from autonad.service import serving

make = serving.make_server
def ask(address):
    request = urllib.request.Request(address + "/detect?overlay=inline", open(sys.argv.pop(), "rb").read())
    request.add_header("Content-Type", "image/png")
    verdict = json.load(urllib.request.urlopen(request))["verdict"]
    names = sorted({{name.split(".")[0] for name in sys.modules}})
    print(json.dumps([verdict, names]), file=sys.stderr)
    os.kill(os.getpid(), signal.SIGTERM)

address_of = serving.address_of
def told(listening):
    threading.Thread(target=ask, args=[address_of(listening)]).start()
    return address_of(listening)
serving.address_of = told
sys.argv[1:] = ["serve", "--model", {str(model)!r}, "--port", "0", *sys.argv[1:]]
image = sys.argv.pop()
arguments, sys.argv = sys.argv, sys.argv[:]
sys.argv.append(image)
import autonad.cli.entry as entry
entry.app(arguments[1:], standalone_mode=False)
"""
    image = model.with_name("a.png")
    image.write_bytes(GOOD)
    done = subprocess.run(
        [sys.executable, "-c", code, str(image)], capture_output=True, text=True, timeout=120
    )

    verdict, loaded = json.loads(done.stderr.splitlines()[-1])
    assert verdict == "NG"
    assert "onnxruntime" in loaded
    heavy = {
        "torch",
        "mlflow",
        "kfp",
        "dvc",
        "pandas",
        "cv2",
        "scipy",
        "sklearn",
        "matplotlib",
        "onnx",
        "boto3",
    }
    assert not heavy & set(loaded)


HALF = (
    b"POST /detect HTTP/1.1\r\nHost: x\r\nContent-Type: multipart/form-data; boundary=b\r\n"
    b"Content-Length: 9000000\r\n\r\n--b\r\n"
    b'Content-Disposition: form-data; name="image"; filename="a.png"\r\n\r\n'
)


def test_killed_in_the_middle_it_leaves_no_file(model: Path, tmp_path: Path) -> None:
    with (
        serving(model, TMPDIR=str(tmp_path)) as service,
        socket.create_connection(("127.0.0.1", service.port)) as connection,
    ):
        connection.sendall(HALF + bytes(5_000_000))
        while "autonad_requests_in_flight 2.0" not in service.ask("GET", "/metrics").content.decode():
            pass
        assert list(tmp_path.iterdir()) == []
        assert service.process is not None
        service.process.kill()
        service.process.wait()

    assert list(tmp_path.iterdir()) == []


def test_what_cannot_be_served_is_said_in_one_line(model: Path, tmp_path: Path) -> None:
    wrong = tmp_path / "rules.yaml"
    wrong.write_text("classes: {rust: {}}")
    (tmp_path / "text.onnx").write_text("no model")
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        assert "choose another with --host and --port" in refused("--model", str(model), "--port", port)
    base = ("--port", "0", "--model")
    assert "cannot be read" in refused(*base, str(tmp_path / "none.onnx"))
    assert "cannot be opened as ONNX" in refused(*base, str(tmp_path / "text.onnx"))
    assert "knows no class" in refused(*base, str(model), "--rules", str(wrong))
    assert "write models:/NAME@ALIAS" in refused(*base, "models:/steel")
    assert "no header can" in refused(*base, str(model), "--token", "pass word")


def test_the_token_comes_from_the_environment(model: Path) -> None:
    with serving(model, AUTONAD_TOKEN="s3cret") as service:
        assert service.ask("POST", "/detect", GOOD, **HEADERS).status == 401
        given = {**HEADERS, "Authorization": "Bearer s3cret"}
        assert service.ask("POST", "/detect", GOOD, **given).status == 200
