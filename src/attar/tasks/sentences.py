"""The sentences of a document: where they stand, by rules that need no model.

A sentence ends at a line's end, or after a stop (with the quotes and brackets that close after
it) where the stop does not belong to an abbreviation, an initial or a number. A line that was
wrapped goes on in the next. Who speaks (`Doctor: `), and when, stands outside of what is said;
bullets and numbers of list items stay with their item. Of mail what only carries a thread is
left out (`tasks.threads`), and nothing else but white space. The rules know English
abbreviations and the stops of many scripts; they do not parse.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Sequence
from itertools import islice

import numpy as np
from numpy.typing import NDArray

from attar.tasks.threads import Line, lines_of
from attar.words import words_of

MOST = 10_000  # sentences of a document that are read: some 150 pages

Place = tuple[int, int]  # start and end in code points, as a slice

_CLOSERS = "\"'”’»›)\\]}）」』】》"
#: A stop with what closes after it. Those of scripts without blanks need no blank to end.
_STOP = re.compile(rf"(?:[.!?…؟]+[{_CLOSERS}]*(?=\s)|[。！？।॥۔։።][。！？।॥۔]*[{_CLOSERS}]*)")
_BULLET = re.compile(r"\s*(?:[-*•·‣▪◦–—]+|\(?(?:\d{1,3}|[A-Za-z])[.)])\s+")
_TIME = r"(?:[\[(]?\d{1,2}:\d{2}(?::\d{2})?(?:\s?[AaPp]\.?[Mm]\.?)?[\])]?\s*[-–—]?\s*)?"
#: Up to four words before a colon, the first with a capital or of a script without them.
_SPEAKER = re.compile(rf"\s*{_TIME}(?P<who>[^\W\d_a-z][^\n:：.!?,;]{{0,39}}?)\s?[:：](?=\s|$)\s*")
_SPEAKER_WORDS = 4
_ROLES = re.compile(
    r"(?:doctor|dr|physician|clinician|nurse|patient|guest|family|mother|father|caregiver"
    r"|agent|customer|client|caller|operator|user|assistant|bot|support|representative"
    r"|interviewer|interviewee|speaker|host|moderator|teacher|student)"
    r"(?:[ _-](?:\w{1,12}))?",
    re.IGNORECASE,
)
_SOLID = re.compile(r"\S")
_WRAPPED = 45  # characters from which on a line may have been wrapped

#: Before which no sentence ends; of the second kind only where a number follows, of the third
#: only where no capital does.
_TITLES = frozenset((
    "dr", "mr", "mrs", "ms", "mx", "prof", "st", "sr", "jr", "rev", "hon", "gen", "sen", "rep",
    "gov", "capt", "lt", "col", "sgt", "maj", "cmdr", "mme", "mlle", "hr", "fr", "vs", "e.g",
    "i.e", "cf", "viz", "al", "approx", "resp", "z.b", "d.h", "u.a",
))  # fmt: skip
_BEFORE_NUMBERS = frozenset((
    "no", "nos", "nr", "fig", "figs", "art", "vol", "ch", "sec", "pp", "p", "pt", "pts", "eq",
    "tab", "ref", "ca", "tel", "ext", "apt",
))  # fmt: skip
_SOMETIMES = frozenset((
    "etc", "inc", "ltd", "co", "corp", "llc", "dept", "est", "bldg", "ave", "blvd", "rd", "jan",
    "feb", "mar", "apr", "jun", "jul", "aug", "sep", "sept", "oct", "nov", "dec", "mon", "tue",
    "tues", "wed", "thu", "thur", "fri", "sat", "sun", "a.m", "p.m", "min", "max", "avg", "mg",
    "ml", "hrs", "tabs", "caps", "b.i.d", "t.i.d", "q.i.d", "p.r.n", "p.o", "q.d", "temp", "dx",
    "hx", "rx", "tx",
))  # fmt: skip
_LAST_WORD = re.compile(r"[^\W_][\w.'’-]*$")
_DOTTED = re.compile(r"(?:[A-Z]\.)+[A-Z]$")  # U.S, as it stands before its last stop


def sentences_of(text: str) -> list[Place]:
    """The places of the sentences, in order, none of them empty; the first MOST of them."""
    return list(islice(_sentences(text), MOST))


def _sentences(text: str) -> Iterator[Place]:
    lines = lines_of(text)
    speakers = _speakers(text, lines)
    for start, end in _paragraphs(text, lines, speakers):
        yield from _in_paragraph(text, _after_speaker(text, start, end, speakers), end)


def with_words(text: str) -> list[tuple[int, int, int]]:
    """Start, end, and number of words (`attar.words`) of each sentence."""
    return [(start, end, len(words_of(text[start:end]))) for start, end in sentences_of(text)]


def sentence_array(texts: Sequence[str]) -> NDArray[np.int32]:
    """Start, end and number of words of several texts' sentences, (texts, sentences, 3); -1
    past the last."""
    return as_array([with_words(text) for text in texts])


def as_array(sentences: Sequence[Sequence[tuple[int, int, int]]]) -> NDArray[np.int32]:
    most = max(map(len, sentences), default=0)
    found = np.full((len(sentences), most, 3), -1, np.int32)
    for i, one in enumerate(sentences):
        if one:
            found[i, : len(one)] = one
    return found


class SentenceIds(list[int]):
    """The token ids of a document that is read sentence by sentence, one after the other.
    parts: those of each sentence, of an empty one in a document without any; sentences: their
    places in `text`, and how many words each has."""

    text: str
    parts: list[list[int]]
    sentences: list[tuple[int, int, int]]

    @classmethod
    def of(
        cls, parts: list[list[int]], sentences: list[tuple[int, int, int]], text: str
    ) -> SentenceIds:
        made = cls(token for part in parts for token in part)
        made.text, made.parts, made.sentences = text, parts, sentences
        return made


def _speakers(text: str, lines: Sequence[Line]) -> frozenset[str]:
    """Who speaks: names of roles, and whatever stands before a colon in several lines."""
    found = [
        match.group("who")
        for line in lines
        if (match := _SPEAKER.match(text, line.start, line.end))
        and len(match.group("who").split()) <= _SPEAKER_WORDS
    ]
    counts = Counter(found)
    return frozenset(who for who, n in counts.items() if n > 1 or _ROLES.fullmatch(who))


def _paragraphs(text: str, lines: Sequence[Line], speakers: frozenset[str]) -> Iterator[Place]:
    """Lines, and lines that were wrapped as one."""
    first = 0
    before: Line | None = None
    for line in lines:
        if before is None or not _goes_on(text, before, line, speakers):
            if before is not None:
                yield first, before.end
            first = line.start
        before = line
    if before is not None:
        yield first, before.end


def _goes_on(text: str, before: Line, line: Line, speakers: frozenset[str]) -> bool:
    """Whether a line continues the one before: that is long and without an end, there is no
    empty line between, and this one goes on in small letters."""
    last, found = text[before.start : before.end], text[line.start : line.end]
    if not found[0].islower() or text.count("\n", before.end, line.start) > 1:
        return False
    if len(last) < _WRAPPED or last[-1] in ".!?…:;。！？।॥؟۔" or before.level != line.level:
        return False
    return not _BULLET.match(found) and not _is_speaker(found, speakers)


def _is_speaker(line: str, speakers: frozenset[str]) -> bool:
    match = _SPEAKER.match(line)
    return match is not None and match.group("who") in speakers


def _after_speaker(text: str, start: int, end: int, speakers: frozenset[str]) -> int:
    match = _SPEAKER.match(text, start, end)
    return match.end() if match is not None and match.group("who") in speakers else start


def _in_paragraph(text: str, start: int, end: int) -> Iterator[Place]:
    first = start
    bullet = _BULLET.match(text, start, end)
    for stop in _STOP.finditer(text, bullet.end() if bullet else start, end):
        if _ends(text, first, stop.start(), stop.end(), end):
            yield from _stripped(text, first, stop.end())
            first = stop.end()
    yield from _stripped(text, first, end)


def _stripped(text: str, start: int, end: int) -> Iterator[Place]:
    part = text[start:end]
    inside = part.strip()
    if inside:
        before = len(part) - len(part.lstrip())
        yield start + before, start + before + len(inside)


def _ends(text: str, first: int, stop: int, after: int, end: int) -> bool:
    """Whether the stop at `stop`, which reaches to `after`, ends the sentence from `first`."""
    marks = text[stop:after].rstrip("\"'”’»›)]}）」』】》")
    found = _SOLID.search(text, after, end)
    if found is None:
        return True
    follows = found.group()
    if marks[-1] not in ".…":  # asked or called out, unless it is a quotation within
        return len(marks) == after - stop or not follows.islower()
    if len(marks) > 1 or marks == "…":  # an ellipsis
        return not follows.islower()
    if len(marks) < after - stop and follows.islower():
        return False
    last = _LAST_WORD.search(text, max(first, stop - 24), stop)
    if last is None:
        return True
    word = last.group()
    lower = word.lower()
    if lower in _TITLES or _DOTTED.fullmatch(word):
        return False
    if len(word) == 1 and word.isupper() and word != "I":  # an initial
        return False
    if lower in _BEFORE_NUMBERS:
        return not follows.isdigit()
    if lower in _SOMETIMES or "." in word:
        return not (follows.islower() or follows.isdigit())
    return True
