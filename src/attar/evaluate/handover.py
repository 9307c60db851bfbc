"""When to hand over: the threshold under which the model abstains.

Two steps that must not see the same rows. `design_handover` looks at select: it fits
the temperature, chooses how acceptance is scored, and fixes which thresholds will be
tried in which order. `certify_threshold` looks at calibrate: it walks that order by
Learn then Test (Angelopoulos et al. 2021) and stops where the error claims of the
recipe can no longer be guaranteed. Whether they are met is then decided on certify.

Without error claims there is nothing to guarantee: with out-of-scope rows the threshold
maximizes Youden's J on calibrate, without them the model always answers.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from attar.evaluate.statistics import binomial_p_value, fixed_sequence
from attar.metrics import auroc, youden_threshold
from attar.predictions import Prediction
from attar.recipe import ClaimSpec
from attar.types import JudgesLabels, Outputs, Row, Task

LABEL_ERROR = "label_error_when_answering"
#: Claims that a threshold can serve; all are "at most" claims.
ERROR_CLAIMS = ("error_when_answering", LABEL_ERROR, "oos_acceptance")
THRESHOLDS = 100
#: Probabilities at which testing begins on rows of another kind than those that fix the order.
STARTS = (0.995, 0.99, 0.975, 0.95)
#: Another score must part the rows so much better than the probability, which costs no bytes.
WORTH_IT = 0.005
RANK = 32  # of the space of distances
CURVE_POINTS = 50


@dataclass(frozen=True, slots=True)
class Design:
    """What is fixed before calibrate is looked at. thresholds: in the order of testing,
    from the one most likely to hold, or the strictest, down to always answering (minus infinity);
    starts: the places in it that testing begins at. tuned: what the task fixed on the same rows."""

    temperature: float
    acceptance: str
    separation: Mapping[str, float]
    thresholds: tuple[float, ...]
    tuned: Mapping[str, Any] = field(default_factory=dict)
    starts: tuple[int, ...] = (0,)


@dataclass(frozen=True, slots=True)
class Threshold:
    """certified: whether calibrate guarantees the error claims; None where none asks."""

    value: float | None
    method: str
    certified: bool | None
    rows: int


def error_claims(claims: Sequence[ClaimSpec]) -> list[ClaimSpec]:
    return [c for c in claims if c.metric in ERROR_CLAIMS and c.at_most is not None]


def about_labels(claims: Sequence[ClaimSpec]) -> bool:
    """Whether the error claims ask that the label of the text is right, and no more."""
    asked = {claim.metric for claim in error_claims(claims)}
    return LABEL_ERROR in asked and "error_when_answering" not in asked


def judged(
    task: Task, rows: Sequence[Row], answers: Sequence[Prediction], claims: Sequence[ClaimSpec]
) -> NDArray[np.bool_]:
    """Which answers are right as the error claims mean it, (rows,). An answer that is right as a
    whole has the right label: where claims ask for both, the whole counts."""
    right = task.is_right
    if about_labels(claims) and isinstance(task, JudgesLabels):
        right = task.label_is_right
    return np.array([right(row.label, a.label) for a, row in zip(answers, rows, strict=True)], bool)


def design_handover(
    task: Task,
    outputs: Outputs,
    rows: Sequence[Row],
    settings: Mapping[str, Any],
    kinds: Sequence[str],
    claims: Sequence[ClaimSpec],
    calibrate_rows: int,
    alike: bool = True,
) -> Design:
    """Fix temperature, acceptance and the order of thresholds on the select rows.

    settings: the task's, as in the manifest. kinds: ways of acceptance that the bundle
    could carry. calibrate_rows: how many rows the test will have, which decides where the
    order can sensibly start. alike: they are of the same kind as `rows`; for others nothing can be
    learned from these, so that what is tried are probabilities, in an order fixed once and for all
    that begins at several places.
    """
    settings = {**settings, "threshold": None}
    temperature = fit_temperature(
        lambda tried: task.log_loss(outputs, rows, {**settings, "temperature": tried})
    )
    settings["temperature"] = temperature
    tuned = task.tuned(outputs, rows, settings)
    settings |= tuned
    answers = task.decode(outputs, {"task_settings": settings})
    inside = np.array([row.label != settings["out_of_scope"] for row in rows])
    right = judged(task, rows, answers, claims)
    scores = {
        kind: task.acceptance(outputs, {"task_settings": {**settings, "acceptance": kind}})
        for kind in kinds
    }
    separation = {kind: _separation(values, inside, right) for kind, values in scores.items()}
    best = max(kinds, key=lambda kind: separation[kind] - WORTH_IT * (kind != "probability"))
    parted = {k: round(v, 6) for k, v in separation.items()}
    asked = error_claims(claims)
    if not alike and asked:
        order = _every_probability()
        starts = tuple(sum(tried > start for tried in order) for start in STARTS)
        return Design(temperature, kinds[0], parted, tuple(order), tuned, starts)
    order = _order(scores[best], inside, right, asked, calibrate_rows)
    return Design(temperature, best, parted, tuple(order), tuned)


def fit_temperature(log_loss: Callable[[float], float]) -> float:
    """The temperature that makes the gold labels likeliest (Guo et al. 2017), 0.1 to 10; 1
    where the loss is undefined because there are no rows."""
    from scipy.optimize import minimize_scalar

    if math.isnan(log_loss(1.0)):
        return 1.0
    found = minimize_scalar(
        lambda log_temperature: log_loss(math.exp(log_temperature)),
        bounds=(math.log(0.1), math.log(10)),
        method="bounded",
    )
    return round(math.exp(float(found.x)), 4)


def fit_distance(
    embedding: NDArray[np.float32], gold: NDArray[np.int64], labels: int, rank: int = RANK
) -> NDArray[np.float32]:
    """The array of `runtime.distance`, fitted on in-scope train rows.

    embedding: (rows, hidden). gold: (rows,), label numbers, each occurring. Linear
    discriminant analysis: whiten by the covariance within labels (shrunk by a tenth
    toward its mean variance), keep the axes along which the centers differ most.
    """
    hidden = embedding.shape[1]
    wide = embedding.astype(np.float64)
    counts = np.bincount(gold, minlength=labels)
    centers = np.zeros((labels, hidden))
    np.add.at(centers, gold, wide)
    centers /= np.maximum(counts, 1)[:, None]
    away = wide - centers[gold]
    within = away.T @ away / max(1, len(wide) - labels)
    within = 0.9 * within + 0.1 * np.trace(within) / hidden * np.eye(hidden)
    values, vectors = np.linalg.eigh(within)
    whiten = vectors / np.sqrt(values)  # (hidden, hidden)
    spread = (centers - centers.mean(0)) @ whiten
    _, axes = np.linalg.eigh(spread.T @ spread)
    projection = whiten @ axes[:, ::-1][:, : min(rank, labels - 1, hidden)]
    return np.concatenate([projection, centers @ projection]).astype(np.float32)


def certify_threshold(
    design: Design,
    acceptance: NDArray[np.float64],
    inside: NDArray[np.bool_],
    right: NDArray[np.bool_],
    claims: Sequence[ClaimSpec],
) -> Threshold:
    """The most answering threshold that calibrate guarantees. Arrays: (calibrate rows,).

    With several error claims a threshold is kept only where each can be guaranteed, so
    the largest of their p-values counts, each against its own level. Of several starts
    each has its share of the level (Angelopoulos et al. 2021, section 3.2).
    """
    asked = error_claims(claims)
    if not asked:
        return _youden(acceptance, inside)
    alpha = min(1 - claim.confidence for claim in asked)
    p_values = [
        max(_p_value(c, t, acceptance, inside, right) * alpha / (1 - c.confidence) for c in asked)
        for t in design.thresholds
    ]
    share = alpha / len(design.starts)
    reached = [
        start + fixed_sequence(p_values[start:], share)
        for start in design.starts
        if p_values[start] <= share
    ]
    chosen = design.thresholds[max(reached) - 1 if reached else design.starts[0]]
    value = None if math.isinf(chosen) else round(chosen, 6)
    method = "learn then test, fixed sequence"
    if len(design.starts) > 1:
        method += f" from {len(design.starts)} starts"
    return Threshold(value, method, bool(reached), len(acceptance))


def curve(
    acceptance: NDArray[np.float64],
    inside: NDArray[np.bool_],
    right: NDArray[np.bool_],
    threshold: float | None,
) -> list[dict[str, float | None]]:
    """Risk against coverage: for a range of thresholds, strict first and the one in force
    among them, the share of in-scope rows answered, wrong of those, and out of scope."""
    if not inside.any():
        return []
    shares = np.linspace(0, 1, CURVE_POINTS)
    cuts = set(np.quantile(acceptance[inside], shares, method="lower").tolist())
    if threshold is not None:
        cuts.add(threshold)
    points = []
    for cut in sorted(cuts, reverse=True):
        answered = acceptance >= cut
        both = answered & inside
        points.append(
            {
                "threshold": round(cut, 6),
                "answered": round(float(both.sum() / inside.sum()), 6),
                "error": round(float((~right[both]).mean()), 6) if both.any() else None,
                "oos_accepted": (
                    round(float(answered[~inside].mean()), 6) if not inside.all() else None
                ),
            }
        )
    return points


def _separation(
    values: NDArray[np.float64], inside: NDArray[np.bool_], right: NDArray[np.bool_]
) -> float:
    """How well acceptance parts what to answer from what not: in scope from out of scope,
    and right from wrong. The mean of the two areas, or the one that is defined."""
    areas = [
        auroc(values[inside].tolist(), values[~inside].tolist()),
        auroc(values[inside & right].tolist(), values[inside & ~right].tolist()),
    ]
    defined = [area for area in areas if not math.isnan(area)]
    return float(np.mean(defined)) if defined else 0.5


def _order(
    values: NDArray[np.float64],
    inside: NDArray[np.bool_],
    right: NDArray[np.bool_],
    claims: Sequence[ClaimSpec],
    calibrate_rows: int,
) -> list[float]:
    """Thresholds from the one that select finds likeliest to hold, down to none.

    A stricter threshold answers fewer rows, and few rows prove little: the order starts
    where the p-value that select predicts for calibrate is smallest.
    """
    if not claims or not inside.any():
        return [-math.inf]
    cuts = np.unique(np.quantile(values[inside], np.linspace(0, 0.99, THRESHOLDS), method="lower"))
    ordered = [*cuts[::-1].tolist()[:-1], -math.inf]
    scale = calibrate_rows / max(1, len(values))
    predicted = [
        max(_p_value(claim, cut, values, inside, right, scale) for claim in claims)
        for cut in ordered
    ]
    start = int(np.argmin(predicted))
    return ordered[start:]


def _every_probability() -> list[float]:
    """From 0.999 down to 0.01, evenly in their odds' logarithm, and none."""
    log_odds = np.linspace(math.log(0.999 / 0.001), math.log(0.01 / 0.99), THRESHOLDS)
    return [*(1 / (1 + np.exp(-log_odds))).tolist(), -math.inf]


def _p_value(
    claim: ClaimSpec,
    threshold: float,
    acceptance: NDArray[np.float64],
    inside: NDArray[np.bool_],
    right: NDArray[np.bool_],
    scale: float = 1.0,
) -> float:
    """Of "the claim is broken at this threshold"; counts are scaled by `scale`, up."""
    assert claim.at_most is not None
    answered = acceptance >= threshold
    if claim.metric == "oos_acceptance":
        errors, trials = int((answered & ~inside).sum()), int((~inside).sum())
    else:
        errors = int((answered & inside & ~right).sum())
        trials = int((answered & inside).sum())
    return binomial_p_value(math.ceil(errors * scale), round(trials * scale), claim.at_most)


def _youden(acceptance: NDArray[np.float64], inside: NDArray[np.bool_]) -> Threshold:
    if inside.all() or not inside.any():
        return Threshold(None, "always answers", None, len(acceptance))
    value = youden_threshold(acceptance[inside].tolist(), acceptance[~inside].tolist())
    return Threshold(round(value, 6), "Youden's J on calibrate", None, len(acceptance))
