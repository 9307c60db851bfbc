"""A port for a server that a test starts as a process of its own."""

from __future__ import annotations

import contextlib
import random
import socket


def free_port() -> int:
    """Below those that a busy system gives to whatever asks for one in the meantime."""
    for port in random.sample(range(20_000, 32_000), 50):
        with contextlib.suppress(OSError), socket.socket() as free:
            free.bind(("127.0.0.1", port))
            return port
    raise OSError("no port is free")
