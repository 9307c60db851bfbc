"""Sending activities to the Bot Framework's service, with an access token of our app.

Tokens come from Microsoft's login by client credentials (RFC 6749, 4.4) and are kept until
shortly before they end. Nothing follows a redirect: it could lead our token elsewhere.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Mapping
from typing import Any
from urllib.parse import quote

import httpx

from desk.channels.settings import Bot

SCOPE = "https://api.botframework.com/.default"
EARLY_S = 300.0  # before it ends, a token is made anew
TIMEOUT_S = 10.0
TRIES, WAIT_S = 3, 0.5
AGAIN = frozenset({429, 502, 503, 504})
_log = logging.getLogger("desk.channels")


class NotSentError(Exception):
    """An activity that the service did not take."""


class Sending:
    """Close it when the application ends."""

    def __init__(self, settings: Bot) -> None:
        self._settings = settings
        self._client = httpx.AsyncClient(timeout=TIMEOUT_S, follow_redirects=False)
        self._token, self._ends = "", 0.0
        self._one_at_a_time = asyncio.Lock()

    async def __aenter__(self) -> Sending:
        return self

    async def __aexit__(self, *exception: object) -> None:
        await self._client.aclose()

    async def reply(
        self, service_url: str, conversation: str, to: str, activity: Mapping[str, Any]
    ) -> None:
        """Send an answer to an activity. service_url: verified by the caller (`bot_callers`).

        Raises NotSentError.
        """
        place = f"{_place(service_url, conversation)}/{quote(to, safe='')}"
        await self._send(place, activity)

    async def say(self, service_url: str, conversation: str, activity: Mapping[str, Any]) -> None:
        """Send an activity that answers none. service_url: as for `reply`; so is what it raises."""
        await self._send(_place(service_url, conversation), activity)

    async def _send(self, url: str, activity: Mapping[str, Any]) -> None:
        why = ""
        for number in range(TRIES):
            try:
                response = await self._client.post(
                    url, json=dict(activity), headers=await self._authorization()
                )
            except httpx.HTTPError as error:
                why = type(error).__name__
            else:
                if response.is_success:
                    return
                why = f"status {response.status_code}"
                if response.status_code == 401:
                    self._token = ""  # taken back before its time: once more with a new one
                elif response.status_code not in AGAIN:
                    break
            await asyncio.sleep(WAIT_S * number)
        _log.warning("an answer was not taken by the bot service: %s", why)
        raise NotSentError(why)

    async def _authorization(self) -> dict[str, str]:
        password = self._settings.password
        if password is None:
            return {}
        async with self._one_at_a_time:
            if not self._token or time.monotonic() > self._ends:
                await self._log_in(password.reveal())
            return {"Authorization": f"Bearer {self._token}"}

    async def _log_in(self, password: str) -> None:
        """Raises httpx.HTTPError."""
        url = f"{self._settings.login_url}/{self._settings.tenant}/oauth2/v2.0/token"
        form = {
            "grant_type": "client_credentials",
            "client_id": self._settings.app_id or "",
            "client_secret": password,
            "scope": SCOPE,
        }
        response = await self._client.post(url, data=form)
        response.raise_for_status()
        try:
            said = response.json()
            self._token = str(said["access_token"])
            lasts = float(said["expires_in"])
        except (ValueError, KeyError, TypeError) as error:
            raise httpx.DecodingError(f"the login gave no token: {error}") from None
        self._ends = time.monotonic() + max(0.0, lasts - EARLY_S)


def _place(service_url: str, conversation: str) -> str:
    return f"{service_url.rstrip('/')}/v3/conversations/{quote(conversation, safe='')}/activities"
