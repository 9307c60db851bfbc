"""Opens tickets for the staff: what the desk takes down and cannot settle."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal

from sqlalchemy import select

from desk.shop import rules
from desk.shop.once import Act, Work, clean
from desk.shop.reading import money, own_customer, own_item, own_order
from desk.shop.results import NotFound, NotPossible
from desk.shop.returns import delivered_on
from desk.shop.schema import Customer, Item, Mail, Order, Ticket
from desk.types import Done

_LONGEST_TEXT = 5_000
_LONGEST_TICKET = 50_000


def report_item(customer: str, number: str, trouble: str, skus: tuple[str, ...], text: str) -> Act:
    def act(work: Work) -> Done:
        order = own_order(work.session, customer, number, lock=True)
        items = [own_item(order, sku) for sku in dict.fromkeys(skus)] or list(order.items)
        lost = trouble == "missing" and order.state in ("processing", "dispatched")
        if lost:
            _check_late(order, work)
        kind = "lost" if lost else trouble
        days = rules.REPORT_DAYS
        if trouble == "damaged" and any(item.variant.product.large for item in items):
            days = rules.REPORT_DAYS_LARGE
        in_time = True
        if not lost:
            in_time = work.now.date() <= delivered_on(order) + timedelta(days=days)
        ticket, again = _open(work, kind, order.customer, order, items if skus else [], text)
        worth = sum((item.price * item.quantity for item in items), Decimal("0.00"))
        keep = trouble == "damaged" and worth < rules.KEEP_UNDER
        facts = {
            "number": order.number,
            "products": ", ".join(item.variant.product.name for item in items),
            "in_time": "yes" if in_time else "no",
            "days": str(days),
            "answer_by": ticket.answer_by.isoformat(),
            "keep": "yes" if keep else "no",
            "again_open": again,
        }
        return Done(f"report_{trouble}_item", ticket.reference, facts)

    return act


def report_double_charge(
    customer: str, number: str | None, amount: Decimal | None, text: str
) -> Act:
    def act(work: Work) -> Done:
        who = own_customer(work.session, customer)
        order = own_order(work.session, customer, number, lock=True) if number else None
        if amount is None and order is not None:
            amount_said = money(order.total)
        else:
            amount_said = money(amount) if amount is not None else ""
        said = f"{text}\n(amount: {amount_said})" if amount is not None else text
        ticket, again = _open(work, "double_charge", who, order, [], said)
        facts = {
            "number": order.number if order else "",
            "amount": amount_said,
            "answer_by": ticket.answer_by.isoformat(),
            "vanish": str(rules.DOUBLE_DAYS),
            "again_open": again,
        }
        return Done("report_double_charge", ticket.reference, facts)

    return act


def complain(customer: str | None, number: str | None, text: str) -> Act:
    def act(work: Work) -> Done:
        if customer is None:
            if number is not None:
                raise NotFound("order")  # nobody's order is named to somebody unknown
            who, order = None, None
        else:
            who = own_customer(work.session, customer)
            order = own_order(work.session, customer, number, lock=True) if number else None
        ticket, again = _open(work, "complaint", who, order, [], text)
        acknowledged = rules.working_days_after(work.now.date(), 1)
        facts = {
            "acknowledged_by": acknowledged.isoformat(),
            "answer_by": ticket.answer_by.isoformat(),
            "again_open": again,
        }
        return Done("complain", ticket.reference, facts)

    return act


def claim_warranty(customer: str, number: str, sku: str, text: str) -> Act:
    def act(work: Work) -> Done:
        order = own_order(work.session, customer, number, lock=True)
        item = own_item(order, sku)
        delivered = delivered_on(order)
        years = 3 if item.registered and item.variant.product.electronic else 2
        until = rules.years_after(delivered, years)
        today = work.now.date()
        if today > until:
            days = str((until - delivered).days)
            raise NotPossible("too_late", days=days, since=delivered.isoformat())
        ticket, again = _open(work, "warranty", order.customer, order, [item], text)
        money_back = today <= delivered + timedelta(days=30)
        facts = {
            "number": order.number,
            "product": item.variant.product.name,
            "until": until.isoformat(),
            "answer_by": ticket.answer_by.isoformat(),
            "refund": "yes" if money_back else "no",
            "repair_days": str(rules.REPAIR_DAYS),
            "again_open": again,
        }
        return Done("claim_warranty", ticket.reference, facts)

    return act


def _check_late(order: Order, work: Work) -> None:
    """A parcel is searched for once it is two days of work late."""
    if order.state == "canceled":
        raise NotPossible("not_delivered", state=order.state, expected="")
    from_day = rules.working_days_after(order.expected, rules.LATE_PARCEL_DAYS)
    if work.now.date() < from_day:
        raise NotPossible(
            "not_late_yet", expected=order.expected.isoformat(), report_from=from_day.isoformat()
        )


def _open(
    work: Work, kind: str, who: Customer | None, order: Order | None, items: list[Item], text: str
) -> tuple[Ticket, str]:
    """A new ticket, or the open one about the same, with what was said now added to it."""
    session = work.session
    said = clean(text, _LONGEST_TEXT)
    skus = " ".join(item.variant.sku for item in items)[:500]
    if who is not None:
        # Two conversations of one customer must not each open one: the first holds the row.
        session.execute(select(Customer.id).where(Customer.id == who.id).with_for_update())
        same = select(Ticket).where(
            Ticket.customer_id == who.id,
            Ticket.kind == kind,
            Ticket.order_id == (order.id if order else None),
            Ticket.skus == skus,
            Ticket.state == "open",
        )
        found = session.scalar(same.order_by(Ticket.id.desc()).limit(1))
        if found is not None:
            work.before = {"ticket": found.reference}
            found.text = f"{found.text}\n---\n{said}"[:_LONGEST_TICKET]
            work.after = {"ticket": found.reference, "added": said[:200]}
            return found, found.reference
    ticket = Ticket(
        reference=f"TK-new-{kind}",
        customer_id=who.id if who else None,
        order_id=order.id if order else None,
        kind=kind,
        skus=skus,
        text=said,
        state="open",
        opened=work.now,
        answer_by=rules.working_days_after(work.now.date(), rules.ANSWER_DAYS[kind]),
    )
    session.add(ticket)
    session.flush()
    ticket.reference = f"TK-{ticket.id:06d}"
    work.after = {"ticket": ticket.reference, "kind": kind}
    if who is not None:
        session.add(Mail(email=who.email, kind="ticket", about=ticket.reference, written=work.now))
    return ticket, ""
