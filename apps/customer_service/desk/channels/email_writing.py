"""Answers as e-mails: threaded with what they answer, marked as a program's where one wrote them.

Every header is made by `email.message.EmailMessage`, which refuses line breaks; what comes from a
customer is one line of bounded length before it gets there.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from email.headerregistry import Address
from email.message import EmailMessage
from email.policy import SMTP
from email.utils import format_datetime

from desk.channels.email_reading import plain_subject
from desk.channels.email_settings import Email
from desk.channels.email_text import one_line
from desk.channels.phrases import bubbles, phrase
from desk.types import Reply

_MOST_REFERENCES = 12
_POLICY = SMTP.clone(max_line_length=200)


@dataclass(frozen=True, slots=True)
class Answer:
    """name: of this answer within its thread, from which its Message-ID is made; references: ids
    of the thread's messages, the one that is answered last; by_program: no person wrote it."""

    to: str
    subject: str
    text: str
    name: str
    references: tuple[str, ...]
    language: str
    by_program: bool


def message_id(token: str, name: str, domain: str) -> str:
    """The same for the same answer, and not to be guessed: whoever names it has had it."""
    digest = hashlib.sha256(f"{token}\n{name}".encode("utf-8", "surrogatepass")).hexdigest()
    return f"<desk.{digest[:40]}@{domain}>"


def written(answer: Answer, settings: Email, token: str) -> EmailMessage:
    made = EmailMessage(policy=_POLICY)
    name, _, domain = settings.from_address.rpartition("@")
    made["From"] = Address(settings.name, name, domain)
    made["To"] = answer.to
    made["Subject"] = f"Re: {one_line(plain_subject(answer.subject), 150)}".strip()
    made["Date"] = format_datetime(datetime.now(UTC))
    made["Message-ID"] = message_id(token, answer.name, domain)
    if answer.references:
        made["In-Reply-To"] = answer.references[-1]
        first, *others = answer.references
        made["References"] = " ".join([first, *others[-_MOST_REFERENCES:]])
    if answer.by_program:
        made["Auto-Submitted"] = "auto-replied"
        made["X-Auto-Response-Suppress"] = "All"
    below = f"\n\n-- \n{settings.signature}" if settings.signature else ""
    made.set_content(f"{answer.text}{below}\n", charset="utf-8", cte="quoted-printable")
    made["Content-Language"] = answer.language  # after the content, which takes such headers away
    return made


def text_of_reply(reply: Reply, language: str, attached: Sequence[str] = ()) -> str:
    """What the desk says as one text; "" where it says nothing."""
    texts = bubbles(reply, language)
    if not texts:
        return ""
    if reply.suggestions:
        choices = "\n".join(f"- {one}" for one in reply.suggestions)
        texts.append(f"{phrase('choices', language)}\n{choices}")
    if attached:
        said = phrase("attached", language).replace("{names}", ", ".join(attached))
        texts.append(said)
    return "\n\n".join(texts)
