"""Texts that are no prose of people: what hardly anything can be learned from.

Rules in the manner of Gopher (Rae et al. 2021, table A1) and C4 (Raffel et al. 2020,
§2.2), with bounds that suit messages of one line as well as pages: theirs are for web
pages and would drop every short message. A rule asks for a minimum of words before it
trusts a share. No rule looks at the label.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Sequence
from itertools import pairwise

from attar.data import reasons
from attar.types import Flagged, Row

MIN_LETTERS = 0.25  # of the characters that are not blanks; Gopher asks 0.8 of the words
MAX_SYMBOLS = 0.2  # "#" and "…" a word; Gopher: 0.1, of pages
FEW_WORDS = 10  # under which a share of words says little
MIN_TOP_PAIR = 3  # "of the" three times is a legal text
MAX_TOP_PAIR = 0.4  # of the words stand in the most frequent pair; Gopher: 0.2, of pages
MAX_TOP_WORD = 0.5  # of the words are one word
MAX_REPEATED_LINES = 0.3  # of the lines stand there twice, as Gopher
MAX_WORD_CHARACTERS = 20.0  # mean; Gopher: 10, which texts with addresses exceed
BOILERPLATE_TEXTS = 10  # a line of so many different texts is a header or a footer …
BOILERPLATE_SHARE = 0.01  # … if they are also this share of all
MAX_BOILERPLATE = 0.5  # of a text's characters
MIN_CHARACTERS = 3
TIMES_LONGEST = 4  # an unlabeled text may be this many times as long as the longest of train

_MARKUP = re.compile(
    r"</?(?:html|body|div|span|table|t[drh]|p|br|a|img|script|style|ul|li|h[1-6])\b[^<>]*>"
    r"|&(?:nbsp|amp|lt|gt|quot|#\d+);"
)
_CODE = re.compile(r"lorem ipsum|\{\s*\w+\s*:\s*[^{}]*;\s*\}|enable javascript", re.IGNORECASE)

Defect = tuple[str, str]  # a reason and its detail


def defect(text: str) -> Defect | None:
    """The first rule that the text breaks, as a reason of `reasons` and a detail."""
    for rule in (_symbols, _markup, _repetition):
        found = rule(text)
        if found is not None:
            return found
    return None


def with_defects(rows: Sequence[Row], frequent: frozenset[str] | None = None) -> list[Flagged]:
    """The rows that break a rule, or consist of lines that many of the rows share.

    frequent: such lines, where they were counted before (`frequent_lines`).
    """
    if frequent is None:
        frequent = frequent_lines(row.text for row in rows)
    found = []
    for row in rows:
        reason = defect(row.text) or _boilerplate(row.text, frequent)
        if reason is not None:
            found.append(Flagged(row, *reason))
    return found


def unlike_in_length(rows: Iterable[Row], train: Sequence[Row]) -> list[Flagged]:
    """The unlabeled rows that are far longer than the longest text of train, or have a
    letter or two where train has no text so short."""
    lengths = [len(row.text.strip()) for row in train]
    if not lengths:
        return []
    least, most = min(MIN_CHARACTERS, *lengths), TIMES_LONGEST * max(lengths)
    found = []
    for row in rows:
        length = len(row.text.strip())
        if length < least:
            detail = f"{length} characters; the shortest train text has {min(lengths)}"
            found.append(Flagged(row, reasons.TOO_SHORT, detail))
        elif length > most:
            detail = f"{length:,} characters, over {TIMES_LONGEST} times the longest train text"
            found.append(Flagged(row, reasons.TOO_LONG, detail))
    return found


def frequent_lines(texts: Iterable[str]) -> frozenset[str]:
    """Lines, of texts with several, that stand in many different texts."""
    counts: Counter[str] = Counter()
    total = 0
    for text in texts:
        total += 1
        lines = _lines(text)
        if len(lines) > 1:
            counts.update(set(lines))
    least = max(BOILERPLATE_TEXTS, BOILERPLATE_SHARE * total)
    return frozenset(line for line, n in counts.items() if n >= least)


def _symbols(text: str) -> Defect | None:
    words = text.split()
    solid = "".join(words)
    letters = sum(map(str.isalpha, solid))
    if letters < MIN_LETTERS * len(solid):
        return reasons.SYMBOLS, f"{letters} of {len(solid)} characters are letters"
    marks = text.count("#") + text.count("…") + text.count("...")
    if len(words) >= FEW_WORDS and marks > MAX_SYMBOLS * len(words):
        return reasons.SYMBOLS, f"{marks} number signs and ellipses in {len(words)} words"
    mean = len(solid) / max(1, len(words))
    # Scripts that put no blanks between words have long "words" in every text.
    if mean > MAX_WORD_CHARACTERS and text.isascii():
        return reasons.SYMBOLS, f"{mean:.0f} characters a word"
    return None


def _markup(text: str) -> Defect | None:
    tags = _MARKUP.findall(text)
    if len(tags) > 1:
        return reasons.MARKUP, f"{len(tags)} tags or entities of HTML, such as {tags[0][:40]}"
    found = _CODE.search(text)
    return (reasons.MARKUP, f"code or filler: {found[0][:40]!r}") if found else None


def _repetition(text: str) -> Defect | None:
    lines = _lines(text)
    repeated = len(lines) - len(set(lines))
    if len(lines) > 3 and repeated > MAX_REPEATED_LINES * len(lines):
        return reasons.REPETITION, f"{repeated} of {len(lines)} lines stand there before"
    words = text.lower().split()
    if len(words) < FEW_WORDS:
        return None
    word, count = Counter(words).most_common(1)[0]
    if count > MAX_TOP_WORD * len(words):
        return reasons.REPETITION, f"{word[:40]!r} is {count} of {len(words)} words"
    pair, count = Counter(pairwise(words)).most_common(1)[0]
    if count > MIN_TOP_PAIR and 2 * count > MAX_TOP_PAIR * len(words):
        return reasons.REPETITION, f"{' '.join(pair)[:40]!r} stands there {count} times"
    return None


def _boilerplate(text: str, frequent: frozenset[str]) -> Defect | None:
    lines = _lines(text)
    if len(lines) < 2:
        return None
    shared = sum(len(line) for line in lines if line in frequent)
    if shared > MAX_BOILERPLATE * sum(map(len, lines)):
        return reasons.BOILERPLATE, "most of it are lines that many texts share"
    return None


def _lines(text: str) -> list[str]:
    return [line.strip() for line in text.splitlines() if line.strip()]
