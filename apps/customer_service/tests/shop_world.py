"""A small shop with one order of each kind, and a clock that tests set."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal

from desk.shop import schema
from desk.shop.database import Database
from desk.shop.reading import pin_hash

NOW = datetime(2026, 6, 10, 12, 0, tzinfo=UTC)  # a Wednesday, far from Christmas
ANNA = "C-000001"
BERT = "C-000002"


@dataclass
class Clock:
    """Tells the time that it is set to."""

    now: datetime = NOW

    def __call__(self) -> datetime:
        return self.now

    def forward(self, **by: float) -> None:
        self.now += timedelta(**by)


def fill(database: Database) -> None:
    """Anna's orders are 10001 to 10010, Bert's 20001."""
    with database.writes() as session:
        anna = _customer(1, "anna.reed@mail.example", "14 Mill Lane, Leeds LS2 9JT")
        bert = _customer(2, "bert@post.example", "Lindenstraße 3, 50674 Köln, Germany", "DE")
        bert.locked_until = NOW
        coat = _product("P-0001", "Wool coat", "99.99", ("navy", "black"), ("S", "M", "L"))
        shoes = _product("P-0002", "Canvas trainers", "49.99", ("white",), ("41", "42", "43"))
        mug = _product("P-0003", "Stoneware mug set", "14.99", ("grey", "sage"), ())
        sofa = _product("P-0004", "Velvet sofa", "499.99", ("green",), (), large=True)
        briefs = _product("P-0005", "Cotton briefs", "12.99", ("black",), ("M",))
        briefs.returnable = False
        phones = _product("P-0006", "Over-ear headphones", "79.99", ("black",), ())
        phones.electronic = True
        sku(coat, "navy", "L").stock = 0
        sku(coat, "navy", "L").restock = NOW.date() + timedelta(days=9)
        session.add_all([anna, bert, coat, shoes, mug, sofa, briefs, phones])
        navy, white = sku(coat, "navy", "M"), sku(shoes, "white", "42")
        pair = [(navy, 1), (white, 2)]
        orders = [
            _order(anna, 10001, timedelta(minutes=20), "processing", pair),
            _order(anna, 10002, timedelta(minutes=30), "processing", pair, payment="paypal"),
            _order(anna, 10003, timedelta(days=2), "dispatched", [(navy, 1)], sent=1),
            _order(anna, 10004, timedelta(days=9), "delivered", pair, sent=8, came=5),
            _order(anna, 10005, timedelta(days=42), "delivered", pair, sent=41, came=40),
            _order(anna, 10006, timedelta(days=90), "delivered", pair, sent=89, came=80),
            _order(anna, 10007, timedelta(days=9), "canceled", [(navy, 1)]),
            _order(anna, 10008, timedelta(days=3), "processing", [(sku(sofa, "green"), 1)]),
            _order(
                anna,
                10009,
                timedelta(days=20),
                "delivered",
                [
                    (sku(briefs, "black", "M"), 1),
                    (sku(mug, "grey"), 1),
                    (sku(phones, "black"), 1),
                    (sku(sofa, "green"), 1),
                ],
                sent=18,
                came=12,
            ),
            _order(anna, 10010, timedelta(days=20), "dispatched", [(navy, 1)], sent=19),
            _order(bert, 20001, timedelta(days=9), "delivered", pair, sent=8, came=4),
        ]
        session.add_all(orders)
        session.flush()
        session.add_all(_codes(anna))
        session.add(
            schema.GiftCard(
                code="ABCD2345EFGH6789",
                pin_hash=pin_hash("ABCD2345EFGH6789", "0420"),
                balance=Decimal("31.50"),
                last_used=NOW.date() - timedelta(days=100),
            )
        )


def sku(product: schema.Product, color: str, size: str | None = None) -> schema.Variant:
    return next(v for v in product.variants if (v.color, v.size) == (color, size))


def _customer(number: int, email: str, address: str, country: str = "GB") -> schema.Customer:
    return schema.Customer(
        number=f"C-{number:06d}",
        name=email.partition("@")[0],
        email=email,
        address=address,
        country=country,
        since=NOW - timedelta(days=500),
    )


def _product(
    code: str,
    name: str,
    price: str,
    colors: tuple[str, ...],
    sizes: tuple[str, ...],
    *,
    large: bool = False,
) -> schema.Product:
    variants = [
        schema.Variant(
            sku=f"{code}-{color}-{size or 'one'}".upper(),
            color=color,
            size=size,
            price=Decimal(price),
            stock=3,
        )
        for color in colors
        for size in sizes or (None,)
    ]
    return schema.Product(code=code, name=name, category="test", large=large, variants=variants)


def _order(
    customer: schema.Customer,
    number: int,
    age: timedelta,
    state: str,
    items: list[tuple[schema.Variant, int]],
    *,
    payment: str = "card",
    sent: int | None = None,
    came: int | None = None,
) -> schema.Order:
    """sent, came: days ago."""
    placed = NOW - age
    order = schema.Order(
        number=f"MF-{number}",
        customer=customer,
        state=state,
        placed=placed,
        address=customer.address,
        country=customer.country,
        payment=payment,
        delivery=Decimal("3.95"),
        discount=Decimal(0),
        total=sum((v.price * n for v, n in items), Decimal("3.95")),
        expected=(placed + timedelta(days=6)).date(),
        items=[schema.Item(variant=v, quantity=n, price=v.price) for v, n in items],
    )
    if sent is not None:
        order.shipment = schema.Shipment(
            carrier="Northway",
            tracking=f"NW{number}",
            dispatched=NOW - timedelta(days=sent),
            delivered=None if came is None else NOW - timedelta(days=came),
        )
    return order


def _codes(anna: schema.Customer) -> list[schema.PromoCode]:
    today = NOW.date()
    week = timedelta(days=7)

    def code(name: str, **more: object) -> schema.PromoCode:
        given = {"minimum": Decimal(0), "starts": today - week, "ends": today + week, **more}
        return schema.PromoCode(code=name, **given)

    return [
        code("SPRING10", percent=10, minimum=Decimal(30)),
        code("OLD10", percent=10, ends=today - timedelta(days=1)),
        code("SOON10", percent=10, starts=today + timedelta(days=1)),
        code("WELCOME10", percent=10, first_order=True),
        code("BDAY-ANNA", amount=Decimal(5), customer_id=anna.id),
    ]
