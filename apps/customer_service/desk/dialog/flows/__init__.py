"""What is done about each request: a function an intent, told from its beginning in every turn."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from desk.dialog.flows import account, orders, pages, products, returns
from desk.dialog.talk import Talk


@dataclass(frozen=True, slots=True)
class Flow:
    """run: deals with the talk's wish. order: it is about an order, so that one talked about before
    is meant where none is named. page: a question about how it is done is answered from the help
    pages, and the deed is offered; at_once: it asks for
    nothing, so that it comes before what does; last: it comes after all others."""

    run: Callable[[Talk], None]
    order: bool = False
    page: bool = False
    at_once: bool = False
    last: bool = False


_PAGES = Flow(pages.from_pages, at_once=True)

FLOWS: Mapping[str, Flow] = {
    "order_status": Flow(orders.status, order=True),
    "cancel_order": Flow(orders.cancel, order=True),
    "change_address": Flow(orders.change_address, order=True, page=True),
    "change_order": Flow(orders.change_items, order=True),
    "return_item": Flow(returns.start_return, order=True, page=True),
    "exchange_item": Flow(returns.start_exchange, order=True, page=True),
    "refund_status": Flow(returns.refund, order=True, page=True),
    "damaged_item": Flow(returns.damaged, order=True),
    "missing_item": Flow(returns.missing, order=True),
    "wrong_item": Flow(returns.wrong, order=True),
    "warranty": Flow(returns.warranty, order=True, page=True),
    "double_charge": Flow(returns.double_charge, order=True),
    "complaint": Flow(returns.complaint, last=True),
    "invoice": Flow(account.invoice, order=True, page=True),
    "login_problem": Flow(account.login),
    "delete_account": Flow(account.delete, page=True),
    "product_availability": Flow(products.availability),
    "product_question": Flow(products.question),
    "promo_code": Flow(pages.promo_code, at_once=True),
    "gift_card": Flow(pages.gift_card),
    "delivery_options": _PAGES,
    "payment_failed": _PAGES,
    "payment_methods": _PAGES,
    "store_info": _PAGES,
}
