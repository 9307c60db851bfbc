"""How a server ends: SIGTERM is an order that it carries out, and no failure."""

from __future__ import annotations

import signal
from types import FrameType

import uvicorn


class OrderlyServer(uvicorn.Server):
    """uvicorn, whose process ends with 0 once SIGTERM has drained it.

    At its end uvicorn raises again what it noted of signals: the process would die of SIGTERM,
    which whatever sent it takes for a failure. An interrupt is still noted: who pressed Ctrl-C
    wants a script around the command to end too.
    """

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        if sig == signal.SIGTERM:
            self.should_exit = True
        else:
            super().handle_exit(sig, frame)
