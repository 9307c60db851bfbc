"""Who may use the people's routes: agents, by API keys of which only the digests are known."""

from __future__ import annotations

import hashlib
import logging
import re
from collections.abc import Mapping

from starlette.requests import Request

from desk.channels.limits import Limits
from desk.channels.wire import Refused

_LOG = logging.getLogger("desk.people")
_DIGEST = re.compile(r"[0-9a-f]{64}")
_MOST_WRONG = 60  # keys, of one address in a minute


class Agents:
    """keys: name -> SHA-256 of a key in hex. Raises ValueError for what is no digest."""

    def __init__(self, keys: Mapping[str, str]) -> None:
        for name, digest in keys.items():
            if not (name.strip() and len(name) <= 100 and _DIGEST.fullmatch(digest)):
                raise ValueError(
                    f"people.keys: {name!r}: expected a name and the SHA-256 of its key, 64 signs "
                    "in hex: printf %s KEY | sha256sum"
                )
        # By digest: how long a look-up takes tells nothing about the key.
        self._names = {digest: name for name, digest in keys.items()}
        self._wrong = Limits(_MOST_WRONG)

    def named(self, key: str | None, request: Request) -> str:
        """The agent whose key it is. Raises Refused."""
        digest = hashlib.sha256((key or "").encode("utf-8", "replace")).hexdigest()
        if key and (name := self._names.get(digest)):
            return name
        address = request.client.host if request.client else "?"
        _LOG.warning("a wrong key of an agent, from %r", address)
        self._wrong.take(address)
        what = "an agent's API key is expected: Authorization: Bearer …"
        raise Refused(401, "unauthorized", what, {"WWW-Authenticate": "Bearer"})
