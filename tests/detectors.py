"""Simulated detectors: confusion matrices whose quality is known, varying from part to part."""

from __future__ import annotations

import numpy as np

from autonad.deploy.verdict import ALL, CHAMPIONS, OWN, Verdict, judge


def truth(rng: np.random.Generator, parts: int, images: int = 3) -> np.ndarray:
    """(parts, images, 3) true pixels per class: parts differ in how much of which defect they show."""
    share = rng.dirichlet([8.0, 1.0, 0.6], size=parts)
    return np.stack([rng.multinomial(400, share[part], size=images) for part in range(parts)])


def detector(rng: np.random.Generator, pixels: np.ndarray, right: float, spread: float = 0.08) -> np.ndarray:
    """(N, 3, 3) confusion of a detector whose recall varies from part to part around `right`."""
    parts, images, classes = pixels.shape
    matrices = np.zeros((parts, images, classes, classes), int)
    for part in range(parts):
        recall = np.clip(rng.normal(right, spread, size=classes), 0.05, 0.99)
        for k in range(classes):
            odds = np.full(classes, (1 - recall[k]) / (classes - 1))
            odds[k] = recall[k]
            matrices[part, :, k] = [rng.multinomial(pixels[part, i, k], odds) for i in range(images)]
    return matrices.reshape(-1, classes, classes)


def decide(seed: int, challenger: float, champion: float, parts: int, resamples: int = 400) -> Verdict:
    """Judge a challenger of one recall against a champion of another."""
    rng = np.random.default_rng(seed)
    pixels = truth(rng, parts)
    a, b = detector(rng, pixels, challenger), detector(rng, pixels, champion)
    everything = np.ones(len(a), dtype=bool)
    return judge(
        a,
        b,
        np.repeat(np.arange(parts), 3),
        dict.fromkeys((ALL, OWN, CHAMPIONS), everything),
        metric="miou",
        probability=0.95,
        resamples=resamples,
        seed=seed,
    )
