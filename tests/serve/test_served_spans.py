"""A model that marks spans, over HTTP."""

from __future__ import annotations

from pathlib import Path

import pytest

pytest.importorskip("starlette", reason="the extra serve is not installed")

from attar.errors import RecipeError
from attar.serve.app import _check
from attar.serve.settings import Fallback, Model, Settings
from tiny_spans import write_spans_bundle


def test_spans_of_texts(serve, tmp_path: Path) -> None:
    things = Model(str(write_spans_bundle(tmp_path / "things.attar")))
    client = serve(models={"things": things}).client
    answer = client.post("/v1/predict/things", json={"text": "🛑 my refund parcel"}).json()
    (found,) = answer["answers"]
    assert found["label"] is None
    assert found["answered_by"] == "model"
    (span,) = found["spans"]
    assert (span["start"], span["end"], span["text"]) == (5, 18, "refund parcel")
    embedding = client.post("/v1/embeddings", json={"model": "things", "input": "my refund"})
    assert embedding.status_code == 200


def test_a_large_model_cannot_stand_in_for_spans(tmp_path: Path) -> None:
    path = str(write_spans_bundle(tmp_path / "things.attar"))
    settings = Settings(
        models={"things": Model(path, on_abstain="fallback")},
        fallback=Fallback("http://127.0.0.1:9/v1", "large"),
    )
    with pytest.raises(RecipeError, match=r"models\.things.*spans"):
        _check(settings)
