"""Announces returns and exchanges of goods that were delivered."""

from __future__ import annotations

from datetime import date, timedelta
from decimal import ROUND_HALF_UP, Decimal

from desk.shop import rules
from desk.shop.once import Act, Work, clean
from desk.shop.orders import take, tell
from desk.shop.reading import money, own_item, own_order
from desk.shop.results import Code, NotPossible
from desk.shop.schema import Item, Order, Return, ReturnItem
from desk.shop.variants import choose, described
from desk.types import Done

_PENNY = Decimal("0.01")


def start_return(
    customer: str, number: str, skus: tuple[str, ...], method: str, reason: str, faulty: bool
) -> Act:
    def act(work: Work) -> Done:
        order = own_order(work.session, customer, number, lock=True)
        delivered = delivered_on(order)
        items, late = _to_send_back(order, skus, work.now.date(), delivered, faulty)
        cost = rules.return_cost(method, order.country, faulty)
        amount = max(_worth(order, items, late) - cost, Decimal("0.00"))
        if not late and _comes_back_whole(order, items, work.now.date(), delivered):
            amount += min(order.delivery, rules.STANDARD_DELIVERY)
        if faulty and len(items) == len(order.items):
            amount = order.total
        made = Return(
            kind="return",
            method=method,
            faulty=faulty,
            amount=amount,
            cost=cost,
            refund="gift_card" if late else "original",
            items=[ReturnItem(item=item) for item in items],
        )
        _announce(work, order, made, reason, "RT")
        facts = {
            "number": order.number,
            "products": ", ".join(item.variant.product.name for item in items),
            "amount": money(amount),
            "cost": money(cost),
            "method": method,
            "refund": made.refund,
            **_code(work, order),
        }
        return Done("start_return", made.reference, facts)

    return act


def start_exchange(
    customer: str, number: str, sku: str, color: str | None, size: str | None, reason: str
) -> Act:
    def act(work: Work) -> Done:
        order = own_order(work.session, customer, number, lock=True)
        delivered = delivered_on(order)
        if order.country != "GB":
            raise NotPossible("abroad", country=order.country)
        item = own_item(order, sku)
        _check_back(order, item, work.now.date(), delivered, rules.RETURN_DAYS)
        new = choose(item.variant, color, size)
        if new.id == item.variant_id:
            raise NotPossible("not_exchangeable", **described(new))
        take(work.session, new, item.quantity)
        made = Return(
            kind="exchange",
            method="parcel_shop",
            faulty=False,
            amount=Decimal("0.00"),
            cost=Decimal("0.00"),
            refund="none",
            items=[ReturnItem(item=item, new_variant_id=new.id)],
        )
        _announce(work, order, made, reason, "EX")
        facts = {"number": order.number, **described(new), **_code(work, order)}
        return Done("start_exchange", made.reference, facts)

    return act


def delivered_on(order: Order) -> date:
    """NotPossible where the order has not arrived (or never will)."""
    if order.state == "canceled":
        raise NotPossible("not_delivered", state=order.state, expected="")
    if order.shipment is None or order.shipment.delivered is None:
        raise NotPossible("not_delivered", state=order.state, expected=order.expected.isoformat())
    return order.shipment.delivered.date()


def _to_send_back(
    order: Order, skus: tuple[str, ...], today: date, delivered: date, faulty: bool
) -> tuple[list[Item], bool]:
    """The items, and whether it is so late that only a gift card comes back."""
    days = rules.LATE_DAYS
    if skus:
        items = [own_item(order, sku) for sku in dict.fromkeys(skus)]
        for item in items:
            _check_back(order, item, today, delivered, days, faulty=faulty)
    else:
        items, why = [], None
        for item in order.items:
            try:
                _check_back(order, item, today, delivered, days, faulty=faulty)
                items.append(item)
            except NotPossible as refused:
                why = why or refused
        if not items:
            assert why is not None  # an order has items
            raise why
    late = today > rules.last_return_day(order.placed.date(), delivered) and not faulty
    return items, late


def _check_back(
    order: Order, item: Item, today: date, delivered: date, days: int, *, faulty: bool = False
) -> None:
    product = item.variant.product
    for made in order.returns:
        if any(returned.item_id == item.id for returned in made.items):
            exchange = made.kind == "exchange"
            code: Code = "already_exchanged" if exchange else "already_returned"
            raise NotPossible(code, reference=made.reference, product=product.name)
    if not faulty and (not product.returnable or item.personalized):
        raise NotPossible("not_returnable", product=product.name)
    last = rules.last_return_day(order.placed.date(), delivered)
    last += timedelta(days=days - rules.RETURN_DAYS)
    if faulty:
        last = rules.years_after(delivered, 2)
    if today > last:
        allowed = str((last - delivered).days)
        raise NotPossible("too_late", days=allowed, since=delivered.isoformat())
    if product.large:
        raise NotPossible("large_item", product=product.name)


def _worth(order: Order, items: list[Item], late: bool) -> Decimal:
    """What was paid for the items, a discount shared among all; late: today's price at most."""
    goods = sum((i.price * i.quantity for i in order.items), Decimal("0.00"))
    sent = Decimal("0.00")
    for item in items:
        price = min(item.price, item.variant.price) if late else item.price
        sent += price * item.quantity
    share = order.discount * sent / goods if goods else Decimal("0.00")
    return (sent - share).quantize(_PENNY, ROUND_HALF_UP)


def _comes_back_whole(order: Order, items: list[Item], today: date, delivered: date) -> bool:
    in_time = today <= delivered + timedelta(days=rules.WHOLE_ORDER_DAYS)
    return in_time and len(items) == len(order.items)


def _announce(work: Work, order: Order, made: Return, reason: str, letters: str) -> None:
    made.reason = clean(reason, 500)
    made.state, made.announced = "announced", work.now
    made.reference = f"{letters}-new-{order.id}"  # until it has an id
    order.returns.append(made)
    work.session.flush()
    made.reference = f"{letters}-{made.id:06d}"
    work.before = {"state": order.state}
    work.after = {
        "return": made.reference,
        "items": [returned.item.variant.sku for returned in made.items],
        "amount": money(made.amount),
    }
    tell(work, order, f"{made.kind}_code", made.reference)


def _code(work: Work, order: Order) -> dict[str, str]:
    until = work.now.date() + timedelta(days=rules.CODE_DAYS)
    return {"code_until": until.isoformat(), "email": rules.masked(order.customer.email)}
