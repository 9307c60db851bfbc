"""Done once for its key, by whom it may be, written down; also when all come at the same time."""

from __future__ import annotations

import multiprocessing
import os
import threading
from collections.abc import Callable
from functools import partial

import pytest

pytest.importorskip("sqlalchemy")

from sqlalchemy import func, select

from desk.shop import KeyReused, NotFound, NotPossible, Shop, ShopError, schema
from desk.shop.once import Work
from desk.types import Done
from shop_world import ANNA, BERT, Clock
from test_shop_actions import COAT_M, TRAINERS, mails, stock

ADDRESS = "9 Park Row, York YO1 7AB"
#: Every action that changes something of Anna's, as somebody would call it.
ACTIONS: dict[str, Callable[[Shop, str, str], Done]] = {
    "cancel_order": lambda shop, who, key: shop.cancel_order(who, "10001", key=key),
    "change_address": lambda shop, who, key: shop.change_address(who, "10001", ADDRESS, key=key),
    "change_item": lambda shop, who, key: shop.change_item(
        who, "10001", TRAINERS, quantity=1, key=key
    ),
    "add_item": lambda shop, who, key: shop.add_item(who, "10001", "P-0003-GREY-ONE", key=key),
    "start_return": lambda shop, who, key: shop.start_return(who, "10004", key=key),
    "start_exchange": lambda shop, who, key: shop.start_exchange(
        who, "10004", COAT_M, size="S", key=key
    ),
    "send_invoice": lambda shop, who, key: shop.send_invoice(who, "10004", key=key),
    "report_damaged_item": lambda shop, who, key: shop.report_item(
        who, "10004", "damaged", key=key
    ),
    "report_missing_item": lambda shop, who, key: shop.report_item(
        who, "10010", "missing", key=key
    ),
    "report_wrong_item": lambda shop, who, key: shop.report_item(who, "10004", "wrong", key=key),
    "report_double_charge": lambda shop, who, key: shop.report_double_charge(who, "10004", key=key),
    "complain": lambda shop, who, key: shop.complain(who, text="rude", number="10004", key=key),
    "claim_warranty": lambda shop, who, key: shop.claim_warranty(who, "10004", COAT_M, key=key),
}


def content(shop: Shop) -> dict[str, list[tuple[object, ...]]]:
    """All rows of all tables but the audit."""
    with shop.database.engine.connect() as connection:
        return {
            table.name: sorted((tuple(row) for row in connection.execute(select(table))), key=str)
            for table in schema.Base.metadata.sorted_tables
            if table.name != "actions"
        }


def audit(shop: Shop) -> list[schema.Action]:
    with shop.database.reads() as session:
        return list(session.scalars(select(schema.Action).order_by(schema.Action.id)))


