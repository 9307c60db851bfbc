"""A teacher whose documents keep the vectors that its queries were taught to find."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from attar.teachers import Answers, Teacher


class KnowsDocuments:
    """Answers the documents' texts as `reader` does, all others as `asker`, the same encoder
    tuned on pairs of queries and documents."""

    def __init__(self, asker: Teacher, reader: Teacher, documents: Sequence[str]) -> None:
        self.name = asker.name
        self.fingerprint = f"{asker.fingerprint} beside {reader.fingerprint}"
        self.folder: Path | None = getattr(asker, "folder", None)
        self.asker, self._reader, self._documents = asker, reader, frozenset(documents)

    def answer(self, texts: Sequence[str]) -> Answers:
        known = np.array([text in self._documents for text in texts], bool)
        if known.all() or not known.any():
            return (self._reader if known.any() else self.asker).answer(texts)
        parts = [
            teacher.answer([text for text, chosen in zip(texts, at, strict=True) if chosen])
            for teacher, at in ((self._reader, known), (self.asker, ~known))
        ]
        return Answers(
            _merged(known, parts[0].logits, parts[1].logits),
            _merged(known, parts[0].embedding, parts[1].embedding),
        )


def _merged(
    known: NDArray[np.bool_], theirs: NDArray[np.float32], others: NDArray[np.float32]
) -> NDArray[np.float32]:
    found = np.empty((len(known), theirs.shape[1]), np.float32)
    found[known], found[~known] = theirs, others
    return found
