"""A model that summarizes, over HTTP."""

from __future__ import annotations

from pathlib import Path

import pytest

pytest.importorskip("starlette", reason="the extra serve is not installed")

from attar.serve.settings import Model
from tiny_summaries import write_summaries_bundle


def test_summaries_of_texts(serve, tmp_path: Path) -> None:
    brief = Model(str(write_summaries_bundle(tmp_path / "brief.attar", cut=0.0)))
    client = serve(models={"brief": brief}).client
    text = "🛑 I cancel. Where is my parcel? And I cancel again."
    (found,) = client.post("/v1/predict/brief", json={"text": text}).json()["answers"]
    assert found["summary"] == "Where is my parcel?"
    (sentence,) = found["sentences"]
    assert text[sentence["start"] : sentence["end"]] == sentence["text"] == found["summary"]
    assert found["answered_by"] == "model"
    chat = {"model": "brief", "messages": [{"role": "user", "content": text}]}
    refused = client.post("/v1/chat/completions", json=chat)
    assert refused.status_code == 400
    assert "it can: summary, embed" in refused.json()["error"]["message"]
