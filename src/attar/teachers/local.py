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


#: Of an answer, a file each.
PARTS = ("logits", "embedding")


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
        names = [self._cache / f"answers-{self._key(texts)}.{part}.npy" for part in PARTS]
        if not all(path.exists() for path in names):
            if self._answer is None:
                self._answer = self._load()
            self._cache.mkdir(parents=True, exist_ok=True)
            for path, values in zip(names, self._answer(texts), strict=True):
                partial = path.with_suffix(".partial")
                with partial.open("wb") as file:
                    np.save(file, values, allow_pickle=False)
                partial.replace(path)
        # Mapped, not read: where words are labeled, they may be larger than the memory. ("c":
        # torch takes no arrays that cannot be written; what is written goes nowhere.)
        return Answers(*(np.load(path, mmap_mode="c", allow_pickle=False) for path in names))

    def _key(self, texts: Sequence[str]) -> str:
        digest = hashlib.sha256(self.fingerprint.encode())
        for text in texts:
            digest.update(hashlib.sha256(text.encode("utf-8", "surrogatepass")).digest())
        return digest.hexdigest()[:16]
