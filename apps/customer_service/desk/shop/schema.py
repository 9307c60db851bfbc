"""The shop's tables. Money is kept in pence, moments in UTC; both databases give back the same.

What only the desk's conversations need (state, queue) is not here.
"""

from __future__ import annotations

from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

from sqlalchemy import JSON, DateTime, ForeignKey, Integer, String, Text, UniqueConstraint
from sqlalchemy.engine import Dialect
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column, relationship
from sqlalchemy.types import TypeDecorator


class Pounds(TypeDecorator[Decimal]):
    """A Decimal with two places, kept in pence: SQLite has no exact decimals."""

    impl = Integer
    cache_ok = True

    def process_bind_param(self, value: Decimal | None, dialect: Dialect) -> int | None:
        return None if value is None else int((value * 100).to_integral_value())

    def process_result_value(self, value: Any, dialect: Dialect) -> Decimal | None:
        return None if value is None else Decimal(value).scaleb(-2)


class Moment(TypeDecorator[datetime]):
    """A datetime with its zone, given back in UTC: SQLite forgets the zone."""

    impl = DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        if value is None:
            return None
        if value.tzinfo is None:
            raise ValueError(f"moment {value}: expected a time zone; use datetime.now(UTC)")
        return value.astimezone(UTC)

    def process_result_value(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        if value is None:
            return None
        return value.astimezone(UTC) if value.tzinfo else value.replace(tzinfo=UTC)


class Base(DeclarativeBase):
    type_annotation_map = {  # noqa: RUF012 - as SQLAlchemy wants it
        Decimal: Pounds,
        datetime: Moment,
        dict[str, Any]: JSON,
    }


class Customer(Base):
    __tablename__ = "customers"
    id: Mapped[int] = mapped_column(primary_key=True)
    number: Mapped[str] = mapped_column(String(12), unique=True)
    name: Mapped[str] = mapped_column(String(120))
    email: Mapped[str] = mapped_column(String(200), unique=True)  # lower case
    address: Mapped[str] = mapped_column(String(300))
    country: Mapped[str] = mapped_column(String(2))  # ISO 3166
    since: Mapped[datetime]
    locked_until: Mapped[datetime | None]
    erase_by: Mapped[date | None]  # asked to be forgotten


class Product(Base):
    __tablename__ = "products"
    id: Mapped[int] = mapped_column(primary_key=True)
    code: Mapped[str] = mapped_column(String(12), unique=True)
    name: Mapped[str] = mapped_column(String(120))
    category: Mapped[str] = mapped_column(String(40))
    returnable: Mapped[bool] = mapped_column(default=True)
    large: Mapped[bool] = mapped_column(default=False)
    electronic: Mapped[bool] = mapped_column(default=False)
    variants: Mapped[list[Variant]] = relationship(order_by="Variant.id", back_populates="product")


class Variant(Base):
    __tablename__ = "variants"
    id: Mapped[int] = mapped_column(primary_key=True)
    product_id: Mapped[int] = mapped_column(ForeignKey("products.id"), index=True)
    sku: Mapped[str] = mapped_column(String(40), unique=True)
    color: Mapped[str | None] = mapped_column(String(40))
    size: Mapped[str | None] = mapped_column(String(20))
    price: Mapped[Decimal]
    stock: Mapped[int]
    restock: Mapped[date | None]
    product: Mapped[Product] = relationship(back_populates="variants")


class Order(Base):
    __tablename__ = "orders"
    id: Mapped[int] = mapped_column(primary_key=True)
    number: Mapped[str] = mapped_column(String(12), unique=True)  # MF-48213
    customer_id: Mapped[int] = mapped_column(ForeignKey("customers.id"), index=True)
    state: Mapped[str] = mapped_column(String(20), index=True)  # types.OrderState
    placed: Mapped[datetime] = mapped_column(index=True)
    address: Mapped[str] = mapped_column(String(300))
    country: Mapped[str] = mapped_column(String(2))
    payment: Mapped[str] = mapped_column(String(20))  # card, paypal, klarna, gift_card
    delivery: Mapped[Decimal]  # its price
    discount: Mapped[Decimal]
    total: Mapped[Decimal]
    promo: Mapped[str | None] = mapped_column(String(40))
    expected: Mapped[date]  # day of delivery, as promised
    customer: Mapped[Customer] = relationship()
    items: Mapped[list[Item]] = relationship(order_by="Item.id", cascade="all, delete-orphan")
    shipment: Mapped[Shipment | None] = relationship()
    returns: Mapped[list[Return]] = relationship(order_by="Return.id", back_populates="order")
    refunds: Mapped[list[Refund]] = relationship(order_by="Refund.id")


class Item(Base):
    __tablename__ = "items"
    id: Mapped[int] = mapped_column(primary_key=True)
    order_id: Mapped[int] = mapped_column(ForeignKey("orders.id"), index=True)
    variant_id: Mapped[int] = mapped_column(ForeignKey("variants.id"))
    quantity: Mapped[int]
    price: Mapped[Decimal]  # of one, as ordered
    personalized: Mapped[bool] = mapped_column(default=False)
    registered: Mapped[bool] = mapped_column(default=False)  # for the third year of warranty
    variant: Mapped[Variant] = relationship()


class Shipment(Base):
    __tablename__ = "shipments"
    id: Mapped[int] = mapped_column(primary_key=True)
    order_id: Mapped[int] = mapped_column(ForeignKey("orders.id"), unique=True)
    carrier: Mapped[str] = mapped_column(String(40))
    tracking: Mapped[str] = mapped_column(String(40))
    dispatched: Mapped[datetime]
    delivered: Mapped[datetime | None]


class Return(Base):
    __tablename__ = "returns"
    id: Mapped[int] = mapped_column(primary_key=True)
    reference: Mapped[str] = mapped_column(String(20), unique=True)
    order_id: Mapped[int] = mapped_column(ForeignKey("orders.id"), index=True)
    kind: Mapped[str] = mapped_column(String(10))  # return, exchange
    state: Mapped[str] = mapped_column(String(12))  # announced, on_the_way, checking, closed
    method: Mapped[str] = mapped_column(String(12))
    reason: Mapped[str] = mapped_column(String(500))
    faulty: Mapped[bool]
    amount: Mapped[Decimal]  # comes back, its cost taken off
    cost: Mapped[Decimal]
    refund: Mapped[str] = mapped_column(String(10))  # original, gift_card, none
    announced: Mapped[datetime]
    scanned: Mapped[datetime | None]
    arrived: Mapped[datetime | None]
    order: Mapped[Order] = relationship(back_populates="returns")
    items: Mapped[list[ReturnItem]] = relationship()


class ReturnItem(Base):
    __tablename__ = "return_items"
    #: An item goes back once: two returns of it at the same time cannot both be made.
    item_id: Mapped[int] = mapped_column(ForeignKey("items.id"), primary_key=True)
    return_id: Mapped[int] = mapped_column(ForeignKey("returns.id"), index=True)
    new_variant_id: Mapped[int | None] = mapped_column(ForeignKey("variants.id"))  # of an exchange
    item: Mapped[Item] = relationship()


class Refund(Base):
    __tablename__ = "refunds"
    id: Mapped[int] = mapped_column(primary_key=True)
    order_id: Mapped[int] = mapped_column(ForeignKey("orders.id"), index=True)
    return_id: Mapped[int | None] = mapped_column(ForeignKey("returns.id"))
    amount: Mapped[Decimal]
    payment: Mapped[str] = mapped_column(String(20))
    sent: Mapped[datetime | None]
    due: Mapped[date]


class Ticket(Base):
    __tablename__ = "tickets"
    id: Mapped[int] = mapped_column(primary_key=True)
    reference: Mapped[str] = mapped_column(String(20), unique=True)
    customer_id: Mapped[int | None] = mapped_column(ForeignKey("customers.id"), index=True)
    order_id: Mapped[int | None] = mapped_column(ForeignKey("orders.id"))
    kind: Mapped[str] = mapped_column(String(20))
    skus: Mapped[str] = mapped_column(String(500))
    text: Mapped[str] = mapped_column(Text)
    state: Mapped[str] = mapped_column(String(10))  # open, closed
    opened: Mapped[datetime]
    answer_by: Mapped[date]


class PromoCode(Base):
    __tablename__ = "promo_codes"
    code: Mapped[str] = mapped_column(String(40), primary_key=True)  # upper case
    percent: Mapped[int | None]
    amount: Mapped[Decimal | None]
    minimum: Mapped[Decimal]
    starts: Mapped[date]
    ends: Mapped[date]
    first_order: Mapped[bool] = mapped_column(default=False)
    sale: Mapped[bool] = mapped_column(default=False)
    customer_id: Mapped[int | None] = mapped_column(ForeignKey("customers.id"))  # personal
    used: Mapped[bool] = mapped_column(default=False)  # of a personal one


class GiftCard(Base):
    __tablename__ = "gift_cards"
    code: Mapped[str] = mapped_column(String(16), primary_key=True)
    pin_hash: Mapped[str] = mapped_column(String(64))
    balance: Mapped[Decimal]
    last_used: Mapped[date]
    blocked: Mapped[bool] = mapped_column(default=False)


class Mail(Base):
    """E-mails to be sent: written in the transaction of what they tell, sent by a mailer."""

    __tablename__ = "outbox"
    id: Mapped[int] = mapped_column(primary_key=True)
    email: Mapped[str] = mapped_column(String(200), index=True)
    kind: Mapped[str] = mapped_column(String(40))
    about: Mapped[str] = mapped_column(String(40))
    written: Mapped[datetime]
    sent: Mapped[datetime | None]


class Action(Base):
    """The audit: who did what, when, to what effect, under which key. Never changed afterwards.

    outcome: done, or why it was refused; a refused action keeps no key, which is free again.
    """

    __tablename__ = "actions"
    __table_args__ = (UniqueConstraint("key", name="done_once"),)
    id: Mapped[int] = mapped_column(primary_key=True)
    key: Mapped[str | None] = mapped_column(String(200))
    name: Mapped[str] = mapped_column(String(40), index=True)
    customer: Mapped[str | None] = mapped_column(String(12), index=True)
    actor: Mapped[str] = mapped_column(String(60))
    at: Mapped[datetime] = mapped_column(index=True)
    given: Mapped[dict[str, Any]]
    fingerprint: Mapped[str] = mapped_column(String(64), index=True)
    outcome: Mapped[str] = mapped_column(String(30))
    before: Mapped[dict[str, Any]]
    after: Mapped[dict[str, Any]]
    result: Mapped[dict[str, Any]]
