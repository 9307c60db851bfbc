"""Which products or items a phrase means: names, colors and sizes compared by words.

Spelling is forgiven a little: words are compared by their pairs of letters. Not a search engine:
it reads the shop's few hundred names into memory and asks the database only for the stock.
"""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Sequence

from sqlalchemy import Engine, select
from sqlalchemy.orm import Session, selectinload

from desk.shop import results, schema
from desk.shop.reading import shown_product
from desk.types import Item

_LONGEST = 200  # characters of a phrase; a product is named in fewer
_MOST_WORDS = 20
_FITS = 0.5  # share of the phrase's weight that a product must hold
_ALIKE = 0.02  # scores nearer than this are the same
_EMPTY = """
    a an and any are at by can colour color do for from get got have i in is it me my of
    on one ones or order our pair please size some stock that the them these this those to
    two uk we with you your still
"""
_EMPTY_WORDS = frozenset(_EMPTY.split())


def words(text: str) -> list[str]:
    """The words that tell products apart, singular and in British spelling."""
    found = re.findall(r"\d+(?:\.\d+)?|[^\W\d_]+", text[:_LONGEST].casefold())
    return [_singular(word) for word in found if word not in _EMPTY_WORDS]


def alike(one: str, other: str) -> float:
    """How alike two words are, 0 to 1: Dice's coefficient of their pairs of letters. Below 0.7 it
    is 0: "coat" is no "goat"."""
    if one == other:
        return 1.0
    if one.isdigit() or other.isdigit() or min(len(one), len(other)) < 4:
        return 0.0
    pairs, others = _pairs(one), _pairs(other)
    dice = 2 * (pairs & others).total() / (len(one) + len(other) + 2)
    return dice if dice >= 0.7 else 0.0


def matching(items: Sequence[Item], text: str) -> tuple[Item, ...]:
    """The items that a phrase fits best ("the blue one", "size 42 trainers"): one where it is
    clear, several where they fit alike, none where nothing fits. "" gives all."""
    said = words(text)
    if not said:
        return tuple(items)
    scores = [_share(said, words(_whole(i.name, i.color, i.size))) for i in items]
    best = max(scores, default=0.0)
    if best < 0.3:
        return ()
    return tuple(i for i, score in zip(items, scores, strict=True) if score >= best - _ALIKE)


class Catalog:
    """The products of a database, to be searched. New products show after a restart."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._names: list[tuple[int, list[str], set[str]]] = []
        with Session(engine) as session:
            loaded = select(schema.Product).options(selectinload(schema.Product.variants))
            for product in session.scalars(loaded.order_by(schema.Product.id)):
                sorts = {w for v in product.variants for w in words(_whole("", v.color, v.size))}
                self._names.append((product.id, words(product.name), sorts))
        counts = Counter(word for _, name, _ in self._names for word in set(name))
        total = len(self._names) + 1
        self._vocabulary = set().union(*({*name, *sorts} for _, name, sorts in self._names))
        #: A rare word says more ("cardigan") than one that many names have ("wool").
        self._weights = {word: math.log(total / count) + 0.5 for word, count in counts.items()}

    def search(self, text: str, limit: int) -> tuple[results.Product, ...]:
        said = list(dict.fromkeys(words(text)))[:_MOST_WORDS]
        close = {word: self._close(word) for word in said}
        weights = {word: self._weight(word, close[word]) for word in said}
        whole = sum(weights.values())
        scored = []
        for product, name, sorts in self._names:
            there = {*name, *sorts}
            if not any(near in name for word in said for near in close[word]):
                continue
            held = (
                weights[w] * max((s for n, s in close[w].items() if n in there), default=0.0)
                for w in said
            )
            score = sum(held) / whole
            # Of two that hold all that was said, the one whose name says little else.
            if score >= _FITS:
                scored.append((score - 0.01 * len(name), score, product))
        scored.sort(key=lambda row: (-row[0], row[2]))
        best = {product: score for _, score, product in scored[: max(0, limit)]}
        with Session(self._engine) as session:
            wanted = select(schema.Product).where(schema.Product.id.in_(best))
            loaded = session.scalars(wanted.options(selectinload(schema.Product.variants)))
            found = {product.id: shown_product(product, best[product.id]) for product in loaded}
        return tuple(found[product] for product in best if product in found)

    def __bool__(self) -> bool:
        return bool(self._names)

    def _close(self, word: str) -> dict[str, float]:
        """The shop's words that it may be, itself alone where the shop has it."""
        if word in self._vocabulary:
            return {word: 1.0}
        return {w: score for w in self._vocabulary if (score := alike(word, w)) > 0.0}

    def _weight(self, word: str, close: dict[str, float]) -> float:
        return self._weights.get(max(close, key=close.__getitem__, default=word), 1.0)


def _share(said: Sequence[str], there: Sequence[str]) -> float:
    """The share of the words said that is there."""
    return sum(max((alike(word, other) for other in there), default=0.0) for word in said) / len(
        said
    )


def _whole(name: str, color: str | None, size: str | None) -> str:
    return " ".join(part for part in (name, color, size) if part)


def _singular(word: str) -> str:
    word = {"gray": "grey", "colour": "color"}.get(word, word)
    if len(word) > 4 and word.endswith(("sses", "shes", "ches", "xes")):
        return word[:-2]
    if len(word) > 4 and word.endswith("ies"):
        return word[:-3] + "y"
    return word[:-1] if len(word) > 3 and word.endswith("s") and word[-2] != "s" else word


def _pairs(word: str) -> Counter[str]:
    padded = f"^{word}$"
    return Counter(padded[i : i + 2] for i in range(len(padded) - 1))
