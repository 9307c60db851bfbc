"""Outputs at words: from what an engine says of every token to what a task reads.

Arrays hold several texts; one that has fewer words than another is filled up with NaN, and
its places with -1.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from attar.errors import BundleError
from attar.runtime.windows import cut, pooled
from attar.tasks.words import Ids, places
from attar.types import Outputs


def of_words(
    logits: NDArray[np.float32], rows: Sequence[list[int]], size: int | None = None
) -> Outputs:
    """logits: of the text and of each token, (windows, 1 + tokens, columns); texts have several
    windows where they are longer than `size`. Gives `logits` of the text and of each word,
    (texts, 1 + words, columns), `words`, their places, and the `texts` themselves."""
    read = [row for row in rows if isinstance(row, Ids)]
    size = size or max(map(len, read))
    tokens = [len(window) for row in read for window in cut(row, size)]
    if logits.ndim != 3 or len(tokens) != len(logits) or logits.shape[1] <= max(tokens):
        raise BundleError(f"the model's output 'logits' has the shape {logits.shape}, not of words")
    most = max(len(row.starts) for row in read)
    found = np.full((len(read), 1 + most, logits.shape[2]), np.nan, np.float32)
    owner = np.array([i for i, row in enumerate(read) for _ in cut(row, size)], np.int64)
    several = len(owner) > len(read)
    text = logits[:, 0]
    found[:, 0] = pooled(text, owner, np.array(tokens), len(read)) if several else text
    for i, row in enumerate(read):
        starts = np.array(row.starts, np.int64)
        known = np.flatnonzero(starts >= 0)
        window, token = np.divmod(starts[known], size)
        found[i, 1 + known] = logits[np.searchsorted(owner, i) + window, 1 + token]
    texts = np.array([row.text for row in read], dtype=object)
    return {"logits": found, "words": places([row.words for row in read]), "texts": texts}


def widened(values: NDArray[Any], width: int) -> NDArray[Any]:
    """(texts, some, …) -> (texts, width, …), filled up with NaN, or with -1 of integers."""
    missing = width - values.shape[1]
    if not missing:
        return values
    fill = np.nan if values.dtype.kind == "f" else -1
    padding = [(0, 0), (0, missing), *[(0, 0)] * (values.ndim - 2)]
    return np.pad(values, padding, constant_values=fill)
