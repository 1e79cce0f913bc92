"""The registered model, loaded and served by MLflow's own tools where AutoNAD is not: the same verdicts."""

from __future__ import annotations

import base64
import io
import json
import os
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any

import pytest
from dark_detector import CLASSES, dark_spec, export_dark, surface
from PIL import Image

from autonad.detector.engine import Detector
from autonad.detector.session import OnnxNetwork
from autonad.tracking.registry.model_files import model_folder

pytestmark = pytest.mark.slow
# Loads the model, judges the images of a table, and says where the code came from.
LOAD = """
import json, sys
import mlflow, pandas as pd
loaded = mlflow.pyfunc.load_model(sys.argv[1])
images = [open(path, "rb").read() for path in sys.argv[2:]]
answers = loaded.predict(pd.DataFrame({"image": images}))
import autonad
print(json.dumps([answers, autonad.__file__, sorted({n.split(".")[0] for n in sys.modules})]))
"""


@pytest.fixture(scope="module")
def images(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """Files as cameras write them: NG, REVIEW, OK, grey, turned, and one that is none."""
    folder = tmp_path_factory.mktemp("images")
    pictures = {
        "ng.png": Image.fromarray(surface((10, 10, 30, 50))),
        "review.png": Image.fromarray(surface((10, 10, 30, 50), level=62)),
        "ok.bmp": Image.fromarray(surface()),
        "grey.png": Image.fromarray(surface((3, 3, 20, 20), size=(100, 80))[..., 0]),
        "large.jpg": Image.fromarray(
            surface((5, 5, 90, 15), (200, 20, 230, 300), size=(300, 400), level=240)
        ),
    }
    for name, picture in pictures.items():
        picture.save(folder / name)
    turned = Image.Exif()
    turned[0x0112] = 6
    pictures["large.jpg"].save(folder / "turned.jpg", exif=turned)
    (folder / "none.png").write_bytes(b"no image")
    return sorted(folder.iterdir())


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("model")
    file = export_dark(folder / "model.onnx")
    content = io.BytesIO()
    Image.fromarray(surface((10, 10, 30, 50))).save(content, "PNG")
    return model_folder(folder / "mlflow", {"model.onnx": file}, content.getvalue())


@pytest.fixture(scope="module")
def expected(model: Path, images: list[Path]) -> list[dict[str, Any]]:
    """What the engine says."""
    from autonad.data.images import read_image
    from autonad.errors import DatasetError

    network = OnnxNetwork.open(model / "model.onnx", threads=1)
    detector = Detector(network.forward, network.spec, network.rules)
    answers = []
    for path in images:
        try:
            judged = detector.detect(read_image(path)).judgement
        except DatasetError:
            answers.append({"verdict": "UNREADABLE", "defects": []})
            continue
        defects = json.loads(json.dumps([defect.to_dict() for defect in judged.defects]))
        known = [{name: value for name, value in one.items() if value is not None} for one in defects]
        answers.append({"verdict": str(judged.verdict), "defects": known})
    assert {answer["verdict"] for answer in answers} == {"OK", "NG", "REVIEW", "UNREADABLE"}
    return answers


def elsewhere() -> dict[str, str]:
    """An environment that does not find this checkout."""
    return {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}


def without_reasons(answers: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [{"verdict": answer["verdict"], "defects": answer["defects"]} for answer in answers]


def test_it_is_loaded_without_autonad_and_says_what_the_engine_says(
    model: Path, images: list[Path], expected: list[dict[str, Any]], tmp_path: Path
) -> None:
    arguments = [sys.executable, "-P", "-c", LOAD, str(model), *map(str, images)]
    done = subprocess.run(arguments, capture_output=True, text=True, cwd=tmp_path, env=elsewhere())

    assert done.returncode == 0, done.stderr
    answers, code, loaded = json.loads(done.stdout.splitlines()[-1])
    assert without_reasons(answers) == expected
    assert Path(code).is_relative_to(model / "code")
    assert not {"torch", "cv2", "onnx", "kfp", "dvc"} & set(loaded)


def test_nothing_is_pickled_and_the_base_install_is_all_it_asks_for(model: Path) -> None:
    from autonad.deploy.pyfunc import IMAGE

    files = [path for path in model.rglob("*") if path.is_file()]

    assert not [path for path in files if path.suffix in {".pkl", ".pickle", ".joblib", ".pyc"}]
    asked = {line.partition("==")[0] for line in (model / "requirements.txt").read_text().split()}
    assert asked == {"mlflow", "numpy", "onnxruntime", "pillow", "pydantic", "pyyaml"}
    signature = json.loads(json.dumps((model / "MLmodel").read_text()))
    assert IMAGE in signature
    assert "loader_module: autonad.deploy.pyfunc" in signature
    assert sum(path.stat().st_size for path in (model / "code").rglob("*.py")) < 300_000


def test_a_table_without_images_is_refused_in_one_line() -> None:
    from autonad.data.pixels.scaling import ImageReading
    from autonad.deploy.pyfunc import RegisteredDetector
    from autonad.detector.rules import Rules
    from autonad.errors import DatasetError

    network = Detector(lambda images: images, dark_spec(), Rules.default(CLASSES))
    detector = RegisteredDetector(network, ImageReading())

    with pytest.raises(DatasetError, match="no column 'image'; give a table"):
        detector.predict({"picture": [b""]})
    (answer,) = detector.predict({"image": ["no base64!"]})
    assert answer["verdict"] == "UNREADABLE"
    assert "neither bytes nor base64" in answer["reason"]


@pytest.mark.acceptance
def test_it_is_served_by_mlflow(
    model: Path, images: list[Path], expected: list[dict[str, Any]], tmp_path: Path
) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    arguments = ["models", "serve", "-m", model, "-p", port, "--env-manager", "local", "-w", 1]
    with (tmp_path / "log").open("wb") as log:
        process = subprocess.Popen(
            [sys.executable, "-P", "-m", "mlflow", *map(str, arguments)],
            cwd=tmp_path,
            env=elsewhere() | {"PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}"},
            stdout=log,
            stderr=log,
        )
    try:
        ready(f"http://127.0.0.1:{port}/ping", process, tmp_path / "log")
        rows = [[base64.b64encode(path.read_bytes()).decode()] for path in images]
        table = {"columns": ["image"], "data": rows}
        answers = post(f"http://127.0.0.1:{port}/invocations", {"dataframe_split": table})
        example = json.loads((model / "serving_input_example.json").read_text())
        (shown,) = post(f"http://127.0.0.1:{port}/invocations", example)
    finally:
        process.terminate()
        process.wait(timeout=30)

    assert without_reasons(answers) == expected
    assert shown["verdict"] == "NG"


def ready(url: str, process: subprocess.Popen[bytes], log: Path) -> None:
    deadline = time.monotonic() + 120
    while time.monotonic() < deadline:
        assert process.poll() is None, log.read_text()
        try:
            with urllib.request.urlopen(url, timeout=5):
                return
        except (urllib.error.URLError, OSError):
            time.sleep(0.3)
    raise AssertionError(log.read_text())


def post(url: str, body: dict[str, Any]) -> Any:
    request = urllib.request.Request(
        url, json.dumps(body).encode(), headers={"Content-Type": "application/json"}
    )
    with urllib.request.urlopen(request, timeout=60) as answer:
        return json.loads(answer.read())["predictions"]
