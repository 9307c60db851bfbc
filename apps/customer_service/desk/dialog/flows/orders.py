"""Orders before they arrive: where they are, and changing or stopping them."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta

from desk.dialog import finding, tone
from desk.dialog.flows.products import product_said
from desk.dialog.flows.variants import Change, check_stock, color_in, joined, size_in, wanted
from desk.dialog.talk import Settled, Talk
from desk.shop.search import matching
from desk.types import Order, OrderState

_CHANGEABLE: tuple[OrderState, ...] = ("processing",)
_OPEN: tuple[OrderState, ...] = ("processing", "dispatched")


def status(talk: Talk) -> None:
    order = finding.order(talk, _OPEN)
    facts = {
        "number": order.number,
        "expected": order.expected,
        "carrier": order.carrier or "",
        "tracking": order.tracking or "",
        "delivered": order.delivered,
        "refunded": order.refunded,
        "due": order.refund_due,
    }
    name = f"order_status.{order.state}"
    if order.state in _OPEN and order.expected is None:
        name += "_no_day"
    elif order.state == "dispatched" and order.expected and order.expected < talk.today:
        # The shop looks for a parcel two working days after the last day promised.
        late = order.expected + timedelta(days=4) < talk.today
        name += "_lost" if late else "_late"
    elif order.state == "delivered" and order.delivered is None:
        name += "_no_day"
    elif order.state == "refunded" and order.refund_due and order.refund_due > talk.today:
        name += "_due"
    talk.tell(name, **facts)


def cancel(talk: Talk) -> None:
    order = finding.order(talk, _CHANGEABLE)
    if order.state == "processing":
        items = ", ".join(finding.named(item) for item in order.items)
        talk.confirm("confirm.cancel_order", number=order.number, total=order.total, items=items)
    customer = finding.customer(talk)
    done = talk.do(lambda key: talk.shop.cancel_order(customer, order.number, key=key))
    name = "charged" if done.facts.get("charged") == "yes" else "not_charged"
    talk.tell(f"cancel_order.{name}", **done.facts)


def change_address(talk: Talk) -> None:
    if talk.slot("account"):
        _change_account_address(talk)
        return
    order = finding.order(talk, _CHANGEABLE)
    customer = finding.customer(talk)
    address = talk.slot("address")
    if order.state == "processing":
        if address is None:
            raise talk.ask("address", number=order.number)
        talk.confirm("confirm.change_address", number=order.number, address=address)
    done = talk.do(
        lambda key: talk.shop.change_address(customer, order.number, address or "", key=key)
    )
    talk.tell("change_address.done", **done.facts)


def _change_account_address(talk: Talk) -> None:
    customer = finding.customer(talk)
    address = talk.slot("address")
    if address is None:
        raise talk.ask("address", "ask.account_address")
    talk.confirm("confirm.account_address", address=address)
    done = talk.do(lambda key: talk.shop.change_account_address(customer, address, key=key))
    talk.tell("change_address.account", **done.facts)


def change_items(talk: Talk) -> None:
    order = finding.order(talk, _CHANGEABLE)
    customer = finding.customer(talk)
    said = talk.slot("product")
    if tone.adds(talk.wish.text) and order.state == "processing":
        if said is None:
            raise talk.ask("product", "ask.which_product")
        if not matching(order.items, said):
            _add_item(talk, order)
            return
    item = finding.item(talk, order)
    change = Change()
    if order.state == "processing":
        change = wanted(talk, item, quantities=True)
        if not change:
            raise talk.ask("size", "ask.change", product=finding.named(item))
        check_stock(talk, item, change)
        _confirm_change(talk, order.number, finding.named(item), change)
    done = talk.do(
        lambda key: talk.shop.change_item(
            customer,
            order.number,
            item.sku,
            color=change.color,
            size=change.size,
            quantity=change.quantity,
            key=key,
        )
    )
    removed = done.facts.get("quantity") == "0"
    talk.tell("change_order.removed" if removed else "change_order.done", **_shown(done.facts))


def _add_item(talk: Talk, order: Order) -> None:
    """A product that the order does not have yet."""
    product = product_said(talk)
    customer = finding.customer(talk)
    text = f"{talk.slot('size') or ''} {talk.slot('product') or ''} {talk.wish.text}"
    color, size = color_in(text, product), size_in(text, product)
    there = product.in_stock(color, size)
    if not there:
        talk.tell("availability.none", product=product.name, variant=joined(color, size))
        raise Settled
    if len(there) > 1:
        options = ", ".join(joined(one.color, one.size) for one in there[:8])
        raise talk.ask("size", "ask.variant", product=product.name, options=options)
    one = there[0]
    shown = f"{product.name} {joined(one.color, one.size)}".strip()
    talk.confirm("confirm.add_item", number=order.number, product=shown, price=one.price)
    done = talk.do(lambda key: talk.shop.add_item(customer, order.number, one.sku, key=key))
    talk.tell("change_order.done", **_shown(done.facts))


def _confirm_change(talk: Talk, number: str, product: str, change: Change) -> None:
    if change.quantity == 0:
        talk.confirm("confirm.remove_item", number=number, product=product)
    else:
        talk.confirm(
            "confirm.change_order", number=number, product=product, change=change.shown(talk.say)
        )


def _shown(facts: Mapping[str, str]) -> dict[str, str]:
    held = dict(facts)
    held["variant"] = joined(held.get("color"), held.get("size"))
    return held
