"""The invented shop's orders as the measurement sees them: read once, straight from its tables.

The truth that replies are held against comes from here, never from the desk.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal

from sqlalchemy import select
from sqlalchemy.orm import selectinload

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
    """All of them, in the order of their ids."""
    order = schema.Order
    paths = (
        selectinload(order.customer),
        selectinload(order.shipment),
        selectinload(order.returns),
        selectinload(order.refunds),
        selectinload(order.items)
        .selectinload(schema.Item.variant)
        .selectinload(schema.Variant.product)
        .selectinload(schema.Product.variants),
    )
    with shop.database.reads() as session:
        found = session.scalars(select(order).options(*paths).order_by(order.id))
        variants: dict[int, tuple[Made, ...]] = {}  # of each product, made once
        return [_known(one, variants) for one in found]


def _known(order: schema.Order, variants: dict[int, tuple[Made, ...]]) -> Known:
    ship = order.shipment
    return Known(
        number=order.number,
        state=order.state,
        customer=order.customer.number,
        customer_id=order.customer_id,
        email=order.customer.email,
        name=order.customer.name,
        address=order.address,
        country=order.country,
        payment=order.payment,
        total=order.total,
        placed=_day(order.placed),
        expected=order.expected,
        tracking=ship.tracking if ship else None,
        delivered=_day(ship.delivered) if ship and ship.delivered else None,
        refunded=sum((one.amount for one in order.refunds), Decimal(0)),
        returns=len(order.returns),
        lines=tuple(_line(item, variants) for item in order.items),
    )


def _line(item: schema.Item, variants: dict[int, tuple[Made, ...]]) -> Line:
    product = item.variant.product
    if product.id not in variants:
        variants[product.id] = tuple(
            Made(one.sku, one.color, one.size, one.stock) for one in product.variants
        )
    made = variants[product.id]
    return Line(
        product=product.name,
        now=next(one for one in made if one.sku == item.variant.sku),
        quantity=item.quantity,
        made=made,
        plain=product.returnable and not item.personalized and not product.large,
    )


def _day(moment: datetime) -> date:
    return moment.date()
