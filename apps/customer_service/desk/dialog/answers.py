"""What a message says to the question that the desk has just asked."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace

from desk.dialog import choices, finding, reading, tone
from desk.dialog.flows import FLOWS
from desk.dialog.flows.variants import wanted
from desk.dialog.state import Asking
from desk.dialog.talk import Talk
from desk.dialog.wishes import begin, more_orders, real
from desk.shop.search import matching
from desk.types import Order, Request, Slot, Understood

#: A request beside an answer counts only where the model is rather sure of it: short answers look
#: like requests.
_SURE = 0.7
_SHORT = 5  # words


def take(talk: Talk, understood: Understood) -> bool:
    """Read the answer into the wish in hand. True: the wish goes on. False: the message is about
    something else, and is to be read as a new one."""
    asking = talk.conversation.asking
    assert asking is not None
    talk.change(asking=None)
    if asking == "confirm":
        return _confirm(talk, understood)
    if asking in ("meant", "offer"):
        return _agree(talk, asking, understood)
    if asking == "choice":
        return choices.take_choice(talk, understood) or _none_of_them(talk)
    if asking == "page":
        return choices.take_page(talk, understood) or not _something_else(talk, understood)
    if _READERS[asking](talk, understood):
        _beside(talk, understood)
        return True
    if tone.retracts(talk.text):
        _drop(talk)
        return True
    return not _something_else(talk, understood)


def _confirm(talk: Talk, understood: Understood) -> bool:
    retracted = tone.retracts(talk.text)
    if not retracted and _correct(talk, understood):
        return True
    said = _consents(talk, understood)
    if said:
        talk.conversation = talk.conversation.with_wish(replace(talk.wish, agreed=True))
        _beside(talk, understood)
        return True
    if said is False:
        others = [one for one in _others(talk, understood) if one.intent != talk.wish.intent]
        _drop(talk)
        if others:
            begin(talk, others)
        return True
    return not _something_else(talk, understood)


def _correct(talk: Talk, understood: Understood) -> bool:
    """A change to what is to be confirmed: "no, the blue one", "yes, but to 12 Mill Lane"."""
    wish = talk.wish
    slots = _slots(understood)
    new: dict[str, str | None] = {}
    numbers = reading.order_numbers(talk.text, only_marked=wish.intent == "change_address")
    if numbers and numbers[0] not in (
        wish.slots.get("order_number"),
        *talk.conversation.orders[:1],
    ):
        new["order_number"] = numbers[0]
    if wish.intent == "change_address":
        address = slots.get("address") or reading.address(talk.text)
        if address and address.casefold() not in wish.slots.get("address", "").casefold():
            new["address"] = address
    elif wish.intent in ("exchange_item", "change_order") and _varies(talk):
        new["size"] = talk.text
    elif (product := slots.get("product")) and _other_item(talk, product):
        new["product"] = product
    if not new:
        return False
    talk.put(**new)
    return True


def _in_hand(talk: Talk) -> Order | None:
    customer, numbers = talk.conversation.customer, talk.conversation.orders
    return talk.shop.order(customer, numbers[0]) if customer and numbers else None


def _other_item(talk: Talk, product: str) -> bool:
    """Whether a phrase names an item of the order that is not the one in hand."""
    order = _in_hand(talk)
    if order is None:
        return False
    named, now = matching(order.items, product), matching(order.items, talk.slot("product") or "")
    return len(named) == 1 and named != now


def _varies(talk: Talk) -> bool:
    """Whether the message names another color, size or quantity than is to be confirmed."""
    order = _in_hand(talk)
    if order is None:
        return False
    before, quantities = talk.conversation, talk.wish.intent == "change_order"
    item = finding.item(talk, order)
    now = wanted(talk, item, quantities)
    # Without the words of before, which name what was wanted at first.
    talk.conversation = before.with_wish(replace(talk.wish, text="").with_slots(size=talk.text))
    then = wanted(talk, item, quantities)
    talk.conversation = before
    return bool(then) and then != now


def _consents(talk: Talk, understood: Understood) -> bool | None:
    """Yes or no, by the words, or by the model where the words are neither."""
    intents = {request.intent for request in understood.requests}
    said = tone.consents(talk.text)
    if said and intents == {"thanks"} and not tone.agrees_clearly(talk.text):
        return None  # "ok thanks, bye" is no yes
    if said is None and not understood.abstained:
        again = {talk.wish.intent} if talk.conversation.wish else set()
        if intents == again and not tone.asks(talk.text) and len(talk.text.split()) <= 5:
            return True  # "cancel it", to whether it is to be canceled
        return True if intents == {"affirm"} else False if intents == {"deny"} else None
    return said


def _agree(talk: Talk, asking: Asking, understood: Understood) -> bool:
    said = _consents(talk, understood)
    if said:
        if asking == "offer":
            talk.put(go="yes")
        talk.change(unclear=0)
        return True
    talk.change(wishes=talk.conversation.wishes[1:])
    if said is False:
        if asking == "offer":
            talk.tell("closing")
        else:
            choices.decline(talk)
        return True
    return False


def _none_of_them(talk: Talk) -> bool:
    """Whether that was all the message said."""
    if choices.declined(talk):
        choices.decline(talk)
        return True
    return False


def _order_number(talk: Talk, understood: Understood) -> bool:
    numbers = reading.order_numbers(talk.text)
    if numbers:
        more_orders(talk, numbers)
    return bool(numbers)


def _which(talk: Talk, understood: Understood) -> bool:
    if _order_number(talk, understood):
        return True
    customer = talk.conversation.customer
    orders = talk.shop.orders(customer) if customer else ()
    chosen = reading.chosen(talk.text, [one.number for one in orders])
    if chosen:
        talk.put(order_number=chosen)
        return True
    said = _slots(understood).get("product") or talk.text
    fitting = [one.number for one in orders if matching(one.items, said)]
    if len(fitting) == 1:
        talk.put(order_number=fitting[0])
    return len(fitting) == 1


def _email(talk: Talk, understood: Understood) -> bool:
    # The desk has taken the address itself; a number may come instead.
    numbers = reading.order_numbers(talk.text)
    if numbers and FLOWS[talk.wish.intent].order:
        talk.put(order_number=numbers[0])
    return reading.email(talk.text) is not None


def _matching(talk: Talk, understood: Understood) -> bool:
    numbers, email = reading.order_numbers(talk.text), reading.email(talk.text)
    if not numbers and not email:
        return False
    slots = talk.wish.slots
    talk.change(email=email or slots.get("tried_email"))
    number = numbers[0] if numbers else slots.get("tried_number")
    talk.put(order_number=number, tried_number=None, tried_email=None)
    return True


def _product(talk: Talk, understood: Understood) -> bool:
    # A short answer is the product's name; the model, which knows messages, may cut it.
    short = len(talk.text.split()) <= _SHORT
    said = None if short else _slots(understood).get("product")
    if said is None and _others(talk, understood) and tone.asks(talk.text):
        return False
    talk.put(product=said or talk.text[:200])
    return True


def _address(talk: Talk, understood: Understood) -> bool:
    address = _slots(understood).get("address") or reading.address(talk.text)
    talk.put(address=address or talk.slot("address"))
    return address is not None


def _size(talk: Talk, understood: Understood) -> bool:
    if tone.retracts(talk.text) or (_others(talk, understood) and tone.asks(talk.text)):
        return False
    talk.put(size=talk.text[:200])
    return True


def _code(talk: Talk, understood: Understood) -> bool:
    pin = reading.pin(talk.text)
    if pin:
        talk.put(code=pin)
    return pin is not None


_READERS: Mapping[Asking, Callable[[Talk, Understood], bool]] = {
    "order_number": _order_number,
    "which": _which,
    "email": _email,
    "matching": _matching,
    "product": _product,
    "address": _address,
    "size": _size,
    "code": _code,
}


def _slots(understood: Understood) -> dict[Slot, str]:
    """What the message names, whichever request the model takes it for."""
    found: dict[Slot, str] = {}
    for request in understood.requests:
        for name, values in request.slots.items():
            if values and values[0]:
                found.setdefault(name, values[0])
    return found


def _others(talk: Talk, understood: Understood) -> list[Request]:
    """Requests other than the one in hand that may be acted on."""
    if understood.abstained:
        return []
    return [
        one
        for one in real(understood.requests)
        if one.intent != talk.wish.intent and one.score >= _SURE
    ]


def _beside(talk: Talk, understood: Understood) -> None:
    """What an answer says besides: slots of the wish that lack, and a request of its own."""
    lacking = {
        name: value
        for name, value in _slots(understood).items()
        if name in ("product", "amount") and name not in talk.wish.slots and not talk.wish.agreed
    }
    if lacking:
        talk.put(**lacking)
    others = _others(talk, understood)
    waiting = {wish.intent for wish in talk.conversation.wishes}
    if others and tone.asks(talk.text) and len(talk.text.split()) > 6:
        new = [one for one in others if one.intent not in waiting]
        first, rest = talk.conversation.wishes[0], talk.conversation.wishes[1:]
        talk.change(wishes=rest)
        begin(talk, new)
        talk.change(wishes=(first, *talk.conversation.wishes))


def _something_else(talk: Talk, understood: Understood) -> bool:
    """Whether the message is a request of its own: it is dealt with first, then the one in hand."""
    return bool(_others(talk, understood))


def _drop(talk: Talk) -> None:
    name = f"dropped.{talk.wish.intent}"
    talk.tell(name if talk.say.has(name) else "dropped.any")
    talk.conversation = talk.conversation.without_wish()
