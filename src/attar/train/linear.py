"""The linear head: logistic regressions fitted to embeddings."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

Vectors = NDArray[np.float32]

STRENGTH = 0.1  # of regressions on standardized embeddings
UNIT_STRENGTH = 30.0  # of regressions on directions, whose entries are small
STILL = 0.1  # of the median deviation: entries that vary less are not scaled up
UNSEEN = -20.0  # bias of a column without rows: it never wins


class LinearHead(NamedTuple):
    """logits = embedding @ weight.T + bias. weight: (columns, hidden), bias: (columns,)."""

    weight: NDArray[np.float64]
    bias: NDArray[np.float64]

    def logits(self, embedding: Vectors) -> NDArray[np.float64]:
        """(n, hidden) -> (n, columns)."""
        found: NDArray[np.float64] = embedding @ self.weight.T + self.bias
        return found


def fit_linear(
    embedding: Vectors,
    target: NDArray[np.int64],
    columns: int,
    strength: float = STRENGTH,
    balance: float = 0.0,
) -> LinearHead:
    """Fit on embedding (n, hidden) and target (n,), the scaling folded into the head.

    strength: the inverse of the L2 penalty. balance: a row weighs (its label's share) **
    -balance; 1 gives labels equal weight.
    """
    mean, scale = _scaling(embedding)
    weight, bias = _fitted((embedding - mean) / scale, target, columns, strength, balance)
    return LinearHead(weight / scale, bias - (weight / scale) @ mean)


def fit_unit(
    embedding: Vectors, target: NDArray[np.int64], columns: int, balance: float = 0.0
) -> LinearHead:
    """Fit on the directions of embedding (n, hidden), which the head then has to be given;
    otherwise as `fit_linear`. With few rows a label the direction says all that can be
    learned (docs/passes-distillation.md)."""
    length = np.linalg.norm(embedding, axis=1, keepdims=True)
    return _fitted(embedding / np.maximum(length, 1e-12), target, columns, UNIT_STRENGTH, balance)


def _fitted(
    inputs: Vectors, target: NDArray[np.int64], columns: int, strength: float, balance: float
) -> LinearHead:
    fitted = _regression(strength).fit(inputs, target, sample_weight=row_weights(target, balance))
    weight = np.zeros((columns, inputs.shape[1]), np.float64)
    bias = np.full(columns, UNSEEN)
    if len(fitted.classes_) == 2:  # scikit-learn keeps one row for two classes
        weight[fitted.classes_[1]] = fitted.coef_[0]
        bias[fitted.classes_] = (0.0, fitted.intercept_[0])
    else:
        weight[fitted.classes_], bias[fitted.classes_] = fitted.coef_, fitted.intercept_
    return LinearHead(weight, bias)


def fit_one_vs_rest(
    embedding: Vectors, target: NDArray[np.int64], columns: int, strength: float = STRENGTH
) -> LinearHead:
    """One regression a column, against all other rows. target: (n, columns) of 0 and 1."""
    mean, scale = _scaling(embedding)
    standardized = (embedding - mean) / scale
    weight = np.zeros((columns, embedding.shape[1]), np.float64)
    bias = np.full(columns, UNSEEN)
    for column, yes in enumerate(target.T):
        if yes.all():
            bias[column] = -UNSEEN
        elif yes.any():
            one = _regression(strength).fit(standardized, yes)
            weight[column], bias[column] = one.coef_[0], one.intercept_[0]
    return LinearHead(weight / scale, bias - (weight / scale) @ mean)


def _scaling(embedding: Vectors) -> tuple[Vectors, Vectors]:
    """Mean and scale of each entry, (hidden,). MiniLM's embedding has three all but constant
    entries; divided by next to nothing they would get weights a thousand times the
    others', which no int8 grid holds."""
    scale = embedding.std(0)
    least = np.float32(STILL * np.median(scale) + 1e-6)
    return embedding.mean(0), np.maximum(scale, least)


def _regression(strength: float) -> Any:
    from sklearn.linear_model import LogisticRegression

    return LogisticRegression(C=strength, max_iter=500)


def row_weights(target: NDArray[np.int64], balance: float) -> NDArray[np.float64] | None:
    """Weights of mean 1 by which rows of rare labels count for more; None: all alike."""
    if not balance:
        return None
    counts = np.bincount(target)
    weights: NDArray[np.float64] = counts[target].astype(np.float64) ** -balance
    return np.asarray(weights / weights.mean())
