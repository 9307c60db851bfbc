"""The linear model on words that can stand beside an encoder as a teacher."""

from __future__ import annotations

import numpy as np
import pytest

pytest.importorskip("sklearn")

from attar.train.word_model import fit_words

WORDS = ("printer", "payroll", "password")
TEXTS = [f"{word} please {i} help with {word}" for i in range(10) for word in WORDS]
GOLD = np.array([i % 3 for i in range(30)])


@pytest.mark.parametrize("calibrated", [True, False])
def test_words_tell_the_labels(calibrated: bool) -> None:
    answer = fit_words(TEXTS, GOLD, 4, calibrated=calibrated)
    logits, embedding = answer([f"my {word}" for word in WORDS])
    assert logits.shape == (3, 4) and logits.dtype == np.float32
    assert embedding.shape == (3, 0)
    assert logits[:, :3].argmax(axis=1).tolist() == [0, 1, 2]


def test_calibrated_answers_are_probabilities() -> None:
    logits, _ = fit_words(TEXTS, GOLD, 3)(TEXTS)
    assert np.exp(logits).sum(axis=1) == pytest.approx(1, abs=1e-4)


def test_two_labels_and_rows_without_one() -> None:
    gold = np.where(GOLD == 2, -1, GOLD)
    for calibrated in (True, False):
        logits, _ = fit_words(TEXTS, gold, 2, calibrated=calibrated)(["printer", "payroll"])
        assert logits.argmax(axis=1).tolist() == [0, 1]


def test_a_label_with_few_rows_is_never_named() -> None:
    gold = GOLD.copy()
    gold[0] = 3
    logits, _ = fit_words(TEXTS, gold, 4)(TEXTS[:1])
    assert logits[0].argmax() == 0
    assert logits[0, 3] == pytest.approx(np.log(1e-6), abs=1e-3)
