"""Files that the product wrote itself, small and whole, and what reads each of them."""

from __future__ import annotations

import json
import shutil
from base64 import b64encode
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pandas as pd
import torch
from dark_detector import CLASSES, export_dark, save, surface
from torch import nn
from toy_candidates import drawn

from autonad.appearance.last_search import read_last_search
from autonad.appearance.pin import Pin, newer_rows
from autonad.appearance.pinning import calibration_note, make_pin
from autonad.config import Config
from autonad.data.annotations.documents import read_yaml_file
from autonad.data.dataset import Dataset
from autonad.data.fingerprints import FINGERPRINTS, fingerprint_table, fingerprints_of
from autonad.data.ingest.changes import recover
from autonad.data.ingest.ledger import BATCHES, INGESTED, Batch, Known, Ledger, read_batches
from autonad.data.synthetic.generator import synthesize
from autonad.deploy.pyfunc import _load_pyfunc
from autonad.deploy.shipped import ShippedNetwork
from autonad.detector.finished import Finished
from autonad.detector.kept import Remembered, read_predicted, save_predicted
from autonad.detector.rules import Rules
from autonad.detector.spec import DetectorSpec
from autonad.errors import ConfigError, StorageError
from autonad.evaluation.candidates import Candidates
from autonad.evaluation.choosing import Goal
from autonad.evaluation.image_level import ImageVerdict
from autonad.evaluation.line_result import fit_line
from autonad.evaluation.operating import split_figures
from autonad.evaluation.result import PER_IMAGE, EvaluationResult, write_evaluation
from autonad.files import write_json, write_text_atomic
from autonad.kubeflow.display import show_evaluations, show_rules, show_summary
from autonad.latency.prior import is_uniform, load_prior, prior_from_table, prior_matrix, save_prior
from autonad.latency.sums import calibrate
from autonad.latency.table import COLUMNS, LatencyTable
from autonad.latency.target import Target
from autonad.network import AutoNADNet, SuperNet
from autonad.reading.bounds import Unreadable
from autonad.reading.table_checks import read_table
from autonad.report.content import read_inputs, training_history
from autonad.report.run_page import RunReport, render_page
from autonad.search.ask_tell import evolve
from autonad.search.evolution import Evolution
from autonad.search.pareto import front
from autonad.search.progress import by_generation
from autonad.search.ranking import Evaluation
from autonad.search.resuming import resume_from
from autonad.service.examining import parse_rules
from autonad.service.limits import Refusal
from autonad.space import SearchSpace
from autonad.steps.register import smaller
from autonad.steps.shipped_rules import shipped_rules
from autonad.steps.variants import ALONE
from autonad.storage.journal import Journal
from autonad.tracking.history.run_report import read_decision, read_registration
from autonad.tracking.runs.metric_queue import read_points
from autonad.training import folders, timing
from autonad.training.checkpoint import Checkpoints, Progress, load_weights

from . import answers, requests
from .artefact import Artefact


def build(root: Path) -> dict[str, Artefact]:
    """Write one of each file into a folder.

    Returns:
        Each by the kind that it is called.
    """
    rng = np.random.default_rng(0)
    found: dict[str, Artefact] = {}
    for part in (_dataset, _latency, _trained, _searched, _judged, _shipped):
        found |= part(root, rng)
    for other in (answers, requests):
        found |= other.build(root)
    return found


