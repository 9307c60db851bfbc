"""Who may send activities: the Bot Framework's service, by the tokens that it signs.

A token must be from the service (iss), for our app (aud), in time, signed by a key that the
service publishes and that is endorsed for the activity's channel, and must name the address that
answers go to (serviceurl): an answer is never sent anywhere else. Without an app id, only
programs on this machine are heard, and answered only on this machine: for the Agents Playground.

Rules: "Authenticate requests from the Bot Connector service to your bot", Azure AI Bot Service.
"""

from __future__ import annotations

from urllib.parse import urlsplit

from starlette.requests import Request

from desk.channels.published_keys import PublishedKeys, here, safe, unauthorized
from desk.channels.sessions import bearer
from desk.channels.settings import Bot
from desk.channels.wire import Refused

ISSUER = "https://api.botframework.com"
LEEWAY_S = 300.0  # as the service's own rules say
FORWARDED = ("forwarded", "x-forwarded-for", "x-real-ip")


class BotCallers:
    def __init__(self, settings: Bot) -> None:
        self._app_id = settings.app_id
        self._keys = PublishedKeys(settings.keys_url)

    async def check(self, request: Request, channel: str, service_url: str) -> None:
        """Raises Refused where an activity is not the service's, or says another address or
        channel than its token."""
        if self._app_id is None:
            self._on_this_machine(request, service_url)
            return
        token = bearer(request.headers)
        if token is None:
            raise unauthorized("a token of the Bot Framework is expected")
        claims, key = await self._keys.verified(
            token, issuers=(ISSUER,), audience=self._app_id, leeway=LEEWAY_S
        )
        # The claim is written serviceurl; some channels write it as the field is.
        stated = claims.get("serviceurl", claims.get("serviceUrl"))
        if not stated or stated != service_url:
            raise unauthorized("serviceUrl is not the one that the token names")
        if channel not in key.endorsements:
            raise unauthorized("the token's key is not endorsed for this channel")
        if not safe(service_url):
            raise unauthorized("serviceUrl: answers go out over https alone")

    def _on_this_machine(self, request: Request, service_url: str) -> None:
        # Behind a proxy everybody seems to be on this machine.
        passed_on = any(name in request.headers for name in FORWARDED)
        if passed_on or request.client is None or not here(request.client.host):
            raise unauthorized("bot.app_id is not set: only programs on this machine are heard")
        if service_url and not here(urlsplit(service_url).hostname):
            what = "bot.app_id is not set: answers are sent only to this machine"
            raise Refused(403, "forbidden", what)
