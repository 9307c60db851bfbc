"""What of an e-mail's text the sender has written now: without quotes, attributions, signatures.

Line by line, in time that grows with the text alone. Rather too much is kept than too little: a
line goes only where it looks like what mail programs write. (attar's `tasks.threads` cuts threads
for its models; it is no public name, so this is the desk's own.)
"""

from __future__ import annotations

import re

from desk.dialog import reading

LONGEST = 40_000  # characters that are looked at
_QUOTED = re.compile(r"\s{0,3}(?:>|\|\s?>)")
_WROTE = re.compile(
    r"\s*(?:(?:On|Am|Le|El|Il|Op|Em|Den|W dniu|Dnia|Dne)\s.{4,300}"
    r"|.{0,150}<[^<>\s]{3,200}@[^<>\s]{3,200}>.{0,100})"
    r"(?:wrote|writes|schrieb|a écrit|escribió|ha scritto|schreef|escreveu|skrev|napisał\w*"
    r"|napsal\w*)"
    r"(?:\s.{0,150})?:?\s*",
    re.I,
)
_ORIGINAL = re.compile(
    r"\s*-{2,}\s*(?:original(?:nachricht| message| appointment)?|ursprüngliche nachricht"
    r"|forwarded message|weitergeleitete nachricht|message d'origine|mensaje original)\s*-{2,}\s*"
    r"|\s*begin forwarded message:\s*|\s*_{20,}\s*",
    re.I,
)
_FIELD = re.compile(
    r"\s*\*?(?:from|sent|date|to|cc|subject|von|gesendet|datum|an|betreff)\s?:\*?\s+\S", re.I
)
_FIRST_FIELD = re.compile(r"\s*\*?(?:from|von)\s?:", re.I)
_DELIMITER = re.compile(r"\s*--\s*|\s*—\s*")
_DEVICE = re.compile(
    r"\s*(?:sent from (?:my|yahoo|outlook|mail|proton)\b.{0,60}|get outlook for .{0,60}"
    r"|(?:von meinem .{1,40}|mit der .{1,30} app) gesendet\.?|gesendet (?:von|mit) .{1,60}"
    r"|diese nachricht wurde von meinem .{1,60} gesendet.{0,60})\s*",
    re.I,
)
_CLOSING = re.compile(
    r"\s*(?:(?:kind|best|warm|many|with kind|with best)?\s?regards|best(?: wishes)?|all the best"
    r"|yours(?: sincerely| faithfully| truly)?|sincerely|cheers|many thanks|thanks(?: again)?"
    r"|thank you|thx|mfg|lg|vg"
    r"|(?:mit )?(?:freundlich|best|viel|lieb|schön|herzlich)e[nm]? gr(?:ü|ue)(?:ß|ss)e?n?"
    r"|viele grüße|gruß|danke(?: und .{1,30})?|vielen dank(?: im voraus)?)\s*[,.!]*\s*",
    re.I,
)
_MOST_BELOW = 8  # lines that a name and an address below a closing have at most


def cut(text: str) -> str:
    """The newest message of a thread's text; "" where all of it is older."""
    lines = re.sub(r"\r\n?", "\n", text[:LONGEST]).split("\n")
    lines = _before_history(lines)
    kept: list[str] = []
    for place, line in enumerate(lines):
        if _DELIMITER.fullmatch(line) and place > 0:
            kept += _with_number(lines[place + 1 :])
            break
        if not _QUOTED.match(line) and not _DEVICE.fullmatch(line):
            kept.append(line)
    return re.sub(r"\n{3,}", "\n\n", "\n".join(_without_closing(kept))).strip()


def _before_history(lines: list[str]) -> list[str]:
    """Up to where older messages begin that are not marked line by line; attributions of those
    that are marked go alone, for an answer may stand below a quote."""
    found: list[str] = []
    place = 0
    while place < len(lines):
        line = lines[place]
        if _ORIGINAL.fullmatch(line) or _is_head(lines, place):
            break
        if length := _attribution(lines, place):
            after = next((one for one in lines[place + length :] if one.strip()), "")
            if not _QUOTED.match(after):
                break
            place += length
            continue
        found.append(line)
        place += 1
    return found


def _attribution(lines: list[str], place: int) -> int:
    """How many lines from here on say who wrote what follows, 0 for none: mail programs break such
    a line in up to three."""
    if not lines[place].strip() or _QUOTED.match(lines[place]):
        return 0
    joined = ""
    for length, line in enumerate(lines[place : place + 3], 1):
        if not line.strip() or len(joined) + len(line) > 500:
            return 0
        joined = f"{joined} {line.strip()}"
        if (
            joined.rstrip().endswith(":")
            and re.search(r"\d|@", joined)
            and _WROTE.fullmatch(joined)
        ):
            return length
    return 0


def _is_head(lines: list[str], place: int) -> bool:
    """Whether an older message's head stands here, as Outlook puts it: three fields or more."""
    if not _FIRST_FIELD.match(lines[place]):
        return False
    near = [line for line in lines[place : place + 8] if line.strip()]
    return sum(_FIELD.match(line) is not None for line in near) >= 3


def _without_closing(lines: list[str]) -> list[str]:
    """Without "Kind regards" and the few lines below it."""
    for place, line in enumerate(lines):
        if place == 0 or not _CLOSING.fullmatch(line):
            continue
        below = [one for one in lines[place + 1 :] if one.strip()]
        if len(below) <= _MOST_BELOW and all(len(one) <= 80 and "?" not in one for one in below):
            return [*lines[:place], *_with_number(below)]
    return lines


def _with_number(lines: list[str]) -> list[str]:
    """Those of a signature that name an order: people write its number there."""
    return [line for line in lines if reading.order_numbers(line, only_marked=True)][:3]
