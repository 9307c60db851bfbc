"""Faults that were found once: the line never locks itself up, large requests give way, …"""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

pytest.importorskip("starlette", reason="the extra serve is not installed")

from attar.runtime.cascade import LargeModel
from attar.serve.answering import Answering
from attar.serve.app import Serving, make_app
from attar.serve.settings import Capture, Fallback, Limits, Model, Settings
from attar.tasks.label_sets import name_of
from attar.tasks.multilabel import MULTILABEL

if TYPE_CHECKING:
    from serve.conftest import Serve

REFUND, WEATHER = "i want my refund", "the weather now"


def test_a_line_that_was_slow_once_answers_again() -> None:
    """After a stall a lone text is tried, or nothing would ever be measured anew."""

    async def play() -> list[Any]:
        line = Answering(list, 100, 1, lambda texts, seconds: None)  # type: ignore[arg-type]
        line.seconds_a_text = 30.0  # of a machine that was suspended, say
        try:
            for _ in range(200):
                found = await line.answer(["a"], "label", time.monotonic() + 2)
            assert line.seconds_a_text < 1
            return found
        finally:
            line.close()

    assert asyncio.run(play()) == ["a"]


def test_a_large_request_gives_way_to_a_small_one() -> None:
    go, begun, order = threading.Event(), threading.Event(), list[str]()

    def predictor(texts: Sequence[str]) -> list[str]:
        begun.set()
        assert go.wait(20)
        order.extend(texts)
        return list(texts)

    async def play() -> None:
        line = Answering(predictor, 1_000, 1, lambda texts, seconds: None)  # type: ignore[arg-type]
        line.seconds_a_text = 0.01
        far = time.monotonic() + 60
        try:
            large = asyncio.ensure_future(line.answer(["large"] * 256, "label", far))
            while not begun.is_set():
                await asyncio.sleep(0.001)
            small = asyncio.ensure_future(line.answer(["small"], "label", far))
            await asyncio.sleep(0.01)
            go.set()
            assert await small == ["small"]
            assert await large == ["large"] * 256
        finally:
            go.set()
            line.close()

    asyncio.run(play())
    assert order.index("small") < 128


def test_a_large_model_labels_a_text_of_several_labels(
    serve: Serve, make_bundle: Callable[..., Path], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    labels = ["cancel", "delivery", "refund", "weather"]
    task_settings = MULTILABEL.settings(labels, None, threshold=0.1)
    task_settings["label_thresholds"] = [0.9] * 4
    path = make_bundle(
        "several.attar", {"golden.jsonl": b""}, task="multilabel", task_settings=task_settings
    )
    captured = tmp_path / "requests.jsonl"
    server = serve(
        models={"several": Model(path=str(path), on_abstain="fallback")},
        fallback=Fallback(url="http://127.0.0.1:9/v1", model="large"),
        capture=Capture(path=str(captured)),
    )
    said = [["refund", "cancel"], [], ["delivery"]]

    async def label(self: Any, text: str, labels: Sequence[str], several: bool = False) -> str:
        assert several
        return name_of(said.pop(0))

    monkeypatch.setattr(LargeModel, "label", label)
    client = server.client
    (answer,) = client.post("/v1/predict/several", json={"text": "please"}).json()["answers"]
    assert answer["answered_by"] == "fallback"
    assert "label" not in answer
    # With the model's own scores of them, which are low: that is why it was asked.
    assert {name for name, _ in answer["labels"]} == {"cancel", "refund"}
    (answer,) = client.post("/v1/predict/several", json={"text": "please"}).json()["answers"]
    assert answer["labels"] == []
    body = {"model": "several", "input": "please"}
    (moderation,) = client.post("/v1/moderations", json=body).json()["results"]
    assert [name for name, yes in moderation["categories"].items() if yes] == ["delivery"]
    corrections = "/v1/models/several/corrections"
    for given in (["refund", "cancel"], [], "delivery"):  # one label is a list of one
        assert client.post(corrections, json={"text": "a", "label": given}).is_success
    assert client.post(corrections, json={"text": "a", "label": [""]}).status_code == 422
    server.server.should_exit = True
    capture = server.service.capture
    assert capture is not None
    until = time.monotonic() + 20
    while not capture.closed and time.monotonic() < until:
        time.sleep(0.01)
    # As `attar build` reads labels of a multilabel task: a list.
    rows = [json.loads(line) for line in captured.read_text(encoding="utf-8").splitlines()]
    assert [row["label"] for row in rows[:3]] == [["cancel", "refund"], [], ["delivery"]]
    assert [row["label"] for row in rows[3:]] == [["refund", "cancel"], [], ["delivery"]]


def test_a_browser_may_send_its_key_as_azures_clients_do(serve: Serve) -> None:
    client = serve(cors=("https://shop.example",)).client
    asking = {
        "Origin": "https://shop.example",
        "Access-Control-Request-Method": "POST",
        "Access-Control-Request-Headers": "api-key,content-type",
    }
    assert client.options("/v1/predict/tiny", headers=asking).status_code == 200


def test_a_short_drain_is_no_endless_one(tiny_bundle: Path) -> None:
    settings = Settings(models={"tiny": Model(path=str(tiny_bundle))}, limits=Limits(drain_s=0.5))
    assert Serving(make_app(settings), settings).config.timeout_graceful_shutdown == 1


@pytest.mark.parametrize("fault", ["capture", "secret", "bundle", "tls"])
def test_what_cannot_begin_is_one_clear_error(
    tiny_bundle: Path, tmp_path: Path, fault: str
) -> None:
    wrong = {
        "capture": ["--capture", str(tmp_path / "nowhere" / "r.jsonl")],
        "secret": ["--fallback", "http://127.0.0.1:9", "--fallback-model", "large",
                   "--fallback-key-env", "ATTAR_TEST_UNSET"],
        "bundle": ["--config", str(tmp_path / "serve.toml")],
        "tls": ["--config", str(tmp_path / "tls.toml")],
    }[fault]  # fmt: skip
    (tmp_path / "serve.toml").write_text(f"[models.a]\npath = '{tmp_path}/gone.attar'\n")
    (tmp_path / "tls.toml").write_text(
        f"certificate = '{tmp_path}/no.pem'\nprivate_key = '{tmp_path}/no.key'\n"
    )
    command = [sys.executable, "-m", "attar.cli", "serve", str(tiny_bundle), "--port", "0", *wrong]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60)
    assert done.returncode == 2, done.stderr
    assert "Traceback" not in done.stderr
    assert done.stderr.count("rror:") == 1, done.stderr


def test_the_watch_goes_on_after_an_error_of_any_kind(
    serve: Serve, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    server = serve(reload_s=0.02)
    served = server.service.models["tiny"]
    tries, twice = list[int](), threading.Event()

    async def fails() -> bool:
        tries.append(1)
        if len(tries) > 1:
            twice.set()
        raise RuntimeError("of the engine, which is no AttarError")

    monkeypatch.setattr(served, "reload_if_changed", fails)
    assert twice.wait(10)
    assert "Traceback" not in capfd.readouterr().err
