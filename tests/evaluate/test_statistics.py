"""The statistics against scipy, brute force and simulation, tiny samples included."""

from __future__ import annotations

import itertools
import math
from functools import partial

import numpy as np
import pytest

stats = pytest.importorskip("scipy.stats")

from hypothesis import given, settings
from hypothesis import strategies as st

from attar.evaluate.bounds import (
    bootstrap,
    bounds_of,
    more_rows,
    one_row_a_group,
    p_value,
)
from attar.evaluate.statistics import (
    auroc_bounds,
    binomial_p_value,
    clopper_pearson,
    difference_bounds,
    discordant,
    fixed_sequence,
    holm,
    mcnemar,
    quantile_bounds,
)
from attar.evidence import Difference, Exact, Proportion, Quantile, Ratio, Resampled, Separation
from attar.metrics import macro_f1, weighted_macro_f1

COUNTS = st.integers(1, 400).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n)))
SMALL = st.integers(1, 60).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n)))
ALPHAS = st.sampled_from([0.2, 0.1, 0.05, 0.025, 0.01, 0.001])


def tail(at_least: int, n: int, p: float) -> float:
    """P(X >= at_least) of a binomial, summed term by term."""
    return math.fsum(
        math.comb(n, k) * p**k * (1 - p) ** (n - k) for k in range(max(at_least, 0), n + 1)
    )


@settings(deadline=None, max_examples=60)
@given(COUNTS, ALPHAS)
def test_proportions_are_scipys(counts: tuple[int, int], alpha: float) -> None:
    successes, trials = counts
    low, high = clopper_pearson(successes, trials, alpha)
    interval = stats.binomtest(successes, trials).proportion_ci(1 - 2 * alpha, method="exact")
    assert low == pytest.approx(interval.low, abs=1e-9)
    assert high == pytest.approx(interval.high, abs=1e-9)
    assert 0.0 <= low <= successes / trials <= high <= 1.0


@settings(deadline=None, max_examples=40)
@given(SMALL, ALPHAS)
def test_proportions_by_brute_force(counts: tuple[int, int], alpha: float) -> None:
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
    assert clopper_pearson(0, 0, 0.05) == (0.0, 1.0)
    with pytest.raises(ValueError, match="3 successes in 2 trials"):
        clopper_pearson(3, 2, 0.05)
    with pytest.raises(ValueError, match="alpha"):
        clopper_pearson(1, 2, 0.0)


@settings(deadline=None, max_examples=25)
@given(st.integers(1, 12), st.floats(0.0, 1.0), st.floats(0.0, 1.0), st.sampled_from([0.05, 0.2]))
def test_differences_cover_by_brute_force(n: int, a: float, b: float, alpha: float) -> None:
    """Over every outcome of n rows, the lower bound exceeds the truth rarely enough."""
    gain, loss = a, b * (1 - a)
    missed = [0.0, 0.0]
    for gains, losses in itertools.product(range(n + 1), repeat=2):
        if gains + losses > n:
            continue
        rest = n - gains - losses
        chance = (
            math.comb(n, gains) * math.comb(n - gains, losses)
            * gain**gains * loss**losses * max(0.0, 1 - gain - loss) ** rest
        )  # fmt: skip
        low, high = difference_bounds(gains, losses, n, alpha)
        assert -1 <= low <= (gains - losses) / n <= high <= 1
        missed[0] += chance * (low > gain - loss + 1e-12)
        missed[1] += chance * (high < gain - loss - 1e-12)
    assert max(missed) <= alpha + 1e-9


@settings(deadline=None, max_examples=40)
@given(st.integers(1, 80), st.sampled_from([0.5, 0.9, 0.99]), ALPHAS)
def test_quantiles_cover_exactly(n: int, quantile: float, alpha: float) -> None:
    """For uniform values the bounds are ranks; their coverage is a binomial sum."""
    values = np.arange(1, n + 1, dtype=float)
    low, high = quantile_bounds(values, quantile, alpha)
    if math.isfinite(low):  # P(X_(k) <= q-quantile) = P(Bin >= k)
        assert tail(int(low), n, quantile) >= 1 - alpha - 1e-9
        assert low == n or tail(int(low) + 1, n, quantile) < 1 - alpha + 1e-9
    else:
        assert tail(1, n, quantile) < 1 - alpha + 1e-9
    if math.isfinite(high):  # P(X_(k) >= q-quantile) >= P(Bin <= k - 1)
        assert 1 - tail(int(high), n, quantile) >= 1 - alpha - 1e-9
    else:
        assert 1 - tail(n, n, quantile) < 1 - alpha + 1e-9
    if math.isfinite(low) and math.isfinite(high):
        assert low <= high


