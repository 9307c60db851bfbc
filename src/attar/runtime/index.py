"""The index of a bundle that ranks documents: their vectors and texts.

A part of the role "index" has two files: `vectors.npy`, int8 (documents, dimensions), each
row the direction of a document, and `documents.jsonl`, a JSON object a line with id, text and
perhaps a title and other ids (also), deflated as all text in a bundle. A row's scale is left
out: a direction has length 1. The part's engine says how vectors are searched
(`runtime.nearest`); BM25 looks for words beside it where the task asks for them.
"""

from __future__ import annotations

import json
import zlib
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from attar.archive import MAX_TEXT_BYTES
from attar.errors import BundleError, DataError
from attar.runtime.bm25 import Bm25
from attar.runtime.matrices import read_matrix, write_matrix
from attar.runtime.nearest import (
    EXACT,
    MOST_DIMENSIONS,
    TWO_STAGE,
    ExactSearch,
    Nearest,
    TwoStageSearch,
    best,
    unit,
)
from attar.types import Document, Outputs

VECTORS, DOCUMENTS = "vectors.npy", "documents.jsonl"
CANDIDATES = 20  # of each way to search that a task is given to choose from
MOST_VALUES = 500_000_000
MOST_TEXT_BYTES = MAX_TEXT_BYTES - 10**7  # which leaves room for tokenizer and report
_STEPS = 127
_KEYS = ("id", "text", "title", "also")


class DocumentIndex:
    """Finds documents by vectors and by words.

    words: whether to score words too.
    """

    def __init__(self, documents: Sequence[Document], nearest: Nearest, words: bool = True) -> None:
        self.documents = tuple(documents)
        self._nearest = nearest
        self._objects = np.array([*self.documents, None], object)  # the last stands for none
        self._bm25 = Bm25([document.read for document in documents]) if words else None

    def __call__(self, vectors: NDArray[np.float32], texts: Sequence[str]) -> Outputs:
        """The nearest documents to queries, by vector and by words, unordered.

        vectors: (queries, dimensions); texts: of the queries. Gives `documents` (queries,
        candidates) of Document, None where there are fewer; `cosine` and `words` of each,
        the latter 0 where words are not scored, both NaN for None; and `embedding`, the
        queries' unit vectors.
        """
        if vectors.ndim != 2 or vectors.shape[1] != self._nearest.dimensions:
            raise BundleError(
                f"the index expects vectors of {self._nearest.dimensions} numbers, not "
                f"{vectors.shape[-1]}. The bundle was put together wrongly."
            )
        if not np.isfinite(vectors).all():
            raise BundleError("the model's vectors hold values that are not numbers")
        queries, count = unit(vectors), len(self.documents)
        width = min(count, 2 * CANDIDATES)
        chosen = np.full((len(queries), width), count, np.int64)
        scores = np.full((2, len(queries), width), np.nan, np.float32)
        for i, text in enumerate(texts):
            found = self._nearest.search(queries[i], CANDIDATES)
            words = None
            if self._bm25 is not None:
                words = self._bm25(text)  # (documents,)
                found = np.union1d(found, best(words, CANDIDATES))
            chosen[i, : len(found)] = found
            scores[0, i, : len(found)] = self._nearest.cosines(queries[i], found)
            scores[1, i, : len(found)] = 0 if words is None else words[found]
        return {
            "documents": self._objects[chosen],
            "cosine": scores[0],
            "words": scores[1],
            "embedding": queries,
        }


def rounded(vectors: NDArray[np.floating]) -> NDArray[np.int8]:
    """The vectors' directions in int8, the largest number of each row 127."""
    directions = unit(vectors)
    largest = np.maximum(directions.max(axis=1, initial=0), -directions.min(axis=1, initial=0))
    directions *= (_STEPS / np.where(largest > 0, largest, 1))[:, None].astype(np.float32)
    return np.rint(directions, out=directions).astype(np.int8)


def write_index(documents: Sequence[Document], vectors: NDArray[np.int8]) -> dict[str, bytes]:
    """The part's files. vectors: as `rounded` gives them, (documents, dimensions)."""
    return {VECTORS: write_matrix(vectors), DOCUMENTS: _lines(documents)}


def index_bytes(documents: Sequence[Document], dimensions: int) -> int:
    """What the part adds to a bundle, nearly."""
    return len(documents) * dimensions + len(zlib.compress(_lines(documents), 9)) + 600


def check_texts(documents: Sequence[Document]) -> None:
    """Raise DataError where the documents' texts are more than a bundle holds."""
    size = len(_lines(documents))
    if size > MOST_TEXT_BYTES:
        raise DataError(
            f"the texts of {len(documents):,} documents take {size / 1e6:,.0f} MB, uncompressed; a "
            f"bundle holds {MOST_TEXT_BYTES / 1e6:,.0f} MB. Leave documents out, or cut them "
            "shorter."
        )


def read_index(
    files: Mapping[str, bytes], dimensions: int, words: bool, engine: str = EXACT
) -> tuple[DocumentIndex, NDArray[np.int8]]:
    """The index, and its vectors as they are stored. engine: one of `nearest.ENGINES`. Raises
    BundleError where the part cannot be used."""
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
    if engine == TWO_STAGE and dimensions > MOST_DIMENSIONS:
        raise BundleError(f"{VECTORS}: {TWO_STAGE} takes at most {MOST_DIMENSIONS:,} numbers")
    nearest = TwoStageSearch(stored) if engine == TWO_STAGE else ExactSearch(stored)
    return DocumentIndex(documents, nearest, words), stored


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
        values = json.loads(line.decode())  # of bytes it would guess the encoding, each time
    except (ValueError, RecursionError) as error:
        raise BundleError(f"{DOCUMENTS}, line {number}: is not valid JSON: {error}") from None
    if not isinstance(values, dict) or not {"id", "text"} <= {*values} <= {*_KEYS}:
        raise BundleError(f"{DOCUMENTS}, line {number}: expected the keys {', '.join(_KEYS)}")
    also = values.pop("also", [])
    texts = [*values.values(), *also] if isinstance(also, list) else [None]
    if not all(isinstance(text, str) for text in texts) or not values["id"]:
        raise BundleError(f"{DOCUMENTS}, line {number}: expected texts, and a list of them as also")
    return Document(**values, also=tuple(also))
