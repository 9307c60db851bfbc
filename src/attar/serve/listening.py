"""Taking the address before anything says that it is being served."""

from __future__ import annotations

import socket

from attar.errors import OutputError


def listen(host: str, port: int) -> socket.socket:
    """A socket bound there; port 0 takes any that is free. Raises OutputError."""
    taken = None
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
        family, kind, protocol, _, address = found[0]
        taken = socket.socket(family, kind, protocol)
        taken.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        taken.bind(address)
    except OSError as error:
        if taken is not None:
            taken.close()
        raise OutputError(
            f"cannot listen on {host}, port {port}: {error.strerror}. "
            "Take another: --port N, or --port 0 for any that is free"
        ) from None
    return taken
