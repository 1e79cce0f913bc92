"""Verbs that are ended at random moments and repeated: the result is that of a run that was left alone.

    python tests/kill_moments.py --signal KILL --count 100 --folder runs/kill-moments

Every trial runs one verb in a process forked from this one, which has imported everything, so that moments
fall into the verb's own work; MLflow's first start and `dvc repro` (with what it has started, killed only)
are among them. The same seed gives the same verbs and shares of their time. Trials that are in
`trials-SIGNAL-SEED.jsonl` already are not repeated. Ends with 1 if one trial ended otherwise than it should.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import re
import shutil
import signal
import sqlite3
import sys
import time
import traceback
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

QUIET = ("--set", "tracking.enabled=false")
TIMES = ["train/seconds"]
# Smaller than those of the suite: what counts are the moments.
SETTINGS = """
seed: 3
threads: 1
synthesize: {num_images: 30, image_side: 32, classes: [crack, blowhole]}
input: {height: 32, width: 32}
space: {preset: tiny}
train_supernet: {epochs: 2, batch_size: 8, validate_every: 1, panel: 2}
profile_latency: {warmup: 1, repeats: 3, networks: 4, accept_noise: true}
search: {population: 4, generations: 2, top_k: 2, finalists: 1}
retrain: {epochs: 2, batch_size: 8, validate_every: 1}
evaluate: {resamples: 100, panels: 1}
export: {parity_images: 2}
"""


@dataclass(frozen=True)
class Verb:
    """What is run, in a folder of its own beside `chain`, and which of its files follow from its input alone.

    Attributes:
        arguments: After the verb's name; `{}` is the folder of the chain.
        output: What it writes, in the trial's folder.
        same: Files below it, whose content is compared; "*" all.
        prepare: A folder of the chain that is copied into the trial's folder first.
        tracked: Whether it always makes an MLflow store in the trial's folder.
        signals: With which it is ended.
    """

    arguments: tuple[str, ...]
    output: str
    same: tuple[str, ...]
    prepare: str | None = None
    tracked: bool = False
    signals: tuple[str, ...] = ("KILL", "TERM", "INT")


DATA = ("--dataset", "{}/dataset")
MASKS = ("--source", "{}/masks", "--classes", "crack")
LEARNT = ("model.safetensors", "model.json", "architecture.json", "history.parquet", "curves.csv")
VERBS = {
    "synthesize": Verb(("--output", "out"), "out", ("*",)),
    "import-data": Verb((*MASKS, "--output", "out"), "out", ("manifest.parquet",)),
    "import-data --replace": Verb(
        (*MASKS, "--output", "dataset", "--replace"), "dataset", ("manifest.parquet",), "dataset"
    ),
    "ingest": Verb(
        ("--source", "{}/batch", "--dataset", "dataset", "--batch", "b"),
        "dataset",
        ("manifest.parquet",),
        "dataset",
    ),
    "train-supernet": Verb(
        (*DATA, "--output", "out"), "out", ("supernet.safetensors", "supernet.json", "curves.csv")
    ),
    "profile-latency": Verb(
        ("--target", "{}/targets/here.json", "--num-classes", "3", "--output", "out"), "out", ("target.json",)
    ),
    "search": Verb(
        (*DATA, "--supernet", "{}/supernet", "--latency", "{}/latency", "--output", "out"),
        "out",
        ("population.parquet", "architecture.json", "inherited.safetensors"),
    ),
    "retrain": Verb((*DATA, "--search", "{}/search", "--output", "out"), "out", LEARNT),
    "evaluate": Verb(
        (*DATA, "--model", "{}/model", "--output", "out"), "out", ("metrics.json", "per_image.parquet")
    ),
    "fit-thresholds": Verb(
        ("--from-evaluation", "{}/evaluation", "--output", "out"), "out", ("rules.yaml", "operating.json")
    ),
    "export": Verb(
        (*DATA, "--model", "{}/model", "--evaluation", "{}/evaluation", "--output", "out"),
        "out",
        ("model.onnx",),
    ),
    "decide": Verb(
        (*DATA, "--pin", "pin", "--target", "{}/targets/here.json", "--output", "out"), "pin", ("*",)
    ),
}
# MLflow makes its store, which takes most of this one's time; DVC runs verbs and has locks of its own.
OTHERS = {
    "synthesize, first mlflow.db": Verb(
        ("--output", "out", "--set", "synthesize.num_images=6"), "out", ("*",), tracked=True
    ),
    "dvc repro": Verb(
        (),
        "project",
        ("dvc.lock", "data/manifest.parquet", "supernet/supernet.safetensors"),
        "project",
        signals=("KILL",),
    ),
}
TRIED = VERBS | OTHERS
STAGES = f"""
stages:
  data:
    cmd: {sys.executable} -m autonad.cli synthesize --output data {" ".join(QUIET)}
    params: [seed, synthesize]
    outs: [data]
  supernet:
    cmd: {sys.executable} -m autonad.cli train-supernet --dataset data --output supernet {" ".join(QUIET)}
    deps: [data]
    params: [seed, train_supernet]
    outs: [supernet/supernet.safetensors]
