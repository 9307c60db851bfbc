"""A teacher that ranks documents: its own vectors of them, searched as a bundle's are."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from attar.runtime.index import DocumentIndex
from attar.runtime.nearest import ExactSearch
from attar.types import Answerer, Document, Outputs


class Informed:
    """An Answerer that knows documents; its vectors of them are asked for once."""

    def __init__(self, teacher: Answerer, documents: Sequence[Document]) -> None:
        self.name = teacher.name
        self._teacher, self._documents = teacher, documents

    def answer(self, texts: Sequence[str]) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        return self._teacher.answer(texts)

    def outputs(self, texts: Sequence[str]) -> Outputs:
        """What the decoding of a task that ranks reads."""
        logits, _ = self.answer(texts)
        return {"logits": logits, **self._index(logits, texts)}

    @cached_property
    def _index(self) -> DocumentIndex:
        vectors, _ = self.answer([document.read for document in self._documents])
        return DocumentIndex(self._documents, ExactSearch(vectors))


def informed(teacher: Answerer, documents: Sequence[Document]) -> Answerer:
    """The teacher, told of the documents where there are any."""
    return Informed(teacher, documents) if documents else teacher
