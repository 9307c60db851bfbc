"""Odd texts over HTTP: offsets are code points, whatever the bytes or escapes of the body."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

pytest.importorskip("starlette", reason="the extra serve is not installed")

from attar.serve.settings import Model
from tiny_spans import write_spans_bundle
from tiny_summaries import write_summaries_bundle

TEXTS = (
    "🛑 refund", "👩\u200d👩\u200d👧 refund", "e\u0301tat:\r\nrefund", "אבג refund", "\u202erefund",
    "\x00 refund",
)  # fmt: skip


@pytest.mark.parametrize("escaped", [False, True])
def test_places_over_http(serve, tmp_path: Path, escaped: bool) -> None:
    models = {
        "things": Model(str(write_spans_bundle(tmp_path / "things.attar"))),
        "brief": Model(str(write_summaries_bundle(tmp_path / "brief.attar"))),
    }
    client = serve(models=models).client
    for text in TEXTS:
        body = json.dumps({"text": text}, ensure_ascii=escaped).encode()
        (answer,) = client.post("/v1/predict/things", content=body).json()["answers"]
        at = text.index("refund")
        assert [(s["start"], s["end"]) for s in answer["spans"]] == [(at, at + 6)]
        (answer,) = client.post("/v1/predict/brief", content=body).json()["answers"]
        for one in answer["sentences"]:
            assert text[one["start"] : one["end"]] == one["text"]
