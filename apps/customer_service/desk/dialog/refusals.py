"""What is said, and done next, where the shop's state forbids what was asked."""

from __future__ import annotations

from dataclasses import replace

from desk.dialog.talk import HandOver, Talk
from desk.shop.results import NotPossible

#: Another color, size or quantity may do.
_ANOTHER = ("no_such_variant", "which_variant", "out_of_stock", "not_exchangeable", "bad_quantity")


def refuse(talk: Talk, refusal: NotPossible) -> bool:
    """Tell why not. True: the wish goes on, in another form. Raises Ask where another answer would
    do, HandOver where people can do what the desk cannot."""
    wish, code = talk.wish, refusal.code
    facts = {"number": talk.conversation.orders[0] if talk.conversation.orders else ""}
    facts |= refusal.facts
    if code == "bad_address":
        talk.put(address=None)
        raise talk.ask("address", "refused.bad_address", **facts)
    if code == "last_item":
        number = facts["number"]
        talk.tell("refused.last_item", **facts)
        cancel = replace(
            wish, intent="cancel_order", number=wish.number + 50, asked={}, agreed=False
        )
        talk.conversation = talk.conversation.with_wish(cancel.with_slots(order_number=number))
        return True
    name = _phrase(talk, wish.intent, code, facts)
    if code in _ANOTHER and wish.intent in ("exchange_item", "change_order"):
        if wish.slots.get("refused") == str(sorted(facts.items())):
            talk.tell("dropped.any")  # why, was told before
            return False
        talk.put(size=None, refused=str(sorted(facts.items())))
        # What was wanted at first is not to be had: it must not be read again.
        talk.conversation = talk.conversation.with_wish(replace(talk.wish, text=""))
        raise talk.ask("size", name, **facts)
    talk.tell(name, **facts)
    if code == "large_item":
        raise HandOver("not_possible")
    return False


def _phrase(talk: Talk, intent: str, code: str, facts: dict[str, str]) -> str:
    """The most exact template there is: of the intent, and of what is known."""
    known = {
        "too_late": "_minutes" if facts.get("minutes") else "",
        "already_dispatched": _left(facts),
        "not_delivered": "_day" if facts.get("expected") else "",
        "out_of_stock": "_day" if facts.get("restock") else "",
        "not_late_yet": "",
    }.get(code, "")
    for name in (f"refused.{intent}.{code}{known}", f"refused.{code}{known}", f"refused.{code}"):
        if talk.say.has(name):
            return name
    return "refused.any"


def _left(facts: dict[str, str]) -> str:
    if facts.get("state") in ("delivered", "returned", "refunded"):
        return "_arrived"
    return "_day" if facts.get("expected") else ""
