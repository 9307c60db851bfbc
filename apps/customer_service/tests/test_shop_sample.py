"""The invented shop is whole, the same each time, and the desk can act on it."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import get_args

import pytest

pytest.importorskip("sqlalchemy")

from sqlalchemy import func, select
from sqlalchemy.orm import selectinload

from desk.shop import Shop, schema
from desk.shop.picks import picks
from desk.shop.sample import fill, gift_card_numbers
from desk.types import OrderState
from shop_fixtures import create_database
from test_shop_once import content

NOW = datetime(2026, 11, 28, 12, 0, tzinfo=UTC)
STATES = get_args(OrderState)


@pytest.fixture(scope="module", params=["sqlite", "postgresql"])
def shop(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Shop]:
    """A fifth of the full sample."""
    if request.param == "sqlite":
        url = f"sqlite:///{tmp_path_factory.mktemp('sample') / 'shop.db'}"
    else:
        url = create_database(request.getfixturevalue("postgres_server_url"))
    shop = Shop(url, clock=lambda: NOW)
    fill(shop.database, NOW, customers=400, orders=1_200)
    yield shop
    shop.close()


def test_it_has_all_that_was_asked_for(shop: Shop) -> None:
    with shop.database.reads() as session:
        for table, least in (
            (schema.Customer, 400),
            (schema.Order, 1_200),
            (schema.Product, 300),
            (schema.GiftCard, 100),
        ):
            assert session.scalar(select(func.count()).select_from(table)) == least
        states = dict(
            session.execute(select(schema.Order.state, func.count()).group_by(schema.Order.state))
            .tuples()
            .all()
        )
        assert set(states) == set(STATES)
        assert states["processing"] > 30


def test_nothing_in_it_contradicts_itself(shop: Shop) -> None:
    with shop.database.reads() as session:
        parts = (schema.Order.items, schema.Order.returns, schema.Order.refunds)
        together = [selectinload(part) for part in (*parts, schema.Order.shipment)]
        for order in session.scalars(select(schema.Order).options(*together)):
            goods = sum(item.price * item.quantity for item in order.items)
            assert order.total == goods + order.delivery - order.discount
            assert NOW - timedelta(days=366) < order.placed <= NOW
            shipped = order.state not in ("processing", "canceled")
            assert (order.shipment is not None) == shipped
            came = shipped and order.state != "dispatched"
            assert (order.shipment is not None and order.shipment.delivered is not None) == came
            closed = [made.state == "closed" for made in order.returns]
            assert all(closed) == (order.state != "returned") or order.state == "delivered"
            assert (order.state == "refunded") == any(closed)
            for refund in order.refunds:
                assert refund.sent is not None
                assert order.placed < refund.sent <= NOW


def test_the_same_seed_gives_the_same_shop(tmp_path: Path) -> None:
    made = []
    for name, seed in (("a", 1), ("b", 1), ("c", 2)):
        shop = Shop(f"sqlite:///{tmp_path / name}.db")
        fill(shop.database, NOW, seed=seed, customers=20, orders=60)
        made.append(content(shop))
        shop.close()
    assert made[0] == made[1] != made[2]


def test_a_full_shop_is_not_filled_again(shop: Shop) -> None:
    with pytest.raises(ValueError, match="expected an empty one"):
        fill(shop.database, NOW)


def test_gift_cards_open_with_their_pins(shop: Shop) -> None:
    with shop.database.reads() as session:
        blocked = set(
            session.scalars(select(schema.GiftCard.code).where(schema.GiftCard.blocked.is_(True)))
        )
    code, pin = next(card for card in gift_card_numbers() if card[0] not in blocked)
    assert shop.gift_card(code, pin).facts["ending"] == code[-4:]


@pytest.mark.parametrize("state", STATES)
def test_picks_are_in_the_state(shop: Shop, state: OrderState) -> None:
    found = picks(shop.database, NOW, state, count=2)
    assert [pick.order.state for pick in found] == [state] * 2
    assert found[0].customer != found[1].customer
    for pick in found:
        assert pick.item in pick.order.items
        assert shop.identify(pick.order.number, pick.email) == pick.customer
    assert found == picks(shop.database, NOW, state, count=2)


def test_the_desk_can_act_on_picks(shop: Shop) -> None:
    """New rows come after the sample's, whose ids were given by hand."""
    waiting, *others = picks(shop.database, NOW, "processing", count=3)
    shop.cancel_order(waiting.customer, waiting.order.number, key="cancel")
    for pick in others:
        address = "9 Park Row, York YO1 7AB"
        shop.change_address(pick.customer, pick.order.number, address, key=pick.order.number)
    came = picks(shop.database, NOW, "delivered", count=4)
    back, exchange, broken, wrong = came
    number, sku = back.order.number, back.item.sku
    assert shop.start_return(back.customer, number, (sku,), key="return").reference
    product = shop.product(exchange.item.sku)
    other = next(v for v in product.in_stock() if v.sku != exchange.item.sku)
    done = shop.start_exchange(
        exchange.customer,
        exchange.order.number,
        exchange.item.sku,
        color=other.color,
        size=other.size,
        key="exchange",
    )
    assert (done.facts["color"], done.facts["size"]) == (other.color or "", other.size or "")
    for pick, trouble in ((broken, "damaged"), (wrong, "wrong")):
        report = shop.report_item(pick.customer, pick.order.number, trouble, key=trouble)  # type: ignore[arg-type]
        assert report.facts["in_time"] == "yes"


def test_too_many_picks(shop: Shop) -> None:
    with pytest.raises(ValueError, match="expected 5000"):
        picks(shop.database, NOW, "refunded", count=5_000)