def test_a_p99_needs_299_calls_at_95_percent() -> None:
    assert quantile_bounds(np.arange(298.0), 0.99, 0.05)[1] == math.inf
    assert quantile_bounds(np.arange(299.0), 0.99, 0.05)[1] == 298.0


@given(st.integers(0, 60), st.integers(0, 60))
def test_mcnemar_is_the_binomial_test(gains: int, losses: int) -> None:
    p = mcnemar(gains, losses)
    assert 0 < p <= 1
    assert p == pytest.approx(mcnemar(losses, gains))
    n = gains + losses
    assert p == pytest.approx(min(1.0, 2 * tail(max(gains, losses), n, 0.5)))


@given(SMALL, st.floats(0.001, 0.5))
def test_binomial_p_values(counts: tuple[int, int], at_most: float) -> None:
    errors, trials = counts
    assert binomial_p_value(errors, trials, at_most) == pytest.approx(
        1 - tail(errors + 1, trials, at_most), abs=1e-9
    )


def test_no_trial_proves_nothing() -> None:
    assert binomial_p_value(0, 0, 0.02) == 1.0


@given(st.lists(st.floats(0, 1), max_size=8), st.sampled_from([0.05, 0.2]))
def test_a_sequence_stops_at_the_first_that_stands(p_values: list[float], alpha: float) -> None:
    passed = fixed_sequence(p_values, alpha)
    assert all(p <= alpha for p in p_values[:passed])
    assert passed == len(p_values) or p_values[passed] > alpha


def test_fixed_sequence_keeps_its_level() -> None:
    """Thresholds whose true errors are all just too high: a false stop at most one in 20."""
    generator = np.random.default_rng(3)
    false = 0
    for _ in range(2000):
        wrong = generator.random(300) < 0.051  # the risk is above 5 % at every threshold
        kept = [wrong[:n] for n in (100, 150, 200, 300)]
        p_values = [binomial_p_value(int(w.sum()), len(w), 0.05) for w in kept]
        false += fixed_sequence(p_values, 0.05) > 0
    assert false / 2000 <= 0.05 + 2 * math.sqrt(0.05 * 0.95 / 2000)


@given(st.lists(st.floats(0, 1), min_size=1, max_size=8))
def test_holm_by_definition(p_values: list[float]) -> None:
    adjusted = holm(p_values)
    ordered = sorted(range(len(p_values)), key=lambda i: p_values[i])
    for alpha in (0.01, 0.05, 0.1):
        rejected: set[int] = set()
        for rank, i in enumerate(ordered):  # step down by hand
            if (len(p_values) - rank) * p_values[i] > alpha:
                break
            rejected.add(i)
        assert {i for i, p in enumerate(adjusted) if p <= alpha} == rejected
    assert all(a >= p for a, p in zip(adjusted, p_values, strict=True))


LABELS = st.lists(
    st.tuples(st.integers(0, 3), st.integers(0, 3), st.integers(0, 3)), min_size=1, max_size=25
)


@given(LABELS)
def test_weights_are_repetitions(rows: list[tuple[int, int, int]]) -> None:
    """A row of weight k counts like k rows: what the bootstrap relies on."""
    gold, named, weights = (np.array(column) for column in zip(*rows, strict=True))
    repeated = np.repeat(np.arange(len(rows)), weights)
    twice = np.stack([weights, weights]).astype(float)
    found = weighted_macro_f1(gold, named, twice)[1]
    expected = macro_f1([str(gold[i]) for i in repeated], [str(named[i]) for i in repeated])
    assert found == pytest.approx(expected, nan_ok=True)


def mean_of(values: np.ndarray) -> Resampled:
    def weighted(weights: np.ndarray) -> np.ndarray:
        means: np.ndarray = weights @ values / weights.sum(axis=1)
        return means

    return Resampled(weighted, np.zeros(len(values), np.int64))


def test_the_bootstrap_of_a_mean_is_normal() -> None:
    values = np.random.default_rng(1).normal(size=400)
    low, high, rows = bounds_of(mean_of(values))(0.05)
    error = values.std() / math.sqrt(400)
    assert rows == 400
    assert low == pytest.approx(values.mean() - 1.645 * error, abs=0.15 * error)
    assert high == pytest.approx(values.mean() + 1.645 * error, abs=0.15 * error)
    assert bounds_of(mean_of(values))(0.0001)[:2] == (-math.inf, math.inf)  # too few draws
    again = bootstrap(mean_of(values))
    np.testing.assert_array_equal(again, bootstrap(mean_of(values)))


