"""OpenAI's routes: chat completions, embeddings, moderations, models."""

from __future__ import annotations

import base64
import json
import math
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

pytest.importorskip("starlette", reason="the extra serve is not installed")

if TYPE_CHECKING:
    import httpx

    from serve.conftest import Running, Serve

REFUND, WEATHER = "i want my refund", "the weather now"
LABELS = ["cancel", "delivery", "refund"]
LABEL = {"enum": [*LABELS, "oos"], "type": "string"}


def asking(text: Any = REFUND, **more: Any) -> dict[str, Any]:
    return {"model": "tiny", "messages": [{"role": "user", "content": text}], **more}


def chat(server: Running, text: Any = REFUND, **more: Any) -> httpx.Response:
    return server.client.post("/v1/chat/completions", json=asking(text, **more))


def said(response: httpx.Response) -> Any:
    assert response.status_code == 200, response.text
    return response.json()["choices"][0]["message"]["content"]


def in_schema(schema: Any) -> dict[str, Any]:
    return {"type": "json_schema", "json_schema": {"name": "a", "strict": True, "schema": schema}}


def error(response: httpx.Response, status: int, code: str, param: str | None) -> str:
    assert response.status_code == status, response.text
    found = response.json()["error"]
    assert (found["code"], found["param"]) == (code, param)
    assert isinstance(found["message"], str)
    return str(found["message"])


def test_a_completion_is_the_label(serve: Serve) -> None:
    server = serve(model={"aliases": ("gpt-small",)})
    found = chat(server).json()
    assert found["object"] == "chat.completion"
    assert found["id"].startswith("chatcmpl-")
    assert found["model"] == "tiny"
    (choice,) = found["choices"]
    assert choice["message"] == {"role": "assistant", "content": "refund", "refusal": None}
    assert (choice["finish_reason"], choice["logprobs"], choice["index"]) == ("stop", None, 0)
    usage = found["usage"]
    assert usage["total_tokens"] == usage["prompt_tokens"] + usage["completion_tokens"]
    assert usage["prompt_tokens"] == 6  # with [CLS] and [SEP]
    assert found["attar"]["answered_by"] == "model"
    assert chat(server, model="gpt-small").json()["model"] == "tiny"
    message = error(chat(server, model="gpt-smal"), 404, "model_not_found", "model")
    assert "gpt-small" in message


def test_which_message_is_read(serve: Serve) -> None:
    server = serve()
    messages: list[dict[str, Any]] = [
        {"role": "developer", "content": "Classify."},
        {"role": "user", "content": "my parcel"},
        {"role": "assistant", "content": "delivery"},
        {"role": "user", "content": [{"type": "text", "text": "i want"}, {"type": "text",
         "text": "my refund", "cache_control": {}}]},
        {"role": "assistant", "content": None, "tool_calls": []},
        {"role": "tool", "content": "parcel", "tool_call_id": "1"},
    ]  # fmt: skip
    assert said(chat(server, messages=messages)) == "refund"
    image = [{"type": "image_url", "image_url": {"url": "http://127.0.0.1:9/x"}}]
    error(chat(server, image), 400, "not_text", "messages")
    error(chat(server, messages=messages[:1]), 400, "no_user_message", "messages")
    assert chat(server, messages=[]).status_code == 422
    assert chat(server, messages=[{"role": "pirate", "content": "x"}]).status_code == 422
    error(chat(server, "a" * 100_001), 413, "text_too_long", "messages")


def test_an_abstention_has_a_text_of_its_own(serve: Serve) -> None:
    assert said(chat(serve(), WEATHER)) == "oos"
    own = serve(model={"abstain_text": "ask a person"})
    found = chat(own, WEATHER).json()
    assert found["choices"][0]["message"]["content"] == "ask a person"
    assert found["attar"]["answered_by"] == "nobody"
    assert found["attar"]["abstained"] is True