def _dataset(root: Path, rng: np.random.Generator) -> dict[str, Artefact]:
    """A dataset with what an ingest leaves beside it, and its pin."""
    place = root / "dataset"
    dataset = synthesize(place, num_images=12, size=(32, 32), classes=("crack", "stain"))
    with ThreadPoolExecutor(1) as pool:
        prints = fingerprints_of(dataset, pool)
    names = dict(zip(dataset.manifest["image"], prints, strict=True))
    fingerprint_table(dataset.manifest, names).to_parquet(place / FINGERPRINTS, index=False)
    known = [Known(f"k{n}", "e", "b", "image", image) for n, image in enumerate(dataset.manifest["image"])]
    Ledger(known).table().to_parquet(place / INGESTED, index=False)
    batches = [
        Batch(f"b{n}", "2026-01-02", "s3://line/b", "ab", images=6, labelled=6).to_dict() for n in range(2)
    ]
    write_json(place / BATCHES, batches)
    journal = {"manifest": "0" * 64, "added": {}, "retired": {}}
    write_json(root / "interrupted/.ingest/journal.json", journal)
    settings = Config().decide.model_copy(update={"permutations": 100, "calibration_draws": 4})
    make_pin(dataset, settings, 0, lambda line: None).save(root / "pin")

    def opened(folder: Path) -> object:
        found = Dataset.open(folder / "dataset")
        return found.fingerprint, found.split("train"), found.image_reading

    def prints_of(folder: Path) -> object:
        with ThreadPoolExecutor(1) as pool:
            return fingerprints_of(Dataset.open(folder / "dataset"), pool)

    def recovered(folder: Path) -> None:
        place = folder / "interrupted"
        for name in ("manifest.parquet", "classes.json"):
            shutil.copy(folder / "dataset" / name, place / name)
        recover(place)

    def pinned(folder: Path) -> object:
        pin = Pin.load(folder / "pin")
        return pin.shown, calibration_note(pin), newer_rows(Dataset.open(folder / "dataset"), pin)

    return {
        "manifest": Artefact("dataset/manifest.parquet", "parquet", opened),
        "class-names": Artefact("dataset/classes.json", "json", opened),
        "fingerprints": Artefact(f"dataset/{FINGERPRINTS}", "parquet", prints_of),
        "ledger": Artefact(
            f"dataset/{INGESTED}", "parquet", lambda folder: Ledger.open(folder / "dataset").table()
        ),
        "batches": Artefact(f"dataset/{BATCHES}", "json", lambda folder: read_batches(folder / "dataset")),
        "ingest-journal": Artefact("interrupted/.ingest/journal.json", "json", recovered),
        "pin": Artefact("pin/pin.json", "json", pinned),
        "pin-manifest": Artefact("pin/manifest.parquet", "parquet", pinned),
        "pin-features": Artefact("pin/features.parquet", "parquet", pinned),
    }


def _latency(root: Path, rng: np.random.Generator) -> dict[str, Artefact]:
    """A target, what was measured for it, and the prior."""
    place, space = root / "latency", SearchSpace.preset("tiny")
    target = Target.describe("line", threads=1)
    target.save(place / "target.json")
    rows = [
        {
            "part": "block",
            "stage": stage,
            "block": block,
            "operator": name,
            "kernel": kernel,
            "width": 16,
            "ffn_ratio": 1.0,
            "resolution": 0.25,
            "ms": 0.1 + rng.random(),
            "n": 3,
            "spread": 0.1,
            "stderr": 0.1,
        }
        for stage in range(4)
        for block in range(2)
        for name, kernel in (("shift", None), ("attention", None), ("convolution", 3))
    ]
    table = pd.DataFrame(rows).reindex(columns=list(COLUMNS))
    calibration = calibrate([("a", 1.0, 2.0), ("b", 2.0, 3.9), ("c", 3.0, 6.2)])
    context = {
        "target": target.model_dump(),
        "space": space.key,
        "input_size": [32, 32],
        "quality": {"faults": []},
    }
    latency = LatencyTable(table, "profile", calibration, context)
    latency.save(place / "table.parquet")
    save_prior(prior_from_table(latency), place / "prior.json")

    def read(folder: Path) -> object:
        found = LatencyTable.load(folder / "latency/table.parquet")
        found.check_made_for(space.key, (32, 32), target)
        return found.cautions, found.operator_costs(), prior_from_table(found)

    def prior(folder: Path) -> object:
        found = load_prior(folder / "latency/prior.json")
        return prior_matrix(found.blocks), is_uniform(found), space.sample(np.random.default_rng(0), found)

    return {
        "target": Artefact(
            "latency/target.json", "json", lambda f: Target.load(f / "latency/target.json").hardware_key
        ),
        "latency-table": Artefact("latency/table.parquet", "parquet", read),
        "prior": Artefact("latency/prior.json", "json", prior),
    }


