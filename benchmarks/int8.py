"""What int8 and fp16 cost and gain for one exported network, by calibration and by what stays in float.

    python -m benchmarks.int8 --model runs/export/model.onnx --dataset data/mine

Loss is of mIoU on the validation split at input size; times are medians of one image, in turns with the file
in fp32. Says whether the processor has VNNI, without which int8 is rarely faster. Run it on a quiet machine:
the load of others while it ran is in the output.
"""

from __future__ import annotations

import argparse
import json
import os
from pathlib import Path
from typing import Any

from autonad.data.dataset import Dataset
from autonad.deploy.quantisation import CALIBRATIONS, FLOAT_PARTS, to_fp16, to_int8
from autonad.deploy.reduced import Examination
from autonad.deploy.shipped import ShippedNetwork
from autonad.deploy.speed import speed_up, time_in_turns
from autonad.latency.target import Target
from autonad.training.inputs import evaluation_data

INSTRUCTIONS = ("avx512_vnni", "avx_vnni", "amx_int8", "asimddp")


def instructions() -> list[str]:
    """Products of bytes that the processor has instructions for."""
    path = Path("/proc/cpuinfo")
    words = set(path.read_text().split()) if path.is_file() else set()
    return [name for name in INSTRUCTIONS if name in words]


def files(model: bytes, exam: Examination, images: int) -> dict[str, bytes]:
    """Every file that is compared, by what it is."""
    shown, _ = exam.calibration.batch(exam.calibration.spread(images))
    made = {"fp32": model, "fp16": to_fp16(model)}
    for part in FLOAT_PARTS:
        for calibration in CALIBRATIONS:
            made[f"{part.name}, {calibration}"] = to_int8(
                model, shown, calibration=calibration, keep_float=part
            )
    return made


def main() -> None:
    """Print the table and one JSON line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model", type=Path, required=True, help="model.onnx of an export folder")
    parser.add_argument("--dataset", type=Path, required=True)
    parser.add_argument("--threads", type=int)
    parser.add_argument("--images", type=int, default=64, help="training images that calibrate")
    options = parser.parse_args()
    source, spec = Dataset.open(options.dataset), ShippedNetwork.open(options.model).spec
    target = Target.describe("this machine", threads=options.threads)
    model = options.model.read_bytes()
    calibration, validation = (evaluation_data(source, spec, split) for split in ("train", "val"))
    exam = Examination(model, source, calibration, validation, target)
    made = files(model, exam, options.images)
    wanted, rows = exam.miou(model, validation), []
    for name, content in made.items():
        # In pairs: many sessions in turns would empty each other's caches.
        timed = time_in_turns({"fp32": model, name: content}, target, exam.shape)
        row: dict[str, Any] = {
            "file": name,
            "megabytes": len(content) / 1e6,
            "median_ms": timed[name].median_ms,
            "speedup": speed_up(timed["fp32"], timed[name]),
            "loss": wanted - exam.miou(content, validation),
        }
        rows.append(row)
        print(
            f"{name:<64}{row['megabytes']:7.2f} MB{row['median_ms']:9.2f} ms{row['speedup']:7.2f} times"
            f"{100 * row['loss']:+7.2f} points",
            flush=True,
        )
    facts = {"instructions": instructions(), "load": os.getloadavg()[0], "validation_miou": wanted}
    print(json.dumps({**facts, "target": target.model_dump(), "files": rows}))


if __name__ == "__main__":
    main()
