"""The text of an e-mail's body, and the names of what is attached to it. Nothing attached is read.

Whatever a mail program or an attacker sends gives some text: an unknown charset, broken base64,
HTML that never ends. At most LONGEST characters of a part are looked at.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator
from email.header import decode_header
from email.message import Message
from html.parser import HTMLParser

LONGEST = 200_000
_MOST_PARTS, _DEEPEST = 60, 12
_LINES = (
    "address article br dd div dl dt footer h1 h2 h3 h4 h5 h6 header hr li ol p pre section table "
    "td th tr ul"
)
_BLOCKS = frozenset(_LINES.split())
_UNSEEN = frozenset(("head", "script", "style", "title", "template", "blockquote"))
#: Of elements in which mail programs put what is quoted: they, or all that follows.
_QUOTES = re.compile(r"\b(?:gmail_quote|yahoo_quoted|moz-cite-prefix|protonmail_quote)\b")
_FOLLOWED = re.compile(r"\b(?:divRplyFwdMsg|appendonsend|OLK_SRC_BODY_SECTION)\b")
_EMPTY = "area base br col embed hr img input link meta source track wbr"
_VOID = frozenset(_EMPTY.split())


def text_of(message: Message) -> str:
    """The first text that is no attachment, HTML only where there is no plain one."""
    html = ""
    for part in _parts(message):
        if _attached(part) is not None:
            continue
        kind = part.get_content_type()
        if kind == "text/plain" and (text := decoded(part)).strip():
            return text
        if kind == "text/html" and not html.strip():
            html = text_of_html(decoded(part))
    return html


def attachments(message: Message) -> tuple[str, ...]:
    """Names of what is attached, as they may be shown."""
    names = (_attached(part) for part in _parts(message))
    return tuple(name for name in names if name is not None)[:10]


def decoded(part: Message) -> str:
    """A part's text in its charset, or in what it may have been."""
    try:
        content = part.get_payload(decode=True)
    except Exception:  # of a transfer encoding that is none
        content = None
    if not isinstance(content, bytes):
        content = str(part.get_payload() or "").encode("utf-8", "replace")
    content = content[: 4 * LONGEST]
    for charset in (_charset(part), "utf-8", "cp1252"):
        try:
            return content.decode(charset or "utf-8")[:LONGEST]
        except (LookupError, UnicodeError, ValueError):
            continue
    return content.decode("latin-1")[:LONGEST]


def header(message: Message, name: str) -> str:
    """A header as one line of text, "" where there is none."""
    value = message.get(name)
    if value is None:
        return ""
    return one_line(words_of(str(value)))


def words_of(value: str) -> str:
    """A header with its encoded words decoded."""
    try:
        pieces = decode_header(value[:2_000])
    except Exception:  # of encoded words that are broken
        return value
    found = []
    for piece, charset in pieces:
        if isinstance(piece, str):
            found.append(piece)
            continue
        try:
            found.append(piece.decode(charset or "ascii", "replace"))
        except (LookupError, UnicodeError, ValueError):
            found.append(piece.decode("utf-8", "replace"))
    return "".join(found)


def one_line(text: str, longest: int = 300) -> str:
    """Without line breaks, control characters and what changes the direction of writing."""
    kept = (" " if unicodedata.category(c) in ("Cc", "Cf", "Cs", "Zl", "Zp") else c for c in text)
    return " ".join("".join(kept).split())[:longest].strip()


def text_of_html(html: str) -> str:
    """The text that a reader sees, a line for a block, without what is quoted in it."""
    reader = _Reader()
    try:
        reader.feed(html[:LONGEST])
        reader.close()
    except (AssertionError, ValueError):
        pass  # what was read until then
    lines = (" ".join(line.split()) for line in "".join(reader.found).split("\n"))
    return re.sub(r"\n{3,}", "\n\n", "\n".join(lines)).strip()


class _Reader(HTMLParser):
    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.found: list[str] = []
        self._skipped: tuple[str, int] | None = None  # an element, and how often it is open
        self._ended = False

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if self._skipped is not None:
            name, open_now = self._skipped
            if tag == name:
                self._skipped = name, open_now + 1
            return
        marks = " ".join(value or "" for name, value in attrs if name in ("class", "id"))[:500]
        if _FOLLOWED.search(marks):
            self._ended = True
        elif tag not in _VOID and (tag in _UNSEEN or _QUOTES.search(marks)):
            self._skipped = tag, 1
        if tag in _BLOCKS:
            self.found.append("\n")

    def handle_endtag(self, tag: str) -> None:
        if self._skipped is not None:
            name, open_now = self._skipped
            if tag == name:
                self._skipped = (name, open_now - 1) if open_now > 1 else None
        elif tag in _BLOCKS:
            self.found.append("\n")

    def handle_data(self, data: str) -> None:
        if self._skipped is None and not self._ended:
            self.found.append(data.replace("\n", " "))


def _parts(message: Message) -> Iterator[Message]:
    """What is no container, in order. A message in the message is one part."""
    waiting, seen = [(message, 0)], 0
    while waiting and seen < _MOST_PARTS:
        part, depth = waiting.pop(0)
        inner = part.get_payload() if part.is_multipart() else None
        if part.get_content_maintype() == "multipart" and isinstance(inner, list):
            if depth < _DEEPEST:
                waiting[:0] = [(one, depth + 1) for one in inner if isinstance(one, Message)]
            continue
        seen += 1
        yield part


def _attached(part: Message) -> str | None:
    """The name of an attachment; None for what is shown as the message's text."""
    try:
        name = part.get_filename()
    except Exception:  # of parameters that are broken
        name = None
    kind = part.get_content_type()
    if not name and kind in ("text/plain", "text/html"):
        return None if part.get_content_disposition() != "attachment" else kind
    if kind == "message/rfc822" and not name:
        return "message.eml"
    return one_line(words_of(name), 80) if name else kind


def _charset(part: Message) -> str | None:
    try:
        return part.get_content_charset()
    except Exception:  # of parameters that are broken
        return None
