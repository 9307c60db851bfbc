"""A row with its place in the shop: whose orders they are, and the words with names filled in."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from decimal import Decimal

from desk.dialog.say import Phrases, phrases
from measure.orders import Known, Line
from measure.rows import Row

_HOLE = re.compile(r"\{(\w+)\}")


class _Filled:
    """Days and money as they are written in a language: a desk's and a customer's alike."""

    def day(self, day: date, language: str) -> str:
        """Without the weekday: "12 November"."""
        months = phrases(language).templates["form.months"].split()
        dot = "." if phrases(language).language == "de" else ""
        return f"{day.day}{dot} {months[day.month - 1]}"

    def money(self, amount: Decimal, language: str) -> str:
        say = phrases(language)
        return Phrases(say.language, {**say.templates, "x": "{v:money}"})("x", v=amount)


filled = _Filled()


@dataclass(frozen=True, slots=True)
class Scene:
    """main, other: the customer's orders; foreign: somebody else's; line: the item of `main` that
    {product} names; fitting: the sample had an order with all that the row needs; pages: ids of
    the help pages that answer its questions, where a reader has found them."""

    row: Row
    main: Known
    other: Known | None
    foreign: Known | None
    line: Line
    fill: Mapping[str, str]
    fitting: bool = True
    pages: frozenset[str] | None = None

    def put(self, text: str) -> str:
        """The text with its placeholders filled; KeyError for one that nothing fills."""
        return _HOLE.sub(lambda hole: self.fill[hole[1]], text)

    @property
    def own(self) -> tuple[Known, ...]:
        return (self.main,) if self.other is None else (self.main, self.other)

    def order_of(self, place: int) -> Known:
        """The order that the row's request at this place is about: the first one's is the main
        order; where there is another one, it is the second one's."""
        return self.other if place > 0 and self.other is not None else self.main
