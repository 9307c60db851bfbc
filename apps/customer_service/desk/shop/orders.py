"""Cancels and changes orders before they are dispatched, with their stock and money."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal

from sqlalchemy import select, update
from sqlalchemy.orm import Session

from desk.shop import rules
from desk.shop.once import Act, Work, clean
from desk.shop.reading import money, own_item, own_order
from desk.shop.results import NotFound, NotPossible
from desk.shop.schema import Item, Mail, Order, PromoCode, Refund, Variant
from desk.shop.variants import choose, described
from desk.types import Done


def cancel(customer: str, number: str, given: rules.Rules) -> Act:
    def act(work: Work) -> Done:
        order = own_order(work.session, customer, number, lock=True)
        if not _large_and_far(order, work):
            _may_change(order, work, given)
        work.before = {"state": order.state, "total": money(order.total)}
        for item in sorted(order.items, key=lambda item: item.variant_id):  # one order of locks
            give_back(work.session, item.variant_id, item.quantity)
        charged = order.payment != "card" and order.total > 0
        due = rules.working_days_after(work.now.date(), rules.CANCELED_DAYS)
        if charged:
            _refund(work, order, order.total)
        if order.promo:
            personal = PromoCode.customer_id.is_not(None)
            same = update(PromoCode).where(PromoCode.code == order.promo, personal)
            work.session.execute(same.values(used=False))
        order.state = "canceled"
        work.after = {"state": order.state}
        tell(work, order, "order_canceled")
        facts = {
            "number": order.number,
            "total": money(order.total),
            "payment": order.payment,
            "charged": "yes" if charged else "no",
            "due": due.isoformat() if charged else "",
        }
        return Done("cancel_order", order.number, facts)

    return act


def change_address(customer: str, number: str, address: str, given: rules.Rules) -> Act:
    def act(work: Work) -> Done:
        order = own_order(work.session, customer, number, lock=True)
        _may_change(order, work, given)
        new = checked_address(address)
        country = rules.country_of(new)
        if country is not None and country != order.country:
            raise NotPossible("other_country", country=country)
        before = order.address
        work.before, work.after = {"address": before}, {"address": new}
        order.address = new
        tell(work, order, "address_changed")
        return Done(
            "change_address",
            order.number,
            {"number": order.number, "address": new, "before": before},
        )

    return act


def change_item(
    customer: str,
    number: str,
    sku: str,
    color: str | None,
    size: str | None,
    quantity: int | None,
    given: rules.Rules,
) -> Act:
    def act(work: Work) -> Done:
        order = own_order(work.session, customer, number, lock=True)
        _may_change(order, work, given)
        item = own_item(order, sku)
        count = item.quantity if quantity is None else quantity
        work.before = _items(order)
        new = item.variant
        if count == 0:
            if len(order.items) == 1:
                raise NotPossible("last_item")
            give_back(work.session, item.variant_id, item.quantity)
            order.items.remove(item)
        else:
            new = choose(item.variant, color, size)
            _replace(work, order, item, new, count)
        difference = _settle(work, order)
        return _changed(work, "change_item", order, new, count, difference)

    return act


def add_item(customer: str, number: str, sku: str, quantity: int, given: rules.Rules) -> Act:
    def act(work: Work) -> Done:
        order = own_order(work.session, customer, number, lock=True)
        _may_change(order, work, given)
        new = work.session.scalar(select(Variant).where(Variant.sku == clean(sku, 40)))
        if new is None:
            raise NotFound("product")
        work.before = _items(order)
        same = next((i for i in order.items if i.variant_id == new.id), None)
        if same is not None:
            _replace(work, order, same, new, same.quantity + quantity)
        else:
            _check_quantity(quantity)
            take(work.session, new, quantity)
            order.items.append(Item(variant=new, quantity=quantity, price=new.price))
        difference = _settle(work, order)
        return _changed(work, "add_item", order, new, quantity, difference)

    return act


def take(session: Session, variant: Variant, count: int) -> None:
    """Out of stock: in one statement, so that two orders never take the last one."""
    enough = update(Variant).where(Variant.id == variant.id, Variant.stock >= count)
    left = session.execute(
        enough.values(stock=Variant.stock - count).returning(Variant.stock),
        execution_options={"synchronize_session": False},
    )
    if left.first() is None:
        restock = variant.restock.isoformat() if variant.restock else ""
        raise NotPossible("out_of_stock", **described(variant), restock=restock)


def give_back(session: Session, variant_id: int, count: int) -> None:
    back = update(Variant).where(Variant.id == variant_id)
    session.execute(
        back.values(stock=Variant.stock + count), execution_options={"synchronize_session": False}
    )


def tell(work: Work, order: Order, kind: str, about: str | None = None) -> None:
    """An e-mail to the order's customer, sent once all is done."""
    mail = Mail(
        email=order.customer.email, kind=kind, about=about or order.number, written=work.now
    )
    work.session.add(mail)


