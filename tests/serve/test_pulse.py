"""A loop that is late: noticed, counted against deadlines, and what comes then is turned away."""

from __future__ import annotations

import asyncio
import contextlib
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import pytest

pytest.importorskip("starlette", reason="the extra serve is not installed")

import httpx

from attar.serve.gate import FEW
from attar.serve.pulse import BEAT_S, PRESSED_S, Pulse

if TYPE_CHECKING:
    from serve.conftest import Serve

ASK = {"url": "/v1/predict/tiny", "json": {"text": "i want my refund"}}


def beating(busy: list[float]) -> Pulse:
    """A pulse after the loop was busy for so long, beat by beat."""

    async def play() -> Pulse:
        pulse = Pulse()
        beat = asyncio.create_task(pulse.beat())
        await asyncio.sleep(0)
        for seconds in busy:
            time.sleep(BEAT_S + seconds)
            for _ in range(4):  # turns: the beat is due, is felt, and the next one is set
                await asyncio.sleep(0)
        beat.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await beat
        return pulse

    return asyncio.run(play())


def test_one_late_beat_is_no_pressure() -> None:
    late = PRESSED_S + 0.05
    pulse = beating([late])
    assert pulse.lag_s >= late
    assert not pulse.pressed
    assert beating([late, late]).pressed


def test_a_loop_that_never_began_to_beat_is_not_late() -> None:
    assert Pulse().lag_s == 0
    assert not Pulse().pressed


def test_what_comes_under_pressure_is_turned_away(
    serve: Serve, monkeypatch: pytest.MonkeyPatch
) -> None:
    server = serve(cors=("https://a.example",))
    client, answering = server.client, server.service.models["tiny"].answering
    answer, begun, go_on = answering.answer, threading.Semaphore(0), threading.Event()

    async def slowly(*asked: Any, **more: Any) -> Any:
        begun.release()
        while not go_on.is_set():
            await asyncio.sleep(0.005)
        return await answer(*asked, **more)

    monkeypatch.setattr(answering, "answer", slowly)
    with ThreadPoolExecutor(FEW + 2) as others:
        try:
            before = [others.submit(lambda: client.post(**ASK)) for _ in range(FEW)]
            assert all(begun.acquire(timeout=10) for _ in before)
            monkeypatch.setattr(Pulse, "pressed", property(lambda self: True))
            # These few do not press a loop: the machine is late.
            before.append(others.submit(lambda: client.post(**ASK)))
            assert begun.acquire(timeout=10)
            turned_away(client)
        finally:
            go_on.set()
        assert {each.result().status_code for each in before} == {200}
    assert client.post(**ASK).status_code == 200
    counted = client.get("/metrics").text
    assert 'attar_requests_total{route="(turned away)",status="429"} 3.0' in counted


def turned_away(client: httpx.Client) -> None:
    refused = client.post(**ASK)
    assert refused.status_code == 429
    assert refused.headers["retry-after"] == "1"
    assert refused.json()["error"]["code"] == "overloaded"
    mine = client.post(**ASK, headers={"X-Request-Id": "mine", "Origin": "https://a.example"})
    assert mine.headers["x-request-id"] == "mine"
    assert mine.headers["access-control-allow-origin"] == "https://a.example"
    again = client.post(**ASK)  # another client, from no page
    assert "access-control-allow-origin" not in again.headers
    assert again.headers["x-request-id"] not in ("mine", refused.headers["x-request-id"])
    assert client.get("/healthz").status_code == 200


def test_a_late_loop_shortens_deadlines(serve: Serve, monkeypatch: pytest.MonkeyPatch) -> None:
    client = serve().client
    monkeypatch.setattr(Pulse, "lag_s", property(lambda self: 0.4))
    assert client.post(**ASK).status_code == 200  # 2 s, less twice 0.4
    short = client.post(**ASK, headers={"X-Deadline-Ms": "700"})
    assert short.status_code == 429
    assert short.json()["error"]["code"] == "overloaded"
