"""Reads what belongs to a customer, and shows it as a customer may see it. Changes nothing."""

from __future__ import annotations

import hashlib
import re
from contextlib import suppress
from datetime import datetime
from decimal import Decimal
from typing import cast

from sqlalchemy import Select, select
from sqlalchemy.orm import Session, joinedload, selectinload

from desk import types
from desk.shop import results, rules
from desk.shop.once import clean
from desk.shop.results import NotFound
from desk.shop.schema import Customer, Item, Order, Product, Refund, Return, Variant

_NUMBER = re.compile(r"\D{0,20}?(\d{5})\W{0,5}")


def order_number(said: str) -> str:
    """ "MF-48213" of what was said ("mf 48213", "#48213"). NotFound where it is no number."""
    found = _NUMBER.fullmatch(said.strip()[:60])
    if found is None or not found[1].isascii():
        raise NotFound("order")
    return f"MF-{found[1]}"


def email_address(said: str) -> str:
    """In the form that is kept; NotFound where it cannot be one."""
    email = said.strip().lower()
    if not re.fullmatch(r"[^\s@\x00-\x1f]{1,64}@[a-z0-9.-]{3,130}", email) or not email.isascii():
        raise NotFound("e-mail")
    return email


def shown_secrets(number: str, email: str) -> dict[str, str]:
    """What `identify` is asked about, by how the audit may show it."""
    with suppress(NotFound):
        number = order_number(number)
    plain = email.strip().lower()[:200]
    return {f"order {number[:60]}": number[:60], f"e-mail {rules.masked(plain)}": plain}


def identify(session: Session, number: str, email: str) -> str:
    # One query for both, so that a wrong number and a wrong e-mail take the same time.
    found = session.scalar(
        select(Customer.number)
        .join(Order, Order.customer_id == Customer.id)
        .where(Order.number == order_number(number), Customer.email == email_address(email))
    )
    if found is None:
        raise NotFound("order")
    return found


def customer(session: Session, reference: str) -> str:
    column = Customer.number
    wanted = reference.strip().upper()
    if "@" in reference:
        column, wanted = Customer.email, email_address(reference)
    elif not re.fullmatch(r"C-\d{6}", wanted, re.ASCII):
        raise NotFound("customer")
    found = session.scalar(select(Customer.number).where(column == wanted))
    if found is None:
        raise NotFound("customer")
    return found


def own_customer(session: Session, number: str) -> Customer:
    found = session.scalar(select(Customer).where(Customer.number == _plain(number)))
    if found is None:
        raise NotFound("customer")
    return found


def own_order(session: Session, customer: str, number: str, *, lock: bool = False) -> Order:
    """The customer's order. lock: nobody else changes it until the transaction ends (SQLite holds
    the whole database already)."""
    wanted = (
        select(Order)
        .join(Customer, Order.customer_id == Customer.id)
        .where(Order.number == order_number(number), Customer.number == _plain(customer))
    )
    if lock:
        found = session.scalar(wanted.with_for_update(of=Order))
    else:
        found = session.scalar(_with_all(wanted))
    if found is None:
        raise NotFound("order")
    return found


def own_item(order: Order, sku: str) -> Item:
    for item in order.items:
        if item.variant.sku == sku:
            return item
    raise NotFound("item")


def order(session: Session, customer: str, number: str) -> types.Order:
    return shown(own_order(session, customer, number))


def orders(session: Session, customer: str, limit: int) -> tuple[types.Order, ...]:
    wanted = (
        select(Order)
        .join(Customer, Order.customer_id == Customer.id)
        .where(Customer.number == _plain(customer))
        .order_by(Order.placed.desc(), Order.id.desc())
        .limit(max(0, min(limit, 100)))
    )
    return tuple(shown(found) for found in session.scalars(_with_all(wanted)).unique())


def shown(order: Order) -> types.Order:
    """As a customer may see it."""
    shipment = order.shipment
    waiting = [r for r in order.returns if r.kind == "return" and r.state != "closed"]
    due = max((r.due for r in order.refunds), default=None)
    if waiting:
        last = waiting[-1]
        due = rules.refund_due(last.announced.date(), paid_back_to(order, last), order.country)
    return types.Order(
        number=order.number,
        state=cast(types.OrderState, order.state),
        placed=order.placed.date(),
        items=tuple(shown_item(item) for item in order.items),
        total=order.total,
        address=order.address,
        carrier=shipment.carrier if shipment else None,
        tracking=shipment.tracking if shipment else None,
        expected=order.expected,
        delivered=shipment.delivered.date() if shipment and shipment.delivered else None,
        refunded=sum((r.amount for r in order.refunds if r.sent), Decimal("0.00")),
        refund_due=due,
    )


def shown_item(item: Item) -> types.Item:
    variant = item.variant
    return types.Item(
        variant.sku, variant.product.name, variant.color, variant.size, item.quantity, item.price
    )


def paid_back_to(order: Order, made: Return) -> str:
    return "gift_card" if made.refund == "gift_card" else order.payment


def refund_status(session: Session, customer: str, number: str, now: datetime) -> types.Done:
    found = own_order(session, customer, number)
    facts = {"number": found.number, "payment": found.payment, "reference": ""}
    made = next((r for r in reversed(found.returns) if r.kind == "return"), None)
    refund = found.refunds[-1] if found.refunds else None
    if refund is not None and (made is None or made.state == "closed"):
        facts |= _refund_facts(refund, made)
    elif made is not None:
        due = rules.refund_due(made.announced.date(), paid_back_to(found, made), found.country)
        facts |= {
            "state": made.state,
            "amount": money(made.amount),
            "payment": paid_back_to(found, made),
            "due": max(due, now.date()).isoformat(),
            "sent": "",
            "reference": made.reference,
        }
    else:
        facts |= {"state": "none", "amount": "0.00", "due": "", "sent": ""}
    return types.Done("refund_status", facts["reference"] or None, facts)


def _refund_facts(refund: Refund, made: Return | None) -> dict[str, str]:
    return {
        "state": "sent" if refund.sent else "checking",
        "amount": money(refund.amount),
        "payment": refund.payment,
        "due": refund.due.isoformat(),
        "sent": refund.sent.date().isoformat() if refund.sent else "",
        "reference": made.reference if made else "",
    }


def product(session: Session, sku: str) -> results.Product:
    found = session.scalar(select(Variant).where(Variant.sku == clean(sku, 40)))
    if found is None or found.sku != sku:
        raise NotFound("product")
    return shown_product(found.product)


def shown_product(product: Product, score: float = 1.0) -> results.Product:
    variants = tuple(
        results.Variant(v.sku, v.color, v.size, v.price, v.stock, v.restock)
        for v in product.variants
    )
    return results.Product(
        product.code,
        product.name,
        product.category,
        product.returnable,
        product.large,
        product.electronic,
        variants,
        round(score, 4),
    )


def pin_hash(code: str, pin: str) -> str:
    return hashlib.sha256(f"{code}:{pin}".encode("utf-8", "surrogatepass")).hexdigest()


def money(amount: Decimal) -> str:
    return f"{amount:.2f}"


def _plain(number: str) -> str:
    """A customer number as a column can be compared with: no NUL, not endless."""
    if not re.fullmatch(r"C-\d{6}", number, re.ASCII):
        raise NotFound("customer")
    return number


def _with_all(wanted: Select[tuple[Order]]) -> Select[tuple[Order]]:
    items = selectinload(Order.items).joinedload(Item.variant).joinedload(Variant.product)
    return wanted.options(
        items, joinedload(Order.shipment), selectinload(Order.returns), selectinload(Order.refunds)
    )
