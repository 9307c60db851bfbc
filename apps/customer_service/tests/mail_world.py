"""A mailbox and a mail server on loopback, and the desk's channel between them."""

from __future__ import annotations

import contextlib
import imaplib
import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from email import message_from_bytes
from email.message import EmailMessage
from email.policy import default
from pathlib import Path
from typing import Any, Protocol

import imap_server
from desk.channels.email_channel import EmailChannel
from desk.channels.email_settings import Email
from desk.secret import Secret
from desk.types import Desk
from free_ports import free_port

OWN, ANNA = "help@shop.example", "anna@mail.example"


class Box(Protocol):
    """What tests do with a mailbox."""

    def put(self, raw: bytes) -> None: ...

    def flags(self) -> list[set[str]]:
        """Of each message in the inbox, in order."""


class FakeBox:
    def __init__(self, kept: imap_server.Mailbox) -> None:
        self.kept = kept

    def put(self, raw: bytes) -> None:
        self.kept.kept.append(imap_server.Kept(len(self.kept.kept) + 1, raw))

    def flags(self) -> list[set[str]]:
        return [set(one.flags) for one in self.kept.kept]


class DovecotBox:
    def __init__(self, port: int, user: str, password: str) -> None:
        self.where = port, user, password

    @contextlib.contextmanager
    def _open(self) -> Iterator[imaplib.IMAP4]:
        port, user, password = self.where
        with imaplib.IMAP4("127.0.0.1", port) as box:
            box.login(user, password)
            yield box

    def put(self, raw: bytes, at: str = "") -> None:
        """at: when it came, as IMAP has it."""
        with self._open() as box:
            box.append("INBOX", "", at, raw)  # type: ignore[arg-type]

    def flags(self, folder: str = "INBOX") -> list[set[str]]:
        with self._open() as box:
            if box.select(folder, readonly=True)[1] == [b"0"]:
                return []
            found: Any = box.fetch("1:*", "(FLAGS)")[1]
            lists = [imaplib.ParseFlags(one) for one in found if one]
        return [{flag.decode() for flag in flags} - {"\\Recent"} for flags in lists]


@dataclass
class Post:
    """What the mail server has taken. codes: what it says next instead of taking a message."""

    port: int = 0
    taken: list[EmailMessage] = field(default_factory=list)
    raw: list[bytes] = field(default_factory=list)
    to: list[list[str]] = field(default_factory=list)
    codes: list[str] = field(default_factory=list)
    recipient_codes: list[str] = field(default_factory=list)


@contextlib.contextmanager
def serving_smtp(judge: Any = None, **more: Any) -> Iterator[Post]:
    """judge: of XOAUTH2, where the server wants a login."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from aiosmtpd.controller import Controller
    post = Post()

    class Handler:
        async def handle_RCPT(  # noqa: N802
            self, server: Any, session: Any, envelope: Any, address: str, options: Any
        ) -> str:
            if post.recipient_codes:
                return post.recipient_codes.pop(0)
            envelope.rcpt_tos.append(address)
            return "250 OK"

        async def handle_DATA(self, server: Any, session: Any, envelope: Any) -> str:  # noqa: N802
            if post.codes:
                return post.codes.pop(0)
            post.raw.append(envelope.content)
            post.taken.append(message_from_bytes(envelope.content, policy=default))  # type: ignore[arg-type]
            post.to.append(envelope.rcpt_tos)
            return "250 OK"

    if judge is not None:
        Handler.auth_XOAUTH2 = staticmethod(judge)  # type: ignore[attr-defined]
    post.port = free_port()  # the controller knocks at its port, so it must know it
    controller = Controller(Handler(), hostname="127.0.0.1", port=post.port, **more)
    controller.start()
    try:
        yield post
    finally:
        controller.stop(no_assert=True)


def settings(folder: Path, imap: int, smtp: int, **more: Any) -> Email:
    about: dict[str, Any] = {
        "from_address": OWN,
        "name": "Marlow & Finch",
        "state": f"sqlite:///{folder / 'email.db'}",
        "imap_host": "127.0.0.1",
        "imap_port": imap,
        "imap_tls": "none",
        "imap_user": imap_server.USER,
        "imap_password": Secret(imap_server.PASSWORD),
        "smtp_host": "127.0.0.1",
        "smtp_port": smtp,
        "smtp_tls": "none",
    }
    return Email(**about | more)


@dataclass
class World:
    """look(): the channel looks once, a new one of the same settings if `anew`."""

    desk: Desk
    box: Any
    post: Post
    make: Callable[..., EmailChannel]
    channel: EmailChannel | None = None

    @property
    def flags(self) -> list[set[str]]:
        found: list[set[str]] = self.box.flags()
        return found

    def look(self, anew: bool = False, **more: Any) -> None:
        if self.channel is None or anew or more:
            self.close()
            self.channel = self.make(self.desk, **more)
        self.channel.look()

    def get(self, raw: bytes | str | EmailMessage) -> list[EmailMessage]:
        """A message comes in; what goes out for it."""
        before = len(self.post.taken)
        made = raw if isinstance(raw, bytes) else bytes(raw) if isinstance(raw, EmailMessage) else (
            raw.replace("\n", "\r\n").encode()
        )  # fmt: skip
        self.box.put(made)
        self.look()
        return self.post.taken[before:]

    def close(self) -> None:
        if self.channel is not None:
            self.channel.close()
            self.channel = None


def mail(text: str, **headers: str) -> EmailMessage:
    """From Anna; names of headers are written with _ for -."""
    made = EmailMessage()
    about = {"From": f"Anna B <{ANNA}>", "To": OWN, "Message-ID": "<1@mail.example>"}
    about["Subject"] = "A question"
    for name, value in (about | {n.replace("_", "-"): v for n, v in headers.items()}).items():
        if value:
            made[name] = value
    made.set_content(text)
    return made
