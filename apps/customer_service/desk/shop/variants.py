"""Chooses a variant of a product by color and size, and reads what people say of them."""

from __future__ import annotations

import re
from collections.abc import Sequence

from desk.shop.results import NotPossible
from desk.shop.schema import Variant

_LETTERS = {
    "extra small": "XS", "small": "S", "medium": "M", "large": "L", "extra large": "XL",
    "x large": "XL", "xlarge": "XL", "double xl": "XXL", "2xl": "XXL", "3xl": "XXXL", "xxxl": "3XL",
}  # fmt: skip
_NUMBERS = {"one": 1, "two": 2, "three": 3, "1": 1, "2": 2, "3": 3}
_LONGEST = 500  # characters of an answer about sizes or colors
_UP = re.compile(r"\b(up|bigger|larger|next size|size more)\b")
_DOWN = re.compile(r"\b(down|smaller|size less)\b")


def described(variant: Variant) -> dict[str, str]:
    return {
        "product": variant.product.name,
        "color": variant.color or "",
        "size": variant.size or "",
    }


def choose(current: Variant, color: str | None, size: str | None) -> Variant:
    """The variant of the same product; what is not said stays. NotPossible: no_such_variant, and
    which_variant where the one thing asked for is not made with the other that stays."""
    all_of_it = current.product.variants
    wanted = [v for v in all_of_it if (color is None or _same(v.color, color)) and _fits(v, size)]
    facts = {
        "product": current.product.name,
        "colors": ", ".join(dict.fromkeys(v.color for v in wanted or all_of_it if v.color)),
        "sizes": ", ".join(dict.fromkeys(v.size for v in wanted or all_of_it if v.size)),
    }
    if not wanted:
        raise NotPossible("no_such_variant", **facts)
    if color is None:
        wanted = [v for v in wanted if v.color == current.color] or wanted
    if size is None:
        wanted = [v for v in wanted if v.size == current.size] or wanted
    if len(wanted) > 1:
        raise NotPossible("which_variant", **facts)
    return wanted[0]


def size_said(text: str, sizes: Sequence[str], current: str | None = None) -> str | None:
    """Which of the sizes (in their order, small to large) a text says; None where none or unclear.

    "a medium", "size 12", "UK 9.5", "42 or so"; with the current one also "one size up", "bigger",
    "two sizes down".
    """
    # "too small" is what is wrong with it, not what is wanted.
    said = re.sub(r"\btoo \w+", " ", text[:_LONGEST].casefold()).replace(",", ".")
    by_name = {size.casefold(): size for size in sizes}
    words = re.findall(r"\d+(?:\.\d+)?|[^\W\d_]+|\d+xl", said)
    named = {by_name[word] for word in words if word in by_name and len(word) > 1}
    named |= {by_name[word] for word in words if word.isdigit() and word in by_name}
    if not named:
        alone = set(re.findall(r"(?:^|\bsize |\ba |\bin |\ban )([smlx]{1,3})\b", said))
        named = {by_name[word] for word in alone if word in by_name}
    if not named:
        spelled = [name for name in sorted(_LETTERS, key=len, reverse=True) if name in said]
        named = {by_name[_LETTERS[n].casefold()] for n in spelled[:1] if _known(n, by_name)}
    if len(named) == 1:
        return named.pop()
    if named or current is None or current not in sizes:
        return None
    return _relative(said, sizes, current)


def color_said(text: str, colors: Sequence[str]) -> str | None:
    """Which of the colors a text says ("the blue one", "dark green then"): None where none; the
    longest name where one holds another; where several are named, the first."""
    said = text[:_LONGEST].casefold().replace("gray", "grey")
    found = [
        (said.find(color.casefold()), -len(color), color)
        for color in colors
        if re.search(rf"\b{re.escape(color.casefold())}\b", said)
    ]
    if found:
        return min(found)[2]
    # "blue" for "navy blue": one color only has that word.
    words = set(re.findall(r"[^\W\d_]+", said))
    partly = [color for color in colors if words & set(color.casefold().split()[-1:])]
    return partly[0] if len(partly) == 1 else None


def _relative(said: str, sizes: Sequence[str], current: str) -> str | None:
    up, down = bool(_UP.search(said)), bool(_DOWN.search(said))
    if up == down:
        return None
    counted = re.search(r"\b(one|two|three|[123])(?: full)? sizes?\b", said)
    steps = _NUMBERS[counted[1]] if counted else 1
    at = list(sizes).index(current) + (steps if up else -steps)
    return sizes[at] if 0 <= at < len(sizes) else None


def _known(name: str, by_name: dict[str, str]) -> bool:
    return _LETTERS[name].casefold() in by_name


def _same(one: str | None, other: str) -> bool:
    return one is not None and one.casefold() == other.strip().casefold()


def _fits(variant: Variant, size: str | None) -> bool:
    return size is None or _same(variant.size, size)
