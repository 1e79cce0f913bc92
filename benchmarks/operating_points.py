"""What rules for a wanted overkill promise on validation and do on test, for several evaluations.

    python -m benchmarks.operating_points --overkill 0.02 runs/evaluation runs/mt/evaluation

Each folder is what `autonad evaluate` or `autonad fit-thresholds --model` wrote. Intervals count a part once.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path

from autonad.config import load_config
from autonad.evaluation.candidates import Candidates, candidates_file
from autonad.evaluation.line_result import share, spread
from autonad.steps.fit_thresholds import fit_rules


def main() -> None:
    """Print the table and one JSON line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folders", type=Path, nargs="+")
    parser.add_argument("--overkill", type=float, default=0.02)
    parser.add_argument("--confidence", type=float, default=0.95)
    options = parser.parse_args()
    wanted = (f"fit_thresholds.rate={options.overkill}", f"fit_thresholds.confidence={options.confidence}")
    config = load_config(None, wanted)
    print(
        "| evaluation | promised | overkill, validation | overkill, test | misses, test | unnoticed, test |"
    )
    print("| --- | --- | --- | --- | --- | --- |")
    rows = {}
    for folder in options.folders:
        splits = {name: Candidates.load(candidates_file(folder, name)) for name in ("val", "test")}
        operating = fit_rules(config, splits).operating
        promise, val, test = operating["promise"], operating["val"], operating["test"]
        said = f"at most {share(promise['upper'])}" if promise["kept"] else "no"
        entries = (val["overkill"], test["overkill"], test["misses"], test["unnoticed"])
        print(f"| {folder.name} | {said} | {' | '.join(spread(one) for one in entries)} |")
        rows[str(folder)] = operating
    print(json.dumps(rows))


if __name__ == "__main__":
    main()