def test_fields_that_change_nothing_are_taken(serve: Serve) -> None:
    server = serve()
    more = {"temperature": 0, "seed": 1, "n": 1, "max_completion_tokens": 5, "metadata": {"a": "b"},
            "stop": None, "user": "x", "a_field_of_tomorrow": [1], "store": False}  # fmt: skip
    assert said(chat(server, **more)) == "refund"
    error(chat(server, n=2), 400, "unsupported_value", "n")
    for field, wrong in (("n", 0), ("top_logprobs", 21), ("stream", "yes"), ("tools", {})):
        error(chat(server, **{field: wrong}), 422, "invalid_field", field)


def test_whole_numbers_may_be_written_as_floats(serve: Serve) -> None:
    """JSON Schema, by which /openapi.json describes them, calls 5.0 an integer."""
    server = serve()
    # "top_logprobs": 2.0 was refused; what is nested in another field is no concern of it.
    schema = {"type": "object", "properties": {"version": {"const": 2.0}}}
    more = {"logprobs": True, "n": 1.0, "response_format": in_schema(schema)}
    found = chat(server, top_logprobs=2.0, **more).json()["choices"][0]
    assert len(found["logprobs"]["content"][0]["top_logprobs"]) == 2
    assert found["message"]["content"] == '{"version": 2.0}'
    error(chat(server, n=2.0), 400, "unsupported_value", "n")
    for field, wrong in (("n", 0.0), ("n", "1"), ("n", True), ("n", [1.0]), ("top_logprobs", 21.0)):
        error(chat(server, **{field: wrong}), 422, "invalid_field", field)
    for wrong in (5.5, 1e-30):
        message = error(chat(server, top_logprobs=wrong), 422, "invalid_field", "top_logprobs")
        assert message == "Expected `int | null`, got `float` at top_logprobs"
    # The next mistake is told once the first is none, and no other type takes a float.
    assert "got `str`" in error(chat(server, n=1.0, stream="yes"), 422, "invalid_field", "stream")
    error(chat(server, stream=1.0, n=1), 422, "invalid_field", "stream")
    body = {"model": "tiny", "input": REFUND, "dimensions": 4.0}
    assert server.client.post("/v1/embeddings", json=body).status_code == 200
    ranked = {"query": REFUND, "documents": [REFUND, WEATHER], "top_n": 1e30}
    assert len(server.client.post("/rerank", json=ranked).json()["results"]) == 2


def test_json_object(serve: Serve) -> None:
    server = serve()
    found = json.loads(said(chat(server, response_format={"type": "json_object"})))
    assert found == {"label": "refund", "score": pytest.approx(0.98, abs=0.01), "abstained": False}
    nobody = json.loads(said(chat(server, WEATHER, response_format={"type": "json_object"})))
    assert (nobody["label"], nobody["abstained"]) == ("oos", True)
    assert said(chat(server, response_format={"type": "text"})) == "refund"


# As pydantic writes `class Intent(BaseModel): label: Label | None; confidence: float`.
PYDANTIC = {
    "$defs": {"Label": {"enum": [*LABELS, "oos"], "title": "Label", "type": "string"}},
    "properties": {
        "label": {"anyOf": [{"$ref": "#/$defs/Label"}, {"type": "null"}], "default": None},
        "confidence": {"maximum": 1, "minimum": 0, "title": "Confidence", "type": "number"},
        "version": {"const": 2, "title": "Version"},
    },
    "required": ["confidence", "version", "label"],
    "title": "Intent",
    "type": "object",
    "additionalProperties": False,
}


def test_json_schema(serve: Serve) -> None:
    server = serve()
    for text, label in ((REFUND, "refund"), (WEATHER, "oos")):
        found = json.loads(said(chat(server, text, response_format=in_schema(PYDANTIC))))
        assert set(found) == {"label", "confidence", "version"}
        assert (found["label"], found["version"]) == (label, 2)
    assert json.loads(said(chat(server, response_format=in_schema(LABEL)))) == "refund"
    several = {"type": "object", "properties": {"topics": {"type": "array", "items": LABEL}}}
    assert json.loads(said(chat(server, response_format=in_schema(several)))) == {
        "topics": ["refund"]
    }


