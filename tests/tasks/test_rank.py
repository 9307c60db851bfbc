"""Ranking documents: figures, what is tuned, and refusals."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest

from attar.errors import BundleError, DataError
from attar.predictions import RankedDocument, Ranking
from attar.tasks.rank import RANK, dimensions
from attar.tasks.right_documents import documents_name
from attar.testing import check_task
from attar.types import Document, Outputs, Row

NAMES = ("a", "b", "c", "d")


def settings(**changed: Any) -> dict[str, Any]:
    return RANK.settings(dimensions(4), None) | changed


def outputs(cosine: list[list[float]], words: list[list[float]] | None = None) -> Outputs:
    """Of the documents NAMES, in order."""
    near = np.array(cosine, np.float32)
    objects = np.array([Document(name, f"text of {name}") for name in NAMES], object)
    documents = np.tile(objects[: near.shape[1]], (len(near), 1))
    scored = np.zeros_like(near) if words is None else np.array(words, np.float32)
    return {"documents": documents, "cosine": near, "words": scored}


def answer_with(*ids: str, score: float = 0.9, abstained: bool = False) -> Ranking:
    found = tuple(RankedDocument(name, 0.5, name) for name in ids)
    return Ranking(ids[0] if ids else "", score, abstained, documents=found)


def test_contract() -> None:
    check_task(RANK)


def test_the_nearest_comes_first() -> None:
    (answer,) = RANK.decode(outputs([[0.1, 0.9, 0.5, 0.2]]), {"task_settings": settings()})
    assert isinstance(answer, Ranking)
    assert [found.id for found in answer.documents] == ["b", "c", "d", "a"]
    assert answer.to_json()["documents"][0] == {
        "id": "b", "score": 0.9, "title": "", "text": "text of b",
    }  # fmt: skip


def test_words_count_as_much_as_they_are_weighed() -> None:
    given = outputs([[0.6, 0.5, 0.0, 0.0]], [[0.0, 0.4, 0.0, 0.0]])
    for weight, expected in ((None, "a"), (0.0, "a"), (0.5, "b")):
        (answer,) = RANK.decode(given, {"task_settings": settings(hybrid=weight)})
        assert answer.label == expected


def test_missing_candidates_are_no_documents() -> None:
    given = dict(outputs([[0.6, np.nan]]))
    given["documents"][0, 1] = None
    (answer,) = RANK.decode(given, {"task_settings": settings()})
    assert isinstance(answer, Ranking)
    assert [found.id for found in answer.documents] == ["a"]


def test_without_documents_it_abstains() -> None:
    nothing = outputs([[]])
    (answer,) = RANK.decode(nothing, {"task_settings": settings()})
    assert (answer.label, answer.abstained) == ("", True)


def test_figures_look_at_the_place_of_the_right_document() -> None:
    rows = [Row("q", "a"), Row("q", "b"), Row("q", "d"), Row("q", "none")]
    answers = [answer_with(*"abc"), answer_with(*"abc"), answer_with(*"abc"), answer_with("a")]
    found = RANK.metrics(rows, answers, "none")
    assert found["recall_at_1"] == pytest.approx(1 / 3)
    assert found["recall_at_5"] == pytest.approx(2 / 3)
    assert found["mrr"] == pytest.approx((1 + 1 / 2 + 0) / 3)
    assert found["ndcg_at_10"] == pytest.approx((1 + 1 / np.log2(3)) / 3)
    assert found["oos_recall"] == 0
    evidence = RANK.evidence(rows, answers, ["a", "a", "d", "a"], "none")
    for name in ("recall_at_1", "recall_at_5", "recall_at_10", "mrr", "ndcg_at_10"):
        assert evidence[name].value == pytest.approx(found[name])
    assert evidence["retained"].value == pytest.approx(1 / 3 - 2 / 3)
    assert evidence["oos_acceptance"].value == 1
    assert evidence["error_when_answering"].value == pytest.approx(2 / 3)


def test_one_of_several_right_documents_is_enough() -> None:
    """But for nDCG, which counts all of them against the best ranking."""
    rows = [Row("q", documents_name("db")), Row("q", documents_name("ac")), Row("q", "none")]
    answers = [answer_with(*"abcd"), answer_with(*"acb"), answer_with("a", abstained=True)]
    found = RANK.metrics(rows, answers, "none")
    assert found["recall_at_1"] == 1 / 2
    assert found["recall_at_5"] == 1
    assert found["mrr"] == pytest.approx((1 / 2 + 1) / 2)
    best = 1 + 1 / np.log2(3)
    assert found["ndcg_at_10"] == pytest.approx(((1 / np.log2(3) + 1 / np.log2(5)) / best + 1) / 2)
    evidence = RANK.evidence(rows, answers, ["b", "b", "a"], "none")
    for name in ("recall_at_1", "recall_at_5", "mrr", "ndcg_at_10"):
        assert evidence[name].value == pytest.approx(found[name])
    assert evidence["retained"].value == 0  # each is right once
    assert evidence["error_when_answering"].value == 1 / 2
    assert RANK.is_right(rows[0].label, "b") and not RANK.is_right(rows[0].label, "a")
    assert RANK.shown(rows[1].label, "q") == "a, c"
    assert RANK.chance([*rows[:2], Row("q", "a")]) == 2 / 3
    assert RANK.tuned(outputs([[0.1, 0.9, 0.5, 0.2]] * 2), rows[:2], settings())["hybrid"] == 0


def test_tuned_takes_words_only_where_they_help() -> None:
    rows = [Row("q", name) for name in NAMES * 5]
    right = np.tile(np.eye(4), (5, 1)).tolist()
    wrong = np.roll(np.array(right), 1, axis=1).tolist()
    vectors_right = RANK.tuned(outputs(right, wrong), rows, settings())
    words_right = RANK.tuned(outputs((0.5 * np.array(wrong)).tolist(), right), rows, settings())
    assert vectors_right["hybrid"] == 0
    assert words_right["hybrid"] > 0
    fixed = settings(**words_right)
    RANK.check_manifest({"task_settings": json.loads(json.dumps(fixed))})
    given = outputs((0.5 * np.array(wrong)).tolist(), right)
    answers = RANK.decode(given, {"task_settings": fixed})
    assert [answer.label for answer in answers] == [row.label for row in rows]


def test_scores_say_how_often_the_best_is_right() -> None:
    """A logistic that fits: where similarity tells right from wrong, so do scores."""
    rng = np.random.default_rng(0)
    rows, near = [], []
    for _ in range(400):
        top = rng.uniform(0.2, 0.9)
        right = rng.random() < top
        rows.append(Row("q", "a" if right else "d"))
        near.append([top, top - 0.05, 0.0, -0.1])
    fixed = settings(**RANK.tuned(outputs(near), rows, settings()))
    scores = RANK.acceptance(outputs(near), {"task_settings": fixed})
    tops = np.array(near)[:, 0]
    assert np.abs(scores - tops).mean() < 0.07
    answers = RANK.decode(outputs(near), {"task_settings": {**fixed, "threshold": 0.5}})
    assert [a.abstained for a in answers] == (scores < 0.5).tolist()


def test_what_is_nearer_is_never_less_sure() -> None:
    """On a few rows the nearest documents happened to be the wrong ones."""
    near = [[0.9, 0.6, 0.0, 0.0]] * 4 + [[0.3, 0.25, 0.0, 0.0]] * 4
    rows = [Row("q", "d")] * 4 + [Row("q", "a")] * 4
    first, second, _ = RANK.tuned(outputs(near), rows, settings())["logistic"]
    assert first == second == 0
    lead = [[0.5, 0.1, 0.0, 0.0]] * 4 + [[0.6, 0.55, 0.0, 0.0]] * 4
    rows = [Row("q", "a")] * 4 + [Row("q", "d")] * 4
    first, second, _ = RANK.tuned(outputs(lead), rows, settings())["logistic"]
    assert first == 0 < second


@pytest.mark.parametrize("weight", [0.0, 0.3])
def test_tuned_with_one_kind_of_rows(weight: float) -> None:
    """All right, all wrong, or no row at all: numbers, never an error."""
    for label in ("a", "d"):
        rows = [Row("q", label)] * 6
        found = RANK.tuned(outputs([[0.9, 0.5, weight, 0.0]] * 6), rows, settings())
        assert np.isfinite(found["logistic"]).all()
    assert RANK.tuned({}, [], settings()) == {"hybrid": 0.0}


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"dimensions": 0}, "dimensions"),
        ({"dimensions": "4"}, "dimensions"),
        ({"hybrid": 1.5}, "hybrid"),
        ({"hybrid": "0"}, "hybrid"),
        ({"logistic": [1.0, 2.0]}, "logistic"),
        ({"logistic": [1.0, 2.0, None]}, "logistic"),
        ({"temperature": 0}, "temperature"),
    ],
)
def test_settings_that_cannot_be_decoded_with(changed: dict[str, Any], message: str) -> None:
    with pytest.raises(BundleError, match=message):
        RANK.check_manifest({"task_settings": settings(**changed)})


def test_a_row_names_a_document() -> None:
    with pytest.raises(DataError, match="row 3: the id of the right document"):
        RANK.check([Row("q", None, None, "faq.jsonl", 3)])