"""
CHAIN = (
    ("synthesize", "--output", "dataset"),
    ("describe-target", "--output", "targets/here.json", "--threads", "1"),
    ("train-supernet", "--dataset", "dataset", "--output", "supernet"),
    ("profile-latency", "--target", "targets/here.json", "--output", "latency", "--num-classes", "3"),
    (
        "search",
        "--dataset",
        "dataset",
        "--supernet",
        "supernet",
        "--latency",
        "latency",
        "--output",
        "search",
    ),
    ("retrain", "--dataset", "dataset", "--search", "search", "--output", "model"),
    ("evaluate", "--dataset", "dataset", "--model", "model", "--output", "evaluation"),
)


def start(arguments: list[str], folder: Path, prepare: Callable[[], None] = lambda: None) -> int:
    """Run a command in a fork, after `prepare`; its process id. What it says is in `said.txt`."""
    child = os.fork()
    if child:
        os.setpgid(child, child)
        return child
    code = 1
    try:
        os.setpgid(0, 0)
        os.chdir(folder)
        said = os.open("said.txt", os.O_WRONLY | os.O_CREAT | os.O_APPEND)
        os.dup2(said, 1)
        os.dup2(said, 2)
        signal.signal(signal.SIGINT, signal.default_int_handler)
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
        prepare()
        if arguments[0] == "dvc":
            from dvc.cli import main as dvc

            code = dvc(arguments[1:])
        else:
            from autonad.cli.entry import main

            sys.argv = ["autonad", *arguments]
            main()
    except SystemExit as ended:
        code = int(ended.code or 0)
    except BaseException:
        traceback.print_exc()
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)


def finish(child: int) -> int:
    """The exit code, negative for a signal."""
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


def command(name: str, chain: Path, *, tracked: bool) -> list[str]:
    verb = TRIED[name]
    if name == "dvc repro":
        return ["dvc", "--cd", "project", "repro"]
    arguments = [part.format(chain) for part in verb.arguments]
    params = ["--params", str(chain / "params.yaml")]
    return [re.split("[ ,]", name)[0], *arguments, *params, *(() if tracked or verb.tracked else QUIET)]


def fresh(folder: Path, chain: Path, verb: Verb) -> None:
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    if verb.prepare:
        shutil.copytree(chain / verb.prepare, folder / verb.prepare)


def contents(folder: Path, verb: Verb) -> dict[str, bytes]:
    """The files that follow from the input, without how long something took."""
    root = folder / verb.output
    names = [p.relative_to(root).as_posix() for p in sorted(root.rglob("*")) if p.is_file()]
    found = {}
    for name in names if verb.same == ("*",) else verb.same:
        path = root / name
        if name == "curves.csv":
            found[name] = pd.read_csv(path).drop(columns=TIMES, errors="ignore").to_csv().encode()
        elif name == "history.parquet":
            found[name] = pd.read_parquet(path).drop(columns=TIMES).to_csv().encode()
        else:
            found[name] = path.read_bytes()
    return found


def finished(folder: Path, verb: Verb, whole: dict[str, bytes]) -> bool:
    """Whether a result is there as it should be, which is not overwritten without being asked to."""
    if verb.output != "out" or not all((folder / "out" / name).is_file() for name in whole):
        return False
    return contents(folder, verb) == whole


def build_chain(chain: Path) -> None:
    """What the verbs read, made once."""
    if (chain / "done").exists():
        return
    shutil.rmtree(chain, ignore_errors=True)
    chain.mkdir(parents=True)
    (chain / "params.yaml").write_text(SETTINGS)
    quiet = ("--params", "params.yaml", *QUIET)
    for step in CHAIN:
        settings = () if step[0] == "describe-target" else quiet
        code = finish(start([*step, *settings], chain))
        assert code == 0, (step, (chain / "said.txt").read_text()[-2000:])
    manifest = pd.read_parquet(chain / "dataset/manifest.parquet")
    for part, rows in (("masks", manifest.head(20)), ("batch", manifest.tail(8))):
        for row in rows.itertuples():
            for kind in ("image", "mask"):
                target = chain / part / getattr(row, kind)
                target.parent.mkdir(parents=True, exist_ok=True)
                # What is imported has one class; what comes as a batch is new to the dataset.
                _copy_picture(chain / "dataset" / getattr(row, kind), target, kind, new=part == "batch")
    build_project(chain / "project")
    (chain / "done").touch()


def build_project(project: Path) -> None:
    """What `dvc repro` runs in: two stages, and a cache in the same folder."""
    project.mkdir()
    (project / "dvc.yaml").write_text(STAGES)
    (project / "params.yaml").write_text(SETTINGS)
    assert finish(start(["dvc", "--cd", "project", "init", "--quiet", "--no-scm"], project.parent)) == 0


def _copy_picture(source: Path, target: Path, kind: str, *, new: bool) -> None:
    import cv2

    pixels = cv2.imread(str(source), cv2.IMREAD_UNCHANGED)
    if kind == "image" and new:
        pixels = pixels[:, ::-1]
    if kind == "mask":
        pixels = pixels[:, ::-1] if new else (pixels > 0).astype("uint8")
    cv2.imwrite(str(target), pixels)


def references(root: Path, chain: Path, names: list[str]) -> dict[str, tuple[float, dict[str, bytes]]]:
    """Seconds and content of each verb when it is left alone."""
    found = {}
    for name in names:
        verb = TRIED[name]
        folder = root / "whole"
        fresh(folder, chain, verb)
        started = time.monotonic()
        code = finish(start(command(name, chain, tracked=False), folder))
        assert code in (0, 1), (name, (folder / "said.txt").read_text()[-2000:])
        found[name] = (time.monotonic() - started, contents(folder, verb))
        print(f"{name}: {found[name][0]:.1f} s", flush=True)
    return found


def runs(folder: Path) -> list[str]:
    """States of the runs in the store that a verb made; none if it was ended before."""
    if not (folder / "mlflow.db").exists():
        return []
    with closing(sqlite3.connect(folder / "mlflow.db")) as store:
        return [state for (state,) in store.execute("select status from runs").fetchall()]


def trial(
    name: str, number: int, share: float, root: Path, whole: tuple[float, dict[str, bytes]], tracked: bool
) -> dict[str, object]:
    """End a verb once, repeat it, and compare."""
    verb, folder, chain = TRIED[name], root / "cut", root / "chain"
    fresh(folder, chain, verb)
    asked = command(name, chain, tracked=tracked)
    child = start(asked, folder)
    time.sleep(share * whole[0])
    # A power cut ends all; a terminal or a scheduler asks the one that it has started.
    (os.killpg if number == signal.SIGKILL else os.kill)(child, number)
    first = finish(child)
    said = (folder / "said.txt").read_text()
    problems = []
    expected = {signal.SIGKILL: -9, signal.SIGTERM: 143, signal.SIGINT: 130}[signal.Signals(number)]
    if first not in (expected, 0, 1) and not (first == -number and share < 0.02):
        problems.append(f"ended with {first}")
    if "Traceback" in said:
        problems.append("traceback: " + said[-600:])
    tracked = tracked or verb.tracked
    if tracked and first == expected and number != signal.SIGKILL:
        states = runs(folder)
        if any(state != "KILLED" for state in states):
            problems.append(f"runs are {states}")
    if first not in (0, 1):
        # What was ended when its result had its place already has done its work, and overwrites nothing.
        refuses = finished(folder, verb, whole[1])
        second = finish(start(asked, folder))
        if second not in (0, 1) and not (second == 2 and refuses):
            problems.append(f"repeated: {second}: " + (folder / "said.txt").read_text()[-400:])
        elif (now := contents(folder, verb)) != whole[1]:
            problems.append(f"other content: {[n for n in whole[1] if now.get(n) != whole[1][n]]}")
        if tracked and second != 2 and "FINISHED" not in runs(folder):
            problems.append(f"repeated: runs are {runs(folder)}")
    left = [p.name for p in folder.iterdir() if p.name.endswith((".lock", ".old", ".building", ".making"))]
    if left:
        problems.append(f"left behind: {left}")
    return {"verb": name, "share": share, "ended": first, "problems": problems}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--signal", choices=["KILL", "TERM", "INT"], default="KILL")
    parser.add_argument("--count", type=int, default=100)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--tracked", action="store_true", help="with an MLflow store in each trial's folder")
    parser.add_argument("--folder", type=Path, default=Path("runs/kill-moments"))
    given = parser.parse_args()
    import torch  # noqa: F401

    import autonad.cli.entry
    import autonad.data.ingest.extending
    import autonad.data.loader
    import autonad.data.transforms
    import autonad.report.evaluation
    import autonad.training.resumable  # noqa: F401

    number = getattr(signal, f"SIG{given.signal}")
    root, rng = given.folder.resolve(), random.Random(given.seed)
    names = [name for name, verb in TRIED.items() if given.signal in verb.signals]
    rounds = -(-given.count // len(names))
    plan = [(name, rng.uniform(0, 1)) for _ in range(rounds) for name in names][: given.count]
    chain, log = root / "chain", root / f"trials-{given.signal}-{given.seed}.jsonl"
    build_chain(chain)
    whole = references(root, chain, names)
    done = [json.loads(line) for line in log.read_text().splitlines()] if log.exists() else []
    for name, share in plan[len(done) :]:
        done.append(trial(name, number, share, root, whole[name], given.tracked))
        with log.open("a") as handle:
            handle.write(json.dumps(done[-1]) + "\n")
        if done[-1]["problems"]:
            print(f"{name} at {share:.2f}: {done[-1]['problems']}", flush=True)
    bad = sum(bool(one["problems"]) for one in done)
    cut = sum(one["ended"] not in (0, 1) for one in done)
    print(json.dumps({"signal": given.signal, "trials": len(done), "cut_off": cut, "wrong": bad}))
    sys.exit(bool(bad))


if __name__ == "__main__":
    main()
