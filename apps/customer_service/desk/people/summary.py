"""What an agent reads first: what the customer wants, what was done, what nobody is sure of.

Made of what the conversation remembers and of templates. Nothing here is generated: a suggested
reply is a help page's words or a greeting that names what is known, for the agent to change.
"""

from __future__ import annotations

import tomllib
from collections.abc import Mapping, Sequence
from functools import cache
from importlib.resources import files
from typing import Any

from desk.dialog.say import Phrases
from desk.dialog.state import Conversation, Wish
from desk.types import Knows, Reason, Turn

_WHY: Mapping[Reason, str] = {
    "asked": "The customer asked for a person.",
    "unsure": "The desk did not understand, twice.",
    "anger": "The customer is angry.",
    "failures": "Two requests in a row could not be dealt with.",
    "not_possible": "What the customer wants is not for the desk to do.",
    "identity": "Three wrong pairs of order number and e-mail address.",
}
_ASKED = {
    "order_number": "the order number",
    "email": "the e-mail address",
    "matching": "a matching order number and e-mail address",
    "product": "the item",
    "address": "the address",
    "size": "the size or color",
    "code": "the code",
    "card": "the gift card",
    "which": "which order",
    "confirm": "a yes",
    "meant": "whether this was meant",
    "offer": "whether to go on",
}


def summary(handed: Conversation, reason: Reason, done: Sequence[str]) -> list[tuple[str, str]]:
    """Pairs of a heading and what stands below it, in English. done: names of actions."""
    found = [("Why", _WHY[reason]), ("Customer", _who(handed))]
    found += [("Wants", _wish(wish)) for wish in handed.wishes]
    if handed.settled is not None:
        found.append(("Dealt with before", _wish(handed.settled)))
    if done:
        found.append(("Done by the desk", ", ".join(name.replace("_", " ") for name in done)))
    if handed.orders:
        found.append(("Orders talked about", ", ".join(handed.orders)))
    return found


def unsure(handed: Conversation) -> list[tuple[str, float]]:
    """What the model took the last unclear message for, the likeliest first."""
    return sorted(handed.unsure, key=lambda pair: -pair[1])


def suggested(
    handed: Conversation, reason: Reason, turns: Sequence[Turn], agent: str, knows: Knows | None
) -> list[dict[str, Any]]:
    """Replies to begin with, the likeliest first: their text, and the help page they are from."""
    say = _phrases(handed.language)
    number = handed.orders[0] if handed.orders else None
    found: list[dict[str, Any]] = []
    asked = _last_question(handed, turns)
    passage = knows(asked) if knows is not None and asked else None
    if passage is not None:
        text = say("page", agent=agent, text=passage.text)
        found.append({"text": text, "source": passage.document, "title": passage.title})
    about = say("about", number=number) if number else say("read")
    text = say(reason, agent=agent, about=about)
    return [*found, {"text": text, "source": None, "title": None}]


def _last_question(handed: Conversation, turns: Sequence[Turn]) -> str:
    """The customer's words for what is not dealt with; asking for a person says nothing."""
    if handed.wish is not None:
        return handed.wish.text
    said = [turn for turn in turns if turn.said_by == "customer"]
    meant = [turn.text for turn in said if "speak_to_person" not in turn.intents]
    return meant[-1] if meant else ""


def _who(handed: Conversation) -> str:
    if handed.authenticated:
        return f"{handed.authenticated}, logged in"
    if handed.proven:
        return f"{handed.proven}, by order number and e-mail address"
    tries = f"; wrong pairs: {handed.tries}" if handed.tries else ""
    named = f"; says {handed.email}" if handed.email else ""
    return f"not known who it is{named}{tries}"


def _wish(wish: Wish) -> str:
    slots = ", ".join(f"{name.replace('_', ' ')} {value}" for name, value in wish.slots.items())
    asked = [
        f"{_ASKED.get(what, what)}{f' {times} times' if times > 1 else ''}"
        for what, times in wish.asked.items()
    ]
    parts = [wish.intent.replace("_", " "), f"({slots})" if slots else ""]
    if asked:
        parts.append(f"– asked for {', '.join(asked)}")
    if wish.agreed:
        parts.append("– agreed")
    return " ".join(part for part in parts if part)


@cache
def _phrases(language: str) -> Phrases:
    tables = tomllib.loads((files(__package__) / "replies.toml").read_text(encoding="utf-8"))
    short = language.lower().replace("_", "-").partition("-")[0]
    name = short if short in tables else "en"
    return Phrases(name, tables[name])
