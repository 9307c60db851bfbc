"""What a customer wants to have different about an item, read from the row's own words.

It serves to find an order that fits the conversation ("one size up" needs a size above) and to
judge what was changed. It is written apart from the desk's own reading of sizes and colors, and
says nothing where the words leave it open.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from measure.rows import Row

_SPELLED = {"small": "S", "medium": "M", "large": "L", "klein": "S"}
_COLORS = (
    "dark green", "dark grey", "black", "navy", "grey", "cream", "burgundy", "blue", "rust",
    "white", "brown", "tan", "sage", "terracotta", "mustard", "charcoal", "silver", "red", "mint",
    "oak", "walnut", "green",
)  # fmt: skip
_UP = re.compile(r"\b(?:up|bigger|larger|next size|größer\w*|more big)\b", re.I)
_DOWN = re.compile(r"\b(?:down|smaller|kleiner\w*)\b", re.I)
_ALL = re.compile(
    r"\btake (?:out )?(?:the )?\{product\}|\btake out\b|\btake the\b|\bremove\b", re.I
)
_ONE_OF = re.compile(r"\b(?:take )?one of the\b", re.I)
_TWO = re.compile(r"\b(?:make it|make the|have|to)?\b.*\btwo\b|\b2 of\b", re.I)
_ADD = re.compile(r"\badd\b", re.I)


@dataclass(frozen=True, slots=True)
class Variation:
    """colors: any of them will do; size: as the catalog writes it; step: so many sizes up or down;
    larger: at all, where it is not said by how much; count: the quantity that is wanted, 0 takes
    the item out, -1 one less; adds: another product comes in. What is None or empty is open."""

    colors: tuple[str, ...] = ()
    size: str | None = None
    step: int | None = None
    larger: bool | None = None
    count: int | None = None
    adds: bool = False


@dataclass(frozen=True, slots=True)
class Made:
    """One color and size of a product, with what is in stock of it."""

    sku: str
    color: str | None
    size: str | None
    stock: int


def wanted(row: Row, size_said: bool = True) -> Variation | None:
    """None for rows that change no item. size_said: the row's answer about size or color is known;
    a customer who was not asked for it has said less."""
    if not {"change_order", "exchange_item"} & set(row.all_wants):
        return None
    said = " ".join((*row.says, *(one.says for one in row.then if one.wants)))
    answer = " ".join(row.answers.get("size", ())) if size_said else ""
    changes = "change_order" in row.all_wants
    if changes and _ADD.search(said) and "{other_product}" in said:
        return Variation(adds=True)
    if changes and _ONE_OF.search(said) and "off" in said:
        return Variation(count=-1)
    if changes and _ALL.search(said):
        return Variation(count=0)
    answers = " ".join(row.answers.get("size", ()))
    if changes and _TWO.search(said) and re.search(r"\bone\b|\btwins\b|pieces", said + answers):
        return Variation(count=2)
    later = " ".join(one.says for one in row.then)
    if colors := tuple(one for one in _COLORS if re.search(rf"\b{one}\b", f"{answer} {later}")):
        return Variation(colors=colors)
    if re.search(r"\bsame\b", answer):
        return Variation()
    larger = _larger(re.sub(r"\btoo \w+", " ", said))
    if size := _size(answer):
        return Variation(size=size, larger=larger)
    up = _larger(answer)
    if up is not None:
        steps = 2 if re.search(r"\b(?:two|2) sizes\b", answer) else 1
        return Variation(step=steps if up else -steps)
    return Variation(larger=larger)


def _larger(words: str) -> bool | None:
    up, down = bool(_UP.search(words)), bool(_DOWN.search(words))
    return up if up != down else None


def _size(words: str) -> str | None:
    letters = re.findall(r"\b(?:XXS|XS|XXL|XL|[SML])\b", words)
    spelled = [name for name in _SPELLED if re.search(rf"\b{name}\b", words, re.I)]
    number = re.findall(r"\b(\d{1,2})\b", words)
    if letters:
        return str(letters[0])
    if spelled:
        return _SPELLED[spelled[0]]
    return str(number[0]) if len(number) == 1 else None


def fits(want: Variation, made: Sequence[Made], now: Made, quantity: int, items: int) -> bool:
    """Whether the shop can do it: with this item, of which there are `quantity` in an order of
    `items` items. made: the variants of its product, small to large."""
    if want.count == 0:
        return items > 1
    if want.count == -1:
        return quantity > 1
    if want.count is not None:
        return quantity == 1 and now.stock > want.count
    if want.adds:
        return True
    return any(one.stock > 1 and right(want, made, now, one) for one in made if one != now)


def right(want: Variation, made: Sequence[Made], now: Made, new: Made) -> bool:
    """Whether this other variant is what is wanted instead of the one of now."""
    if want.colors:
        # "green" is had in dark green, too.
        names = {new.color, (new.color or "").rpartition(" ")[2]}
        return bool(names & set(want.colors)) and new.size == now.size and new.color != now.color
    sizes = list(dict.fromkeys(one.size for one in made))
    steps = sizes.index(new.size) - sizes.index(now.size) if new.size in sizes else 0
    if want.larger is not None and (steps > 0) != want.larger:
        return False
    if want.size:
        return (new.size, new.color) == (want.size, now.color) and steps != 0
    if want.step:
        return (steps, new.color) == (want.step, now.color)
    return (new.size, new.color) != (now.size, now.color)
