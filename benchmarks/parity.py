"""Whether every form of a detector says what the trained network says, on real test images.

    python -m benchmarks.parity --chain MODEL DATASET EXPORT [--chain …] [--images 50]
    python -m benchmarks.parity --chain MODEL DATASET EXPORT --url http://127.0.0.1:8080 [--token …]

The trained network in torch is what the others are compared with: the exported file, int8 and fp16 in ONNX
Runtime, the service (its ASGI application within this process, through httpx), and the registered model as
`mlflow.pyfunc.load_model` loads it. With `--url` a service that runs elsewhere, in a container or on a
cluster, with the chain's `model.onnx`, takes the place of all but the exported file. All get the bytes of the
image files, and the rules in `model.onnx`. Pixels are those of defects that count, which all but pyfunc
tell. Loss is of mIoU on the validation split at input size, times are medians of one input, in turns with the
file in fp32.
"""

from __future__ import annotations

import argparse
import asyncio
import hashlib
import json
import os
import tempfile
from collections.abc import Callable
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import torch

from autonad.console import SILENT
from autonad.data.dataset import Dataset
from autonad.data.single_image import decode_single, image_reading
from autonad.deploy import FP16, INT8, MODEL
from autonad.deploy.agreement import same_defects
from autonad.deploy.quantisation import CALIBRATIONS, FLOAT_PARTS, to_int8
from autonad.deploy.reduced import Examination
from autonad.deploy.speed import speed_up, time_in_turns
from autonad.detector.engine import Detector
from autonad.detector.judged import Defect, Judgement, Verdict
from autonad.detector.session import OnnxNetwork
from autonad.latency.target import Target
from autonad.service.app import Service, create_app
from autonad.service.examining import Examination as Requests
from autonad.service.limits import Limits, Workers
from autonad.service.monitoring import Monitor
from autonad.service.reloading import Reloading
from autonad.service.served_model import FileSource, Opening
from autonad.tracking.registry.model_files import model_folder
from autonad.training.folders import load_model
from autonad.training.inputs import evaluation_data


@dataclass(frozen=True)
class Answer:
    """What a form says of an image; `mask` (h, w) holds the class of each defect that counts, None untold."""

    judgement: Judgement
    mask: np.ndarray | None


Form = Callable[[list[bytes]], list[Answer]]


@dataclass(frozen=True)
class Served:
    """A service that runs elsewhere."""

    url: str
    token: str | None


def in_process(detector: Detector) -> Form:
    """The detector itself."""
    reading = image_reading(detector.spec.reading)

    def one(content: bytes) -> Answer:
        found = detector.detect(decode_single(content, Path("image"), reading))
        counted = np.isin(found.components.label, found.judgement.kept)
        runs, mask = found.components.runs, np.zeros_like(found.mask)
        for index in np.flatnonzero(counted):
            mask[runs.row[index], runs.start[index] : runs.stop[index]] = runs.value[index]
        return Answer(found.judgement, mask)

    return lambda contents: [one(content) for content in contents]


def service(model: Path, classes: tuple[str, ...]) -> Form:
    """`POST /detect` of the service's application, within this process."""

    async def ask(contents: list[bytes]) -> list[dict[str, Any]]:
        limits, monitor = Limits(), Monitor()
        reloading = Reloading(Opening(FileSource(model)), monitor, SILENT, seconds=60)
        workers = Workers(1, limits)
        app = create_app(Service(reloading, Requests(limits, monitor), workers, monitor))
        async with httpx.AsyncClient(
            transport=httpx.ASGITransport(app=app), base_url="http://detector"
        ) as client:
            found = await detections(client, contents)
        workers.close()
        return found

    return lambda contents: [answer_of(image, classes) for image in asyncio.run(ask(contents))]


