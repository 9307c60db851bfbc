"""What the small model is unsure of, asked of a large one: `Understands` around `Understands`.

A large model's answer is function calls, checked here: unknown functions go, and so does every
slot value that does not stand in the message. So a message that talks to the large model gains
nothing by it: it can only bring about requests that the customer could have made, of which each
goes the same way, with proof of identity and confirmation. `affirm` is not taken from it, and while
the desk waits for a yes it is not asked at all: no consent hangs on it.

Where it fails, is late, costs too much or is not to be asked, the small model's abstention stands.
"""

from __future__ import annotations

import json
import logging
import re
import time
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from concurrent.futures import TimeoutError as Late
from dataclasses import replace
from pathlib import Path
from threading import BoundedSemaphore
from typing import Any, get_args

from desk.dialog import tone
from desk.dialog.flows import FLOWS
from desk.dialog.large_asking import Asking, Endpoint, Failed
from desk.dialog.large_budget import Breaker, Budget, InProcess, InSql
from desk.dialog.large_personal import redacted
from desk.dialog.large_settings import Large
from desk.dialog.turn import taken
from desk.secret import SettingsError
from desk.types import Asked, AskOutcome, Request, Slot, Understands, Understood

_LOG = logging.getLogger(__name__)
#: A large model says of nothing how likely it is. Just enough for a request beside an answer.
SCORE = 0.75
_MOST_CALLS, _MOST_VALUES = 5, 5
_PERSONAL: tuple[Slot, ...] = ("address", "email", "order_number")
_SHORT = 6  # words of an answer to what was asked, which rules read
_SLOTS: tuple[Slot, ...] = get_args(Slot)
#: What the policy knows beside the flows. Not affirm: see above.
_TALK = {"speak_to_person", "greeting", "thanks", "deny"}
_FAULTS = ("late", "failed", "broken")


class LargeUnderstands:
    """functions: of the small model, as OpenAI's `tools` (`understanding.tools_of`, or
    `read_functions`). Raises SettingsError where there are none, or the budget's URL is none."""

    def __init__(
        self,
        small: Understands,
        settings: Large,
        functions: Sequence[Mapping[str, Any]],
        breaker: Breaker | None = None,
    ) -> None:
        known = FLOWS.keys() | _TALK
        offered = [one for one in functions if one["function"]["name"] in known]
        if not offered:
            raise SettingsError(
                "large: the small model knows no functions that it could be asked for"
            )
        self._small, self._settings = small, settings
        self._slots = {one["function"]["name"]: _slots_of(one["function"]) for one in offered}
        self._budget = _budget(settings)
        self._endpoint = Endpoint(settings, offered, self._budget)
        self._breaker = breaker or Breaker()
        self._places = BoundedSemaphore(settings.at_once)
        self._threads = ThreadPoolExecutor(settings.at_once, "desk-large")

    def __call__(self, text: str) -> Understood:
        understood = self._small(text)
        if not understood.abstained or not self._worth(text):
            return understood
        try:
            requests, asked = self._ask(text, understood)
        except Failed as failed:
            return replace(understood, large=Asked(failed.outcome))
        except Exception:
            _LOG.exception("the large model could not be asked")
            return replace(understood, large=Asked("failed"))
        if requests is None:
            return replace(understood, large=asked)
        return Understood(requests, large=asked)

    def close(self) -> None:
        self._threads.shutdown(wait=True, cancel_futures=True)
        self._endpoint.close()
        self._budget.close()

    def _worth(self, text: str) -> bool:
        """Not for what rules read better, nor for a yes that something irreversible hangs on."""
        conversation = taken()
        languages = self._settings.languages
        if languages and (conversation is None or _short(conversation.language) not in languages):
            return False
        if not any(c.isalpha() for c in text) or tone.wants_person(text):
            return False
        if conversation is None:
            return True
        if conversation.wish is None:
            return conversation.settled is None or not _goes_on(text)
        if conversation.asking in (None, "meant", "offer"):
            return tone.consents(text) is None
        return conversation.asking != "confirm" and len(text.split()) > _SHORT

    def _ask(self, text: str, small: Understood) -> tuple[tuple[Request, ...] | None, Asked]:
        """The requests, None where the large model does not say. Raises Failed where it is not
        to be asked."""
        personal = redacted(text, _addresses(small) if self._settings.personal != "send" else ())
        if self._settings.personal == "withhold" and personal.pieces:
            raise Failed("personal")
        sent = personal.text if self._settings.personal == "redact" else text
        if not self._breaker.lets():
            raise Failed("paused")
        if not self._places.acquire(blocking=False):
            raise Failed("busy")
        deadline = self._settings.deadline_ms / 1000
        asking = Asking(sent, time.monotonic() + deadline)
        # In a thread of its own: looking up a host's name, for one, keeps to no deadline.
        future = self._threads.submit(self._in_thread, asking)
        outcome: AskOutcome
        try:
            outcome = future.result(deadline)
        except Late:
            outcome = "late"
        if outcome != "budget":
            self._breaker.tell(outcome not in _FAULTS)
        if outcome != "decided":
            return None, asking.asked(outcome)
        restored = personal.restored if self._settings.personal == "redact" else str
        requests = [self._request(name, given, text, restored) for name, given in asking.calls]
        kept = tuple(one for one in requests if one is not None)[:_MOST_CALLS]
        if asking.calls and not kept:
            return None, asking.asked("broken")  # nothing but what nobody knows
        return kept, asking.asked("decided")

    def _in_thread(self, asking: Asking) -> AskOutcome:
        try:
            self._endpoint.ask(asking)
        except Failed as failed:
            return failed.outcome
        finally:
            self._places.release()
        return "decided"

    def _request(
        self, name: str, given: Mapping[str, Any], text: str, restored: Any
    ) -> Request | None:
        if name not in self._slots:
            return None
        slots: dict[Slot, tuple[str, ...]] = {}
        for slot in self._slots[name]:
            values = given.get(slot)
            listed = values if isinstance(values, list) else [values]
            said = [restored(value) for value in listed[:_MOST_VALUES] if isinstance(value, str)]
            found = [piece for value in said if (piece := _standing(value, text))]
            if found:
                slots[slot] = tuple(dict.fromkeys(found))
        return Request(name, slots, SCORE)


