"""The invented shop's orders as the measurement sees them: read once, straight from its tables.

The truth that replies are held against comes from here, never from the desk.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from datetime import date
from decimal import Decimal

from sqlalchemy import select
from sqlalchemy.orm import Session

from desk.shop import Shop, schema
from measure.variations import Made


@dataclass(frozen=True, slots=True)
class Line:
    """One item. made: all variants of its product."""

    product: str
    now: Made
    quantity: int
    made: tuple[Made, ...]
    plain: bool  # may come back by post: returnable, not personalized, not large


@dataclass(frozen=True, slots=True)
class Known:
    """One order. returns: how many were announced of it."""

    number: str
    state: str
    customer: str
    customer_id: int
    email: str
    name: str
    address: str
    country: str
    payment: str
    total: Decimal
    placed: date
    expected: date
    tracking: str | None
    delivered: date | None
    refunded: Decimal
    returns: int
    lines: tuple[Line, ...]


def read_orders(shop: Shop) -> list[Known]:
    """All of them, in the order of their ids. Plain rows: as objects, ten thousands of orders with
    their goods would take a minute."""
    order, customer, ship = schema.Order, schema.Customer, schema.Shipment
    query = (
        select(
            order.id,
            order.number,
            order.state,
            order.customer_id,
            order.address,
            order.country,
            order.payment,
            order.total,
            order.placed,
            order.expected,
            customer.number.label("customer"),
            customer.email,
            customer.name,
            ship.tracking,
            ship.delivered,
        )
        .join(customer, customer.id == order.customer_id)
        .outerjoin(ship, ship.order_id == order.id)
        .order_by(order.id)
    )
    back, refund = schema.Return, schema.Refund
    with shop.database.reads() as session:
        lines = _lines(session)
        returns = Counter(session.scalars(select(back.order_id)))
        refunded: dict[int, Decimal] = {}
        for of, amount in session.execute(select(refund.order_id, refund.amount)):
            refunded[of] = refunded.get(of, Decimal(0)) + amount
        return [
            Known(
                number=one.number,
                state=one.state,
                customer=one.customer,
                customer_id=one.customer_id,
                email=one.email,
                name=one.name,
                address=one.address,
                country=one.country,
                payment=one.payment,
                total=one.total,
                placed=one.placed.date(),
                expected=one.expected,
                tracking=one.tracking,
                delivered=one.delivered.date() if one.delivered else None,
                refunded=refunded.get(one.id, Decimal(0)),
                returns=returns[one.id],
                lines=tuple(lines[one.id]),
            )
            for one in session.execute(query)
        ]


def _lines(session: Session) -> dict[int, list[Line]]:
    """By order."""
    variant, product, item = schema.Variant, schema.Product, schema.Item
    made: dict[int, list[Made]] = {}
    now: dict[int, tuple[int, Made]] = {}
    for one in session.execute(
        select(
            variant.id, variant.product_id, variant.sku, variant.color, variant.size, variant.stock
        ).order_by(variant.id)
    ):
        now[one.id] = one.product_id, Made(one.sku, one.color, one.size, one.stock)
        made.setdefault(one.product_id, []).append(now[one.id][1])
    every = {of: tuple(variants) for of, variants in made.items()}
    goods = {
        one.id: (one.name, one.returnable and not one.large)
        for one in session.execute(
            select(product.id, product.name, product.returnable, product.large)
        )
    }
    found: dict[int, list[Line]] = {}
    for each in session.execute(
        select(item.order_id, item.variant_id, item.quantity, item.personalized).order_by(item.id)
    ):
        of, variant_now = now[each.variant_id]
        name, plain = goods[of]
        line = Line(name, variant_now, each.quantity, every[of], plain and not each.personalized)
        found.setdefault(each.order_id, []).append(line)
    return found
