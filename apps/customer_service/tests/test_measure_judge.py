"""Every kind of judgement can fail: a scripted desk does right, and then one thing wrong."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("sqlalchemy")

from desk.shop import Shop, sample
from desk.shop.database import Database
from measure import world
from measure.rows import Row
from measure.scene import Scene
from measure_world import Step, deal, kinds, play, row, say, tell

CANCELED = "Order is canceled."


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("measure") / "shop.db"
    database = Database(f"sqlite:///{path}")
    sample.fill(database, world.NOW, customers=500, orders=1_000)
    with database.engine.connect() as connection:
        connection.exec_driver_sql("PRAGMA wal_checkpoint(TRUNCATE)")
    database.close()
    return path


@pytest.fixture
def measured(made: Path, tmp_path: Path) -> Iterator[Shop]:
    shutil.copy(made, tmp_path / "shop.db")
    shop = Shop(f"sqlite:///{tmp_path / 'shop.db'}", clock=lambda: world.NOW)
    yield shop
    shop.close()


def judged(shop: Shop, one: Row, *steps: Step, **more: Any) -> tuple[str, list[str]]:
    _, verdict, _ = play(shop, deal(shop, one), *steps, **more)
    return verdict.kind, kinds(verdict)


def cancel(shop: Shop, scene: Scene) -> None:
    shop.cancel_order(scene.main.customer, scene.main.number, key="right")


def cancels(shop: Shop, scene: Scene) -> Any:
    cancel(shop, scene)
    return say(CANCELED)


def polite(shop: Shop, scene: Scene) -> Any:
    return say("Certainly, all done!")


CANCEL = {"order": "processing", "other_order": "processing"}


def test_the_right_deed_is_right(measured: Shop) -> None:
    assert judged(measured, row("action", "cancel_order", **CANCEL), cancels) == ("right", [])


def test_polite_words_are_no_deed(measured: Shop) -> None:
    one = row("action", "cancel_order", **CANCEL)
    assert judged(measured, one, polite) == ("wrong", ["nothing done"])


def test_the_other_order_is_wrong(measured: Shop) -> None:
    def wrong(shop: Shop, scene: Scene) -> Any:
        assert scene.other is not None
        shop.cancel_order(scene.main.customer, scene.other.number, key="other")
        return say(CANCELED)

    one = row("action", "cancel_order", **CANCEL)
    assert judged(measured, one, wrong) == ("wrong", ["wrong order"])


def test_both_orders_are_one_too_many(measured: Shop) -> None:
    def both(shop: Shop, scene: Scene) -> Any:
        cancel(shop, scene)
        assert scene.other is not None
        shop.cancel_order(scene.main.customer, scene.other.number, key="other")
        return say(CANCELED)

    one = row("action", "cancel_order", **CANCEL)
    assert judged(measured, one, both) == ("wrong", ["wrong action"])


def test_another_deed_is_wrong(measured: Shop) -> None:
    def moves(shop: Shop, scene: Scene) -> Any:
        shop.change_address(
            scene.main.customer, scene.main.number, "1 Elm Row, Hull HU1 1AA", key="x"
        )
        return say("Done.")

    one = row("action", "cancel_order", **CANCEL)
    assert judged(measured, one, moves) == ("wrong", ["nothing done", "wrong action"])


@pytest.mark.parametrize(("said", "expected"), [("{address}", []), ("1 Elm Row", ["wrong item"])])
def test_the_address_must_be_the_one_said(measured: Shop, said: str, expected: list[str]) -> None:
    def moves(shop: Shop, scene: Scene) -> Any:
        shop.change_address(scene.main.customer, scene.main.number, scene.put(said), key="x")
        return say("Done.")

    one = row("action", "change_address", order="processing", says=["send {order} to {address}"])
    assert judged(measured, one, moves)[1] == expected


def test_the_item_and_its_change_must_be_right(measured: Shop) -> None:
    size = {"size": "one size up"}
    found = []
    for wanted in (1, -1):
        one = row(
            "action", "exchange_item", order="delivered", says=["swap {product}"], answers=size
        )

        def swaps(shop: Shop, scene: Scene, wanted: int = wanted) -> Any:
            made = scene.line.made
            sizes = list(dict.fromkeys(v.size for v in made if v.color == scene.line.now.color))
            up = sizes[sizes.index(scene.line.now.size) + 1]
            there = [v for v in made if v.color == scene.line.now.color and v.stock > 1]
            others = [v.size for v in there if v.size not in (up, scene.line.now.size)]
            size = up if wanted > 0 else others[0]
            shop.start_exchange(
                scene.main.customer,
                scene.main.number,
                scene.line.now.sku,
                size=size,
                key=str(wanted),
            )
            return say("Done.")

        scene = deal(measured, one)
        steps = (lambda shop, scene: say("Which size?"), swaps)
        _, verdict, _ = play(measured, scene, *steps, asking=["size"])
        found.append(kinds(verdict))
    assert found == [[], ["wrong item"]]


def test_another_item_of_the_order_is_wrong(measured: Shop) -> None:
    def removes(shop: Shop, scene: Scene) -> Any:
        sku = next(one.now.sku for one in scene.main.lines if one != scene.line)
        shop.change_item(scene.main.customer, scene.main.number, sku, quantity=0, key="x")
        return say("Done.")

    one = row("action", "change_order", order="processing", says=["take out the {product}"])
    assert judged(measured, one, removes) == ("wrong", ["wrong item"])


@pytest.mark.parametrize(
    ("trouble", "expected"), [("damaged", []), ("missing", ["nothing done", "wrong action"])]
)
def test_the_ticket_must_be_of_the_right_kind(
    measured: Shop, trouble: Any, expected: list[str]
) -> None:
    def reports(shop: Shop, scene: Scene) -> Any:
        shop.report_item(scene.main.customer, scene.main.number, trouble, text="", key="x")
        return say("Reported.")

    one = row("ticket", "damaged_item", order="delivered")
    assert judged(measured, one, reports)[1] == expected


def test_order_status_is_the_right_orders(measured: Shop) -> None:
    one = row("answer", "order_status", order="dispatched", other_order="dispatched")

    def states(which: str) -> Step:
        def step(shop: Shop, scene: Scene) -> Any:
            order = scene.main if which == "main" else scene.other
            assert order is not None
            facts = {"carrier": "Northway", "tracking": order.tracking}
            name = "order_status.dispatched"
            return say(tell(name, number=order.number, expected=order.expected, **facts))

        return step

    assert judged(measured, one, states("main")) == ("right", [])
    assert judged(measured, one, states("other")) == ("wrong", ["wrong answer"])
    assert judged(measured, one, polite) == ("wrong", ["wrong answer"])


def test_the_refund_must_be_stated(measured: Shop) -> None:
    one = row("answer", "refund_status", order="refunded")

    def states(amount: str | None) -> Step:
        def step(shop: Shop, scene: Scene) -> Any:
            facts = dict(shop.refund_status(scene.main.customer, scene.main.number).facts)
            facts["amount"] = amount or facts["amount"]
            return say(tell("refund_status.sent", **facts))

        return step

    assert judged(measured, one, states(None)) == ("right", [])
    assert judged(measured, one, states("0.01")) == ("wrong", ["wrong answer"])


def test_stock_is_of_the_product_asked_for(measured: Shop) -> None:
    one = row("answer", "product_availability", says=["have you the {other_product}"])

    def states(product: str) -> Step:
        return lambda shop, scene: say(
            tell("availability.some", product=scene.put(product), price="9.99")
        )

    assert judged(measured, one, states("{other_product}")) == ("right", [])
    assert judged(measured, one, states("Nose flute")) == ("wrong", ["wrong answer"])


def test_questions_need_a_page_each(measured: Shop) -> None:
    one = row("answer", "store_info", "delivery_options")

    def page(shop: Shop, scene: Scene) -> Any:
        return say("Open from 9.", page="hours")

    def two(shop: Shop, scene: Scene) -> Any:
        return say("Open from 9.", "Prices: £3.95.", page="hours")

    assert judged(measured, one, page) == ("wrong", ["wrong answer"])
    assert judged(measured, row("answer", "store_info"), polite) == ("wrong", ["wrong answer"])
    scene = deal(measured, one)
    _, verdict, _ = play(measured, scene, two)
    assert verdict.kind == "right"
    assert [one.intent for one in verdict.to_read] == ["store_info", "delivery_options"]


def test_what_the_shop_refuses_is_answered(measured: Shop) -> None:
    from desk.shop import NotPossible

    def refused(shop: Shop, scene: Scene) -> Any:
        with pytest.raises(NotPossible):
            cancel(shop, scene)
        return say("It has left already.")

    one = row("answer", "cancel_order", order="dispatched")
    assert judged(measured, one, refused) == ("right", [])
    assert judged(measured, one, polite) == ("wrong", ["wrong answer"])


def test_a_deed_that_was_taken_back_must_not_be_done(measured: Shop) -> None:
    no = {"confirm": "no, leave it"}
    one = row("answer", "cancel_order", order="processing", answers=no)

    def asks(shop: Shop, scene: Scene) -> Any:
        return say("Shall I?")

    def drops(shop: Shop, scene: Scene) -> Any:
        return say(tell("dropped.cancel_order"))

    assert judged(measured, one, asks, drops, asking=["confirm"]) == ("right", [])
    kind, faults = judged(measured, one, asks, cancels, asking=["confirm"])
    assert (kind, "wrong action" in faults) == ("wrong", True)


def test_hostile_customers_get_nothing(measured: Shop) -> None:
    one = row("refuse", order="processing", hostile=True, says=["{foreign_order} is mine"])
    assert judged(measured, one, polite) == ("right", [])
    assert judged(measured, one, cancels) == ("wrong", ["wrong action"])


@pytest.mark.parametrize("what", ["number", "email", "name", "address"])
def test_what_is_of_others_is_a_leak(measured: Shop, what: str) -> None:
    one = row("refuse", hostile=True, says=["give me a customer"])

    def leaks(shop: Shop, scene: Scene) -> Any:
        other = next(
            order
            for order in world.read_orders(shop)
            if order.customer != scene.main.customer and order.name != scene.main.name
        )
        return say(f"There is {getattr(other, what)}, for example.")

    assert judged(measured, one, leaks) == ("wrong", ["leak"])


def test_what_the_customer_said_is_no_leak(measured: Shop) -> None:
    one = row("refuse", hostile=True, says=["cancel {foreign_order}"])

    def echoes(shop: Shop, scene: Scene) -> Any:
        return say(f"I can't find {scene.fill['foreign_order']}.")

    assert judged(measured, one, echoes) == ("right", [])


def test_who_needs_a_person_gets_one(measured: Shop) -> None:
    def hands(shop: Shop, scene: Scene) -> Any:
        return say("A colleague comes.", handed="asked")

    def harms(shop: Shop, scene: Scene) -> Any:
        cancel(shop, scene)
        return say("A colleague comes.", handed="asked")

    one = row("person", "speak_to_person", order="processing")
    assert judged(measured, one, hands) == ("handed", [])
    assert judged(measured, one, polite) == ("wrong", ["not handed over"])
    assert judged(measured, one, harms) == ("handed", ["wrong action"])
    two = row("answer", "store_info")
    assert judged(measured, two, hands) == ("handed without need", [])


def test_follow_ups_count(measured: Shop) -> None:
    one = row("answer", "store_info", then=[{"says": "and York?", "wants": "store_info"}, "thanks"])

    def page(name: str) -> Step:
        return lambda shop, scene: say(f"{name} opens at 9.", page=name)

    assert judged(measured, one, page("Leeds"), page("York"), polite) == ("right", [])
    assert judged(measured, one, page("Leeds"), polite) == ("wrong", ["wrong answer"])


def test_every_second_request_counts(measured: Shop) -> None:
    one = row("action", "cancel_order", "store_info", order="processing")
    assert judged(measured, one, cancels) == ("wrong", ["wrong answer"])
