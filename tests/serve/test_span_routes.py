"""A model that marks spans on the routes in other forms: live, moderations, TEI, vLLM, tools."""

from __future__ import annotations

import asyncio
import json
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

pytest.importorskip("starlette", reason="the extra serve is not installed")

from websockets.sync.client import connect

from attar.serve.settings import Model
from serve.spans_desk import BOOK, UNSURE, marking
from tiny_spans import write_spans_bundle

if TYPE_CHECKING:
    from serve.conftest import Serve


def test_spans_of_what_has_been_typed_so_far(serve: Serve, tmp_path: Path) -> None:
    url = marking(serve, tmp_path).url.replace("http", "ws")
    with connect(f"{url}/v1/stream?model=trips", proxy=None) as socket:

        def ask(text: str, **more: Any) -> Any:
            socket.send(json.dumps({"text": text, **more}))
            return json.loads(socket.recv(timeout=10))

        first = ask(BOOK)
        assert [span["text"] for span in first["spans"]] == ["two", "Rome", "Oslo"]
        assert (first["label"], first["stable"], first["answered_by"]) == (
            "book_flight", False, "model",
        )  # fmt: skip
        assert [ask(BOOK)["stable"] for _ in range(2)] == [False, True]
        assert ask(UNSURE)["stable"] is False
        last = ask(BOOK, final=True)
        assert (last["stable"], len(last["spans"])) == (True, 3)


def test_moderations_name_labels_of_spans_too(serve: Serve, tmp_path: Path) -> None:
    client = marking(serve, tmp_path).client
    body = {"model": "trips", "input": [BOOK, UNSURE]}
    found, unsure = client.post("/v1/moderations", json=body).json()["results"]
    assert found["flagged"] is True
    assert found["categories"] == {
        "book_flight": True, "play_music": False, "artist": False, "city": True, "count": True,
    }  # fmt: skip
    assert found["category_scores"]["city"] == 0.95
    assert found["category_scores"]["book_flight"] == 0.96
    assert found["category_scores"]["artist"] == 0.0
    assert (unsure["flagged"], any(unsure["categories"].values())) == (False, False)


def test_entities_in_the_form_of_hugging_face(serve: Serve, tmp_path: Path) -> None:
    client = marking(serve, tmp_path).client
    found = client.post("/predict", json={"inputs": BOOK}).json()
    assert found[1] == {
        "entity_group": "city", "score": 0.95, "word": "Rome", "start": 17, "end": 21,
    }  # fmt: skip
    many = client.post("/predict", json={"inputs": [[BOOK], ["hm"]]}).json()
    assert [len(one) for one in many] == [3, 0]


def test_vllm_s_classify_needs_labels_of_texts(serve: Serve, tmp_path: Path) -> None:
    client = marking(serve, tmp_path).client
    (found,) = client.post("/classify", json={"input": BOOK}).json()["data"]
    assert (found["label"], found["probs"]) == ("book_flight", [0.96, 0.04])
    (unsure,) = client.post("/classify", json={"input": UNSURE}).json()["data"]
    assert unsure["label"] is None
    bare = marking(serve, tmp_path, labels=()).client
    refused = bare.post("/classify", json={"input": BOOK, "model": "trips"})
    assert refused.status_code == 400
    message = refused.json()["error"]["message"]
    assert "cannot give labels of texts; it can: spans, embed" in message
    assert bare.post("/classify", json={"input": BOOK}).status_code == 404


def test_what_is_said_of_the_model(serve: Serve, tmp_path: Path) -> None:
    client = marking(serve, tmp_path, calls=True).client
    (entry,) = client.get("/v1/models").json()["data"]
    assert entry["span_labels"] == ["artist", "city", "count"]
    assert (entry["functions"], entry["labels"]) == (["book", "notify"], [])
    body = {"model": "trips", "input": BOOK}
    (moderation,) = client.post("/v1/moderations", json=body).json()["results"]
    assert moderation["categories"] == {
        "book": True, "notify": True, "artist": False, "city": True, "count": True,
    }  # fmt: skip
    assert client.post("/classify", json=body).status_code == 400
    assert client.get("/page/about/trips").json()["span_labels"] == entry["span_labels"]
    schemas = client.get("/openapi.json").json()["components"]["schemas"]
    assert {"spans", "calls"} <= set(schemas["Answered"]["properties"])
    assert "entity_group" in schemas["Scored"]["properties"]


@pytest.mark.parametrize("calls", [False, True])
def test_answers_keep_what_the_description_says(serve: Serve, tmp_path: Path, calls: bool) -> None:
    jsonschema = pytest.importorskip("jsonschema", reason="checks the answers")
    client = marking(serve, tmp_path, calls=calls).client
    described = client.get("/openapi.json").json()
    asked: dict[str, Any] = {
        "/v1/predict/{model}": {"texts": [BOOK, UNSURE]},
        "/v1/moderations": {"model": "trips", "input": [BOOK, UNSURE]},
        "/predict": {"inputs": [BOOK, UNSURE]},
        **({} if calls else {"/classify": {"input": [BOOK, UNSURE]}}),
        "/v1/chat/completions": {"model": "trips", "messages": [{"role": "user", "content": BOOK}]},
    }
    for path, body in asked.items():
        operation = described["paths"][path]["post"]
        taken = operation["requestBody"]["content"]["application/json"]["schema"]
        given = operation["responses"]["200"]["content"]["application/json"]["schema"]
        response = client.post(path.replace("{model}", "trips"), json=body)
        assert response.status_code == 200, response.text
        for schema, value in ((taken, body), (given, response.json())):
            whole = {**schema, "components": described["components"]}
            jsonschema.Draft202012Validator(whole).validate(value)


def test_a_tool_marks_spans(tmp_path: Path) -> None:
    pytest.importorskip("mcp", reason="the extra mcp is not installed")
    from jsonschema import Draft202012Validator
    from mcp.client import Client

    from attar.serve.mcp import make_server
    from attar.serve.metering import Metering
    from attar.serve.service import Service
    from attar.serve.settings import Settings
    from serve.spans_desk import Marking

    path = write_spans_bundle(tmp_path / "trips.attar")

    async def whole(mark: bool) -> Any:
        service = Service(Settings(models={"trips": Model(str(path))}), None, Metering())
        served = service.models["trips"]
        if mark:
            made: Any = Marking(served.predictor, ["book_flight", "play_music"], True)
            served.bundle = replace(served.bundle, manifest=made.manifest)
            served.answering.predictor = made
        try:
            async with Client(make_server(service), read_timeout_seconds=20) as client:
                (tool,) = (await client.list_tools()).tools
                text = BOOK if mark else "my refund parcel"
                return tool, await client.call_tool("trips", {"text": text})
        finally:
            await service.close()

    tool, result = asyncio.run(whole(True))
    Draft202012Validator(tool.output_schema).validate(result.structured_content)
    assert "marks spans of 3 kinds in it: artist, city, count" in tool.description
    assert "book, notify" in tool.description
    assert result.structured_content["spans"][1]["text"] == "Rome"
    assert result.structured_content["calls"][0]["arguments"] == {"to": "Oslo", "seats": 2}
    assert json.loads(result.content[0].text) == result.structured_content
    tool, result = asyncio.run(whole(False))
    Draft202012Validator(tool.output_schema).validate(result.structured_content)
    assert "one kind in it: thing" in tool.description and "names one of" not in tool.description
    assert result.structured_content["label"] is None
