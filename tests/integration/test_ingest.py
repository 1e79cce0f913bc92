"""Ingesting from a real object store through the command line: interrupted, doubled, hostile, refused."""

from __future__ import annotations

import io
import json
import os
import re
import shutil
import signal
import threading
import time
from collections import Counter
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from autonad.data.audit import audit_dataset
from autonad.data.dataset import Dataset
from autonad.data.synthetic.generator import synthesize
from autonad.locks import lock_file
from autonad.storage.store import Store

pytestmark = pytest.mark.slow
QUIET = ("--set", "tracking.enabled=false", "--set", "ingest.attempts=2")
CLASSES = ("crack", "blowhole")


def picture(seed: int, side: int = 64) -> np.ndarray:
    rng = np.random.default_rng(seed)
    coarse = Image.fromarray(rng.integers(0, 255, (9, 9), dtype=np.uint8))
    smooth = np.asarray(coarse.resize((side, side), Image.Resampling.BICUBIC)).astype(float)
    return np.clip(smooth + rng.normal(0, 5, (side, side)), 0, 255).astype(np.uint8)


def png(array: np.ndarray) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(array).save(buffer, "PNG")
    return buffer.getvalue()


def labels(value: int, side: int = 64) -> bytes:
    mask = np.zeros((side, side), np.uint8)
    mask[5:20, 10:40] = value
    return png(mask)


class Bucket:
    """A bucket with a batch."""

    def __init__(self, name: str) -> None:
        self.name, self._client = name, Store()._client
        self.url = f"s3://{name}/line/today"

    def put(self, key: str, content: bytes) -> None:
        self._client.put_object(Bucket=self.name, Key=f"line/today/{key}", Body=content)

    def fill(self, count: int, first: int = 0) -> None:
        for number in range(first, first + count):
            self.put(f"images/n{number:03d}.png", png(picture(1000 + number)))
            self.put(f"masks/n{number:03d}.png", labels(1 + number % 2))


@pytest.fixture
def batch(bucket: str) -> Bucket:
    return Bucket(bucket)


@pytest.fixture
def dataset(tmp_path: Path) -> Path:
    return synthesize(
        tmp_path / "dataset", num_images=30, size=(64, 64), classes=CLASSES, materials=("steel",)
    ).root


@pytest.fixture
def ingest(autonad, dataset):
    """Run the verb on the dataset; `code` is the exit code that is expected."""

    def ingest(batch: Bucket, *arguments: object, code: int = 0):
        return autonad(
            *("ingest", "--source", batch.url, "--dataset", dataset, *QUIET, *arguments),
            cwd=dataset.parent,
            code=code,
        )

    return ingest


def manifest(dataset: Path) -> pd.DataFrame:
    return Dataset.open(dataset).manifest.set_index("image")


def contents(root: Path) -> dict[str, bytes]:
    files = (path for path in root.rglob("*") if path.is_file())
    return {path.relative_to(root).as_posix(): path.read_bytes() for path in files}


def whole(dataset: Path) -> None:
    """Every file that the manifest names can be read, and the audit has no errors."""
    assert audit_dataset(dataset).has_errors is False


def complaint(done) -> str:
    lines = done.stderr.strip().splitlines()
    assert len(lines) == 1, done.stderr
    assert "autonad-secret" not in done.stderr + done.stdout
    return lines[0]


def test_a_batch_and_its_repeat(batch, dataset, ingest, s3_wire):
    batch.fill(10)
    before = manifest(dataset)
    done = ingest(batch, "--batch", "monday")
    assert "batch monday: 10 new images with masks" in done.stdout
    pd.testing.assert_frame_equal(manifest(dataset).loc[before.index], before)
    assert len(manifest(dataset)) == 40
    whole(dataset)
    state, reads = contents(dataset), len(s3_wire.reads)
    done = ingest(batch)
    assert "nothing new in s3://" in done.stdout
    assert "it is batch monday" in done.stdout
    assert contents(dataset) == state
    assert all("list-type=2" in path for path in s3_wire.reads[reads:])
    batch.fill(2, first=10)
    reads = len(s3_wire.reads)
    assert "2 new images with masks" in ingest(batch, "--batch", "monday").stdout
    assert sum("list-type=2" not in path for path in s3_wire.reads[reads:]) == 4
    batches = json.loads((dataset / "batches.json").read_text())
    assert [entry["name"] for entry in batches] == ["monday", "monday-2"]
    assert "autonad-secret" not in json.dumps(batches)


