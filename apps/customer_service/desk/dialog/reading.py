"""What a message says that needs no model: order numbers, addresses, amounts and codes.

Rules for what the desk has just asked for, where a few words are the whole message.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence
from decimal import Decimal, InvalidOperation

#: Longer messages are cut here: nobody writes so much to a desk by hand.
LONGEST = 4_000

_NUMBER = re.compile(r"(?<![\w.,£$€/-])#?\s?(?:(mf)[\s-]{0,2})?#?(\d{5})(?![\w/-]|[.,]\d)", re.I)
_EMAIL = re.compile(r"(?<![\w.+-])[\w.+-]{1,64}@[\w-]{1,63}(?:\.[\w-]{1,63}){1,4}")
_AMOUNT = re.compile(r"(\d{1,6}(?:[.,]\d{1,2})?)")
_CODE = re.compile(r"\b(?=[A-Z0-9-]*[A-Z])[A-Z][A-Z0-9-]{4,19}\b")
_CARD = re.compile(r"(?<![A-Z0-9])[A-Z0-9]{4}(?:[ -]?[A-Z0-9]{4}){3}(?![A-Z0-9])")
_POSTCODE = re.compile(r"\b[A-Z]{1,2}\d[A-Z\d]?\s*\d[A-Z]{2}\b", re.I)
_TO_POSTCODE = re.compile(
    r"(?:\b(?:flat|apartment|apt|unit|room)\s*\w+,?\s+)?\b\d{1,4}[a-z]?,?\s+[^\n;?!\d]{3,60}?,?\s*"
    + _POSTCODE.pattern,
    re.I,
)


def cleaned(text: str) -> str:
    """A message as text that every database and model takes: no lone surrogates, no control
    characters, not longer than LONGEST."""
    text = text[: 4 * LONGEST].encode("utf-8", "replace").decode("utf-8", "replace")
    kept = (c if c in "\n\t" or unicodedata.category(c) not in ("Cc", "Cs") else " " for c in text)
    return "".join(kept).strip()[:LONGEST].rstrip()


def order_numbers(text: str, only_marked: bool = False) -> tuple[str, ...]:
    """As "MF-48213", in order, each once. only_marked: five digits alone do not count (where a
    message holds an address, they may be a postcode)."""
    text = _EMAIL.sub(" ", text)
    found = (
        f"MF-{match[2]}"
        for match in _NUMBER.finditer(text)
        if not only_marked or match[1] or "#" in match[0]
    )
    return tuple(dict.fromkeys(found))


def email(text: str) -> str | None:
    found = _EMAIL.search(text)
    return found[0].rstrip(".-").lower() if found else None


def amount(text: str) -> Decimal | None:
    found = _AMOUNT.search(text)
    try:
        return Decimal(found[1].replace(",", ".")) if found else None
    except InvalidOperation:
        return None


def promo_codes(text: str) -> tuple[str, ...]:
    """What looks like a code: capitals, with a digit where the message is all in capitals."""
    found = dict.fromkeys(_CODE.findall(text))
    shouted = text.upper() == text
    return tuple(
        code
        for code in found
        if not code.startswith("MF-") and (any(c.isdigit() for c in code) or not shouted)
    )


def gift_card(text: str) -> str | None:
    """A code of 16 capitals and digits, some digits among them, with or without blanks."""
    found = (re.sub(r"[ -]", "", match[0]) for match in _CARD.finditer(text))
    return next((code for code in found if any(c.isdigit() for c in code)), None)


def address(text: str) -> str | None:
    """The message where it is an address: a postcode, or a number beside words."""
    said = re.sub(
        r"^\W*(?:(?:sure|yes|no|sorry|ok|please|pls|ja|nein|bitte)\W+)*"
        r"(?:(?:it'?s|its|to|send it to|the new one is"
        r"|new address(?: is)?|an|nach|die neue(?: adresse)? ist)\b[\s:,]*)?",
        "",
        text.strip(),
        flags=re.I,
    )  # fmt: skip
    words = re.findall(r"[^\W\d_]{2,}", said)
    if len(words) >= 2 and (_POSTCODE.search(said) or re.search(r"\d", said)):
        return " ".join(said.split())
    return None


def whole_address(text: str, said: str) -> str | None:
    """An address that a model has found in a text, from its number to its postcode where the text
    has both around it; None for what is none, such as an order's number."""
    for match in _TO_POSTCODE.finditer(text):
        found = " ".join(match[0].split())
        if said.strip(" ,.") in found or found in said:
            return found
    return address(said)


def means_account(text: str) -> bool:
    """An address of the account, rather than of an order."""
    return (
        re.search(r"\b(?:accounts?|profile|from now on|konto|kundenkonto)\b", text, re.I)
        is not None
    )


def pin(text: str) -> str | None:
    found = re.search(r"(?<!\d)\d{3,8}(?!\d)", text)
    return found[0] if found else None


def chosen(text: str, options: Sequence[str]) -> str | None:
    """The one of several that a message names, by its words or its place ("the second")."""
    lowered = text.casefold()
    named = [option for option in options if option.casefold() in lowered]
    if len(named) == 1:
        return named[0]
    places = (r"first|1st|erste\w*", r"second|2nd|zweite\w*", r"third|3rd|dritte\w*")
    for place, pattern in enumerate(places[: len(options)]):
        if re.search(rf"\b(?:{pattern})\b", lowered):
            return options[place]
    if re.search(r"\b(?:last|latest|newest|letzte\w*)\b", lowered) and options:
        return options[0]
    return None
