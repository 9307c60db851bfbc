"""Which order, and which of its items, a wish is about; and whose they are.

An order is shown to whom it belongs: the channel has authenticated the customer, or order number
and e-mail address belong together. A number that is somebody else's and one that does not exist
get the same answer, and both count as a wrong try.
"""

from __future__ import annotations

from collections.abc import Collection

from desk.dialog import reading, tone
from desk.dialog.talk import MOST_TRIES, HandOver, Settled, Talk
from desk.shop.results import NotFound, Product
from desk.shop.search import matching
from desk.types import Item, Order, OrderState

#: How well a product's name must fit what was said.
FITS = 0.5


def order(talk: Talk, states: Collection[OrderState] = ()) -> Order:
    """The order that the wish is about. states: in which it makes sense, where the customer has
    several and names none. Raises Ask, HandOver, or Settled where there is no order at all."""
    number = talk.slot("order_number")
    if talk.conversation.customer is None:
        _prove(talk, number)
        number = talk.slot("order_number")
    customer = talk.conversation.customer
    assert customer is not None, "proven just now"
    if number is None:
        return _choose(talk, customer, states)
    try:
        found = talk.shop.order(customer, number)
    except NotFound:
        _wrong_try(talk)
        talk.put(order_number=None)
        raise talk.ask("order_number", "order.not_found", number=number) from None
    talk.change(orders=talk.conversation.talked_about(found.number).orders)
    return found


def customer(talk: Talk) -> str:
    """Whom the conversation is with, proven like an order's."""
    if talk.conversation.customer is None:
        _prove(talk, talk.slot("order_number"))
    known = talk.conversation.customer
    assert known is not None, "proven just now"
    return known


def item(talk: Talk, of: Order) -> Item:
    """The one item of an order that the wish is about."""
    found = _fitting(talk, of)
    if len(found) == 1:
        return found[0]
    said = talk.slot("product")
    suggest = [named(one) for one in found or of.items]
    if said and not found:
        talk.put(product=None)
    raise talk.ask("product", suggest=suggest[:6], number=of.number, items=", ".join(suggest))


def items(talk: Talk, of: Order) -> tuple[str, ...]:
    """The items that a wish is about, as sku; none means the whole order. Of those alike, like the
    same dress in two sizes, it is asked once which is meant; then all are."""
    if len(of.items) > 1 and tone.says_all(talk.slot("product") or talk.wish.text):
        return ()
    found = _fitting(talk, of)
    if talk.slot("product") and talk.wish.times_asked("product") and len(found) > 1:
        return tuple(one.sku for one in found)
    return (item(talk, of).sku,)


def _fitting(talk: Talk, of: Order) -> tuple[Item, ...]:
    """The items that the wish's words for a product fit: those that fit best, else those whose
    name stands in them."""
    said = talk.slot("product")
    if len(of.items) == 1 or not said:
        return of.items
    lowered = said.casefold()
    return matching(of.items, said) or tuple(i for i in of.items if i.name.casefold() in lowered)


def named(one: Item) -> str:
    """As a customer would say it. In the language of the shop's list."""
    details = [detail for detail in (one.color, one.size) if detail]
    return f"{one.name} ({' '.join(details)})" if details else one.name


def product_of(talk: Talk, one: Item) -> Product | None:
    """What the shop sells of an ordered item, with its other colors and sizes."""
    for product in talk.shop.products(one.name):
        if any(variant.sku == one.sku for variant in product.variants):
            return product
    return None


def _prove(talk: Talk, number: str | None) -> None:
    """Find out who this is by order number and e-mail address."""
    email = talk.conversation.email
    if number is None:
        raise talk.ask("order_number")
    if email is None:
        raise talk.ask("email")
    try:
        talk.change(proven=talk.shop.identify(number, email))
    except NotFound:
        _wrong_try(talk)
        talk.put(order_number=None)
        talk.change(email=None)
        # Both stay known to the next turn, in case that it mends one of them alone.
        talk.put(tried_number=number, tried_email=email)
        raise talk.ask("matching", number=number) from None


def _wrong_try(talk: Talk) -> None:
    talk.change(tries=talk.conversation.tries + 1)
    if talk.conversation.tries >= MOST_TRIES:
        raise HandOver("identity")


def _choose(talk: Talk, customer: str, states: Collection[OrderState]) -> Order:
    """The order of a known customer who has named none."""
    found = talk.shop.orders(customer)
    if not found:
        talk.tell("order.none")
        raise Settled
    said = talk.slot("product")
    fitting = [one for one in found if said and matching(one.items, said)] or list(found)
    paid = reading.amount(talk.slot("amount") or "")
    fitting = [one for one in fitting if one.total == paid] or fitting
    last = talk.conversation.orders[0] if talk.conversation.orders else None
    if talk.slot("other"):
        fitting = [one for one in fitting if one.number != last] or fitting
    elif chosen := next((one for one in fitting if one.number == last), None):
        return chosen
    fitting = [one for one in fitting if one.state in states] or fitting
    if len(fitting) > 1:
        raise talk.ask(
            "which",
            suggest=[one.number for one in fitting],
            orders="; ".join(_shown(talk, one) for one in fitting),
        )
    talk.change(orders=talk.conversation.talked_about(fitting[0].number).orders)
    return fitting[0]


def _shown(talk: Talk, one: Order) -> str:
    first = named(one.items[0]) if one.items else ""
    more = f" +{len(one.items) - 1}" if len(one.items) > 1 else ""
    return talk.say("order.shown", number=one.number, items=f"{first}{more}", placed=one.placed)
