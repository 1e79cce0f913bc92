"""Every metric name that a run may log, with its unit: one vocabulary, so that runs stay comparable.

`train`, `val` and `search` have a step (epoch or generation); the others are one number per run. mIoU and
F1 are fractions, latencies milliseconds. To log something new, add its name here and say what it is.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from autonad.tracking.identifiers import identifier

METRICS: dict[str, str] = {
    "train/loss": "mean loss of an epoch",
    "train/learning_rate": "learning rate at the end of an epoch",
    "train/seconds": "duration of an epoch, s",
    "val/miou": "mIoU on the validation split, background included, at input size (fraction)",
    "val/native_miou": "mIoU on the validation split, background included, at native size (fraction)",
    "val/mf1": "mF1 on the validation split, background included, at input size (fraction)",
    "val/foreground_miou": "mIoU without background on the validation split, at input size (fraction)",
    "val/miou_min": "lowest inherited mIoU of the panel of architectures (fraction)",
    "val/miou_max": "highest inherited mIoU of the panel of architectures (fraction)",
    "val/miou_smallest": "inherited mIoU of the smallest architecture (fraction)",
    "val/miou_largest": "inherited mIoU of the largest architecture (fraction)",
    "search/best_score": "highest score so far within the first budget (mIoU minus lambda times latency)",
    "search/mean_score": "mean score of a generation",
    "search/best_miou": "highest mIoU so far within the first budget (fraction)",
    "search/mean_miou": "mean mIoU of a generation (fraction)",
    "search/best_latency_ms": "latency of the architecture with the best score within the first budget, ms",
    "search/mean_latency_ms": "mean latency of a generation, ms",
    "search/evaluations": "architectures evaluated so far",
    "search/front_size": "architectures on the Pareto front so far",
    "search/hypervolume": "hypervolume of the Pareto front so far",
    "search/lambda": "price of latency, mIoU per ms",
    "assess/architectures": "architectures that were scored with inherited weights and trained from scratch",
    "assess/tau": "Kendall's tau of inherited mIoU against that of trainings from scratch",
    "assess/tau_low": "lower end of the interval of assess/tau over architectures",
    "assess/tau_high": "upper end of the interval of assess/tau over architectures",
    "assess/rho": "Spearman's rho of inherited mIoU against that of trainings from scratch",
    "assess/rho_low": "lower end of the interval of assess/rho over architectures",
    "assess/rho_high": "upper end of the interval of assess/rho over architectures",
    "assess/tau_parameters": "Kendall's tau of parameters against the mIoU of trainings from scratch",
    "assess/tau_flops": "Kendall's tau of FLOPs against the mIoU of trainings from scratch",
    "assess/gain_parameters": "assess/tau minus assess/tau_parameters",
    "assess/gain_parameters_low": "lower end of the paired interval of assess/gain_parameters",
    "assess/gain_parameters_high": "upper end of the paired interval of assess/gain_parameters",
    "assess/gain_flops": "assess/tau minus assess/tau_flops",
    "assess/gain_flops_low": "lower end of the paired interval of assess/gain_flops",
    "assess/gain_flops_high": "upper end of the paired interval of assess/gain_flops",
    "assess/tau_top_half": "assess/tau within the half that training from scratch found better",
    "assess/tau_top_half_low": "lower end of the interval of assess/tau_top_half",
    "assess/tau_top_half_high": "upper end of the interval of assess/tau_top_half",
    "latency/p50_ms": "median latency of one pass (image or tile) on the target, ms",
    "latency/p95_ms": "95th percentile of the latency of one image on the target, ms",
    "latency/exported_p50_ms": "median latency of the exported file where it was exported, ms",
    "latency/exported_p95_ms": "95th percentile of that latency, ms",
    "latency/mean_ms": "mean latency of the exported file where it was exported, ms",
    "latency/predicted_ms": "latency that the table predicts, ms",
    "latency/rows": "rows of the latency table",
    "latency/load": "cores that other processes kept busy while the latency table was measured",
    "latency/throttled": "share of periods in which a CPU limit made the measuring process wait",
    "latency/disagreement": "typical difference of a network's medians within a profile (share of it)",
    "latency/drift": "how far the machine changed its speed meanwhile, which is corrected (share of it)",
    "latency/error": "mean error of whole networks, each predicted without it (share of their latency)",
    "latency/rank_correlation": "rank correlation of predicted and measured latencies of whole networks",
    "latency/cautions": "reasons not to believe the latency table",
    "test/miou": "mIoU on the test split, background included, at input size (fraction)",
    "test/mf1": "mF1 on the test split, background included, at input size (fraction)",
    "test/foreground_miou": "mIoU without background on the test split, at input size (fraction)",
    "test/pixel_accuracy": "share of right pixels on the test split, at input size",
    "test/miou_low": "lower end of the interval of test/miou (fraction)",
    "test/miou_high": "upper end of the interval of test/miou (fraction)",
    "test/native_miou": "mIoU on the test split, background included, at native size (fraction)",
    "test/native_mf1": "mF1 on the test split, background included, at native size (fraction)",
    "test/native_foreground_miou": "mIoU without background on the test split, at native size (fraction)",
    "test/native_miou_low": "lower end of the interval of test/native_miou (fraction)",
    "test/native_miou_high": "upper end of the interval of test/native_miou (fraction)",
    "test/misses": "test images with a defect where none was predicted",
    "test/miss_rate": "test/misses over the test images with a defect",
    "test/false_alarms_clean": "test images without a defect where one was predicted",
    "test/false_alarm_rate_clean": "test/false_alarms_clean over the test images without a defect",
    "test/false_alarms_defect": "test images with a defect and a class predicted nowhere near one",
    "test/images": "images of the test split",
    "test/groups": "groups of the test split",
    "test/iou/*": "IoU of a class on the test split, at input size (fraction)",
    "test/f1/*": "F1 of a class on the test split, at input size (fraction)",
    "test/ap/*": "average precision of a class's pixels on the test split, at input size (fraction)",
    "test/views_gain": "test mIoU that the views of `evaluate.test_time` gain (fraction)",
    "latency/views_ms": "median of a pass (image or tile) with test-time views, in torch on this machine, ms",
    "line/promised": "1 if the chosen rules promise the wanted rate on the validation parts, else 0",
    "line/val_overkill": "good validation images that the chosen rules call NG (fraction)",
    "line/upper": "upper bound of the wanted rate on validation parts that no rule was chosen on (fraction)",
    "line/val_misses": "validation images with a defect that the chosen rules do not call NG (fraction)",
    "line/overkill": "good test images that the chosen rules call NG (fraction)",
    "line/overkill_low": "lower end of the interval of line/overkill over parts (fraction)",
    "line/overkill_high": "upper end of the interval of line/overkill over parts (fraction)",
    "line/misses": "test images with a defect that the chosen rules do not call NG (fraction)",
    "line/misses_low": "lower end of the interval of line/misses over parts (fraction)",
    "line/misses_high": "upper end of the interval of line/misses over parts (fraction)",
    "line/unnoticed": "test images with a defect that are OK, neither NG nor for REVIEW (fraction)",
    "line/review_load": "good test images that go to REVIEW (fraction)",
    "line/false_alarms": "regions per test image that are NG and nowhere near a defect",
    "line/recall/*": "true defects of a class on the test split that the chosen rules find (fraction)",
    "model/parameters": "scalars in the network's tensors",
    "model/megabytes": "size of the exported network, MB",
    "export/max_difference": "largest difference of a logit between ONNX and torch",
    "export/disagreement": "share of pixels whose class differs between ONNX and torch",
    "export/verdict_disagreement": "share of images with another verdict in ONNX than in torch",
    "export/defect_disagreement": "share of images with other defects in ONNX than in torch",
    "export/int8_kept": "1 if the int8 file is worth having and was written, else 0",
    "export/int8_loss": "validation mIoU that the int8 file loses (fraction)",
    "export/int8_speedup": "how many times as fast as the exported network the int8 file is",
    "export/int8_verdict_disagreement": "share of images with another verdict in the int8 file than in torch",
    "export/int8_defect_disagreement": "share of images with other defects in the int8 file than in torch",
    "register/champion": "1 if the detector was put in use, else 0",
    "register/p_better": "probability that the challenger is better than the champion",
    "register/p_value": "how often equal detectors would differ as much by chance",
    "register/difference": "challenger's minus champion's mIoU on the compared images (fraction)",
    "register/images": "test images that challenger and champion were compared on",
    "data/images": "images of the dataset",
    "data/groups": "groups of the dataset",
    "data/faults": "errors and warnings of the audit",
    "drift/newer_images": "images that are newer than the pin",
    "drift/batches": "batches that were compared with the pin",
    "drift/changed_batches": "batches that look different from the pin",
    "drift/p_value": "smallest p-value of the appearance tests over the batches",
    "drift/class_mix_p_value": "smallest p-value of the class mix over the batches",
    "system/*": "load of the machine while the step runs, as MLflow names it",
    "batch/images": "images that an ingest added",
    "batch/labelled": "those of them with a mask",
    "batch/upgraded": "images whose missing mask an ingest brought",
    "batch/relabelled": "images whose mask changed at its source",
    "batch/copies": "images of a batch that the dataset had already",
    "batch/defect_free": "images of a batch that were left out because they show no defect",
    "batch/quarantined": "images and files of a batch that were faulty",
    "batch/fetched": "files that an ingest fetched",
    "flags/errors": "reasons why nobody should use the step's result; of a parent, those of all of its steps",
    "flags/warnings": "reasons to doubt it; of a parent, those of all of its steps",
    "time/seconds": "duration of the step, s",
    "memory/peak_mib": "peak resident memory of the process, MiB",
}
"""Name → meaning and unit. A name that ends in `/*` stands for one name per class."""


def class_metric(family: str, class_name: str) -> str:
    """The name of a per-class metric, for example `class_metric("test/iou", "crack")`.

    Each class has a name of its own, whatever characters are in it; see `identifier`.
    """
    assert f"{family}/*" in METRICS, f"{family} is no per-class metric; see autonad/tracking/names.py"
    return f"{family}/{identifier(class_name, also=' ')}"


def check_names(metrics: Iterable[str]) -> None:
    """Make sure that every name is in the vocabulary; one that is not is our own mistake, no user's."""
    unknown = [
        name for name in metrics if name not in METRICS and f"{name.rpartition('/')[0]}/*" not in METRICS
    ]
    assert not unknown, f"{unknown} are no metric names; add them to autonad/tracking/names.py"


