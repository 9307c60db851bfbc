"""Public keys that somebody publishes (JWKS, RFC 7517), fetched when a token names one.

Kept for a day, since both Google and Microsoft change theirs within days, and looked up again
when a token names a key that is not known: at most every five minutes, so that forged tokens
cannot make this server a client that hammers another. Old keys serve while the publisher is away.
"""

from __future__ import annotations

import asyncio
import ipaddress
import logging
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

import httpx
import jwt

from desk.channels.wire import Refused

LASTS_S = 24 * 3600.0
AGAIN_S = 300.0
AGAIN_EMPTY_S = 1.0  # while there are none at all
MOST_BYTES = 1 << 20
ALGORITHMS = ("RS256", "RS384", "RS512")
_log = logging.getLogger("desk.channels")


@dataclass(frozen=True, slots=True)
class PublishedKey:
    """endorsements: the Bot Framework's channels that the key may sign for."""

    key: jwt.PyJWK
    endorsements: frozenset[str]


class PublishedKeys:
    """url: of a JWKS document, or of OpenID metadata that names one."""

    def __init__(self, url: str) -> None:
        if not safe(url):
            raise ValueError(f"{url}: keys come over https, or from this machine")
        self._url = url
        self._keys: dict[str, PublishedKey] = {}
        self._fetched = self._tried = float("-inf")
        self._one_at_a_time = asyncio.Lock()

    async def verified(
        self, token: str, *, issuers: tuple[str, ...], audience: str, leeway: float
    ) -> tuple[Mapping[str, Any], PublishedKey]:
        """The claims of a token and the key that signed it. Raises Refused (401) for a token that
        is not valid, (503) where no keys can be had."""
        try:
            head = jwt.get_unverified_header(token)
        except jwt.PyJWTError:
            raise unauthorized("the token is not a JWT") from None
        named = head.get("kid")
        key = await self._find(named) if isinstance(named, str) else None
        if key is None or head.get("alg") not in ALGORITHMS:
            raise unauthorized("the token is not signed with a published key")
        try:
            claims = jwt.decode(
                token,
                key.key.key,
                algorithms=list(ALGORITHMS),
                audience=audience,
                issuer=list(issuers),
                leeway=leeway,
                options={"require": ["exp", "aud", "iss"]},
            )
        except (jwt.PyJWTError, ValueError, TypeError) as error:
            raise unauthorized(f"the token is refused: {type(error).__name__}") from None
        return claims, key

    async def _find(self, name: str) -> PublishedKey | None:
        async with self._one_at_a_time:
            now = time.monotonic()
            due = now - self._fetched > LASTS_S or name not in self._keys
            if due and now - self._tried > (AGAIN_S if self._keys else AGAIN_EMPTY_S):
                self._tried = now
                await self._fetch()
            if not self._keys:
                what = "the keys to check tokens with cannot be had now"
                raise Refused(503, "no_keys", what, {"Retry-After": "5"})
            return self._keys.get(name)

    async def _fetch(self) -> None:
        try:
            async with httpx.AsyncClient(timeout=5) as client:
                document = await _json(client, self._url)
                if "jwks_uri" in document:
                    url = str(document["jwks_uri"])
                    if not safe(url):
                        raise ValueError(f"{url}: keys come over https, or from this machine")
                    document = await _json(client, url)
            found = dict(filter(None, map(_key, document["keys"])))
        except (httpx.HTTPError, ValueError, KeyError, TypeError, AttributeError) as error:
            _log.warning("keys of %s: %s: %s", self._url, type(error).__name__, error)
            return
        if found:
            self._keys, self._fetched = found, time.monotonic()


async def _json(client: httpx.AsyncClient, url: str) -> dict[str, Any]:
    async with client.stream("GET", url) as response:
        response.raise_for_status()
        content = b""
        async for piece in response.aiter_bytes():
            content += piece
            if len(content) > MOST_BYTES:
                raise ValueError(f"more than {MOST_BYTES:,} bytes")
    document = httpx.Response(200, content=content).json()
    if not isinstance(document, dict):
        raise ValueError("a JSON object is expected")
    return document


def _key(document: Mapping[str, Any]) -> tuple[str, PublishedKey] | None:
    """None for a key that signs nothing here: another type, or without a name."""
    name = document.get("kid")
    if document.get("kty") != "RSA" or not isinstance(name, str):
        return None
    made = jwt.PyJWK.from_dict({k: v for k, v in document.items() if k != "alg"}, "RS256")
    return name, PublishedKey(made, frozenset(document.get("endorsements") or ()))


def safe(url: str) -> bool:
    """Whether what is sent to or read from an address can be trusted to be whole and private."""
    parts = urlsplit(url)
    return parts.scheme == "https" or (parts.scheme == "http" and here(parts.hostname))


def here(host: str | None) -> bool:
    """Whether a host is this machine."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host or "").is_loopback
    except ValueError:
        return False


def unauthorized(why: str) -> Refused:
    return Refused(401, "unauthorized", why, {"WWW-Authenticate": "Bearer"})
