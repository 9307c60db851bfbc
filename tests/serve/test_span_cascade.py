"""A large model in the place of one that marks spans, and what is captured of both."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

pytest.importorskip("starlette", reason="the extra serve is not installed")

from attar.data.read import read_rows
from attar.recipe import DataSection
from attar.serve.settings import Capture, Fallback
from serve.spans_desk import BOOK, NOTHING, UNSURE, marking
from serve.test_capture import rows, stopped
from upstream import Upstream

if TYPE_CHECKING:
    from serve.conftest import Running, Serve

SPANS = [{"text": "Rome", "label": "city"}, {"text": "nowhere", "label": "artist"}]
SAID = json.dumps({"label": "book_flight", "spans": SPANS})


@pytest.fixture
def cascade(serve: Serve, tmp_path: Path, upstream: Upstream) -> Callable[..., Running]:
    """A server whose model falls back to the stub; `calls` is the desk's, others Settings'."""

    def start(**more: Any) -> Running:
        fallback = Fallback(url=upstream.url, model="large", retries=0)
        return marking(serve, tmp_path, fallback=fallback, model={"on_abstain": "fallback"}, **more)

    return start


def test_a_large_model_marks_what_the_model_abstains_from(
    cascade: Callable[..., Running], upstream: Upstream
) -> None:
    client = cascade().client
    upstream.script = [SAID]
    own, other = client.post("/v1/predict/trips", json={"texts": [BOOK, UNSURE]}).json()["answers"]
    assert (own["label"], own["answered_by"]) == ("book_flight", "model")
    assert (other["label"], other["answered_by"], other["abstained"]) == (
        "book_flight", "fallback", True,
    )  # fmt: skip
    (span,) = other["spans"]
    assert span == {"start": 13, "end": 17, "text": "Rome", "label": "city", "score": 0.95}
    (asked,) = upstream.asked
    schema = asked[2]["response_format"]["json_schema"]["schema"]
    assert schema["properties"]["label"]["enum"] == ["book_flight", "play_music"]
    (entity,) = client.post("/predict", json={"inputs": UNSURE, "model": "trips"}).json()
    assert entity["word"] == "Rome"
    upstream.script = ["no JSON"]
    (answer,) = client.post("/v1/predict/trips", json={"text": UNSURE}).json()["answers"]
    assert (answer["answered_by"], answer["label"]) == ("nobody", "play_music")
    assert "not the JSON asked for" in answer["note"]


def test_the_page_compares_spans(cascade: Callable[..., Running], upstream: Upstream) -> None:
    upstream.script = [SAID]
    found = cascade().client.post("/page/compare/trips", json={"text": UNSURE}).json()
    assert found["model"]["spans"][0]["text"] == "Rome"
    assert found["fallback"] == {
        "label": "book_flight", "calls": None, "note": None,
        "spans": [{"start": 13, "end": 17, "label": "city", "text": "Rome"}],
    }  # fmt: skip


def test_calls_of_a_large_model(
    cascade: Callable[..., Running], upstream: Upstream, tmp_path: Path
) -> None:
    path = tmp_path / "requests.jsonl"
    server = cascade(calls=True, capture=Capture(path=str(path)))
    calls = [{"name": "book", "arguments": {"to": "Rome"}}, {"name": "other", "arguments": {}}]
    upstream.script = [json.dumps({"calls": calls})]
    response = server.client.post("/v1/predict/trips", json={"texts": [UNSURE, BOOK]})
    large, own = response.json()["answers"]
    assert large["calls"] == [{"name": "book", "arguments": {"to": "Rome"}, "score": 0.0}]
    assert (large["label"], large["spans"], large["alternatives"]) == (None, [], [])
    assert (own["label"], len(own["calls"])) == (None, 2)
    wanted = upstream.asked[0][2]["response_format"]["json_schema"]
    assert (wanted["strict"], [*wanted["schema"]["properties"]]) == (False, ["calls"])
    stopped(server)
    (row,) = rows(path)
    assert row["calls"] == [calls[0]]
    assert "label" not in row and "spans" not in row
    (unlabeled,) = rows(tmp_path / "requests.unlabeled.jsonl")
    assert unlabeled["predicted"]["calls"][0]["name"] == "book"


def test_a_chat_goes_whole_to_the_large_model(
    cascade: Callable[..., Running], upstream: Upstream
) -> None:
    client = cascade().client
    body = {"model": "trips", "messages": [{"role": "user", "content": UNSURE}]}
    for said, spans in ((SAID, ["Rome"]), ("It is about Rome.", [])):
        upstream.script = [said]
        found = client.post("/v1/chat/completions", json=body).json()
        assert found["choices"][0]["message"]["content"] == said
        assert found["attar"]["answered_by"] == "fallback"
        assert [span["text"] for span in found["attar"]["spans"]] == spans
    assert "response_format" not in upstream.asked[-1][2]


def test_rows_are_read_by_a_build(
    cascade: Callable[..., Running], upstream: Upstream, tmp_path: Path
) -> None:
    path = tmp_path / "requests.jsonl"
    server = cascade(capture=Capture(path=str(path)))
    client = server.client
    upstream.script = [SAID]
    client.post("/v1/predict/trips", json={"texts": [BOOK, UNSURE]})
    chat = {"model": "trips", "messages": [{"role": "user", "content": UNSURE}]}
    upstream.script = ["words of its own"]
    client.post("/v1/chat/completions", json=chat)
    spans = [{"start": 0.0, "end": 2, "label": "artist"}]
    corrected = {"text": NOTHING, "label": "play_music", "spans": spans}
    assert client.post("/v1/models/trips/corrections", json=corrected).status_code == 200
    stopped(server)
    by_fallback, by_person = rows(path)
    assert by_fallback["spans"] == [{"start": 13, "end": 17, "label": "city"}]
    assert by_fallback["predicted"]["label"] == "play_music"
    assert by_person["spans"] == [{"start": 0, "end": 2, "label": "artist"}]
    (unlabeled,) = rows(tmp_path / "requests.unlabeled.jsonl")
    assert (unlabeled["text"], "spans" in unlabeled) == (BOOK, False)
    fields = DataSection(train=())
    read, dropped = read_rows([path], fields, labeled=True, strict=True, kind="spans")
    assert dropped == []
    assert [row.label for row in read] == [
        '{"label": "book_flight", "spans": [[13, 17, "city"]]}',
        '{"label": "play_music", "spans": [[0, 2, "artist"]]}',
    ]


def test_redaction_takes_spans_along(cascade: Callable[..., Running], tmp_path: Path) -> None:
    path = tmp_path / "requests.jsonl"
    server = cascade(
        capture=Capture(path=str(path), redact=True),
        redact=lambda text: text.replace("Ada Byron", "[NAME]").replace("Rome", "Rome Rome"),
    )
    text = "Ada Byron and Rome, Rome"
    spans = [{"start": 0, "end": 9, "label": "artist"}, {"start": 20, "end": 24, "label": "city"}]
    body = {"text": text, "label": "play_music", "spans": spans}
    assert server.client.post("/v1/models/trips/corrections", json=body).status_code == 200
    stopped(server)
    (row,) = rows(path)
    assert row["text"] == "[NAME] and Rome Rome, Rome Rome"
    assert [row["text"][s["start"] : s["end"]] for s in row["spans"]] == ["[NAME]", "Rome Rome"]
    assert row["spans"][1]["start"] == 22


@pytest.mark.parametrize(
    ("labels", "body", "status", "code"),
    [
        (("a",), {"label": "a"}, 409, "spans_missing"),
        (("a",), {"spans": []}, 409, "one_label"),
        ((), {"label": "a", "spans": []}, 409, "one_label"),
        ((), {"spans": [{"start": 1, "end": 1, "label": "city"}]}, 400, "not_in_text"),
        ((), {"spans": [{"start": 0, "end": 9, "label": "city"}]}, 400, "not_in_text"),
        ((), {"spans": [{"start": 0, "end": 1.5, "label": "city"}]}, 400, "not_in_text"),
        ((), {"spans": [{"start": 0, "end": 2, "label": "x"}] * 2}, 400, "spans_overlap"),
        ((), {"spans": [{"start": -1, "end": 2, "label": "x"}]}, 422, "invalid_field"),
        ((), {"spans": [{"start": 0, "end": 2, "label": ""}]}, 422, "invalid_field"),
        ((), {"spans": []}, 200, None),
    ],
)  # fmt: skip
def test_corrections_that_do_not_fit(
    serve: Serve, tmp_path: Path, labels: tuple[str, ...], body: Any, status: int, code: str | None
) -> None:
    capture = Capture(path=str(tmp_path / "requests.jsonl"))
    server = marking(serve, tmp_path, labels=labels, capture=capture)
    response = server.client.post("/v1/models/trips/corrections", json={"text": "hm", **body})
    assert response.status_code == status, response.text
    assert response.json().get("error", {}).get("code") == code


@pytest.mark.parametrize(
    ("body", "status", "code"),
    [
        ({"calls": [{"name": "book", "arguments": {"to": "Oslo"}}]}, 200, None),
        ({"calls": []}, 200, None),
        ({"calls": [{"name": "book", "arguments": {"to": 3}}]}, 400, "invalid_arguments"),
        ({"calls": [{"name": "fly", "arguments": {}}]}, 400, "no_such_function"),
        ({"spans": []}, 409, "calls_alone"),
        ({"label": "book"}, 409, "calls_alone"),
    ],
)
def test_corrections_of_calls(
    serve: Serve, tmp_path: Path, body: Any, status: int, code: str | None
) -> None:
    capture = Capture(path=str(tmp_path / "requests.jsonl"))
    server = marking(serve, tmp_path, calls=True, capture=capture)
    response = server.client.post("/v1/models/trips/corrections", json={"text": "hm", **body})
    assert response.status_code == status, response.text
    assert response.json().get("error", {}).get("code") == code
    other = marking(serve, tmp_path, capture=capture).client
    refused = other.post("/v1/models/trips/corrections", json={"text": "hm", "calls": []})
    assert refused.json()["error"]["code"] == "no_calls"


def test_spans_are_no_correction_of_labels(serve: Serve, tmp_path: Path) -> None:
    server = serve(capture=Capture(path=str(tmp_path / "requests.jsonl")))
    body = {"text": "a", "spans": [{"start": 5, "end": 9, "label": "x"}]}
    response = server.client.post("/v1/models/tiny/corrections", json=body)
    assert (response.status_code, response.json()["error"]["code"]) == (409, "no_spans")