def test_unlabelled_images_get_their_masks_later(batch, dataset, ingest, s3_wire):
    for number in range(3):
        batch.put(f"images/n{number}.png", png(picture(1000 + number)))
    assert "0 new images with masks, 3 without" in ingest(batch).stdout
    batch.put("masks/n1.png", labels(2))
    reads = len(s3_wire.reads)
    assert "1 that now have their mask" in ingest(batch).stdout
    assert [p.rsplit("/", 1)[1] for p in s3_wire.reads[reads:] if "list-type=2" not in p] == ["n1.png"]
    assert sorted(manifest(dataset)["split"].value_counts().index) == ["test", "train", "unlabelled", "val"]
    whole(dataset)


def test_killed_and_repeated_nothing_comes_twice_and_nothing_is_lost(
    batch, dataset, start_autonad, ingest, s3_wire, tmp_path
):
    batch.fill(60)
    reference = Path(shutil.copytree(dataset, tmp_path / "reference"))
    before = Dataset.open(dataset).fingerprint
    connections = 4
    command = [
        *("ingest", "--source", batch.url, "--dataset", dataset, *QUIET, "--batch", "b"),
        *("--set", f"ingest.connections={connections}"),
    ]
    for kill in range(3):
        begun = len(s3_wire.reads)
        process = start_autonad(*command, cwd=tmp_path)
        deadline = time.monotonic() + 60
        while len(s3_wire.reads) < begun + 15 + 6 * kill and process.poll() is None:
            assert time.monotonic() < deadline
            time.sleep(0.002)
        process.send_signal(signal.SIGKILL)
        process.communicate()
        assert process.returncode == -signal.SIGKILL
        assert Dataset.open(dataset).fingerprint == before
        assert contents(dataset / "images") == contents(reference / "images")
    ingest(batch, "--batch", "b")
    assert len(manifest(dataset)) == 90
    whole(dataset)
    asked = Counter(path for path in s3_wire.reads if "list-type=2" not in path)
    assert len(asked) == 120
    # What was under way when the process died comes again, and nothing else.
    assert sum(asked.values()) - 120 <= 3 * connections
    ingest(Bucket(batch.name), "--dataset", reference, "--batch", "b")
    found, wanted = contents(dataset), contents(reference)
    for held in (found, wanted):
        assert held.pop("audit.html")  # its title is the folder's name
    assert found == wanted


def test_a_connection_that_keeps_dropping_and_then_recovers(batch, dataset, ingest, s3_wire):
    batch.fill(12)
    before = contents(dataset)
    s3_wire.drop = lambda path: 40 if "n005" in path else None
    message = complaint(ingest(batch, code=2))
    assert "broke off while s3://" in message
    assert "repeat the command" in message
    state = contents(dataset)
    assert {name: state[name] for name in before} == before
    assert all(name.startswith(".ingest/") for name in state.keys() - before.keys())
    s3_wire.drop = lambda path: None
    reads = len(s3_wire.reads)
    assert "12 new images with masks" in ingest(batch).stdout
    assert sum("list-type=2" not in path for path in s3_wire.reads[reads:]) < 24
    whole(dataset)
    assert not (dataset / ".ingest").exists()


def test_two_ingests_at_once(batch, dataset, start_autonad, ingest, s3_wire, tmp_path):
    batch.fill(4)
    hold, held = threading.Event(), threading.Event()

    def wait(path: str) -> None:
        if "n002" in path:
            held.set()
            assert hold.wait(60)

    s3_wire.drop = wait
    first = start_autonad("ingest", "--source", batch.url, "--dataset", dataset, *QUIET, cwd=tmp_path)
    try:
        assert held.wait(60)
        message = complaint(ingest(batch, code=2))
        assert re.search(
            rf"is being written by \S+ on \S+ \(process {first.pid}\) since 20\S+: autonad ingest", message
        )
    finally:
        hold.set()
    assert first.wait(60) == 0, first.stderr.read()
    first.stderr.close()
    assert len(manifest(dataset)) == 34
    assert "nothing new" in ingest(batch).stdout


def test_a_lock_of_a_dead_process_does_not_block(batch, dataset, ingest):
    batch.fill(1)
    lock_file(dataset).write_text('{"host": "h", "pid": 1, "user": "u", "since": "s"}')
    ingest(batch)
    assert len(manifest(dataset)) == 31


HOSTILE = ("../../evil.png", "images/../../evil.png", "/etc/evil.png", "images\\..\\evil.png", "C:/evil.png")


