"""Personal data in a message: found by rules and by what the small model marks; named, and named
back.

Found are e-mail addresses, order numbers, phone, card and account numbers, British and German
postal addresses. A person's name is found only after words such as "my name is"; a message may hold
more than rules see, so who may send none at all sets personal = "withhold" and knows this limit.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

_STREET = (
    r"(?:street|str\.?|road|rd\.?|lane|ln|avenue|ave|drive|close|court|crescent|gardens?|grove|hill"
    r"|place|square|terrace|way|mews|row|green|park)"
)
#: The longest kinds first: what one has taken, the next does not see.
_KINDS: tuple[tuple[str, re.Pattern[str]], ...] = (
    ("EMAIL", re.compile(r"(?<![\w.+-])[\w.+-]{1,64}@[\w-]{1,63}(?:\.[\w-]{1,63}){1,4}")),
    ("ACCOUNT", re.compile(r"\b[A-Z]{2}\d{2}(?: ?[A-Z0-9]{4}){2,7}(?: ?[A-Z0-9]{1,4})?\b")),
    ("CARD", re.compile(r"(?<!\w)(?=[A-Z -]{0,18}\d)(?:[A-Z0-9]{4}[ -]?){3}[A-Z0-9]{4}(?!\w)")),
    (
        "ORDER",
        re.compile(r"(?<![\w@])#?\s?mf[\s-]{0,2}#?\d{5}(?!\d)|(?<!\w)#\d{4,8}(?!\d)", re.I),
    ),
    (
        "PHONE",
        re.compile(
            r"(?<![\w.,£$€-])(?!\d{1,2}[/.-]\d{1,2}[/.-]\d)"  # a date is none
            r"(?:\+|00?)\d(?:[ ()/.-]{0,2}\d){6,13}(?!\d)"
        ),
    ),
    ("ORDER", re.compile(r"(?<![\w.,£$€/-])\d{5}(?![\w/-]|[.,]\d)")),
    (
        "ADDRESS",
        re.compile(
            rf"\b(?:flat \w{{1,4}},? )?\d{{1,4}}[a-z]?,? (?:[a-z'’-]{{2,20}} ){{1,3}}{_STREET}\b"
            r"|\b[a-zäöüß-]{2,30}(?:straße|strasse|str\.|weg|platz|allee|gasse) \d{1,4}[a-z]?\b",
            re.I,
        ),
    ),
    ("POSTCODE", re.compile(r"\b[A-Z]{1,2}\d[A-Z\d]?\s?\d[A-Z]{2}\b", re.I)),
    (
        "NAME",
        re.compile(
            r"(?:(?<=my name is )|(?<=my name's )|(?<=ich heiße )|(?<=mein name ist ))"
            r"[^\W\d_]{1,30}(?: [A-ZÄÖÜ][^\W\d_]{1,30}){0,2}",
            re.I,
        ),
    ),
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Redacted:
    """A text with a name such as [EMAIL_1] for each piece of personal data. pieces: name -> what
    stood there."""

    text: str
    pieces: Mapping[str, str]

    def restored(self, value: str) -> str:
        """A value of an answer, with what stood in the place of each name."""
        for name, piece in self.pieces.items():
            value = value.replace(name, piece)
        return value


def redacted(text: str, marked: Iterable[str] = ()) -> Redacted:
    """marked: pieces of the text that are known to be personal, such as addresses that the small
    model has marked."""
    pieces: dict[str, str] = {}

    def put(kind: str, piece: str) -> str:
        for name, known in pieces.items():
            if known == piece:
                return name
        number = sum(name.startswith(f"[{kind}_") for name in pieces) + 1
        # A customer who writes such a name must not have it taken for a piece.
        while (name := f"[{kind}_{number}]") in text:
            number += 1
        pieces[name] = piece
        return name

    left = text
    known = sorted({piece for piece in marked if piece and piece in left}, key=len, reverse=True)
    patterns = [("PRIVATE", re.compile(re.escape(piece))) for piece in known]
    for kind, pattern in (*patterns, *_KINDS):
        # Between names alone: a name is no text to be looked through.
        parts = re.split(r"(\[[A-Z]+_\d+\])", left)
        for place in range(0, len(parts), 2):
            parts[place] = pattern.sub(lambda found, kind=kind: put(kind, found[0]), parts[place])
        left = "".join(parts)
    return Redacted(left, pieces)
