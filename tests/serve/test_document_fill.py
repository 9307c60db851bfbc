"""Rankings and summaries in a client's own schema: what is filled is valid, what cannot be is
refused."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from attar.predictions import RankedDocument, Ranking
from attar.serve.document_fill import DocumentFilling, SummaryFilling, in_words
from attar.serve.item_fill import NothingFoundError
from attar.serve.schema_fill import CannotFillError
from serve.documents_desk import SECTIONS, visit_summary

STRING = {"type": "string"}
MAYBE = {"type": ["string", "null"]}
BEST = RankedDocument("money-back", 0.9, "Thank you. A refund takes a week.", "Refunds", (11, 33))
OTHER = RankedDocument("late", 0.2, "Parcels come on Monday.")
FOUND = Ranking("money-back", 0.75, documents=(BEST, OTHER))
NONE = replace(FOUND, label="", score=0.1, abstained=True, documents=())
SUMMARY = visit_summary()


def ranked(properties: Any, *required: str, found: Ranking = FOUND) -> Any:
    schema = {"type": "object", "properties": properties, "required": [*required]}
    return DocumentFilling(schema, found, "no idea", found.abstained).whole()


def summed(properties: Any, *required: str) -> Any:
    schema = {"type": "object", "properties": properties, "required": [*required]}
    return SummaryFilling(schema, SUMMARY, SECTIONS, False).whole()


def test_parts_of_the_best_document() -> None:
    asked = {"answer": STRING, "documentId": STRING, "title": STRING, "text": MAYBE,
             "confidence": {"type": "number"}, "abstained": {"type": "boolean"},
             "source": {"type": "object", "properties": {"id": STRING, "passage": STRING}},
             "kind": {"enum": ["money-back", "late"]}, "v": {"const": 1}}  # fmt: skip
    assert ranked(asked, *asked) == {
        "answer": "A refund takes a week.", "documentId": "money-back", "title": "Refunds",
        "text": BEST.text, "confidence": 0.75, "abstained": False,
        "source": {"id": "money-back", "passage": "A refund takes a week."},
        "kind": "money-back", "v": 1,
    }  # fmt: skip


def test_documents_in_the_form_asked_for() -> None:
    free = ranked({"documents": {"type": "array"}})
    assert free["documents"][1] == {
        "id": "late", "title": "", "text": "Parcels come on Monday.", "score": 0.2,
    }  # fmt: skip
    asked = {"sources": {"type": "array", "items": STRING}}
    assert ranked(asked) == {"sources": ["money-back", "late"]}
    item = {"type": "object", "properties": {"id": {"enum": ["late"]}, "rank": {"type": "integer"}},
            "required": ["id", "rank"]}  # fmt: skip
    asked = {"results": {"type": "array", "items": item}}
    assert ranked(asked) == {"results": [{"id": "late", "rank": 2}]}


def test_nothing_is_made_up_where_no_document_answers() -> None:
    asked = {"answer": MAYBE, "id": MAYBE, "abstained": {"type": "boolean"}, "title": STRING,
             "documents": {"type": "array", "items": STRING}}  # fmt: skip
    assert ranked(asked, found=NONE) == {
        "answer": None, "id": None, "abstained": True, "documents": [],
    }  # fmt: skip
    assert ranked({"answer": STRING}, "answer", found=NONE) == {"answer": "no idea"}
    with pytest.raises(NothingFoundError, match="'id': no document is a good answer"):
        ranked({"id": STRING}, "id", found=NONE)


def test_what_a_ranking_does_not_know_is_refused() -> None:
    with pytest.raises(CannotFillError, match="'price' asks for what this model does not know"):
        ranked({"price": {"type": "number"}}, "price")
    with pytest.raises(CannotFillError, match="a part of a document"):
        ranked({"sentiment": STRING})


def test_a_summary_and_its_parts() -> None:
    asked = {
        "summary": STRING,
        "problems": STRING,
        "plan": {"type": "array", "items": STRING},
        "history": MAYBE,
        "sections": {"type": "object"},
        "sentences": {"type": "array", "items": {"type": "object", "properties": {
            "text": STRING, "section": STRING, "start": {"type": "integer"}},
            "required": ["text", "section", "start"]}},
    }  # fmt: skip
    made = summed(asked, *asked)
    assert made["problems"] == "My knee hurts since Monday. It is swollen."
    assert made["summary"] == f"{made['problems']} Rest it, and put ice on it."
    assert (made["plan"], made["history"]) == (["Rest it, and put ice on it."], None)
    assert made["sections"] == {"problems": made["problems"], "plan": made["plan"][0]}
    assert made["sentences"][1]["section"] == "problems"
    assert SUMMARY.text[made["sentences"][1]["start"] :].startswith("It is swollen.")
    # By section, as a list of objects too; what has no sentence is an empty text.
    item = {"type": "object", "properties": {"name": STRING, "text": STRING}}
    assert summed({"sections": {"type": "array", "items": item}})["sections"][1] == {
        "name": "plan", "text": "Rest it, and put ice on it.",
    }  # fmt: skip
    assert summed({"history": STRING}, "history") == {"history": ""}
    with pytest.raises(CannotFillError, match="a text none"):
        summed({"sentiment": STRING, "category": STRING}, "category")


def test_in_words() -> None:
    assert in_words(FOUND) == "Refunds\nA refund takes a week."
    assert in_words(replace(FOUND, documents=(OTHER,))) == "late\nParcels come on Monday."
    assert in_words(NONE) == ""
    assert in_words(SUMMARY).splitlines() == [
        "problems: My knee hurts since Monday. It is swollen.",
        "plan: Rest it, and put ice on it.",
    ]
    assert in_words(replace(SUMMARY, several=False)).startswith("My knee hurts since Monday. It is")


names = st.sampled_from(["answer", "id", "title", "text", "documents", "sources", "document",
                         "score", "rank", "summary", "plan", "history", "sections", "sentences",
                         "label", "other"])  # fmt: skip
kinds = st.sampled_from(["string", "number", "integer", "boolean", "null", "array", "object"])
bounds = st.fixed_dictionaries({}, optional={
    "minLength": st.integers(0, 5), "maxLength": st.integers(0, 9), "minimum": st.integers(0, 9),
    "minItems": st.integers(0, 2), "maxItems": st.integers(0, 5),
})  # fmt: skip
leaves = st.one_of(
    st.builds(
        lambda kind, more: {"type": kind, **more},
        kinds | st.lists(kinds, min_size=1, max_size=3, unique=True),
        bounds,
    ),
    st.fixed_dictionaries({"enum": st.lists(
        st.sampled_from(["late", "money-back", "Refunds", None, True, 1]), min_size=1)}),
    st.fixed_dictionaries({"const": st.sampled_from(["late", "Refunds", 1, None])}),
)  # fmt: skip
objects = st.builds(
    lambda properties, required: {
        "type": "object",
        "properties": properties,
        "required": [name for name in required if name in properties],
    },
    st.dictionaries(
        st.sampled_from(["text", "id", "start", "end", "name", "section", "score", "rank", "x"]),
        leaves,
        max_size=4,
    ),
    st.lists(st.sampled_from(["text", "id", "x"]), max_size=2),
)
parts = st.recursive(
    leaves | objects,
    lambda inner: st.one_of(
        st.fixed_dictionaries({"anyOf": st.lists(inner, min_size=1, max_size=3)}),
        st.fixed_dictionaries({"type": st.just("array"), "items": inner}),
    ),
    max_leaves=4,
)


@settings(max_examples=600, deadline=None, database=None, derandomize=True,
          suppress_health_check=list(HealthCheck))  # fmt: skip
@given(
    st.dictionaries(names, parts, max_size=4),
    st.lists(names, max_size=2),
    st.sampled_from([FOUND, NONE, None]),
)
def test_what_is_filled_is_valid(
    properties: Any, required: list[str], found: Ranking | None
) -> None:
    jsonschema = pytest.importorskip("jsonschema", reason="checks what was filled")
    required = [name for name in required if name in properties]
    try:
        if found is None:
            made = summed(properties, *required)
        else:
            made = ranked(properties, *required, found=found)
    except CannotFillError:
        return
    schema = {"type": "object", "properties": properties, "required": required}
    jsonschema.Draft202012Validator(schema).validate(made)
    json.dumps(made, allow_nan=False)
