"""attar's own routes."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from pathlib import Path

    from serve.conftest import Serve

REFUND, WEATHER = "i want my refund", "the weather now"


def test_a_text_is_answered_as_the_predictor_does(serve: Serve, tiny_bundle) -> None:
    from attar.runtime.predictor import load

    server = serve()
    found = server.client.post("/v1/predict/tiny", json={"text": REFUND}).json()
    assert found["model"] == "tiny"
    (answer,) = found["answers"]
    assert answer == load(tiny_bundle)(REFUND).to_json() | {"answered_by": "model"}


def test_several_texts_keep_their_order(serve: Serve) -> None:
    texts = ["refund", "parcel", "cancel"] * 30
    found = serve().client.post("/v1/predict/tiny", json={"texts": texts}).json()
    labels = [answer["label"] for answer in found["answers"]]
    assert labels == ["refund", "delivery", "cancel"] * 30


def test_an_abstention_says_that_nobody_answered(serve: Serve) -> None:
    found = serve().client.post("/v1/predict/tiny", json={"text": WEATHER}).json()
    assert found["answers"][0]["answered_by"] == "nobody"
    assert found["answers"][0]["abstained"] is True


@pytest.mark.parametrize(
    ("body", "status", "param"),
    [
        ({}, 422, "text"),
        ({"text": "a", "texts": ["b"]}, 422, "text"),
        ({"text": 3}, 422, "text"),
        ({"txt": "a"}, 422, None),
        ({"texts": []}, 400, "texts"),
        ({"texts": ["a"] * 257}, 413, "texts"),
        ({"text": "a" * 100_001}, 413, "texts"),
    ],
)
def test_a_wrong_body_is_one_clear_error(
    serve: Serve, body: object, status: int, param: str | None
) -> None:
    response = serve().client.post("/v1/predict/tiny", json=body)
    assert response.status_code == status
    error = response.json()["error"]
    assert set(error) == {"message", "type", "param", "code"}
    assert error["param"] == param


def test_a_model_that_is_not_there(serve: Serve) -> None:
    response = serve().client.post("/v1/predict/tyni", json={"text": "a"})
    assert response.status_code == 404
    assert "Did you mean 'tiny'?" in response.json()["error"]["message"]


def test_no_json_a_body_too_long_and_a_route_that_is_not_there(serve: Serve) -> None:
    client = serve().client
    for content, status in ((b"{", 400), (b"\xff", 400), (b"[" * 3_000_000, 413)):
        assert client.post("/v1/predict/tiny", content=content).status_code == status
    assert client.get("/v2").json()["error"]["code"] == "not_found"
    assert client.get("/v1/predict/tiny").status_code == 405


def test_health_metrics_and_description(serve: Serve) -> None:
    client = serve().client
    client.post("/v1/predict/tiny", json={"texts": [REFUND, WEATHER]})
    assert client.get("/healthz").json()["status"] == "alive"
    assert client.get("/readyz").json()["status"] == "ready"
    text = client.get("/metrics").text
    assert 'attar_answers_total{answered_by="model",model="tiny"} 1.0' in text
    assert 'attar_answers_total{answered_by="nobody",model="tiny"} 1.0' in text
    described = client.get("/openapi.json").json()
    assert described["openapi"].startswith("3.1")
    assert "/v1/predict/{model}" in described["paths"]


def test_the_description_tells_the_models_and_the_limits(serve: Serve, tiny_bundle: Path) -> None:
    from attar.serve.settings import Limits, Model

    path = str(tiny_bundle)
    client = serve(
        models={
            "desk": Model(path=path, aliases=("gpt-5-nano", "gpt-5-mini")),
            "tone": Model(path=path),
        },
        limits=Limits(texts=8, characters=1_500),
    ).client
    described = client.get("/openapi.json").json()
    said = described["info"]["description"]
    assert "Served here: desk (also gpt-5-nano, gpt-5-mini), tone." in said
    assert (
        "At most 8 texts a request, 1,500 characters a text, 2,000,000 bytes a body: "
        "more is answered with 413." in said
    )
    # In words alone: a schema that held them would make 413 the wrong answer.
    assert "1500" not in json.dumps(described["components"])
    asked = described["paths"]["/v1/chat/completions"]["post"]["requestBody"]
    shown = asked["content"]["application/json"]["examples"]
    assert {one["value"]["model"] for one in shown.values()} == {"desk"}


def test_request_ids_come_back(serve: Serve) -> None:
    client = serve().client
    assert client.get("/healthz", headers={"X-Request-Id": "mine-1"}).headers["x-request-id"] == (
        "mine-1"
    )
    forged = client.get("/healthz", headers={"X-Request-Id": "a\tb"}).headers["x-request-id"]
    assert forged.startswith("req_")
