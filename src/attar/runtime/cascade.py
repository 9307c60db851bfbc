"""What follows an abstention: a large model behind an OpenAI-compatible endpoint, or a person.

Both are called over HTTP (httpx, the extra `serve`) at URLs that the operator has set. A
large model's answer has a deadline, some retries with growing pauses, a circuit that stays
open after failures in a row, and a limit on what a day may cost. When it does not answer,
the reason comes back and the abstention stands: an answer is never made up.
"""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import httpx

from attar.runtime.quotes import Marked, Marking
from attar.tasks.label_sets import name_of

RETRIED = frozenset({408, 409, 425, 429, 500, 502, 503, 504})
FIRST_PAUSE_S = 0.2
MOST_PAUSE_S = 5.0
PROMPT = (
    "Classify the user's text. Answer with exactly one of these labels and nothing else:\n{labels}"
)
PROMPT_SEVERAL = (
    "Label the user's text. Any number of these labels may fit. Answer with those that do, one a "
    "line, and nothing else; answer {none} where no label fits:\n{labels}"
)
AROUND = "\"'`.,;*- \t"  # what models put around a label


@dataclass(frozen=True, slots=True, repr=False)
class Secret:
    """A text that is not shown by accident."""

    value: str

    def __repr__(self) -> str:
        return "Secret(…)"


class NoAnswerError(Exception):
    """The fallback gave none. why: one word for a counter; the message is for people."""

    def __init__(self, why: str, message: str) -> None:
        super().__init__(message)
        self.why = why


@dataclass(slots=True)
class Circuit:
    """Open after `open_after` failures in a row; after `closed_again_s` one try may close it."""

    open_after: int
    closed_again_s: float
    clock: Callable[[], float] = time.monotonic
    failures: int = 0
    opened: float = 0.0

    def check(self) -> None:
        """Raise NoAnswerError while the circuit is open."""
        if self.failures < self.open_after:
            return
        if self.clock() - self.opened < self.closed_again_s:
            raise NoAnswerError("circuit_open", "the fallback failed repeatedly and is left alone")
        self.opened = self.clock()  # this request tries; the others still wait

    def record(self, worked: bool) -> None:
        self.failures = 0 if worked else self.failures + 1
        if not worked and self.failures >= self.open_after:
            self.opened = self.clock()


@dataclass(slots=True)
class Spending:
    """What a day (UTC) has cost so far, and the most that it may. None: no limit."""

    usd_per_day: float | None
    today: Callable[[], str] = lambda: datetime.now(UTC).date().isoformat()
    day: str = ""
    usd: float = 0.0

    def check(self) -> None:
        """Raise NoAnswerError where the day's money is spent."""
        self._turn()
        if self.usd_per_day is not None and self.usd >= self.usd_per_day:
            raise NoAnswerError(
                "spent", f"the fallback's {self.usd_per_day:g} USD of today are spent"
            )

    def add(self, usd: float) -> None:
        self._turn()
        self.usd += usd

    def _turn(self) -> None:
        day = self.today()
        if day != self.day:
            self.day, self.usd = day, 0.0


