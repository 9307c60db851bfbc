"""The small model in the shadow of attar proxy: its figures, and that it disturbs nobody."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("starlette", reason="the extra serve is not installed")

from serve.proxy_desk import REFUND, Start, answering, completion


def test_a_shadow_is_compared_and_changes_nothing(start: Start, tiny_bundle: Path) -> None:
    proxied = start(shadow=str(tiny_bundle), input_usd=10.0, output_usd=100.0)
    said = [(REFUND, "refund"), ("where is my parcel please", "delivery"),
            ("cancel it", "refund"), ("the weather now", "refund")]  # fmt: skip
    for text, label in said:
        proxied.upstream.answer = answering(completion(label))
        assert proxied.chat(text).json() == completion(label)
    until = time.monotonic() + 10
    figures = proxied.client.get("/_attar/shadow").json()
    while figures["requests"] < 4 and time.monotonic() < until:
        time.sleep(0.02)
        figures = proxied.client.get("/_attar/shadow").json()
    assert (figures["requests"], figures["answered"]) == (4, 3)
    agreement = figures["agreement"]
    assert (agreement["compared"], agreement["agreed"]) == (3, 2)
    assert agreement["low"] < agreement["share"] < agreement["high"]
    cost = (100 * 10 + 2 * 100) / 1e6
    assert figures["cost"]["upstream_usd"] == pytest.approx(4 * cost)
    assert figures["cost"]["would_have_saved_usd"] == pytest.approx(3 * cost)
    assert figures["mean_latency_ms"]["upstream"] > 0 < figures["mean_latency_ms"]["small_model"]
    metrics = proxied.client.get("/_attar/metrics").text
    assert 'attar_shadow_compared_total{agrees="yes"} 2.0' in metrics
    assert 'attar_proxy_requests_total{route="chat/completions",status="200"} 4.0' in metrics
    rows = proxied.rows()
    assert [row["agrees"] for row in rows] == [True, True, False, False]
    assert [row["abstained"] for row in rows] == [False, False, False, True]
    assert rows[0]["predicted"] == "refund" and 0 < rows[0]["score"] <= 1


def test_a_shadow_that_fails_fails_nobody(
    start: Start, tiny_bundle: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from attar.runtime.predictor import Predictor

    proxied = start(shadow=str(tiny_bundle))

    def broken(self: Any, text: Any) -> Any:
        raise MemoryError

    monkeypatch.setattr(Predictor, "__call__", broken)
    proxied.upstream.answer = answering(completion("refund"))
    assert proxied.chat().status_code == 200
    (row,) = proxied.rows()
    assert row["label"] == "refund" and "predicted" not in row


def test_the_interval_is_wilsons() -> None:
    """Newcombe 1998, "Two-sided confidence intervals for the single proportion", table I."""
    from attar.serve.proxy_shadow import wilson

    for (k, n), (low, high) in {
        (81, 263): (0.2553, 0.3662), (15, 148): (0.0624, 0.1605), (0, 20): (0.0, 0.1611),
        (1, 29): (0.0061, 0.1718),
    }.items():  # fmt: skip
        assert wilson(k, n) == pytest.approx((low, high), abs=5e-5)
    assert wilson(0, 0) == (0.0, 1.0) and wilson(5, 5)[1] == 1.0


def test_a_shadow_that_marks_spans(start: Start, tmp_path: Path) -> None:
    import json

    from tiny_spans import write_spans_bundle

    proxied = start(shadow=str(write_spans_bundle(tmp_path / "things.attar")))
    said: list[Any] = [
        {"spans": [{"text": "refund parcel", "label": "thing"}]},
        {"thing": "refund parcel"},
        {"thing": "refund"},
        {"note": "no spans in it"},
    ]
    for one in said:
        proxied.upstream.answer = answering(completion(json.dumps(one)))
        proxied.chat("my refund parcel")
    until = time.monotonic() + 10
    while (figures := proxied.client.get("/_attar/shadow").json())["requests"] < 4:
        assert time.monotonic() < until
        time.sleep(0.02)
    assert (figures["agreement"]["compared"], figures["agreement"]["agreed"]) == (3, 2)
    rows = [*proxied.rows(), *proxied.rows("unlabeled")]
    assert {json.dumps(row["predicted"]) for row in rows} == {
        '{"spans": [{"start": 3, "end": 16, "label": "thing"}]}'
    }
    assert sorted(str(row["agrees"]) for row in rows) == ["False", "None", "True", "True"]
