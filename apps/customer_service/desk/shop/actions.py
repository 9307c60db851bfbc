"""All that the desk may read and do in the shop: one method an action.

customer: the shop's number of a customer ("C-004821"), from `identify` or `customer`; every
method that takes one concerns this customer's things only, and raises NotFound for all others'.
key: the caller's name of this one request (at most once done, however often it is asked; say
"conversation/message/2"). A repeat gives the stored result with again=True and changes nothing; a
key whose action was refused is free again. Errors: `NotFound`, `NotPossible`, `KeyReused`; whatever
else is raised (sqlalchemy.exc.SQLAlchemyError) is a fault of the database, nothing was done, and
the same key may be tried again.

The rules are in `rules`, the work in `reading`, `codes`, `orders`, `returns`, `tickets` and
`accounts`.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from decimal import Decimal
from typing import Literal

from desk.shop import accounts, codes, orders, reading, returns, tickets
from desk.shop.database import Database
from desk.shop.guard import Guard
from desk.shop.once import Once
from desk.shop.results import Product
from desk.shop.rules import IDENTITY_TRIES, PIN_TRIES, Rules
from desk.types import Done, Order

Trouble = Literal["damaged", "missing", "wrong"]
Method = Literal["parcel_shop", "pick_up", "store"]


def now() -> datetime:
    return datetime.now(UTC)


class Shop:
    """The shop at a database URL: sqlite:///path or postgresql://user:password@host/name.

    One Shop serves all threads of a process. clock: tells the time, in UTC; by: who acts, for the
    audit; rules: what facts.md leaves open. Tables that lack are made.
    """

    def __init__(
        self,
        url: str,
        *,
        clock: Callable[[], datetime] = now,
        by: str = "desk",
        rules: Rules | None = None,
    ) -> None:
        self.database = Database(url)
        self.clock = clock
        self.rules = rules or Rules()
        self._once = Once(self.database, clock, by)
        self._guard = Guard(self.database, clock, by)

    def close(self) -> None:
        """Give back all connections."""
        self.database.close()

    # Who it is

    def identify(self, number: str, email: str) -> str:
        """The customer to whom an order belongs, where the e-mail is theirs.

        NotFound whichever of the two is wrong, and for an hour after 20 wrong tries at either in
        one: over all conversations. The caller counts those of its own.
        """
        secrets = reading.shown_secrets(number, email)
        with (
            self._guard.limits("identify", secrets, IDENTITY_TRIES),
            self.database.reads() as session,
        ):
            return reading.identify(session, number, email)

    def customer(self, reference: str) -> str:
        """The customer that a channel has authenticated, by number or e-mail. NotFound: none."""
        with self.database.reads() as session:
            return reading.customer(session, reference)

    # Reading

    def order(self, customer: str, number: str) -> Order:
        """An order of the customer. number: as said ("MF-48213", "mf 48213", "#48213")."""
        with self._guard.watches("order", customer, (number,)), self.database.reads() as session:
            return reading.order(session, customer, number)

    def orders(self, customer: str, limit: int = 5) -> tuple[Order, ...]:
        """The customer's last orders, the newest first; empty where there are none."""
        with self.database.reads() as session:
            return reading.orders(session, customer, limit)

    def refund_status(self, customer: str, number: str) -> Done:
        """Where the money of an order is.

        facts: number, state ("none" nothing sent back; "announced" return not yet on its way;
        "on_the_way"; "checking" arrived; "sent"), amount, payment ("card", "paypal", "klarna",
        "gift_card"), due (the last day by which it is there), sent (day, of "sent"), reference (of
        the return, or "").
        """
        with (
            self._guard.watches("refund_status", customer, (number,)),
            self.database.reads() as session,
        ):
            return reading.refund_status(session, customer, number, self.clock())

    def products(self, text: str, limit: int = 5) -> tuple[Product, ...]:
        """The products that a phrase may mean ("navy wool coat in 12"), the best first, with their
        stock now; empty where none fits. Needs no customer."""
        return self.database.catalog().search(text, limit)

    def product(self, sku: str) -> Product:
        """What the shop sells under a sku, with its other colors and sizes and their stock now.
        Needs no customer. NotFound: there is no such sku."""
        with self.database.reads() as session:
            return reading.product(session, sku)

    def promo_code(
        self, code: str, *, customer: str | None = None, basket: Decimal | None = None
    ) -> Done:
        """What a code is worth. NotFound where there is none, or it is another customer's.

        facts: code, valid ("yes" or "no"), why ("" | "expired" | "not_yet" | "used" | "minimum" |
        "first_order"), percent or amount (the other ""), minimum, until, sale ("yes": also on sale
        goods).
        """
        with self.database.reads() as session:
            return codes.promo_code(session, code, customer, basket, self.clock())

    def gift_card(self, code: str, pin: str) -> Done:
        """What is left on a gift card. code: 16 letters and digits, blanks allowed. NotFound
        whichever of the two is wrong, or the card is blocked, and for an hour after 10 wrong tries.

        facts: balance, until, expired ("yes" or "no"), ending (last four of the code).
        """
        plain = codes.gift_card_code(code)
        with (
            self._guard.limits("gift_card", {f"…{plain[-4:]}": plain}, PIN_TRIES),
            self.database.reads() as session,
        ):
            return codes.gift_card(session, plain, pin, self.clock())

    # Before dispatch

    def cancel_order(self, customer: str, number: str, *, key: str) -> Done:
        """Cancel a whole order. NotPossible: already_canceled, already_dispatched, too_late.

        facts: number, total, payment, charged ("yes": the money comes back until due; "no": the
        card had not been charged), due.
        """
        act = orders.cancel(customer, number, self.rules)
        return self._once("cancel_order", customer, key, (number,), act)

    def change_address(self, customer: str, number: str, address: str, *, key: str) -> Done:
        """Send an order elsewhere in the same country. NotPossible: already_canceled,
        already_dispatched, too_late, other_country, bad_address.

        facts: number, address, before.
        """
        act = orders.change_address(customer, number, address, self.rules)
        return self._once("change_address", customer, key, (number, address), act)

    def change_account_address(self, customer: str, address: str, *, key: str) -> Done:
        """The address for next time; no order changes. NotPossible: bad_address.

        facts: address, before.
        """
        act = accounts.change_address(customer, address)
        return self._once("change_account_address", customer, key, (address,), act)

    def change_item(
        self,
        customer: str,
        number: str,
        sku: str,
        *,
        color: str | None = None,
        size: str | None = None,
        quantity: int | None = None,
        key: str,
    ) -> Done:
        """Another color, size or quantity of one item before dispatch; quantity 0 takes it out.

        NotFound where the order has no such item. NotPossible: already_canceled,
        already_dispatched, too_late, last_item, no_such_variant, which_variant, out_of_stock,
        bad_quantity, card_only (dearer than before and not paid by card).
        facts: number, product, color, size, quantity, total, difference ("-5.00" is
        what comes back).
        """
        act = orders.change_item(customer, number, sku, color, size, quantity, self.rules)
        given = (number, sku, color, size, quantity)
        return self._once("change_item", customer, key, given, act)

    def add_item(
        self, customer: str, number: str, sku: str, *, quantity: int = 1, key: str
    ) -> Done:
        """One more product in an order. As `change_item`; NotFound where there is no such sku."""
        act = orders.add_item(customer, number, sku, quantity, self.rules)
        return self._once("add_item", customer, key, (number, sku, quantity), act)

    # After delivery

    def start_return(
        self,
        customer: str,
        number: str,
        skus: tuple[str, ...] = (),
        *,
        method: Method = "parcel_shop",
        reason: str = "",
        faulty: bool = False,
        key: str,
    ) -> Done:
        """Announce a return; the code goes out by e-mail. skus: none means all that can come back.

        faulty: damaged, faulty or wrong goods are free and not bound to 30 days. NotFound where the
        order has no such item. NotPossible: not_delivered, too_late, not_returnable,
        already_returned, large_item (the desk's people agree on a day).
        reference: "RT-…". facts: number, products, amount (comes back, less cost), cost, method,
        refund ("original" or "gift_card" from day 31), code_until (day), email.
        """
        given = (number, *sorted(skus), method, reason, faulty)
        act = returns.start_return(customer, number, skus, method, reason, faulty)
        return self._once("start_return", customer, key, given, act)

    def start_exchange(
        self,
        customer: str,
        number: str,
        sku: str,
        *,
        color: str | None = None,
        size: str | None = None,
        reason: str = "",
        key: str,
    ) -> Done:
        """The same product in another color or size, put aside now, sent when the old is scanned.

        NotPossible: not_delivered, too_late, not_returnable, already_returned, already_exchanged,
        abroad, large_item, no_such_variant, which_variant, not_exchangeable, out_of_stock.
        reference: "EX-…". facts: number, product, color, size (the new ones), code_until, email.
        """
        act = returns.start_exchange(customer, number, sku, color, size, reason)
        given = (number, sku, color, size, reason)
        return self._once("start_exchange", customer, key, given, act)

    def send_invoice(self, customer: str, number: str, *, key: str) -> Done:
        """The invoice once more, to the account's e-mail. NotPossible: not_dispatched.

        facts: number, email (masked: "a…@mail.example"), total.
        """
        act = accounts.send_invoice(customer, number)
        return self._once("send_invoice", customer, key, (number,), act)

    # Tickets: what the staff settles

    def report_item(
        self,
        customer: str,
        number: str,
        trouble: Trouble,
        skus: tuple[str, ...] = (),
        *,
        text: str = "",
        key: str,
    ) -> Done:
        """Goods that came damaged or wrong, or did not come. skus: none means the whole order.

        missing, of an order not delivered yet, starts a search once it is late. A report after the
        14 days (large goods 3) is taken all the same. NotPossible: not_delivered, not_late_yet.
        reference: "TK-…". facts: number, products, in_time ("yes" or "no"), days (the time that
        there was), answer_by (day), keep ("yes": worth under £15, need not come back), again_open
        (the reference of a ticket about the same, to which this was added, or "").
        """
        act = tickets.report_item(customer, number, trouble, skus, text)
        given = (number, trouble, *sorted(skus), text)
        return self._once(f"report_{trouble}_item", customer, key, given, act)

    def report_double_charge(
        self,
        customer: str,
        number: str | None = None,
        *,
        amount: Decimal | None = None,
        text: str = "",
        key: str,
    ) -> Done:
        """Charged twice or too much. reference: "TK-…". facts: number, amount, answer_by, vanish
        ("7": working days after which a pending double is gone), again_open."""
        act = tickets.report_double_charge(customer, number, amount, text)
        given = (number, str(amount), text)
        return self._once("report_double_charge", customer, key, given, act)

    def complain(
        self, customer: str | None, *, text: str, number: str | None = None, key: str
    ) -> Done:
        """A formal complaint; customer None: from somebody unknown (then number must be None).

        reference: "TK-…". facts: acknowledged_by, answer_by (days), again_open.
        """
        act = tickets.complain(customer, number, text)
        return self._once("complain", customer, key, (number, text), act)

    def claim_warranty(
        self, customer: str, number: str, sku: str, *, text: str = "", key: str
    ) -> Done:
        """A fault that showed in use. NotPossible: not_delivered, too_late (2 years; electronics 3
        where registered).

        reference: "TK-…". facts: number, product, until (the warranty's last day), answer_by,
        refund ("yes": within 30 days the money back, if wished), repair_days, again_open.
        """
        act = tickets.claim_warranty(customer, number, sku, text)
        return self._once("claim_warranty", customer, key, (number, sku, text), act)

    # Account

    def reset_password(self, email: str, *, key: str) -> Done:
        """A new link to an account's e-mail, which also unlocks it. Needs no customer, and is the
        same whether there is an account or not; at most 3 links an hour are sent.

        facts: email (as given), minutes ("30").
        """
        act = accounts.reset_password(email)
        return self._once("reset_password", None, key, (email,), act)

    def request_deletion(self, customer: str, *, key: str) -> Done:
        """Erase the account and personal data in 30 days, once the link in an e-mail is pressed.
        NotPossible: open_orders (on the way, or returns not finished), already_requested.

        reference: "DL-…". facts: email (masked), done_by (day).
        """
        act = accounts.request_deletion(customer)
        return self._once("request_deletion", customer, key, (), act)
