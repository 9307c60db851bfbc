"""Customers over HTTP, many at once, as the widget speaks: a message that gets no answer is sent
again with the same key, after the same waits and as often, and then once more by its button.

Every message is a connection of its own: people think longer than a server keeps one open.
"""

from __future__ import annotations

import asyncio
import contextlib
import random
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import httpx

from measure.peak_customers import Customer
from measure.peak_scripts import Script

TRIES, BUTTONS = 6, 3  # of the widget's client.js; presses of "send again"
LATER = frozenset({429, 500, 502, 503, 504})
_PRESSES_AFTER_S = 3.0
_TIMEOUT = httpx.Timeout(30.0)


@dataclass(slots=True)
class Try:
    """One request. status: of its answer, or the error's name where there was none. Times in
    seconds since the run began."""

    began: float
    ended: float
    status: int | str


@dataclass(slots=True)
class Sent:
    """A message. answering: what the desk had asked for. reply: as the desk gave it, None where
    the customer gave up."""

    key: str
    text: str
    answering: str | None
    tries: list[Try] = field(default_factory=list)
    reply: dict[str, Any] | None = None

    @property
    def began(self) -> float:
        return self.tries[0].began

    @property
    def ended(self) -> float:
        return self.tries[-1].ended

    @property
    def latency_ms(self) -> float:
        """As the customer sees it: from the first try to the reply, with the waits between."""
        return (self.ended - self.began) * 1000


@dataclass(slots=True)
class Talk:
    """A conversation as its client knows it. phase: in which it began."""

    script: Script
    phase: str
    conversation: str = ""
    token: str = ""
    begins: list[Try] = field(default_factory=list)
    sent: list[Sent] = field(default_factory=list)


class Clients:
    """url: of the desk; key: of a server, which may begin any number of conversations. think_s:
    what people wait before they write, on average. open: requests without an answer by now."""

    def __init__(self, url: str, key: str, *, think_s: float = 6.0, seed: int = 1) -> None:
        self._http = httpx.AsyncClient(
            base_url=url, trust_env=False, timeout=_TIMEOUT,
            limits=httpx.Limits(max_connections=None, max_keepalive_connections=0),
        )  # fmt: skip
        self._key = key
        self._think_s = think_s
        self._chance = random.Random(seed)
        self._began = time.monotonic()
        self.open = 0
        self.talks: list[Talk] = []

    def now(self) -> float:
        """Seconds since the run began."""
        return time.monotonic() - self._began

    async def close(self) -> None:
        await self._http.aclose()

    async def talk(self, script: Script, phase: str) -> Talk:
        """A whole conversation."""
        talk = Talk(script, phase)
        self.talks.append(talk)
        body = {"language": "en"}
        begun = await self._until_answered("/v1/conversations", self._key, body, talk.begins)
        if begun is None:
            return talk
        talk.conversation, talk.token = begun["conversation"], begun["token"]
        customer = Customer(script)
        text: str | None = customer.first()
        while text is not None:
            sent = Sent(
                f"{len(talk.sent)}-{self._chance.randrange(36**6)}", text, customer.answering
            )
            talk.sent.append(sent)
            sent.reply = await self._until_answered(
                f"/v1/conversations/{talk.conversation}/messages", talk.token,
                {"key": sent.key, "text": text, "language": "en"}, sent.tries,
            )  # fmt: skip
            if sent.reply is None:
                return talk
            text = customer.next(sent.reply)
            # Of reading and writing: mostly short, sometimes long.
            thinks = self._chance.lognormvariate(0, 0.6) / 1.2 * self._think_s
            await asyncio.sleep(min(thinks, 4 * self._think_s))
        return talk

    async def again(self, talk: Talk, sent: Sent) -> dict[str, Any] | None:
        """The reply to a message that was answered before, asked for with the same key."""
        body = {"key": sent.key, "text": sent.text, "language": "en"}
        path = f"/v1/conversations/{talk.conversation}/messages"
        return await self._until_answered(path, talk.token, body, [])

    async def _until_answered(
        self, path: str, token: str, body: dict[str, str], tries: list[Try]
    ) -> dict[str, Any] | None:
        for _ in range(1 + BUTTONS):
            for number in range(TRIES):
                answer = await self._try(path, token, body, tries)
                if isinstance(answer, dict):
                    return answer
                if answer is None:
                    return None
                if number + 1 < TRIES:
                    await asyncio.sleep(min(answer or 2**number / 2, 15.0))
            await asyncio.sleep(_PRESSES_AFTER_S)
        return None

    async def _try(
        self, path: str, token: str, body: dict[str, str], tries: list[Try]
    ) -> dict[str, Any] | float | None:
        """An answer; the seconds to wait before the next try (0: none were told); None where
        another try is of no use."""
        began = self.now()
        headers = {"authorization": f"Bearer {token}"} if token else {}
        with self._opened():
            try:
                response = await self._http.post(path, json=body, headers=headers)
            except httpx.TransportError as error:
                tries.append(Try(began, self.now(), type(error).__name__))
                return 0.0
        tries.append(Try(began, self.now(), response.status_code))
        if response.is_success:
            found: dict[str, Any] = response.json()
            return found
        if response.status_code not in LATER:
            return None
        return float(response.headers.get("retry-after") or 0)

    @contextlib.contextmanager
    def _opened(self) -> Iterator[None]:
        self.open += 1
        try:
            yield
        finally:
            self.open -= 1
