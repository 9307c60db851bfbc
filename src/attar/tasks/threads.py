"""The lines of a document, less what only carries a thread of mail or a ticket: marks of quoting
and signatures (RFC 3676, sections 4.5 and 4.3), headers (RFC 5322), and who wrote when. What
people wrote stays.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import NamedTuple

_LINE = re.compile(r"[^\n\r\v\f\x1c-\x1e\x85\u2028\u2029]+")
_MARKS = re.compile(r"(?:[ \t]*>)+(?:[ \t]+|$)")
_QUOTED = 2  # lines with marks from which on they are of quoting, and not "more than"
_HEADER = re.compile(r"(?:from|sent|to|cc|bcc|date|reply-to|subject):(?:\s|$)", re.IGNORECASE)
_SUBJECT = re.compile(r"subject:\s+(?:(?:re|fwd?|aw|wg)\s?:\s+)*", re.IGNORECASE)
_WROTE = re.compile(
    r"(?:on|am|le|el|il)\s.{4,200}\s(?:wrote|schrieb|a écrit|escribió|ha scritto)\b.{0,60}:",
    re.IGNORECASE,
)
_FORWARDED = re.compile(r"-{2,}\s*(?:original|forwarded) message\s*-{2,}", re.IGNORECASE)
_SIGNATURE = "--"
_SIGNATURE_LINES = 8  # where more follow, it parts a text


class Line(NamedTuple):
    """A line that says something: start and end of what it says, and how often it is quoted."""

    start: int
    end: int
    level: int


def lines_of(text: str) -> list[Line]:
    """The lines in order, without white space at their ends."""
    found = [_inside(text, match.start(), match.end()) for match in _LINE.finditer(text)]
    marks = [_MARKS.match(text, line.start, line.end) for line in found]
    if sum(mark is not None for mark in marks) >= _QUOTED:
        for i, mark in enumerate(marks):
            if mark is not None:
                inside = _inside(text, mark.end(), found[i].end)
                found[i] = inside._replace(level=mark.group().count(">"))
    said = [text[line.start : line.end] for line in found]
    carries = set(_carriers(said)) | set(_signatures(text, found, said))
    return [
        _after_subject(text, line)
        for i, line in enumerate(found)
        if line.start < line.end and i not in carries
    ]


def _carriers(said: Sequence[str]) -> Iterator[int]:
    """Headers, one beside the other, and attributions, which may be wrapped once."""
    headers = [_HEADER.match(line) is not None for line in said]
    for i, line in enumerate(said):
        following = said[i + 1] if i + 1 < len(said) else ""
        beside = any(headers[max(i - 1, 0) : i]) or any(headers[i + 1 : i + 2])
        if headers[i]:
            if beside and _SUBJECT.match(line) is None:
                yield i
        elif _WROTE.fullmatch(line) or _FORWARDED.fullmatch(line):
            yield i
        elif not _WROTE.fullmatch(following) and _WROTE.fullmatch(f"{line} {following}"):
            yield from (i, i + 1)


def _signatures(text: str, lines: Sequence[Line], said: Sequence[str]) -> Iterator[int]:
    """From a line of two hyphens to the next empty line, or to where less or more is quoted."""
    for i, line in enumerate(said):
        if line != _SIGNATURE:
            continue
        last = i
        while last + 1 < len(said) and _together(text, lines[last], lines[last + 1]):
            last += 1
        if last - i <= _SIGNATURE_LINES:
            yield from range(i, last + 1)


def _together(text: str, before: Line, line: Line) -> bool:
    return (
        line.start < line.end
        and line.level == before.level
        and text.count("\n", before.end, line.start) <= 1
    )


def _after_subject(text: str, line: Line) -> Line:
    match = _SUBJECT.match(text, line.start, line.end)
    return line if match is None else line._replace(start=match.end())


def _inside(text: str, start: int, end: int) -> Line:
    part = text[start:end]
    inside = part.strip()
    start += len(part) - len(part.lstrip()) if inside else 0
    return Line(start, start + len(inside), 0)
