"""Chat completions of a model that marks spans: in words, in schemas, as function calls."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

pytest.importorskip("starlette", reason="the extra serve is not installed")

from serve.spans_desk import BOOK, NOTHING, UNSURE, marking
from tiny_spans import write_spans_bundle

if TYPE_CHECKING:
    import httpx

    from serve.conftest import Running, Serve

STRING = {"type": "string"}
CITY = {"city": STRING, "count": {"type": ["integer", "null"]}}
Json = dict[str, Any]


def chat(server: Running, text: str = BOOK, **more: Any) -> httpx.Response:
    body = {"model": "trips", "messages": [{"role": "user", "content": text}], **more}
    return server.client.post("/v1/chat/completions", json=body)


def choice(response: httpx.Response) -> Any:
    assert response.status_code == 200, response.text
    return response.json()["choices"][0]


def said(response: httpx.Response) -> Any:
    return json.loads(choice(response)["message"]["content"])


def calls(response: httpx.Response) -> list[tuple[str, Any]]:
    found = choice(response)["message"].get("tool_calls") or []
    assert all(one["type"] == "function" and one["id"].startswith("call_") for one in found)
    return [(c["function"]["name"], json.loads(c["function"]["arguments"])) for c in found]


def refused(response: httpx.Response, code: str, param: str) -> str:
    assert response.status_code == 400, response.text
    error = response.json()["error"]
    assert (error["code"], error["param"]) == (code, param)
    return str(error["message"])


def tool(name: str, properties: Json | None = None, *required: str) -> Json:
    parameters = {"type": "object", "properties": properties or {}, "required": [*required]}
    return {"type": "function", "function": {"name": name, "parameters": parameters}}


def in_schema(properties: Json, *required: str) -> Json:
    schema = {"type": "object", "properties": properties, "required": [*required]}
    return {"type": "json_schema", "json_schema": {"name": "a", "schema": schema}}


def named(name: str) -> Json:
    return {"type": "function", "function": {"name": name}}


def test_a_plain_completion_is_json(serve: Serve, tmp_path: Path) -> None:
    server = marking(serve, tmp_path)
    found = chat(server, logprobs=True, top_logprobs=2).json()
    content = found["choices"][0]["message"]["content"]
    assert json.loads(content) == {
        "label": "book_flight",
        "spans": [
            {"text": "two", "label": "count", "start": 2, "end": 5},
            {"text": "Rome", "label": "city", "start": 17, "end": 21},
            {"text": "Oslo", "label": "city", "start": 25, "end": 29},
        ],
    }  # fmt: skip
    (token,) = found["choices"][0]["logprobs"]["content"]
    assert token["token"] == content
    assert found["usage"]["completion_tokens"] > 0
    assert found["attar"]["spans"][0]["score"] == 0.95
    assert said(chat(server, UNSURE)) == {"label": None, "spans": [], "abstained": True}
    told = said(chat(server, response_format={"type": "json_object"}))
    assert (told["score"], told["abstained"]) == (0.9, False)
    own = marking(serve, tmp_path, model={"abstain_text": "ask a person"})
    assert choice(chat(own, UNSURE))["message"]["content"] == "ask a person"


def test_a_real_bundle_answers(serve: Serve, tmp_path: Path) -> None:
    from attar.serve.settings import Model

    path = write_spans_bundle(tmp_path / "things.attar")
    server = serve(models={"trips": Model(path=str(path))})
    found = said(chat(server, "🛑 my refund parcel", response_format=in_schema({"thing": STRING})))
    assert found == {"thing": "refund parcel"}


def test_a_schema_is_filled_or_refused(serve: Serve, tmp_path: Path) -> None:
    server = marking(serve, tmp_path)
    asked = {**CITY, "intent": {"enum": ["book_flight", "play_music"]},
             "entities": {"type": "array", "items": STRING}}  # fmt: skip
    assert said(chat(server, response_format=in_schema(asked, *asked))) == {
        "city": "Rome", "count": None, "intent": "book_flight",
        "entities": ["two", "Rome", "Oslo"],
    }  # fmt: skip
    message = refused(
        chat(server, response_format=in_schema({"summary": STRING}, "summary")),
        "schema_not_filled", "response_format",
    )  # fmt: skip
    assert "'summary'" in message and "spans, artist, city, count" in message
    refused(
        chat(server, NOTHING, response_format=in_schema(CITY, "city")),
        "schema_not_filled", "response_format",
    )  # fmt: skip
    assert said(chat(server, NOTHING, response_format=in_schema({"city": STRING}))) == {}


def test_a_tool_is_filled_by_spans(serve: Serve, tmp_path: Path) -> None:
    server = marking(serve, tmp_path)
    look = tool("look_up", {"city": STRING, "artist": {"type": ["string", "null"]}}, "city")
    found = chat(server, tools=[look])
    assert calls(found) == [("look_up", {"city": "Rome", "artist": None})]
    assert choice(found)["finish_reason"] == "tool_calls"
    assert choice(found)["message"]["content"] is None
    for text in (NOTHING, UNSURE):
        plain = choice(chat(server, text, tools=[look]))
        assert (plain["finish_reason"], plain["message"].get("tool_calls")) == ("stop", None)
        for forced in ("required", named("look_up")):
            message = refused(chat(server, text, tools=[look], tool_choice=forced),
                              "schema_not_filled", "tools")  # fmt: skip
            assert "'city'" in message
    assert calls(chat(server, tools=[look], tool_choice="none")) == []
    other = tool("buy", {"sum": {"type": "number"}}, "sum")
    refused(chat(server, tools=[other]), "schema_not_filled", "tools")
    refused(chat(server, tools=[look, other]), "several_tools", "tools")
    assert calls(chat(server, tools=[look, other], tool_choice=named("look_up")))
    refused(chat(server, tools=[look], tool_choice=named("x")), "no_such_tool", "tool_choice")


def test_the_label_of_the_text_chooses_among_tools(serve: Serve, tmp_path: Path) -> None:
    server = marking(serve, tmp_path)
    tools = [tool("playMusic", {"artist": STRING}), tool("bookFlight", CITY | {"count": STRING})]
    assert calls(chat(server, tools=tools)) == [("bookFlight", {"city": "Rome", "count": "two"})]
    assert calls(chat(server, NOTHING, tools=tools)) == []
    refused(chat(server, NOTHING, tools=[*tools[1:], tool("other")], tool_choice="required"),
            "no_call", "tool_choice")  # fmt: skip


def test_calls_of_the_model_itself(serve: Serve, tmp_path: Path) -> None:
    server = marking(serve, tmp_path, calls=True)
    book, notify, other = tool("book", CITY), tool("notify"), tool("other")
    both = [("book", {"to": "Oslo", "seats": 2}), ("notify", {})]
    assert calls(chat(server, tools=[book, notify, other])) == both
    assert calls(chat(server, tools=[book, notify], parallel_tool_calls=False)) == both[:1]
    assert calls(chat(server, tools=[notify, other], tool_choice="required")) == both[1:]
    assert calls(chat(server, tools=[book, notify], tool_choice=named("notify"))) == both[1:]
    # As OpenAI's rule for names makes them.
    assert [name for name, _ in calls(chat(server, tools=[tool("Book_"), notify]))] == [
        "Book_", "notify",
    ]  # fmt: skip
    plain = choice(chat(server, tools=[other]))
    assert plain["finish_reason"] == "stop"
    assert json.loads(plain["message"]["content"])["calls"][0]["name"] == "book"
    assert calls(chat(server, tools=[book], tool_choice="none")) == []
    for forced in ("required", named("other")):
        refused(chat(server, tools=[other], tool_choice=forced), "no_call", "tool_choice")
    assert calls(chat(server, NOTHING, tools=[book])) == []
    wanted = in_schema({"calls": {"type": "array"}}, "calls")
    assert [c["name"] for c in said(chat(server, response_format=wanted))["calls"]] == [
        "book", "notify",
    ]  # fmt: skip


def test_calls_in_a_stream(serve: Serve, tmp_path: Path) -> None:
    server = marking(serve, tmp_path, calls=True)
    more = {"stream": True, "stream_options": {"include_usage": True}}
    response = chat(server, tools=[tool("book"), tool("notify")], **more)
    lines = [line.removeprefix("data: ") for line in response.text.splitlines() if line]
    assert lines[-1] == "[DONE]"
    chunks = [json.loads(line) for line in lines[:-1]]
    assert chunks[-1]["choices"] == [] and chunks[-1]["usage"]["total_tokens"] > 0
    made: dict[int, Json] = {}
    for chunk in chunks:
        for delta in (one["delta"] for one in chunk["choices"]):
            for part in delta.get("tool_calls") or ():
                call = made.setdefault(part["index"], {"arguments": ""})
                call |= {key: part[key] for key in ("id", "type") if key in part}
                call["name"] = part["function"].get("name", call.get("name"))
                call["arguments"] += part["function"].get("arguments", "")
    assert [(c["name"], json.loads(c["arguments"])) for c in made.values()] == [
        ("book", {"to": "Oslo", "seats": 2}), ("notify", {}),
    ]  # fmt: skip
    assert all(call["type"] == "function" and call["id"] for call in made.values())
    assert chunks[-2]["choices"][0]["finish_reason"] == "tool_calls"