def test_hostile_keys_are_named_and_never_asked_for(batch, dataset, ingest, s3_wire, tmp_path):
    batch.fill(2)
    batch.put("images/nul\x00.png", png(picture(1)))
    entries = "".join(
        f"<Contents><Key>line/today/{key}</Key><LastModified>2025-01-01T00:00:00.000Z</LastModified>"
        f"<ETag>{'0' * 32}</ETag><Size>10</Size></Contents>"
        for key in HOSTILE
    ).encode()
    s3_wire.rewrite = lambda body: body.replace(b"</ListBucketResult>", entries + b"</ListBucketResult>")
    outside = contents(tmp_path).keys()
    done = ingest(batch, code=1)
    assert "… and 1 more, 6 in all" in done.stdout
    faults = pd.read_csv(dataset / "faults.csv")
    errors = faults.loc[faults["kind"] == "unsafe-name", "item"].tolist()
    assert len(errors) == len(HOSTILE) + 1
    for key in HOSTILE:
        assert any(key in item for item in errors), key
    assert "6 errors were found" in done.stderr
    assert not any("evil" in path for path in s3_wire.reads)
    assert {n for n in contents(tmp_path).keys() - outside if not n.startswith("dataset/")} == set()
    assert len(manifest(dataset)) == 32
    reasons = pd.read_csv(dataset / "quarantine/reasons.csv", keep_default_na=False)
    assert len(reasons) == 6
    assert "nothing new" in ingest(batch).stdout


def test_truncated_and_hostile_images_and_masks_of_other_sizes(batch, dataset, ingest):
    batch.fill(3)
    batch.put("images/n000.png", png(picture(1))[:500])
    batch.put("images/n001.png", b"GIF89a" + bytes(range(1, 5)) + b"\xff" * 300)
    batch.put("masks/n002.png", labels(1, side=60))
    batch.put("images/empty.png", b"")
    batch.put("images/large.png", os.urandom(2**21))
    batch.put("images/good.png", png(picture(7)))
    batch.put("masks/good.png", labels(1))
    batch.put("notes.pdf", b"%PDF")
    done = ingest(batch, "--batch", "b", "--set", "data.max_megabytes=1", code=1)
    for item, word in (
        ("n000", "damaged"),
        ("n001", "damaged"),
        ("n002", "60 × 60"),
        ("empty", "empty"),
        ("large", "2 MiB"),
    ):
        assert any(f"images/{item}" in line and word in line for line in done.stdout.splitlines()), item
    assert "1 files in formats that are not read: notes.pdf" in done.stdout
    assert "5 errors were found, named above" in done.stderr
    assert len(manifest(dataset)) == 31
    assert len(list((dataset / "quarantine").iterdir())) >= 7
    whole(dataset)


def test_a_bucket_that_is_missing(batch, dataset, ingest):
    before = contents(dataset)
    batch.url = "s3://nobody-has-this/x"
    assert "there is no such bucket" in complaint(ingest(batch, code=2))
    assert contents(dataset) == before


def test_a_bucket_that_refuses(batch, dataset, ingest, s3_wire):
    before = contents(dataset)
    s3_wire.deny = True
    assert "denies access; ask its owner" in complaint(ingest(batch, code=2))
    assert contents(dataset) == before


@pytest.mark.parametrize("name", ["AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"])
def test_wrong_credentials(batch, ingest, monkeypatch, name):
    monkeypatch.setenv(name, "wrong-value")
    message = complaint(ingest(batch, code=2))
    assert "does not accept the credentials" in message
    assert "wrong-value" not in message


def test_no_credentials(batch, ingest, monkeypatch):
    monkeypatch.delenv("AWS_ACCESS_KEY_ID")
    monkeypatch.delenv("AWS_SECRET_ACCESS_KEY")
    assert "there are no credentials; set AWS_ACCESS_KEY_ID" in complaint(ingest(batch, code=2))


@pytest.mark.parametrize(
    ("url", "text"),
    [
        ("s3://k:autonad-secret@bucket/x", "carries credentials"),
        ("http://bucket/x", "write s3://bucket"),
        ("missing-folder", "does not exist"),
    ],
)
def test_sources_that_are_none(batch, ingest, url, text):
    batch.url = url
    assert text in complaint(ingest(batch, code=2))


def test_an_empty_prefix_and_a_folder_that_is_no_dataset(batch, dataset, ingest, tmp_path):
    assert "holds no files" in complaint(ingest(batch, code=2))
    assert not (dataset / ".ingest").exists()
    batch.fill(1)
    (tmp_path / "nothing").mkdir()
    assert "is no dataset" in complaint(ingest(batch, "--dataset", tmp_path / "nothing", code=2))
    assert not any((tmp_path / "nothing").iterdir())


def test_the_run_in_mlflow_has_counts_and_fingerprints(batch, dataset, autonad, tmp_path):
    batch.fill(3)
    before = Dataset.open(dataset).fingerprint
    autonad("ingest", "--source", batch.url, "--dataset", dataset, "--batch", "b", cwd=tmp_path)
    import mlflow

    found = mlflow.MlflowClient(f"sqlite:///{tmp_path}/mlflow.db").search_runs(["1"])
    assert len(found) == 1
    assert found[0].data.metrics["batch/images"] == 3
    tags = found[0].data.tags
    assert (tags["batch"], tags["dataset.before"]) == ("b", before)
    assert tags["dataset.fingerprint"] == Dataset.open(dataset).fingerprint != before
