"""What the shop's actions do and refuse, the same in SQLite and PostgreSQL."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from decimal import Decimal

import pytest

pytest.importorskip("sqlalchemy")

from sqlalchemy import select

from desk.shop import NotFound, NotPossible, Shop, schema
from desk.shop.rules import Rules
from desk.types import Done
from shop_world import ANNA, BERT, NOW, Clock

COAT_M, COAT_L = "P-0001-NAVY-M", "P-0001-NAVY-L"
TRAINERS = "P-0002-WHITE-42"


def stock(shop: Shop, sku: str) -> int:
    with shop.database.reads() as session:
        found = session.scalar(select(schema.Variant.stock).where(schema.Variant.sku == sku))
    assert found is not None
    return found


def mails(shop: Shop) -> list[tuple[str, str]]:
    with shop.database.reads() as session:
        sent = select(schema.Mail.kind, schema.Mail.email).order_by(schema.Mail.id)
        return [(kind, email) for kind, email in session.execute(sent)]


def refused(act: Callable[[], Done]) -> tuple[str, dict[str, str]]:
    with pytest.raises(NotPossible) as caught:
        act()
    return caught.value.code, dict(caught.value.facts)


class TestReading:
    def test_an_order_as_its_customer_sees_it(self, shop: Shop) -> None:
        order = shop.order(ANNA, "mf 10003")
        assert order.number == "MF-10003"
        assert (order.state, order.carrier, order.tracking) == ("dispatched", "Northway", "NW10003")
        assert order.total == Decimal("103.94")
        assert order.expected == (NOW + timedelta(days=4)).date()
        assert [(i.sku, i.name, i.color, i.size, i.quantity, i.price) for i in order.items] == [
            (COAT_M, "Wool coat", "navy", "M", 1, Decimal("99.99"))
        ]

    @pytest.mark.parametrize("said", ["MF-10003", "#10003", " 10003 ", "Order no. 10003", "10003."])
    def test_order_numbers_as_people_write_them(self, shop: Shop, said: str) -> None:
        assert shop.order(ANNA, said).number == "MF-10003"

    def test_orders_newest_first(self, shop: Shop) -> None:
        numbers = [order.number for order in shop.orders(ANNA, limit=3)]
        assert numbers == ["MF-10001", "MF-10002", "MF-10003"]

    def test_identify_needs_both(self, shop: Shop) -> None:
        assert shop.identify("10001", " Anna.Reed@mail.example ") == ANNA
        for number, email in [("10001", "bert@post.example"), ("99999", "anna.reed@mail.example")]:
            with pytest.raises(NotFound):
                shop.identify(number, email)

    def test_a_channels_customer_by_number_or_mail(self, shop: Shop) -> None:
        assert shop.customer("bert@post.example") == shop.customer("c-000002") == BERT
        with pytest.raises(NotFound):
            shop.customer("nobody@post.example")

    def test_promo_codes(self, shop: Shop) -> None:
        def why(code: str, **more: object) -> str:
            return shop.promo_code(code, **more).facts["why"]  # type: ignore[arg-type]

        assert shop.promo_code(" spring10").facts["valid"] == "yes"
        assert why("SPRING10", basket=Decimal("29.99")) == "minimum"
        assert why("OLD10") == "expired"
        assert why("SOON10") == "not_yet"
        assert why("WELCOME10", customer=ANNA) == "first_order"
        assert shop.promo_code("bday-anna", customer=ANNA).facts["amount"] == "5.00"
        for code, customer in [("BDAY-ANNA", BERT), ("BDAY-ANNA", None), ("NOSUCH", ANNA)]:
            with pytest.raises(NotFound):
                shop.promo_code(code, customer=customer)

    def test_gift_cards(self, shop: Shop) -> None:
        facts = shop.gift_card("abcd 2345 efgh 6789", "0420").facts
        assert (facts["balance"], facts["ending"], facts["expired"]) == ("31.50", "6789", "no")
        for code, pin in [("ABCD2345EFGH6789", "0421"), ("X" * 16, "0420"), ("", "")]:
            with pytest.raises(NotFound):
                shop.gift_card(code, pin)


class TestBeforeDispatch:
    def test_cancel(self, shop: Shop) -> None:
        done = shop.cancel_order(ANNA, "10001", key="k")
        assert done.facts["charged"] == "no"  # cards are charged at dispatch
        assert shop.order(ANNA, "10001").state == "canceled"
        assert (stock(shop, COAT_M), stock(shop, TRAINERS)) == (4, 5)
        assert mails(shop) == [("order_canceled", "anna.reed@mail.example")]
        assert refused(lambda: shop.cancel_order(ANNA, "10001", key="k2"))[0] == "already_canceled"
        assert stock(shop, COAT_M) == 4

    def test_cancel_pays_back_what_was_paid(self, shop: Shop) -> None:
        facts = shop.cancel_order(ANNA, "10002", key="k").facts
        assert (facts["charged"], facts["due"]) == ("yes", "2026-06-12")
        status = shop.refund_status(ANNA, "10002").facts
        assert (status["state"], status["amount"], status["payment"]) == (
            "sent",
            "203.92",
            "paypal",
        )

    @pytest.mark.parametrize("number", ["10003", "10004"])
    def test_what_has_left_cannot_be_canceled_or_changed(self, shop: Shop, number: str) -> None:
        code, facts = refused(lambda: shop.cancel_order(ANNA, number, key="k"))
        assert (code, facts["carrier"]) == ("already_dispatched", "Northway")
        address = "9 Park Row, York YO1 7AB"
        assert refused(lambda: shop.change_address(ANNA, number, address, key="k"))[0] == code
        change = refused(lambda: shop.change_item(ANNA, number, COAT_M, size="S", key="k"))
        assert change[0] == code

    def test_a_window_may_be_set(self, shop_url: str, clock: Clock) -> None:
        shop = Shop(shop_url, clock=clock, rules=Rules(change_window=timedelta(minutes=60)))
        clock.forward(minutes=41)
        code, facts = refused(lambda: shop.cancel_order(ANNA, "10001", key="k"))
        assert (code, facts["minutes"]) == ("too_late", "60")
        clock.forward(minutes=-1)
        assert shop.cancel_order(ANNA, "10001", key="k").facts["number"] == "MF-10001"
        shop.close()

    def test_large_goods_may_be_canceled_until_two_days_before(
        self, shop: Shop, clock: Clock
    ) -> None:
        with shop.database.writes() as session:
            order = session.scalar(select(schema.Order).where(schema.Order.number == "MF-10008"))
            assert order is not None
            order.state = "dispatched"
        clock.forward(days=2)  # it is expected on the third day
        assert refused(lambda: shop.cancel_order(ANNA, "10008", key="k"))[0] == "already_dispatched"
        clock.forward(days=-1)
        assert shop.cancel_order(ANNA, "10008", key="k").facts["number"] == "MF-10008"

    def test_address(self, shop: Shop) -> None:
        done = shop.change_address(ANNA, "10001", " 9 Park Row,  York YO1 7AB ", key="k")
        assert done.facts["address"] == shop.order(ANNA, "10001").address
        assert done.facts["address"] == "9 Park Row, York YO1 7AB"
        assert shop.order(ANNA, "10002").address == "14 Mill Lane, Leeds LS2 9JT"

    @pytest.mark.parametrize(
        ("address", "code"),
        [
            ("my office", "bad_address"),
            ("LS2 9JT", "bad_address"),
            ("7 " + "x" * 400, "bad_address"),
            ("Lindenstraße 3, 50674 Köln, Germany", "other_country"),
        ],
    )
    def test_addresses_that_cannot_be(self, shop: Shop, address: str, code: str) -> None:
        assert refused(lambda: shop.change_address(ANNA, "10001", address, key="k"))[0] == code
        assert shop.order(ANNA, "10001").address == "14 Mill Lane, Leeds LS2 9JT"

    def test_another_size(self, shop: Shop) -> None:
        done = shop.change_item(ANNA, "10001", COAT_M, size="s", key="k")
        assert (done.facts["size"], done.facts["color"], done.facts["difference"]) == (
            "S",
            "navy",
            "0.00",
        )
        assert "P-0001-NAVY-S" in [item.sku for item in shop.order(ANNA, "10001").items]
        assert (stock(shop, COAT_M), stock(shop, "P-0001-NAVY-S")) == (4, 2)

    def test_more_and_fewer_pieces(self, shop: Shop) -> None:
        facts = shop.change_item(ANNA, "10001", TRAINERS, quantity=3, key="k").facts
        assert (facts["difference"], facts["total"]) == ("49.99", "253.91")
        facts = shop.change_item(ANNA, "10001", TRAINERS, quantity=0, key="k2").facts
        assert facts["total"] == "103.94"
        assert [item.sku for item in shop.order(ANNA, "10001").items] == [COAT_M]
        last = refused(lambda: shop.change_item(ANNA, "10001", COAT_M, quantity=0, key="k3"))
        assert last[0] == "last_item"
        assert stock(shop, TRAINERS) == 5

    def test_changes_that_cannot_be(self, shop: Shop) -> None:
        def change(key: str = "k", **what: object) -> str:
            sku = COAT_M
            return refused(
                lambda: shop.change_item(ANNA, "10001", sku, key=key, **what)  # type: ignore[arg-type]
            )[0]

        assert change(size="L") == "out_of_stock"
        assert change(size="XS") == "no_such_variant"
        assert change(color="pink") == "no_such_variant"
        assert change(quantity=6) == "bad_quantity"
        assert change(quantity=-1) == "bad_quantity"
        assert change(quantity=5) == "out_of_stock"
        facts = refused(lambda: shop.change_item(ANNA, "10001", COAT_M, size="L", key="k"))[1]
        assert facts["restock"] == "2026-06-19"
        with pytest.raises(NotFound):
            shop.change_item(ANNA, "10001", "P-0003-GREY-ONE", quantity=2, key="k")

    def test_goods_are_added_by_card_only(self, shop: Shop) -> None:
        done = shop.add_item(ANNA, "10001", "P-0003-SAGE-ONE", key="k")
        assert (done.facts["total"], done.facts["product"]) == ("218.91", "Stoneware mug set")
        code, facts = refused(lambda: shop.add_item(ANNA, "10002", "P-0003-SAGE-ONE", key="k2"))
        assert (code, facts["payment"]) == ("card_only", "paypal")
        assert stock(shop, "P-0003-SAGE-ONE") == 2  # the refused one is back

    def test_paypal_gets_back_what_is_taken_out(self, shop: Shop) -> None:
        facts = shop.change_item(ANNA, "10002", TRAINERS, quantity=1, key="k").facts
        assert facts["difference"] == "-49.99"
        assert shop.refund_status(ANNA, "10002").facts["amount"] == "49.99"


class TestAfterDelivery:
    def test_return_of_everything(self, shop: Shop) -> None:
        done = shop.start_return(ANNA, "10004", reason="too small", key="k")
        facts = done.facts
        # 99.99 + 2 × 49.99, less 1.95 for the parcel shop, and 3.95 of delivery comes back.
        assert (facts["amount"], facts["cost"], facts["refund"]) == ("201.97", "1.95", "original")
        assert facts["code_until"] == "2026-06-20"
        assert done.reference is not None
        assert done.reference.startswith("RT-")
        status = shop.refund_status(ANNA, "10004")
        assert (status.facts["state"], status.reference) == ("announced", done.reference)
        code, more = refused(lambda: shop.start_return(ANNA, "10004", (COAT_M,), key="k2"))
        assert (code, more["reference"]) == ("already_returned", done.reference)

    def test_return_of_a_part(self, shop: Shop) -> None:
        facts = shop.start_return(ANNA, "10004", (COAT_M,), method="pick_up", key="k").facts
        assert (facts["amount"], facts["products"]) == ("96.04", "Wool coat")
        rest = shop.start_return(ANNA, "10004", key="k2").facts
        assert rest["products"] == "Canvas trainers"

    def test_late_returns_are_for_a_gift_card(self, shop: Shop) -> None:
        assert shop.start_return(ANNA, "10005", key="k").facts["refund"] == "gift_card"
        assert shop.refund_status(ANNA, "10005").facts["payment"] == "gift_card"
        assert refused(lambda: shop.start_return(ANNA, "10006", key="k2"))[0] == "too_late"

    def test_faulty_goods_are_free_and_not_bound_to_days(self, shop: Shop) -> None:
        facts = shop.start_return(ANNA, "10006", (COAT_M,), faulty=True, key="k").facts
        assert (facts["cost"], facts["amount"]) == ("0.00", "99.99")

    @pytest.mark.parametrize(
        ("number", "skus", "code"),
        [
            ("10001", (), "not_delivered"),
            ("10003", (), "not_delivered"),
            ("10007", (), "not_delivered"),
            ("10009", ("P-0005-BLACK-M",), "not_returnable"),
            ("10009", ("P-0004-GREEN-ONE",), "large_item"),
        ],
    )
    def test_returns_that_cannot_be(
        self, shop: Shop, number: str, skus: tuple[str, ...], code: str
    ) -> None:
        assert refused(lambda: shop.start_return(ANNA, number, skus, key="k"))[0] == code

    def test_a_return_of_all_leaves_out_what_cannot_come(self, shop: Shop) -> None:
        facts = shop.start_return(ANNA, "10009", key="k").facts
        assert facts["products"] == "Stoneware mug set, Over-ear headphones"

    def test_exchange(self, shop: Shop) -> None:
        done = shop.start_exchange(ANNA, "10004", COAT_M, size="S", color="black", key="k")
        assert (done.facts["color"], done.facts["size"]) == ("black", "S")
        assert stock(shop, "P-0001-BLACK-S") == 2
        again = refused(lambda: shop.start_exchange(ANNA, "10004", COAT_M, size="S", key="k2"))
        assert again[0] == "already_exchanged"

    def test_exchanges_that_cannot_be(self, shop: Shop) -> None:
        def code(number: str = "10004", customer: str = ANNA, **what: str) -> str:
            return refused(lambda: shop.start_exchange(customer, number, COAT_M, key="k", **what))[
                0
            ]

        assert code(size="L") == "out_of_stock"
        assert code(size="M") == "not_exchangeable"
        assert code(size="XXL") == "no_such_variant"
        assert code("20001", BERT, size="S") == "abroad"
        assert code("10005", size="S") == "too_late"

    def test_invoice(self, shop: Shop) -> None:
        facts = shop.send_invoice(ANNA, "10004", key="k").facts
        assert facts["email"] == "a…@mail.example"
        assert mails(shop) == [("invoice", "anna.reed@mail.example")]
        assert refused(lambda: shop.send_invoice(ANNA, "10001", key="k2"))[0] == "not_dispatched"


class TestTickets:
    def test_damaged(self, shop: Shop) -> None:
        done = shop.report_item(ANNA, "10009", "damaged", ("P-0003-GREY-ONE",), text="hi", key="k")
        facts = done.facts
        assert done.reference is not None
        assert done.reference.startswith("TK-")
        assert (facts["in_time"], facts["keep"], facts["answer_by"]) == ("yes", "yes", "2026-06-11")
        sofa = shop.report_item(ANNA, "10009", "damaged", ("P-0004-GREEN-ONE",), key="k2").facts
        assert (sofa["in_time"], sofa["days"], sofa["keep"]) == ("no", "3", "no")

    def test_the_same_trouble_once_more_is_added_to_its_ticket(self, shop: Shop) -> None:
        first = shop.report_item(ANNA, "10004", "wrong", text="a hat came", key="k")
        second = shop.report_item(ANNA, "10004", "wrong", text="STILL a hat", key="k2")
        assert first.facts["again_open"] == ""
        assert second.reference == second.facts["again_open"] == first.reference
        with shop.database.reads() as session:
            texts = list(session.scalars(select(schema.Ticket.text)))
        assert texts == ["a hat came\n---\nSTILL a hat"]

    def test_a_parcel_is_searched_for_once_it_is_late(self, shop: Shop) -> None:
        code, facts = refused(lambda: shop.report_item(ANNA, "10003", "missing", key="k"))
        assert (code, facts["report_from"]) == ("not_late_yet", "2026-06-16")
        assert (
            shop.report_item(ANNA, "10010", "missing", key="k").facts["answer_by"] == "2026-06-15"
        )

    def test_damage_of_what_has_not_come(self, shop: Shop) -> None:
        code = refused(lambda: shop.report_item(ANNA, "10003", "damaged", key="k"))[0]
        assert code == "not_delivered"

    def test_double_charge(self, shop: Shop) -> None:
        done = shop.report_double_charge(ANNA, "10004", amount=Decimal("40"), key="k")
        assert (done.facts["amount"], done.facts["vanish"]) == ("40.00", "7")
        assert shop.report_double_charge(ANNA, key="k2").facts["number"] == ""

    def test_complaint(self, shop: Shop) -> None:
        known = shop.complain(ANNA, text="rude", number="10004", key="k")
        assert known.facts["acknowledged_by"] == "2026-06-11"
        assert known.facts["answer_by"] == "2026-06-17"
        unknown = shop.complain(None, text="rude", key="k2")
        assert unknown.reference not in (None, known.reference)
        with pytest.raises(NotFound):
            shop.complain(None, text="rude", number="10004", key="k3")

    def test_warranty(self, shop: Shop, clock: Clock) -> None:
        sku = "P-0006-BLACK-ONE"
        facts = shop.claim_warranty(ANNA, "10009", sku, text="dead", key="k").facts
        assert (facts["until"], facts["refund"]) == ("2028-05-29", "yes")
        clock.forward(days=2 * 365 + 5)
        late = refused(lambda: shop.claim_warranty(ANNA, "10009", sku, key="k2"))
        assert late[0] == "too_late"


class TestAccounts:
    def test_address_for_next_time(self, shop: Shop) -> None:
        shop.change_account_address(ANNA, "9 Park Row, York YO1 7AB", key="k")
        assert shop.order(ANNA, "10001").address == "14 Mill Lane, Leeds LS2 9JT"

    def test_password_says_the_same_for_any_mail(self, shop: Shop) -> None:
        known = shop.reset_password("bert@post.example", key="k")
        unknown = shop.reset_password("nobody@post.example", key="k2")
        assert known.facts.keys() == unknown.facts.keys()
        assert (known.reference, known.again) == (unknown.reference, unknown.again)
        assert mails(shop) == [("reset_link", "bert@post.example")]

    def test_three_links_an_hour(self, shop: Shop, clock: Clock) -> None:
        for number in range(5):
            shop.reset_password("bert@post.example", key=f"k{number}")
        assert len(mails(shop)) == 3
        clock.forward(minutes=61)
        shop.reset_password("bert@post.example", key="later")
        assert len(mails(shop)) == 4

    def test_deletion(self, shop: Shop) -> None:
        code, facts = refused(lambda: shop.request_deletion(ANNA, key="k"))
        assert code == "open_orders"
        assert facts["orders"].startswith("MF-10001, MF-10002")
        done = shop.request_deletion(BERT, key="k")
        assert done.facts["done_by"] == "2026-07-10"
        again, more = refused(lambda: shop.request_deletion(BERT, key="k2"))
        assert (again, more["reference"]) == ("already_requested", done.reference)

    def test_open_returns_are_finished_first(self, shop: Shop) -> None:
        shop.start_return(BERT, "20001", key="k")
        code, facts = refused(lambda: shop.request_deletion(BERT, key="k2"))
        assert (code, facts["orders"]) == ("open_orders", "MF-20001")
