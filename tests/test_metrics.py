"""Metrics against brute force; undefined is NaN."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from attar.metrics import (
    accuracy,
    auroc,
    macro_f1,
    softmax,
    surely_ranked_better,
    youden_threshold,
)

SCORES = st.lists(st.integers(0, 8).map(lambda n: n / 8), min_size=1, max_size=12)
LABELS = st.lists(st.tuples(st.sampled_from("abc"), st.sampled_from("abc")), min_size=1)


@given(SCORES, SCORES)
def test_auroc_counts_pairs(positive: list[float], negative: list[float]) -> None:
    pairs = [(p > n) + 0.5 * (p == n) for p in positive for n in negative]
    assert auroc(positive, negative) == pytest.approx(sum(pairs) / len(pairs))


@given(SCORES, SCORES)
def test_the_threshold_parts_best(accept: list[float], refuse: list[float]) -> None:
    def parted(t: float) -> float:
        kept = sum(a >= t for a in accept) / len(accept)
        return kept + sum(r < t for r in refuse) / len(refuse)

    chosen = youden_threshold(accept, refuse)
    assert parted(chosen) == pytest.approx(max(parted(n / 16) for n in range(-1, 18)))


@given(LABELS)
def test_labels_by_brute_force(pairs: list[tuple[str, str]]) -> None:
    gold, found = [g for g, _ in pairs], [f for _, f in pairs]
    assert accuracy(gold, found) == pytest.approx(sum(g == f for g, f in pairs) / len(pairs))
    scores = []
    for label in {*gold, *found}:
        both = sum(g == f == label for g, f in pairs)
        scores.append(2 * both / (gold.count(label) + found.count(label)))
    assert macro_f1(gold, found) == pytest.approx(sum(scores) / len(scores))


def test_undefined_is_not_a_number() -> None:
    assert all(
        map(math.isnan, (accuracy([], []), macro_f1([], []), auroc([], [1]), auroc([1], [])))
    )
    with pytest.raises(ValueError, match="both kinds"):
        youden_threshold([], [1.0])
    with pytest.raises(ValueError, match="1 gold labels, 2 predictions"):
        accuracy(["a"], ["a", "b"])


def test_softmax_is_stable() -> None:
    found = softmax(np.array([[1e4, 0.0], [-1e4, -1e4]], np.float32))
    assert found.tolist() == [[1.0, 0.0], [0.5, 0.5]]


def test_what_ranks_labels_better_beyond_chance() -> None:
    """A gain is seen on many rows; where there is none, alarms are as rare as promised."""
    rng = np.random.default_rng(0)
    gold = rng.random((300, 4)) < 0.1
    before, after = rng.normal(size=(2, 300, 4)) + gold
    assert surely_ranked_better(before, after + gold, gold, 0)
    assert not surely_ranked_better(after + gold, before, gold, 0)
    assert not surely_ranked_better(before, before, gold, 0)
    assert not surely_ranked_better(before, after + gold, np.zeros_like(gold), 0)
    alarms = 0
    for number in range(60):
        gold = rng.random((60, 4)) < 0.05
        one, other = rng.normal(size=(2, 60, 4)) + gold
        alarms += surely_ranked_better(one, other, gold, number)
    assert alarms <= 8  # of 60 at 5 %: more has a probability of 0.3 %
