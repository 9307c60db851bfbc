"""What promo codes are worth and what is left on gift cards. Changes nothing."""

from __future__ import annotations

import hmac
import re
from datetime import date, datetime, timedelta
from decimal import Decimal

from sqlalchemy import select
from sqlalchemy.orm import Session

from desk.shop import rules
from desk.shop.reading import money, own_customer, pin_hash
from desk.shop.results import NotFound
from desk.shop.schema import Customer, GiftCard, Order, PromoCode
from desk.types import Done

_CODE = re.compile(r"[A-Z0-9_-]{3,40}")


def promo_code(
    session: Session, code: str, customer: str | None, basket: Decimal | None, now: datetime
) -> Done:
    wanted = "".join(code.split()).upper()
    found = session.get(PromoCode, wanted) if _CODE.fullmatch(wanted) else None
    if found is None:
        raise NotFound("code")
    owner = own_customer(session, customer) if customer else None
    if found.customer_id is not None and (owner is None or owner.id != found.customer_id):
        raise NotFound("code")
    today = now.date()
    why = ""
    if found.used:
        why = "used"
    elif today > found.ends:
        why = "expired"
    elif today < found.starts:
        why = "not_yet"
    elif basket is not None and basket < found.minimum:
        why = "minimum"
    elif found.first_order and owner is not None and _has_ordered(session, owner):
        why = "first_order"
    facts = {
        "code": found.code,
        "valid": "no" if why else "yes",
        "why": why,
        "percent": str(found.percent or ""),
        "amount": money(found.amount) if found.amount else "",
        "minimum": money(found.minimum),
        "until": found.ends.isoformat(),
        "sale": "yes" if found.sale else "no",
    }
    return Done("promo_code", None, facts)


def gift_card(session: Session, code: str, pin: str, now: datetime) -> Done:
    wanted = gift_card_code(code)
    found = session.get(GiftCard, wanted) if re.fullmatch(r"[A-Z0-9]{16}", wanted) else None
    # Compared where there is no card too: the answer takes the same time.
    expected = found.pin_hash if found else pin_hash("", "")
    right = hmac.compare_digest(expected, pin_hash(wanted, pin.strip()))
    if found is None or not right or found.blocked:
        raise NotFound("gift card")
    until = _months_after(found.last_used, rules.GIFT_CARD_MONTHS)
    facts = {
        "balance": money(found.balance),
        "until": until.isoformat(),
        "expired": "yes" if until < now.date() else "no",
        "ending": found.code[-4:],
    }
    return Done("gift_card", None, facts)


def gift_card_code(said: str) -> str:
    """As it is kept: without blanks and hyphens."""
    return re.sub(r"[\s-]", "", said[:100]).upper()


def _has_ordered(session: Session, owner: Customer) -> bool:
    mine = select(Order.id).where(Order.customer_id == owner.id, Order.state != "canceled")
    return session.scalar(mine.limit(1)) is not None


def _months_after(day: date, months: int) -> date:
    after = rules.years_after(day, months // 12)
    return after + timedelta(days=30 * (months % 12))