def _trained(root: Path, rng: np.random.Generator) -> dict[str, Artefact]:
    """A supernet, a model, a checkpoint."""
    space = SearchSpace.preset("tiny")
    spec = DetectorSpec(CLASSES, 32, 32, True, (0.5,) * 3, (0.2,) * 3)
    torch.manual_seed(0)
    architecture = space.smallest()
    record = {"step": 1, "key": architecture.key, "architecture": architecture.to_json(), "ms": 1.5}
    record |= {"batch": 2, "height": 32, "width": 32, "device": "cpu"}
    records, history = pd.DataFrame([record] * 3), [{"epoch": 1.0, "train/loss": 0.5, "val/miou": 0.4}]
    folders.save_supernet(
        root / "supernet", SuperNet(space, 3, "cross"), spec, records=records, history=history, provenance={}
    )
    folders.save_model(
        root / "model", AutoNADNet(architecture, 3), spec, history=history, provenance={"hardware_key": "ab"}
    )
    (root / "records.jsonl").write_text("\n".join([json.dumps(record)] * 3) + "\n")
    module = nn.Linear(3, 2)
    optimizer = torch.optim.AdamW(module.parameters())
    module(torch.ones(1, 3)).sum().backward()
    optimizer.step()
    progress = Progress(1, 2, 0.5, 1, [{"epoch": 1.0}])
    checkpoints = Checkpoints(root / "checkpoint", {"run": 1})
    checkpoints.save_best(1, module)
    checkpoints.save(progress, module, optimizer, {"ema": torch.ones(3)})

    def restored(folder: Path) -> None:
        module = nn.Linear(3, 2)
        optimizer = torch.optim.AdamW(module.parameters())
        checkpoints = Checkpoints(folder / "checkpoint", {"run": 1})
        checkpoints.resumes("or-restart")
        checkpoints.restore(module, optimizer)
        module(torch.ones(1, 3)).sum().backward()
        optimizer.step()

    def supernet(folder: Path) -> object:
        return folders.load_supernet(folder / "supernet")

    def model(folder: Path) -> object:
        return folders.load_model(folder / "model")

    def rewound(folder: Path) -> object:
        found = timing.LatencyRecords(folder / "records.jsonl")
        found.rewind(5)
        return found.table()

    step = "checkpoint/step-00000002"
    return {
        "supernet": Artefact("supernet/supernet.json", "json", supernet),
        "supernet-weights": Artefact("supernet/supernet.safetensors", "safetensors", supernet),
        "records": Artefact(
            "supernet/records.parquet",
            "parquet",
            lambda folder: timing.read_records(folder / "supernet/records.parquet"),
        ),
        "model": Artefact("model/model.json", "json", model),
        "architecture": Artefact("model/architecture.json", "json", model),
        "model-weights": Artefact("model/model.safetensors", "safetensors", model),
        "history": Artefact(
            "model/history.parquet",
            "parquet",
            lambda folder: training_history(folder / "model/history.parquet"),
        ),
        "record-lines": Artefact("records.jsonl", "lines", rewound),
        "checkpoint": Artefact("checkpoint/latest.json", "json", restored),
        "checkpoint-model": Artefact(f"{step}/model.safetensors", "safetensors", restored),
        "checkpoint-optimizer": Artefact(f"{step}/optimizer.safetensors", "safetensors", restored),
        "checkpoint-random": Artefact(f"{step}/random.safetensors", "safetensors", restored),
        "checkpoint-extra": Artefact(f"{step}/extra.safetensors", "safetensors", restored),
    }


def _search() -> Evolution:
    settings = Config().search.model_copy(update={"population": 4, "generations": 2, "top_k": 2})
    return Evolution(SearchSpace.preset("tiny"), settings=settings)


def _searched(root: Path, rng: np.random.Generator) -> dict[str, Artefact]:
    """A search that ended, and the journal of one that was cut off."""
    place, search = root / "search", _search()
    journal = Journal(place / "journal.jsonl")
    journal.begin({"inputs": {"supernet": "ab"}})
    evolve(
        search,
        lambda architecture: Evaluation(architecture, float(rng.random()), 1 + float(rng.random())),
        keep=journal.append,
        finished=lambda: None,
    )
    search.table().to_parquet(place / "population.parquet", index=False)
    torch.manual_seed(0)
    spec = DetectorSpec(CLASSES, 32, 32, True, (0.5,) * 3, (0.2,) * 3)
    network = AutoNADNet(search.best.architecture, 3)
    measured = {"measured_ms": 1.5, "predicted_ms": 1.4, "p95_ms": 1.7, "std_ms": 0.1, "n": 9, "warmup": 3}
    settings = {"latency_budget_ms": 5.0, "search": {}, "supernet": {}}
    facts = {
        "target": "line",
        "hardware_key": "ab",
        "pin_key": None,
        "settings": settings,
        "spec": spec.to_dict(),
    }
    finalists = [{"key": network.architecture.key, **measured}]
    folders.save_search(place, network, {**facts, "finalists": finalists, "latency_budget_ms": 5.0})

    def found(folder: Path) -> object:
        place = folder / "search"
        return (
            read_last_search(place),
            folders.searched_for(place),
            folders.load_search_spec(place),
            read_inputs(place, folder / "latency"),
        )

    def population(folder: Path) -> object:
        inputs = read_inputs(folder / "search", None)
        assert inputs.population is not None
        return by_generation(inputs.population), front(inputs.population)

    return {
        "search": Artefact("search/search.json", "json", found),
        "population": Artefact("search/population.parquet", "parquet", population),
        "inherited": Artefact(
            "search/inherited.safetensors",
            "safetensors",
            lambda folder: load_weights(folder / "search/inherited.safetensors", "the weights"),
        ),
        "search-journal": Artefact(
            "search/journal.jsonl",
            "lines",
            lambda folder: resume_from(
                _search(), Journal(folder / "search/journal.jsonl"), {"supernet": "ab"}, restart=False
            ),
        ),
    }


