"""What the customer chooses from where the desk is not sure: what is wanted, and which page helps.

So an answer comes from what the customer has said, where the model alone would be guessing.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from desk.dialog import reading, tone
from desk.dialog.flows.pages import NONE, numbered, offered
from desk.dialog.state import Wish
from desk.dialog.talk import Ask, HandOver, Talk
from desk.dialog.wishes import real
from desk.types import Understood

MOST = 4
MOST_DECLINED = 2  # in a row; then a person takes over
_NONE = re.compile(r"\W*(?:none|neither|keine?s?|nichts)(?: (?:of|von|davon).*)?\W*", re.I)
_NUMBER = re.compile(r"\W*([1-9])\W*")


def meant(talk: Talk, intent: str) -> Ask:
    """To be raised: whether this is what was meant."""
    said = talk.say("meant", meant=talk.say(f"intent.{intent}"))
    return Ask("meant", said, (talk.say("form.yes"), talk.say("form.no")))


def choice(talk: Talk) -> Ask:
    """To be raised: which of what the model takes the message for it is."""
    names = [talk.say(f"choice.{intent}") for intent, _ in talk.conversation.unsure]
    return Ask("choice", talk.say("choose", choices=numbered(names)), (*names, _else(talk)))


def take_choice(talk: Talk, understood: Understood) -> bool:
    """Read which it is, or which ones, into wishes. False: it is none of them, and the wish in hand
    is gone."""
    intents = [intent for intent, _ in talk.conversation.unsure]
    names = [talk.say(f"choice.{intent}") for intent in intents]
    chosen = [intents[place] for place in _several(talk, names)]
    if not chosen and not _nothing(talk):
        # In other words, which may say it better than the first ones did.
        again = {one.intent: None for one in real(understood.requests) if one.intent in intents}
        chosen = [*again] if len(again) == 1 else []
    wish, waiting = talk.wish, talk.conversation.wishes[1:]
    if not chosen:
        talk.change(wishes=waiting)
        return False
    meant = tuple(
        Wish(intent, wish.text, wish.key, place, wish.slots) for place, intent in enumerate(chosen)
    )
    talk.several = len(chosen) > 1
    talk.change(unclear=0, wishes=(*meant, *waiting))
    numbers = reading.order_numbers(talk.text)
    if numbers:
        talk.put(order_number=numbers[0])
    return True


def decline(talk: Talk) -> None:
    """It is none of what was offered. Raises HandOver the second time in a row."""
    if talk.conversation.unclear >= MOST_DECLINED:
        raise HandOver("unsure")
    talk.tell("unclear_again")


def declined(talk: Talk) -> bool:
    """Whether the customer said that it is none of what was offered, and no more."""
    return _nothing(talk)


def take_page(talk: Talk, understood: Understood) -> bool:
    """Read which page it is. False: the message is about something else."""
    pages = offered(talk)
    said = _chosen(talk, [page.title for page in pages])
    if said is not None:
        talk.put(page=pages[said].document)
        return True
    if _nothing(talk):
        talk.put(page=NONE)
        return True
    return False


def _several(talk: Talk, names: Sequence[str]) -> list[int]:
    """The places of all that a message names: by their words, by numbers ("1 and 3"), by place."""
    words = re.findall(r"\w+", talk.text)
    numbers = [int(word) for word in words if word.isdecimal() and len(word) == 1]
    if numbers and len(words) <= 2 * len(numbers) and max(numbers) <= len(names):
        return sorted({number - 1 for number in numbers if number})
    said = talk.text.casefold()
    named = [place for place, name in enumerate(names) if name.casefold() in said]
    if len(named) > 1:
        return named
    one = _chosen(talk, names)
    return [] if one is None else [one]


def _chosen(talk: Talk, names: Sequence[str]) -> int | None:
    """The place of the one that a message names by its words, its number or its place."""
    if (number := _NUMBER.fullmatch(talk.text)) and int(number[1]) <= len(names):
        return int(number[1]) - 1
    if _same(talk.text, _else(talk)):
        return None
    exact = [place for place, name in enumerate(names) if _same(talk.text, name)]
    if exact:
        return exact[0]
    named = reading.chosen(talk.text, names)
    return None if named is None else list(names).index(named)


def _same(one: str, other: str) -> bool:
    said, named = (re.sub(r"\W+", " ", text).strip().casefold() for text in (one, other))
    return said == named


def _else(talk: Talk) -> str:
    return talk.say("form.else")


def _nothing(talk: Talk) -> bool:
    if _same(talk.text, _else(talk)) or _NONE.fullmatch(talk.text):
        return True
    return tone.consents(talk.text) is False and len(talk.text.split()) <= 5