def read_functions(path: str | Path) -> list[Mapping[str, Any]]:
    """Functions as OpenAI's `tools`, JSON. Raises SettingsError for a file that has none."""
    try:
        found = json.loads(Path(path).read_text(encoding="utf-8"))
        named = [one for one in found if isinstance(one["function"]["name"], str)]
    except (OSError, ValueError, LookupError, TypeError) as error:
        raise SettingsError(f"{path}: a list of functions is expected: {error}") from None
    return named


def _budget(settings: Large) -> Budget:
    pounds = settings.pounds_a_day
    most = (settings.requests_a_day, None if pounds is None else round(pounds * 1e6))
    try:
        return InProcess(*most) if settings.budget is None else InSql(settings.budget, *most)
    except ValueError as error:
        raise SettingsError(str(error)) from None


def _slots_of(function: Mapping[str, Any]) -> tuple[Slot, ...]:
    properties = function.get("parameters", {}).get("properties", {})
    return tuple(slot for slot in _SLOTS if slot in properties)


def _addresses(understood: Understood) -> list[str]:
    """What the small model, though unsure, has marked as personal."""
    return [
        value
        for request in understood.requests
        for slot in _PERSONAL
        for value in request.slots.get(slot, ())
    ]


def _standing(value: str, text: str) -> str | None:
    """The words of the text that a value is, in any case and with any blanks; None where it does
    not stand there."""
    words = value.split()
    if not words:
        return None
    pattern = r"\s+".join(re.escape(word) for word in words)
    found = re.search(rf"(?<!\w){pattern}(?!\w)", text, re.IGNORECASE)
    return found[0] if found else None


def _goes_on(text: str) -> bool:
    """Thanks, or a few words about what was dealt with, which the policy understands from there."""
    return tone.closes(text) or (tone.follows_on(text) and len(text.split()) <= _SHORT)


def _short(language: str) -> str:
    return language.lower().replace("_", "-").partition("-")[0]