def _judged(root: Path, rng: np.random.Generator) -> dict[str, Artefact]:
    """An evaluation, chosen rules, an export's latency and a registration."""
    place, names = root / "evaluation", ("background", "crack", "hole")
    matrices = rng.integers(1, 90, (6, 3, 3))
    verdicts = tuple(ImageVerdict((9, 3, 0), (9, 2, 0), ()) for _ in range(6))
    images = tuple(f"i{n}.png" for n in range(6))
    result = EvaluationResult(
        names, images, images, ((32, 32),) * 6, matrices, matrices, verdicts, {"weights_sha256": "ab"}
    )
    write_evaluation(place, result.metrics(resamples=100), result.per_image())
    write_json(
        place / "roc.json",
        {"false_alarm_rate": [0.0, 1.0], "detection_rate": [0.0, 1.0], "threshold": [1.0, 0.0]},
    )
    val, test = (drawn(seed, clean=60, defective=60) for seed in (0, 1))
    fit_line(
        {"val": val, "test": test}, Goal("overkill", 0.05, 0.1, 0.95, (4.0,)), resamples=20, seed=0
    ).write(place, lambda: None)
    val.save(place / "candidates-val.npz")
    figures = json.loads((place / "operating.json").read_text())["test"]
    (place / "report.html").write_text("<html>")
    write_json(
        place / "latency.json", {"model.onnx": {"median_ms": 1.0, "p95_ms": 2.0, "hardware_key": "ab"}}
    )
    told = {"model": "m", "version": 1, "champion": True, "reasons": ["better"], "line": figures}
    write_json(place / "registration.json", told)
    network = {"kept": True, "sha256": "ab", "bytes": 5}
    write_json(place / "parity.json", {"model.onnx": network, "model.int8.onnx": network})
    (place / "model.int8.onnx").write_bytes(b"int8")
    reasons = [{"kind": "first_run", "message": "there is no pin"}]
    write_json(place / "decision.json", {"action": "train", "reasons": reasons, "notes": ["a note"]})
    write_json(place / "search.json", {"architecture_key": "ab", "parameters": 5, "target": "line"})

    def shown(folder: Path) -> None:
        out = folder / "shown"
        show_evaluations(
            [ALONE],
            folder / "evaluation",
            **{name: _output(out) for name in ("metrics", "confusion", "roc", "report")},
        )

    def rules(folder: Path) -> object:
        show_rules(
            [ALONE],
            folder / "evaluation",
            **{name: _output(folder / "shown") for name in ("rules", "metrics", "report")},
        )
        spec = DetectorSpec(names, 32, 32, True, (0.5,) * 3, (0.2,) * 3)
        return shipped_rules(folder / "evaluation", folder / "evaluation/rules.yaml", spec, "ab", 0.95)

    def summary(folder: Path) -> None:
        places = ("search", "evaluation", "exported", "registration")
        show_summary(_output(folder / "shown"), [ALONE], dict.fromkeys(places, folder / "evaluation"))

    def per_image(folder: Path) -> object:
        try:
            return read_table(folder / "evaluation/per_image.parquet", PER_IMAGE, others=True)
        except Unreadable as error:
            raise StorageError(str(error)) from error

    def candidates(folder: Path) -> object:
        return split_figures(
            Candidates.load(folder / "evaluation/candidates-val.npz"), Rules.default(names), 0.95
        )

    def page(folder: Path) -> object:
        decided = read_decision(folder / "evaluation/decision.json")
        registered = read_registration(folder / "evaluation/registration.json")
        return render_page(RunReport("r", "FINISHED", "", decision=decided, registration=registered))

    return {
        "parity": Artefact("evaluation/parity.json", "json", lambda folder: smaller(folder / "evaluation")),
        "decision": Artefact("evaluation/decision.json", "json", page),
        "page-registration": Artefact("evaluation/registration.json", "json", page),
        "metrics": Artefact("evaluation/metrics.json", "json", shown),
        "roc": Artefact("evaluation/roc.json", "json", shown),
        "operating": Artefact("evaluation/operating.json", "json", rules),
        "rules": Artefact("evaluation/rules.yaml", "yaml", rules),
        "export-latency": Artefact("evaluation/latency.json", "json", summary),
        "registration": Artefact("evaluation/registration.json", "json", summary),
        "per-image": Artefact("evaluation/per_image.parquet", "parquet", per_image),
        "candidates": Artefact("evaluation/candidates-val.npz", "any", candidates),
    }


