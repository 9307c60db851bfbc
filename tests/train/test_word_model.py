"""The linear model on words that can stand beside an encoder as a teacher."""

from __future__ import annotations

import numpy as np
import pytest

pytest.importorskip("sklearn")

from attar.metrics import sigmoid
from attar.train.word_model import fit_word_sets, fit_words

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


def test_words_tell_sets_of_labels() -> None:
    """Both of two words name both labels; a text that nobody labeled teaches nothing, and what
    one row has, or every row but one, gets the same answer everywhere."""
    texts = [*TEXTS, *(f"{word} and payroll {i}" for i in range(10) for word in WORDS[::2])]
    gold = np.array([[word in text for word in WORDS] for text in texts], np.int64)
    gold = np.column_stack([gold, np.arange(len(texts)) == 0, np.arange(len(texts)) > 0])
    gold[3::10] = -1
    logits, embedding = fit_word_sets(texts, gold)(["my printer and payroll", "my password"])
    assert logits.shape == (2, 5) and logits.dtype == np.float32
    assert embedding.shape == (2, 0)
    assert (logits[:, :3] > 0).tolist() == [[True, True, False], [False, False, True]]
    np.testing.assert_allclose(sigmoid(logits[:, 3]), 1e-6, rtol=0.01)
    np.testing.assert_allclose(sigmoid(logits[:, 4]), 1, atol=1e-5)


def test_answers_on_sets_are_as_likely_as_they_say() -> None:
    """Words that say nothing give every label its share."""
    rng = np.random.default_rng(0)
    texts = [" ".join(rng.choice(list(WORDS), 3)) for _ in range(200)]
    gold = (rng.random((200, 2)) < (0.1, 0.6)).astype(np.int64)
    shares = sigmoid(fit_word_sets(texts, gold)(texts)[0])
    np.testing.assert_allclose(shares.mean(axis=0), gold.mean(axis=0), atol=0.05)


def test_sets_that_no_words_tell() -> None:
    with pytest.raises(ValueError, match="no label has two rows"):
        fit_word_sets(TEXTS, np.zeros((30, 2), np.int64))