def test_the_bootstrap_keeps_strata_and_groups() -> None:
    strata = np.array([0] * 6 + [1] * 4)
    groups = np.array([0, 0, 1, 1, 2, 2, 3, 3, 4, 4])
    seen: list[np.ndarray] = []

    def watch(weights: np.ndarray) -> np.ndarray:
        seen.extend(weights)
        return np.ones(len(weights))

    bootstrap(Resampled(watch, strata, groups), draws=50)
    assert len(seen) == 50
    for weights in seen:
        assert weights[:6].sum() == 6  # three groups of two, again three of two
        assert weights[6:].sum() == 4
        assert (weights[::2] == weights[1::2]).all()  # whole groups


def test_one_row_of_a_group_counts() -> None:
    groups = np.array([5, 5, 7, 5, 7, 9])
    kept = one_row_a_group(groups, 6)
    assert groups[kept].tolist() in ([5, 7, 9], [7, 5, 9], [7, 9, 5], [9, 5, 7], [5, 9, 7])
    assert sorted(kept) == kept.tolist()
    assert one_row_a_group(None, 3).tolist() == [0, 1, 2]
    hits = np.array([True] * 6)
    assert bounds_of(Proportion(hits, groups))(0.05).rows == 3
    low, high, rows = bounds_of(Difference(hits, ~hits, groups))(0.05)
    assert (low, high) == difference_bounds(3, 0, 3, 0.05)
    assert rows == 3


def test_discordant_rows() -> None:
    student = np.array([True, True, False, False])
    teacher = np.array([True, False, True, False])
    assert discordant(student, teacher) == (1, 1)


@settings(deadline=None, max_examples=40)
@given(SMALL, st.floats(0.01, 0.99))
def test_p_values_invert_the_bounds(counts: tuple[int, int], bound: float) -> None:
    successes, trials = counts
    hits = np.arange(trials) < successes
    bounds_at = bounds_of(Proportion(hits))
    p = p_value(bounds_at, bound, at_least=True)
    exact = tail(successes, trials, bound)  # of "the share is below the bound"
    if 1e-8 < exact < 0.499:
        assert p == pytest.approx(exact, rel=1e-4)
    elif exact > 0.501:
        assert p == 1.0
    if p < 0.5:
        assert bounds_at(p).lower >= bound  # rounded up: never met by rounding


@settings(deadline=None, max_examples=40)
@given(COUNTS, st.floats(0.05, 0.95))
def test_so_many_more_rows_would_settle_it(counts: tuple[int, int], bound: float) -> None:
    successes, trials = counts
    evidence = Proportion(np.arange(trials) < successes)
    more = more_rows(evidence, bound, 0.05, at_least=True)
    if more is None or more > 100_000:
        return
    n = trials + more
    low, high = clopper_pearson(round(successes / trials * n), n, 0.05)
    assert low >= bound or high < bound


def test_more_rows_at_the_claim_itself() -> None:
    assert more_rows(Proportion(np.array([True, False])), 0.5, 0.05, at_least=True) is None
    assert more_rows(Exact(3.0), 3.0, 0.05, at_least=False) is None


def test_each_kind_of_evidence() -> None:
    assert bounds_of(Exact(2.5))(0.05)[:2] == (2.5, 2.5)
    times = np.arange(1.0, 101.0)
    low, high, rows = bounds_of(Quantile(times, 0.5))(0.05)
    assert low < Quantile(times, 0.5).value < high
    assert rows == 100
    empty = np.array([], bool)
    assert bounds_of(Difference(empty, empty))(0.05) == (-1.0, 1.0, 0)
    assert math.isnan(Proportion(empty).value)
    nothing = Resampled(partial(weighted_macro_f1, empty, empty), np.array([], np.int64))
    assert bounds_of(nothing)(0.05)[:2] == (-math.inf, math.inf)
    with pytest.raises(TypeError, match="no method"):
        bounds_of("evidence")  # type: ignore[arg-type]


@given(
    st.floats(0, 1), st.floats(0, 0.5), st.integers(2, 2000), st.integers(2, 2000),
    st.floats(0.001, 0.3),
)  # fmt: skip
def test_bounds_of_an_area_are_in_order(
    value: float, share: float, positives: int, negatives: int, alpha: float
) -> None:
    variance = share * value * (1 - value)
    low, high = auroc_bounds(value, variance, positives, negatives, alpha)
    assert 0 <= low <= value + 1e-9
    assert value - 1e-9 <= high <= 1
    stricter = auroc_bounds(value, variance, positives, negatives, alpha / 2)
    assert stricter[0] <= low + 1e-9 and high - 1e-9 <= stricter[1]
    mirrored = auroc_bounds(1 - value, variance, negatives, positives, alpha)
    assert mirrored == pytest.approx((1 - high, 1 - low), abs=1e-6)


