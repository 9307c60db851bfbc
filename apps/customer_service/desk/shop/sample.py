"""Makes an invented shop: customers, goods, a year of orders in every state, relative to a day.

The same seed and moment give the same shop. Nothing here is used by the desk itself; run as
`python -m desk.shop.sample sqlite:///shop.db` it fills an empty database.
"""

from __future__ import annotations

import random
import sys
from collections.abc import Mapping, Sequence
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any

from sqlalchemy import Connection, insert, select, text

from desk.shop import goods, schema
from desk.shop.database import Database
from desk.shop.reading import pin_hash
from desk.shop.sample_orders import Orders

Row = dict[str, Any]
PRODUCTS = 300
#: Codes that anybody may use; the last day is relative to the sample's.
_CODES: tuple[Row, ...] = (
    {"code": "WELCOME10", "percent": 10, "minimum": 30, "first_order": True, "days": (-300, 60)},
    {"code": "STUDENT12", "percent": 12, "minimum": 0, "days": (-300, 90)},
    {"code": "WINTER15", "percent": 15, "minimum": 60, "days": (-10, 20)},
    {"code": "FINCHPOD", "amount": 5, "minimum": 40, "days": (-30, 30)},
    {"code": "AUTUMN20", "percent": 20, "minimum": 80, "days": (-90, -20)},
    {"code": "SALE5", "amount": 5, "minimum": 25, "sale": True, "days": (-5, 40)},
    {"code": "NEWYEAR10", "percent": 10, "minimum": 50, "days": (20, 60)},
)


def fill(
    database: Database,
    now: datetime,
    *,
    seed: int = 7,
    customers: int = 2_000,
    orders: int = 6_000,
) -> None:
    """Fill an empty database; ValueError where it has customers already. A few seconds."""
    chance = random.Random(seed)
    with database.writes() as session:
        connection = session.connection()
        if connection.execute(select(schema.Customer.id).limit(1)).first() is not None:
            raise ValueError("the database has customers already: expected an empty one")
        buyers = _customers(chance, customers, now)
        products, variants = _products(chance, now.date())
        made = Orders(chance, now, buyers, products, variants)
        made.make(orders)
        tables: Mapping[type[schema.Base], Sequence[Row]] = {
            schema.Customer: buyers,
            schema.Product: products,
            schema.Variant: variants,
            schema.Order: made.orders,
            schema.Item: made.items,
            schema.Shipment: made.shipments,
            schema.Return: made.returns,
            schema.ReturnItem: made.return_items,
            schema.Refund: made.refunds,
            schema.PromoCode: _codes(chance, buyers, now.date()),
            schema.GiftCard: _gift_cards(chance, now.date()),
        }
        for table, rows in tables.items():
            for start in range(0, len(rows), 1_000):
                connection.execute(insert(table), list(rows[start : start + 1_000]))
        if connection.dialect.name == "postgresql":
            _move_sequences(connection, tables)


def gift_card_numbers(seed: int = 7) -> list[tuple[str, str]]:
    """Code and PIN of the sample's gift cards: the database keeps the PINs' hashes only."""
    chance = random.Random(seed * 1_000 + 1)
    letters = "ABCDEFGHJKLMNPQRSTUVWXYZ23456789"
    return [
        ("".join(chance.choices(letters, k=16)), f"{chance.randrange(10_000):04d}")
        for _ in range(100)
    ]


def _customers(chance: random.Random, count: int, now: datetime) -> list[Row]:
    numbers = chance.sample(range(100_000, 1_000_000), count)
    seen: set[str] = set()
    rows = []
    for index, number in enumerate(numbers):
        first, last = chance.choice(goods.FIRST), chance.choice(goods.LAST)
        name = f"{first}.{last}".lower()
        domain = chance.choice(("mail", "post", "inbox", "letterbox", "webmail"))
        email = f"{name}@{domain}.example"
        while email in seen:
            email = f"{name}{chance.randrange(2, 1_000)}@{domain}.example"
        seen.add(email)
        address, country = address_of(chance)
        rows.append(
            {
                "id": index + 1,
                "number": f"C-{number}",
                "name": f"{first} {last}",
                "email": email,
                "address": address,
                "country": country,
                "since": now - timedelta(days=chance.randrange(1, 2_000)),
                "locked_until": now + timedelta(minutes=20) if chance.random() < 0.01 else None,
                "erase_by": None,
            }
        )
    return rows


