"""Whether a reply states the facts of the right order or product.

The facts come from the shop's tables as they were before the conversation, and must stand in the
reply in the customer's language.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date
from decimal import Decimal

from desk.types import Reply
from measure.orders import Known
from measure.scene import Scene, filled
from measure.told import phrase


def states_order(reply: Reply, order: Known, language: str) -> bool:
    """Where an order is: its number, and what there is to know in its state."""
    for text in reply.texts:
        if order.number not in text:
            continue
        if order.state == "processing" and filled.day(order.expected, language) in text:
            return True
        if order.state == "dispatched" and order.tracking and order.tracking in text:
            return True
        day = order.delivered if order.state == "delivered" else None
        if day is not None and filled.day(day, language) in text:
            return True
        if order.state == "returned":
            name = phrase(text, language) or ""
            if name.startswith(("order_status.returned", "refund_status.")):
                return True
        if order.state == "refunded" and filled.money(order.refunded, language) in text:
            return True
    return False


def states_refund(reply: Reply, number: str, facts: Mapping[str, str], language: str) -> bool:
    """Where the money of an order is: number, amount and the day by which it is there; or that
    nothing is on its way. facts: as `Shop.refund_status` gives them."""
    for text in reply.texts:
        if number not in text:
            continue
        if facts["state"] == "none":
            if phrase(text, language) == "refund_status.none":
                return True
            continue
        if filled.money(Decimal(facts["amount"]), language) not in text:
            continue
        due = facts.get("due")
        if facts["state"] == "announced" or not due:
            return True
        if filled.day(date.fromisoformat(due[:10]), language) in text:
            return True
    return False


def states_canceled_money(reply: Reply, number: str, language: str) -> bool:
    """What becomes of the money of an order that was canceled just now."""
    return any(
        number in text and (phrase(text, language) or "").startswith("cancel_order.")
        for text in reply.texts
    )


def states_stock(reply: Reply, names: Sequence[str], language: str) -> bool:
    """Whether there is some of the product. names: the products that may be meant; none means any,
    which a reader must judge."""
    for text in reply.texts:
        name = phrase(text, language) or ""
        if not name.startswith("availability.") or "{product}" in text:
            continue
        if name.split(".")[1] not in ("variant", "some", "restock", "none"):
            continue
        if not names or any(one.casefold() in text.casefold() for one in names):
            return True
    return False


def products_meant(scene: Scene, texts: Sequence[str]) -> list[str]:
    """The products that a request for stock names, by the row's words."""
    if any("{other_product}" in text for text in texts):
        return [scene.fill["other_product"]]
    return [scene.fill["product"]] if any("{product}" in text for text in texts) else []