def checked_address(said: str) -> str:
    address = " ".join(clean(said, 1000).split()).strip(" ,;")
    if not rules.is_address(address):
        raise NotPossible("bad_address", address=address[:300])
    return address


def _may_change(order: Order, work: Work, given: rules.Rules) -> None:
    if order.state == "canceled":
        raise NotPossible("already_canceled", state=order.state)
    if order.state != "processing":
        shipment = order.shipment
        raise NotPossible(
            "already_dispatched",
            state=order.state,
            carrier=shipment.carrier if shipment else "",
            tracking=shipment.tracking if shipment else "",
            expected=order.expected.isoformat(),
        )
    window = given.change_window
    if window is not None and work.now - order.placed > window:
        minutes = int(window.total_seconds() // 60)
        raise NotPossible("too_late", minutes=str(minutes), since=order.placed.date().isoformat())


def _large_and_far(order: Order, work: Work) -> bool:
    """Large goods may be canceled until two days before they come, dispatched or not."""
    all_large = all(item.variant.product.large for item in order.items)
    last = order.expected - timedelta(days=rules.LARGE_CANCEL_DAYS)
    on_the_way = order.state in ("processing", "dispatched")
    return all_large and on_the_way and work.now.date() <= last


def _replace(work: Work, order: Order, item: Item, new: Variant, count: int) -> None:
    other = next((i for i in order.items if i.variant_id == new.id and i is not item), None)
    _check_quantity(count + (other.quantity if other else 0))
    if new.id == item.variant_id:
        more = count - item.quantity
        if more > 0:
            take(work.session, new, more)
        else:
            give_back(work.session, new.id, -more)
        item.quantity = count
        return
    take(work.session, new, count)
    give_back(work.session, item.variant_id, item.quantity)
    if other is not None:
        other.quantity += count
        order.items.remove(item)
    else:
        item.variant, item.quantity, item.price = new, count, new.price


def _check_quantity(count: int) -> None:
    if not 1 <= count <= rules.MOST_PIECES:
        raise NotPossible("bad_quantity", quantity=str(count), most=str(rules.MOST_PIECES))


def _settle(work: Work, order: Order) -> Decimal:
    """The new total; what was paid too much comes back. The delivery charge stays."""
    goods = sum((i.price * i.quantity for i in order.items), Decimal("0.00"))
    total = max(goods + order.delivery - order.discount, Decimal("0.00"))
    difference = total - order.total
    if order.payment != "card":
        if difference > 0:
            raise NotPossible("card_only", payment=order.payment)
        if difference < 0:
            _refund(work, order, -difference)
    order.total = total
    return difference


def _refund(work: Work, order: Order, amount: Decimal) -> None:
    due = rules.working_days_after(work.now.date(), rules.CANCELED_DAYS)
    order.refunds.append(Refund(amount=amount, payment=order.payment, sent=work.now, due=due))


def _items(order: Order) -> dict[str, object]:
    items = {item.variant.sku: item.quantity for item in order.items}
    return {"items": items, "total": money(order.total)}


def _changed(
    work: Work, name: str, order: Order, new: Variant, count: int, difference: Decimal
) -> Done:
    work.after = _items(order)
    tell(work, order, "order_changed")
    facts = {
        "number": order.number,
        **described(new),
        "quantity": str(count),
        "total": money(order.total),
        "difference": money(difference),
    }
    return Done(name, order.number, facts)
