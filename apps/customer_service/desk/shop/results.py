"""What the shop's actions give back and raise, beside the words of `desk.types`.

Facts are strings that a template may state: money in pounds as "39.90", days as ISO dates
("2026-11-28"), counts as digits, yes or no as "yes" and "no". Nothing here is worded for a
customer: that is `desk.dialog.say`'s.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from typing import Literal

#: Why the shop's state forbids an action.
Code = Literal[
    "already_canceled",  # cancel; facts: state
    "already_dispatched",  # cancel, change; facts: state, carrier, tracking, expected
    "already_requested",  # delete account; facts: reference, done_by
    "already_exchanged",  # facts: reference
    "already_returned",  # return, exchange; facts: reference
    "too_late",  # facts: days (how many there were), since (ISO date), or minutes
    "not_delivered",  # return, exchange, damaged, wrong; facts: state, expected
    "not_late_yet",  # missing; facts: expected, report_from
    "not_dispatched",  # invoice; facts: state
    "not_returnable",  # facts: product
    "not_exchangeable",  # another product, or the same one as now; facts: product
    "abroad",  # exchange outside Britain; facts: country
    "other_country",  # new address in another country than the order; facts: country
    "bad_address",  # too short, or no street or postcode; facts: address
    "large_item",  # collected after an appointment, not by return code; facts: product
    "card_only",  # add goods, or dearer ones, to an order not paid by card; facts: payment
    "last_item",  # removing all that is in an order: cancel it instead
    "out_of_stock",  # facts: product, color, size, restock (ISO date or "")
    "no_such_variant",  # facts: product, colors, sizes (what there is, ", " between)
    "which_variant",  # several fit; facts: product, colors, sizes
    "bad_quantity",  # facts: quantity, most
    "open_orders",  # delete account; facts: orders (", " between)
]


class ShopError(Exception):
    """Nothing was done."""


class NotFound(ShopError):  # noqa: N818 - a word of the desk
    """Not there, or not this customer's: which of the two, nobody outside is told."""


class NotPossible(ShopError):  # noqa: N818
    """There and theirs, but its state forbids it. code: why; facts: as listed at `Code`."""

    def __init__(self, code: Code, **facts: str) -> None:
        super().__init__(f"{code}: {facts}" if facts else code)
        self.code: Code = code
        self.facts: Mapping[str, str] = facts


class KeyReused(ShopError):  # noqa: N818
    """The key was used for another action, customer or arguments: a mistake of the caller."""


@dataclass(frozen=True, slots=True)
class Variant:
    """One color and size of a product. restock: the day on which new ones come, where known."""

    sku: str
    color: str | None
    size: str | None
    price: Decimal  # in pounds
    stock: int
    restock: date | None = None


@dataclass(frozen=True, slots=True)
class Product:
    """score: how well its name fits what was searched, 0 to 1."""

    code: str
    name: str
    category: str
    returnable: bool
    large: bool  # delivered by two people
    electronic: bool
    variants: tuple[Variant, ...]
    score: float = 1.0

    @property
    def colors(self) -> tuple[str, ...]:
        return tuple(dict.fromkeys(v.color for v in self.variants if v.color))

    @property
    def sizes(self) -> tuple[str, ...]:
        return tuple(dict.fromkeys(v.size for v in self.variants if v.size))

    def in_stock(self, color: str | None = None, size: str | None = None) -> tuple[Variant, ...]:
        """The variants that can be bought now; color, size: only these, in any case."""
        return tuple(
            v
            for v in self.variants
            if v.stock > 0
            and (color is None or (v.color or "").casefold() == color.casefold())
            and (size is None or (v.size or "").casefold() == size.casefold())
        )
