"""What was done in the shop, read from its audit table; and which deed each request asks for."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any

from sqlalchemy import func, select

from desk.shop import Shop, schema
from measure.orders import Line
from measure.scene import Scene
from measure.variations import Made, Variation, right

#: Deeds that settle a request, by its intent.
ACTIONS: Mapping[str, tuple[str, ...]] = {
    "cancel_order": ("cancel_order",),
    "change_address": ("change_address", "change_account_address"),
    "change_order": ("change_item", "add_item"),
    "return_item": ("start_return",),
    "exchange_item": ("start_exchange",),
    "invoice": ("send_invoice",),
    "login_problem": ("reset_password",),
    "delete_account": ("request_deletion",),
}
TICKETS: Mapping[str, tuple[str, ...]] = {
    "damaged_item": ("report_damaged_item",),
    "missing_item": ("report_missing_item",),
    "wrong_item": ("report_wrong_item",),
    "warranty": ("claim_warranty",),
    "double_charge": ("report_double_charge",),
    "complaint": ("complain",),
}
DEEDS: Mapping[str, tuple[str, ...]] = {**ACTIONS, **TICKETS}
NAMES = frozenset(name for names in DEEDS.values() for name in names)
#: Deeds about a customer, not about an order.
_OF_CUSTOMER = ("change_account_address", "request_deletion", "reset_password")


@dataclass(frozen=True, slots=True)
class Deed:
    """One row of the audit. outcome: "done", or why it was refused."""

    name: str
    customer: str | None
    arguments: tuple[Any, ...]
    outcome: str
    facts: Mapping[str, str]

    @property
    def done(self) -> bool:
        return self.outcome == "done"

    @property
    def forbidden(self) -> bool:
        """The shop's state or rules did not allow it."""
        return self.outcome not in ("done", "not_found")

    @property
    def number(self) -> str | None:
        if self.name in _OF_CUSTOMER or not self.arguments:
            return None
        return None if self.arguments[0] is None else str(self.arguments[0])


class Audit:
    """Reads what has come since it was last read."""

    def __init__(self, shop: Shop) -> None:
        self._shop = shop
        with shop.database.reads() as session:
            self._last = session.scalar(select(func.max(schema.Action.id))) or 0

    def new(self) -> list[Deed]:
        """Deeds since the last call; what only looks something up is not among them."""
        row = schema.Action
        with self._shop.database.reads() as session:
            found = session.scalars(select(row).where(row.id > self._last).order_by(row.id)).all()
            self._last = max((one.id for one in found), default=self._last)
            return [_deed(one) for one in found if one.name in NAMES]


def _deed(row: schema.Action) -> Deed:
    facts = row.result.get("facts", {}) if row.result else {}
    arguments = tuple(row.given.get("arguments", ()))
    return Deed(row.name, row.customer, arguments, row.outcome, facts)


def fault_of(
    deed: Deed,
    intent: str,
    scene: Scene,
    numbers: Collection[str],
    variation: Variation | None = None,
) -> str | None:
    """What is wrong with a deed that was done for a request; None where all is right. numbers: of
    the orders that the request may be about; variation: what the customer has said of the item."""
    if not _right_customer(deed, scene):
        return "wrong order"
    if deed.name not in _OF_CUSTOMER:
        if deed.number is None:
            return None if deed.name == "complain" else "wrong order"
        if deed.number not in numbers:
            return "wrong order"
    if intent == "change_address" and not _same_address(deed, scene):
        return "wrong item"
    if not _right_items(deed, scene, variation):
        return "wrong item"
    return None


def _right_customer(deed: Deed, scene: Scene) -> bool:
    if deed.name == "reset_password":
        return bool(deed.arguments) and str(deed.arguments[0]).lower() == scene.main.email
    return deed.customer == scene.main.customer or (deed.name, deed.customer) == ("complain", None)


def _same_address(deed: Deed, scene: Scene) -> bool:
    given = " ".join(str(deed.arguments[-1]).casefold().replace(",", " ").split())
    meant = " ".join(scene.fill["address"].casefold().replace(",", " ").split())
    return meant in given


def _right_items(deed: Deed, scene: Scene, variation: Variation | None) -> bool:
    """Where the row's words name the item, it must be that one, changed as they say."""
    if deed.name == "add_item":
        return deed.facts.get("product") == scene.fill["other_product"]
    line, named = scene.line, any("{product}" in text for text in scene.row.texts)
    if scene.other is not None and deed.number == scene.other.number:
        if len(scene.other.lines) > 1:
            return True  # the row's words do not say which
        line, named = scene.other.lines[0], True
    if deed.name == "start_return":
        skus = deed.arguments[1:-3]
        return not skus or not named or skus == (line.now.sku,)
    if deed.name.startswith("report_") and deed.name != "report_double_charge":
        skus = deed.arguments[2:-1]
        return not skus or not named or skus == (line.now.sku,)
    if deed.name == "claim_warranty":
        return not named or deed.arguments[1] == line.now.sku
    if deed.name in ("start_exchange", "change_item"):
        if named and deed.arguments[1] != line.now.sku:
            return False
        return _right_change(deed, variation, line)
    return True


def _right_change(deed: Deed, want: Variation | None, line: Line) -> bool:
    if want is None or deed.arguments[1] != line.now.sku:
        return True
    if want.count is not None:
        count = max(line.quantity - 1, 0) if want.count == -1 else want.count
        return deed.facts.get("quantity") == str(count)
    if want.adds:
        return False
    new = Made("", deed.facts.get("color") or None, deed.facts.get("size") or None, 1)
    return right(want, line.made, line.now, new)
