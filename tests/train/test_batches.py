"""Batches: every row exactly once, little padding, a fixed order for inference."""

from __future__ import annotations

import numpy as np
import pytest

pytest.importorskip("torch")

from hypothesis import given
from hypothesis import strategies as st

from attar.train.batches import batch_order, lengths_of, pad, padded_batches

LENGTHS = st.lists(st.integers(0, 40), max_size=80).map(lambda n: np.array(n, np.int64))


@given(LENGTHS, st.integers(1, 9), st.none() | st.integers(0, 9))
def test_every_row_is_in_one_batch(lengths: np.ndarray, size: int, seed: int | None) -> None:
    rng = None if seed is None else np.random.default_rng(seed)
    batches = batch_order(lengths, size, rng)
    assert sorted(np.concatenate([[], *batches]).tolist()) == list(range(len(lengths)))
    assert all(1 <= len(batch) <= size for batch in batches)
    assert len(batches) == -(-len(lengths) // size)
    if rng is None:
        order = [int(lengths[i]) for batch in batches for i in batch]
        assert order == sorted(order)


@given(LENGTHS.filter(len), st.integers(0, 9))
def test_shuffled_batches_hold_rows_of_like_length(lengths: np.ndarray, seed: int) -> None:
    """Within a batch the jitter of one token is all that separates it from sorted order."""
    batches = batch_order(lengths, 4, np.random.default_rng(seed))
    spans = sorted((min(lengths[b]), max(lengths[b])) for b in batches)
    for (_, high), (low, _) in zip(spans, spans[1:], strict=False):
        assert low >= high - 2


def test_epochs_differ_and_seeds_repeat() -> None:
    lengths = np.full(20, 5, np.int64)
    rng = np.random.default_rng(0)
    first, second = batch_order(lengths, 4, rng), batch_order(lengths, 4, rng)
    assert np.concatenate(first).tolist() != np.concatenate(second).tolist()
    again = batch_order(lengths, 4, np.random.default_rng(0))
    assert np.concatenate(again).tolist() == np.concatenate(first).tolist()


def test_padding() -> None:
    batch = pad([[7, 8, 9], [5], []], np.array([1, 0, 2]), pad_id=3)
    time = batch.input_ids.shape[1]
    assert 3 <= time < 8
    rest = [3] * (time - 3)
    assert batch.input_ids.tolist() == [[5, 3, 3, *rest], [7, 8, 9, *rest], [3, 3, 3, *rest]]
    empty = [0] * (time - 3)
    assert batch.attention_mask.tolist() == [
        [1, 0, 0, *empty],
        [1, 1, 1, *empty],
        [0, 0, 0, *empty],
    ]
    assert pad([[]], np.array([0]), pad_id=0).input_ids.shape[0] == 1
    assert padded_batches([], 0, 4) == []
    assert lengths_of([[1], []]).tolist() == [1, 0]


@given(st.lists(st.lists(st.integers(1, 99), max_size=20), min_size=1, max_size=9))
def test_padded_batches_hold_the_tokens(tokens: list[list[int]]) -> None:
    found = {}
    for batch in padded_batches(tokens, 0, 4):
        for row, ids, mask in zip(batch.rows, batch.input_ids, batch.attention_mask, strict=True):
            found[int(row)] = ids[mask.bool()].tolist()
    assert found == dict(enumerate(tokens))
