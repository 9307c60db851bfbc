"""A model that summarizes, over HTTP and a WebSocket."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

pytest.importorskip("starlette", reason="the extra serve is not installed")

from serve.documents_desk import PARCELS, ranking, summarizing

if TYPE_CHECKING:
    from serve.conftest import Serve


def test_summaries_of_texts(serve: Serve, tmp_path: Path) -> None:
    client = summarizing(serve, tmp_path).client
    text = "🛑 I cancel. Where is my parcel? And I cancel again."
    (found,) = client.post("/v1/predict/brief", json={"text": text}).json()["answers"]
    assert found["summary"] == "Where is my parcel?"
    (sentence,) = found["sentences"]
    assert text[sentence["start"] : sentence["end"]] == sentence["text"] == found["summary"]
    assert found["answered_by"] == "model"


def test_a_length_in_words(serve: Serve, tmp_path: Path) -> None:
    client = summarizing(serve, tmp_path).client

    def summary(**body: object) -> str:
        answered = client.post("/v1/predict/brief", json={"text": PARCELS, **body}).json()
        (found,) = answered["answers"]
        said: str = found["summary"]
        return said

    assert summary() == summary(words=None) == "Where is my parcel? The parcel is late."
    assert summary(words=4) == summary(words=4.0) == "Where is my parcel?"
    # Asked for, a length is filled, with what the build would leave out too.
    assert summary(words=15) == PARCELS
    for words in (0, -1, "4", 1_000_001, 1.5):
        refused = client.post("/v1/predict/brief", json={"text": PARCELS, "words": words})
        assert refused.status_code == 422, words
    texts = {"texts": [PARCELS] * 40, "words": 4}
    answers = client.post("/v1/predict/brief", json=texts).json()["answers"]
    assert {found["summary"] for found in answers} == {"Where is my parcel?"}


def test_lengths_beside_each_other_do_not_mix(serve: Serve, tmp_path: Path) -> None:
    from concurrent.futures import ThreadPoolExecutor

    client = summarizing(serve, tmp_path).client

    def ask(words: int | None) -> tuple[int | None, int]:
        body = {"texts": [PARCELS] * 3, "words": words}
        answers = client.post("/v1/predict/brief", json=body).json()["answers"]
        (said,) = {found["summary"] for found in answers}
        return words, len(said.split())

    with ThreadPoolExecutor(8) as pool:
        found = set(pool.map(ask, [None, 4, 15] * 8))
    assert found == {(None, 8), (4, 4), (15, 15)}


def test_a_length_is_refused_where_nothing_is_summarized(serve: Serve, tmp_path: Path) -> None:
    client = ranking(serve, tmp_path).client
    refused = client.post("/v1/predict/faq", json={"text": "refund", "words": 9})
    assert refused.status_code == 400
    error = refused.json()["error"]
    assert error["param"] == "words"
    assert "'faq' makes no summaries" in error["message"]


def test_a_length_in_a_stream(serve: Serve, tmp_path: Path) -> None:
    from websockets.sync.client import connect

    server = summarizing(serve, tmp_path)
    url = server.url.replace("http", "ws") + "/v1/stream?model=brief"
    with connect(url, proxy=None) as stream:
        for final in (False, True):
            stream.send(json.dumps({"text": PARCELS, "final": final, "words": 4}))
            assert json.loads(stream.recv())["summary"] == "Where is my parcel?"
    url = ranking(serve, tmp_path).url.replace("http", "ws") + "/v1/stream?model=faq"
    with connect(url, proxy=None) as stream:
        stream.send(json.dumps({"text": "refund", "words": 4}))
        assert "makes no summaries" in json.loads(stream.recv())["error"]["message"]
