"""Two statistics of a labelling of parts as batch or reference, for many labellings at once.

MMD (Gretton et al. 2012, "A Kernel Two-Sample Test"): the distance between the mean embeddings of the two
samples. Classifier two-sample test (Lopez-Paz and Oquab 2017, "Revisiting Classifier Two-Sample Tests"): how
well a classifier tells them apart on parts that it was not fitted to; a ridge regression, whose leave-one-out
predictions have a closed form, makes the permutations cheap.

Each is taken on several views of the features. A view's statistic is studentised by its own permutations, and
the largest counts; as the observed labelling and the permuted ones are treated alike, the test stays exact.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

LANDMARKS, RANK = 256, 96
BANDWIDTHS = (1.0, 4.0)  # squared, relative to the median squared distance
SHRINKAGE = 0.1  # of a whitened view's spectrum towards its mean
PENALTIES = (0.1, 1.0)  # of the ridge, relative to the mean eigenvalue
CHUNK = 100_000  # labels (permutations × parts) that are worked on at once
LEAST_LABELLINGS = 16  # at once, however many parts there are: features are then read once for all of these
ROWS = 4096  # parts that are embedded at once


@dataclass(frozen=True)
class View:
    """One look at the features of some parts.

    Attributes:
        name: "texture" or "defects", and "whitened" if correlated features count once.
        rows: Which parts have it, indices (M,).
        features: Standardised features for the classifier, (M, K), or None.
        embedding: Features whose scalar products are the kernel, (M, R).
    """

    name: str
    rows: np.ndarray
    features: np.ndarray | None
    embedding: np.ndarray


def make_views(name: str, rows: np.ndarray, features: np.ndarray) -> list[View]:
    """Views of standardised features: as they are, and whitened.

    Args:
        name: What the features describe.
        rows: The parts that have them, indices (M,).
        features: Standardised, (M, K).
    """
    if len(rows) < 4 or features.shape[1] == 0:
        return []
    return [
        View(name, rows, features, _embedding(features)),
        View(f"{name}, whitened", rows, None, _embedding(_whitened(features))),
    ]


def permute(
    in_batch: np.ndarray, strata: np.ndarray, permutations: int, rng: np.random.Generator
) -> np.ndarray:
    """Labellings: the observed one first, then `permutations` random ones that keep each stratum's count.

    Returns:
        bool (1 + permutations, N).
    """
    labels = np.tile(in_batch, (permutations + 1, 1))
    for stratum in np.unique(strata):
        members = np.flatnonzero(strata == stratum)
        for some in _slices(1, len(labels), max(1, CHUNK // len(members))):
            labels[some, members] = rng.permuted(labels[some, members], axis=1)
    return labels


def chunks(labels: np.ndarray) -> Iterator[np.ndarray]:
    """Labellings bool (P, n) in chunks that stay in the processor's cache where there are few parts."""
    for some in _slices(0, len(labels), max(LEAST_LABELLINGS, CHUNK // labels.shape[1])):
        yield labels[some]


def _slices(start: int, stop: int, step: int) -> Iterator[slice]:
    return (slice(first, min(first + step, stop)) for first in range(start, stop, step))


def mmd(view: View, rows: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """Unbiased squared MMD of each labelling (Gretton et al. 2012, Eq. 3).

    Args:
        view: The features.
        rows: Positions within the view that take part, (n,).
        labels: bool (P, n); every labelling has the same number of parts in the batch.

    Returns:
        float64 (P,).
    """
    embedding = view.embedding[rows]
    own = (embedding**2).sum(axis=1)  # of a part with itself: carries no information
    m, n = _sizes(labels)
    found = []
    for chunk in chunks(labels):
        weights = chunk.astype(np.float64)
        batch, batch_own = weights @ embedding, weights @ own
        other, other_own = embedding.sum(axis=0) - batch, own.sum() - batch_own
        within = ((batch**2).sum(axis=1) - batch_own) / (m * max(m - 1, 1))
        without = ((other**2).sum(axis=1) - other_own) / (n * max(n - 1, 1))
        found.append(within + without - 2 * (batch * other).sum(axis=1) / (m * n))
    return np.concatenate(found)


def witness_auc(view: View, rows: np.ndarray, labels: np.ndarray) -> float:
    """How well the MMD's witness function separates the parts, each left out of its own embedding: AUC."""
    embedding = view.embedding[rows]
    own = (embedding**2).sum(axis=1)
    m, n = _sizes(labels[None])
    batch = (embedding @ embedding[labels].sum(axis=0) - labels * own) / np.maximum(m - labels, 1)
    other = (embedding @ embedding[~labels].sum(axis=0) - ~labels * own) / np.maximum(n - ~labels, 1)
    return float(areas((batch - other)[None], labels[None])[0])


def classifier_auc(
    view: View, rows: np.ndarray, strata: np.ndarray, labels: np.ndarray, penalty: float
) -> np.ndarray:
    """AUC of a ridge classifier that predicts each part from all others.

    With the hat matrix H = X (XᵀX + λI)⁻¹ Xᵀ, the prediction for part i without part i is
    (Hy − H_ii y)_i / (1 − H_ii), exactly.

    Args:
        view: The features.
        rows: Positions within the view that take part, (n,).
        strata: Of those, (n,); labels are centred within them, as the features are.
        labels: bool (P, n).
        penalty: λ relative to the mean eigenvalue of XᵀX.

    Returns:
        float64 (P,) between 0 and 1.
    """
    assert view.features is not None
    x = view.features[rows]
    gram = x.T @ x
    strength = max(penalty * float(np.trace(gram)) / len(gram), 1e-9)
    right = np.linalg.solve(gram + strength * np.eye(len(gram)), x.T)  # (K, n)
    leverage = np.einsum("nk,kn->n", x, right)
    offset = np.zeros(len(rows))
    for stratum in np.unique(strata):
        offset[strata == stratum] = labels[0, strata == stratum].mean()
    found = []
    for chunk in chunks(labels):
        target = chunk - offset
        fitted = (target @ x) @ right
        found.append(areas((fitted - leverage * target) / (1 - leverage), chunk))
    return np.concatenate(found)


def areas(scores: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """Area under the ROC curve of each row, ties counting half.

    Args:
        scores: float (P, n).
        labels: bool (P, n), at least one of each kind in every row.

    Returns:
        float64 (P,).
    """
    m, n = _sizes(labels)
    # Whole numbers that carry the label in their last bit: one sort, no ranks, and rounding makes no order.
    scale = np.maximum(np.abs(scores).max(axis=1, keepdims=True), 1e-200)
    keys = np.rint(scores * (2.0**40 / scale)).astype(np.int64) * 2
    position = np.arange(1.0, scores.shape[1] + 1)
    ordered = np.sort(keys + labels, axis=1)
    last = first = (ordered & 1) @ position  # positives come last in a run of ties
    if (ordered[:, 1:] ^ ordered[:, :-1] == 1).any():  # a tie of a positive and a negative
        first = position.sum() - (np.sort(keys + ~labels, axis=1) & 1) @ position  # and here first
    return ((first + last) / 2 - m * (m + 1) / 2) / (m * n)


def studentise(statistics: Sequence[np.ndarray]) -> tuple[np.ndarray, int]:
    """Largest of several statistics, each in standard deviations of its own labellings.

    Returns:
        float64 (P,), and which of them is largest for the observed labelling.
    """
    each = np.array([(values - values.mean()) / max(float(values.std()), 1e-12) for values in statistics])
    return each.max(axis=0), int(each[:, 0].argmax())


def p_value(statistic: np.ndarray) -> float:
    """Share of labellings at least as extreme as the observed one, itself included: never 0.

    Phipson and Smyth 2010, "Permutation p-values should never be zero". Equal labellings may differ by
    rounding, which counts as a tie.
    """
    return float((statistic >= statistic[0] - 1e-9 * (1 + abs(statistic[0]))).mean())


def _embedding(features: np.ndarray) -> np.ndarray:
    """Nyström features (N, R) of a sum of Gaussian kernels around the median distance.

    All of up to 256 parts are landmarks; of more, evenly spaced ones are, so that memory stays linear.
    """
    count = len(features)
    chosen = np.unique(np.linspace(0, count - 1, min(count, LANDMARKS)).astype(int))
    distances = np.empty((count, len(chosen)))
    for some in _slices(0, count, ROWS):
        distances[some] = _squared(features[some], features[chosen])
    apart = distances[distances > 0]
    middle = float(np.median(apart, overwrite_input=True)) if len(apart) else 1.0
    del apart  # as large as the distances
    values, vectors = np.linalg.eigh(_kernel(distances[chosen], middle))
    keep = np.flatnonzero(values > 1e-9 * values[-1])[-RANK:]
    basis = vectors[:, keep] / np.sqrt(values[keep])
    embedded = np.empty((count, len(keep)))
    for some in _slices(0, count, ROWS):
        embedded[some] = _kernel(distances[some], middle) @ basis
    return embedded


def _kernel(distances: np.ndarray, middle: float) -> np.ndarray:
    return np.mean([np.exp(-distances / (middle * width)) for width in BANDWIDTHS], axis=0)


def _squared(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    found = (a**2).sum(axis=1)[:, None] + (b**2).sum(axis=1) - 2 * a @ b.T
    return np.where(found > 1e-9, found, 0.0)


def _whitened(features: np.ndarray) -> np.ndarray:
    values, vectors = np.linalg.eigh(np.cov(features.T, bias=True).reshape(features.shape[1], -1))
    shrunk = (1 - SHRINKAGE) * np.maximum(values, 0) + SHRINKAGE * values.mean()
    return (features - features.mean(axis=0)) @ (vectors / np.sqrt(shrunk))


def _sizes(labels: np.ndarray) -> tuple[int, int]:
    m = int(labels[0].sum())
    return m, labels.shape[1] - m
