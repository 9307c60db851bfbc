"""The linear head, beside scikit-learn as it comes."""

from __future__ import annotations

import numpy as np
import pytest

pytest.importorskip("sklearn")

from sklearn.linear_model import LogisticRegression

from attar.train.linear import fit_linear, row_weights


def case(columns: int) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(0)
    target = rng.integers(0, columns, 120)
    vectors = rng.normal(3, 2, (120, 5)).astype(np.float32)
    vectors[np.arange(120), target] += 2
    return vectors, target


@pytest.mark.parametrize("columns", [2, 4])
@pytest.mark.parametrize("balance", [0.0, 0.5])
def test_the_scaling_is_folded_into_the_head(columns: int, balance: float) -> None:
    vectors, target = case(columns)
    scaled = (vectors - vectors.mean(0)) / (vectors.std(0) + 1e-6)
    weights = row_weights(target, balance)
    plain = LogisticRegression(C=0.1, max_iter=500).fit(scaled, target, sample_weight=weights)
    logits = fit_linear(vectors, target, columns, balance=balance).logits(vectors)
    probabilities = np.exp(logits) / np.exp(logits).sum(1, keepdims=True)
    assert np.allclose(probabilities, plain.predict_proba(scaled), atol=1e-4)


def test_a_column_without_rows_never_wins() -> None:
    vectors, target = case(3)
    logits = fit_linear(vectors, np.where(target == 1, 2, target), 3).logits(vectors)
    assert (logits.argmax(1) != 1).all()


def test_weights_of_rows() -> None:
    target = np.array([0] * 90 + [1] * 10)
    assert row_weights(target, 0.0) is None
    even = row_weights(target, 1.0)
    assert even is not None and even[:90].sum() == pytest.approx(even[90:].sum())
    half = row_weights(target, 0.5)
    assert half is not None and half.mean() == pytest.approx(1)
    assert half[90] / half[0] == pytest.approx(3)
