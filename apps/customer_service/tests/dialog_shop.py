"""A shop in memory, an understanding that tests script, and a chat with the desk over both."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from tempfile import mkdtemp
from typing import Any

from desk.dialog import ServiceDesk, Store, open_store
from desk.dialog.desk import OnHanded
from desk.shop.results import NotFound, NotPossible, Product, Variant
from desk.types import (
    Done,
    Item,
    Message,
    Order,
    OrderState,
    Passage,
    Reply,
    Request,
    Slot,
    Understood,
)

TODAY = date(2026, 6, 10)
ANNA, BERT = "C-000001", "C-000002"
EMAILS = {ANNA: "anna@mail.example", BERT: "bert@post.example"}
COAT = Item("W-NM", "Wool coat", "navy", "M", 1, Decimal("99.99"))
TRAINERS = Item("T-42", "Canvas trainers", "white", "42", 2, Decimal("49.99"))
MUGS = Item("M-G", "Mug set", "grey", None, 1, Decimal("14.99"))


def _variant(sku: str, color: str | None, size: str | None, stock: int = 3) -> Variant:
    restock = TODAY + timedelta(days=9) if not stock else None
    return Variant(sku, color, size, Decimal("99.99"), stock, restock)


COATS = tuple(
    _variant(f"W-{c[0].upper()}{s}", c, s, 0 if (c, s) == ("navy", "L") else 3)
    for c in ("navy", "black")
    for s in ("S", "M", "L")
)
PRODUCTS = (
    Product("P-1", "Wool coat", "clothes", True, False, False, COATS),
    Product(
        "P-2", "Canvas trainers", "shoes", True, False, False,
        tuple(_variant(f"T-{size}", "white", size) for size in ("41", "42", "43")),
    ),
    Product("P-3", "Mug set", "home", True, False, False, (_variant("M-G", "grey", None),)),
)  # fmt: skip


def _order(number: int, state: OrderState, *items: Item, **more: Any) -> Order:
    total = sum((one.price * one.quantity for one in items), Decimal(0))
    expected = more.pop("expected", TODAY + timedelta(days=2))
    address = "14 Mill Lane, Leeds LS2 9JT"
    placed = TODAY - timedelta(days=3)
    return Order(
        f"MF-{number}", state, placed, items, total, address, "Northway", "NW1",
        expected, more.pop("delivered", None), **more,
    )  # fmt: skip


class MemoryShop:
    """Anna's orders are 10001 to 10006, Bert's 20001. acts: what was done, with its key."""

    def __init__(self) -> None:
        came = TODAY - timedelta(days=4)
        orders = (
            _order(10001, "processing", COAT),
            _order(10002, "dispatched", TRAINERS),
            _order(10003, "delivered", COAT, TRAINERS, delivered=came),
            _order(10004, "delivered", MUGS, delivered=came),
            _order(10005, "dispatched", MUGS, expected=TODAY - timedelta(days=1)),
        )
        self.owned = {ANNA: {one.number: one for one in orders}}
        self.owned[BERT] = {"MF-20001": _order(20001, "processing", MUGS)}
        self.acts: dict[str, Done] = {}
        self.broken = False

    def identify(self, number: str, email: str) -> str:
        for customer, orders in self.owned.items():
            if number in orders and EMAILS[customer] == email:
                return customer
        raise NotFound("order")

    def customer(self, reference: str) -> str:
        for customer, email in EMAILS.items():
            if reference in (customer, email):
                return customer
        raise NotFound("customer")

    def order(self, customer: str, number: str) -> Order:
        if self.broken:
            raise RuntimeError("the database is gone")
        try:
            return self.owned[customer][number]
        except KeyError:
            raise NotFound("order") from None

    def orders(self, customer: str, limit: int = 5) -> tuple[Order, ...]:
        return tuple(self.owned[customer].values())[:limit]

    def refund_status(self, customer: str, number: str) -> Done:
        self.order(customer, number)
        facts = {"number": number, "state": "none", "amount": "0.00", "payment": "card"}
        return Done("refund_status", None, facts | {"due": "", "sent": "", "reference": ""})

    def products(self, text: str, limit: int = 5) -> tuple[Product, ...]:
        words = set(text.casefold().split())
        return tuple(p for p in PRODUCTS if words & set(p.name.casefold().split()))

    def promo_code(
        self, code: str, *, customer: str | None = None, basket: Decimal | None = None
    ) -> Done:
        if code != "SUMMER10":
            raise NotFound("code")
        facts = {"code": code, "valid": "yes", "why": "", "percent": "10", "amount": ""}
        return Done("promo_code", None, facts | {"minimum": "30.00", "until": "", "sale": "no"})

    def gift_card(self, code: str, pin: str) -> Done:
        raise NotFound("card")

    def _once(self, name: str, key: str, act: Callable[[], Done]) -> Done:
        if key in self.acts:
            return replace(self.acts[key], again=True)
        self.acts[key] = replace(act(), name=name)
        return self.acts[key]

    def _changed(self, customer: str, number: str, **values: Any) -> None:
        order = self.order(customer, number)
        if order.state != "processing":
            raise NotPossible("already_dispatched", state=order.state, expected=str(order.expected))
        self.owned[customer][number] = replace(order, **values)

    def cancel_order(self, customer: str, number: str, *, key: str) -> Done:
        def act() -> Done:
            self._changed(customer, number, state="canceled")
            return Done("", number, {"number": number, "charged": "no"})

        return self._once("cancel_order", key, act)

    def change_address(self, customer: str, number: str, address: str, *, key: str) -> Done:
        def act() -> Done:
            self._changed(customer, number, address=address)
            return Done("", number, {"number": number, "address": address})

        return self._once("change_address", key, act)

    def change_account_address(self, customer: str, address: str, *, key: str) -> Done:
        return self._once(
            "change_account_address", key, lambda: Done("", None, {"address": address})
        )

    def change_item(self, customer: str, number: str, sku: str, *, key: str, **to: Any) -> Done:
        def act() -> Done:
            item = next(one for one in self.order(customer, number).items if one.sku == sku)
            if to.get("quantity") == 0:
                raise NotPossible("last_item")
            new = replace(item, **{k: v for k, v in to.items() if v is not None})
            self._changed(customer, number, items=(new,))
            facts = {"number": number, "product": item.name, "color": str(new.color)}
            facts |= {"size": str(new.size), "quantity": str(new.quantity), "total": "99.99"}
            return Done("", number, facts | {"difference": "0.00"})

        return self._once("change_item", key, act)

    def add_item(
        self, customer: str, number: str, sku: str, *, quantity: int = 1, key: str
    ) -> Done:
        facts = {"number": number, "product": sku, "color": "", "size": "", "quantity": "1"}
        facts |= {"total": "114.98", "difference": "14.99"}
        return self._once("add_item", key, lambda: Done("", number, facts))

    def start_return(
        self, customer: str, number: str, skus: tuple[str, ...] = (), *, key: str, **_: Any
    ) -> Done:
        def act() -> Done:
            order = self.order(customer, number)
            if order.state != "delivered":
                raise NotPossible("not_delivered", state=order.state, expected=str(order.expected))
            names = [one.name for one in order.items if not skus or one.sku in skus]
            facts = {"number": number, "products": ", ".join(names), "amount": "98.04"}
            facts |= {"cost": "1.95", "refund": "original", "code_until": "2026-06-20"}
            return Done("", "RT-1", facts | {"email": "a…@mail.example"})

        return self._once("start_return", key, act)

    def start_exchange(self, customer: str, number: str, sku: str, *, key: str, **to: Any) -> Done:
        def act() -> Done:
            item = next(one for one in self.order(customer, number).items if one.sku == sku)
            color, size = to["color"] or item.color, to["size"] or item.size
            if (color, size) == ("navy", "L"):
                facts = {"product": item.name, "color": color, "size": size}
                raise NotPossible("out_of_stock", **facts, restock="2026-06-19")
            facts = {"number": number, "product": item.name, "color": color, "size": size}
            return Done("", "EX-1", facts | {"code_until": "2026-06-20", "email": "a…"})

        return self._once("start_exchange", key, act)

    def send_invoice(self, customer: str, number: str, *, key: str) -> Done:
        facts = {"number": number, "email": "a…@mail.example", "total": "99.99"}
        return self._once("send_invoice", key, lambda: Done("", None, facts))

    def _ticket(self, name: str, key: str, **facts: str) -> Done:
        held = {"answer_by": "2026-06-15", "again_open": "", **facts}
        return self._once(name, key, lambda: Done("", "TK-1", held))

    def report_item(
        self, customer: str, number: str, trouble: str, skus: tuple[str, ...] = (), *,
        text: str = "", key: str,
    ) -> Done:  # fmt: skip
        names = [i.name for i in self.order(customer, number).items if not skus or i.sku in skus]
        facts = {"number": number, "products": ", ".join(names), "keep": "no"}
        return self._ticket(f"report_{trouble}_item", key, **facts)

    def report_double_charge(
        self, customer: str, number: str | None = None, *, key: str, **_: Any
    ) -> Done:
        return self._ticket("report_double_charge", key, number=number or "", vanish="7")

    def complain(
        self, customer: str | None, *, text: str, number: str | None = None, key: str
    ) -> Done:
        assert customer or number is None
        return self._ticket("complain", key, acknowledged_by="2026-06-11")

    def claim_warranty(self, customer: str, number: str, sku: str, *, key: str, **_: Any) -> Done:
        facts = {"number": number, "product": sku, "until": "2028-01-01", "refund": "no"}
        return self._ticket("claim_warranty", key, **facts, repair_days="15")

    def reset_password(self, email: str, *, key: str) -> Done:
        return self._once(
            "reset_password", key, lambda: Done("", None, {"email": email, "minutes": "30"})
        )

    def request_deletion(self, customer: str, *, key: str) -> Done:
        facts = {"email": "a…@mail.example", "done_by": "2026-07-10"}
        return self._once("request_deletion", key, lambda: Done("", "DL-1", facts))


class Pages:
    """Know of York's hours, of delivery abroad, and what a return costs; of gift cards there are
    two pages to choose from, of payments one."""

    def __call__(self, text: str) -> Passage | None:
        said = text.casefold()
        for word, document in (
            ("york", "store-york"), ("ship", "delivery"), ("pays", "return-cost"),
        ):  # fmt: skip
            if word in said:
                return Passage(document, document.title(), f"About {document}.", 0.9)
        return None

    def near(self, text: str, intent: str) -> tuple[Passage, ...]:
        about = {
            "gift_card": ("gift-card-buy", "gift-card-lost"),
            "payment_methods": ("payment-methods",),
        }
        found = about.get(intent, ())
        return tuple(Passage(one, one.title(), f"About {one}.", 0.0) for one in found)


page = Pages()


def request(intent: str, score: float = 1.0, **slots: str) -> Request:
    held: dict[Slot, tuple[str, ...]] = {name: (value,) for name, value in slots.items()}  # type: ignore[misc]
    return Request(intent, held, score)


@dataclass
class Chat:
    """A conversation with a desk. say(text, *requests): the model takes the text for these."""

    shop: MemoryShop = field(default_factory=MemoryShop)
    store: Store = field(
        default_factory=lambda: open_store(f"sqlite:///{mkdtemp()}/conversations.db")
    )
    customer: str | None = None
    language: str = "en"
    on_handed: OnHanded | None = None
    name: str = "chat"
    sent: int = 0
    understood: Understood = field(default_factory=lambda: Understood(()))

    def __post_init__(self) -> None:
        clock = lambda: datetime(2026, 6, 10, 12, tzinfo=UTC)  # noqa: E731
        self.desk = ServiceDesk(
            lambda _: self.understood, page, self.shop, self.store,
            on_handed=self.on_handed, clock=clock,
        )  # fmt: skip

    def say(
        self,
        text: str,
        *requests: Request | str,
        abstained: bool = False,
        key: str | None = None,
        others: tuple[tuple[str, float], ...] = (),
    ) -> Reply:
        known = tuple(request(one) if isinstance(one, str) else one for one in requests)
        self.understood = Understood(known, abstained, others)
        self.sent += 1
        return self.desk.take(
            Message(self.name, key or f"m{self.sent}", text, "test", self.customer, self.language)
        )

    def prove(self) -> None:
        """Anna shows who she is, by order 10003."""
        self.say("where is MF-10003, anna@mail.example", "order_status")

    @property
    def did(self) -> list[str]:
        return [done.name for done in self.shop.acts.values()]

    @property
    def asking(self) -> str | None:
        state = self.desk.conversation(self.name)
        assert state is not None
        return state.asking
