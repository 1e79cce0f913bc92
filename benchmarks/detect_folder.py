"""How fast `autonad detect` is: its first verdict, a folder of small images, and one large image in tiles.

    python -m benchmarks.detect_folder [--images 500] [--side 200] [--trained FILE] [--output FOLDER]

The folder's figure is the share of the possible: processor time of decoding, network and writing alone, each
measured in one thread, over all cores, divided by the wall time. On a machine that others use too, wall time
says little; `cpu_share` is the same with the processor time of the process.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from PIL import Image

from autonad.cores import usable_cores
from autonad.data.images import read_image
from autonad.data.synthetic.generator import Appearance, synthesize
from autonad.deploy.export import export_onnx
from autonad.detector.engine import Detector
from autonad.detector.outputs import Outputs
from autonad.detector.session import OnnxNetwork
from autonad.detector.spec import DetectorSpec
from autonad.detector.tiles import Tiling
from autonad.network import AutoNADNet
from autonad.space import SearchSpace

LARGE = (3000, 4096)


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--images", type=int, default=500)
    options.add_argument("--side", type=int, default=200)
    options.add_argument("--trained", type=Path, help="model.onnx of the demo, to compare overlaps of tiles")
    options.add_argument("--output", type=Path)
    given = options.parse_args()
    root = given.output or Path(tempfile.mkdtemp())
    model = export(root / "model.onnx", given.side, None)
    fill(root / "images", given.images, given.side)
    figures: dict[str, float] = {"cores": usable_cores(), "images": given.images, "side": given.side}
    figures |= first_verdict(model, root)
    figures |= folder(model, root)
    figures |= large(root)
    if given.trained is not None:
        figures |= overlaps(given.trained, root)
    for name, value in figures.items():
        print(f"{name:<28}{value:10.3f}")
    print(json.dumps(figures))


def export(path: Path, side: int, tiles: Tiling | None) -> Path:
    """A network of the smallest space, with random weights."""
    torch.manual_seed(0)
    architecture = SearchSpace.preset("tiny").sample(np.random.default_rng(0))
    classes = ("background", "crack", "hole")
    spec = DetectorSpec(classes, side, side, True, (0.5, 0.5, 0.5), (0.2, 0.2, 0.2), tiles)
    path.parent.mkdir(parents=True, exist_ok=True)
    export_onnx(AutoNADNet(architecture, num_classes=len(classes)).eval(), spec, path, {})
    return path


def picture(rng: np.random.Generator, size: tuple[int, int]) -> np.ndarray:
    """A rough grey surface with a dark bar."""
    image = rng.normal(128, 8, size).clip(0, 255).astype(np.uint8)
    top, left = (int(rng.integers(0, side // 2)) for side in size)
    image[top : top + size[0] // 20, left : left + size[1] // 3] //= 4
    return image


def fill(folder: Path, count: int, side: int) -> None:
    """JPEG images."""
    folder.mkdir(parents=True, exist_ok=True)
    for number in range(count):
        Image.fromarray(picture(np.random.default_rng(number), (side, side))).save(
            folder / f"{number:05d}.jpg", quality=92
        )


# The peak that the system reports of a process includes that of the one which started it.
COMMAND = """
import atexit, re, sys
from autonad.cli import main
peak = lambda: re.search(r"VmHWM:\\s+(\\d+)", open("/proc/self/status").read())[1]
atexit.register(lambda: print(peak(), file=sys.stderr))
main()
"""


def timed(*arguments: object) -> tuple[float, float, float]:
    """A command's wall time and processor time, s, and its peak memory, MiB."""
    begun, before = time.perf_counter(), os.times()
    command = [sys.executable, "-c", COMMAND, "detect", *map(str, arguments)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    wall, after = time.perf_counter() - begun, os.times()
    processor = after.children_user + after.children_system - before.children_user - before.children_system
    return wall, processor, int(done.stderr.split()[-1]) / 1024


def first_verdict(model: Path, root: Path) -> dict[str, float]:
    """From the start of the process to its end, one image; the best of five."""
    source = root / "images" / "00000.jpg"
    tries = [
        timed("--model", model, "--source", source, "--output", root / f"one{number}") for number in range(5)
    ]
    return {
        "first_verdict_s": min(one[0] for one in tries),
        "first_verdict_cpu_s": min(one[1] for one in tries),
    }


def folder(model: Path, root: Path) -> dict[str, float]:
    """A folder against the sum of its parts."""
    network = OnnxNetwork.open(model, threads=1)
    detector = Detector(network.forward, network.spec, network.rules)
    outputs, parts = Outputs(root / "parts"), {"decode": 0.0, "network": 0.0, "write": 0.0}
    for path in sorted((root / "images").iterdir()):
        begun = time.process_time()
        image = read_image(path)
        parts["decode"] += (decoded := time.process_time()) - begun
        found = detector.detect(image)
        parts["network"] += (judged := time.process_time()) - decoded
        outputs.write(path.stem, image, found)
        parts["write"] += time.process_time() - judged
    wall, processor, memory = timed("--model", model, "--source", root / "images", "--output", root / "many")
    start, starting, _ = timed("--model", model, "--source", root / "images", "--output", root / "many")
    possible = sum(parts.values()) / usable_cores()
    return {
        **{f"{name}_cpu_s": seconds for name, seconds in parts.items()},
        "possible_s": possible,
        "folder_s": wall,
        "folder_cpu_s": processor,
        "start_s": start,
        "share_of_possible": possible / (wall - start),
        "cpu_share": sum(parts.values()) / (processor - starting),
        "folder_mib": memory,
    }


def large(root: Path) -> dict[str, float]:
    """One image of 12 megapixels in tiles."""
    source = root / "large.png"
    Image.fromarray(picture(np.random.default_rng(0), LARGE)).save(source, compress_level=1)
    model = export(root / "tiles.onnx", 512, Tiling(512, 512, 128))
    wall, processor, memory = timed("--model", model, "--source", source, "--output", root / "large")
    return {"large_s": wall, "large_cpu_s": processor, "large_mib": memory}


def overlaps(trained: Path, root: Path) -> dict[str, float]:
    """Pixels that change when the overlap of tiles grows from a quarter to half of a tile, percent.

    The surfaces are five times as large as those that `autonad demo` trains on, the defects are as large.
    """
    network = OnnxNetwork.open(trained)
    side = network.spec.height
    dataset = synthesize(
        root / "surfaces",
        num_images=12,
        size=(5 * side, 5 * side),
        classes=network.spec.classes[1:],
        appearance=Appearance(size=0.2),
    )
    changed = []
    for row in dataset.manifest.itertuples():
        image, masks = dataset.read_image(row), []
        for overlap in (side // 4, side // 2):
            spec = replace(network.spec, tiles=Tiling(side, side, overlap, side // 4))
            masks.append(Detector(network.forward, spec, network.rules).detect(image).mask)
        changed.append(100 * float((masks[0] != masks[1]).mean()))
    return {"overlap_changes_percent": float(np.mean(changed)), "overlap_changes_max_percent": max(changed)}


if __name__ == "__main__":
    main()
