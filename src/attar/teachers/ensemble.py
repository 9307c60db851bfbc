"""An ensemble: the mean of its members' probabilities."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from attar.tasks.classify import CLASSIFY
from attar.teachers import Answers, Teacher

#: logits of each member -> logits of their mean, all (n, columns)
Mean = Callable[[Sequence[NDArray[np.float32]]], NDArray[np.float32]]


class Ensemble:
    """Averages probabilities, not logits, so that members may differ in scale.

    The embedding and the layers are the first member's, which should be the strongest.
    mean: the task's, which knows whether its columns exclude each other.
    """

    def __init__(self, members: Sequence[Teacher], mean: Mean = CLASSIFY.mean) -> None:
        if not members:
            raise ValueError("an ensemble needs a member")
        self.members = tuple(members)
        self._mean = mean
        self.name = " + ".join(member.name for member in members)
        self.fingerprint = "+".join(member.fingerprint for member in members)
        self.folder: Path | None = getattr(members[0], "folder", None)

    def answer(self, texts: Sequence[str]) -> Answers:
        answers = [member.answer(texts) for member in self.members]
        return Answers(self._mean([a.logits for a in answers]), answers[0].embedding)
