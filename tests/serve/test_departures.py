"""Clients that go away before they have their answer."""

from __future__ import annotations

import asyncio
from typing import Any, cast

import pytest

pytest.importorskip("starlette", reason="the extra serve is not installed")

from starlette.requests import Request

from attar.serve.departures import GRACE_S, Departures
from attar.serve.wire import HttpError


class Client:
    """As a request tells of its client. gone_at: how often it is looked at before it has gone."""

    def __init__(self, gone_at: int) -> None:
        self.looks, self.gone_at = 0, gone_at

    async def is_disconnected(self) -> bool:
        self.looks += 1
        return self.looks >= self.gone_at


def watched(client: Client, work: Any, cancel_after: float | None = None) -> Any:
    async def play() -> Any:
        departures = Departures()
        watch = asyncio.create_task(departures.watch())
        request = cast("Request", client)
        asking = asyncio.create_task(departures.unless_gone(request, work()))
        if cancel_after is not None:
            await asyncio.sleep(cancel_after)
            asking.cancel()
        try:
            return await asyncio.wait_for(asking, 20)
        finally:
            watch.cancel()
            assert not departures._working
            assert not departures._gone

    return asyncio.run(play())


async def never() -> None:
    await asyncio.Event().wait()


def test_work_for_a_client_that_has_gone_is_canceled() -> None:
    client = Client(gone_at=2)
    with pytest.raises(HttpError) as caught:
        watched(client, never)
    assert caught.value.status == 499
    assert client.looks == 2


def test_work_for_a_client_that_waits_is_finished() -> None:
    async def slow() -> str:
        await asyncio.sleep(3.5 * GRACE_S)
        return "done"

    client = Client(gone_at=100)
    assert watched(client, slow) == "done"
    assert client.looks in (2, 3)  # not while it was new


def test_quick_work_is_never_looked_at() -> None:
    async def quick() -> str:
        return "done"

    client = Client(gone_at=1)
    assert watched(client, quick) == "done"
    assert client.looks == 0


def test_whoever_else_cancels_the_request_cancels_it() -> None:
    with pytest.raises(asyncio.CancelledError):
        watched(Client(gone_at=100), never, cancel_after=GRACE_S)
