"""Extract: columns, gold, decoding, metrics, and what a manifest may not say."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from attar.errors import BundleError, DataError
from attar.evidence import Proportion
from attar.predictions import Extraction
from attar.tasks.annotations import Annotation, annotation_in, name_of
from attar.tasks.extract import EXTRACT
from attar.testing import check_task
from attar.types import Row


def row(text: str, label: str | None, *spans: tuple[int, int, str]) -> Row:
    return Row(text, name_of(label, spans), None, "rows.jsonl", 1)


ROWS = [
    row("fly to New York", "go", (7, 15, "city")),
    row("from Rome at noon", "go", (5, 9, "city"), (13, 17, "time")),
    row("stop it", "end"),
]
COLUMNS = EXTRACT.targets(ROWS, None)


def outputs(rows: list[Row], sure: float = 8.0) -> dict[str, Any]:
    """What a model gives that knows these rows' annotations."""
    gold = EXTRACT.gold(rows, COLUMNS)
    logits = np.zeros((*gold.shape, len(COLUMNS)), np.float32)
    known = np.nonzero(gold >= 0)
    logits[(*known, gold[known])] = sure
    return {"logits": logits, **EXTRACT.beside([r.text for r in rows])}


def manifest(**more: Any) -> dict[str, Any]:
    return {"task_settings": EXTRACT.settings(COLUMNS, None) | more}


def test_the_contract() -> None:
    check_task(EXTRACT)


def test_columns_are_labels_of_texts_then_tags() -> None:
    assert COLUMNS == ("text: end", "text: go", "O", "B-city", "I-city", "B-time", "I-time")
    bare = [row("in Rome", None, (3, 7, "city"))]
    assert EXTRACT.targets(bare, None) == ("O", "B-city", "I-city")


def test_gold_is_the_text_then_each_word() -> None:
    assert EXTRACT.gold(ROWS, COLUMNS).tolist() == [
        [1, 2, 2, 3, 4],
        [1, 2, 3, 2, 5],
        [0, 2, 2, -1, -1],
    ]


def test_what_cannot_be_learned_from() -> None:
    with pytest.raises(DataError, match="has a span"):
        EXTRACT.check([row("stop", "end")])
    with pytest.raises(DataError, match="spans are missing"):
        EXTRACT.check([Row("stop", None, None, "rows.jsonl", 4)])
    with pytest.raises(DataError, match="out_of_scope"):
        EXTRACT.targets(ROWS, "none")
    with pytest.raises(DataError, match="nothing to extract"):
        EXTRACT.targets([row("stop", "end")], None)


def test_answers_know_their_texts() -> None:
    answers = EXTRACT.decode(outputs(ROWS), manifest())
    assert [a.label for a in answers] == [r.label for r in ROWS]
    found = answers[1].in_text(ROWS[1].text)
    assert isinstance(found, Extraction)
    assert found.named == ("go", "Rome [city]", "noon [time]")
    shown = found.to_json()
    assert [(s["text"], s["label"]) for s in shown["spans"]] == [("Rome", "city"), ("noon", "time")]
    assert shown["label"] == "go"
    assert 0.9 < shown["score"] <= min(span["score"] for span in shown["spans"]) <= 1
    assert found.differs(found.to_golden(), 1e-6) is None
    other = answers[0].in_text(ROWS[0].text)
    assert "instead of" in str(found.differs(other.to_golden(), 1e-6))


def test_tags_that_make_no_span_are_not_given() -> None:
    given = outputs(ROWS[2:])
    given["logits"][0, 1] = 0.0
    given["logits"][0, 1, COLUMNS.index("I-time")] = 9.0  # continues nothing
    (answer,) = EXTRACT.decode(given, manifest())
    assert annotation_in(answer.label).spans == ()


def test_words_that_were_not_read_are_outside() -> None:
    given = outputs(ROWS[:1])
    given["logits"][0, 3:] = np.nan  # the text was cut
    (answer,) = EXTRACT.decode(given, manifest())
    assert annotation_in(answer.label) == Annotation("go")


def test_a_text_without_words() -> None:
    rows = [row(" ", "end")]
    (answer,) = EXTRACT.decode(outputs(rows), manifest(threshold=0.5))
    assert annotation_in(answer.label) == Annotation("end")
    assert not answer.abstained


def test_unsure_answers_abstain() -> None:
    unsure = EXTRACT.decode(outputs(ROWS, sure=1.0), manifest(threshold=0.5))
    assert all(answer.abstained for answer in unsure)
    scores = EXTRACT.acceptance(outputs(ROWS), manifest())
    assert scores.tolist() == [a.score for a in EXTRACT.decode(outputs(ROWS), manifest())]


