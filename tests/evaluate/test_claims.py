"""Claims: Clopper-Pearson against scipy and against tail sums; the three statuses."""

from __future__ import annotations

import math
from typing import Any

import pytest

stats = pytest.importorskip("scipy.stats")

from hypothesis import given, settings
from hypothesis import strategies as st

from attar.evaluate.claims import clopper_pearson, decide, decide_all
from attar.recipe import ClaimSpec

COUNTS = st.integers(1, 400).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n)))
ALPHAS = st.sampled_from([0.2, 0.1, 0.05, 0.025, 0.01, 0.001])


def tail(at_least: int, n: int, p: float) -> float:
    """P(X >= at_least) of a binomial, summed term by term."""
    return math.fsum(
        math.comb(n, k) * p**k * (1 - p) ** (n - k) for k in range(max(at_least, 0), n + 1)
    )


@settings(deadline=None, max_examples=60)
@given(COUNTS, ALPHAS)
def test_bounds_are_scipys(counts: tuple[int, int], alpha: float) -> None:
    successes, trials = counts
    low, high = clopper_pearson(successes, trials, alpha)
    interval = stats.binomtest(successes, trials).proportion_ci(1 - 2 * alpha, method="exact")
    assert low == pytest.approx(interval.low, abs=1e-9)
    assert high == pytest.approx(interval.high, abs=1e-9)
    assert 0.0 <= low <= successes / trials <= high <= 1.0


@settings(deadline=None, max_examples=40)
@given(st.integers(1, 60).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n))), ALPHAS)
def test_bounds_by_brute_force(counts: tuple[int, int], alpha: float) -> None:
    """At the lower bound, so many successes or more have probability alpha; likewise above."""
    successes, trials = counts
    low, high = clopper_pearson(successes, trials, alpha)
    if successes:
        assert tail(successes, trials, low) == pytest.approx(alpha, rel=1e-6)
    if successes < trials:
        assert 1 - tail(successes + 1, trials, high) == pytest.approx(alpha, rel=1e-6)


def test_no_and_all_successes() -> None:
    low, high = clopper_pearson(0, 50, 0.05)
    assert (low, high) == (0.0, pytest.approx(1 - 0.05 ** (1 / 50)))
    low, high = clopper_pearson(50, 50, 0.05)
    assert (low, high) == (pytest.approx(0.05 ** (1 / 50)), 1.0)
    # An error of at most 2 % at 95 % takes 149 answers without a mistake (the design).
    assert clopper_pearson(149, 149, 0.05)[0] >= 0.98 > clopper_pearson(148, 148, 0.05)[0]


@pytest.mark.parametrize("n", [5, 20, 80])
@pytest.mark.parametrize("truth", [0.5, 0.9, 0.99])
def test_coverage_is_exact_or_better(n: int, truth: float) -> None:
    """Summed over every outcome: the lower bound exceeds the truth at most alpha of times."""
    alpha = 0.05
    wrong = sum(
        stats.binom.pmf(k, n, truth)
        for k in range(n + 1)
        if clopper_pearson(k, n, alpha)[0] > truth
    )
    assert wrong <= alpha + 1e-12


@pytest.mark.parametrize(
    "arguments", [(-1, 5, 0.05), (6, 5, 0.05), (1, 5, 0.0), (1, 5, 1.0), (1, 5, 2.0)]
)
def test_nonsense_is_refused(arguments: Any) -> None:
    with pytest.raises(ValueError, match=r"successes in|expected a number"):
        clopper_pearson(*arguments)


def metrics(value: float, rows: int) -> dict[str, float]:
    return {"accuracy": value, "in_scope_rows": float(rows), "rows": rows + 10.0}


@pytest.mark.parametrize(
    ("value", "rows", "bound", "status"),
    [
        (0.95, 1000, 0.90, "met"),
        (0.95, 1000, 0.95, "undecided"),
        (0.95, 1000, 0.97, "unmet"),
        (0.95, 20, 0.90, "undecided"),
        (1.0, 149, 0.98, "met"),
        (1.0, 148, 0.98, "undecided"),
        (0.0, 10, 0.0, "met"),
    ],
)
def test_statuses(value: float, rows: int, bound: float, status: str) -> None:
    found = decide(ClaimSpec("accuracy", at_least=bound), metrics(value, rows))
    assert found["status"] == status
    assert found["lower"] <= value <= found["upper"]
    assert found["rows"] == rows  # in scope alone
    opposite = decide(ClaimSpec("accuracy", at_most=1 - bound), metrics(1 - value, rows))
    assert opposite["status"] == status


def test_no_rows_decide_nothing() -> None:
    """Reports hold None where a metric is undefined."""
    for rows in (0.0, None):
        found = decide(
            ClaimSpec("accuracy", at_least=0.5), {"accuracy": None, "in_scope_rows": rows}
        )
        assert found["status"] == "undecided"
        assert found["value"] is None
        assert (found["lower"], found["upper"], found["rows"]) == (0.0, 1.0, 0)


def test_each_claim_is_decided_in_order() -> None:
    claims = [ClaimSpec("accuracy", at_least=0.5), ClaimSpec("accuracy", at_most=0.5)]
    assert [c["status"] for c in decide_all(claims, metrics(0.9, 100))] == ["met", "unmet"]
    assert decide_all([], metrics(0.9, 100)) == []
