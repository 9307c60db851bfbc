"""What concerns the account: address, invoice, password, deletion."""

from __future__ import annotations

from datetime import timedelta

from sqlalchemy import func, select

from desk.shop import rules
from desk.shop.once import Act, Work, clean
from desk.shop.orders import checked_address, tell
from desk.shop.reading import email_address, money, own_customer, own_order
from desk.shop.results import NotFound, NotPossible
from desk.shop.schema import Customer, Mail, Order, Return
from desk.types import Done


def change_address(customer: str, address: str) -> Act:
    def act(work: Work) -> Done:
        who = own_customer(work.session, customer)
        before, new = who.address, checked_address(address)
        who.address = new
        who.country = rules.country_of(new) or who.country
        work.before, work.after = {"address": before}, {"address": new}
        return Done("change_account_address", None, {"address": new, "before": before})

    return act


def send_invoice(customer: str, number: str) -> Act:
    def act(work: Work) -> Done:
        order = own_order(work.session, customer, number)
        if order.shipment is None:  # the invoice is made at dispatch
            raise NotPossible("not_dispatched", state=order.state)
        tell(work, order, "invoice")
        email = rules.masked(order.customer.email)
        work.after = {"mail": "invoice"}
        facts = {"number": order.number, "email": email, "total": money(order.total)}
        return Done("send_invoice", order.number, facts)

    return act


def reset_password(email: str) -> Act:
    def act(work: Work) -> Done:
        given = clean(email, 200).strip()
        # The answer never tells whether there is such an account.
        facts = {"email": given, "minutes": str(rules.RESET_MINUTES)}
        try:
            address = email_address(given)
        except NotFound:
            return Done("reset_password", None, facts)
        found = work.session.scalar(
            select(Customer).where(Customer.email == address).with_for_update()
        )
        if found is not None and _links(work, address) < rules.RESETS_AN_HOUR:
            work.session.add(
                Mail(email=address, kind="reset_link", about=found.number, written=work.now)
            )
            work.before = {"locked": found.locked_until is not None}
            work.after = {"mail": "reset_link", "locked": False}
            found.locked_until = None
        return Done("reset_password", None, facts)

    return act


def request_deletion(customer: str) -> Act:
    def act(work: Work) -> Done:
        session = work.session
        found = session.scalar(
            select(Customer)
            .where(Customer.id == own_customer(session, customer).id)
            .with_for_update()
        )
        assert found is not None
        reference = f"DL-{found.id:06d}"
        if found.erase_by is not None:
            raise NotPossible(
                "already_requested", reference=reference, done_by=found.erase_by.isoformat()
            )
        mine = select(Order.number).where(Order.customer_id == found.id)
        on_the_way = mine.where(Order.state.in_(("processing", "dispatched")))
        coming_back = mine.join(Return).where(Return.state != "closed")
        waiting = sorted({*session.scalars(on_the_way), *session.scalars(coming_back)})
        if waiting:
            raise NotPossible("open_orders", orders=", ".join(waiting))
        done_by = work.now.date() + timedelta(days=rules.ERASE_DAYS)
        found.erase_by = done_by
        session.add(
            Mail(email=found.email, kind="deletion_link", about=reference, written=work.now)
        )
        work.before, work.after = {"erase_by": None}, {"erase_by": done_by.isoformat()}
        facts = {"email": rules.masked(found.email), "done_by": done_by.isoformat()}
        return Done("request_deletion", reference, facts)

    return act


def _links(work: Work, email: str) -> int:
    """How many were sent in the last hour."""
    since = work.now - timedelta(hours=1)
    sent = select(func.count(Mail.id)).where(
        Mail.email == email, Mail.kind == "reset_link", Mail.written > since
    )
    return work.session.scalar(sent) or 0
