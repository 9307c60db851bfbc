"""Spans as tags of words, and the likeliest tags that make spans."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from attar.tasks.annotations import Span
from attar.tasks.tagging import begin, likeliest, spans_of, tags_of

WORDS = [(0, 3), (4, 6), (7, 10), (10, 11)]
LABELS = ["city", "time"]


def test_tags_of_spans() -> None:
    spans = [Span(0, 6, "city"), Span(7, 11, "time")]
    assert tags_of(WORDS, spans, LABELS) == [1, 2, 3, 4]
    assert spans_of([1, 2, 3, 4]) == [(0, 2, 0), (2, 4, 1)]


def test_spans_side_by_side_stay_two() -> None:
    spans = [Span(0, 3, "city"), Span(4, 6, "city")]
    tags = tags_of(WORDS, spans, LABELS)
    assert tags == [begin(0), begin(0), 0, 0]
    assert spans_of(tags) == [(0, 1, 0), (1, 2, 0)]


def test_a_word_that_a_span_cuts_belongs_to_it() -> None:
    assert tags_of(WORDS, [Span(1, 2, "time")], LABELS) == [3, 0, 0, 0]


def test_unknown_labels_are_left_out() -> None:
    assert tags_of(WORDS, [Span(0, 3, "person")], LABELS) == [0, 0, 0, 0]


def allowed(tags: tuple[int, ...]) -> bool:
    return all(
        tag in (0, 1, 3) or (at > 0 and tags[at - 1] in (tag, tag - 1))
        for at, tag in enumerate(tags)
    )


@given(st.integers(0, 2**32 - 1), st.integers(1, 4))
@settings(max_examples=60, deadline=None)
def test_likeliest_is_the_best_of_all_that_are_allowed(seed: int, count: int) -> None:
    log_p = np.log(np.random.default_rng(seed).dirichlet(np.ones(5) / 2, (2, count)))
    found = likeliest(log_p)
    for one, path in zip(log_p, found.tolist(), strict=True):
        every = [t for t in itertools.product(range(5), repeat=count) if allowed(t)]
        best = max(sum(one[at, tag] for at, tag in enumerate(tags)) for tags in every)
        assert allowed(tuple(path))
        assert sum(one[at, tag] for at, tag in enumerate(path)) == pytest.approx(best)


def test_no_words() -> None:
    assert likeliest(np.zeros((2, 0, 5))).shape == (2, 0)
    assert spans_of([]) == []
