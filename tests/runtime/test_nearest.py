"""Searching vectors: in two stages nearly as exactly, and the best of many scores."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from attar.errors import BundleError
from attar.runtime import nearest
from attar.runtime.index import read_index, rounded, write_index
from attar.runtime.nearest import (
    AXES,
    EXACT,
    KEPT,
    MOST_DIMENSIONS,
    TWO_STAGE,
    ExactSearch,
    TwoStageSearch,
    best,
    engine_for,
    unit,
)
from attar.types import Document

COUNT, WIDTH = 3_000, 2 * AXES


def vectors(count: int, seed: int = 0) -> NDArray[np.float32]:
    """Of unequal axes, as texts' are."""
    rng = np.random.default_rng(seed)
    spread = rng.normal(size=(count, WIDTH)) / np.arange(1, WIDTH + 1) ** 0.5
    mixed: NDArray[np.float32] = (spread @ np.linalg.qr(rng.normal(size=(WIDTH, WIDTH)))[0]).astype(
        np.float32
    )
    return mixed


def test_two_stages_find_what_all_numbers_find() -> None:
    assert COUNT > 2 * KEPT, "the first stage must leave some out"
    stored = rounded(vectors(COUNT))
    exact, quick = ExactSearch(stored), TwoStageSearch(stored)
    found = []
    for query in unit(vectors(50, seed=1)):
        wanted, given_ = exact.search(query, 10), quick.search(query, 10)
        found.append(len({*wanted.tolist()} & {*given_.tolist()}) / 10)
        cosines = exact.cosines(query, given_)
        assert quick.cosines(query, given_) == pytest.approx(cosines, abs=1e-5)
    assert np.mean(found) > 0.95


def test_few_vectors_and_none() -> None:
    one = unit(np.ones((1, WIDTH)))[0]
    for rows in (np.zeros((0, WIDTH), np.int8), np.zeros((3, WIDTH), np.int8)):
        quick = TwoStageSearch(rows)
        assert sorted(quick.search(one, 20)) == list(range(len(rows)))
        assert quick.cosines(one, np.arange(len(rows))).tolist() == [0.0] * len(rows)
    narrow = TwoStageSearch(rounded(np.eye(5)))
    assert narrow.search(unit(np.eye(5))[3], 1).tolist() == [3]


@given(
    st.lists(st.sampled_from([0.0, 0.0, 0.0, 0.25, 0.5, 1.0]), min_size=1, max_size=300),
    st.integers(1, 8),
)
def test_the_best_of_many_that_are_equal(scores: list[float], count: int) -> None:
    given_ = np.array(scores, np.float32)
    places = best(given_, count)
    assert len(set(places.tolist())) == min(count, len(scores))
    assert sorted(given_[places], reverse=True) == sorted(scores, reverse=True)[:count]


def test_the_best_of_many() -> None:
    scores = np.random.default_rng(0).normal(size=10_007).astype(np.float32)
    assert sorted(best(scores, 20)) == sorted(np.argsort(-scores)[:20])
    assert len(best(scores, 4_000)) == 4_000


def test_how_many_vectors_are_searched_how() -> None:
    assert engine_for(20_000, 384) == EXACT
    assert engine_for(21_000, 384) == TWO_STAGE
    assert engine_for(1_000_000, 64) == EXACT, "so few numbers are quick enough"


def test_the_engine_of_a_part_decides(monkeypatch: pytest.MonkeyPatch) -> None:
    files = write_index([Document("a", "x")], rounded(np.ones((1, WIDTH))))
    asked = np.ones((1, WIDTH), np.float32)
    for engine in (EXACT, TWO_STAGE):
        index, _ = read_index(files, WIDTH, False, engine)
        assert index(asked, [""])["documents"][0][0].id == "a"
    made = []
    monkeypatch.setattr(nearest.np.linalg, "eigh", lambda values: made.append(values.shape))
    wide = MOST_DIMENSIONS + 1
    files = write_index([Document("a", "x")], rounded(np.ones((1, wide))))
    with pytest.raises(BundleError, match="takes at most 4,096 numbers"):
        read_index(files, wide, False, TWO_STAGE)
    assert not made, "nothing is allocated for vectors that are too wide"
