"""Which sentences are learned, which are chosen, and what counts as good."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from attar.data.read import read_rows
from attar.errors import BundleError, DataError
from attar.recipe import DataSection
from attar.tasks.choosing import Document, choose, fixed, unit
from attar.tasks.oracle import oracle
from attar.tasks.sentences import sentences_of
from attar.tasks.summaries import (
    SUMMARY,
    Chosen,
    chosen_in,
    chosen_name,
    reference_in,
    reference_name,
    texts_in,
)
from attar.tasks.summarize import LEFT_OUT, SUMMARIZE, lead
from attar.testing import check_task
from attar.types import Row

COLUMNS = (LEFT_OUT, "plan", "problems")
TEXT = "Hello there. The pump leaks oil. Nice day. Call the plumber today. Bye."
REFERENCE = reference_name({"problems": "Oil leaks from the pump.", "plan": "Call a plumber."})
SETTINGS = SUMMARIZE.settings(COLUMNS, None)


def decided(*columns: int) -> dict[str, np.ndarray[Any, Any]]:
    """Outputs for TEXT that are sure of these columns."""
    logits = np.full((1, 5, 3), -6.0, np.float32)
    logits[0, range(5), columns] = 6.0
    return {"logits": logits, **SUMMARIZE.beside([TEXT])}


def test_the_contract() -> None:
    check_task(SUMMARIZE)


def test_names() -> None:
    assert reference_in(REFERENCE) == {
        "plan": "Call a plumber.",
        "problems": "Oil leaks from the pump.",
    }
    assert reference_name(reference_in(REFERENCE)) == REFERENCE
    name = chosen_name([(33, 42, "plan"), (0, 12, SUMMARY)])
    assert chosen_in(name) == (Chosen(0, 12, SUMMARY), Chosen(33, 42, "plan"))
    assert texts_in(name, TEXT) == {SUMMARY: "Hello there.", "plan": "Nice day."}
    assert reference_in(name) == {}
    assert chosen_in(REFERENCE) == chosen_in(None) == ()


def test_the_oracle_finds_what_the_reference_says() -> None:
    assert oracle(TEXT, REFERENCE) == ((1, "problems"), (3, "plan"))
    assert oracle(TEXT, reference_name({SUMMARY: "xyz"})) == ()
    assert oracle("", REFERENCE) == ()
    # A second sentence that says the same does not help.
    twice = "The pump leaks oil. The pump leaks oil. Bye."
    assert oracle(twice, REFERENCE) == ((0, "problems"),)


def test_gold() -> None:
    rows = [Row(TEXT, REFERENCE), Row("Bye.", REFERENCE), Row("So. What?", None)]
    assert SUMMARIZE.targets(rows, None) == COLUMNS
    assert SUMMARIZE.gold(rows, COLUMNS).tolist() == [
        [0, 2, 0, 1, 0],
        [0, -1, -1, -1, -1],
        [-1, -1, -1, -1, -1],
    ]
    with pytest.raises(DataError, match="out_of_scope"):
        SUMMARIZE.targets(rows, "oos")
    with pytest.raises(DataError, match="shares a word"):
        SUMMARIZE.check([Row("Bye.", REFERENCE)])
    with pytest.raises(DataError, match="missing"):
        SUMMARIZE.check([Row("Bye.", None)])


def test_an_answer_in_sections() -> None:
    (answer,) = SUMMARIZE.decode(decided(0, 2, 0, 1, 0), {"task_settings": SETTINGS | {"cut": 0}})
    found = answer.in_text(TEXT).to_json()
    assert found["summary"] == "The pump leaks oil."  # 30 % of the words are no more
    longer = SETTINGS | {"cut": 0, "words": 20, "share": None}
    (answer,) = SUMMARIZE.decode(decided(0, 2, 0, 1, 0), {"task_settings": longer})
    found = answer.in_text(TEXT).to_json()
    assert found["sections"] == {
        "problems": "The pump leaks oil.",
        "plan": "Call the plumber today.",
    }
    assert [s["section"] for s in found["sentences"]] == ["problems", "plan"]
    assert [TEXT[s.start : s.end] for s in answer.in_text(TEXT).spans] == list(
        answer.in_text(TEXT).named
    )
    differs = answer.differs({**found, "sentences": found["sentences"][:1]}, 0.02)
    assert differs is not None and differs.startswith("sentences")


def test_what_counts_as_good() -> None:
    row = Row(TEXT, REFERENCE)
    all_of_it = SETTINGS | {"cut": 0, "words": 20, "share": None}
    right, swapped, silent = (
        SUMMARIZE.decode(decided(*columns), {"task_settings": all_of_it})[0]
        for columns in ((0, 2, 0, 1, 0), (0, 1, 0, 2, 0), (0, 0, 0, 0, 1))
    )
    grades = [float(SUMMARIZE.grades([row], [one])[0]) for one in (right, swapped, silent)]
    assert grades[0] > 0.4
    assert grades[1] < 0.1  # said, but in the wrong sections
    assert grades[2] == 0.0
    metrics = SUMMARIZE.metrics([row], [right], None)
    assert metrics["words"] == 8
    assert metrics["compression"] == pytest.approx(8 / 13)
    evidence = SUMMARIZE.evidence([row, row], [right, swapped], [swapped.label] * 2, None)
    assert set(evidence) == set(SUMMARIZE.claim_metrics)
    assert evidence["retained"].value == pytest.approx((grades[0] - grades[1]) / 2)


def test_the_first_sentences() -> None:
    assert lead(TEXT, 6) == [(0, 12, SUMMARY), (13, 32, SUMMARY)]
    assert lead(TEXT, 0) == [(0, 12, SUMMARY)]
    assert lead("", 9) == []


VECTORS = unit(np.array([[1, 0], [1, 0.1], [0, 1], [1, 1]], np.float32))
DOCUMENT = Document(np.array([3.0, 2.9, 0.0, -4.0]), np.array([5, 5, 5, 5]), VECTORS)


def with_(**changes: Any) -> dict[str, Any]:
    weights = {**SETTINGS["weights"], **changes.pop("weights", {})}
    return {
        **SETTINGS,
        "words": 10,
        "share": None,
        "redundancy": 0.0,
        **changes,
        "weights": weights,
    }


@pytest.mark.parametrize(
    ("changes", "chosen"),
    [
        ({}, [0, 1]),
        ({"redundancy": 4.0}, [0, 2]),  # the second says what the first does
        ({"words": None, "share": 0.75}, [0, 1, 2]),
        ({"words": 100}, [0, 1, 2, 3]),
        ({"words": 100, "cut": -1.0}, [0, 1, 2]),
        ({"words": 1}, [0]),  # one there is, even where it is too long
        ({"words": 5, "cut": 9.0}, [0]),
        ({"weights": {"last": 10.0}}, [1, 3]),
        ({"weights": {"center": -30.0}, "words": 5}, [2]),
    ],
)
def test_choosing(changes: dict[str, Any], chosen: list[int]) -> None:
    assert choose(DOCUMENT, with_(**changes)) == chosen


def test_without_embeddings_nothing_is_known_of_redundancy() -> None:
    plain = Document(DOCUMENT.log_odds, DOCUMENT.words)
    assert choose(plain, with_(redundancy=4.0, weights={"center": 3.0})) == [0, 1]
    assert choose(Document(np.zeros(0), np.zeros(0, np.int64)), with_()) == []


def test_length_and_weights_are_fixed_by_merit() -> None:
    """The gold sentences are the first and the third of ten words: one length finds them, and
    only a penalty for redundancy."""

    def merit(_: int, chosen: tuple[int, ...]) -> float:
        return ((len(chosen) == 2) + (chosen == (0, 2))) / 2

    found = fixed([DOCUMENT] * 4, [10] * 4, merit, with_(words=5))
    assert choose(DOCUMENT, found) == [0, 2]
    assert found == fixed([DOCUMENT] * 4, [10] * 4, merit, with_(words=5))
    kept = fixed([DOCUMENT], [10], lambda _, chosen: 0.5, with_(words=7))
    assert kept["words"] == 7  # nothing was worth a change


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("sections", []),
        ("sections", ["a", "a"]),
        ("sections", "plan"),
        ("words", 0),
        ("words", 2.5),
        ("words", True),
        ("words", 5),  # and a share
        ("share", 0),
        ("share", 1.5),
        ("share", None),  # and no words
        ("cut", "low"),
        ("cut", float("nan")),
        ("redundancy", -1),
        ("redundancy", None),
        ("weights", None),
        ("weights", {"first": 1}),
        ("weights", {"first": 1, "last": 1, "length": "x", "center": 1}),
        ("temperature", 0),
    ],
)
def test_hostile_manifests(key: str, value: Any) -> None:
    with pytest.raises(BundleError, match="task_settings"):
        SUMMARIZE.check_manifest({"task_settings": {**SETTINGS, key: value}})


def test_outputs_that_do_not_fit() -> None:
    outputs = decided(0, 2, 0, 1, 0)
    with pytest.raises(BundleError, match="sentences"):
        SUMMARIZE.decode({**outputs, "sentences": outputs["sentences"][:, :3]},
                         {"task_settings": SETTINGS})  # fmt: skip
    outputs["logits"][0, 2] = np.nan
    with pytest.raises(BundleError, match="not numbers"):
        SUMMARIZE.decode(outputs, {"task_settings": SETTINGS})


def test_rows_from_files(tmp_path: Any) -> None:
    path = tmp_path / "rows.jsonl"
    fields = DataSection((path,), text="document", label="summary")
    path.write_text(
        '{"document": "A b.", "summary": "A."}\n'
        '{"document": "A b.", "summary": {"plan": "B.", "problems": null, "x": " "}}\n'
    )
    rows, _ = read_rows((path,), fields, labeled=True, strict=True, kind="summary")
    assert [reference_in(row.label) for row in rows] == [{SUMMARY: "A."}, {"plan": "B."}]
    for bad in ('["A."]', "3", '{"plan": 3}', '" "', "{}"):
        path.write_text(f'{{"document": "A b.", "summary": {bad}}}\n')
        with pytest.raises(DataError, match=r"rows.jsonl, row 1: the summary .*'summary'|summary"):
            read_rows((path,), fields, labeled=True, strict=True, kind="summary")


def test_shown() -> None:
    assert SUMMARIZE.shown(REFERENCE, TEXT) == (
        "plan: Call a plumber. problems: Oil leaks from the pump."
    )
    assert SUMMARIZE.shown(reference_name({SUMMARY: "So."}), TEXT) == "So."
    assert SUMMARIZE.shown(None, TEXT) is None
    assert len(sentences_of(TEXT)) == 5
