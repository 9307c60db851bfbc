"""Chat completions of models that rank or summarize: in words, in schemas, as function calls."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

pytest.importorskip("starlette", reason="the extra serve is not installed")

from serve.documents_desk import PARCELS, SURE, UNSURE, VISIT, ranking, summarizing

if TYPE_CHECKING:
    import httpx

    from serve.conftest import Running, Serve

STRING = {"type": "string"}
ANY = {"type": "json_object"}


def chat(server: Running, model: str, text: str, **more: Any) -> httpx.Response:
    body = {"model": model, "messages": [{"role": "user", "content": text}], **more}
    return server.client.post("/v1/chat/completions", json=body)


def message(response: httpx.Response) -> Any:
    assert response.status_code == 200, response.text
    return response.json()["choices"][0]["message"]


def in_schema(properties: dict[str, Any], *required: str) -> dict[str, Any]:
    schema = {"type": "object", "properties": properties, "required": [*required]}
    return {"type": "json_schema", "json_schema": {"name": "a", "schema": schema}}


def tool(name: str, properties: dict[str, Any], *required: str) -> dict[str, Any]:
    parameters = {"type": "object", "properties": properties, "required": [*required]}
    return {"type": "function", "function": {"name": name, "parameters": parameters}}


def test_the_passage_of_the_best_document(serve: Serve, tmp_path: Path) -> None:
    server = ranking(serve, tmp_path)
    found = chat(server, "faq", SURE)
    assert message(found)["content"] == "Refunds\nA refund takes a week."
    assert found.json()["attar"]["documents"][0]["id"] == "money-back"
    assert message(chat(server, "faq", UNSURE))["content"] == "abstained"
    made = json.loads(message(chat(server, "faq", SURE, response_format=ANY))["content"])
    assert (made["answer"], made["id"], made["title"], made["abstained"]) == (
        "A refund takes a week.", "money-back", "Refunds", False,
    )  # fmt: skip
    made = json.loads(message(chat(server, "faq", UNSURE, response_format=ANY))["content"])
    assert (made["answer"], made["documents"], made["abstained"]) == (None, [], True)
    scored = chat(server, "faq", SURE, logprobs=True, top_logprobs=2).json()["choices"][0]
    (token,) = scored["logprobs"]["content"]
    assert token["token"] == "Refunds\nA refund takes a week."
    assert token["logprob"] <= 0


def test_an_abstention_in_words_of_the_settings(serve: Serve, tmp_path: Path) -> None:
    server = ranking(serve, tmp_path, {"abstain_text": "I do not know."})
    assert message(chat(server, "faq", UNSURE))["content"] == "I do not know."
    wanted = in_schema({"answer": STRING}, "answer")
    made = message(chat(server, "faq", UNSURE, response_format=wanted))["content"]
    assert json.loads(made) == {"answer": "I do not know."}


def test_documents_in_a_schema(serve: Serve, tmp_path: Path) -> None:
    server = ranking(serve, tmp_path)
    item = {"type": "object", "properties": {"id": STRING, "score": {"type": "number"}},
            "required": ["id", "score"]}  # fmt: skip
    wanted = in_schema(
        {"answer": STRING, "documents": {"type": "array", "items": item}}, "answer", "documents"
    )
    made = json.loads(message(chat(server, "faq", SURE, response_format=wanted))["content"])
    assert made["answer"] == "A refund takes a week."
    assert made["documents"][0]["id"] == "money-back"
    refused = chat(server, "faq", SURE, response_format=in_schema({"mood": STRING}, "mood"))
    assert refused.status_code == 400
    assert "This model gives: answer, id, title" in refused.json()["error"]["message"]


def test_tools_are_filled_with_a_document(serve: Serve, tmp_path: Path) -> None:
    server = ranking(serve, tmp_path)
    show = tool("show", {"id": STRING}, "id")
    (call,) = message(chat(server, "faq", SURE, tools=[show]))["tool_calls"]
    assert json.loads(call["function"]["arguments"]) == {"id": "money-back"}
    plain = message(chat(server, "faq", UNSURE, tools=[show]))
    assert (plain["content"], plain.get("tool_calls")) == ("abstained", None)
    forced = chat(server, "faq", UNSURE, tools=[show], tool_choice="required")
    assert forced.status_code == 400
    assert "no document is a good answer" in forced.json()["error"]["message"]


def test_summaries_in_words_and_in_schemas(serve: Serve, tmp_path: Path) -> None:
    server = summarizing(serve, tmp_path)
    said = "Where is my parcel? The parcel is late."
    assert message(chat(server, "brief", PARCELS))["content"] == said
    assert message(chat(server, "brief", " "))["content"] == ""
    sections = summarizing(serve, tmp_path, sections=True)
    lines = message(chat(sections, "brief", VISIT))["content"].splitlines()
    assert lines[1] == "plan: Rest it, and put ice on it."
    made = json.loads(message(chat(sections, "brief", VISIT, response_format=ANY))["content"])
    assert made["sections"]["plan"] == "Rest it, and put ice on it."
    wanted = in_schema(
        {"problems": STRING, "sentences": {"type": "array", "items": {"type": "object",
         "properties": {"start": {"type": "integer"}, "end": {"type": "integer"}}}}},
        "problems", "sentences",
    )  # fmt: skip
    made = json.loads(message(chat(sections, "brief", VISIT, response_format=wanted))["content"])
    first = made["sentences"][0]
    assert made["problems"].startswith(VISIT[first["start"] : first["end"]])
    note = tool("note", {"plan": STRING}, "plan")
    (call,) = message(chat(sections, "brief", VISIT, tools=[note]))["tool_calls"]
    assert json.loads(call["function"]["arguments"]) == {"plan": "Rest it, and put ice on it."}


@pytest.mark.parametrize(("model", "text", "said"), [
    ("faq", SURE, "Refunds\nA refund takes a week."),
    ("brief", PARCELS, "Where is my parcel? The parcel is late."),
])  # fmt: skip
def test_streams(serve: Serve, tmp_path: Path, model: str, text: str, said: str) -> None:
    server = (ranking if model == "faq" else summarizing)(serve, tmp_path)
    streamed = chat(server, model, text, stream=True, stream_options={"include_usage": True})
    lines = [line[6:] for line in streamed.text.splitlines() if line]
    assert lines.pop() == "[DONE]"
    events = [json.loads(line) for line in lines]
    deltas = [choice["delta"] for event in events for choice in event["choices"]]
    assert "".join(delta.get("content") or "" for delta in deltas) == said
    assert events[-1]["usage"]["completion_tokens"] > 0


def test_the_official_client(serve: Serve, tmp_path: Path) -> None:
    openai = pytest.importorskip("openai", reason="openai is not installed")
    server = ranking(serve, tmp_path)
    with openai.OpenAI(base_url=f"{server.url}/v1", api_key="none") as client:
        made = client.chat.completions.create(
            model="faq", messages=[{"role": "user", "content": SURE}]
        )
    assert made.choices[0].message.content.endswith("A refund takes a week.")


@pytest.mark.parametrize("route", ["/v1/moderations", "/predict", "/classify"])
def test_routes_of_labels_say_what_it_can(serve: Serve, tmp_path: Path, route: str) -> None:
    for name, server in (
        ("faq", ranking(serve, tmp_path)), ("brief", summarizing(serve, tmp_path)),
    ):  # fmt: skip
        body = {"model": name, "input": "text", "inputs": "text"}
        refused = server.client.post(route, json=body)
        assert refused.status_code == 400
        error = refused.json()["error"]
        assert error["code"] == "no_such_capability"
        can = "ranking, embed" if name == "faq" else "summary, embed"
        assert "cannot give labels of texts" in error["message"]
        assert f"it can: {can}" in error["message"]
