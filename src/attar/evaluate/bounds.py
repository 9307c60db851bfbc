"""From evidence to its bounds, the method that belongs to each kind. Every bound is
one-sided, at level 1 - alpha.

| evidence | method | holds |
|---|---|---|
| Proportion | Clopper-Pearson | exactly, for independent rows |
| Difference | Clopper-Pearson on both discordant cells | exactly, by Bonferroni |
| Separation | Newcombe's score interval, widened by the data | approximately; audited as well |
| Quantile | order statistics | exactly, for independent calls |
| Ratio | Gaffke's bound on a mean, whose weights are random | approximately; audited as well |
| Resampled | stratified percentile bootstrap | approximately; `attar audit` measures how well |
| Exact | the figure itself | there is no sampling |

Rows that share a group are not independent. For the exact methods one row of each
group is drawn, from a fixed seed, and the rest are left out: the sample shrinks, the
guarantee stays, and it is about a random row of a random group. The bootstrap draws
whole groups, and a ratio adds them up.

Assumed throughout: the rows, or groups, are an independent sample of what the claim
is about. No method repairs a test set that does not look like the traffic.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from attar.evaluate.statistics import (
    auroc_bounds,
    check_alpha,
    clopper_pearson,
    difference_bounds,
    discordant,
    quantile_bounds,
)
from attar.evidence import (
    Difference,
    Evidence,
    Exact,
    Groups,
    Proportion,
    Quantile,
    Ratio,
    Resampled,
    Separation,
)

DRAWS = 2000
AT_ONCE = 200  # draws whose weights are in memory together
SEED = 0
MOST_ROWS = 10_000_000  # beyond which "more rows" is no advice


class Bounds(NamedTuple):
    """Two one-sided bounds, each at level 1 - alpha: together an interval at 1 - 2 alpha.
    rows: how many rows they rest on."""

    lower: float
    upper: float
    rows: int


#: alpha -> Bounds; made once from the evidence, asked at several levels
BoundsAt = Callable[[float], Bounds]


def bounds_of(evidence: Evidence) -> BoundsAt:
    """The method that belongs to this kind of evidence."""
    evidence = independent(evidence)
    if isinstance(evidence, Proportion):
        return _of_proportion(evidence)
    if isinstance(evidence, Difference):
        return _of_difference(evidence)
    if isinstance(evidence, Quantile):
        return _of_quantile(evidence)
    if isinstance(evidence, Ratio):
        return _of_ratio(evidence)
    if isinstance(evidence, Resampled):
        return _of_resampled(evidence)
    if isinstance(evidence, Separation):
        return _of_separation(evidence)
    if isinstance(evidence, Exact):
        exact = Bounds(evidence.value, evidence.value, 1)
        return lambda alpha: exact
    raise TypeError(f"no method for {type(evidence).__name__}")


def bootstrap(evidence: Resampled, draws: int = DRAWS, seed: int = SEED) -> NDArray[np.float64]:
    """Sorted values of the statistic on resampled units (Efron & Tibshirani 1993, ch. 13).

    Units are groups, or rows where there are none, drawn with replacement within their
    stratum. A group belongs to the stratum of most of its rows. Draws on which the
    statistic is undefined are left out.
    """
    units, strata = _units(evidence)
    generator = np.random.default_rng(seed)
    members = [np.flatnonzero(strata == stratum) for stratum in np.unique(strata)]
    count, found = len(strata), []
    for first in range(0, draws, AT_ONCE):
        n = min(AT_ONCE, draws - first)
        drawn = np.concatenate(
            [chosen[generator.integers(0, len(chosen), (n, len(chosen)))] for chosen in members],
            axis=1,
        )  # (n, units)
        flat = (drawn + count * np.arange(n)[:, None]).ravel()
        weights = np.bincount(flat, minlength=n * count).reshape(n, count)
        found.append(evidence.statistic(weights[:, units].astype(np.float64)))
    values = np.concatenate(found)
    return np.sort(values[~np.isnan(values)])


def p_value(bounds_at: BoundsAt, bound: float, *, at_least: bool) -> float:
    """The smallest alpha at which the claim is met: the test that the bounds invert.

    By bisection, to a relative error of 1e-6 and an absolute one of 1e-9; rounded up, so
    that a claim is never met by rounding.
    """

    def met(alpha: float) -> bool:
        low, high, _ = bounds_at(alpha)
        return low >= bound if at_least else high <= bound

    low, high = 1e-9, 0.5
    if met(low):
        return low
    if not met(high):
        return 1.0
    while high - low > 1e-6 * high:
        middle = math.sqrt(low * high)
        low, high = (low, middle) if met(middle) else (middle, high)
    return high


def more_rows(evidence: Evidence, bound: float, alpha: float, *, at_least: bool) -> int | None:
    """How many rows beyond these would settle an undecided claim, if the rate stayed.

    For exact methods on shares, by doubling and bisection; for the others, from the
    width of the interval, which shrinks with the square root of the rows. None when the
    measured value is the claim itself or so near that no sensible number would do.
    """
    evidence = independent(evidence)
    value, rows = evidence.value, evidence.rows
    if math.isnan(value) or value == bound or not rows:
        return None
    good = (value > bound) == at_least

    def settled(n: int) -> bool:
        if isinstance(evidence, Proportion):
            low, high = clopper_pearson(round(value * n), n, alpha)
        else:
            now = bounds_of(evidence)(alpha)
            shrink = math.sqrt(rows / n)
            low = value - (value - now.lower) * shrink
            high = value + (now.upper - value) * shrink
        if at_least:
            return low >= bound if good else high < bound
        return high <= bound if good else low > bound

    n = rows
    while not settled(n):
        n *= 2
        if n > MOST_ROWS:
            return None
    low, high = n // 2, n
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if settled(middle) else (middle, high)
    return max(0, high - rows)


def one_row_a_group(groups: Groups, rows: int, seed: int = SEED) -> NDArray[np.int64]:
    """Positions of one row of every group, drawn evenly, in order; all without groups."""
    if groups is None:
        return np.arange(rows)
    order = np.random.default_rng(seed).permutation(rows)
    _, first = np.unique(groups[order], return_index=True)
    return np.sort(order[first])


def independent(evidence: Evidence) -> Evidence:
    """The evidence that an exact method rests on: one row of each group. The others, and
    evidence without groups, are returned as they are."""
    if isinstance(evidence, Proportion) and evidence.groups is not None:
        return Proportion(evidence.hits[one_row_a_group(evidence.groups, evidence.rows)])
    if isinstance(evidence, Difference) and evidence.groups is not None:
        kept = one_row_a_group(evidence.groups, evidence.rows)
        return Difference(evidence.student[kept], evidence.teacher[kept])
    return evidence


def _of_proportion(evidence: Proportion) -> BoundsAt:
    successes, trials = int(evidence.hits.sum()), evidence.rows

    def bounds(alpha: float) -> Bounds:
        return Bounds(*clopper_pearson(successes, trials, alpha), trials)

    return bounds


def _of_difference(evidence: Difference) -> BoundsAt:
    gains, losses = discordant(evidence.student, evidence.teacher)

    def bounds(alpha: float) -> Bounds:
        if not evidence.rows:
            return Bounds(-1.0, 1.0, 0)
        return Bounds(*difference_bounds(gains, losses, evidence.rows, alpha), evidence.rows)

    return bounds


def _of_quantile(evidence: Quantile) -> BoundsAt:
    def bounds(alpha: float) -> Bounds:
        low, high = quantile_bounds(evidence.values, evidence.quantile, alpha)
        return Bounds(low, high, evidence.rows)

    return bounds


def _of_ratio(evidence: Ratio) -> BoundsAt:
    """Gaffke's bound (2005; Learned-Miller & Thomas 2020, who conjecture that it always holds):
    a quantile of the mean under random weights, with one more row, as bad as can be for the
    lower and as good as can be for the upper bound. Of shares it is Clopper-Pearson's. Of a
    ratio the one more row is as large as the mean one, and that it holds is measured.

    Unlike a bootstrap it is right near 0 and 1, where all of a sample may be alike."""
    part, whole = evidence.part, evidence.whole
    if evidence.groups is not None:
        _, units = np.unique(evidence.groups, return_inverse=True)
        part, whole = (np.bincount(units, one).astype(np.float64) for one in (part, whole))
    # Where there is nothing to be right or wrong about there is no evidence: counted as rows, such
    # units would make the one more row as small as a few spans in many texts are on the mean.
    part, whole = part[whole > 0], whole[whole > 0]
    rows, width = len(part), evidence.high - evidence.low
    generator, lower, upper = np.random.default_rng(SEED), [], []
    for first in range(0, DRAWS if rows else 0, AT_ONCE):
        weights = generator.exponential(size=(min(AT_ONCE, DRAWS - first), rows + 1))
        extra = weights[:, rows] * whole.mean()
        sums, totals = weights[:, :rows] @ part, weights[:, :rows] @ whole + extra
        lower.append(sums / totals)
        upper.append((sums + extra) / totals)
    low, high = (np.sort(np.concatenate(found or [np.empty(0)])) for found in (lower, upper))

    def bounds(alpha: float) -> Bounds:
        check_alpha(alpha)
        rank = math.floor(alpha * len(low))
        if not rank:  # so fine a level needs more draws
            return Bounds(evidence.low, evidence.high, rows)
        least, most = float(low[rank - 1]), float(high[-rank])
        return Bounds(evidence.low + width * least, evidence.low + width * most, rows)

    return bounds


def _of_resampled(evidence: Resampled) -> BoundsAt:
    found = bootstrap(evidence) if evidence.rows else np.empty(0)
    units = len(_units(evidence)[1])

    def bounds(alpha: float) -> Bounds:
        check_alpha(alpha)
        rank = math.floor(alpha * len(found))
        if not rank:  # so fine a level needs more draws
            return Bounds(-math.inf, math.inf, units)
        return Bounds(float(found[rank - 1]), float(found[-rank]), units)

    return bounds


def _of_separation(evidence: Separation) -> BoundsAt:
    """The variance is that of the placements (DeLong et al. 1988), summed within groups
    where there are any (Obuchowski 1997)."""
    inside, scores = evidence.inside, evidence.scores
    units = np.arange(evidence.rows) if evidence.groups is None else evidence.groups
    positives, negatives = (len(np.unique(units[kind])) for kind in (inside, ~inside))
    value, variance = evidence.value, 0.0
    if positives and negatives:
        influence = np.empty(evidence.rows)
        influence[inside] = (_placements(scores[inside], scores[~inside]) - value) / inside.sum()
        against = 1 - _placements(scores[~inside], scores[inside])
        influence[~inside] = (against - value) / (~inside).sum()
        _, number = np.unique(units, return_inverse=True)
        variance = float((np.bincount(number, influence) ** 2).sum())

    def bounds(alpha: float) -> Bounds:
        if not positives or not negatives:
            return Bounds(0.0, 1.0, 0)
        found = auroc_bounds(value, variance, positives, negatives, alpha)
        return Bounds(*found, evidence.rows)

    return bounds


def _placements(scores: NDArray[np.float64], others: NDArray[np.float64]) -> NDArray[np.float64]:
    """For each score the share of the others below it, ties one half."""
    ordered = np.sort(others)
    below = np.searchsorted(ordered, scores, side="left")
    not_above = np.searchsorted(ordered, scores, side="right")
    return np.asarray((below + not_above) / (2 * len(ordered)))


def _units(evidence: Resampled) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """The unit of each row (rows,), and the stratum of each unit (units,)."""
    if evidence.groups is None:
        return np.arange(evidence.rows), evidence.strata
    _, units = np.unique(evidence.groups, return_inverse=True)
    count = int(units.max()) + 1 if len(units) else 0
    strata = np.empty(count, np.int64)
    for unit in range(count):
        values, counts = np.unique(evidence.strata[units == unit], return_counts=True)
        strata[unit] = values[counts.argmax()]
    return units, strata
