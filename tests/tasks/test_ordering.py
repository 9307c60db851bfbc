"""The order of candidates once some of them were scored again."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from attar.errors import BundleError
from attar.tasks.ordering import features, fitted_logistic, likelihood, lowered, ranked
from attar.tasks.rank import RANK, dimensions
from attar.types import Document, Row

DOCUMENTS = [Document(name, name) for name in "abcd"]
SETTINGS: dict[str, Any] = {
    **RANK.settings(dimensions(2), None),
    "hybrid": 0.0,
    "rescore": {"max_length": 16, "pad_id": 0, "top": 3, "weight": 0.1},
    "logistic": [1.0, 1.0, 0.5, 0.0],
}


def outputs(cosine: list[float], second: list[float]) -> dict[str, Any]:
    return {
        "documents": np.array([DOCUMENTS[: len(cosine)]], object),
        "cosine": np.array([cosine]),
        "words": np.zeros((1, len(cosine))),
        "rescored": np.array([second]),
    }


def test_second_scores_change_the_order_of_the_best() -> None:
    found = outputs([0.9, 0.8, 0.7, 0.6], [1.0, 3.0, 0.0, np.nan])
    order = ranked(found, SETTINGS)
    assert [one.id for one in order.documents[0]] == ["b", "a", "c", "d"]
    assert order.similarity[0, :3] == pytest.approx([0.8, 0.7, 0.4])
    assert order.similarity[0, 3] < 0.4, "what was not read stays behind what was"
    assert features(order)[0] == pytest.approx([0.8, 0.1, 3.0])
    assert likelihood(order, SETTINGS)[0] == pytest.approx(1 / (1 + np.exp(-2.4)))
    (answer,) = RANK.decode(found, {"task_settings": SETTINGS})
    assert answer.label == "b"
    plain = {key: value for key, value in found.items() if key != "rescored"}
    assert ranked(plain, SETTINGS).documents[0, 0].id == "a"
    wrong = {**found, "rescored": np.zeros((1, 2))}
    with pytest.raises(BundleError, match="different shapes"):
        ranked(wrong, SETTINGS)


@given(
    st.lists(
        st.tuples(st.floats(-1, 1), st.one_of(st.none(), st.floats(-20, 20))),
        min_size=1, max_size=20,
    ),
    st.floats(0, 1),
)  # fmt: skip
def test_nothing_rises_and_what_was_read_comes_first(
    pairs: list[tuple[float, float | None]], weight: float
) -> None:
    near = np.array([[one for one, _ in pairs]])
    second = np.array([[np.nan if other is None else other for _, other in pairs]])
    found = lowered(near, second, weight)
    assert (found <= near).all()
    read = ~np.isnan(second)
    if read.any():
        best = np.nanargmax(second)
        assert found[0, best] == near[0, best]
        if (~read).any():
            assert found[read].min() > found[~read].max()


def test_the_weight_of_second_scores_is_fixed_on_rows() -> None:
    rows = [Row(str(i), "abcd"[i % 3]) for i in range(30)]
    found = [outputs([0.9, 0.85, 0.8, 0.1], [4.0 * (i % 3 == j) for j in range(3)] + [np.nan])
             for i in range(30)]  # fmt: skip
    joined = {key: np.concatenate([one[key] for one in found]) for key in found[0]}
    plain = {**SETTINGS, "rescore": {**SETTINGS["rescore"], "weight": 0.0}}
    tuned = RANK.tuned(joined, rows, plain)
    assert tuned["rescore"]["weight"] > 0
    assert tuned["hybrid"] == 0.0
    assert len(tuned["logistic"]) == 4
    answers = RANK.decode(joined, {"task_settings": {**plain, **tuned}})
    assert [one.label for one in answers] == [row.label for row in rows]
    useless = {**joined, "rescored": np.where(np.isnan(joined["rescored"]), np.nan, 1.0)}
    assert RANK.tuned(useless, rows, plain)["rescore"]["weight"] == 0.0
    RANK.check_manifest({"task_settings": {**plain, **tuned}})


def test_a_slope_that_would_fall_is_none() -> None:
    rng = np.random.default_rng(0)
    read = rng.normal(size=(200, 3))
    slopes = fitted_logistic(read, read[:, 0] - read[:, 2] > 0)
    assert slopes[0] > 0
    assert slopes[2] == 0


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"rescore": {"top": 3}}, "rescore: expected max_length, pad_id, top, weight"),
        ({"rescore": {**SETTINGS["rescore"], "top": 1}}, "rescore.top: expected 2 to 20"),
        ({"rescore": {**SETTINGS["rescore"], "weight": -1}}, "rescore.weight"),
        ({"rescore": None}, "logistic: expected three numbers"),
    ],
)
def test_settings_that_are_refused(changed: dict[str, Any], said: str) -> None:
    with pytest.raises(BundleError, match=said):
        RANK.check_manifest({"task_settings": {**SETTINGS, **changed}})
