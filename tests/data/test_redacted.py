"""Redacted rows of every kind of label."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

import home_calls
from attar.data.called import annotation_of
from attar.data.personal import Found
from attar.data.redacted import label_fields, moved, redacted
from attar.tasks.annotations import Span, annotation_in, name_of
from attar.tasks.functions import functions_in
from attar.tasks.label_sets import name_of as set_name
from attar.tasks.summaries import reference_in, reference_name
from attar.types import Row

TEXT = "write to ann@b.com about the blue kettle"
MAIL = Found("EMAIL", 9, 18)


def test_spans_move_with_the_text() -> None:
    spans = (Span(9, 18, "contact"), Span(29, 40, "item"))
    row = redacted(Row(TEXT, name_of("ask", spans)), [MAIL], "spans")
    assert row.text == "write to <EMAIL> about the blue kettle"
    found = annotation_in(row.label)
    assert found.label == "ask"
    assert [(row.text[s.start : s.end], s.label) for s in found.spans] == [
        ("<EMAIL>", "contact"),
        ("blue kettle", "item"),
    ]


def test_a_span_that_cuts_a_finding_holds_all_of_it_and_two_never_share_one() -> None:
    assert moved([Span(0, 12, "a"), Span(13, 24, "b")], [MAIL]) == [Span(0, 16, "a")]
    assert moved([Span(12, 24, "b")], [MAIL]) == [Span(9, 22, "b")]


@given(st.lists(st.integers(0, 60), min_size=4, max_size=12, unique=True))
def test_moved_spans_are_in_order_apart_and_hold_what_they_held(edges: list[int]) -> None:
    edges = sorted(edges)[: len(edges) // 4 * 4]
    letters = "".join(chr(0x4E00 + i) for i in range(61))  # every character once
    pairs = list(zip(edges[::2], edges[1::2], strict=True))
    spans = [Span(*pair, "x") for pair in pairs[::2]]
    found = [Found("EMAIL", *pair) for pair in pairs[1::2]]  # between the spans
    row = redacted(Row(letters, name_of(None, spans)), found, "spans")
    now = annotation_in(row.label).spans
    assert [row.text[s.start : s.end] for s in now] == [letters[s.start : s.end] for s in spans]


def test_the_text_of_a_reference_is_redacted_too() -> None:
    pytest.importorskip("presidio_analyzer")
    label = reference_name({"plan": "Write to ann@b.com."})
    row = redacted(Row("Nothing to see here.", label), [], "summary")
    assert reference_in(row.label) == {"plan": "Write to <EMAIL>."}


def test_labels_are_written_as_they_are_read() -> None:
    assert label_fields(Row("t", "refund"), "label") == {"label": "refund"}
    assert label_fields(Row("t", set_name(["b", "a"])), "labels") == {"label": ["a", "b"]}
    assert label_fields(Row("t", name_of(None, [(0, 1, "x")])), "spans") == {
        "spans": [{"start": 0, "end": 1, "label": "x"}]
    }
    assert label_fields(Row("t", reference_name({"plan": "Rest."})), "summary") == {
        "label": {"plan": "Rest."}
    }
    assert label_fields(Row("t", reference_name({"summary": "Rest."})), "summary", "note") == {
        "note": "Rest."
    }
    assert label_fields(Row("t"), "label") == {}


FUNCTIONS = functions_in(
    [
        {
            "name": "send",
            "parameters": {
                "type": "object",
                "properties": {
                    "to": {"type": "string"},
                    "copies": {"type": "integer"},
                    "urgent": {"type": "boolean"},
                },
                "required": ["to"],
            },
        }
    ]
)


def test_calls_are_written_with_the_values_of_the_redacted_text() -> None:
    """They used to be written as the templates that they are learned as."""
    pytest.importorskip("text_to_num")
    calls = [{"name": "send", "arguments": {"to": "ann@b.com", "copies": 2, "urgent": True}}]
    text = "send 2 copies to ann@b.com"
    row = Row(text, annotation_of({"calls": calls}, text, FUNCTIONS, "row 1"))
    assert label_fields(row, "spans", functions=FUNCTIONS) == {"calls": calls}
    found = redacted(row, [Found("EMAIL", 17, 26)], "spans")
    written = label_fields(found, "spans", functions=FUNCTIONS)
    assert written == {
        "calls": [{"name": "send", "arguments": {"to": "<EMAIL>", "copies": 2, "urgent": True}}]
    }
    assert annotation_of(written, found.text, FUNCTIONS, "row 1") == found.label
    # A number that was replaced is none any more: the row cannot say what it asks for.
    gone = redacted(row, [Found("PHONE", 5, 6)], "spans")
    assert label_fields(gone, "spans", functions=FUNCTIONS) is None


@pytest.mark.parametrize("row", home_calls.rows(24, 5), ids=lambda row: row["text"][:30])
def test_calls_are_read_back_as_they_were(row: dict[str, Any]) -> None:
    pytest.importorskip("dateparser")
    functions, text = functions_in(home_calls.FUNCTIONS), row["text"]
    label = annotation_of(row, text, functions, "row 1")
    written = label_fields(Row(text, label), "spans", functions=functions)
    assert written is not None
    assert annotation_of(written, text, functions, "row 1") == label
