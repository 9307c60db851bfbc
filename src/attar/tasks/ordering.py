"""The order of a query's candidates, and how likely the first of them is the right one.

The first stage gives each candidate a similarity: its cosine, and its BM25 score with the weight
that `hybrid` says. Where a bundle scores the best ones again (`runtime.rescore`), each of them
loses similarity by how far its second score is behind the best of these, times `weight`; the
others come after them. How likely the first is right is a logistic of its similarity, its lead
over the next and, where there is one, its second score (Platt 1999).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from attar.errors import BundleError
from attar.metrics import sigmoid
from attar.types import Outputs

RESCORED = "rescored"  # of the outputs: second scores, NaN where there is none
RIDGE = 1.0  # of the logistic, on features of unit variance
STEPS = 50  # of Newton's method
Floats = NDArray[np.float64]


class Ranked(NamedTuple):
    """Candidates, best first, all (batch, candidates). similarity: -inf where there is none;
    second: NaN where it was not scored again, None where no model does."""

    documents: NDArray[np.object_]
    similarity: Floats
    second: Floats | None = None


def first_stage(outputs: Outputs, hybrid: float | None) -> Floats:
    """Similarities (batch, candidates) of vectors and words, -inf where there is no document."""
    cosine, words = outputs["cosine"], outputs["words"]
    weight = hybrid or 0.0
    similarity = (1 - weight) * cosine.astype(np.float64) + weight * words
    return np.where(np.isnan(similarity), -np.inf, similarity)


def ranked(outputs: Outputs, settings: Mapping[str, Any]) -> Ranked:
    """The candidates of `runtime.index` in their order. Raises BundleError where there are none,
    or the outputs do not belong together."""
    parts = [outputs.get(name) for name in ("documents", "cosine", "words")]
    documents, cosine, words = parts
    if documents is None or cosine is None or words is None:
        raise BundleError("no index gives documents. The bundle was put together wrongly.")
    if documents.ndim != 2 or not documents.shape == cosine.shape == words.shape:
        raise BundleError("the index gives documents and scores of different shapes")
    similarity = first_stage(outputs, settings["hybrid"])
    again, how = outputs.get(RESCORED), settings.get("rescore")
    if how is None or again is None:
        return _sorted(documents, similarity, None)
    if again.shape != documents.shape:
        raise BundleError("second scores and documents have different shapes")
    second = again.astype(np.float64)
    return _sorted(documents, lowered(similarity, second, how["weight"]), second)


def lowered(similarity: Floats, second: Floats, weight: float) -> Floats:
    """Similarities once the second scores are heard. What was not scored again stays behind what
    was: at the least similarity of these, or its own if that is less."""
    scored = ~np.isnan(second)
    if not scored.any():
        return similarity
    best = np.max(np.where(scored, second, -np.inf), axis=1, keepdims=True)
    with np.errstate(invalid="ignore"):
        lowered = np.where(scored, similarity - weight * (best - second), similarity)
    least = np.min(np.where(scored, lowered, np.inf), axis=1, keepdims=True)
    return np.where(scored, lowered, np.minimum(lowered, np.nextafter(least, -np.inf)))


def _sorted(documents: NDArray[Any], similarity: Floats, second: Floats | None) -> Ranked:
    order = np.argsort(-similarity, axis=1, kind="stable")
    values = (documents, similarity, *(() if second is None else (second,)))
    return Ranked(*(np.take_along_axis(one, order, axis=1) for one in values))


def features(found: Ranked) -> Floats:
    """Similarity of the best and its lead over the next, and its second score where there is
    one: (batch, 2 or 3); what is missing counts as 0."""
    first_two = np.zeros((len(found.similarity), 2))
    known = found.similarity[:, :2]
    first_two[:, : known.shape[1]] = np.where(np.isfinite(known), known, 0.0)
    columns = [first_two[:, 0], first_two[:, 0] - first_two[:, 1]]
    if found.second is not None:
        first = found.second[:, 0] if found.second.shape[1] else np.zeros(len(first_two))
        columns.append(np.nan_to_num(first))
    return np.stack(columns, axis=1)


def likelihood(found: Ranked, settings: Mapping[str, Any]) -> Floats:
    """How likely the best document is the right one, (batch,)."""
    slopes, read = np.array(settings["logistic"], np.float64), features(found)
    used = read[:, : len(slopes) - 1]
    return sigmoid((used @ slopes[:-1] + slopes[-1]) / settings["temperature"])


def fitted_logistic(features: Floats, right: NDArray[np.bool_]) -> Floats:
    """Slopes and constant. Targets are pulled toward each other as Platt (1999) has it, so that a
    clean sample does not make the slope endless. A slope that would fall is 0 instead: what is
    nearer is never less sure, whatever a few rows say."""
    hits = int(right.sum())
    target = np.where(right, (hits + 1) / (hits + 2), 1 / (len(right) - hits + 2))
    mean, scale = features.mean(axis=0), np.maximum(features.std(axis=0), 1e-6)
    scaled, kept = (features - mean) / scale, [*range(features.shape[1])]
    while True:
        fitted = _fitted(scaled[:, kept], target)
        rising = [column for column, slope in zip(kept, fitted, strict=False) if slope >= 0]
        if rising == kept:
            break
        kept = rising
    slopes = np.zeros(features.shape[1])
    slopes[kept] = fitted[:-1]
    slopes /= scale
    return np.array([*slopes, fitted[-1] - slopes @ mean])


def _fitted(features: Floats, target: Floats) -> Floats:
    """Slopes and constant of a logistic regression with a ridge on the slopes, by Newton's
    method."""
    held = np.column_stack([features, np.ones(len(features))])
    ridge = np.diag([*[RIDGE] * features.shape[1], 1e-6])
    found = np.zeros(held.shape[1])
    for _ in range(STEPS):
        p = sigmoid(held @ found)
        slope = held.T @ (p - target) + ridge @ found
        curve = (held * (p * (1 - p))[:, None]).T @ held + ridge
        step = np.linalg.solve(curve, slope)
        found -= np.clip(step, -2, 2)
        if np.abs(step).max() < 1e-9:
            break
    return found
