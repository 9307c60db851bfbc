"""A model that marks spans, over HTTP."""

from __future__ import annotations

from pathlib import Path

import pytest

pytest.importorskip("starlette", reason="the extra serve is not installed")

from attar.bundle import read_bundle, write_bundle
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


def test_a_large_model_may_stand_in_for_spans(tmp_path: Path) -> None:
    path = str(write_spans_bundle(tmp_path / "things.attar"))
    settings = Settings(
        models={"things": Model(path, on_abstain="fallback")},
        fallback=Fallback("http://127.0.0.1:9/v1", "large"),
    )
    _check(settings)


def test_nobody_else_is_asked_for_embeddings(tmp_path: Path) -> None:
    path = tmp_path / "things.attar"
    bundle = read_bundle(write_spans_bundle(path))
    only = tmp_path / "only.attar"
    write_bundle(only, {**bundle.manifest, "capabilities": ["embed"]}, bundle.files)
    settings = Settings(
        models={"only": Model(str(only), on_abstain="fallback")},
        fallback=Fallback("http://127.0.0.1:9/v1", "large"),
    )
    with pytest.raises(RecipeError, match=r"models\.only.*nobody else.*\(embed\)"):
        _check(settings)
