"""How a server ends: SIGTERM is an order that it carries out, and no failure; Ctrl-C waits for
what has begun, a second one does not."""

from __future__ import annotations

import signal
import socket
import sys
from types import FrameType

import uvicorn

#: Of a process that an interrupt has ended (128 + SIGINT), as shells tell it.
INTERRUPTED = 130


class OrderlyServer(uvicorn.Server):
    """uvicorn, whose process ends with 0 once SIGTERM has drained it, with 130 after Ctrl-C.

    At its end uvicorn raises again what it noted of signals: the process would die of SIGTERM,
    which whatever sent it takes for a failure. One interrupt is still noted: who pressed Ctrl-C
    wants a script around the command to end too.
    """

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        if sig == signal.SIGTERM:
            self.should_exit = True
        elif self.should_exit:
            self.force_exit = True
        else:
            super().handle_exit(sig, frame)

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        await super().shutdown(sockets)
        if self.force_exit:  # uvicorn would leave now, with what is captured still unwritten
            for task in self.server_state.tasks:
                task.cancel()
            await self.lifespan.shutdown()

    def run(self, sockets: list[socket.socket] | None = None) -> None:
        try:
            super().run(sockets)
        except KeyboardInterrupt:
            sys.exit(INTERRUPTED)
