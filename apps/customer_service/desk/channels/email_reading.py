"""An e-mail as it came, read into what the desk needs; and whether anybody may be answered at all.

Nothing in a message is believed: From is what the sender says, unless a trusted host has checked it
(DMARC, RFC 7489; Authentication-Results, RFC 8601). What a program has sent gets no answer
(RFC 3834, RFC 5230, RFC 2919).
"""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass
from email import message_from_bytes, policy
from email.message import Message
from email.utils import getaddresses

from desk.channels.email_cut import cut
from desk.channels.email_settings import ADDRESS
from desk.channels.email_text import attachments, header, one_line, text_of
from desk.channels.wire import MOST_CHARACTERS, clean
from desk.dialog import reading
from desk.dialog.say import languages

_ID = re.compile(r"<[\x21-\x3b\x3d\x3f-\x7e]{1,250}>")
_MOST_REFERENCES = 40
_REPLY = re.compile(r"\s*(?:re|aw|fw|fwd|wg|antw|tr|rv|sv|vs|odp)(?:\[\d+\])?\s*:\s*", re.I)
_PROGRAMS = re.compile(
    r"(?:mailer-daemon|postmaster|no-?_?reply|do-?not-?reply|bounces?|listserv|majordomo|mailman)"
    r"(?:[+=_-].*)?|owner-.*|.*-(?:request|bounces?|owner)(?:[+=].*)?",
    re.I,
)
_AWAY = re.compile(
    r"\s*(?:automatic reply|auto(?:mated)?[- ]reply|out of (?:the )?office|automatische antwort"
    r"|abwesenheits(?:notiz|nachricht)|abwesend|undeliver(?:able|ed)|delivery status notification"
    r"|mail delivery (?:failed|failure))\b",
    re.I,
)  # fmt: skip
#: Words that a text of a language can hardly do without.
_EN = "the and is are my to it of have you for was with this not i"
_DE = "der die das und ist ich nicht mit ein eine für von sie habe zu den es"
_COMMON = {"en": frozenset(_EN.split()), "de": frozenset(_DE.split())}


@dataclass(frozen=True, slots=True)
class Mail:
    """key: of this message, the same for every copy of it; message_id: in angle brackets, None
    where it has none. address: to answer to; claimed: it stands in From itself, which may be a lie;
    proven: a trusted host says that it is none. references: ids of earlier messages, the nearest
    first. text: what the sender has written now; language: "" where nothing tells. program: why
    nobody may be answered, None where somebody wrote it."""

    key: str
    message_id: str | None
    address: str | None
    claimed: bool
    proven: bool
    references: tuple[str, ...]
    subject: str
    text: str
    language: str
    attachments: tuple[str, ...]
    program: str | None


def read_mail(raw: bytes, own: str, authenticated_by: str | None = None) -> Mail:
    """Read any bytes. own: the desk's address; authenticated_by: see `email_settings`."""
    message = message_from_bytes(raw, policy=policy.compat32)
    ids = _ids(message, "Message-ID")
    address, claimed = _address(message)
    subject = header(message, "Subject")
    body = cut(text_of(message))
    references = dict.fromkeys(
        [*_ids(message, "In-Reply-To")[:3], *reversed(_ids(message, "References"))]
    )
    text = clean(_with_subject(subject, body)[:MOST_CHARACTERS]).strip()
    return Mail(
        key=ids[0] if ids else f"sha256:{hashlib.sha256(raw).hexdigest()}",
        message_id=ids[0] if ids else None,
        address=address,
        claimed=claimed,
        proven=claimed and _dmarc(message, address, authenticated_by),
        references=tuple(references)[:_MOST_REFERENCES],
        subject=subject,
        text=text,
        language=language_of_text(text),
        attachments=attachments(message),
        program=_program(message, address, subject, own),
    )


def language_of_text(text: str) -> str:
    """Of the desk's languages, by words that are common in one; "" where nothing tells."""
    words = re.findall(r"[^\W\d_]+", text.lower()[:2_000])
    counts = {
        code: sum(word in common for word in words)
        for code, common in _COMMON.items()
        if code in languages()
    }
    first, second = sorted(counts, key=lambda code: -counts[code])[:2]
    return first if counts[first] >= 2 * counts[second] + 2 else ""


