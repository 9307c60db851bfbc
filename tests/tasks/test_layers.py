"""Names of the columns of layers of tags, and the spans that tags come to."""

from __future__ import annotations

import numpy as np
import pytest

from attar.tasks.layers import found_in, labels_of_columns, log_softmax, tags_for, with_unread


def test_columns_say_their_labels() -> None:
    assert tags_for(["b", "a"]) == ["O", "B-b", "I-b", "B-a", "I-a"]
    of_texts = ["text: B-go", "text: text: x", *tags_for(["B-city", "call: I-x"])]
    assert labels_of_columns(of_texts) == (["B-go", "text: x"], ["B-city", "call: I-x"])
    of_calls = [*tags_for(["city"]), *("call: " + tag for tag in tags_for(["B-x", "y"]))]
    assert labels_of_columns(of_calls) == (["B-x", "y"], ["city"])


def test_scores_are_products_or_means() -> None:
    shares = np.array([[0.1, 0.8, 0.1], [0.2, 0.2, 0.6], [0.5, 0.3, 0.2], [np.nan] * 3])
    log_p = with_unread(np.log(shares)[None])
    words = [[[0, 2], [3, 5], [6, 8], [9, 9]]]
    ((span,),), (total,) = found_in(log_p.copy(), words, ["city"])
    assert span[:3] == (0, 5, "city")
    assert span.score == pytest.approx(0.8 * 0.6)
    assert np.exp(total) == pytest.approx(0.8 * 0.6 * 0.5)
    ((span,),), (total,) = found_in(log_p, words, ["city"], alike=True)
    assert span.score == pytest.approx((0.8 * 0.6) ** 0.5)
    assert np.exp(total) == pytest.approx((0.8 * 0.6) ** 0.5 * 0.5)


def test_a_layer_that_a_model_has_not() -> None:
    found, total = found_in(np.zeros((2, 3, 0)), [[], []], [])
    assert found == [(), ()]
    assert total.tolist() == [0, 0]
    assert log_softmax(np.zeros((2, 0))).shape == (2, 0)