def address_of(chance: random.Random) -> tuple[str, str]:
    """An invented address and its country, nine in ten in Britain."""
    if chance.random() < 0.9:
        town, area = chance.choice(goods.TOWNS)
        postcode = f"{area} {chance.randrange(1, 10)}{''.join(chance.choices('ABDEFGHJLNPQ', k=2))}"
        return f"{chance.randrange(1, 180)} {chance.choice(goods.STREETS)}, {town} {postcode}", "GB"
    street, town, country, code = chance.choice(goods.ABROAD)
    return f"{street} {chance.randrange(1, 120)}, {town}, {country}", code


def _products(chance: random.Random, today: date) -> tuple[list[Row], list[Row]]:
    products: list[Row] = []
    variants: list[Row] = []
    pairs = [(kind, make) for kind in goods.KINDS for make in kind.makes][:PRODUCTS]
    for index, (kind, make) in enumerate(pairs):
        code = f"P-{index + 101:04d}"
        name = f"{make} {kind.noun}"
        products.append(
            {
                "id": index + 1,
                "code": code,
                "name": name[0].upper() + name[1:],
                "category": kind.category,
                "returnable": kind.returnable,
                "large": kind.large,
                "electronic": kind.electronic,
            }
        )
        price = Decimal(chance.randrange(kind.price[0], kind.price[1] + 1)) - Decimal("0.01")
        count = min(len(kind.colors), chance.randrange(2, 6))
        colors: list[str | None] = [*sorted(chance.sample(kind.colors, count))]
        all_gone = chance.random() < 0.03
        for color in colors or [None]:
            for size in kind.sizes or (None,):
                gone = all_gone or chance.random() < 0.12
                soon = gone and chance.random() < 0.6
                days = chance.randrange(3, 40)
                variants.append(
                    {
                        "id": len(variants) + 1,
                        "product_id": index + 1,
                        "sku": _sku(code, color, size),
                        "color": color,
                        "size": size,
                        "price": price,
                        "stock": 0 if gone else chance.randrange(1, 60),
                        "restock": today + timedelta(days=days) if soon else None,
                    }
                )
    return products, variants


def _sku(code: str, color: str | None, size: str | None) -> str:
    parts = [code[2:], *((color or "").split()), *((size or "").split())]
    return "-".join(part[:4].upper() for part in parts)


def _codes(chance: random.Random, buyers: Sequence[Row], today: date) -> list[Row]:
    empty = {"percent": None, "amount": None, "first_order": False, "sale": False}
    empty |= {"customer_id": None, "used": False}
    rows = []
    for code in _CODES:
        start, end = code["days"]
        row = empty | {key: value for key, value in code.items() if key != "days"}
        row["starts"] = today + timedelta(days=start)
        row["ends"] = today + timedelta(days=end)
        rows.append(row)
    for number, buyer in enumerate(chance.sample(list(buyers), min(60, len(buyers)))):
        rows.append(
            empty
            | {
                "code": f"BDAY-{number:03d}{buyer['number'][-3:]}",
                "amount": 5,
                "minimum": 0,
                "customer_id": buyer["id"],
                "used": chance.random() < 0.3,
                "starts": today - timedelta(days=chance.randrange(1, 60)),
                "ends": today + timedelta(days=chance.randrange(-10, 30)),
            }
        )
    for row in rows:
        row["minimum"] = Decimal(row["minimum"])
        row["amount"] = Decimal(row["amount"]) if row["amount"] else None
    return rows


def _gift_cards(chance: random.Random, today: date) -> list[Row]:
    return [
        {
            "code": code,
            "pin_hash": pin_hash(code, pin),
            "balance": Decimal(chance.randrange(0, 30_000)).scaleb(-2),
            "last_used": today - timedelta(days=chance.randrange(0, 800)),
            "blocked": chance.random() < 0.03,
        }
        for code, pin in gift_card_numbers()
    ]


def _move_sequences(connection: Connection, tables: Mapping[type[schema.Base], object]) -> None:
    """The ids above were given by hand: what PostgreSQL gives next must come after them."""
    for table in tables:
        name = table.__tablename__
        if "id" in table.__table__.columns:
            connection.execute(
                text(
                    f"SELECT setval(pg_get_serial_sequence('{name}', 'id'), "
                    f"(SELECT coalesce(max(id), 1) FROM {name}))"
                )
            )


def main(arguments: Sequence[str]) -> int:
    if len(arguments) != 1:
        print("usage: python -m desk.shop.sample sqlite:///shop.db", file=sys.stderr)
        return 2
    database = Database(arguments[0])
    fill(database, datetime.now(UTC))
    database.close()
    print(f"filled {database.engine.url.render_as_string()}", file=sys.stderr)
    return 0


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
