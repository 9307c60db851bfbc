"""What the customers of a sale day will say: conversations written by hand, filled from the shop.

Every conversation has orders and a customer of its own, so that what it did can be told apart in
the shop's database afterwards.
"""

from __future__ import annotations

import json
import random
import re
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from sqlalchemy import select, update
from sqlalchemy.orm import joinedload, selectinload

from desk.shop.database import Database
from desk.shop.schema import Item, Order, Product, Variant

ADDRESS = "7 Long Row, York YO1 9AA"
_PLACE = re.compile(r"\{(\w+)\}")


@dataclass(frozen=True, slots=True)
class Script:
    """says: the opening messages; answers: to what the desk asks for, used one after the other;
    then: what is said once the request is settled; number: of the order that it is about."""

    name: str
    says: tuple[str, ...]
    answers: Mapping[str, tuple[str, ...]]
    then: tuple[str, ...]
    number: str


def read_rows(paths: Sequence[Path]) -> list[dict[str, Any]]:
    """Rows of `day/*.jsonl`; their form is told in marked/DAY.md."""
    return [json.loads(line) for path in paths for line in path.read_text("utf-8").splitlines()]


def scripts(
    database: Database, rows: Sequence[Mapping[str, Any]], count: int, seed: int = 5
) -> list[Script]:
    """`count` conversations, the rows in a new order each time round. ValueError where the shop has
    too few orders in a state. Second orders become those of the same customer in the database."""
    chance = random.Random(seed)
    free = _free_orders(database, chance)
    with database.reads() as session:
        products = list(session.scalars(select(Product.name)))
    made, moved = [], {}
    order: list[Mapping[str, Any]] = []
    for number in range(count):
        if not order:
            order = chance.sample(list(rows), len(rows))
        row = order.pop()
        main, other = _take(free, row.get("order") or "delivered"), None
        if row.get("other_order"):
            other = _take(free, row["other_order"])
            moved[other.number] = main.customer
        facts = {
            "order": main.number,
            "email": main.email,
            "product": chance.choice(main.products),
            "amount": f"£{main.total}",
            "date": main.placed,
            "address": ADDRESS,
            "other_product": chance.choice(products),
            "other_order": other.number if other else main.number,
            "foreign_order": chance.choice(free["delivered"]).number,
        }
        made.append(_filled(row, f"{row['id']}-{number}", facts))
    with database.writes() as session:
        for moved_number, customer in moved.items():
            of = update(Order).where(Order.number == moved_number)
            session.execute(of.values(customer_id=customer))
    return made


@dataclass(frozen=True, slots=True)
class _Free:
    number: str
    customer: int
    email: str
    products: tuple[str, ...]
    total: str
    placed: str


def _free_orders(database: Database, chance: random.Random) -> dict[str, list[_Free]]:
    """Orders that may be acted on without a special case of the shop's rules, by state."""
    found: dict[str, list[_Free]] = defaultdict(list)
    items = selectinload(Order.items).joinedload(Item.variant).joinedload(Variant.product)
    query = select(Order).where(Order.country == "GB", Order.payment == "card")
    options = (items, joinedload(Order.shipment), joinedload(Order.customer))
    latest = datetime.now(UTC) - timedelta(days=27)
    with database.reads() as session:
        for order in session.scalars(
            query.options(*options, selectinload(Order.returns)).order_by(Order.id)
        ):
            goods = [item.variant.product for item in order.items]
            shipment = order.shipment
            old = order.state == "delivered" and (
                shipment is None or shipment.delivered is None or shipment.delivered < latest
            )
            special = any(p.large or not p.returnable for p in goods) or any(
                item.personalized for item in order.items
            )
            if old or special or (order.state == "delivered" and order.returns):
                continue
            found[order.state].append(
                _Free(
                    order.number, order.customer_id, order.customer.email,
                    tuple(p.name for p in goods), str(order.total), order.placed.date().isoformat(),
                )
            )  # fmt: skip
    for orders in found.values():
        chance.shuffle(orders)
    return found


def _take(free: Mapping[str, list[_Free]], state: str) -> _Free:
    left = free.get(state)
    if not left or len(left) < 2:
        raise ValueError(f"the shop has no more orders in state {state!r}: make it larger")
    return left.pop()


def _filled(row: Mapping[str, Any], name: str, facts: Mapping[str, str]) -> Script:
    def fill(text: str) -> str:
        return _PLACE.sub(lambda place: facts.get(place[1], place[0]), text)

    def several(given: str | list[str]) -> tuple[str, ...]:
        return tuple(fill(one) for one in ([given] if isinstance(given, str) else given))

    then = [one["says"] if isinstance(one, Mapping) else one for one in row["then"]]
    return Script(
        name,
        several(row["says"]),
        {asked: several(given) for asked, given in row["answers"].items() if given},
        several(then),
        facts["order"],
    )
