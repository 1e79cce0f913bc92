"""`autonad detect` as a process: what it imports, its exit codes, and a kill at any moment."""

from __future__ import annotations

import json
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from base_install import ALONE
from dark_detector import export_dark, save, surface

MAIN = "from autonad.cli import main; main()"


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return export_dark(tmp_path_factory.mktemp("model") / "model.onnx")


def command(model: Path, source: Path, output: Path, *options: str) -> list[str]:
    paths = ["--model", model, "--source", source, "--output", output]
    return ["detect", *map(str, paths), *options]


def ran(*arguments: str, code: str = MAIN) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, "-c", code, *arguments], capture_output=True, text=True)


def test_it_needs_the_base_install_alone(model: Path, tmp_path: Path) -> None:
    save(tmp_path / "images" / "a.png", surface((10, 20, 14, 50)))

    keep = ("--keep", str(tmp_path / "kept"))
    done = ran(*command(model, tmp_path / "images", tmp_path / "out"), *keep, code=ALONE)

    assert done.returncode == 0, done.stderr
    assert "1 NG" in done.stdout
    assert "1 kept for labelling" in done.stdout
    loaded = set(json.loads(done.stderr.splitlines()[-1]))
    assert "onnxruntime" in loaded
    assert not loaded & {
        "torch",
        "mlflow",
        "kfp",
        "dvc",
        "pandas",
        "cv2",
        "scipy",
        "onnx",
        "boto3",
        "matplotlib",
    }


def test_a_bucket_without_boto3_says_what_to_install(model: Path, tmp_path: Path) -> None:
    done = ran(*command(model, Path("x"), tmp_path / "out"), "--source", "s3://bucket/line", code=ALONE)

    assert done.returncode == 2
    assert re.match(
        r"error: this verb needs boto(3|core), .* install everything with `pip install", done.stderr
    )


def test_what_is_not_read_is_summed_up(model: Path, tmp_path: Path) -> None:
    save(tmp_path / "images" / "a.png", surface())
    (tmp_path / "images" / "b.gif").write_bytes(b"GIF89a")
    (tmp_path / "images" / "notes.txt").touch()

    done = ran(*command(model, tmp_path / "images", tmp_path / "out"))

    assert done.returncode == 1
    assert "b.gif: .gif is a format that is not read" in done.stderr
    assert "1 other files are no images" in done.stdout


def test_exit_codes_tell_faulty_images_from_wrong_requests(model: Path, tmp_path: Path) -> None:
    save(tmp_path / "images" / "a.png", surface())
    (tmp_path / "images" / "b.png").write_text("no image")

    faulty = ran(*command(model, tmp_path / "images", tmp_path / "out"))
    wrong = ran(*command(tmp_path / "none.onnx", tmp_path / "images", tmp_path / "out2"))

    assert faulty.returncode == 1, faulty.stderr
    assert "1 OK" in faulty.stdout
    assert faulty.stderr.startswith("note: 1 images could not be read: image ")
    assert wrong.returncode == 2
    assert wrong.stderr.startswith("error: there is no exported network at ")
    assert len(wrong.stderr.splitlines()) == 1


def contents(folder: Path) -> dict[str, bytes]:
    files = (path for path in folder.rglob("*") if path.suffix in {".png", ".jpg", ".csv"})
    return {str(path.relative_to(folder)): path.read_bytes() for path in files}


def test_killed_and_repeated_is_never_killed(model: Path, tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    for number in range(80):
        noise = rng.integers(0, 40, (300, 300, 1), dtype=np.uint8)
        save(
            tmp_path / "images" / f"{number}.png",
            surface((number, 5, number + 20, 200), size=(300, 300)) + noise,
        )
    assert ran(*command(model, tmp_path / "images", tmp_path / "whole")).returncode == 0
    output = tmp_path / "killed"
    arguments = [sys.executable, "-m", "autonad.cli", *command(model, tmp_path / "images", output)]

    process = subprocess.Popen(arguments, stdout=subprocess.DEVNULL)
    journal = output / "finished.jsonl"
    while not journal.is_file() or journal.read_bytes().count(b"\n") < 12:
        assert process.poll() is None
        time.sleep(0.002)
    process.send_signal(signal.SIGKILL)
    process.wait()
    done = journal.read_bytes().count(b"\n") - 1
    assert 0 < done < 80
    again = ran(*command(model, tmp_path / "images", output))

    assert again.returncode == 0, again.stderr
    assert f"{done} were done before" in again.stdout
    assert contents(output) == contents(tmp_path / "whole")


def test_watching_ends_when_it_is_asked_to(model: Path, tmp_path: Path) -> None:
    save(tmp_path / "images" / "a.png", surface((1, 1, 9, 9)))
    output = tmp_path / "out"
    arguments = [sys.executable, "-m", "autonad.cli", *command(model, tmp_path / "images", output, "--watch")]

    process = subprocess.Popen(arguments, stdout=subprocess.PIPE, text=True)
    while not (output / "masks" / "a.png").is_file():
        assert process.poll() is None
        time.sleep(0.02)
    process.send_signal(signal.SIGTERM)
    out, _ = process.communicate(timeout=60)

    assert process.returncode == 0
    assert "1 NG" in out
