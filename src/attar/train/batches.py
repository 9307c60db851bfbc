"""Batches of token ids: rows of like length together, so that little is padding."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor


@dataclass(frozen=True, slots=True)
class TokenBatch:
    """rows: which examples, (batch,); input_ids and attention_mask: (batch, time)."""

    rows: NDArray[np.int64]
    input_ids: Tensor
    attention_mask: Tensor


def batch_order(
    lengths: NDArray[np.int64], batch_size: int, rng: np.random.Generator | None = None
) -> list[NDArray[np.int64]]:
    """Row numbers by batch. With `rng`: shuffled, lengths jittered by a token so that
    batches differ between epochs; without: sorted by length, in a fixed order."""
    n = len(lengths)
    if rng is None:
        order = np.argsort(lengths, kind="stable")
    else:
        order = np.lexsort((rng.random(n), lengths + rng.integers(-1, 2, n)))
    batches = [order[i : i + batch_size] for i in range(0, n, batch_size)]
    if rng is not None:
        rng.shuffle(batches)
    return batches


def pad(tokens: Sequence[Sequence[int]], rows: NDArray[np.int64], pad_id: int) -> TokenBatch:
    longest = max((len(tokens[i]) for i in rows), default=1) or 1
    longest = -(-longest // 4) * 4  # few shapes: kernels are prepared once for each
    ids = np.full((len(rows), longest), pad_id, np.int64)
    mask = np.zeros((len(rows), longest), np.int64)
    for place, row in enumerate(rows):
        length = len(tokens[row])
        ids[place, :length] = tokens[row]
        mask[place, :length] = 1
    return TokenBatch(rows, torch.from_numpy(ids), torch.from_numpy(mask))


def lengths_of(tokens: Sequence[Sequence[int]]) -> NDArray[np.int64]:
    return np.fromiter((len(t) for t in tokens), np.int64, len(tokens))


def padded_batches(
    tokens: Sequence[Sequence[int]], pad_id: int, batch_size: int
) -> list[TokenBatch]:
    """All rows in fixed order, for inference."""
    return [pad(tokens, rows, pad_id) for rows in batch_order(lengths_of(tokens), batch_size)]
