"""Classify: columns, answers against a naive decoder, metrics against scikit-learn."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from attar.errors import BundleError, DataError
from attar.predictions import Prediction
from attar.tasks import TASKS
from attar.tasks.classify import CLASSIFY
from attar.types import Row


def rows(*labels: str | None) -> list[Row]:
    return [Row(f"text {i}", label, file="a.jsonl", line=i) for i, label in enumerate(labels, 1)]


def settings(**keys: Any) -> dict[str, Any]:
    base = {"labels": ["a", "b", "c"], "out_of_scope": "z", "threshold": None, "temperature": 1.0}
    return {"task_settings": {**base, **keys}}


def logits(*values: list[float]) -> dict[str, Any]:
    return {"logits": np.array(values, dtype=np.float32)}


def test_the_registry_gives_the_task() -> None:
    assert TASKS.get("classify") is CLASSIFY
    assert CLASSIFY.capabilities == ("label", "embed")


def test_columns_are_sorted_with_out_of_scope_last() -> None:
    given = rows("b", "oos", "a", "c", "a", None)
    assert CLASSIFY.targets(given, "oos") == ("a", "b", "c", "oos")
    assert CLASSIFY.targets(given, "none") == ("a", "b", "c", "oos")
    assert CLASSIFY.targets(given, None) == ("a", "b", "c", "oos")
    with pytest.raises(DataError, match="at least two"):
        CLASSIFY.targets(rows("a", "oos"), "oos")


def test_settings_follow_the_columns() -> None:
    with_oos = CLASSIFY.settings(("a", "b", "oos"), "oos", 0.3, 2.0)
    assert with_oos == {
        "labels": ["a", "b"], "out_of_scope": "oos", "threshold": 0.3, "temperature": 2.0,
        "acceptance": "probability",
    }  # fmt: skip
    assert CLASSIFY.settings(("a", "b"), "oos")["out_of_scope"] is None
    CLASSIFY.check_manifest({"task_settings": with_oos})


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ([], "no labeled rows"),
        (rows("a", "a"), "at least two labels"),
        (rows("a", None, "b"), "a.jsonl, row 2: the label is missing"),
        (rows("a", "a", "b"), "a.jsonl, row 3: the label 'b' has this one row only"),
    ],
)
def test_rows_that_cannot_be_learned_from(given: list[Row], words: str) -> None:
    with pytest.raises(DataError, match=words):
        CLASSIFY.check(given)


def test_rows_that_can_be_learned_from() -> None:
    CLASSIFY.check(rows("a", "b", "a", "b"))


def test_an_answer() -> None:
    (answer,) = CLASSIFY.decode(logits([1.0, 3.0, 2.0, 0.0]), settings())
    total = sum(math.exp(x) for x in (1, 3, 2, 0))
    assert answer.label == "b"
    assert answer.score == pytest.approx(math.exp(3) / total)
    assert [a.label for a in answer.alternatives] == ["c", "a"]
    assert answer.abstained is False


def test_out_of_scope_shows_in_a_low_score() -> None:
    (answer,) = CLASSIFY.decode(logits([0.0, 1.0, 0.0, 9.0]), settings(threshold=0.5))
    assert answer.label == "b"
    assert answer.score < 0.01
    assert answer.abstained is True


def test_temperature_flattens() -> None:
    sharp = CLASSIFY.decode(logits([0.0, 4.0, 0.0, 0.0]), settings())[0]
    flat = CLASSIFY.decode(logits([0.0, 4.0, 0.0, 0.0]), settings(temperature=4.0))[0]
    assert flat.score == pytest.approx(math.e / (math.e + 3))
    assert flat.score < sharp.score


@given(
    hnp.arrays(np.float32, st.tuples(st.integers(1, 5), st.just(8)),
               elements=st.floats(-30, 30, width=32)),
    st.one_of(st.none(), st.floats(0, 1)),
)  # fmt: skip
def test_decode_agrees_with_the_naive_way(values: Any, threshold: float | None) -> None:
    labels = list("abcdefg")
    answers = CLASSIFY.decode({"logits": values}, settings(labels=labels, threshold=threshold))
    assert len(answers) == len(values)
    for row, answer in zip(values.tolist(), answers, strict=True):
        weights = [math.exp(x - max(row)) for x in row]
        chances = [w / sum(weights) for w in weights]
        ranked = sorted(range(7), key=lambda i: -chances[i])
        assert answer.score == pytest.approx(chances[ranked[0]], abs=1e-9)
        assert [a.score for a in answer.alternatives] == pytest.approx(
            [chances[i] for i in ranked[1:4]], abs=1e-9
        )
        assert chances[labels.index(answer.label)] == pytest.approx(answer.score, abs=1e-9)
        assert answer.abstained is (threshold is not None and answer.score < threshold)
        assert type(answer.score) is float


@pytest.mark.parametrize(
    "outputs",
    [{}, logits([1.0, 2.0]), {"logits": np.zeros(4, np.float32)},
     logits([math.nan, 0, 0, 0]), logits([math.inf, 0, 0, 0])],
)  # fmt: skip
def test_outputs_that_do_not_fit(outputs: dict[str, Any]) -> None:
    with pytest.raises(BundleError, match="logits"):
        CLASSIFY.decode(outputs, settings())


@pytest.mark.parametrize(
    "keys",
    [{"labels": None}, {"labels": []}, {"labels": ["a", "a"]}, {"labels": [1]},
     {"out_of_scope": "a"}, {"out_of_scope": 1}, {"threshold": "0.5"}, {"temperature": 0},
     {"temperature": None}, {"temperature": True}],
)  # fmt: skip
def test_settings_that_cannot_be_decoded_with(keys: dict[str, Any]) -> None:
    with pytest.raises(BundleError, match="task_settings"):
        CLASSIFY.check_manifest(settings(**keys))


def test_settings_without_a_key() -> None:
    with pytest.raises(BundleError, match="lacks"):
        CLASSIFY.check_manifest({"task_settings": {"labels": ["a", "b"], "temperature": 1.0}})


def test_metrics_by_hand() -> None:
    gold = rows("a", "a", "b", "unknown", "oos", "oos")
    answers = [
        Prediction("a", 0.9),
        Prediction("b", 0.2, abstained=True),
        Prediction("b", 0.3, abstained=True),
        Prediction("a", 0.8),
        Prediction("a", 0.1, abstained=True),
        Prediction("b", 0.7),
    ]
    found = CLASSIFY.metrics(gold, answers, "oos")
    assert found["accuracy"] == 0.5
    assert found["macro_f1"] == pytest.approx((1 / 2 + 2 / 3 + 0) / 3)
    assert (found["rows"], found["in_scope_rows"], found["oos_rows"]) == (6, 4, 2)
    assert found["oos_auroc"] == pytest.approx((4 + 2) / 8)
    assert found["oos_recall"] == 0.5
    assert found["in_scope_abstained"] == 0.5
    assert found["accuracy_when_answering"] == 0.5


def test_metrics_without_out_of_scope_rows() -> None:
    found = CLASSIFY.metrics(rows("a", "b"), [Prediction("a", 0.9), Prediction("b", 0.9)], "oos")
    assert found == {"accuracy": 1.0, "macro_f1": 1.0, "in_scope_rows": 2.0, "rows": 2.0}
    only = CLASSIFY.metrics(rows("oos"), [Prediction("a", 0.9)], "oos")
    assert math.isnan(only["accuracy"])
    assert math.isnan(only["oos_auroc"])


def test_chance_is_the_most_frequent_label() -> None:
    assert CLASSIFY.chance(rows("a", "b", "b", "c")) == 0.5
    assert math.isnan(CLASSIFY.chance([]))


def test_acceptance_of_each_kind() -> None:
    outputs = logits([1.0, 3.0, 2.0, 0.5], [0.0, 0.0, 0.0, 4.0])
    outputs["distance"] = np.array([2.0, 9.0], np.float32)
    (sure, unsure) = CLASSIFY.acceptance(outputs, settings())
    assert sure == pytest.approx(CLASSIFY.decode(outputs, settings())[0].score)
    assert sure > unsure
    energy = CLASSIFY.acceptance(outputs, settings(acceptance="energy"))
    assert energy[0] == pytest.approx(math.log(sum(map(math.exp, (1, 3, 2)))) - 0.5)
    assert energy[1] == pytest.approx(math.log(3) - 4)
    assert CLASSIFY.acceptance(outputs, settings(acceptance="distance")).tolist() == [-2.0, -9.0]
    by_distance = settings(acceptance="distance", threshold=-5.0)
    assert [a.abstained for a in CLASSIFY.decode(outputs, by_distance)] == [False, True]
    with pytest.raises(BundleError, match="no part gives distances"):
        CLASSIFY.acceptance(logits([1.0, 2.0, 3.0, 4.0]), settings(acceptance="distance"))
    with pytest.raises(BundleError, match="expected one of probability, energy, distance"):
        CLASSIFY.check_manifest(settings(acceptance="mood"))


def test_evidence_by_hand() -> None:
    given = [
        Row("1", "a", "x"), Row("2", "a", "x"), Row("3", "b", "y"), Row("4", "c", None),
        Row("5", "z", "x"),
    ]  # fmt: skip
    answers = [
        Prediction("a", 0.9), Prediction("b", 0.4, abstained=True), Prediction("b", 0.8),
        Prediction("a", 0.7), Prediction("a", 0.2, abstained=True),
    ]  # fmt: skip
    found = CLASSIFY.evidence(given, answers, ["a", "a", "c", "c", "a"], "z")
    values = {name: evidence.value for name, evidence in found.items()}
    assert values == {
        "accuracy": 0.5,
        "macro_f1": pytest.approx((0.5 + 2 / 3 + 0) / 3),
        "handover": 0.25,
        "error_when_answering": pytest.approx(1 / 3),
        "recall of a": 0.5,
        "recall of b": 1.0,
        "recall of c": 0.0,
        "retained": 0.5 - 0.75,
        "oos_recall": 1.0,
        "oos_acceptance": 0.0,
        "oos_auroc": 1.0,
    }
    assert found["accuracy"].groups.tolist() == [0, 0, 1, 2]
    assert set(CLASSIFY.claim_metrics) == {name.split(" of ")[0] for name in found}
    alone = CLASSIFY.evidence(given[:4], answers[:4], None, "z")
    assert not {"retained", "oos_auroc", "oos_recall"} & set(alone)
    assert (
        CLASSIFY.evidence([Row("1", "a")], [Prediction("a", 1.0)], None, None)["accuracy"].groups
        is None
    )


def test_columns_of_gold_labels() -> None:
    rows = [Row("1", "b"), Row("2", "oos"), Row("3", "new"), Row("4", None)]
    assert CLASSIFY.gold(rows, ["a", "b", "oos"]).tolist() == [1, 2, -1, -1]
