"""A model that ranks documents, over HTTP."""

from __future__ import annotations

from pathlib import Path

import pytest

pytest.importorskip("starlette", reason="the extra serve is not installed")

from attar.errors import RecipeError
from attar.serve.app import _check
from attar.serve.settings import Fallback, Model, Settings
from tiny_ranking import write_ranking_bundle


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


def test_a_large_model_cannot_stand_in_for_documents(tmp_path: Path) -> None:
    path = str(write_ranking_bundle(tmp_path / "faq.attar"))
    settings = Settings(
        models={"faq": Model(path, on_abstain="fallback")},
        fallback=Fallback("http://127.0.0.1:9/v1", "large"),
    )
    with pytest.raises(RecipeError, match=r"models\.faq.*nobody else can be asked"):
        _check(settings)
