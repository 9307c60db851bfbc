"""Values as people write them, to values as a schema wants them: "seven" to 7.

`normalized` reads a part of a text, `canonical` a value that somebody wrote into a data file:
both give the one form in which equal values are equal. What counts as a number, a time or an
amount is English where it is words. Days that depend on the day they are said on ("tomorrow",
"March 5") become dates only where a reference day is given; else they stay as they are
written, so that no result depends on the day it was computed on.

Number words are read by text2num, dates by dateparser, amounts by price-parser: the extra
`calls`. Times and durations are in `tasks.times`.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from datetime import date, datetime
from decimal import Decimal
from functools import lru_cache
from importlib.util import find_spec
from typing import Any

from attar.errors import MissingExtraError
from attar.tasks.functions import Argument, Function, Value
from attar.tasks.times import duration_in, time_in
from attar.tasks.words import words_of

LONGEST = 200  # characters of a value that is no plain text: what is longer is none

_PLAIN_NUMBER = re.compile(r"[-+]?(\d+(\.\d*)?|\.\d+)")
_GROUPED = re.compile(r"[-+]?\d{1,3}((,\d{3})+(\.\d+)?|( \d{3})+([.,]\d+)?)")
_COMMA = re.compile(r"[-+]?\d+,\d+")
_HYPHEN = re.compile(r"(?<=[^\W\d])-(?=[^\W\d])")  # "ten-minute"
_FRACTION = re.compile(r"(?<![\d.,])0\.\d")
_SECOND = re.compile(r"(?<![\w.,])(\d+) 2nd\b")  # "30 second": the unit, not the ordinal
_ISO_DATE = re.compile(r"\d{4}-\d{2}-\d{2}")
_ISO_MOMENT = re.compile(r"\d{4}-\d{2}-\d{2}[T ]\d{2}:\d{2}(:\d{2})?(Z|[+-]\d{2}:\d{2})?")
#: Two days that share neither year, month, day nor weekday: what means the same on both is fixed.
_DAYS = (datetime(2021, 2, 3), datetime(2018, 7, 21))
_YES, _NO = ("yes", "true", "on", "enabled"), ("no", "false", "off", "disabled")
_CURRENCIES = {
    "$": "USD", "us$": "USD", "dollar": "USD", "dollars": "USD", "buck": "USD", "bucks": "USD",
    "€": "EUR", "euro": "EUR", "euros": "EUR",
    "£": "GBP", "pound": "GBP", "pounds": "GBP", "quid": "GBP",
    "¥": "JPY", "yen": "JPY", "₹": "INR", "rupee": "INR", "rupees": "INR",
    "franc": "CHF", "francs": "CHF", "zł": "PLN", "zloty": "PLN", "kr": "SEK",
    "₩": "KRW", "won": "KRW", "₽": "RUB", "yuan": "CNY",
}  # fmt: skip

_CODES = """
AED ARS AUD BGN BRL CAD CHF CLP CNY COP CZK DKK EGP EUR GBP HKD HUF IDR ILS INR ISK JPY KES KRW KWD
MAD MXN MYR NGN NOK NZD PEN PHP PKR PLN QAR RON RSD RUB SAR SEK SGD THB TRY TWD UAH USD VND ZAR
"""
_CURRENCIES |= {code.casefold(): code for code in _CODES.split()}


def normalized(text: str, schema: Value, reference: date | None = None) -> Any:
    """The value that a part of a text states, None where it states none.

    reference: the day that "tomorrow" is counted from. Raises MissingExtraError.
    """
    if schema.choices:
        return _choice(text, schema)
    if schema.kind == "string" and schema.format is None:
        return " ".join(text.split()) or None
    if len(text) > LONGEST:
        return None
    return _read(text, schema.kind, schema.format, reference)


def canonical(value: Any, schema: Value) -> Any:
    """A value of a data file in the form in which `normalized` gives it."""
    if isinstance(value, str) and schema.kind == "string" and not schema.choices:
        found = normalized(value, schema)
        return value if found is None else found
    if isinstance(value, float) and value.is_integer() and abs(value) < 2**53:
        return int(value)
    return value


def same(one: Any, other: Any, argument: Argument) -> bool:
    """Whether two canonical values are equal: plain texts whatever their case."""
    if argument.many and isinstance(one, list) and isinstance(other, list):
        return len(one) == len(other) and all(map(_same, one, other))
    return _same(one, other)


def fold(text: str) -> str:
    """The words of a text without case and signs: "turn_off" is "turn off"."""
    words = (text[start:end] for start, end in words_of(text))
    return " ".join(word.casefold() for word in words if word.isalnum())


def need_extra(functions: Iterable[Function]) -> None:
    """Raise MissingExtraError where the values of these functions need packages that are not
    installed: when a model is opened, and not in the middle of its work."""
    values = [a.value for function in functions for a in function.arguments.values()]
    reads = any(v.format or (v.kind in ("number", "integer") and not v.choices) for v in values)
    if reads and any(find_spec(p) is None for p in ("text_to_num", "dateparser", "price_parser")):
        raise MissingExtraError("calls", "a model that calls functions with numbers or dates")


def _same(one: Any, other: Any) -> bool:
    if isinstance(one, str) and isinstance(other, str):
        return " ".join(one.split()).casefold() == " ".join(other.split()).casefold()
    return isinstance(one, bool) == isinstance(other, bool) and bool(one == other)


def _choice(text: str, schema: Value) -> Any:
    """The choice that is written so, else the first that differs in case and signs only."""
    if text in schema.choices:
        return text
    if schema.kind != "string":
        number = _read(text, "number", None, None) if len(text) <= LONGEST else None
        return number if number in schema.choices else None
    wanted = fold(text)
    return next((c for c in schema.choices if wanted and fold(c) == wanted), None)


@lru_cache(maxsize=50_000)
def _read(text: str, kind: str, form: str | None, reference: date | None) -> Any:
    if kind == "boolean":
        folded = fold(text)
        return True if folded in _YES else False if folded in _NO else None
    if kind in ("number", "integer"):
        number = _number(text)
        return None if kind == "integer" and isinstance(number, float) else number
    if form in ("date", "date-time"):
        return _moment(text, form, reference)
    if form == "amount":
        return _amount(text)
    digits = in_digits(text)
    return time_in(digits) if form == "time" else duration_in(digits)


def in_digits(text: str) -> str:
    """The text in lower case, its English number words as digits: "half past 8"."""
    from text_to_num import alpha2digit

    spaced = " ".join(_HYPHEN.sub(" ", text.casefold()).split())
    if not any(char.isalpha() for char in spaced):
        return spaced
    digits: str = alpha2digit(spaced, "en", 0.0)
    return _SECOND.sub(r"\1 second", digits)


def _number(text: str) -> int | float | None:
    written = in_digits(text).replace("−", "-").removesuffix(" percent").strip(" %")
    for word in ("minus ", "negative "):
        written = re.sub(f"^{word}", "-", written)
    halves = re.fullmatch(r"(?:(-?\d+) and )?(?:a )?half", written)
    if halves:
        whole = int(halves[1] or 0)
        return whole - 0.5 if whole < 0 else whole + 0.5
    written = re.sub(r"^(-?)an? (?=1\d*$|dozen$)", r"\1", written)
    dozens = re.fullmatch(r"(-?)(\d*)\s?dozen", written)
    if dozens:
        return _whole(float(f"{dozens[1]}{dozens[2] or 1}") * 12)
    if _GROUPED.fullmatch(written):
        spaced = " " in written
        written = written.replace(" ", "").replace(",", "." if spaced else "")
    elif _COMMA.fullmatch(written):
        written = written.replace(",", ".")
    return _whole(float(written)) if _PLAIN_NUMBER.fullmatch(written) else None


def _whole(number: float) -> int | float | None:
    if abs(number) >= 2**53:  # no number of JSON that every reader reads alike
        return None
    return int(number) if number.is_integer() else number


def _moment(text: str, form: str, reference: date | None) -> str | None:
    """A day, or a day with a time; the words themselves where they mean no fixed one."""
    written = " ".join(text.split())
    iso = (_ISO_DATE if form == "date" else _ISO_MOMENT).fullmatch(written)
    if iso:
        try:
            moment = datetime.fromisoformat(written)
        except ValueError:
            return None
        return _as_text(moment, form)
    if not any(char.isalnum() for char in written):
        return None
    if reference is not None:
        found = _parsed(written, datetime(reference.year, reference.month, reference.day))
        return None if found is None else _as_text(found, form)
    first, second = (_parsed(written, day) for day in _DAYS)
    if first is None or second is None:
        return None
    return _as_text(first, form) if first == second else written


def _parsed(text: str, day: datetime) -> datetime | None:
    import dateparser

    settings = {"RELATIVE_BASE": day, "PREFER_DATES_FROM": "future"}
    found: datetime | None = dateparser.parse(in_digits(text), languages=["en"], settings=settings)
    return None if found is None else found.replace(tzinfo=None)


def _as_text(moment: datetime, form: str) -> str:
    if form == "date":
        return moment.date().isoformat()
    seconds = "seconds" if moment.second else "minutes"
    return moment.replace(microsecond=0).isoformat(timespec=seconds)


def _amount(text: str) -> str | None:
    """`12.50 EUR`: an amount with its two digits, and the currency's code (ISO 4217)."""
    from price_parser import Price

    written = in_digits(text)
    # "1.200" is 1,200 in much of Europe; nobody writes a leading zero so.
    point = "." if _FRACTION.search(written) else None
    price = Price.fromstring(written, decimal_separator=point)
    if price.amount is None:
        return None
    words = re.findall(r"us\$|[$€£¥₹₩₽]|[^\W\d]+", written)
    known = {_CURRENCIES[word] for word in words if word in _CURRENCIES}
    if len(known) != 1 or len(words) > 3:
        return None
    amount = Decimal(price.amount)
    # Two digits, or four where two are too few: three would be read as thousands again.
    amount = amount.quantize(Decimal("0.01" if amount == round(amount, 2) else "0.0001"))
    return f"{amount:f} {known.pop()}"
