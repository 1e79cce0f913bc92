"""Ridge regression, and how sure its coefficients are."""

from __future__ import annotations

from collections.abc import Hashable, Sequence

import numpy as np


class Ridge:
    """Ridge regression with an unpenalised constant and a penalty per coefficient.

    Args:
        design: (N, K).
        target: (N,).
        penalty: (K,).

    Attributes:
        weights: (K,).
        constant: The unpenalised one.
        sigma: Standard deviation of the residuals, with the degrees of freedom that the fit leaves.
        covariance: (K, K), of the weights.
        explained: Share of the target's variance.
    """

    def __init__(self, design: np.ndarray, target: np.ndarray, penalty: np.ndarray) -> None:
        means = design.mean(axis=0)
        centred, goal = design - means, target - target.mean()
        gram = centred.T @ centred
        inverse = np.linalg.inv(gram + np.diag(penalty))
        self.weights = inverse @ centred.T @ goal
        self.constant = float(target.mean() - means @ self.weights)
        rest = goal - centred @ self.weights
        freedom = max(1.0, len(target) - 1 - float(np.trace(inverse @ gram)))
        self.sigma = float(np.sqrt(rest @ rest / freedom))
        # The posterior covariance under the prior that the penalty stands for.
        self.covariance = self.sigma**2 * inverse
        total = float(goal @ goal)
        self.explained = 1.0 - float(rest @ rest) / total if total > 0 else 0.0

    def predict(self, design: np.ndarray) -> np.ndarray:
        """The fitted target of each row of a design, (N,)."""
        return self.constant + design @ self.weights

    def stderr(self, places: Sequence[Hashable]) -> np.ndarray:
        """Standard error of each coefficient's difference from the mean of its place.

        Args:
            places: Of each coefficient.

        What all choices of a place have in common cannot be told from the block's presence; only differences
        can.
        """
        result = np.sqrt(np.maximum(0.0, np.diag(self.covariance)))
        for place in dict.fromkeys(places):
            members = [index for index, own in enumerate(places) if own == place]
            if len(members) > 1:
                contrast = np.eye(len(members)) - 1 / len(members)
                within = contrast @ self.covariance[np.ix_(members, members)] @ contrast
                result[members] = np.sqrt(np.maximum(0.0, np.diag(within)))
        return result