def line_metrics(operating: dict[str, Any]) -> dict[str, float | None]:
    """`operating.json` in MLflow's vocabulary."""
    promised, found = operating.get("val"), operating.get("test")
    values: dict[str, float | None] = {
        "line/promised": float(operating["promise"]["kept"]),
        "line/upper": operating["promise"]["upper"],
    }
    if promised is not None:
        values["line/val_overkill"] = promised["overkill"]["rate"]
        values["line/val_misses"] = promised["misses"]["rate"]
    return values if found is None else values | found_metrics(found)


def found_metrics(found: Mapping[str, Any]) -> dict[str, float | None]:
    """What rules do on the test split, `test` of `operating.json`, in MLflow's vocabulary."""
    values: dict[str, float | None] = {}
    for name in ("overkill", "misses"):
        for suffix, end in (("", "rate"), ("_low", "low"), ("_high", "high")):
            values[f"line/{name}{suffix}"] = found[name][end]
    recalls = {
        class_metric("line/recall", name): one["recall"]["rate"] for name, one in found["classes"].items()
    }
    return (
        values
        | recalls
        | {
            "line/unnoticed": found["unnoticed"]["rate"],
            "line/review_load": found["review_load"]["rate"],
            "line/false_alarms": found["false_alarms_per_image"],
        }
    )


