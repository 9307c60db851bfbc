"""The routes of other servers (TEI, vLLM, Cohere, Jina), and models that give several labels."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

pytest.importorskip("starlette", reason="the extra serve is not installed")

from websockets.sync.client import connect

from attar.runtime.predictor import load
from attar.serve.settings import Model
from attar.tasks.multilabel import MULTILABEL

if TYPE_CHECKING:
    from serve.conftest import Running, Serve

REFUND, WEATHER = "i want my refund", "the weather now"
LABELS = ["cancel", "delivery", "refund"]


def test_embed(serve: Serve, tiny_bundle: Path) -> None:
    client = serve().client
    rows = np.array(client.post("/embed", json={"inputs": [REFUND, WEATHER]}).json())
    assert np.linalg.norm(rows, axis=1) == pytest.approx(1.0)
    own = load(tiny_bundle).embed([REFUND, WEATHER])
    plain = client.post("/embed", json={"inputs": [REFUND, WEATHER], "normalize": False}).json()
    assert (np.array(plain, np.float32) == own).all()
    assert rows == pytest.approx(own / np.linalg.norm(own, axis=1, keepdims=True))
    # One text is a list of one too, and a text without a direction has no length to divide by.
    (nothing,) = client.post("/embed", json={"inputs": "please", "truncate": True}).json()
    assert nothing == [0.0] * 4


def test_predict(serve: Serve) -> None:
    client = serve().client
    single = client.post("/predict", json={"inputs": REFUND, "raw_scores": False}).json()
    assert single[0]["label"] == "refund"
    assert {one["label"] for one in single} == set(LABELS)
    assert [one["score"] for one in single] == sorted((s["score"] for s in single), reverse=True)
    batch = client.post("/predict", json={"inputs": [REFUND, "my parcel"]}).json()
    assert batch[0] == single
    assert batch[1][0]["label"] == "delivery"
    # TEI's own form of a batch.
    nested = client.post("/predict", json={"inputs": [[REFUND], ["my parcel"]]}).json()
    assert nested == batch
    pair = client.post("/predict", json={"inputs": [["a", "b"]]})
    assert pair.status_code == 422
    assert "pairs" in pair.json()["error"]["message"]


def test_classify(serve: Serve) -> None:
    client = serve().client
    found = client.post("/classify", json={"input": [REFUND, WEATHER], "model": "tiny"}).json()
    assert found["object"] == "list"
    refund, weather = found["data"]
    assert (refund["index"], refund["label"], refund["num_classes"]) == (0, "refund", 3)
    assert refund["probs"][2] == max(refund["probs"])
    assert (weather["index"], weather["label"]) == (1, None)
    assert found["usage"]["total_tokens"] == 11


DOCUMENTS = ["the weather now", "my parcel", "where is my refund", "parcel parcel"]


@pytest.mark.parametrize("path", ["/rerank", "/v1/rerank"])
def test_rerank(serve: Serve, path: str) -> None:
    client = serve().client
    asked = {"query": "parcel", "model": "tiny"}
    tei = client.post(path, json=asked | {"texts": DOCUMENTS, "return_text": True}).json()
    assert sorted(one["index"] for one in tei) == [0, 1, 2, 3]
    assert [one["index"] for one in tei][:2] == [1, 3]  # of the same direction: in their order
    assert tei[0]["score"] == pytest.approx(1.0)
    assert all(one["text"] == DOCUMENTS[one["index"]] for one in tei)
    assert [one["score"] for one in tei] == sorted((o["score"] for o in tei), reverse=True)
    documents = [DOCUMENTS[0], *({"text": text, "id": 7} for text in DOCUMENTS[1:])]
    cohere = client.post(path, json=asked | {"documents": documents, "top_n": 2}).json()
    assert [one["index"] for one in cohere["results"]] == [1, 3]
    assert cohere["model"] == "tiny"
    assert "document" not in cohere["results"][0]
    with_text = client.post(
        path, json=asked | {"documents": documents, "return_documents": True, "top_n": 9}
    ).json()
    assert with_text["results"][0]["document"] == {"text": "my parcel"}
    assert len(with_text["results"]) == 4


@pytest.mark.parametrize(
    ("path", "body", "status", "param"),
    [
        ("/embed", {}, 422, None),
        ("/embed", {"inputs": 3}, 422, "inputs"),
        ("/embed", {"inputs": []}, 400, "inputs"),
        ("/embed", {"inputs": ["a"] * 257}, 413, "inputs"),
        ("/predict", {"inputs": [3]}, 422, "inputs[0]"),
        ("/predict", {"inputs": "a", "model": "tyni"}, 404, "model"),
        ("/classify", {"input": {}}, 422, "input"),
        ("/rerank", {"query": "a"}, 422, "documents"),
        ("/rerank", {"query": "a", "texts": ["b"], "documents": ["b"]}, 422, "documents"),
        ("/rerank", {"query": "a", "documents": []}, 400, "documents"),
        ("/rerank", {"query": "a", "documents": [{"title": "b"}]}, 422, "documents"),
        ("/rerank", {"query": "a", "documents": ["b"], "top_n": 0}, 422, "top_n"),
        ("/rerank", {"documents": ["b"]}, 422, None),
    ],
)
def test_wrong_bodies(serve: Serve, path: str, body: Any, status: int, param: str | None) -> None:
    response = serve().client.post(path, json=body)
    assert response.status_code == status, response.text
    assert response.json()["error"]["param"] == param


def test_a_model_that_cannot_embed(serve: Serve, make_bundle: Callable[..., Path]) -> None:
    only = make_bundle("only.attar", capabilities=["label"])
    server = serve(models={"only": Model(path=str(only))})
    for path, body in (("/embed", {"inputs": "a"}), ("/rerank", {"query": "a", "texts": ["b"]})):
        absent = server.client.post(path, json=body)
        assert (absent.status_code, absent.json()["error"]["code"]) == (404, "model_not_found")
        named = server.client.post(path, json=body | {"model": "only"})
        assert (named.status_code, named.json()["error"]["code"]) == (400, "no_such_capability")
    assert server.client.post("/predict", json={"inputs": REFUND}).json()[0]["label"] == "refund"


BOTH = "refund cancel refund cancel"


@pytest.fixture
def several(serve: Serve, make_bundle: Callable[..., Path]) -> Running:
    """A server of a model that names any number of labels; it abstains without a keyword."""
    settings = MULTILABEL.settings([*LABELS, "weather"], None, threshold=0.1)
    settings["label_thresholds"] = [0.9] * 4
    path = make_bundle(
        "several.attar", {"golden.jsonl": b""}, task="multilabel", task_settings=settings
    )
    return serve(models={"several": Model(path=str(path))})


def test_several_labels_on_every_route(several: Running) -> None:
    client = several.client
    whole = client.post("/v1/predict/several", json={"texts": [BOTH, REFUND, "please"]}).json()
    both, one, none = whole["answers"]
    assert [label for label, _ in both["labels"]] == ["cancel", "refund"]
    assert "label" not in both
    assert [label for label, _ in one["labels"]] == ["refund"]
    assert (none["labels"], none["abstained"], none["answered_by"]) == ([], True, "nobody")

    body = {"input": [BOTH, "please"], "model": "several"}
    both, none = client.post("/v1/moderations", json=body).json()["results"]
    assert [name for name, yes in both["categories"].items() if yes] == ["cancel", "refund"]
    assert both["flagged"] and not none["flagged"]
    assert set(both["category_scores"]) == {*LABELS, "weather"}
    assert both["category_scores"]["refund"] > 0.9 > both["category_scores"]["weather"]

    scored = client.post("/predict", json={"inputs": BOTH}).json()
    assert {one["label"] for one in scored[:2]} == {"cancel", "refund"}
    both, none = client.post("/classify", json=body).json()["data"]
    assert json.loads(both["label"]) == ["cancel", "refund"]
    assert len(both["probs"]) == both["num_classes"] == 4
    assert none["label"] is None
    assert client.get("/v1/models/several").json()["task"] == "multilabel"
    assert len(client.post("/embed", json={"inputs": BOTH}).json()[0]) == 4


def test_several_labels_in_chat(several: Running) -> None:
    def said(text: str = BOTH, **more: Any) -> Any:
        body = {"model": "several", "messages": [{"role": "user", "content": text}], **more}
        response = several.client.post("/v1/chat/completions", json=body)
        assert response.status_code == 200, response.text
        return response.json()["choices"][0]

    assert said()["message"]["content"] == "cancel, refund"
    assert said("please")["message"]["content"] == "abstained"
    found = json.loads(said(response_format={"type": "json_object"})["message"]["content"])
    assert (found["labels"], found["abstained"]) == (["cancel", "refund"], False)
    item = {"type": "string", "enum": [*LABELS, "weather"]}
    labels = {"type": "array", "items": item}
    schema = {"type": "object", "properties": {"labels": labels}, "required": ["labels"]}
    wanted = {"type": "json_schema", "json_schema": {"name": "a", "schema": schema}}
    made = json.loads(said(response_format=wanted)["message"]["content"])
    assert made == {"labels": ["cancel", "refund"]}
    (token,) = said(logprobs=True, top_logprobs=5)["logprobs"]["content"]
    assert token["token"] == "cancel, refund"
    assert {"cancel", "refund"} <= {one["token"] for one in token["top_logprobs"]}


def test_several_labels_in_a_stream(several: Running) -> None:
    url = several.url.replace("http", "ws") + "/v1/stream?model=several"
    with connect(url, proxy=None, open_timeout=20) as socket:
        for final in (False, True):
            socket.send(json.dumps({"text": BOTH, "final": final}))
            found = json.loads(socket.recv(timeout=20))
            assert [label for label, _ in found["labels"]] == ["cancel", "refund"]
            assert found["answered_by"] == "model"
