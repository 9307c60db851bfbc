"""Metrics on plain arrays. Point estimates only: intervals live with the claims.

A metric that is undefined for its input (no rows, one class only) is NaN here and
null in JSON; it is never replaced by 0 or 1.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray


def accuracy(gold: Sequence[str], predicted: Sequence[str]) -> float:
    """Share of rows whose predicted label equals the gold label."""
    _same_length(gold, predicted)
    if not gold:
        return float("nan")
    return float(np.mean([g == p for g, p in zip(gold, predicted, strict=True)]))


def macro_f1(gold: Sequence[str], predicted: Sequence[str]) -> float:
    """Unweighted mean over the labels in either list of F1 = 2TP / (2TP + FP + FN).

    Same convention as scikit-learn's f1_score(average="macro", zero_division=0).
    """
    _same_length(gold, predicted)
    labels = sorted(set(gold) | set(predicted))
    if not labels:
        return float("nan")
    index = {label: i for i, label in enumerate(labels)}
    g = np.array([index[label] for label in gold])
    p = np.array([index[label] for label in predicted])
    n = len(labels)
    true_positive = np.bincount(g[g == p], minlength=n)
    denominator = np.bincount(g, minlength=n) + np.bincount(p, minlength=n)
    return float(np.mean(2 * true_positive / denominator))


def auroc(positive: Sequence[float], negative: Sequence[float]) -> float:
    """Probability that a positive scores above a negative; ties count one half.

    The Mann-Whitney U statistic over the number of pairs (Hanley & McNeil 1982).
    """
    pos = np.asarray(positive, dtype=np.float64)
    neg = np.sort(np.asarray(negative, dtype=np.float64))
    if pos.size == 0 or neg.size == 0:
        return float("nan")
    below = np.searchsorted(neg, pos, side="left")
    not_above = np.searchsorted(neg, pos, side="right")
    return float((below + not_above).sum() / (2.0 * pos.size * neg.size))


def youden_threshold(accept: Sequence[float], refuse: Sequence[float]) -> float:
    """Threshold t that maximizes P(accept >= t) + P(refuse < t) - 1 (Youden 1950).

    Midpoint between the two neighboring scores at the optimum; of equal optima the
    lowest, which hands over least.
    """
    pos = np.sort(np.asarray(accept, dtype=np.float64))
    neg = np.sort(np.asarray(refuse, dtype=np.float64))
    if pos.size == 0 or neg.size == 0:
        raise ValueError("a threshold needs scores of both kinds")
    values = np.unique(np.concatenate([pos, neg]))
    cuts = np.concatenate([values[:1], (values[1:] + values[:-1]) / 2])
    kept = 1.0 - np.searchsorted(pos, cuts, side="left") / pos.size
    refused = np.searchsorted(neg, cuts, side="left") / neg.size
    return float(cuts[int(np.argmax(kept + refused))])


def softmax(logits: NDArray[np.float32]) -> NDArray[np.float64]:
    """Softmax over the last axis, in double precision."""
    shifted = logits.astype(np.float64) - logits.max(axis=-1, keepdims=True)
    e = np.exp(shifted)
    shares: NDArray[np.float64] = e / e.sum(axis=-1, keepdims=True)
    return shares


def _same_length(gold: Sequence[str], predicted: Sequence[str]) -> None:
    if len(gold) != len(predicted):
        raise ValueError(f"{len(gold)} gold labels, {len(predicted)} predictions")
