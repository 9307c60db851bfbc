"""A customer of the sale day: reads the desk's replies as one would, and says what comes next.

What the desk asks for is known by its phrases, as a customer knows it by its words; nothing inside
the desk is looked at.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import cache
from typing import Any

from desk.dialog.say import phrases
from measure.peak_scripts import Script

MOST_ANSWERS = 8  # to questions about one request; then the customer goes on
_HOLE = re.compile(r"\{[^{}]*\}")
#: Beginnings of phrases' names -> the answer that a script may have for them.
_ASKS = {
    "ask.order_number": "order_number",
    "order.not_found": "order_number",
    "ask.email": "email",
    "ask.account_email": "email",
    "ask.contact_email": "email",
    "ask.matching": "matching",
    "ask.which_product": "product",
    "ask.no_such_product": "product",
    "ask.which_of_products": "product",
    "ask.which": "which",
    "ask.product": "product",
    "ask.address": "address",
    "ask.account_address": "address",
    "refused.bad_address": "address",
    "ask.size": "size",
    "ask.variant": "size",
    "ask.change": "size",
    "refused.out_of_stock": "size",
    "refused.no_such_variant": "size",
    "refused.which_variant": "size",
    "refused.not_exchangeable": "size",
    "refused.bad_quantity": "size",
    "ask.pin": "code",
    "ask.code": "code",
    "confirm.": "confirm",
    "meant": "meant",
    "offer.": "offer",
    "choose": "number",
    "ask.page": "number",
}
_YES = ("confirm", "meant", "offer")


class Customer:
    """`first`, then `next` after every reply, until it gives None."""

    def __init__(self, script: Script) -> None:
        self._openings = list(script.says)
        self._then = list(script.then)
        self._answers = {asked: list(given) for asked, given in script.answers.items()}
        self._left = MOST_ANSWERS
        #: What the message that was given last answers: "confirm" where it is consent or its lack.
        self.answering: str | None = None

    def first(self) -> str:
        return self._openings.pop(0)

    def next(self, reply: Mapping[str, Any]) -> str | None:
        """What the customer says to it; None where there is nothing more to say."""
        self.answering = None
        if reply["handed"]:
            return None
        if self._openings:
            return self._openings.pop(0)
        asked = what_is_asked(reply["texts"][-1]) if reply["texts"] else None
        if asked is not None and self._left:
            self._left -= 1
            self.answering = asked
            return self._answer(asked)
        self._left = MOST_ANSWERS
        return self._then.pop(0) if self._then else None

    def _answer(self, asked: str) -> str:
        if asked == "number":
            return "1"  # a load has no opinion: the first of those offered
        tried = {"matching": ("email", "order_number"), "which": ("which", "order_number")}
        for name in tried.get(asked, ("confirm",) if asked in _YES else (asked,)):
            if given := self._answers.get(name):
                return given.pop(0) if len(given) > 1 else given[0]
        return "yes" if asked in _YES else "I don't have that"


def what_is_asked(text: str) -> str | None:
    """The answer that a text of the desk wants; None where it asks for nothing."""
    for what, pattern in _patterns():
        if pattern.fullmatch(text):
            return what
    return None


@cache
def _patterns() -> tuple[tuple[str, re.Pattern[str]], ...]:
    found = []
    for name, template in phrases("en").templates.items():
        what = next((w for start, w in _ASKS.items() if name.startswith(start)), None)
        if what is None:
            continue
        # Where a fact is empty, the blanks around it have become one.
        parts = (r"\s*".join(map(re.escape, part.split(" "))) for part in _HOLE.split(template))
        found.append((len(template), what, re.compile(".*?".join(parts), re.S)))
    found.sort(key=lambda one: -one[0])  # what has the most words of its own is meant
    return tuple((what, pattern) for _, what, pattern in found)
