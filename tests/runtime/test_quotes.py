"""Quotes of a large model, found again in the text."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from attar.runtime.quotes import Marking, annotation_said, fits, placed
from attar.tasks.annotations import Annotation, Span

TEXT = "as a band, Asia plays Asia in Asia"
MARKING = Marking(("play", "stop"), ("artist", "place_name"))


def test_each_quote_takes_the_first_place_that_is_free() -> None:
    quotes = [("Asia", "artist"), ("Asia", "album"), ("Europe", "place"), (" Asia ", "place")]
    assert [(s.start, s.label) for s in placed(TEXT, quotes)] == [
        (11, "artist"), (22, "album"), (30, "place"),
    ]  # fmt: skip
    assert placed(TEXT, [("Asia", "x")] * 5) == placed(TEXT, [("Asia", "x")] * 3)


def test_whole_words_come_before_parts_of_them() -> None:
    assert placed("as a band", [("a", "x")]) == (Span(3, 4, "x"),)
    assert placed("🎵 band", [("and", "x")]) == (Span(3, 6, "x"),)  # where there is no other
    assert placed("abc", [("", "x"), ("  ", "x")]) == ()


@given(st.text("ab ", max_size=12), st.lists(st.tuples(st.text("ab ", max_size=3), st.just("x"))))
def test_spans_are_quotes_and_stay_apart(text: str, quotes: list[tuple[str, str]]) -> None:
    found = placed(text, quotes)
    said = [quote.strip() for quote, _ in quotes]
    assert all(text[s.start : s.end] in said and s.start < s.end for s in found)
    assert all(a.end <= b.start for a, b in zip(found, found[1:], strict=False))


def test_what_is_asked_for() -> None:
    body = MARKING.request("play Asia")
    assert body["messages"][1] == {"role": "user", "content": "play Asia"}
    assert "place_name" in body["messages"][0]["content"]
    wanted = body["response_format"]["json_schema"]
    assert wanted["strict"] is True
    assert [*wanted["schema"]["properties"]] == ["label", "spans"]
    assert "label" not in Marking((), ("x",)).request("")["response_format"]["json_schema"][
        "schema"]["properties"]  # fmt: skip


@pytest.mark.parametrize(
    ("said", "found"),
    [
        ({"label": "play", "spans": [{"text": "Asia", "label": "artist"}]},
         Annotation("play", (Span(11, 15, "artist"),))),
        ({"label": "play", "spans": [{"text": "Asia", "label": "x"}, {"text": 3}, "Asia"]},
         Annotation("play", ())),
        ({"label": "jump", "spans": []}, None),
        ({"label": ["play"], "spans": []}, None),
        ({"label": "play"}, None),
        ([], None),
    ],
)  # fmt: skip
def test_an_answer_is_read(said: Any, found: Annotation | None) -> None:
    for written in (json.dumps(said), f"```json\n{json.dumps(said)}\n```"):
        marked = MARKING.read(written, TEXT)
        assert (None if marked is None else marked.annotation) == found


def test_calls_keep_the_schema_of_their_function() -> None:
    parameters = {"type": "object", "properties": {"to": {"enum": ["Oslo"]}, "n": {
        "type": "integer"}}, "required": ["to"], "additionalProperties": False}  # fmt: skip
    marking = Marking((), (), [{"name": "book", "parameters": parameters}])
    request = marking.request("")["response_format"]["json_schema"]
    assert request["strict"] is False
    calls = [{"name": "book", "arguments": a} for a in (
        {"to": "Oslo", "n": 2}, {"to": "Rome"}, {"n": 2}, {"to": "Oslo", "n": True},
        {"to": "Oslo", "z": 1}, "Oslo")]  # fmt: skip
    said = json.dumps({"calls": [*calls, {"name": "fly", "arguments": {}}, 3]})
    marked = marking.read(said, "")
    assert marked is not None
    assert marked.calls == (("book", {"to": "Oslo", "n": 2}),)
    assert fits([1, "a"], {"type": "array", "items": {"type": ["integer", "string"]}})
    assert not fits([1, None], {"items": {"type": "integer"}})


@pytest.mark.parametrize(
    ("said", "spans"),
    [
        ({"intent": "play", "slots": {"artist": "Asia", "placeName": ["Asia", None]}},
         [(11, "artist"), (22, "place_name")]),
        ({"entities": [{"text": "band", "type": "artist"}, {"text": "Asia", "type": "y"}]},
         [(5, "artist")]),
        ({"artist": None}, []),
        ({"intent": "play"}, None),
        ("play", None),
    ],
)  # fmt: skip
def test_an_application_s_own_json_is_understood(said: Any, spans: Any) -> None:
    found = annotation_said(json.dumps(said), "play", TEXT, MARKING)
    assert (None if found is None else [(s.start, s.label) for s in found.spans]) == spans
    assert annotation_said(json.dumps(said), None, TEXT, MARKING) is None
