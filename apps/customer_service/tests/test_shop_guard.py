"""Who guesses is written down, and stopped; who guessed wrong a few times is not."""

from __future__ import annotations

import threading
from collections.abc import Callable

import pytest

pytest.importorskip("sqlalchemy")

from desk.shop import NotFound, NotPossible, Shop
from desk.shop.once import Work
from desk.shop.orders import give_back
from desk.types import Done
from shop_world import ANNA, BERT, Clock
from test_shop_actions import COAT_M, stock
from test_shop_once import at_once, audit

MAIL = "anna.reed@mail.example"


def lost(ask: Callable[[], object]) -> bool:
    try:
        ask()
    except NotFound:
        return True
    return False


def test_asking_for_anothers_order_is_written_down(shop: Shop) -> None:
    assert lost(lambda: shop.order(BERT, "10001"))
    assert lost(lambda: shop.refund_status(BERT, "10001"))
    shop.order(ANNA, "10001")
    assert [(row.name, row.customer, row.outcome, row.key) for row in audit(shop)] == [
        ("order", BERT, "not_found", None),
        ("refund_status", BERT, "not_found", None),
    ]


def test_wrong_tries_are_written_down_without_the_address(shop: Shop) -> None:
    assert lost(lambda: shop.identify("10001", "somebody@post.example"))
    rows = audit(shop)
    assert {tuple(row.given["arguments"]) for row in rows} == {
        ("order MF-10001", "e-mail s…@post.example")
    }
    assert len({row.fingerprint for row in rows}) == 2


def test_guessing_numbers_for_an_address(shop: Shop, clock: Clock) -> None:
    for number in range(30_000, 30_020):
        assert lost(lambda n=number: shop.identify(str(n), MAIL))  # type: ignore[misc]
    assert lost(lambda: shop.identify("10001", MAIL))  # right, and too late
    assert shop.identify("20001", "bert@post.example") == BERT
    clock.forward(minutes=61)
    assert shop.identify("10001", MAIL) == ANNA


def test_guessing_addresses_for_an_order(shop: Shop) -> None:
    for number in range(20):
        assert lost(lambda n=number: shop.identify("#10001", f"a{n}@mail.example"))  # type: ignore[misc]
    assert lost(lambda: shop.identify("10001", MAIL))
    assert shop.identify("10002", MAIL) == ANNA


def test_a_few_wrong_tries_do_no_harm(shop: Shop) -> None:
    for number in range(19):
        assert lost(lambda n=number: shop.identify(str(30_000 + n), MAIL))  # type: ignore[misc]
    assert shop.identify("10001", MAIL) == ANNA


def test_guessing_pins(shop: Shop, clock: Clock) -> None:
    code = "ABCD2345EFGH6789"
    for pin in range(10):
        assert lost(lambda p=pin: shop.gift_card(code, f"{p:04d}"))  # type: ignore[misc]
    assert lost(lambda: shop.gift_card(code, "0420"))
    assert all(row.given == {"arguments": ["…6789"]} for row in audit(shop))
    clock.forward(minutes=61)
    assert shop.gift_card(code, "0420").facts["balance"] == "31.50"


def test_two_that_wait_for_each_other_are_both_done(shop: Shop) -> None:
    """PostgreSQL undoes one, which then starts again; SQLite lets one in after the other."""
    with shop.database.reads() as session:
        on_postgresql = session.connection().dialect.name == "postgresql"
    both_hold_one = threading.Barrier(2)
    started: list[str] = []

    def crossed(key: str, first: int, second: int) -> Callable[[], Done]:
        def act(work: Work) -> Done:
            started.append(key)
            give_back(work.session, first, 1)
            if on_postgresql and started.count(key) == 1:
                both_hold_one.wait(30)
            give_back(work.session, second, 1)
            return Done("crossed")

        return lambda: shop._once("crossed", ANNA, key, (), act)

    before = stock(shop, COAT_M)
    results = at_once(crossed("a", 1, 2), crossed("b", 2, 1))
    assert [type(done) for done in results] == [Done, Done]
    # At least one was undone: the one that had started again may have met the other once more.
    assert len(started) >= 3 if on_postgresql else len(started) == 2
    assert stock(shop, COAT_M) == before + 2


def test_refusals_are_of_the_shop_not_of_guessing(shop: Shop) -> None:
    for number in range(25):
        with pytest.raises(NotPossible):
            shop.cancel_order(ANNA, "10003", key=f"k{number}")
    assert shop.identify("10003", MAIL) == ANNA
