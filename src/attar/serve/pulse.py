"""How late the event loop is: about how long a request has lain unread, and an answer will."""

from __future__ import annotations

import asyncio
import math
import time

BEAT_S = 0.02
PRESSED_S = 0.1  # late by that twice running, a loop has more to do than it gets done


class Pulse:
    """A beat of the loop that owns it; `beat` runs as long as requests come."""

    def __init__(self) -> None:
        self._due = math.inf
        self._last = self._before = 0.0

    @property
    def lag_s(self) -> float:
        """How late the last beat came, or by how much the next one is overdue by now."""
        return max(self._last, time.monotonic() - self._due)

    @property
    def pressed(self) -> bool:
        """Whether what comes should be turned away before anything is done for it. One late
        beat does not count: the whole machine may have paused."""
        return self._before > PRESSED_S and self.lag_s > PRESSED_S

    async def beat(self) -> None:
        while True:
            self._due = time.monotonic() + BEAT_S
            await asyncio.sleep(BEAT_S)
            self._before, self._last = self._last, max(0.0, time.monotonic() - self._due)
