"""Who may call Dialogflow's webhooks: a name and a password, a secret header, or Google itself.

Google's ID tokens are signed by keys that it publishes; they must be for this webhook (aud), from
Google (iss), and of the service agent that the settings name (email). mTLS is the business of
the proxy that ends TLS before this server.
"""

from __future__ import annotations

import base64
import hmac
from collections.abc import Mapping

from desk.channels.published_keys import PublishedKeys, unauthorized
from desk.channels.sessions import bearer
from desk.channels.settings import Dialogflow
from desk.channels.wire import Refused

ISSUERS = ("https://accounts.google.com", "accounts.google.com")
LEEWAY_S = 10.0


class Callers:
    def __init__(self, settings: Dialogflow) -> None:
        self._settings = settings
        self._keys = PublishedKeys(settings.keys_url) if settings.audience else None

    async def check(self, headers: Mapping[str, str]) -> None:
        """Raises Refused for anybody else. One of the ways that are set suffices."""
        if self._by_header(headers) or self._by_name(headers):
            return
        token = bearer(headers)
        if self._keys is None or token is None:
            raise Refused(
                401, "unauthorized", "these are not the credentials of the agent",
                {"WWW-Authenticate": "Basic" if self._settings.basic else "Bearer"},
            )  # fmt: skip
        claims, _ = await self._keys.verified(
            token, issuers=ISSUERS, audience=self._settings.audience or "", leeway=LEEWAY_S
        )
        verified = claims.get("email_verified") is True
        if not verified or claims.get("email") != self._settings.email:
            raise unauthorized("the token is of another account than dialogflow.email")

    def _by_header(self, headers: Mapping[str, str]) -> bool:
        name, secret = self._settings.header, self._settings.header_secret
        if name is None or secret is None:
            return False
        return _same(headers.get(name.lower(), ""), secret.reveal())

    def _by_name(self, headers: Mapping[str, str]) -> bool:
        scheme, _, given = headers.get("authorization", "").partition(" ")
        if self._settings.basic is None or scheme.lower() != "basic":
            return False
        try:
            said = base64.b64decode(given, validate=True).decode()
        except ValueError:  # not base64, or not UTF-8
            return False
        return _same(said, self._settings.basic.reveal())


def _same(given: str, secret: str) -> bool:
    return hmac.compare_digest(given.encode("utf-8", "replace"), secret.encode())
