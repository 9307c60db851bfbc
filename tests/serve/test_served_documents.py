"""A model that ranks documents, over HTTP."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

pytest.importorskip("starlette", reason="the extra serve is not installed")

from attar.data.read import read_rows
from attar.errors import RecipeError
from attar.recipe import DataSection
from attar.runtime.capture import beside
from attar.serve.app import _check
from attar.serve.settings import Capture, Fallback, Model, Settings
from attar.tasks.summaries import reference_in
from serve.documents_desk import SURE, UNSURE, ranking, summarizing
from tiny_ranking import write_ranking_bundle, write_rescoring_bundle
from tiny_summaries import write_summaries_bundle
from upstream import completion

if TYPE_CHECKING:
    from serve.conftest import Running, Serve
    from upstream import Upstream


def test_documents_embeddings_and_reranking(serve, tmp_path: Path) -> None:
    faq = Model(str(write_ranking_bundle(tmp_path / "faq.attar")))
    client = serve(models={"faq": faq}).client
    answers = client.post("/v1/predict/faq", json={"texts": ["my refund", "weather"]}).json()
    sure, unsure = answers["answers"]
    assert sure["documents"][0]["id"] == "money-back"
    assert sure["documents"][0]["title"] == "Refunds"
    start, end = sure["documents"][0]["passage"]
    assert sure["documents"][0]["text"][start:end] == "A refund takes a week."
    assert (sure["abstained"], sure["answered_by"]) == (False, "model")
    assert (unsure["abstained"], unsure["answered_by"]) == (True, "nobody")
    assert "label" not in sure
    given = {"model": "faq", "input": ["refund parcel"]}
    (embedding,) = client.post("/v1/embeddings", json=given).json()["data"]
    assert sum(x * x for x in embedding["embedding"]) == pytest.approx(1)
    asked = {"query": "the refund", "documents": ["my parcel", "weather", "please refund"]}
    results = client.post("/rerank", json=asked).json()["results"]
    assert results[0]["index"] == 2
    assert results[0]["relevance_score"] > results[1]["relevance_score"]


def test_what_scores_documents_again_does_so_here(serve: Serve, tmp_path: Path) -> None:
    faq = Model(str(write_rescoring_bundle(tmp_path / "faq.attar")))
    client = serve(models={"faq": faq}).client
    (answer,) = client.post("/v1/predict/faq", json={"texts": ["parcel cancel parcel"]}).json()[
        "answers"
    ]
    assert answer["documents"][0]["id"] == "how-to-cancel"
    asked = {"query": "the parcel", "documents": ["parcel", "parcel cancel", "weather"]}
    results = client.post("/rerank", json=asked).json()["results"]
    assert [one["index"] for one in results] == [1, 0, 2]
    assert all(0 <= one["relevance_score"] <= 1 for one in results)


def test_a_large_model_stands_in_where_no_document_answers(
    serve: Serve, tmp_path: Path, upstream: Upstream
) -> None:
    upstream.script = [completion("Look out of the window.")]
    capture = tmp_path / "captured.jsonl"
    server = ranking(
        serve, tmp_path, {"on_abstain": "fallback"}, capture=Capture(path=str(capture)),
        fallback=Fallback(upstream.url, "large"),
    )  # fmt: skip
    answers = server.client.post("/v1/predict/faq", json={"texts": [SURE, UNSURE]}).json()[
        "answers"
    ]
    assert [one["answered_by"] for one in answers] == ["model", "fallback"]
    assert "text" not in answers[0]
    assert answers[1]["text"] == "Look out of the window."
    assert answers[1]["documents"] and answers[1]["abstained"]
    assert upstream.asked[0][2]["messages"] == [{"role": "user", "content": UNSURE}]
    conversation = [
        {"role": "system", "content": "Be short."}, {"role": "user", "content": "hello"},
        {"role": "assistant", "content": "Hello."}, {"role": "user", "content": UNSURE},
    ]  # fmt: skip
    chat = {"model": "faq", "messages": conversation}
    made = server.client.post("/v1/chat/completions", json=chat).json()
    assert made["choices"][0]["message"]["content"] == "Look out of the window."
    assert made["attar"]["text"] == "Look out of the window."
    assert upstream.asked[1][2]["messages"] == conversation
    # What it says names no document: such a query is not learned from, but kept.
    assert not written(capture)
    rows = written(beside(capture), 3)
    assert {(row["text"], row["answered_by"]) for row in rows} == {
        (SURE, "model"), (UNSURE, "fallback"),
    }  # fmt: skip
    assert rows[0]["predicted"] == "money-back"
    assert all("label" not in row for row in rows)


def test_an_abstention_stands_where_the_large_model_says_nothing(
    serve: Serve, tmp_path: Path, upstream: Upstream
) -> None:
    upstream.script = [completion(" ")]
    model = {"on_abstain": "fallback"}
    server = ranking(serve, tmp_path, model, fallback=Fallback(upstream.url, "large"))
    (found,) = server.client.post("/v1/predict/faq", json={"text": UNSURE}).json()["answers"]
    assert (found["answered_by"], found["note"]) == ("nobody", "the fallback's answer is empty")


def test_a_large_model_cannot_stand_in_for_summaries(tmp_path: Path) -> None:
    path = str(write_summaries_bundle(tmp_path / "brief.attar"))
    settings = Settings(
        models={"brief": Model(path, on_abstain="fallback")},
        fallback=Fallback("http://127.0.0.1:9/v1", "large"),
    )
    with pytest.raises(RecipeError, match=r"models\.brief.*nobody else can be asked"):
        _check(settings)


def correct(server: Running, name: str, **body: object) -> tuple[int, str]:
    """The status, and the message of an error."""
    answer = server.client.post(f"/v1/models/{name}/corrections", json={"text": "x", **body})
    error = answer.json().get("error") or {}
    return answer.status_code, error.get("message", "")


def test_the_right_document_goes_into_the_capture_file(serve: Serve, tmp_path: Path) -> None:
    capture = tmp_path / "captured.jsonl"
    server = ranking(serve, tmp_path, capture=Capture(path=str(capture)))
    status, said = correct(server, "faq", label="money-bak")
    assert status == 400
    assert "no document 'money-bak'. Did you mean 'money-back'?" in said
    assert "no label in this model's data" in said
    assert correct(server, "faq", spans=[])[0] == 409
    assert "the right one's id" in correct(server, "faq")[1]
    assert correct(server, "faq", label="money-back")[0] == 200
    (row,) = written(capture, 1)
    assert (row["text"], row["label"], row["answered_by"]) == ("x", "money-back", "person")
    served = server.service.models["faq"]
    settings = served.bundle.manifest["task_settings"]
    settings["out_of_scope"] = "nothing"
    assert "A query that no document answers is 'nothing'." in correct(server, "faq", label="?")[1]
    assert correct(server, "faq", label="nothing")[0] == 200
    both = ["where-is-it", "money-back"]
    assert correct(server, "faq", label=both)[0] == 200
    assert "no document 'nothing'" in correct(server, "faq", label=["money-back", "nothing"])[1]
    written(capture, 3)
    fields = DataSection(train=(str(capture),))
    rows, _ = read_rows([capture], fields, labeled=True, strict=True, kind="document")
    assert [row.label for row in rows] == [
        "money-back", "nothing", '["money-back", "where-is-it"]',
    ]  # fmt: skip


def test_the_right_summary_goes_into_the_capture_file(serve: Serve, tmp_path: Path) -> None:
    capture = tmp_path / "captured.jsonl"
    server = summarizing(serve, tmp_path, sections=True, capture=Capture(path=str(capture)))
    assert "several sections" in correct(server, "brief", summary="Knee.")[1]
    assert "Did you mean 'plan'?" in correct(server, "brief", summary={"plans": "Rest."})[1]
    assert correct(server, "brief", summary={"plan": " "}) == (400, "the summary is empty")
    assert correct(server, "brief", label="a")[0] == 409
    assert correct(server, "brief", summary={"plan": "Rest."}, spans=[])[0] == 409
    right = {"plan": "Rest.", "history": ""}
    assert correct(server, "brief", summary=right)[0] == 200
    (row,) = written(capture, 1)
    assert row["summary"] == {"plan": "Rest."}
    fields = DataSection(train=(str(capture),), label="summary")
    (read,), _ = read_rows([capture], fields, labeled=True, strict=True, kind="summary")
    assert reference_in(read.label) == {"plan": "Rest."}
    server = ranking(serve, tmp_path, capture=Capture(path=str(tmp_path / "other.jsonl")))
    assert "makes no summaries" in correct(server, "faq", summary="a")[1]


def test_summaries_are_captured_with_places_that_redaction_moves(
    serve: Serve, tmp_path: Path
) -> None:
    capture = tmp_path / "captured.jsonl"
    server = summarizing(
        serve, tmp_path, capture=Capture(path=str(capture), redact=True),
        redact=lambda text: text.replace("Ann Lee", "[name]"),
    )  # fmt: skip
    text = "I am Ann Lee and I cancel. Where is my parcel?"
    server.client.post("/v1/predict/brief", json={"text": text})
    said = {"summary": "Ann Lee asks for a parcel."}
    assert correct(server, "brief", **said)[0] == 200
    (row,) = written(beside(capture), 1)
    (span,) = row["predicted"]["spans"]
    assert row["text"][span["start"] : span["end"]] == "Where is my parcel?"
    assert written(capture, 1)[0]["summary"] == {"summary": "[name] asks for a parcel."}


def written(path: Path, rows: int = 0) -> list[Any]:
    """What is captured there, once there are so many rows."""
    until = time.monotonic() + 10
    while True:
        lines = path.read_text().splitlines() if path.exists() else []
        if len(lines) >= rows:
            return [json.loads(line) for line in lines]
        assert time.monotonic() < until, f"{len(lines)} rows of {rows} were written"
        time.sleep(0.05)