def _shipped(root: Path, rng: np.random.Generator) -> dict[str, Artefact]:
    """An exported network, what was done with it, and what a request may bring."""
    export_dark(root / "model.onnx")
    detector = {"source": "images", "rules": {}}
    with Finished(root / "results.jsonl", detector) as finished:
        for name in ("a.png", "b.png"):
            finished.add({"image": name, "stamp": "1", "output": name[0], "problem": None})
    points = [{"name": "val/miou", "value": 0.5, "step": n, "timestamp_ms": 1} for n in range(3)]
    write_text_atomic(root / "unsent.jsonl", "".join(json.dumps(point) + "\n" for point in points))
    write_text_atomic(root / "data.yaml", "names:\n  0: crack\n  1: hole\n")
    write_text_atomic(root / "posted.yaml", "mm_per_pixel: 0.1\nclasses:\n  crack: {review: 0.5}\n")
    remembered = Remembered(
        "a.png", "NG", "a crack", 0.5, (0.1,), CLASSES, ({"class": "crack"},), "ab", {}, "2026"
    )
    save_predicted(root / "kept.png", np.zeros((8, 8), np.uint8), remembered)

    def network(folder: Path) -> object:
        found = ShippedNetwork.open(folder / "model.onnx", 1)
        return found.mask(np.zeros((40, 40, 3), np.uint8))

    def results(folder: Path) -> object:
        with Finished(folder / "results.jsonl", detector) as found:
            return list(found.entries()), found.is_done("a.png", "1")

    def posted(folder: Path) -> object:
        try:
            return parse_rules((folder / "posted.yaml").read_bytes().decode(errors="replace"), CLASSES, None)
        except Refusal as refusal:
            raise ConfigError(str(refusal)) from refusal

    def served(folder: Path) -> object:
        found = _load_pyfunc(str(folder))
        return found.predict({"image": [(folder / "image.png").read_bytes()]})

    def asked(folder: Path) -> None:
        content = (folder / "image.png").read_bytes()
        for given in (content, content.decode(errors="replace"), [content, None, 5], b64encode(content)):
            detector = _load_pyfunc(str(folder))
            for answer in detector.predict({"image": given}):
                assert answer["reason"].isprintable()

    save(root / "image.png", surface((10, 20, 14, 50)))
    return {
        "pyfunc": Artefact("model.onnx", "network", served),
        "pyfunc-image": Artefact("image.png", "png", asked),
        "network": Artefact("model.onnx", "network", network),
        "results": Artefact("results.jsonl", "lines", results),
        "unsent": Artefact("unsent.jsonl", "lines", lambda folder: read_points(folder / "unsent.jsonl")),
        "kept": Artefact("kept.png", "png", lambda folder: read_predicted(folder / "kept.png")),
        "posted-rules": Artefact("posted.yaml", "yaml", posted),
        "tool-yaml": Artefact("data.yaml", "yaml", lambda folder: read_yaml_file(folder / "data.yaml")),
    }


def _output(folder: Path) -> Any:
    """An output of a task, which takes what it is given as Kubeflow's would."""
    folder.mkdir(exist_ok=True)
    return SimpleNamespace(
        path=str(folder / "page"),
        metadata={},
        log_metric=lambda name, value: float(value),
        log_confusion_matrix=lambda classes, matrix: np.asarray(matrix, dtype=float).reshape(
            len(classes), len(classes)
        ),
        log_roc_curve=lambda first, second, third: list(zip(first, second, third, strict=True)),
    )
