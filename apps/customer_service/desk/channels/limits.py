"""How often somebody may ask: token buckets, in this process alone. A shop's own limits stand
before it; these keep one noisy client from taking every thread."""

from __future__ import annotations

import math
import time
from collections import OrderedDict

from desk.channels.wire import Refused

MOST_KNOWN = 50_000


class Limits:
    """`a_minute` at most of each name, a quarter of it at once."""

    def __init__(self, a_minute: int) -> None:
        self._rate = a_minute / 60
        self._burst = max(1.0, a_minute / 4)
        self._left: OrderedDict[str, tuple[float, float]] = OrderedDict()  # name -> left, when

    def take(self, name: str) -> None:
        """Raises Refused where it was too often."""
        now = time.monotonic()
        left, at = self._left.pop(name, (self._burst, now))
        left = min(self._burst, left + (now - at) * self._rate)
        enough = left >= 1
        self._left[name] = (left - 1 if enough else left, now)
        if len(self._left) > MOST_KNOWN:
            self._left.popitem(last=False)
        if not enough:
            wait = str(math.ceil((1 - left) / self._rate))
            what = f"too many; try again in {wait} s"
            raise Refused(429, "too_many", what, {"Retry-After": wait})