def assessment_metrics(agreement: dict[str, Any]) -> dict[str, float | None]:
    """`assessment.json` in MLflow's vocabulary."""
    predictors, differences = agreement["predictors"], agreement["differences"]
    inherited = predictors["inherited"]
    figures = {
        "tau": inherited["tau"],
        "rho": inherited["rho"],
        "tau_top_half": agreement["top_half"]["predictors"]["inherited"]["tau"],
        **{f"gain_{name}": one["tau"] for name, one in differences.items()},
    }
    values: dict[str, float | None] = {"assess/architectures": agreement["architectures"]}
    for name, figure in figures.items():
        for suffix, end in (("", "value"), ("_low", "low"), ("_high", "high")):
            values[f"assess/{name}{suffix}"] = figure[end]
    return values | {f"assess/tau_{name}": predictors[name]["tau"]["value"] for name in differences}


def split_metrics(metrics: dict[str, Any]) -> dict[str, float | None]:
    """`metrics.json` in MLflow's vocabulary."""
    at_input, native = metrics["input"], metrics["native"]
    interval, native_interval = (metrics["intervals"][size]["miou"] or {} for size in ("input", "native"))
    values: dict[str, float | None] = {
        "test/miou": at_input["miou"],
        "test/mf1": at_input["mf1"],
        "test/foreground_miou": at_input["foreground_miou"],
        "test/pixel_accuracy": at_input["pixel_accuracy"],
        "test/miou_low": interval.get("low"),
        "test/miou_high": interval.get("high"),
        "test/native_miou": native["miou"],
        "test/native_mf1": native["mf1"],
        "test/native_foreground_miou": native["foreground_miou"],
        "test/native_miou_low": native_interval.get("low"),
        "test/native_miou_high": native_interval.get("high"),
        "test/images": metrics["images"],
        "test/groups": metrics["groups"],
    }
    alarms = metrics["image_level"]
    values |= {
        "test/misses": alarms["misses"]["count"],
        "test/miss_rate": alarms["misses"]["rate"],
        "test/false_alarms_clean": alarms["false_alarms_clean"]["count"]
        if alarms["false_alarms_clean"]["of"]
        else None,
        "test/false_alarm_rate_clean": alarms["false_alarms_clean"]["rate"],
        "test/false_alarms_defect": alarms["false_alarms_defect"]["count"],
    }
    for name, scores in at_input["classes"].items():
        values[class_metric("test/iou", name)] = scores["iou"]
        values[class_metric("test/f1", name)] = scores["f1"]
    return values
