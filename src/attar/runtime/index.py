"""The index of a bundle that ranks documents: their vectors and texts, searched exactly.

A part of the role "index" has two files: `vectors.npy`, int8 (documents, dimensions), each
row the direction of a document, and `documents.jsonl`, a JSON object a line with id, text and
perhaps a title and other ids (also), deflated as all text in a bundle. A row's scale is left
out: a direction has length 1. Search is one matrix product, fit for some 100,000 documents, and
BM25 beside it where the task asks for words.
"""

from __future__ import annotations

import json
import zlib
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from attar.errors import BundleError
from attar.runtime.bm25 import Bm25
from attar.runtime.matrices import read_matrix, write_matrix
from attar.types import Document, Outputs

ENGINE = "exact-search"
VECTORS, DOCUMENTS = "vectors.npy", "documents.jsonl"
CANDIDATES = 20  # of each way to search that a task is given to choose from
MOST_VALUES = 500_000_000
_STEPS = 127
_KEYS = ("id", "text", "title", "also")


class DocumentIndex:
    """Finds documents by vectors and by words.

    vectors: (documents, dimensions), of any length. words: whether to score words too.
    """

    def __init__(
        self, documents: Sequence[Document], vectors: NDArray[np.floating], words: bool = True
    ) -> None:
        assert len(documents) == len(vectors)
        self.documents = tuple(documents)
        self.vectors = unit(vectors)
        self._objects = np.array([*self.documents, None], object)  # the last stands for none
        self._bm25 = Bm25([document.read for document in documents]) if words else None

    def __call__(self, vectors: NDArray[np.float32], texts: Sequence[str]) -> Outputs:
        """The nearest documents to queries, by vector and by words, unordered.

        vectors: (queries, dimensions); texts: of the queries. Gives `documents` (queries,
        candidates) of Document, None where there are fewer; `cosine` and `words` of each,
        the latter 0 where words are not scored, both NaN for None; and `embedding`, the
        queries' unit vectors.
        """
        if vectors.ndim != 2 or vectors.shape[1] != self.vectors.shape[1]:
            raise BundleError(
                f"the index expects vectors of {self.vectors.shape[1]} numbers, not "
                f"{vectors.shape[-1]}. The bundle was put together wrongly."
            )
        if not np.isfinite(vectors).all():
            raise BundleError("the model's vectors hold values that are not numbers")
        queries, count = unit(vectors), len(self.documents)
        width = min(count, 2 * CANDIDATES)
        chosen = np.full((len(queries), width), count, np.int64)
        scores = np.full((2, len(queries), width), np.nan, np.float32)
        for i, text in enumerate(texts):
            cosine = self.vectors @ queries[i]  # (documents,)
            words = np.zeros_like(cosine) if self._bm25 is None else self._bm25(text)
            found = best(cosine, CANDIDATES)
            if self._bm25 is not None:
                found = np.union1d(found, best(words, CANDIDATES))
            chosen[i, : len(found)] = found
            scores[0, i, : len(found)] = cosine[found]
            scores[1, i, : len(found)] = words[found]
        return {
            "documents": self._objects[chosen],
            "cosine": scores[0],
            "words": scores[1],
            "embedding": queries,
        }


def unit(vectors: NDArray[np.floating]) -> NDArray[np.float32]:
    """The vectors' directions, (n, dimensions); zero stays zero."""
    wide = vectors.astype(np.float32)
    lengths = np.linalg.norm(wide, axis=1, keepdims=True)
    return (wide / np.where(lengths > 0, lengths, 1)).astype(np.float32)


def best(scores: NDArray[np.float32], count: int) -> NDArray[np.int64]:
    """The places of the `count` highest, in no order."""
    if len(scores) <= count:
        return np.arange(len(scores))
    return np.argpartition(scores, -count)[-count:].astype(np.int64)


def rounded(vectors: NDArray[np.floating]) -> NDArray[np.int8]:
    """The vectors' directions in int8, the largest number of each row 127."""
    directions = unit(vectors)
    largest = np.abs(directions).max(axis=1, keepdims=True, initial=0)
    return np.rint(_STEPS * directions / np.where(largest > 0, largest, 1)).astype(np.int8)


def write_index(documents: Sequence[Document], vectors: NDArray[np.int8]) -> dict[str, bytes]:
    """The part's files. vectors: as `rounded` gives them, (documents, dimensions)."""
    return {VECTORS: write_matrix(vectors), DOCUMENTS: _lines(documents)}


def index_bytes(documents: Sequence[Document], dimensions: int) -> int:
    """What the part adds to a bundle, nearly."""
    return len(documents) * dimensions + len(zlib.compress(_lines(documents), 9)) + 600


def read_index(
    files: Mapping[str, bytes], dimensions: int, words: bool
) -> tuple[DocumentIndex, NDArray[np.int8]]:
    """The index, and its vectors as they are stored. Raises BundleError where the part cannot
    be used."""
    if {*files} != {VECTORS, DOCUMENTS}:
        raise BundleError(f"the index part needs {VECTORS} and {DOCUMENTS}, not {[*files]}")
    stored = read_matrix(files[VECTORS], np.dtype(np.int8), "the index part", MOST_VALUES)
    if stored.shape[1] != dimensions:
        raise BundleError(
            f"{VECTORS}: vectors of {stored.shape[1]} numbers; the manifest says {dimensions}"
        )
    lines = files[DOCUMENTS].splitlines()
    if len(lines) != len(stored):
        raise BundleError(f"{DOCUMENTS}: {len(lines)} documents for {len(stored)} vectors")
    documents = [_document(line, number) for number, line in enumerate(lines, 1)]
    names = [name for document in documents for name in (document.id, *document.also)]
    if len(set(names)) != len(names):
        raise BundleError(f"{DOCUMENTS}: an id is there twice")
    return DocumentIndex(documents, stored, words), stored


def _lines(documents: Sequence[Document]) -> bytes:
    lines = []
    for document in documents:
        values: dict[str, Any] = {"id": document.id, "text": document.text}
        if document.title:
            values["title"] = document.title
        if document.also:
            values["also"] = document.also
        lines.append(json.dumps(values, ensure_ascii=False) + "\n")
    return "".join(lines).encode()


def _document(line: bytes, number: int) -> Document:
    try:
        values = json.loads(line)
    except (ValueError, RecursionError) as error:
        raise BundleError(f"{DOCUMENTS}, line {number}: is not valid JSON: {error}") from None
    if not isinstance(values, dict) or not {"id", "text"} <= {*values} <= {*_KEYS}:
        raise BundleError(f"{DOCUMENTS}, line {number}: expected the keys {', '.join(_KEYS)}")
    also = values.pop("also", [])
    texts = [*values.values(), *also] if isinstance(also, list) else [None]
    if not all(isinstance(text, str) for text in texts) or not values["id"]:
        raise BundleError(f"{DOCUMENTS}, line {number}: expected texts, and a list of them as also")
    return Document(**values, also=tuple(also))