def test_schemas_that_a_label_cannot_fill(serve: Serve) -> None:
    server = serve()
    reason = {"type": "object", "properties": {"label": LABEL, "reason": {"type": "string"}}}
    assert json.loads(said(chat(server, response_format=in_schema(reason)))) == {"label": "refund"}
    itself = {"$defs": {"a": {"anyOf": [{"$ref": "#/$defs/a"}] * 3}}, "$ref": "#/$defs/a"}
    for schema in (
        reason | {"required": ["reason"]},
        {"type": "object", "properties": {"label": {"enum": ["yes", "no"]}}, "required": ["label"]},
        {"type": "object", "properties": {"label": LABEL}, "required": ["label", "unheard_of"]},
        {"$ref": "#/nowhere"},
        itself,
        {},
    ):
        response = chat(server, response_format=in_schema(schema))
        message = error(response, 400, "schema_not_filled", "response_format")
        assert message.endswith("This model gives: label, score, abstained.")
    missing = chat(server, response_format={"type": "json_schema"})
    error(missing, 400, "invalid_schema", "response_format")


def tool(name: str, schema: Any = PYDANTIC) -> dict[str, Any]:
    return {"type": "function", "function": {"name": name, "parameters": schema, "strict": True}}


def test_function_calls(serve: Serve) -> None:
    server = serve()
    named = {"type": "function", "function": {"name": "route"}}
    tools = [tool("route"), tool("other", LABEL)]
    for more, reason in (
        ({"tools": tools, "tool_choice": named}, "stop"),
        ({"tools": tools[:1]}, "tool_calls"),
        ({"tools": tools[:1], "tool_choice": "required"}, "tool_calls"),
    ):
        choice = chat(server, **more).json()["choices"][0]
        assert (choice["finish_reason"], choice["message"]["content"]) == (reason, None)
        (call,) = choice["message"]["tool_calls"]
        assert (call["type"], call["function"]["name"]) == ("function", "route")
        assert json.loads(call["function"]["arguments"])["label"] == "refund"
    assert said(chat(server, tools=tools, tool_choice="none")) == "refund"
    error(chat(server, tools=tools), 400, "several_tools", "tools")
    wrong = {"type": "function", "function": {"name": "nothing"}}
    error(chat(server, tools=tools, tool_choice=wrong), 400, "no_such_tool", "tool_choice")
    bare = [{"type": "function", "function": {"name": "bare"}}]
    error(chat(server, tools=bare), 400, "schema_not_filled", "tools")


def test_logprobs(serve: Serve) -> None:
    server = serve()
    entry = chat(server, logprobs=True, top_logprobs=2).json()["choices"][0]["logprobs"]
    (token,) = entry["content"]
    assert token["token"] == "refund"
    assert bytes(token["bytes"]) == b"refund"
    assert math.exp(token["logprob"]) == pytest.approx(0.98, abs=0.01)
    assert token["top_logprobs"][0]["token"] == "refund"
    assert len(token["top_logprobs"]) == 2
    only = chat(server, logprobs=True).json()["choices"][0]["logprobs"]["content"][0]
    assert only["top_logprobs"] == []


def events(response: httpx.Response) -> list[Any]:
    assert response.headers["content-type"].startswith("text/event-stream")
    *pieces, end = response.text.split("\n\n")
    assert end == ""
    assert pieces.pop() == "data: [DONE]"
    return [json.loads(piece.removeprefix("data: ")) for piece in pieces]