def test_a_perfect_area_promises_what_its_rows_can_show() -> None:
    apart = Separation(np.arange(60.0), np.arange(60) >= 20)
    bounds = bounds_of(apart)(0.05)
    assert apart.value == 1.0
    assert bounds.lower <= 0.05 ** (1 / 20)
    assert bounds_of(Separation(np.arange(3.0), np.array([True] * 3)))(0.05).rows == 0


@pytest.mark.parametrize("shape", ["normal", "a share above all", "mixed"])
@pytest.mark.parametrize(("outside", "apart"), [(20, 1.8), (50, 2.7), (200, 1.8)])
def test_the_lower_bound_of_an_area_is_seldom_above_the_truth(
    shape: str, outside: int, apart: float
) -> None:
    """The percentile bootstrap was above it in 10 to 25 % of such samples."""
    rng = np.random.default_rng(3)

    def draw(count: int) -> np.ndarray:
        plain = rng.normal(0, 1, count)
        if shape == "normal":
            return plain
        odd = rng.random(count) < 0.08
        return np.where(odd, apart + (9.0 if shape == "a share above all" else 0) + plain, plain)

    pool, far = rng.normal(apart, 1, 20_000), draw(200_000)
    truth = Separation(np.concatenate([pool, far]), np.arange(220_000) < 20_000).value
    missed = 0
    for _ in range(400):
        scores = np.concatenate([rng.normal(apart, 1, 500), draw(outside)])
        found = Separation(scores, np.arange(len(scores)) < 500)
        missed += bounds_of(found)(0.05).lower > truth
    assert missed / 400 <= 0.05 + 3 * (0.05 * 0.95 / 400) ** 0.5


def test_rows_of_a_group_say_less_about_an_area() -> None:
    rng = np.random.default_rng(0)
    scores = np.concatenate([rng.normal(1.5, 1, 60), rng.normal(0, 1, 40)])
    inside = np.arange(100) < 60
    alone = bounds_of(Separation(scores, inside))(0.05)
    repeated = np.repeat(np.arange(100), 5)
    grouped = bounds_of(Separation(scores[repeated], inside[repeated], repeated))(0.05)
    assert grouped[:2] == pytest.approx(alone[:2], abs=1e-6)


@pytest.mark.parametrize("right", [0, 7, 39, 40])
def test_the_bound_of_a_mean_of_shares_is_that_of_a_proportion(right: int) -> None:
    hits = np.arange(40) < right
    exact = bounds_of(Proportion(hits))(0.05)
    found = bounds_of(Ratio.mean(hits.astype(float)))(0.05)
    assert found == pytest.approx(exact, abs=0.01)


@pytest.mark.parametrize("share", [0.6, 0.95, 0.997])
def test_the_bounds_of_an_f1_are_seldom_wrong(share: float) -> None:
    """Near 1 the percentile bootstrap's lower bound was above the truth in half of the samples:
    where no row of a sample is wrong it promises that none ever is."""
    rng = np.random.default_rng(0)

    def drawn(rows: int) -> Ratio:
        gold = rng.poisson(2, rows)
        found = rng.binomial(gold, share)
        given = found + rng.binomial(gold, 1 - share)
        return Ratio(2.0 * found, 1.0 * (gold + given))

    truth, misses = drawn(500_000).value, np.zeros(2)
    for _ in range(200):
        low, high, _ = bounds_of(drawn(60))(0.05)
        misses += (low > truth, high < truth)
    assert (misses / 200 <= 0.05 + 2 * math.sqrt(0.05 * 0.95 / 200)).all()


def test_groups_of_a_ratio_are_its_rows_and_nothing_bounds_nothing() -> None:
    part, whole = np.array([1.0, 0, 2, 1]), np.array([1.0, 1, 2, 2])
    grouped = Ratio(part, whole, np.array([7, 7, 8, 8]))
    summed = Ratio(np.array([1.0, 3]), np.array([2.0, 4]))
    assert bounds_of(grouped)(0.05) == bounds_of(summed)(0.05)
    assert grouped.value == summed.value == pytest.approx(4 / 6)
    # Regression: 200 texts without a span made 20 right ones look like a proof of 98 %.
    some, none = np.ones(20), np.zeros(200)
    with_empty = bounds_of(Ratio(np.append(some, none), np.append(some, none)))(0.05)
    assert with_empty == bounds_of(Ratio(some, some))(0.05)
    assert with_empty.lower == pytest.approx(0.05 ** (1 / 20), abs=0.01)
    nothing = Ratio.mean(np.empty(0), low=-1.0)
    assert math.isnan(nothing.value)
    assert bounds_of(nothing)(0.05) == (-1.0, 1.0, 0)
    known = Ratio.mean(np.array([-0.5, 0.5, 0.3]), low=-1.0)
    assert known.value == pytest.approx(0.1)
    low, high, rows = bounds_of(known)(0.05)
    assert -1 < low < 0.1 < high < 1 and rows == 3