def at_once(*acts: Callable[[], Done]) -> list[Done | ShopError]:
    """Do all in threads that start together; what each gave or was refused with."""
    start = threading.Barrier(len(acts))
    results: list[Done | ShopError | None] = [None] * len(acts)

    def run(index: int, act: Callable[[], Done]) -> None:
        start.wait()
        try:
            results[index] = act()
        except ShopError as why:
            results[index] = why

    threads = [threading.Thread(target=run, args=pair) for pair in enumerate(acts)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert None not in results
    return [result for result in results if result is not None]


@pytest.mark.parametrize("name", ACTIONS)
def test_every_action_is_done_once(shop: Shop, name: str) -> None:
    first = ACTIONS[name](shop, ANNA, "k")
    after = content(shop)
    again = ACTIONS[name](shop, ANNA, "k")
    assert (first.name, first.again) == (name, False)
    assert again == Done(name, first.reference, first.facts, again=True)
    assert content(shop) == after
    (row,) = audit(shop)
    assert (row.name, row.key, row.customer, row.actor) == (name, "k", ANNA, "desk")
    assert row.outcome == "done"
    assert row.after


@pytest.mark.parametrize("name", ACTIONS)
def test_no_action_touches_anothers_things(shop: Shop, name: str) -> None:
    before = content(shop)
    for stranger in (BERT, "C-999999", "C-000001' OR '1'='1", ""):
        with pytest.raises(NotFound) as foreign:
            ACTIONS[name](shop, stranger, "k")
        assert "Anna" not in str(foreign.value)
        assert "10001" not in str(foreign.value)
    assert content(shop) == before
    assert {row.outcome for row in audit(shop)} == {"not_found"}
    assert ACTIONS[name](shop, ANNA, "k").again is False  # a refusal keeps no key


def test_a_foreign_order_looks_like_none(shop: Shop) -> None:
    seen = set()
    for number in ("10001", "99999"):
        for ask in (shop.order, shop.refund_status):
            with pytest.raises(NotFound) as caught:
                ask(BERT, number)
            seen.add((type(caught.value), str(caught.value)))
    assert len(seen) == 1


def test_the_audit_tells_before_and_after(shop: Shop, clock: Clock) -> None:
    shop.change_address(ANNA, "10001", ADDRESS, key="k")
    with pytest.raises(NotPossible):
        shop.cancel_order(ANNA, "10003", key="k2")
    done, refusal = audit(shop)
    assert done.before == {"address": "14 Mill Lane, Leeds LS2 9JT"}
    assert done.after == {"address": ADDRESS}
    assert done.at == clock()
    assert done.given == {"arguments": ["10001", ADDRESS]}
    assert (refusal.key, refusal.outcome) == (None, "already_dispatched")


def test_a_key_is_of_one_request(shop: Shop) -> None:
    shop.send_invoice(ANNA, "10004", key="k")
    others: tuple[Callable[[], Done], ...] = (
        lambda: shop.send_invoice(ANNA, "10003", key="k"),
        lambda: shop.cancel_order(ANNA, "10001", key="k"),
        lambda: shop.send_invoice(BERT, "10004", key="k"),  # may not learn what Anna's did
    )
    for other in others:
        with pytest.raises(KeyReused):
            other()
    with pytest.raises(ValueError, match="empty"):
        shop.send_invoice(ANNA, "10004", key="")
    assert shop.order(ANNA, "10001").state == "processing"


@pytest.mark.parametrize("key", ["x" * 5_000, "a\x00b", "half \ud83d of a pair", "ключ 🗝"])
def test_keys_of_all_kinds(shop: Shop, key: str) -> None:
    assert shop.send_invoice(ANNA, "10004", key=key).again is False
    assert shop.send_invoice(ANNA, "10004", key=key).again is True
    assert shop.send_invoice(ANNA, "10004", key=key + ".").again is False


def test_one_key_at_the_same_time(shop: Shop) -> None:
    results = at_once(*[lambda: shop.cancel_order(ANNA, "10002", key="k")] * 8)
    assert sorted(done.again for done in results if isinstance(done, Done)) == [False] + [True] * 7
    assert (stock(shop, COAT_M), stock(shop, TRAINERS)) == (4, 5)
    assert len(mails(shop)) == 1


def test_several_keys_at_the_same_time(shop: Shop) -> None:
    results = at_once(
        *[lambda n=n: shop.cancel_order(ANNA, "10002", key=f"k{n}") for n in range(6)]
    )
    assert sum(isinstance(done, Done) for done in results) == 1
    refusals = [why.code for why in results if isinstance(why, NotPossible)]
    assert refusals == ["already_canceled"] * 5
    assert stock(shop, COAT_M) == 4
    with shop.database.reads() as session:
        assert session.scalar(select(func.count(schema.Refund.id))) == 1


def test_the_last_pieces_go_to_one_order_each(shop: Shop) -> None:
    sku = "P-0003-GREY-ONE"  # three are left
    results = at_once(
        *[lambda n=n: shop.add_item(ANNA, "10001", sku, key=f"a{n}") for n in range(3)],
        *[lambda n=n: shop.add_item(ANNA, "10008", sku, key=f"b{n}") for n in range(3)],
    )
    assert sum(isinstance(done, Done) for done in results) == 3
    assert stock(shop, sku) == 0
    held = [
        item.quantity
        for number in ("10001", "10008")
        for item in shop.order(ANNA, number).items
        if item.sku == sku
    ]
    assert sum(held) == 3


def test_two_conversations_open_one_ticket(shop: Shop) -> None:
    results = at_once(
        *[
            lambda n=n: shop.report_item(ANNA, "10004", "damaged", text=f"t{n}", key=f"k{n}")
            for n in range(5)
        ]
    )
    references = {done.reference for done in results if isinstance(done, Done)}
    assert len(references) == 1
    with shop.database.reads() as session:
        (text,) = session.scalars(select(schema.Ticket.text))
    assert sorted(text.split("\n---\n")) == ["t0", "t1", "t2", "t3", "t4"]


def _swap(shop: Shop, number: str, sku: str, key: str) -> Done:
    size = "S" if sku == COAT_M else "M"
    return shop.change_item(ANNA, number, sku, size=size, key=key)


def test_swaps_against_each_other(shop: Shop) -> None:
    """One takes S for M while the other takes M for S: neither may starve or lose stock."""
    small = "P-0001-NAVY-S"
    shop.change_item(ANNA, "10002", COAT_M, size="S", key="first")
    whole = stock(shop, COAT_M) + stock(shop, small)
    for turn in range(4):
        there, back = (small, COAT_M) if turn % 2 else (COAT_M, small)
        results = at_once(
            partial(_swap, shop, "10001", there, f"a{turn}"),
            partial(_swap, shop, "10002", back, f"b{turn}"),
        )
        assert [type(done) for done in results] == [Done, Done]
    assert stock(shop, COAT_M) + stock(shop, small) == whole


def test_an_error_in_the_middle_leaves_nothing(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    before = content(shop)

    def broken(*_: object) -> None:
        raise OSError("disk")

    monkeypatch.setattr("desk.shop.orders.tell", broken)
    with pytest.raises(OSError, match="disk"):
        shop.cancel_order(ANNA, "10001", key="k")
    assert content(shop) == before
    assert audit(shop) == []
    monkeypatch.undo()
    assert shop.cancel_order(ANNA, "10001", key="k").again is False


def _die(url: str) -> None:
    shop = Shop(url)

    def act(work: Work) -> Done:
        work.session.execute(schema.Variant.__table__.update().values(stock=0))  # type: ignore[attr-defined]
        os._exit(9)

    shop._once("cancel_order", ANNA, "k", ("10001",), act)


def test_a_worker_killed_in_the_middle_leaves_nothing(shop_url: str, clock: Clock) -> None:
    process = multiprocessing.get_context("spawn").Process(target=_die, args=(shop_url,))
    process.start()
    process.join(60)
    assert process.exitcode == 9
    shop = Shop(shop_url, clock=clock)
    assert stock(shop, COAT_M) == 3
    assert shop.cancel_order(ANNA, "10001", key="k").again is False
    assert stock(shop, COAT_M) == 4
    shop.close()


def test_who_acts_is_written_down(shop_url: str, clock: Clock) -> None:
    shop = Shop(shop_url, clock=clock, by="agent maya")
    shop.send_invoice(ANNA, "10004", key="k")
    assert [row.actor for row in audit(shop)] == ["agent maya"]
    shop.close()
