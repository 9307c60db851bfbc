"""Metrics on plain arrays. Point estimates only: intervals live with the claims.

A metric that is undefined for its input (no rows, one class only) is NaN here and
null in JSON; it is never replaced by 0 or 1.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

BEYOND_CHANCE = 1.645  # standard errors: one-sided at 5 %
DRAWS = 200  # of a bootstrap that only has to find a standard error


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


def weighted_macro_f1(
    gold: NDArray[np.int64], predicted: NDArray[np.int64], weights: NDArray[np.float64]
) -> NDArray[np.float64]:
    """`macro_f1` of label numbers (rows,) where a row counts `weights` (draws, rows) times:
    (draws,).

    Labels whose rows all have weight zero are left out, as if they did not exist.
    """
    labels = np.arange(max(gold.max(), predicted.max()) + 1)
    is_gold, is_predicted = gold[:, None] == labels, predicted[:, None] == labels
    right = weights @ (is_gold & is_predicted).astype(float)  # (draws, labels)
    either = weights @ (is_gold.astype(float) + is_predicted)
    f1 = 2 * right / np.where(either > 0, either, 1)
    with np.errstate(invalid="ignore"):  # no row at all: not a number
        found: NDArray[np.float64] = f1.sum(axis=1) / (either > 0).sum(axis=1)
    return found


def weighted_micro_f1(
    gold: NDArray[np.bool_], named: NDArray[np.bool_], weights: NDArray[np.float64]
) -> NDArray[np.float64]:
    """F1 = 2TP / (2TP + FP + FN) over all pairs of row and label, (draws,); NaN where there
    is no label at all. gold, named: (rows, labels). weights: (draws, rows), how often a row
    counts."""
    both = (gold & named).sum(axis=1, dtype=np.float64)  # (rows,)
    either = gold.sum(axis=1, dtype=np.float64) + named.sum(axis=1, dtype=np.float64)
    with np.errstate(invalid="ignore"):
        found: NDArray[np.float64] = 2 * (weights @ both) / (weights @ either)
    return found


def weighted_mean_f1(
    gold: NDArray[np.bool_], named: NDArray[np.bool_], weights: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Mean over labels of F1 (macro-F1), (draws,), of the labels that a draw's rows have or
    are given. Shapes as in `weighted_micro_f1`."""
    both = weights @ (gold & named).astype(np.float64)  # (draws, labels)
    either = weights @ (gold.astype(np.float64) + named)
    f1 = np.divide(2 * both, either, out=np.zeros_like(both), where=either > 0)
    with np.errstate(invalid="ignore"):
        found: NDArray[np.float64] = f1.sum(axis=1) / (either > 0).sum(axis=1)
    return found


def average_precision(scores: NDArray[np.float64], positive: NDArray[np.bool_]) -> float:
    """Precision averaged over the steps of recall, both (n,); NaN without positives.

    As scikit-learn's average_precision_score: no interpolation, equal scores are one step.
    """
    if not positive.any():
        return float("nan")
    order = np.argsort(-scores, kind="stable")
    last = np.flatnonzero(np.diff(scores[order], append=-np.inf))  # the end of each tie
    hits = np.cumsum(positive[order])[last]
    precision = hits / (last + 1)
    return float((precision * np.diff(hits, prepend=0)).sum() / hits[-1])


def best_f1_threshold(
    scores: NDArray[np.float64], positive: NDArray[np.bool_] | NDArray[np.float64]
) -> float | None:
    """The threshold t for which "scores >= t" has the highest F1; midway between neighboring
    scores, of equal optima the highest. None without positives. Both (n,); positive may be
    how likely each is, 0 to 1."""
    if not positive.any():
        return None
    order = np.argsort(-scores, kind="stable")
    ranked = scores[order]
    last = np.flatnonzero(np.diff(ranked, append=-np.inf))
    f1 = 2 * np.cumsum(positive[order])[last] / (last + 1 + positive.sum())
    best = last[int(np.argmax(f1))]
    below = ranked[best + 1] if best + 1 < len(ranked) else 0.0
    return float((ranked[best] + below) / 2)


def expected_calibration_error(
    scores: NDArray[np.float64], right: NDArray[np.bool_], bins: int = 10
) -> float:
    """Mean distance of score and accuracy over bins of equal width, weighted by their rows
    (Naeini et al. 2015). scores: (rows,), from 0 to 1. NaN without rows."""
    if not len(scores):
        return float("nan")
    number = np.minimum((scores * bins).astype(int), bins - 1)
    rows = np.bincount(number, minlength=bins)
    gap = np.bincount(number, scores, bins) - np.bincount(number, right, bins)
    return float(np.abs(gap).sum() / rows.sum())


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


def softmax(logits: NDArray[np.floating[Any]]) -> NDArray[np.float64]:
    """Softmax over the last axis, in double precision."""
    shifted = logits.astype(np.float64) - logits.max(axis=-1, keepdims=True)
    e = np.exp(shifted)
    shares: NDArray[np.float64] = e / e.sum(axis=-1, keepdims=True)
    return shares


def sigmoid(logits: NDArray[np.floating[Any]]) -> NDArray[np.float64]:
    """1 / (1 + exp(-x)), in double precision and without overflow."""
    wide = logits.astype(np.float64)
    shares: NDArray[np.float64] = 0.5 * (1.0 + np.tanh(0.5 * wide))
    return shares


def logit(shares: NDArray[np.float64]) -> NDArray[np.float64]:
    """The inverse of `sigmoid`; shares are kept a hair away from 0 and 1."""
    kept = np.clip(shares, 1e-9, 1 - 1e-9)
    return np.log(kept) - np.log1p(-kept)


def _same_length(gold: Sequence[str], predicted: Sequence[str]) -> None:
    if len(gold) != len(predicted):
        raise ValueError(f"{len(gold)} gold labels, {len(predicted)} predictions")


def surely_better(before: NDArray[np.bool_], after: NDArray[np.bool_]) -> bool:
    """Whether `after` is right on more of the same rows than chance explains: McNemar's test
    of paired shares (1947), one-sided at 5 %."""
    won, lost = int((after & ~before).sum()), int((before & ~after).sum())
    return bool(won - lost > BEYOND_CHANCE * math.sqrt(won + lost))


def surely_ranked_better(
    before: NDArray[np.float64], after: NDArray[np.float64], positive: NDArray[np.bool_], seed: int
) -> bool:
    """Whether the scores `after` have a higher average precision over all pairs of row and
    label than chance explains: the difference beside its standard error by the paired
    bootstrap over rows, one-sided at 5 %. All (rows, labels)."""
    rng = np.random.default_rng(seed)
    gains = []
    for _ in range(DRAWS):
        drawn = rng.integers(len(positive), size=len(positive))
        gold = positive[drawn].ravel()
        if gold.any():
            one, other = (average_precision(s[drawn].ravel(), gold) for s in (before, after))
            gains.append(other - one)
    return bool(gains) and float(np.mean(gains)) > BEYOND_CHANCE * float(np.std(gains))
