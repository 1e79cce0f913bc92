"""What test-time views gain and cost for a trained network, on its test split.

    python -m benchmarks.averaged_views --model runs/model --dataset data/mine

The same figures as those of `autonad evaluate` with `evaluate.test_time`, for both kinds of views, without
the rest of an evaluation. mIoU is at input size; times are medians of one image in torch on this machine. The
load of others while it ran is in the output.
"""

from __future__ import annotations

import argparse
import json
import os
from pathlib import Path
from typing import get_args

import torch

from autonad.data.dataset import Dataset
from autonad.evaluation.predict import evaluate_network
from autonad.evaluation.views import TestTime, measure_views
from autonad.training.folders import load_model, numpy_forward
from autonad.training.inputs import evaluation_data


def main() -> None:
    """Print the table and one JSON line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model", type=Path, required=True, help="model folder that `retrain` wrote")
    parser.add_argument("--dataset", type=Path, required=True)
    parser.add_argument("--threads", type=int, default=1)
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    network, spec, _ = load_model(options.model)
    source = Dataset.open(options.dataset)
    data, forward = evaluation_data(source, spec, "test"), numpy_forward(network)
    plain = evaluate_network(forward, data, source, batch_size=16, num_classes=len(spec.classes))
    least_side = network.architecture.least_side
    rows = [
        measure_views(forward, data, source, plain, views, least_side=least_side)
        for views in get_args(TestTime)
        if views != "none"
    ]
    print("| views | mIoU without | mIoU with | gain, points | ms without | ms with | times as long |")
    print("| --- | --- | --- | --- | --- | --- | --- |")
    for row in rows:
        miou = " | ".join(f"{100 * row[name]:.2f} %" for name in ("plain_miou", "miou"))
        times = f"{row['plain_ms']:.1f} | {row['ms']:.1f} | {row['ms'] / row['plain_ms']:.1f}"
        print(f"| {row['views']} | {miou} | {100 * row['gain']:+.2f} | {times} |")
    print(json.dumps({"load": os.getloadavg()[0], "images": len(plain.images), "views": rows}))


if __name__ == "__main__":
    main()
