"""A teacher whose documents a second model scores again: it teaches to read pairs."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from attar.teachers import Answers, Teacher


class ScoresPairs:
    """Answers texts as `first` does, the first stage's teacher, which says what documents a query
    is read with. scorer: the folder of the model that has learned pairs, and its fingerprint."""

    def __init__(self, first: Teacher, scorer: Path, fingerprint: str) -> None:
        self.name = f"{first.name}, then pairs"
        self.fingerprint = f"{first.fingerprint} then {fingerprint}"
        self.scorer = scorer
        self._first = first

    def answer(self, texts: Sequence[str]) -> Answers:
        return self._first.answer(texts)
