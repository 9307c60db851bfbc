"""Rows that ask for several things, joined from rows of train that ask for one, or for nothing.

What a text asks for together is a matter of chance, and train shows few of the combinations, if
any. "A and B" of two rows is a text whose calls, arguments and segments (`tasks.segments`) are
all known. Joined rows are learned from and nothing else: no row is judged by them.
"""

from __future__ import annotations

import random
from collections.abc import Iterable, Sequence
from dataclasses import replace
from itertools import islice

from attar.data.language import available, languages_of
from attar.tasks.annotations import Annotation, annotation_in, name_of
from attar.tasks.calling import template_in
from attar.tasks.functions import Functions
from attar.tasks.segments import parts_in, together
from attar.types import Row

JOINED = "(joined)"  # the file of such rows
SHARE = 0.5  # joined rows for each row of train that may be joined (docs/experiments.md)
ECHOES = 0.15  # share of them in which one call is said for two values
THREE = 0.3  # share of the joined rows that are of three
MAX_CHARACTERS = 200  # of a text that is joined: long ones are no requests of a breath
ASKED = 1_000  # rows whose language is looked at

#: What stands between two requests in any language: a sign, or nothing at all.
STOP = ". "
SIGNS = (STOP, ", ", "; ", " ")
ENDS = (".", "!", "?", "…")  # what ends a sentence by itself
WORDS: dict[str, tuple[str, ...]] = {
    "en": (" and ", " and ", ", and ", ", then ", " and then ", " and also "),
    "de": (" und ", " und ", ", und ", ", dann ", " und dann ", " und auch "),
    "fr": (" et ", " et ", ", et ", ", puis ", " et puis ", " et aussi "),
    "es": (" y ", " y ", ", y ", ", luego ", " y luego ", " y también "),
    "it": (" e ", " e ", ", e ", ", poi ", " e poi ", " e anche "),
    "pt": (" e ", " e ", ", e ", ", depois ", " e depois ", " e também "),
    "nl": (" en ", " en ", ", en ", ", daarna ", " en dan ", " en ook "),
}


def joined_rows(
    train: Sequence[Row], known: Iterable[Row], functions: Functions, seed: int
) -> list[Row]:
    """Joined rows of `train`, whose labels are templates of calls; none whose text is one of
    `known`. The same for the same rows and seed."""
    pieces = [row for row in train if _may_be_joined(row)]
    if len(pieces) < 2 or not any(parts_in(annotation_in(row.label).label) for row in pieces):
        return []
    rng = random.Random(seed)
    words = WORDS.get(_language(pieces), ())
    echoes = _echoes(pieces, functions) if words else []
    taken = {row.text.casefold() for row in (*train, *known)}
    made = []
    for number in range(round(SHARE * len(pieces))):
        if echoes and rng.random() < ECHOES:
            row = _echoed(rng.choice(echoes), words[0], rng)
        else:
            chosen = rng.sample(pieces, min(len(pieces), 2 + (rng.random() < THREE)))
            row = _join(chosen, SIGNS + words, rng)
        if row.text.casefold() not in taken and len(parts_in(annotation_in(row.label).label)):
            taken.add(row.text.casefold())
            made.append(replace(row, file=JOINED, line=number + 1))
    return made


def _may_be_joined(row: Row) -> bool:
    text = row.text.strip()
    if not text or "\n" in text or len(text) > MAX_CHARACTERS:
        return False
    return len(parts_in(annotation_in(row.label).label)) < 2


def _language(rows: Sequence[Row]) -> str:
    """That of most rows; English where it cannot be told, as words of values are."""
    counts = languages_of(islice(rows, ASKED)) if available() else None
    return counts.most_common(1)[0][0] if counts else "en"


def _join(rows: Sequence[Row], between: Sequence[str], rng: random.Random) -> Row:
    said, begins = "", True
    spans: list[tuple[int, int, str]] = []
    parts: list[str] = []
    calls: list[tuple[int, int]] = []
    for number, row in enumerate(rows):
        annotation = annotation_in(row.label)
        joint = rng.choice(between) if number < len(rows) - 1 else ""
        ends = joint in ("", STOP)
        text, start = _bare(row.text, annotation, begins, ends)
        before = len(said) - start
        spans += [(s.start + before, s.end + before, s.label) for s in annotation.spans]
        for part in parts_in(annotation.label):
            parts.append(part)
            calls.append((len(said), len(said) + len(text)))
        said += text + (" " if joint == STOP and text.endswith(ENDS) else joint)
        begins = ends
    return Row(said, name_of(together(parts), spans, calls))


def _echoes(rows: Sequence[Row], functions: Functions) -> list[list[Row]]:
    """Rows whose call has one argument in the text, and that no list, by what they ask for."""
    found: dict[tuple[str, str], list[Row]] = {}
    for row in rows:
        annotation = annotation_in(row.label)
        if not parts_in(annotation.label) or len(annotation.spans) != 1:
            continue
        label = annotation.spans[0].label
        name = template_in(annotation.label or "")[0].name
        if not functions[name].arguments[label].many:
            found.setdefault((annotation.label or "", label), []).append(row)
    return [group for group in found.values() if len(group) > 1]


def _echoed(group: Sequence[Row], word: str, rng: random.Random) -> Row:
    """One call said for two values: "close the window and the door"."""
    one, other = rng.sample(group, 2)
    annotation, of_other = annotation_in(one.label), annotation_in(other.label).spans[0]
    (span,) = annotation.spans
    said = other.text[of_other.start : of_other.end]
    text = one.text[: span.end] + word + said + one.text[span.end :]
    start = span.end + len(word)
    (part,) = parts_in(annotation.label)
    spans = [span, (start, start + len(said), span.label)]
    return Row(text, name_of(together([part, part]), spans, [(0, span.end), (start, len(text))]))


def _bare(text: str, annotation: Annotation, begins: bool, ends: bool) -> tuple[str, int]:
    """The text as it stands within a sentence, and where in the row's text it begins."""
    start = len(text) - len(text.lstrip())
    kept = max((span.end for span in annotation.spans), default=0)
    end = len(text.rstrip() if ends else text.rstrip(" .!?,;:…"))
    text = text[start : max(end, kept)]
    named = bool(annotation.spans) and annotation.spans[0].start == start
    first = text.split(" ", 1)[0]
    if not begins and not named and first[1:].islower():  # not "I", nor "TV"
        text = text[0].lower() + text[1:]
    return text, start
