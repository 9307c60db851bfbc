"""The dialog over the shop itself: every action's facts fill the phrases, and its rules hold."""

from __future__ import annotations

import logging
import shutil
from pathlib import Path

import pytest

pytest.importorskip("desk.shop.actions")

from desk.dialog.flows import FLOWS
from desk.dialog.say import phrases
from desk.shop import Shop
from dialog_shop import Chat, request
from shop_fixtures import *  # noqa: F403
from shop_world import ANNA, BERT, Clock

#: What a patient customer answers to each question.
PATIENT = {"address": "7 Long Row, York YO1 9AA", "confirm": "yes", "offer": "yes", "code": "0420"}
#: One of each state, and of each kind of goods.
ORDERS = [f"MF-{number}" for number in (10001, 10003, 10004, 10005, 10007, 10008, 10009)]


@pytest.fixture
def shop_url(sqlite_world: Path, tmp_path: Path) -> str:
    """SQLite alone: the databases are the business of the shop's own tests."""
    shutil.copy(sqlite_world, tmp_path / "shop.db")
    return f"sqlite:///{tmp_path / 'shop.db'}"


CHANGES = ("a black one please", "one size up", "make it two", "take it out")
CASES = [
    (intent, want)
    for intent in FLOWS
    for want in (CHANGES if intent in ("change_order", "exchange_item") else ("",))
]


@pytest.mark.parametrize(("intent", "want"), CASES)
def test_every_request_about_every_order_is_answered(
    shop: Shop, intent: str, want: str, caplog: pytest.LogCaptureFixture
) -> None:
    say, told = phrases("en"), []
    with caplog.at_level(logging.ERROR, "desk"):
        for number in ORDERS:
            chat = Chat(shop, customer=ANNA, name=number)  # type: ignore[arg-type]
            reply = chat.say(number, request(intent, order_number=number))
            for _ in range(6):
                told += reply.texts
                if chat.asking is None or reply.handed:
                    break
                answer = PATIENT.get(
                    chat.asking, reply.suggestions[0] if reply.suggestions else "coat"
                )
                reply = chat.say(want if chat.asking == "size" else answer)
            assert chat.asking is None or chat.asking in ("size", "product"), told
    assert not caplog.records, caplog.records[0].exc_text
    assert say("fault") not in told
    assert told


def test_a_customer_who_proves_it_cancels_once(shop: Shop, clock: Clock) -> None:
    chat = Chat(shop)  # type: ignore[arg-type]
    chat.say("cancel 10001", "cancel_order")
    chat.say("anna.reed@mail.example")
    reply = chat.say("yes", "affirm")
    assert reply.done[0].name == "cancel_order"
    assert shop.order(ANNA, "MF-10001").state == "canceled"
    assert "canceled already" in chat.say("cancel 10001", "cancel_order").texts[0]


def test_large_things_go_to_a_person(shop: Shop) -> None:
    chat = Chat(shop, customer=ANNA)  # type: ignore[arg-type]
    chat.say("send the sofa of 10009 back", request("return_item", product="sofa"))
    assert chat.say("yes", "affirm").handed == "not_possible"


def test_foreign_orders_are_never_confirmed(shop: Shop) -> None:
    chat = Chat(shop, customer=BERT)  # type: ignore[arg-type]
    mine = chat.say("where is 10004", "order_status").texts
    other = Chat(shop, customer=BERT).say("where is 99999", "order_status").texts  # type: ignore[arg-type]
    assert mine[0].replace("10004", "99999") == other[0]


def test_availability_and_codes(shop: Shop) -> None:
    chat = Chat(shop)  # type: ignore[arg-type]
    ask = request("product_availability", product="navy wool coat")
    assert (
        "expected on Friday 19 June" in chat.say("have you the navy wool coat in L", ask).texts[0]
    )
    assert "is in stock" in chat.say("and in M?", "product_availability").texts[0]
    assert "10 % off" in chat.say("is SPRING10 any good", "promo_code").texts[0]
    assert "expired" in chat.say("and OLD10?", "promo_code").texts[0]
    chat.say("what is left on ABCD 2345 EFGH 6789", "gift_card")
    assert "£31.50" in chat.say("0420").texts[0]
