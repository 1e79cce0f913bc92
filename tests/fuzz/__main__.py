"""Damage thousands of files and read each: `make fuzz`, or one: `make fuzz ONLY=KIND:SEED`."""

from __future__ import annotations

import argparse
import json
import re
import shutil
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path

from .verdict import artefacts, damaged, kinds, try_one
from .worker import try_all


def main() -> int:
    options = arguments()
    with tempfile.TemporaryDirectory(prefix="fuzz-") as folder:
        known = list(kinds(Path(folder)))
        if options.only:
            return one(options.only, options.keep, Path(folder), known)
    chosen = [kind for kind in known if re.search(options.kinds, kind)]
    cases = [(kind, options.seed + n) for n in range(-(-options.count // len(chosen))) for kind in chosen]
    begun, tried, failed = time.perf_counter(), Counter[str](), dict[str, dict[str, list[int]]]()
    for (kind, seed), wrong in try_all(cases, options.workers):
        tried[kind] += 1
        for what in wrong:
            # Numbers differ from seed to seed, what they stand in does not.
            failed.setdefault(kind, {}).setdefault(re.sub(r"\d+", "N", what.split(":")[0]), []).append(seed)
            if len(failed[kind][re.sub(r"\d+", "N", what.split(":")[0])]) <= options.shown:
                print(f"{kind}:{seed}  {what}", flush=True)
    seconds = time.perf_counter() - begun
    print(f"{'kind':<16} {'files':>6}  what should not have happened (first seed)")
    for kind in chosen:
        found = "; ".join(f"{what} × {len(n)} ({n[0]})" for what, n in failed.get(kind, {}).items())
        print(f"{kind:<16} {tried[kind]:>6}  {found or '-'}")
    if failed:
        kind = next(iter(failed))
        seed = next(iter(failed[kind].values()))[0]
        print(f"to see one again: make fuzz ONLY={kind}:{seed}")
    bad = sum(len(seeds) for found in failed.values() for seeds in found.values())
    print(
        json.dumps({"benchmark": "fuzz", "files": tried.total(), "failures": bad, "seconds": round(seconds)})
    )
    return 1 if failed else 0


def one(case: str, keep: Path | None, scratch: Path, known: list[str]) -> int:
    """Try one case in this process, and keep its source if asked to."""
    kind, _, seed = case.partition(":")
    if kind not in known or not seed.isdecimal():
        sys.exit(f"--only is {case!r}; give KIND:SEED with a kind of {', '.join(known)}")
    if keep is not None:
        if kind in artefacts(scratch)[1]:
            sys.exit(f"{kind} is no source of a dataset; leave out --keep")
        shutil.copytree(damaged(kind, int(seed), scratch)[1], keep)
        print(f"its source is in {keep}")
    wrong = try_one(kind, int(seed), scratch)
    print("\n".join(wrong) or "all is well")
    return 1 if wrong else 0


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz", description=__doc__)
    parser.add_argument("--count", type=int, default=10_000, help="files to damage")
    parser.add_argument("--seed", type=int, default=0, help="the first seed of each kind")
    parser.add_argument("--kinds", default="", help="only kinds that match this expression")
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--shown", type=int, default=3, help="failures of one sort that are shown")
    parser.add_argument("--only", help="KIND:SEED, this one alone")
    parser.add_argument("--keep", type=Path, help="with --only: copy the damaged source to this folder")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
