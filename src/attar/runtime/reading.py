"""Outputs at words and sentences: from what an engine says to what a task reads.

Arrays hold several texts; one that has fewer words or sentences than another is filled up
with NaN, and its places with -1.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from attar.errors import BundleError
from attar.runtime.windows import cut, pooled
from attar.tasks.sentences import SentenceIds, as_array
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


def of_sentences(found: Sequence[Outputs], rows: Sequence[SentenceIds]) -> Outputs:
    """found: of each text what an engine gives for its parts, `logits` (parts, columns) and
    perhaps `embedding` (parts, hidden). Gives `logits` (texts, sentences, columns),
    `sentences`, their places and words, and of embeddings `sentence_embeddings` (texts,
    sentences, hidden), and `embedding` (texts, hidden), their mean by tokens."""
    laid: dict[str, NDArray[Any]] = {"sentences": as_array([row.sentences for row in rows])}
    most = laid["sentences"].shape[1]
    for name, as_name in (("logits", "logits"), ("embedding", "sentence_embeddings")):
        if name not in found[0]:
            continue
        width = found[0][name].shape[-1]
        laid[as_name] = np.full((len(rows), most, width), np.nan, np.float32)
        for i, (values, row) in enumerate(zip(found, rows, strict=True)):
            count = len(row.sentences)
            if values[name].shape != (len(row.parts), width):
                raise BundleError(
                    f"the model's output {name!r} has the shape {values[name].shape}, "
                    "not of sentences"
                )
            laid[as_name][i, :count] = values[name][:count]
    if "embedding" in found[0]:
        tokens = [np.array([max(1, len(part)) for part in row.parts], np.float64) for row in rows]
        means = [n @ values["embedding"] / n.sum() for n, values in zip(tokens, found, strict=True)]
        laid["embedding"] = np.array(means, np.float32)
    return laid


def widened(values: NDArray[Any], width: int) -> NDArray[Any]:
    """(texts, some, …) -> (texts, width, …), filled up with NaN, or with -1 of integers."""
    missing = width - values.shape[1]
    if not missing:
        return values
    fill = np.nan if values.dtype.kind == "f" else -1
    padding = [(0, 0), (0, missing), *[(0, 0)] * (values.ndim - 2)]
    return np.pad(values, padding, constant_values=fill)
