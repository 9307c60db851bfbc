"""A local model as teacher. Its answers are kept on disk, keyed by model and texts."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from attar.teachers import Answers

#: texts -> (logits, embedding); made by a colleague that knows torch
AnswerTexts = Callable[[Sequence[str]], tuple[NDArray[np.float32], NDArray[np.float32]]]


class LocalTeacher:
    """`load` returns the function that answers; it is called at most once, when needed.

    folder: where the model lies whose fingerprint it is, for those that look at its layers.
    """

    def __init__(
        self,
        name: str,
        fingerprint: str,
        load: Callable[[], AnswerTexts],
        cache: Path,
        folder: Path | None = None,
    ) -> None:
        self.name = name
        self.fingerprint = fingerprint
        self.folder = folder
        self._load = load
        self._cache = cache
        self._answer: AnswerTexts | None = None

    def answer(self, texts: Sequence[str]) -> Answers:
        path = self._cache / f"answers-{self._key(texts)}.npz"
        if path.exists():
            with np.load(path, allow_pickle=False) as stored:
                return Answers(stored["logits"], stored["embedding"])
        if self._answer is None:
            self._answer = self._load()
        answers = Answers(*self._answer(texts))
        self._cache.mkdir(parents=True, exist_ok=True)
        partial = path.with_suffix(".partial")
        with partial.open("wb") as file:
            np.savez(file, logits=answers.logits, embedding=answers.embedding)
        partial.replace(path)
        return answers

    def _key(self, texts: Sequence[str]) -> str:
        digest = hashlib.sha256(self.fingerprint.encode())
        for text in texts:
            digest.update(hashlib.sha256(text.encode("utf-8", "surrogatepass")).digest())
        return digest.hexdigest()[:16]
