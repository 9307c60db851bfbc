"""Batches of token ids: rows of like length together, so that little is padding."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from attar.runtime.windows import cut
from attar.tasks.sentences import SentenceIds
from attar.tasks.words import Ids


@dataclass(frozen=True, slots=True)
class TokenBatch:
    """rows: which examples, (batch,); input_ids and attention_mask: (windows, time); owner:
    (windows,), the place in `rows` of the text that a window belongs to. starts: for tasks
    that read words, where the text (of its first window) and each word are read among the
    windows' places, of which each has 1 + time, one after the other: (batch, 1 + words), -1
    where there is none. sentences: for tasks that read sentences, which window each is,
    (batch, sentences), -1 past a document's last."""

    rows: NDArray[np.int64]
    input_ids: Tensor
    attention_mask: Tensor
    owner: Tensor
    starts: Tensor | None = None
    sentences: Tensor | None = None


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


def pad(
    tokens: Sequence[list[int]], rows: NDArray[np.int64], pad_id: int, size: int | None = None
) -> TokenBatch:
    """size: tokens a window; longer rows have several (`runtime.windows`). None: no row has."""
    windows = [
        (place, part) for place, row in enumerate(rows) for part in _parts(tokens[row], size)
    ]
    longest = max((len(part) for _, part in windows), default=1) or 1
    longest = -(-longest // 4) * 4  # few shapes: kernels are prepared once for each
    ids = np.full((len(windows), longest), pad_id, np.int64)
    mask = np.zeros((len(windows), longest), np.int64)
    for i, (_, part) in enumerate(windows):
        ids[i, : len(part)] = part
        mask[i, : len(part)] = 1
    owner = np.array([place for place, _ in windows], np.int64)
    return TokenBatch(
        rows,
        torch.from_numpy(ids),
        torch.from_numpy(mask),
        torch.from_numpy(owner),
        _starts([tokens[row] for row in rows], owner, 1 + longest, size or longest),
        _sentences([tokens[row] for row in rows], owner),
    )


def _parts(row: list[int], size: int | None) -> list[list[int]]:
    if isinstance(row, SentenceIds):
        return row.parts
    return [row] if size is None else cut(row, size)


def _sentences(rows: Sequence[list[int]], owner: NDArray[np.int64]) -> Tensor | None:
    counts = [len(row.sentences) for row in rows if isinstance(row, SentenceIds)]
    if not counts:
        return None
    first = np.searchsorted(owner, np.arange(len(counts)))[:, None]
    place = np.arange(max(counts))[None]
    found = np.where(place < np.array(counts)[:, None], first + place, -1)
    return torch.from_numpy(found)


def _starts(
    rows: Sequence[list[int]], owner: NDArray[np.int64], width: int, size: int
) -> Tensor | None:
    """width: places of a padded window; size: tokens of a whole one."""
    read = [row.starts for row in rows if isinstance(row, Ids)]
    if not read:
        return None
    found = np.full((len(read), 1 + max(map(len, read))), -1, np.int64)
    first = np.searchsorted(owner, np.arange(len(read)))  # windows
    found[:, 0] = first * width
    for i, starts in enumerate(read):
        window, token = np.divmod(np.array(starts, np.int64), size)
        places = (first[i] + window) * width + 1 + token
        found[i, 1 : 1 + len(starts)] = np.where(token + window * size < 0, -1, places)
    return torch.from_numpy(found)


def in_parts(
    rows: NDArray[np.int64], lengths: NDArray[np.int64], most_tokens: int
) -> list[NDArray[np.int64]]:
    """The rows of a batch in parts of at most `most_tokens` each, a row at least."""
    parts: list[list[int]] = [[]]
    held = 0
    for row in rows.tolist():
        if parts[-1] and held + lengths[row] > most_tokens:
            parts.append([])
            held = 0
        parts[-1].append(row)
        held += int(lengths[row])
    return [np.array(part, np.int64) for part in parts]


def lengths_of(tokens: Sequence[Sequence[int]]) -> NDArray[np.int64]:
    return np.fromiter((len(t) for t in tokens), np.int64, len(tokens))


def padded_batches(
    tokens: Sequence[list[int]], pad_id: int, batch_size: int, size: int | None = None
) -> list[TokenBatch]:
    """All rows in fixed order, for inference."""
    order = batch_order(lengths_of(tokens), batch_size)
    return [pad(tokens, rows, pad_id, size) for rows in order]
