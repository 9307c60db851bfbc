"""An ensemble: the mean of its members' probabilities."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from attar.metrics import softmax
from attar.teachers import Answers, Teacher


class Ensemble:
    """Averages probabilities, not logits, so that members may differ in scale.

    The embedding and the layers are the first member's, which should be the strongest.
    """

    def __init__(self, members: Sequence[Teacher]) -> None:
        if not members:
            raise ValueError("an ensemble needs a member")
        self.members = tuple(members)
        self.name = " + ".join(member.name for member in members)
        self.fingerprint = "+".join(member.fingerprint for member in members)
        self.folder: Path | None = getattr(members[0], "folder", None)

    def answer(self, texts: Sequence[str]) -> Answers:
        answers = [member.answer(texts) for member in self.members]
        mean = np.mean([softmax(a.logits) for a in answers], axis=0)
        return Answers(np.log(mean + 1e-9).astype(np.float32), answers[0].embedding)
