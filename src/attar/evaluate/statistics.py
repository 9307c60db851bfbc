"""The statistics of certificates, on counts and values: bounds and tests. Every bound is
one-sided, at level 1 - alpha. Which of them a kind of evidence takes: `bounds`.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray


def clopper_pearson(successes: int, trials: int, alpha: float) -> tuple[float, float]:
    """Lower and upper bound of a proportion (Clopper & Pearson 1934).

    The lower bound is the p at which `successes` or more has probability alpha. Its
    coverage is at least 1 - alpha whatever the truth, because it inverts an exact test.
    """
    from scipy.stats import beta

    if not 0 <= successes <= trials:
        raise ValueError(f"{successes} successes in {trials} trials")
    check_alpha(alpha)
    low = 0.0 if successes == 0 else float(beta.ppf(alpha, successes, trials - successes + 1))
    high = 1.0
    if successes < trials:
        high = float(beta.ppf(1 - alpha, successes + 1, trials - successes))
    return low, high


def difference_bounds(gains: int, losses: int, rows: int, alpha: float) -> tuple[float, float]:
    """Bounds of P(gain) - P(loss), where a row is a gain, a loss or neither.

    Gains: the student is right and the teacher wrong; losses: the other way round. Each
    cell gets a Clopper-Pearson bound at alpha / 2; both hold together at alpha
    (Bonferroni), hence so does their difference. Rows on which both agree carry no
    information about the difference and widen nothing.
    """
    gain_low, gain_high = clopper_pearson(gains, rows, alpha / 2)
    loss_low, loss_high = clopper_pearson(losses, rows, alpha / 2)
    return gain_low - loss_high, gain_high - loss_low


def quantile_bounds(
    values: NDArray[np.float64], quantile: float, alpha: float
) -> tuple[float, float]:
    """Bounds of a quantile from order statistics (David & Nagaraja 2003, §7.1).

    The k-th smallest of n values lies at or below the quantile q exactly when k or more
    values do, which has the probability P(Bin(n, q) >= k) or more, whatever the
    distribution. Infinite where n is too small for the level.
    """
    from scipy.stats import binom

    check_alpha(alpha)
    n = len(values)
    ordered = np.sort(values)
    ranks = np.arange(1, n + 1)
    low_ranks = ranks[binom.sf(ranks - 1, n, quantile) >= 1 - alpha]
    high_ranks = ranks[binom.cdf(ranks - 1, n, quantile) >= 1 - alpha]
    low = float(ordered[low_ranks[-1] - 1]) if len(low_ranks) else -math.inf
    high = float(ordered[high_ranks[0] - 1]) if len(high_ranks) else math.inf
    return low, high


def auroc_bounds(
    value: float, variance: float, positives: int, negatives: int, alpha: float
) -> tuple[float, float]:
    """Bounds of an AUROC, by inverting a score test.

    A candidate A is within while |value - A| <= t sqrt(V(A) w), where V is Hanley and
    McNeil's (1982) variance as Newcombe (2006, method 5) modified it, which stays sound
    near 1, where intervals around the estimate and the percentile bootstrap promise too
    much (`attar audit` found 10 % misses at 5 %). w is how much more the rows vary than V
    says at the estimate, never less than 1; t is Student's, with one less degree of
    freedom than the smaller kind has rows.

    However small the spread, no bound passes what a perfect value could show: with n rows
    of the smaller kind it has the chance A ** n or less, so A > alpha ** (1 / n) is never
    promised.
    """
    from scipy.stats import t

    check_alpha(alpha)
    n = min(positives, negatives)
    if n < 2:
        return 0.0, 1.0
    pair = 0.25 / (positives * negatives)  # finer than any value that is not perfect
    at = _newcombe_variance(min(max(value, pair), 1 - pair), positives, negatives)
    wider = max(1.0, variance / at)
    reach = float(t.ppf(1 - alpha, n - 1)) * math.sqrt(wider)

    def edge(inside: float, outside: float) -> float:
        for _ in range(60):
            middle = (inside + outside) / 2
            spread = math.sqrt(_newcombe_variance(middle, positives, negatives))
            if abs(value - middle) <= reach * spread:
                inside = middle
            else:
                outside = middle
        return outside  # the side on which less is promised

    perfect = alpha ** (1 / n)
    return min(edge(value, 0.0), perfect), max(edge(value, 1.0), 1 - perfect)


def _newcombe_variance(area: float, positives: int, negatives: int) -> float:
    n = (positives + negatives) / 2 - 1
    spread = 1 + n * (1 - area) / (2 - area) + n * area / (1 + area)
    return area * (1 - area) * spread / (positives * negatives)


def mcnemar(gains: int, losses: int) -> float:
    """Two-sided p-value of "student and teacher err equally often", exact (McNemar 1947).

    Under it a discordant row is a gain or a loss with probability one half each.
    """
    from scipy.stats import binomtest

    return 1.0 if gains + losses == 0 else float(binomtest(gains, gains + losses, 0.5).pvalue)


def binomial_p_value(errors: int, trials: int, at_most: float) -> float:
    """P-value of "the error rate is above `at_most`": the chance of so few errors at it.

    Valid: P(p-value <= u) <= u for every rate above `at_most`. One without trials.
    """
    from scipy.stats import binom

    return 1.0 if trials == 0 else float(binom.cdf(errors, trials, at_most))


def fixed_sequence(p_values: Sequence[float], alpha: float) -> int:
    """How many hypotheses are rejected, in an order that was fixed beforehand.

    Testing stops at the first that is not rejected, so each is tested at the full alpha
    and the chance of any false rejection is still at most alpha (Bauer 1991; for
    thresholds: Angelopoulos et al. 2021, Learn then Test, §3.1).
    """
    check_alpha(alpha)
    for number, p in enumerate(p_values):
        if not p <= alpha:
            return number
    return len(p_values)


def holm(p_values: Sequence[float]) -> list[float]:
    """Adjusted p-values: rejecting those at most alpha errs at all with chance alpha.

    Step-down Bonferroni (Holm 1979); valid whatever the dependence of the tests.
    """
    order = sorted(range(len(p_values)), key=lambda i: p_values[i])
    adjusted = [1.0] * len(p_values)
    highest = 0.0
    for rank, i in enumerate(order):
        highest = max(highest, min(1.0, (len(order) - rank) * p_values[i]))
        adjusted[i] = highest
    return adjusted


def discordant(student: NDArray[np.bool_], teacher: NDArray[np.bool_]) -> tuple[int, int]:
    """Rows that only the student has right, and rows that only the teacher has."""
    return int((student & ~teacher).sum()), int((~student & teacher).sum())


def check_alpha(alpha: float) -> None:
    if not 0 < alpha < 1:
        raise ValueError(f"alpha = {alpha}: expected a number between 0 and 1")