def running_service(served: Served, model: Path, classes: tuple[str, ...]) -> Form:
    """`POST /detect` of a service that runs elsewhere, with this model.

    Raises:
        SystemExit: It has another model.
    """

    async def ask(contents: list[bytes]) -> list[dict[str, Any]]:
        headers = {"Authorization": f"Bearer {served.token}"} if served.token else {}
        async with httpx.AsyncClient(base_url=served.url, headers=headers, timeout=60) as client:
            about = (await client.get("/version")).raise_for_status().json()
            wanted = hashlib.sha256(model.read_bytes()).hexdigest()
            if about["model"]["sha256"] != wanted:
                raise SystemExit(
                    f"{served.url} has model {about['model']['sha256']}; give it {model} ({wanted})"
                )
            return await detections(client, contents)

    return lambda contents: [answer_of(image, classes) for image in asyncio.run(ask(contents))]


async def detections(client: httpx.AsyncClient, contents: list[bytes]) -> list[dict[str, Any]]:
    """What a service answers for each image."""
    found = []
    for content in contents:
        reply = await client.post("/detect", params={"shapes": "rle"}, content=content)
        found.append(reply.raise_for_status().json()["images"][0])
    return found


def answer_of(image: dict[str, Any], classes: tuple[str, ...]) -> Answer:
    """An answer from a service's JSON."""
    mask = np.zeros((image["height"], image["width"]), dtype=np.uint8)
    for defect in image["defects"]:
        counts = defect["rle"]["counts"]
        values = np.repeat(np.arange(len(counts)) % 2 == 1, counts)
        mask.T[values.reshape(mask.T.shape)] = classes.index(defect["class_name"])
        defect["box"] = [defect["box"][side] for side in ("top", "left", "bottom", "right")]
    return Answer(judgement_of(image), mask)


def pyfunc(model: Path) -> Form:
    """The registered model as MLflow loads it."""

    def run(contents: list[bytes]) -> list[Answer]:
        import mlflow.pyfunc
        import pandas as pd

        with tempfile.TemporaryDirectory() as folder:
            saved = model_folder(Path(folder, "saved"), {MODEL: model}, contents[0])
            loaded = mlflow.pyfunc.load_model(str(saved))
            answers = loaded.predict(pd.DataFrame({"image": contents}))
        return [Answer(judgement_of(one), None) for one in answers]

    return run


def judgement_of(image: dict[str, Any]) -> Judgement:
    """A judgement from what is told of an image as plain JSON values."""
    names = {field.name for field in fields(Defect)}
    defects = tuple(
        Defect(
            **{name: value for name, value in one.items() if name in names}
            | {"box": tuple(one["box"]), "verdict": Verdict(one["verdict"])}
        )
        for one in image["defects"]
    )
    return Judgement(Verdict(image["verdict"]), image["reason"], defects, image["too_small"], ())


def told(judgement: Judgement) -> tuple[object, ...]:
    """All that every form tells, to the last digit."""
    return judgement.verdict, judgement.reason, judgement.defects, judgement.ignored


def compared(found: list[Answer], wanted: list[Answer]) -> dict[str, Any]:
    """Shares of images with the same verdict and defects, and of pixels of the same class."""
    pairs = list(zip(found, wanted, strict=True))
    shares = [np.mean(a.mask == b.mask) for a, b in pairs if a.mask is not None]
    return {
        "verdicts": float(np.mean([a.judgement.verdict == b.judgement.verdict for a, b in pairs])),
        "defects": float(np.mean([same_defects(a.judgement, b.judgement) for a, b in pairs])),
        "identical": float(np.mean([told(a.judgement) == told(b.judgement) for a, b in pairs])),
        "pixels": float(np.mean(shares)) if shares else None,
    }


def smaller(export: Path, exam: Examination) -> dict[str, bytes]:
    """The smaller files; where int8 was not worth keeping, the fastest recipe nevertheless."""
    made = {name: (export / name).read_bytes() for name in (INT8, FP16) if (export / name).is_file()}
    if INT8 in made:
        return made
    images, _ = exam.calibration.batch(exam.calibration.spread(64))
    content = to_int8(exam.model, images, calibration=CALIBRATIONS[0], keep_float=FLOAT_PARTS[0])
    return {f"{INT8}, not kept": content, **made}


