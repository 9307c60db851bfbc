"""Which color, size or quantity is wanted, of what there is."""

from __future__ import annotations

import re
from dataclasses import dataclass

from desk.dialog import finding
from desk.dialog.say import Phrases
from desk.dialog.talk import Talk
from desk.shop.results import NotPossible, Product
from desk.shop.variants import color_said, size_said
from desk.types import Item

# The shop reads relative sizes in English.
_UP = re.compile(r"\bmore big\b|\bgr(?:ö|oe)(?:ß|ss)er\w*", re.I)
_DOWN = re.compile(r"\bmore small\b|\bkleiner\w*", re.I)
_ORDER = re.compile(r"\bMF[\s-]*\d+|\b\d{5}\b", re.I)
_COUNTS = {
    "one": 1, "two": 2, "three": 3, "four": 4, "five": 5, "six": 6, "eins": 1, "zwei": 2,
    "drei": 3, "vier": 4, "fünf": 5, "sechs": 6, "a pair": 2,
}  # fmt: skip
_COUNT = re.compile(rf"(?<![\w£$€.,-])(?:(\d{{1,2}})|({'|'.join(_COUNTS)}))(?![\w.,]*\d)\b", re.I)
_INSTEAD = re.compile(
    r"(?:instead of|rather than|(?:,| and)? not|statt)\s(?:\w+\s)??"
    r"(?:\d{1,2}|one|two|three|four|eins?|zwei)\b",
    re.I,
)
_THE_ONE = re.compile(r"\b(?:the|that|this|which|other|\w+er) ones?\b", re.I)
_OUT = re.compile(
    r"\b(?:remove|take|leave|drop|delete|without|get rid|raus|entfern\w*|streich\w*|ohne)\b", re.I
)
_ONE_LESS = re.compile(r"\b(?:one|1|eine?[sn]?) (?:of|less|fewer|weniger)\b", re.I)
_ONE_MORE = re.compile(r"\b(?:another|one more|an extra|noch (?:ein\w*|mal))\b", re.I)


@dataclass(frozen=True, slots=True)
class Change:
    """None: as it is."""

    color: str | None = None
    size: str | None = None
    quantity: int | None = None

    def __bool__(self) -> bool:
        return (self.color, self.size, self.quantity) != (None, None, None)

    def shown(self, say: Phrases) -> str:
        parts = [
            say("change.color", color=self.color) if self.color else "",
            say("change.size", size=self.size) if self.size else "",
            "" if self.quantity is None else say("change.quantity", quantity=self.quantity),
        ]
        return ", ".join(part for part in parts if part)


def wanted(talk: Talk, item: Item, quantities: bool = False) -> Change:
    """What the wish wants instead of an item, from the customer's words and from the answers to
    what was asked about it."""
    product = finding.product_of(talk, item)
    change = Change()
    # The answer to the question counts for more than the words that led to it.
    for text in (talk.slot("size") or "", talk.wish.text):
        if product is not None:
            change = Change(color_in(text, product, item.color), size_in(text, product, item.size))
        if quantities and not change:
            change = Change(quantity=_quantity(text, item.quantity))
        if change:
            break
    return change


def joined(color: str | None, size: str | None) -> str:
    return " ".join(part for part in (color, size) if part)


def others_in_stock(talk: Talk, item: Item) -> list[str]:
    """The other colors and sizes of an ordered item that can be had now."""
    product = finding.product_of(talk, item)
    there = product.in_stock() if product else ()
    return list(dict.fromkeys(joined(v.color, v.size) for v in there if v.sku != item.sku))


def check_stock(talk: Talk, item: Item, change: Change) -> None:
    """Raises NotPossible, as the shop would, for what is sold out: before it is confirmed."""
    product = finding.product_of(talk, item)
    color, size = change.color or item.color, change.size or item.size
    if product is None or not (change.color or change.size) or product.in_stock(color, size):
        return
    meant = [v for v in product.variants if (v.color, v.size) == (color, size)]
    if meant:
        restock = str(meant[0].restock or "")
        facts = {"product": product.name, "color": color or "", "size": size or ""}
        raise NotPossible("out_of_stock", **facts, restock=restock)


def color_in(text: str, product: Product, now: str | None = None) -> str | None:
    return color_said(text, [color for color in product.colors if color != now])


def size_in(text: str, product: Product, now: str | None = None) -> str | None:
    """The size that a text names, or by how much it goes up or down from the size now. Who writes
    "the 8 is too small, I need a 9" names the size now, too."""
    text = _DOWN.sub("smaller", _UP.sub("bigger", _ORDER.sub(" ", text)))
    named = size_said(text, [size for size in product.sizes if size != now])
    relative = None if named or now is None else size_said(text, product.sizes, now)
    return named or (relative if relative != now else None)


def _quantity(text: str, now: int) -> int | None:
    text = _THE_ONE.sub(" ", text)
    text = _INSTEAD.sub(" ", _ORDER.sub(" ", text))
    if _ONE_LESS.search(text) and _OUT.search(text):
        return max(now - 1, 0)
    if _OUT.search(text):
        return 0
    if _ONE_MORE.search(text):
        return now + 1
    found = _COUNT.search(text)
    if not found:
        return None
    count = int(found[1]) if found[1] else _COUNTS[found[2].lower()]
    return None if count == now else count
