"""Logging in with OAuth 2.0 where a mail server takes no password: client credentials (RFC 6749,
4.4), handed on as SASL XOAUTH2, as Microsoft 365 has it for programs without a user.
"""

from __future__ import annotations

import threading
import time
from functools import lru_cache

import httpx

from desk.channels.email_settings import Email

_EARLY_S = 120.0  # before its end a token is asked for anew
_TIMEOUT_S = 15.0


class NoTokenError(Exception):
    """The authority gives none now. The message holds no secret."""


def xoauth2(user: str, settings: Email) -> str:
    """What is said to a mail server instead of a password. Raises NoTokenError."""
    return f"user={user}\x01auth=Bearer {_tokens(settings).token()}\x01\x01"


class _Tokens:
    def __init__(self, settings: Email) -> None:
        self._settings = settings
        self._lock = threading.Lock()
        self._token, self._until = "", 0.0

    def token(self) -> str:
        with self._lock:
            if time.monotonic() >= self._until:
                self._token, lasts_s = self._ask()
                self._until = time.monotonic() + max(lasts_s - _EARLY_S, 0.0)
            return self._token

    def _ask(self) -> tuple[str, float]:
        settings = self._settings
        assert settings.oauth_token_url is not None
        assert settings.oauth_client_secret is not None
        form = {
            "grant_type": "client_credentials",
            "client_id": settings.oauth_client_id,
            "client_secret": settings.oauth_client_secret.reveal(),
            "scope": settings.oauth_scope,
        }
        try:
            answer = httpx.post(settings.oauth_token_url, data=form, timeout=_TIMEOUT_S)
            found = answer.json() if answer.status_code == 200 else {}
            token, lasts_s = found.get("access_token"), float(found.get("expires_in", 300))
        except (httpx.HTTPError, ValueError, TypeError, AttributeError) as error:
            raise NoTokenError(f"email.oauth_token_url: {type(error).__name__}") from None
        if not isinstance(token, str) or not token.isascii() or not token.isprintable():
            raise NoTokenError(f"email.oauth_token_url: no token, status {answer.status_code}")
        return token, lasts_s


@lru_cache(8)
def _tokens(settings: Email) -> _Tokens:
    return _Tokens(settings)
