"""Spans and calls in a client's own schema: what is filled is valid, what cannot be is refused."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from attar.predictions import Call, Extraction, FoundSpan
from attar.serve.item_fill import NothingFoundError
from attar.serve.schema_fill import CannotFillError
from attar.serve.span_fill import SpanFilling

TEXT = "two tickets from Rome to Oslo for 1,200.50 euros, yes"


def at(part: str, label: str) -> FoundSpan:
    start = TEXT.index(part)
    return FoundSpan(start, start + len(part), label, 0.9)


SPANS = (at("Rome", "from_city"), at("Oslo", "city"), at("1,200.50 euros", "price"),
         at("yes", "agreed"))  # fmt: skip
LABELS = ("agreed", "city", "from_city", "price", "seat")
BOOK = Call("book", {"city": "Oslo", "count": 2}, 0.8)
FOUND = Extraction("", 0.75, spans=SPANS, text=TEXT, text_label="travel", calls=(BOOK,))
STRING = {"type": "string"}


def filled(properties: Any, *required: str, found: Extraction = FOUND, **more: Any) -> Any:
    schema = {"type": "object", "properties": properties, "required": [*required], **more}
    return SpanFilling(schema, found.text_label, found, LABELS, found.abstained).whole()


def test_properties_named_as_labels() -> None:
    asked = {
        "fromCity": STRING,
        "cities": {"type": "array", "items": STRING},
        "city": {"enum": ["OSLO", "PARIS"], "type": "string"},
        "citys": {"type": "array", "items": {"type": "object", "properties": {
            "text": STRING, "start": {"type": "integer"}, "end": {"type": "integer"}}}},
        "price": {"type": "number", "minimum": 0},
        "agreed": {"type": "boolean"},
        "seat": {"type": ["string", "null"]},
        "intent": STRING,
        "confidence": {"type": "number"},
    }  # fmt: skip
    made = filled(asked, "fromCity", "city", "price", "seat")
    assert made == {
        "fromCity": "Rome", "city": "OSLO", "citys": [{"text": "Oslo", "start": 25, "end": 29}],
        "price": 1200.5, "agreed": True, "seat": None, "intent": "travel", "confidence": 0.75,
    }  # fmt: skip


def test_all_spans_in_the_form_asked_for() -> None:
    item = {"type": "object", "properties": {"type": {"enum": ["city", "price"]}, "value": STRING},
            "required": ["type", "value"], "additionalProperties": False}  # fmt: skip
    made = filled({"entities": {"type": "array", "items": item}}, "entities")
    assert made["entities"] == [
        {"type": "city", "value": "Oslo"}, {"type": "price", "value": "1,200.50 euros"},
    ]  # fmt: skip
    assert filled({"spans": {"type": "array"}})["spans"][0] == {
        "text": "Rome", "label": "from_city", "start": 17, "end": 21,
    }  # fmt: skip
    kinds = [{"type": "object", "properties": {"type": {"const": kind}, "text": STRING},
              "required": ["type", "text"]} for kind in ("price", "city")]  # fmt: skip
    union = filled({"spans": {"type": "array", "items": {"anyOf": kinds}}})["spans"]
    assert [one["type"] for one in union] == ["city", "price"]
    nested = filled({"slots": {"type": "object", "properties": {"city": STRING}}})
    assert nested == {"slots": {"city": "Oslo"}}


def test_calls_in_the_form_asked_for() -> None:
    assert filled({"calls": {"type": "array"}})["calls"] == [
        {"name": "book", "arguments": {"city": "Oslo", "count": 2}}
    ]
    function = {"type": "object", "properties": {"name": STRING, "arguments": STRING}}
    item = {"type": "object", "properties": {"function": function}}
    (call,) = filled({"tool_calls": {"type": "array", "items": item}})["tool_calls"]
    assert json.loads(call["function"]["arguments"]) == BOOK.arguments
    with pytest.raises(CannotFillError, match="knows no functions"):
        filled({"calls": {"type": "array"}}, "calls", found=Extraction("", 0.5))


@pytest.mark.parametrize(
    ("properties", "error", "message"),
    [
        ({"seat": STRING}, NothingFoundError, "no 'seat' stands in the text"),
        ({"price": {"type": "integer"}}, CannotFillError, "cannot be '1,200.50 euros'"),
        ({"city": {"type": "string", "maxLength": 3}}, CannotFillError, "cannot be 'Oslo'"),
        ({"city": {"enum": ["Paris"]}}, CannotFillError, "does not allow 'Oslo'"),
        ({"cities": {"type": "array", "minItems": 9, "items": STRING}}, CannotFillError, "cities"),
        ({"summary": STRING}, CannotFillError, "'summary' asks for what this model does not know"),
    ],
)
def test_what_cannot_be_filled_is_refused(properties: Any, error: Any, message: str) -> None:
    with pytest.raises(error, match=message):
        filled(properties, *properties)


def test_what_no_span_says_is_left_out_where_it_may_be() -> None:
    assert filled({"seat": STRING}) == {}
    with pytest.raises(CannotFillError, match="none of its properties"):
        filled({"summary": STRING})
    bare = Extraction("", 0.9, spans=SPANS, text=TEXT)
    with pytest.raises(CannotFillError, match="takes a label of the text; this model gives none"):
        filled({"intent": STRING}, "intent", found=bare)


names = st.sampled_from(["city", "cities", "price", "agreed", "seat", "spans", "entities", "calls",
                         "label", "score", "other"])  # fmt: skip
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
        st.sampled_from(["Oslo", "oslo", "city", "travel", None, True, 1]), min_size=1)}),
    st.fixed_dictionaries({"const": st.sampled_from(["city", "Oslo", 1, None])}),
)  # fmt: skip
members = st.dictionaries(
    st.sampled_from(["text", "label", "start", "end", "name", "arguments", "score", "x"]),
    leaves,
    max_size=4,
)
objects = st.builds(
    lambda properties, required: {
        "type": "object",
        "properties": properties,
        "required": [name for name in required if name in properties],
    },
    members,
    st.lists(st.sampled_from(["text", "label", "x"]), max_size=2),
)
parts = st.recursive(
    leaves | objects,
    lambda inner: st.one_of(
        st.fixed_dictionaries({"anyOf": st.lists(inner, min_size=1, max_size=3)}),
        st.fixed_dictionaries({"type": st.just("array"), "items": inner}),
    ),
    max_leaves=4,
)


@settings(max_examples=400, deadline=None, database=None, derandomize=True,
          suppress_health_check=list(HealthCheck))  # fmt: skip
@given(st.dictionaries(names, parts, max_size=4), st.lists(names, max_size=2), st.booleans())
def test_what_is_filled_is_valid(properties: Any, required: list[str], bare: bool) -> None:
    jsonschema = pytest.importorskip("jsonschema", reason="checks what was filled")
    found = Extraction("", 0.5, abstained=True) if bare else FOUND
    required = [name for name in required if name in properties]
    try:
        made = filled(properties, *required, found=found)
    except CannotFillError:
        return
    schema = {"type": "object", "properties": properties, "required": required}
    jsonschema.Draft202012Validator(schema).validate(made)
    json.dumps(made, allow_nan=False)
