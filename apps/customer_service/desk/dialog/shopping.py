"""What the dialog needs of the shop: the part of `desk.shop.actions.Shop` that it calls.

A protocol, so that tests put a shop in memory behind it. What the methods do, and the facts that
they give, is told there; what they raise is in `desk.shop.results`.
"""

from __future__ import annotations

from decimal import Decimal
from typing import Literal, Protocol

from desk.shop.results import Product
from desk.types import Done, Order


class Shopping(Protocol):
    def identify(self, number: str, email: str) -> str: ...
    def customer(self, reference: str) -> str: ...
    def order(self, customer: str, number: str) -> Order: ...
    def orders(self, customer: str, limit: int = 5) -> tuple[Order, ...]: ...
    def refund_status(self, customer: str, number: str) -> Done: ...
    def products(self, text: str, limit: int = 5) -> tuple[Product, ...]: ...
    def promo_code(
        self, code: str, *, customer: str | None = None, basket: Decimal | None = None
    ) -> Done: ...
    def gift_card(self, code: str, pin: str) -> Done: ...
    def cancel_order(self, customer: str, number: str, *, key: str) -> Done: ...
    def change_address(self, customer: str, number: str, address: str, *, key: str) -> Done: ...
    def change_account_address(self, customer: str, address: str, *, key: str) -> Done: ...
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
    ) -> Done: ...
    def add_item(
        self, customer: str, number: str, sku: str, *, quantity: int = 1, key: str
    ) -> Done: ...
    def start_return(
        self,
        customer: str,
        number: str,
        skus: tuple[str, ...] = (),
        *,
        reason: str = "",
        faulty: bool = False,
        key: str,
    ) -> Done: ...
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
    ) -> Done: ...
    def send_invoice(self, customer: str, number: str, *, key: str) -> Done: ...
    def report_item(
        self,
        customer: str,
        number: str,
        trouble: Literal["damaged", "missing", "wrong"],
        skus: tuple[str, ...] = (),
        *,
        text: str = "",
        key: str,
    ) -> Done: ...
    def report_double_charge(
        self,
        customer: str,
        number: str | None = None,
        *,
        amount: Decimal | None = None,
        text: str = "",
        key: str,
    ) -> Done: ...
    def complain(
        self, customer: str | None, *, text: str, number: str | None = None, key: str
    ) -> Done: ...
    def claim_warranty(
        self, customer: str, number: str, sku: str, *, text: str = "", key: str
    ) -> Done: ...
    def reset_password(self, email: str, *, key: str) -> Done: ...
    def request_deletion(self, customer: str, *, key: str) -> Done: ...
