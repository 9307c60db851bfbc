"""The statistics of claims. One method so far: exact bounds on a proportion.

A claim is *met* if the one-sided lower confidence bound reaches it, *unmet* if the
upper bound lies below it, else *undecided* (and the other way round for at_most).
Assumes rows drawn independently from the population that the claim is about.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from attar.recipe import ClaimSpec

#: Metrics that are proportions: name -> the count of rows that it is a proportion of.
PROPORTIONS = {"accuracy": "in_scope_rows"}


def clopper_pearson(successes: int, trials: int, alpha: float) -> tuple[float, float]:
    """One-sided lower and upper bound, each at level 1 - alpha (Clopper & Pearson 1934).

    The lower bound is the p at which `successes` or more has probability alpha; it is
    exact: its coverage is at least 1 - alpha whatever the truth.
    """
    from scipy.stats import beta

    if not 0 <= successes <= trials:
        raise ValueError(f"{successes} successes in {trials} trials")
    if not 0 < alpha < 1:
        raise ValueError(f"alpha = {alpha}: expected a number between 0 and 1")
    low = 0.0 if successes == 0 else float(beta.ppf(alpha, successes, trials - successes + 1))
    high = 1.0
    if successes < trials:
        high = float(beta.ppf(1 - alpha, successes + 1, trials - successes))
    return low, high


def decide(claim: ClaimSpec, metrics: Mapping[str, float | None]) -> dict[str, Any]:
    """The claim with its measured value, bounds, sample and status."""
    trials = int(metrics[PROPORTIONS[claim.metric]] or 0)
    value = metrics[claim.metric]
    low, high = 0.0, 1.0
    if trials and value is not None:
        low, high = clopper_pearson(round(value * trials), trials, 1 - claim.confidence)
    if claim.at_least is not None:
        met, unmet = low >= claim.at_least, high < claim.at_least
    else:
        assert claim.at_most is not None
        met, unmet = high <= claim.at_most, low > claim.at_most
    return {
        "metric": claim.metric,
        "at_least": claim.at_least,
        "at_most": claim.at_most,
        "confidence": claim.confidence,
        "value": value,
        "lower": low,
        "upper": high,
        "rows": trials,
        "status": "met" if met else "unmet" if unmet else "undecided",
    }


def decide_all(
    claims: Sequence[ClaimSpec], metrics: Mapping[str, float | None]
) -> list[dict[str, Any]]:
    return [decide(claim, metrics) for claim in claims]
