"""From what a message asks for, to wishes in the order in which they are dealt with."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from desk.dialog import reading, tone
from desk.dialog.flows import FLOWS
from desk.dialog.state import Conversation, Wish
from desk.dialog.talk import Talk
from desk.types import Request

#: Intents that go on about the product that was asked about before.
_PRODUCTS = ("product_availability", "product_question")
_READ_ONLY = ("order_status", "refund_status", *_PRODUCTS)


def real(requests: Sequence[Request]) -> list[Request]:
    """Those that something is done about, each once."""
    found: list[Request] = []
    for request in requests:
        if request.intent in FLOWS and request not in found:
            found.append(request)
    return found


def only_looks(intent: str) -> bool:
    """Whether dealing with it changes nothing."""
    return intent in _READ_ONLY or FLOWS[intent].at_once


def begin(talk: Talk, requests: Sequence[Request]) -> None:
    """Put new wishes before those that wait: first what needs no question, last complaints, else
    as they were said."""
    wishes = [_wish(talk, request, place, requests) for place, request in enumerate(requests)]
    # Of one kind, a second wish without a word of its own is the first one again.
    kept = [
        wish
        for place, wish in enumerate(wishes)
        if all(one.intent != wish.intent for one in wishes[:place])
        or wish.slots.get("order_number")
        not in {one.slots.get("order_number") for one in wishes[:place]} | {None}
    ]
    kept.sort(key=lambda wish: (not FLOWS[wish.intent].at_once, FLOWS[wish.intent].last))
    waiting = [
        wish
        for wish in talk.conversation.wishes
        if all((wish.intent, wish.slots) != (one.intent, one.slots) for one in kept)
    ]
    talk.several = len(kept) > 1
    talk.change(wishes=(*kept, *waiting), asking=None)


def follow_up(talk: Talk, requests: Sequence[Request] = ()) -> bool:
    """Take a message that says too little by itself for going on with the last wish: another order,
    another product, a further question about the same. False where it does not."""
    before = talk.conversation.settled
    if before is None or before.intent not in FLOWS:
        return False
    if requests and requests[0].intent != before.intent:
        return False
    flow = FLOWS[before.intent]
    request = Request(before.intent, requests[0].slots if requests else {})
    names_more = bool(
        reading.order_numbers(talk.text)
        or tone.says_other(talk.text)
        or request.slots.get("product")
    )
    if not tone.follows_on(talk.text) and not (names_more and len(talk.text.split()) <= 8):
        return False
    if flow.order and not names_more and before.intent not in _READ_ONLY:
        return False
    if not (flow.order or flow.at_once or before.intent in (*_PRODUCTS, "gift_card")):
        return False
    begin(talk, (request,))
    return True


def _wish(talk: Talk, request: Request, place: int, requests: Sequence[Request]) -> Wish:
    slots: dict[str, str] = {
        name: values[0] for name, values in request.slots.items() if values and values[0]
    }
    slots.pop("email", None)  # of the conversation
    number = _number(talk.text, slots.pop("order_number", None), request, place, requests)
    if number:
        slots["order_number"] = number
    flow, conversation = FLOWS[request.intent], talk.conversation
    if flow.order and not number and conversation.orders and tone.says_other(talk.text):
        slots["other"] = "yes"
    said = slots.pop("address", None)
    if said and (whole := reading.whole_address(talk.text, said)):
        slots["address"] = whole
    if request.intent == "change_address":
        if not number and reading.means_account(talk.text):
            slots["account"] = "yes"
        if "address" not in slots:
            slots.pop("product", None)
    slots.update(_from_before(conversation, request.intent, slots))
    return Wish(request.intent, talk.text, talk.key, place, slots)


def _number(
    text: str, said: str | None, request: Request, place: int, requests: Sequence[Request]
) -> str | None:
    """The order number of one of several requests: the one that the model gives it; else the only
    one of the message, or the one at its place where there are as many as requests."""
    if said and (found := reading.order_numbers(said)):
        return found[0]
    if not FLOWS[request.intent].order:
        return None
    there = reading.order_numbers(text, only_marked=bool(request.slots.get("address")))
    if len(there) == 1:
        return there[0]
    if len(there) == len(requests):
        return there[place]
    taken = {
        n
        for one in requests
        for v in one.slots.get("order_number", ())
        for n in reading.order_numbers(v)
    }
    return next((number for number in there if number not in taken), None)


def _from_before(conversation: Conversation, intent: str, slots: dict[str, str]) -> dict[str, str]:
    """What a new wish takes over from the last one that was dealt with."""
    before = conversation.settled
    if before is None:
        return {}
    found = {}
    if before.intent == intent:
        found["before"] = before.text[:300]
    if intent in _PRODUCTS and "product" not in slots and "product" in before.slots:
        found["product"] = before.slots["product"]
    return found


def more_orders(talk: Talk, numbers: Sequence[str]) -> None:
    """Several numbers in answer to one question: they are for the wishes that wait, in order; what
    is left is asked about, too, where asking changes nothing."""
    first, *rest = numbers
    talk.put(order_number=first)
    wishes = list(talk.conversation.wishes)
    for place, wish in enumerate(wishes[1:], 1):
        if rest and FLOWS[wish.intent].order and "order_number" not in wish.slots:
            wishes[place] = wish.with_slots(order_number=rest.pop(0))
    if wishes[0].intent in _READ_ONLY:
        again = [
            replace(wishes[0], number=10 + place, asked={}).with_slots(order_number=number)
            for place, number in enumerate(rest[:3])
        ]
        wishes[1:1] = again
    talk.change(wishes=tuple(wishes))