def measured(model: Path, dataset: Path, export: Path, count: int, served: Served | None) -> dict[str, Any]:
    """Everything about one detector; prints its rows."""
    source, (network, spec, _) = Dataset.open(dataset), load_model(model)
    onnx = OnnxNetwork.open(export / MODEL)

    @torch.inference_mode()
    def trained(images: np.ndarray) -> np.ndarray:
        return network.eval()(torch.from_numpy(images)).numpy()

    rows = source.split("test")["image"]
    names = rows.iloc[np.unique(np.linspace(0, len(rows) - 1, min(count, len(rows))).round().astype(int))]
    contents = [(source.root / name).read_bytes() for name in names]
    forms = {"ONNX Runtime": in_process(Detector(onnx.forward, spec, onnx.rules))}
    if served is None:
        forms["service"] = service(export / MODEL, spec.classes)
        forms["pyfunc"] = pyfunc(export / MODEL)
    else:
        forms[f"service at {served.url}"] = running_service(served, export / MODEL, spec.classes)
    wanted = in_process(Detector(trained, spec, onnx.rules))(contents)
    found = {name: compared(form(contents), wanted) for name, form in forms.items()}
    if served is None:
        found |= measured_smaller(export, source, onnx, contents, wanted)
    verdicts = [str(answer.judgement.verdict) for answer in wanted]
    counts = {verdict: verdicts.count(verdict) for verdict in sorted(set(verdicts))}
    defects = sum(len(answer.judgement.defects) for answer in wanted)
    print(f"\n{dataset.name}: {len(contents)} test images, {defects} defects, verdicts {counts}")
    for name, row in found.items():
        print(line(name, row))
    return {"dataset": dataset.name, "images": len(contents), "defects": defects, "forms": found}


def measured_smaller(
    export: Path, source: Dataset, onnx: OnnxNetwork, contents: list[bytes], wanted: list[Answer]
) -> dict[str, dict[str, Any]]:
    """The same of int8 and fp16, with what they lose and gain."""
    target = Target.describe("this machine")
    calibration, validation = (evaluation_data(source, onnx.spec, split) for split in ("train", "val"))
    exam = Examination((export / MODEL).read_bytes(), source, calibration, validation, target)
    miou = exam.miou(exam.model, validation)
    found = {}
    for name, content in smaller(export, exam).items():
        timed = time_in_turns({MODEL: exam.model, name: content}, target, exam.shape)
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder, MODEL)
            path.write_bytes(content)
            form = in_process(Detector(OnnxNetwork.open(path).forward, onnx.spec, onnx.rules))
            found[name] = compared(form(contents), wanted)
        found[name] |= {
            "loss": miou - exam.miou(content, validation),
            "speedup": speed_up(timed[MODEL], timed[name]),
        }
    return found


def line(name: str, row: dict[str, Any]) -> str:
    """One form, in percent."""
    pixels = "untold" if row["pixels"] is None else f"{100 * row['pixels']:.4f} %"
    more = f"{100 * row['loss']:+7.2f} points{row['speedup']:6.2f} times" if "loss" in row else ""
    shares = "".join(f"{100 * row[level]:9.1f} %" for level in ("verdicts", "defects", "identical"))
    return f"{name:<28}{shares}{pixels:>13}{more}"


def main() -> None:
    """Print a table per detector and one JSON line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--chain", type=Path, nargs=3, action="append", required=True, help="three folders")
    parser.add_argument("--images", type=int, default=50, help="of the test split, evenly spread")
    parser.add_argument("--url", help="a running service that has the model of the one chain")
    parser.add_argument("--token", help="its AUTONAD_TOKEN")
    options = parser.parse_args()
    if options.url and len(options.chain) > 1:
        parser.error("--url goes with one --chain: a service has one model")
    served = Served(options.url, options.token) if options.url else None
    print(f"{'form':<28}   verdicts    defects  identical       pixels    loss         speed")
    found = [
        measured(model, dataset, export, options.images, served) for model, dataset, export in options.chain
    ]
    print(json.dumps({"load": os.getloadavg()[0], "cores": os.cpu_count(), "detectors": found}))


if __name__ == "__main__":
    main()
