"""Teachers: answers are written before they are used; an ensemble averages probabilities."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from attar.metrics import softmax
from attar.teachers import Answers
from attar.teachers.ensemble import Ensemble
from attar.teachers.local import LocalTeacher


class Counting:
    """Loads and answers, counting both."""

    def __init__(self) -> None:
        self.loaded = self.answered = 0

    def load(self) -> Any:
        self.loaded += 1

        def answer(texts: Sequence[str]) -> Any:
            self.answered += 1
            lengths = np.array([[len(text), 1.0] for text in texts], np.float32)
            return lengths, lengths * 2

        return answer


def test_answers_are_kept_by_model_and_texts(tmp_path: Path) -> None:
    counting = Counting()
    teacher = LocalTeacher("t", "f" * 64, counting.load, tmp_path / "cache")
    assert counting.loaded == 0
    first = teacher.answer(["a", "bb"])
    assert first.logits.tolist() == [[1.0, 1.0], [2.0, 1.0]]
    again = LocalTeacher("t", "f" * 64, counting.load, tmp_path / "cache").answer(["a", "bb"])
    np.testing.assert_array_equal(again.logits, first.logits)
    np.testing.assert_array_equal(again.embedding, first.embedding)
    assert isinstance(again.logits, np.memmap)  # on disk: they may be larger than the memory
    assert (counting.loaded, counting.answered) == (1, 1)
    teacher.answer(["bb", "a"])
    teacher.answer(["ab", "b"])  # the same letters, cut otherwise
    LocalTeacher("t", "e" * 64, counting.load, tmp_path / "cache").answer(["a", "bb"])
    assert (counting.loaded, counting.answered) == (2, 4)
    assert {path.suffix for path in (tmp_path / "cache").iterdir()} == {".npy"}


def test_an_ensemble_averages_probabilities() -> None:
    class Fixed:
        def __init__(self, name: str, logits: list[list[float]]) -> None:
            self.name = self.fingerprint = name
            self.logits = np.array(logits, np.float32)

        def answer(self, texts: Sequence[str]) -> Answers:
            return Answers(self.logits, self.logits[:, :1])

    # Of another scale, but it stands for the same probabilities up to a constant.
    one = Fixed("one", [[0.0, 2.0], [100.0, 90.0]])
    two = Fixed("two", [[50.0, 50.0], [0.0, 0.0]])
    both = Ensemble([one, two])
    found = both.answer(["x", "y"])
    expected = (softmax(one.logits) + softmax(two.logits)) / 2
    np.testing.assert_allclose(softmax(found.logits), expected, atol=1e-6)
    assert found.logits.dtype == np.float32
    np.testing.assert_array_equal(found.embedding, one.logits[:, :1])
    assert both.name == "one + two"
    assert both.fingerprint != Ensemble([two, one]).fingerprint
    with pytest.raises(ValueError, match="needs a member"):
        Ensemble([])
