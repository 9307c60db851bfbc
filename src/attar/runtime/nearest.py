"""Which documents' vectors lie nearest to a query's: by all numbers, or in two stages.

Exact search compares a query with every vector, in float32. Its time is that of reading all of
them, and too long from some ten thousand documents on. Two-stage search compares the query
with all vectors by their principal axes alone (a quarter of the numbers, where most of what
tells them apart is), then exactly with the best KEPT of them. It needs nothing beside the
vectors, so that documents come and go as they like, and a file cannot lie about it; what it
misses is measured in docs/rank.md, with what graphs and cells (inverted lists) would miss.
"""

from __future__ import annotations

from typing import Protocol

import numpy as np
from numpy.typing import NDArray

EXACT, TWO_STAGE = "exact-search", "two-stage-search"
ENGINES = (EXACT, TWO_STAGE)
MANY_VALUES = 8_000_000  # of all vectors: 20,000 documents of 384 numbers
AXES = 96  # that the first stage compares; it is for vectors of at least twice as many
KEPT, KEPT_SHARE = 500, 0.02  # for the second stage: at least, and of the documents
MOST_DIMENSIONS = 4_096  # of two-stage search, which multiplies them with each other
SAMPLE = 20_000  # vectors that the axes are of
_BLOCK = 4_096
_BLOCKS = 4  # of scores, for each of the best that are looked for

Floats = NDArray[np.float32]


class Nearest(Protocol):
    """Vectors of documents, as directions; `dimensions` numbers each."""

    dimensions: int

    def cosines(self, query: Floats, places: NDArray[np.int64]) -> Floats:
        """Of a query of length 1, (dimensions,), with the vectors at these places."""

    def search(self, query: Floats, count: int) -> NDArray[np.int64]:
        """The places of the `count` nearest vectors, in no order."""


def engine_for(count: int, dimensions: int) -> str:
    """How so many vectors are best searched."""
    many = count * dimensions >= MANY_VALUES and dimensions >= 2 * AXES
    return TWO_STAGE if many else EXACT


class ExactSearch:
    """vectors: (documents, dimensions), of any length."""

    def __init__(self, vectors: NDArray[np.floating] | NDArray[np.int8]) -> None:
        self._vectors = unit(vectors)
        self.dimensions = vectors.shape[1]

    def cosines(self, query: Floats, places: NDArray[np.int64]) -> Floats:
        found: Floats = self._vectors[places] @ query
        return found

    def search(self, query: Floats, count: int) -> NDArray[np.int64]:
        return best(self._vectors @ query, count)


class TwoStageSearch:
    """vectors: (documents, dimensions), kept as they are."""

    def __init__(self, vectors: NDArray[np.int8]) -> None:
        self._vectors = vectors
        self.dimensions = vectors.shape[1]
        self._scales = np.empty(len(vectors), np.float32)  # to length 1
        sample = unit(vectors[:: max(1, -(-len(vectors) // SAMPLE))])
        _, axes = np.linalg.eigh(sample.T @ sample)  # ascending
        self._axes = np.ascontiguousarray(axes[:, -AXES:])  # (dimensions, axes)
        self._first = np.empty((len(vectors), self._axes.shape[1]), np.float32)
        for start in range(0, len(vectors), _BLOCK):
            block = vectors[start : start + _BLOCK].astype(np.float32)
            lengths = np.sqrt(np.einsum("ij,ij->i", block, block))
            scales = np.where(lengths > 0, 1 / np.maximum(lengths, 1), 0)
            self._scales[start : start + _BLOCK] = scales
            self._first[start : start + _BLOCK] = (block @ self._axes) * scales[:, None]

    def cosines(self, query: Floats, places: NDArray[np.int64]) -> Floats:
        found: Floats = (self._vectors[places].astype(np.float32) @ query) * self._scales[places]
        return found

    def search(self, query: Floats, count: int) -> NDArray[np.int64]:
        kept = max(count, KEPT, int(KEPT_SHARE * len(self._vectors)))
        places = best(self._first @ (query @ self._axes), kept)
        return places[best(self.cosines(query, places), count)]


def unit(vectors: NDArray[np.floating] | NDArray[np.int8]) -> Floats:
    """The vectors' directions, (n, dimensions); zero stays zero."""
    found = vectors.astype(np.float32)
    for start in range(0, len(found), _BLOCK):  # which spares copies of all of them
        block = found[start : start + _BLOCK]
        lengths = np.linalg.norm(block, axis=1, keepdims=True)
        block /= np.where(lengths > 0, lengths, np.float32(1))
    return found


def best(scores: Floats, count: int) -> NDArray[np.int64]:
    """The places of the `count` highest, in no order; the first ones of equals.

    numpy's argpartition alone takes a hundred times as long where most scores are equal, as
    those of words are: no document but a few has any.
    """
    if len(scores) <= count:
        return np.arange(len(scores))
    size = len(scores) // (_BLOCKS * count)
    if size < 16:
        return np.argpartition(scores, -count)[-count:].astype(np.int64)
    used = len(scores) // size * size
    tops = scores[:used].reshape(-1, size).max(axis=1)
    limit = np.partition(tops, -count)[-count]  # no less than `count` reach it
    above = np.flatnonzero(scores > limit)
    if len(above) > count:
        return above[np.argpartition(scores[above], -count)[-count:]]
    equal = np.flatnonzero(scores == limit)[: count - len(above)]
    return np.concatenate([above, equal])
