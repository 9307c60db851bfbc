"""What the shop's help pages answer. The page is shown as the source, never reworded."""

from __future__ import annotations

import re
from collections.abc import Sequence

from desk.dialog import reading
from desk.dialog.talk import HandOver, Settled, Talk
from desk.shop.results import NotFound
from desk.types import Passage

_CLAUSE = re.compile(
    r"(?<=[.?!;\n])\s+|\s+(?:and|also|plus|und|außerdem)\s+|,\s+(?=and|also|und)", re.I
)
_MOST_FAILURES = 2
NONE = "none"  # in place of a page's id: none of those offered


def from_pages(talk: Talk) -> None:
    """The page that surely answers; else the one that the customer chooses. Raises HandOver where
    the pages have failed twice in a row."""
    passage = best_passage(talk) or chosen_page(talk)
    if passage is None:
        talk.change(failures=talk.conversation.failures + 1)
        if talk.conversation.failures >= _MOST_FAILURES:
            raise HandOver("failures")
        talk.tell("help.nothing")
        raise Settled
    tell_passage(talk, passage)


def in_clauses(text: str) -> bool:
    """Whether a text may say more than one thing."""
    return len(_clauses(text)) > 1


def _clauses(text: str) -> list[str]:
    return [part for part in _CLAUSE.split(text) if len(part.split()) > 1]


def chosen_page(talk: Talk) -> Passage | None:
    """The page that the customer chooses among those about the wish's intent, or the only one; None
    where there is none, or none of them is it. Raises Ask."""
    near = offered(talk)
    if talk.slot("page") is None and len(near) > 1:
        names = [page.title for page in near]
        suggest = (*names, talk.say("form.else"))
        raise talk.ask("page", "ask.page", suggest=suggest, pages=numbered(names))
    fitting = [page for page in near if talk.slot("page") in (None, page.document)]
    return fitting[0] if fitting else None


def offered(talk: Talk) -> tuple[Passage, ...]:
    """The pages that the customer may choose from."""
    before = talk.slot("before")
    # A further question says too little by itself.
    asked = f"{before} {talk.wish.text}" if before else talk.wish.text
    return talk.knows.near(asked, talk.wish.intent)


def numbered(names: Sequence[str]) -> str:
    """For channels without buttons."""
    return "\n".join(f"{place}. {name}" for place, name in enumerate(names, 1))


def tell_passage(talk: Talk, passage: Passage) -> None:
    if talk.source is None:
        talk.source = passage
        talk.texts.append(passage.text)
    elif talk.source.document != passage.document:
        # A reply shows one source; a second one is named in the text.
        talk.tell("help.second", title=passage.title, text=passage.text)


def best_passage(talk: Talk) -> Passage | None:
    """For the wish's words; of a message with several requests, for the clause that fits best and
    is not answered yet; of a follow-up, for its words after those of before, too."""
    text = talk.wish.text
    clauses = _clauses(text)
    asked = [*clauses, text] if talk.several and len(clauses) > 1 else [text]
    before = talk.slot("before")
    if before:
        asked.append(f"{before} {text}")
    told = talk.source.document if talk.source else None
    found = [passage for one in asked if (passage := talk.knows(one)) is not None]
    new = [passage for passage in found if passage.document != told] or found
    return max(new, key=lambda passage: passage.score, default=None)


def promo_code(talk: Talk) -> None:
    codes = reading.promo_codes(talk.wish.text)
    code = talk.slot("code") or (codes[0] if codes else None)
    if code is None:
        from_pages(talk)
        return
    try:
        done = talk.shop.promo_code(code, customer=talk.conversation.customer)
    except NotFound:
        talk.tell("promo_code.unknown", code=code)
        return
    facts = dict(done.facts)
    if facts["valid"] == "yes":
        talk.tell("promo_code.percent" if facts.get("percent") else "promo_code.amount", **facts)
        if facts.get("minimum"):
            talk.tell("promo_code.needs", **facts)
    else:
        talk.tell(f"promo_code.{facts['why']}", **facts)


def gift_card(talk: Talk) -> None:
    code = talk.slot("card") or reading.gift_card(talk.wish.text)
    if code is None:
        from_pages(talk)
        return
    pin = talk.slot("code")
    if pin is None:
        talk.put(card=code)
        raise talk.ask("code", "ask.pin")
    try:
        done = talk.shop.gift_card(code, pin)
    except NotFound:
        # Whoever guesses is stopped like whoever guesses orders.
        talk.change(tries=talk.conversation.tries + 1)
        if talk.conversation.tries >= 3:
            raise HandOver("identity") from None
        talk.put(card=None, code=None)
        talk.tell("gift_card.unknown")
        return
    talk.tell(
        "gift_card.expired" if done.facts["expired"] == "yes" else "gift_card.balance", **done.facts
    )
