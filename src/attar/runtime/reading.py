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
from attar.tasks.words import Ids, places
from attar.types import Outputs


def of_words(logits: NDArray[np.float32], rows: Sequence[list[int]]) -> Outputs:
    """logits: of the text and of each token, (texts, 1 + tokens, columns). Gives `logits` of
    the text and of each word, (texts, 1 + words, columns), `words`, their places, and the
    `texts` themselves."""
    read = [row for row in rows if isinstance(row, Ids)]
    if logits.ndim != 3 or len(read) != len(logits) or logits.shape[1] <= max(map(len, read)):
        raise BundleError(f"the model's output 'logits' has the shape {logits.shape}, not of words")
    most = max(len(row.starts) for row in read)
    found = np.full((len(read), 1 + most, logits.shape[2]), np.nan, np.float32)
    found[:, 0] = logits[:, 0]
    for i, row in enumerate(read):
        starts = np.array(row.starts, np.int64)
        known = np.flatnonzero(starts >= 0)
        found[i, 1 + known] = logits[i, 1 + starts[known]]
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
