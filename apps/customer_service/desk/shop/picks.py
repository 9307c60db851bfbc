"""Picks customers and orders that fit a conversation to be played: for simulations and demos.

It reads the database without asking whose anything is, as the desk itself never does.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import select
from sqlalchemy.orm import joinedload, selectinload

from desk import types
from desk.shop import rules
from desk.shop.database import Database
from desk.shop.reading import shown
from desk.shop.schema import Customer, Item, Order, Variant

_PARCEL_DAYS = 12  # an order in transit is not yet lost


@dataclass(frozen=True, slots=True)
class Pick:
    """A customer, an order of theirs, and the item that the conversation is about."""

    customer: str
    email: str
    order: types.Order
    item: types.Item


def picks(
    database: Database,
    now: datetime,
    state: types.OrderState,
    *,
    count: int = 1,
    seed: int = 7,
    fits: Callable[[Order], bool] = lambda order: True,
) -> list[Pick]:
    """Orders in a state, of different customers, at random but the same for a seed.

    Only such as the rules let the desk act on: in Britain, delivered within the days for reports
    and returns, all of it can go back and has another variant in stock, and no return of it is
    announced. fits: what else is wanted. ValueError where there are fewer than count.
    """
    found: list[Pick] = []
    customers: set[int] = set()
    with database.reads() as session:
        wanted = select(Order).join(Customer).where(Order.state == state, Order.country == "GB")
        wanted = wanted.where(Order.placed > now - timedelta(days=120)).order_by(Order.id)
        items = selectinload(Order.items).joinedload(Item.variant).joinedload(Variant.product)
        loaded = wanted.options(
            items,
            joinedload(Order.shipment),
            selectinload(Order.returns),
            joinedload(Order.customer),
        )
        orders = list(session.scalars(loaded))
        random.Random(seed).shuffle(orders)
        for order in orders:
            if len(found) == count:
                break
            item = _item(order) if order.customer_id not in customers else None
            if item is None or not _in_time(order, now) or not fits(order):
                continue
            seen = shown(order)
            sku = item.variant.sku
            said = next(shown_item for shown_item in seen.items if shown_item.sku == sku)
            found.append(Pick(order.customer.number, order.customer.email, seen, said))
            customers.add(order.customer_id)
    if len(found) < count:
        raise ValueError(f"orders {state}: {len(found)} fit, expected {count}")
    return found


def _item(order: Order) -> Item | None:
    """One that can go back and be exchanged, None where the order has something that cannot."""
    for item in order.items:
        product = item.variant.product
        if product.large or not product.returnable or item.personalized:
            return None
        if not any(v.stock and v.id != item.variant_id for v in product.variants):
            return None
    return order.items[0]


def _in_time(order: Order, now: datetime) -> bool:
    shipment = order.shipment
    if order.state == "delivered":
        assert shipment is not None  # what came was sent
        assert shipment.delivered is not None
        latest = timedelta(days=rules.REPORT_DAYS)
        return not order.returns and now - shipment.delivered < latest
    if order.state == "dispatched":
        return now - order.placed < timedelta(days=_PARCEL_DAYS)
    return True