def test_metrics_look_inside() -> None:
    wrong = [
        row("fly to New York", "go", (11, 15, "city")),  # a span too short
        row("from Rome at noon", "end", (5, 9, "city"), (13, 17, "time")),
        ROWS[2],
    ]
    answers = EXTRACT.decode(outputs(wrong), manifest())
    found = EXTRACT.metrics(ROWS, answers, None)
    assert found["span_f1"] == pytest.approx(2 * 2 / (3 + 3))
    assert found["accuracy"] == pytest.approx(2 / 3)
    assert found["exact"] == pytest.approx(1 / 3)
    evidence = EXTRACT.evidence(ROWS, answers, [r.label or "" for r in ROWS], None)
    assert evidence["span_f1"].value == pytest.approx(found["span_f1"])
    assert evidence["exact"].value == pytest.approx(1 / 3)
    assert evidence["retained"].value == pytest.approx(-2 / 3)
    assert EXTRACT.chance(ROWS) == pytest.approx(1 / 3)


def test_log_loss_is_least_at_the_truth() -> None:
    good = EXTRACT.log_loss(outputs(ROWS), ROWS, manifest()["task_settings"])
    poor = EXTRACT.log_loss(outputs(ROWS, sure=1.0), ROWS, manifest()["task_settings"])
    assert 0 < good < poor
    assert np.isnan(EXTRACT.log_loss(outputs(ROWS), [], manifest()["task_settings"]))


@pytest.mark.parametrize(
    "change",
    [
        {"span_labels": []},
        {"span_labels": ["city", "city"]},
        {"labels": "go"},
        {"labels": [1]},
        {"temperature": 0},
    ],
)
def test_manifests_that_cannot_be_decoded_with(change: dict[str, Any]) -> None:
    with pytest.raises(BundleError):
        EXTRACT.check_manifest(manifest(**change))


def test_outputs_of_another_shape() -> None:
    given = outputs(ROWS)
    with pytest.raises(BundleError, match="shape"):
        EXTRACT.decode({**given, "logits": given["logits"][..., 1:]}, manifest())
    with pytest.raises(BundleError, match="words"):
        EXTRACT.decode({**given, "words": given["words"][:, 1:]}, manifest())
    given["logits"][0, 0] = np.inf
    with pytest.raises(BundleError, match="not numbers"):
        EXTRACT.decode(given, manifest())


def test_recall_and_precision_of_a_label_count_its_spans() -> None:
    both = row("Rome to Bern", None, (0, 4, "city"), (8, 12, "city"))
    given = [
        Extraction(name_of(None, [(0, 4, "city"), (5, 7, "city"), (8, 12, "time")]), 0.9),
        Extraction(name_of(None, [(5, 9, "city")]), 0.9),
    ]
    found = EXTRACT.evidence([both, ROWS[1]], given, None, None)
    recall, precision = found["recall of city"], found["precision of city"]
    assert isinstance(recall, Proportion) and isinstance(precision, Proportion)
    assert (recall.rows, recall.value) == (3, pytest.approx(2 / 3))
    assert (precision.rows, precision.value) == (3, pytest.approx(2 / 3))
    assert recall.groups is not None and recall.groups.tolist() == [0, 0, 1]
    assert found["recall of time"].value == found["precision of time"].value == 0


def test_the_label_alone_may_decide_whether_to_answer() -> None:
    """Spans that are hardly seen make the whole unlikely; of the label the model is sure."""
    found = outputs(ROWS)
    found["logits"][:, 1:, 2:] /= 8.0
    by_label = manifest(acceptance="label", threshold=0.9)
    assert not any(a.abstained for a in EXTRACT.decode(found, by_label))
    assert all(a.abstained for a in EXTRACT.decode(found, manifest(threshold=0.9)))
    answers = EXTRACT.decode(found, by_label)
    sure = [a.text_score for a in answers if isinstance(a, Extraction)]
    assert EXTRACT.acceptance(found, by_label).tolist() == pytest.approx(sure)
    gold = [row(ROWS[0].text, "go"), row(ROWS[1].text, "end"), ROWS[2]]
    evidence = EXTRACT.evidence(gold, answers, None, None)
    errors = evidence["label_error_when_answering"]
    assert isinstance(errors, Proportion)
    assert errors.value == pytest.approx(1 / 3)
    assert evidence["error_when_answering"].value == pytest.approx(2 / 3)
