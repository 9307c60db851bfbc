"""Orders that have arrived: sending back, swapping, money back, and what went wrong with them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

from desk.dialog import finding, reading, tone
from desk.dialog.flows.variants import check_stock, joined, others_in_stock, wanted
from desk.dialog.talk import Settled, Talk
from desk.types import OrderState

_ARRIVED: tuple[OrderState, ...] = ("delivered",)
_BACK: tuple[OrderState, ...] = ("returned", "refunded", "canceled")


def start_return(talk: Talk) -> None:
    order = finding.order(talk, _ARRIVED)
    customer = finding.customer(talk)
    skus = finding.items(talk, order)
    if order.state == "delivered":
        chosen = [finding.named(item) for item in order.items if not skus or item.sku in skus]
        talk.confirm("confirm.return_item", number=order.number, products=", ".join(chosen))
    done = talk.do(lambda key: talk.shop.start_return(customer, order.number, skus, key=key))
    talk.tell("return_item.done", reference=done.reference, **done.facts)
    if done.facts.get("refund") == "gift_card":
        talk.tell("return_item.gift_card")


def start_exchange(talk: Talk) -> None:
    order = finding.order(talk, _ARRIVED)
    customer = finding.customer(talk)
    item = finding.item(talk, order)
    change = wanted(talk, item)
    if order.state == "delivered":
        if not change:
            options = others_in_stock(talk, item)
            if not options:
                talk.tell("exchange_item.none", product=finding.named(item))
                raise Settled
            raise talk.ask(
                "size",
                product=finding.named(item),
                options=", ".join(options[:8]),
                suggest=options[:6],
            )
        check_stock(talk, item, change)
        talk.confirm(
            "confirm.exchange_item",
            number=order.number,
            product=finding.named(item),
            change=change.shown(talk.say),
        )
    done = talk.do(
        lambda key: talk.shop.start_exchange(
            customer, order.number, item.sku, color=change.color, size=change.size, key=key
        )
    )
    variant = joined(done.facts.get("color"), done.facts.get("size"))
    talk.tell("exchange_item.done", reference=done.reference, variant=variant, **done.facts)


def refund(talk: Talk) -> None:
    order = finding.order(talk, _BACK)
    done = talk.shop.refund_status(finding.customer(talk), order.number)
    state = done.facts["state"]
    late = state == "sent" and bool(done.facts["due"]) and done.facts["due"] < str(talk.today)
    talk.tell(f"refund_status.{state}{'_late' if late else ''}", **done.facts)


def damaged(talk: Talk) -> None:
    _report(talk, "damaged")


def missing(talk: Talk) -> None:
    _report(talk, "missing")


def wrong(talk: Talk) -> None:
    _report(talk, "wrong")


def _report(talk: Talk, trouble: Literal["damaged", "missing", "wrong"]) -> None:
    order = finding.order(talk, ("delivered", "dispatched"))
    customer = finding.customer(talk)
    # Of a parcel that has not come, all is missing.
    skus = finding.items(talk, order) if order.state == "delivered" else ()
    text = talk.wish.text
    done = talk.do(
        lambda key: talk.shop.report_item(customer, order.number, trouble, skus, text=text, key=key)
    )
    _tell_ticket(talk, f"{trouble}_item.done", done.reference, done.facts)
    if done.facts.get("keep") == "yes":
        talk.tell("ticket.keep")


def warranty(talk: Talk) -> None:
    order = finding.order(talk, _ARRIVED)
    customer = finding.customer(talk)
    item = finding.item(talk, order)
    text = talk.wish.text
    done = talk.do(
        lambda key: talk.shop.claim_warranty(customer, order.number, item.sku, text=text, key=key)
    )
    _tell_ticket(talk, "warranty.done", done.reference, done.facts)
    if done.facts.get("refund") == "yes":
        talk.tell("warranty.refund")


def double_charge(talk: Talk) -> None:
    order = finding.order(talk)
    customer = finding.customer(talk)
    said = talk.slot("amount")
    amount = reading.amount(said) if said else None
    text = talk.wish.text
    done = talk.do(
        lambda key: talk.shop.report_double_charge(
            customer, order.number, amount=amount, text=text, key=key
        )
    )
    _tell_ticket(talk, "double_charge.done", done.reference, done.facts)


def complaint(talk: Talk) -> None:
    """Taken from anybody. Who is unknown is asked once where the answer should go."""
    customer = talk.conversation.customer
    number = talk.conversation.orders[0] if customer and talk.conversation.orders else None
    text, email = talk.wish.text, talk.conversation.email
    if not tone.complains(text):
        # Much that is said in anger, or in thanks, sounds like one.
        talk.confirm("confirm.complaint")
    if customer is None:
        if email is None and not talk.wish.times_asked("email"):
            raise talk.ask("email", "ask.contact_email")
        # Nobody has proven to be this; the staff sees that it was said, not that it is so.
        text = f"{text}\n{email}" if email else text
    done = talk.do(lambda key: talk.shop.complain(customer, text=text, number=number, key=key))
    _tell_ticket(talk, "complaint.done", done.reference, done.facts)


def _tell_ticket(talk: Talk, phrase: str, reference: str | None, facts: Mapping[str, str]) -> None:
    held = dict(facts)
    again = held.get("again_open")
    talk.tell("ticket.added" if again else phrase, reference=again or reference, **held)