@dataclass(frozen=True, slots=True)
class LargeModel:
    """An OpenAI-compatible chat endpoint. url: up to and with "/v1". price: of an answer's
    (input, output) tokens, in USD. turns: requests that run together."""

    url: str
    model: str
    client: httpx.AsyncClient
    circuit: Circuit
    spending: Spending
    price: Callable[[int, int], float]
    key: Secret | None = None
    deadline_s: float = 10.0
    retries: int = 2
    turns: asyncio.Semaphore = field(default_factory=lambda: asyncio.Semaphore(16))
    pause: Callable[[float], Awaitable[None]] = field(default=asyncio.sleep)

    async def label(self, text: str, labels: Sequence[str], several: bool = False) -> str:
        """One of `labels` for the text; with `several` the name of the set of those that fit
        (`tasks.label_sets`). Raises NoAnswerError."""
        listed = "\n".join(labels)
        known = {label.casefold(): label for label in labels} | {label: label for label in labels}
        none = "none" if "none" not in known else "no label"
        prompt = PROMPT_SEVERAL if several else PROMPT
        body = {
            "messages": [
                {"role": "system", "content": prompt.format(labels=listed, none=none)},
                {"role": "user", "content": text},
            ],
            "temperature": 0,
        }
        answer = await self.chat(body)
        said = _content(answer).strip()
        if not several:
            return _known(said, known)
        if said.strip(AROUND).casefold() == none:
            return name_of([])
        if not said:
            raise NoAnswerError("no_label", "the fallback's answer is empty")
        return name_of(_known(line, known) for line in said.splitlines() if line.strip())

    async def mark(self, text: str, marking: Marking) -> Marked:
        """Spans of the text, and its label and calls where they are asked for. Raises
        NoAnswerError."""
        answer = await self.chat(marking.request(text))
        found = marking.read(_content(answer), text)
        if found is None:
            raise NoAnswerError("no_label", "the fallback's answer is not the JSON asked for")
        return found

    async def say(self, messages: Sequence[Mapping[str, Any]]) -> str:
        """What it says to these messages, in words of its own. Raises NoAnswerError."""
        said = _content(await self.chat({"messages": list(messages)})).strip()
        if not said:
            raise NoAnswerError("no_label", "the fallback's answer is empty")
        return said

    async def chat(self, body: Mapping[str, Any]) -> dict[str, Any]:
        """The endpoint's answer to a chat completion, `model` put in. Raises NoAnswerError."""
        asking = False
        try:
            async with asyncio.timeout(self.deadline_s), self.turns:
                asking = True
                self.circuit.check()  # in its turn: the requests before it may have opened it
                self.spending.check()
                answer = await self._with_retries(self._asked(body))
        except TimeoutError:
            if asking:
                self.circuit.record(False)
            raise NoAnswerError("deadline", f"no answer within {self.deadline_s:g} s") from None
        usage = answer.get("usage")
        if not isinstance(usage, dict):
            usage = {}
        tokens = [usage.get(key) for key in ("prompt_tokens", "completion_tokens")]
        counted = [count if isinstance(count, int) and count > 0 else 0 for count in tokens]
        self.spending.add(self.price(*counted))
        return answer

    def _asked(self, body: Mapping[str, Any]) -> dict[str, Any]:
        # Options of a stream are refused where none is asked for.
        kept = {key: value for key, value in body.items() if key != "stream_options"}
        return {**kept, "model": self.model, "stream": False}

    async def _with_retries(self, body: Mapping[str, Any]) -> dict[str, Any]:
        for attempt in range(self.retries + 1):
            try:
                return await self._once(body)
            except _MayPassError as error:
                if attempt == self.retries:
                    raise NoAnswerError("failed", str(error)) from None
                pause = error.after or FIRST_PAUSE_S * 2**attempt * random.uniform(0.5, 1.5)
                await self.pause(min(MOST_PAUSE_S, pause))
                self.circuit.check()
        raise AssertionError("the last attempt returns or raises")

    async def _once(self, body: Mapping[str, Any]) -> dict[str, Any]:
        headers = {"Authorization": f"Bearer {self.key.value}"} if self.key else {}
        try:
            response = await self.client.post(
                f"{self.url.rstrip('/')}/chat/completions",
                json=body,
                headers=headers,
                timeout=self.deadline_s,
            )
        except httpx.HTTPError as error:
            self.circuit.record(False)
            raise _MayPassError(f"cannot reach the fallback: {type(error).__name__}") from None
        if response.status_code in RETRIED:
            self.circuit.record(False)
            raise _MayPassError(
                f"the fallback answered {response.status_code}", _seconds(response.headers)
            )
        if response.status_code != 200:
            # It works and will not take this request: no reason to open the circuit.
            self.circuit.record(True)
            raise NoAnswerError("refused", f"the fallback answered {response.status_code}")
        try:
            answer = response.json()
        except ValueError:
            answer = None
        if not isinstance(answer, dict):
            self.circuit.record(False)
            raise NoAnswerError("failed", "the fallback's answer is no JSON object")
        self.circuit.record(True)
        return answer


class _MayPassError(Exception):
    """A failure that another try may not meet. after: seconds that the endpoint asks for."""

    def __init__(self, message: str, after: float | None = None) -> None:
        super().__init__(message)
        self.after = after


def _content(answer: Mapping[str, Any]) -> str:
    try:
        said = answer["choices"][0]["message"]["content"]
    except (KeyError, IndexError, TypeError):
        said = None
    if not isinstance(said, str):
        raise NoAnswerError("no_label", "the fallback's answer has no text")
    return said


def _known(said: str, known: Mapping[str, str]) -> str:
    """The label that was said. known: labels by themselves and in lower case."""
    for form in (said.strip(), said.strip(AROUND)):
        label = known.get(form) or known.get(form.casefold())
        if label is not None:
            return label
    shown = said.strip(AROUND)[:80]
    raise NoAnswerError("no_label", f"the fallback answered {shown!r}, which is no label")


def _seconds(headers: Mapping[str, str]) -> float | None:
    try:
        return max(0.0, float(headers["retry-after"]))
    except (KeyError, ValueError):  # not there, or a date
        return None


@dataclass(frozen=True, slots=True)
class PersonDesk:
    """A webhook that puts a text before a person; the answer comes by another way."""

    url: str
    client: httpx.AsyncClient
    authorization: Secret | None = None
    deadline_s: float = 5.0

    async def hand_over(self, case: Mapping[str, Any]) -> None:
        """Deliver the case. Raises NoAnswerError where the desk did not take it."""
        headers = {"Authorization": self.authorization.value} if self.authorization else {}
        try:
            response = await self.client.post(
                self.url, json=case, headers=headers, timeout=self.deadline_s
            )
        except httpx.HTTPError as error:
            raise NoAnswerError(
                "failed", f"cannot reach the desk: {type(error).__name__}"
            ) from None
        if not response.is_success:
            raise NoAnswerError("refused", f"the desk answered {response.status_code}")
