"""Work for clients that go away before they have their answer, which is then canceled.

All requests are looked at together, every GRACE_S: a timer of its own for each would cost
more than most answers take.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable
from typing import Any, TypeVar

from starlette.requests import Request

from attar.serve.wire import HttpError

GRACE_S = 0.25  # most answers are there before looking would pay
T = TypeVar("T")


class Departures:
    """Owned by an event loop, on which `watch` runs as long as requests come."""

    def __init__(self) -> None:
        self._working: dict[asyncio.Task[Any], Request] = {}
        self._gone: set[asyncio.Task[Any]] = set()

    async def unless_gone(self, request: Request, work: Awaitable[T]) -> T:
        """The result of `work`, which is canceled when the client goes away meanwhile."""
        task = asyncio.current_task()
        assert task is not None
        self._working[task] = request
        try:
            return await work
        except asyncio.CancelledError:
            if task not in self._gone or task.uncancel():
                raise
            raise HttpError(499, "client_gone", "the client went away") from None
        finally:
            del self._working[task]
            self._gone.discard(task)

    async def watch(self) -> None:
        """Look for ever, at what was already there when it last looked."""
        known: set[asyncio.Task[Any]] = set()
        while True:
            await asyncio.sleep(GRACE_S)
            for task in known.intersection(self._working):
                request = self._working.get(task)  # answered while others were looked at?
                if request is None or not await request.is_disconnected():
                    continue
                if task in self._working:
                    self._gone.add(task)
                    task.cancel()
            known = set(self._working)
