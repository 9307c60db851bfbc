"""Teachers: named sources of soft answers that a student learns from.

A teacher is a local model, an ensemble of teachers or (with the labeling issue) a
large model behind an endpoint. Answers are written to disk before they are used.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray


class Answers(NamedTuple):
    """logits: (n, columns), log-probabilities up to a constant, or log-odds where a text can
    have several labels. embedding: (n, hidden)."""

    logits: NDArray[np.float32]
    embedding: NDArray[np.float32]


class Teacher(Protocol):
    """Answers texts. Equal fingerprints promise equal answers."""

    name: str
    fingerprint: str

    def answer(self, texts: Sequence[str]) -> Answers: ...