def test_streams(serve: Serve) -> None:
    server = serve()
    plain = events(chat(server, stream=True))
    assert {event["object"] for event in plain} == {"chat.completion.chunk"}
    assert len({event["id"] for event in plain}) == 1
    assert "".join(e["choices"][0]["delta"].get("content") or "" for e in plain) == "refund"
    assert [e["choices"][0]["finish_reason"] for e in plain] == [None, "stop"]
    assert not any("usage" in event for event in plain)
    counted = events(chat(server, stream=True, stream_options={"include_usage": True}))
    assert [event["usage"] is None for event in counted] == [True, True, False]
    assert counted[-1]["choices"] == []
    assert counted[-1]["usage"]["total_tokens"] == chat(server).json()["usage"]["total_tokens"]
    called = events(chat(server, stream=True, tools=[tool("route")]))
    (piece,) = called[0]["choices"][0]["delta"]["tool_calls"]
    assert piece["index"] == 0 and piece["id"]
    assert json.loads(piece["function"]["arguments"])["label"] == "refund"
    # Refused before the stream begins: a client sees a status.
    assert chat(server, stream=True, n=3).status_code == 400


def test_embeddings(serve: Serve, tiny_bundle: Any) -> None:
    from attar.runtime.predictor import load

    client = serve().client
    body = {"model": "tiny", "input": [REFUND, WEATHER]}
    found = client.post("/v1/embeddings", json=body).json()
    assert [one["index"] for one in found["data"]] == [0, 1]
    floats = np.array([one["embedding"] for one in found["data"]], np.float32)
    assert (floats == load(tiny_bundle).embed([REFUND, WEATHER])).all()
    packed = client.post("/v1/embeddings", json=body | {"encoding_format": "base64"}).json()
    decoded = [np.frombuffer(base64.b64decode(d["embedding"]), "<f4") for d in packed["data"]]
    assert (floats == np.array(decoded)).all()
    assert found["usage"] == packed["usage"] == {"prompt_tokens": 11, "total_tokens": 11}
    one = client.post("/v1/embeddings", json=body | {"input": REFUND, "dimensions": 4}).json()
    assert one["data"][0]["embedding"] == floats[0].tolist()
    for wrong, status, code, param in (
        ({"dimensions": 3}, 400, "unsupported_value", "dimensions"),
        ({"dimensions": 0}, 422, "invalid_field", "dimensions"),
        ({"encoding_format": "int8"}, 422, "invalid_field", "encoding_format"),
        ({"input": [1, 2]}, 400, "token_ids", "input"),
        ({"input": [[1, 2], [3]]}, 400, "token_ids", "input"),
        ({"input": [None]}, 400, "not_text", "input"),
        ({"input": []}, 400, "no_text", "input"),
        ({"model": "tyni"}, 404, "model_not_found", "model"),
    ):
        error(client.post("/v1/embeddings", json=body | wrong), status, code, param)


def test_moderations(serve: Serve) -> None:
    client = serve(model={"aliases": ("omni-moderation-latest",)}).client
    several = [REFUND, {"type": "text", "text": WEATHER}]
    body = {"input": several, "model": "omni-moderation-latest"}
    found = client.post("/v1/moderations", json=body).json()
    assert (found["model"], found["id"][:5]) == ("tiny", "modr-")
    refund, weather = found["results"]
    assert set(refund["categories"]) == set(refund["category_scores"]) == set(LABELS)
    assert refund["flagged"] is True
    assert [name for name, yes in refund["categories"].items() if yes] == ["refund"]
    assert weather["flagged"] is False
    assert not any(weather["categories"].values())
    assert client.post("/v1/moderations", json={"input": REFUND}).json()["results"][0]["flagged"]
    error(client.post("/v1/moderations", json={"input": 3}), 422, "invalid_field", "input")


def test_models(serve: Serve) -> None:
    client = serve(model={"aliases": ("gpt-small",)}).client
    (entry,) = client.get("/v1/models").json()["data"]
    assert (entry["id"], entry["object"], entry["owned_by"]) == ("tiny", "model", "attar")
    assert entry["aliases"] == ["gpt-small"]
    assert entry["labels"] == LABELS
    assert entry["capabilities"] == ["label", "embed"]
    assert client.get("/v1/models/tiny").json() == client.get("/v1/models/gpt-small").json()
    assert client.get("/v1/models/tiny").json() == entry
    error(client.get("/v1/models/large"), 404, "model_not_found", "model")
