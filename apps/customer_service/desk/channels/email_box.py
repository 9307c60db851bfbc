"""The mailbox, by IMAP (RFC 3501): what is unread is fetched without being marked, and marked as
read once it is dealt with. So whatever a killed process leaves is there for the next look.
"""

from __future__ import annotations

import base64
import contextlib
import imaplib
import logging
import re
import ssl
from datetime import UTC, datetime, timedelta
from types import TracebackType

from desk.channels.email_oauth import NoTokenError, xoauth2
from desk.channels.email_settings import Email

TIMEOUT_S = 30.0
#: Bytes of a message that are fetched: its text stands in front of what is attached.
MOST_BYTES = 1 << 20
_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
_log = logging.getLogger("desk.channels")


class BoxError(Exception):
    """The mailbox cannot be reached or refuses. Trying again later is right."""


def trusted(settings: Email) -> ssl.SSLContext:
    return ssl.create_default_context(cafile=settings.ca_file)


class Box:
    """One look: `with Box(settings) as box`. Everything raises BoxError."""

    def __init__(self, settings: Email) -> None:
        self._settings = settings
        self._imap: imaplib.IMAP4 | None = None

    def __enter__(self) -> Box:
        settings = self._settings
        where = (settings.imap_host, settings.port("imap"))
        try:
            if settings.imap_tls == "implicit":
                context = trusted(settings)
                self._imap = imaplib.IMAP4_SSL(*where, ssl_context=context, timeout=TIMEOUT_S)
            else:
                self._imap = imaplib.IMAP4(*where, timeout=TIMEOUT_S)
                if settings.imap_tls == "starttls":
                    self._imap.starttls(trusted(settings))
            self._log_in()
            self._do("select", _quoted(settings.folder))
        except (OSError, imaplib.IMAP4.error, BoxError) as error:
            self._leave()
            raise BoxError(f"the mailbox at {where[0]}: {_named(error)}") from None
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._leave()

    def unread(self) -> list[str]:
        """UIDs, the oldest first. A mailbox that was there before may hold old unread messages, to
        which no answer is wanted any more."""
        since = datetime.now(UTC) - timedelta(days=self._settings.since_days)
        day = f"{since.day}-{_MONTHS[since.month - 1]}-{since.year}"
        (found, *_) = self._do("uid", "SEARCH", "UNSEEN", "UNDELETED", "SINCE", day)
        uids = found.split() if isinstance(found, bytes) else []
        return [uid.decode() for uid in uids]

    def fetch(self, uid: str) -> bytes | None:
        """The message, cut where it is very long; None where another program has removed it."""
        for piece in self._do("uid", "FETCH", uid, f"(BODY.PEEK[]<0.{MOST_BYTES}>)"):
            if isinstance(piece, tuple):
                return bytes(piece[1])
        return None

    def done(self, uid: str, for_people: bool = False) -> None:
        """Mark as read, and move where that is set. for_people: flag it, and leave it there."""
        flags = r"(\Seen \Flagged)" if for_people else r"(\Seen)"
        self._do("uid", "STORE", uid, "+FLAGS.SILENT", flags)
        folder = self._settings.done_folder
        if folder is None or for_people:
            return
        (can, *_) = self._do("capability")  # which servers tell in full after the login alone
        if isinstance(can, bytes) and b"MOVE" in can.upper().split():
            self._do("uid", "MOVE", uid, _quoted(folder))
        else:
            _log.warning("the mail server cannot move messages (RFC 6851); they stay, as read")

    def _log_in(self) -> None:
        assert self._imap is not None
        user, secret = self._settings.imap_user, self._settings.imap_password
        if secret is None:
            try:
                told = [xoauth2(user, self._settings).encode()]
            except NoTokenError as error:
                raise BoxError(str(error)) from None
            # A server that refuses asks once more, and wants to hear nothing.
            self._imap.authenticate("XOAUTH2", lambda _: told.pop() if told else b"")
            return
        password = secret.reveal()
        if "AUTH=PLAIN" in self._imap.capabilities:
            said = f"\0{user}\0{password}".encode()
            self._imap.authenticate("PLAIN", lambda _: said)
        else:
            self._imap.login(user, password)

    def _do(self, what: str, *arguments: str) -> list[bytes | tuple[bytes, bytes]]:
        assert self._imap is not None
        try:
            status, found = getattr(self._imap, what)(*arguments)
        except (OSError, imaplib.IMAP4.error) as error:
            raise BoxError(f"{what} {arguments[:1]}: {_named(error)}") from None
        if status != "OK":
            raise BoxError(f"{what} {arguments[:1]}: {status}")
        return list(found)

    def _leave(self) -> None:
        if self._imap is not None:
            with contextlib.suppress(OSError, imaplib.IMAP4.error):
                self._imap.logout()
            with contextlib.suppress(OSError):
                self._imap.shutdown()  # where the server is gone, logging out has not
            self._imap = None


def _quoted(folder: str) -> str:
    """A mailbox's name as IMAP writes it (modified UTF-7, RFC 3501, 5.1.3)."""

    def encoded(found: re.Match[str]) -> str:
        coded = base64.b64encode(found[0].encode("utf-16-be")).rstrip(b"=").replace(b"/", b",")
        return f"&{coded.decode()}-"

    name = re.sub(r"[^\x20-\x7e]+", encoded, folder.replace("&", "&-"))
    return '"' + name.replace("\\", "\\\\").replace('"', '\\"') + '"'


def _named(error: Exception) -> str:
    """Without what a server may repeat of a login."""
    return str(error)[:200] if isinstance(error, BoxError | OSError) else type(error).__name__