def plain_subject(subject: str) -> str:
    """Without "Re:" and its like."""
    while found := _REPLY.match(subject):
        subject = subject[found.end() :]
    return subject.strip()


def _with_subject(subject: str, body: str) -> str:
    """A subject that says something belongs to the text. That of a reply is somebody else's: only
    an order number in it counts, where the text has none."""
    plain = plain_subject(subject)
    if plain != subject.strip():
        numbers = reading.order_numbers(plain, only_marked=True)
        if not body or not numbers or reading.order_numbers(body):
            return body or plain
        return f"{body}\n{numbers[0]}"
    if not plain or plain.casefold() in body.casefold():
        return body
    return f"{plain}\n\n{body}".strip()


def _address(message: Message) -> tuple[str | None, bool]:
    """To answer to, and whether it stands in From. Nobody where From does not name one mailbox."""
    senders = _addresses(message, "From")
    if len(senders) != 1 or len(message.get_all("From", [])) != 1:
        return None, False
    replies = _addresses(message, "Reply-To")
    if replies and replies != senders:
        # Whoever may be named there has not shown to be the sender.
        return (replies[0], False) if len(replies) == 1 else (None, False)
    return senders[0], True


def _addresses(message: Message, name: str) -> list[str]:
    """Mailboxes of a header, before encoded words are decoded: these may hold anything."""
    values = [re.sub(r"[\r\n]+", " ", str(value))[:2_000] for value in message.get_all(name, [])]
    found = [address for _, address in getaddresses(values) if address]
    return [
        address.lower() if ADDRESS.fullmatch(address) else ""
        for address in dict.fromkeys(found)
    ]  # fmt: skip


def _ids(message: Message, name: str) -> list[str]:
    values = " ".join(str(value) for value in message.get_all(name, [])[:3])
    return _ID.findall(values[:20_000])


def _dmarc(message: Message, address: str | None, host: str | None) -> bool:
    """Whether the trusted host found that the domain in From is the sender's. Hosts add their
    results on top, so only the first ones count: those below may be the sender's own."""
    found = message.get_all("Authentication-Results", [])
    if host is None or address is None or not found:
        return False
    said = re.sub(r'\([^()]*\)|"[^"]*"', " ", one_line(str(found[0]), 4_000))
    if re.search(r'[()"\\]', said):
        return False  # what is comment here and what is not, nobody can say
    server, *results = (part.strip() for part in said.split(";"))
    if not server or server.split()[0].casefold() != host.casefold():
        return False
    domain = address.rpartition("@")[2]
    for result in results:
        words = result.casefold().split()
        if words and words[0].startswith("dmarc="):
            return words[0] == "dmarc=pass" and f"header.from={domain}" in words
    return False


def _program(message: Message, address: str | None, subject: str, own: str) -> str | None:
    """Why nobody waits for an answer to it."""
    if address is None:
        return "no single sender"
    if "" in (address, *_addresses(message, "From")):
        return "a sender's address that is none"
    if own.lower() in (address, *_addresses(message, "From")):
        return "from this mailbox itself"
    submitted = header(message, "Auto-Submitted").casefold()
    if submitted and submitted.partition(";")[0].strip() != "no":
        return "Auto-Submitted"
    if header(message, "Precedence").casefold() in ("bulk", "list", "junk", "auto_reply"):
        return "Precedence"
    for name in ("List-Id", "List-Unsubscribe", "List-Post", "X-Autoreply", "X-Autorespond"):
        if name in message:
            return name
    # Exchange says of its own mails that they are not to be answered by programs.
    suppress = set(header(message, "X-Auto-Response-Suppress").casefold().replace(",", " ").split())
    if suppress & {"all", "autoreply"}:
        return "X-Auto-Response-Suppress"
    if header(message, "Return-Path") == "<>":
        return "a bounce"
    if message.get_content_type() in ("multipart/report", "message/delivery-status"):
        return "a report"
    if _PROGRAMS.fullmatch(address.partition("@")[0]):
        return "a program's address"
    return "an absence or a failure" if _AWAY.match(subject) else None
