"""A small IMAP server on loopback, for machines without Dovecot: one mailbox, and the few commands
that the desk sends. It ends with the test."""

from __future__ import annotations

import base64
import contextlib
import re
import socketserver
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

USER, PASSWORD = "desk", "secret-of-the-mailbox"


@dataclass
class Kept:
    uid: int
    raw: bytes
    flags: set[str] = field(default_factory=set)


@dataclass
class Mailbox:
    """port: of the server. breaks: how many of the next STOREs end the connection instead."""

    port: int = 0
    kept: list[Kept] = field(default_factory=list)
    moved: list[Kept] = field(default_factory=list)
    breaks: int = 0
    fetched: int = 0


class _Session(socketserver.StreamRequestHandler):
    server: Any
    disable_nagle_algorithm = True  # an answer is written in pieces

    def handle(self) -> None:
        box: Mailbox = self.server.box
        self._say("* OK ready")
        while line := self.rfile.readline(100_000).decode():
            tag, _, rest = line.strip().partition(" ")
            command, _, more = rest.partition(" ")
            if command.upper() == "UID":
                command, _, more = more.partition(" ")
            done = getattr(self, f"_{command.lower()}", None)
            if done is None:
                self._say(f"{tag} BAD {command}")
            elif (ended := done(box, more)) == "gone":
                return
            else:
                self._say(f"{tag} {ended or 'OK done'}")

    def _say(self, line: str | bytes) -> None:
        self.wfile.write((line.encode() if isinstance(line, str) else line) + b"\r\n")

    def _capability(self, box: Mailbox, more: str) -> str | None:
        self._say("* CAPABILITY IMAP4rev1 AUTH=PLAIN MOVE")
        return None

    def _authenticate(self, box: Mailbox, more: str) -> str | None:
        self._say("+ ")
        said = base64.b64decode(self.rfile.readline(1_000)).decode()
        return None if said == f"\0{USER}\0{PASSWORD}" else "NO who are you"

    def _select(self, box: Mailbox, more: str) -> str | None:
        if more != '"INBOX"':
            return "NO no such mailbox"
        self._say(f"* {len(box.kept)} EXISTS")
        return None

    def _search(self, box: Mailbox, more: str) -> str | None:
        if not re.fullmatch(r"UNSEEN UNDELETED SINCE \d{1,2}-[A-Z][a-z]{2}-\d{4}", more):
            return "BAD search"
        found = [str(one.uid) for one in box.kept if "\\Seen" not in one.flags]
        self._say(f"* SEARCH {' '.join(found)}".strip())
        return None

    def _fetch(self, box: Mailbox, more: str) -> str | None:
        uid, size = re.fullmatch(r"(\d+) \(BODY\.PEEK\[\]<0\.(\d+)>\)", more).groups()  # type: ignore[union-attr]
        box.fetched += 1
        for number, one in enumerate(box.kept, 1):
            if one.uid == int(uid):
                raw = one.raw[: int(size)]
                head = f"* {number} FETCH (UID {uid} BODY[]<0> {{{len(raw)}}}\r\n".encode()
                self._say(head + raw + b")")
        return None

    def _store(self, box: Mailbox, more: str) -> str | None:
        if box.breaks:
            box.breaks -= 1
            return "gone"
        uid, flags = re.fullmatch(r"(\d+) \+FLAGS\.SILENT \((.*)\)", more).groups()  # type: ignore[union-attr]
        for one in box.kept:
            if one.uid == int(uid):
                one.flags |= set(flags.split())
        return None

    def _move(self, box: Mailbox, more: str) -> str | None:
        uid = int(more.split()[0])
        box.moved += [one for one in box.kept if one.uid == uid]
        box.kept = [one for one in box.kept if one.uid != uid]
        return None

    def _logout(self, box: Mailbox, more: str) -> str | None:
        self._say("* BYE")
        return None


class _Server(socketserver.ThreadingTCPServer):
    daemon_threads = True
    allow_reuse_address = True

    def handle_error(self, request: Any, address: Any) -> None:
        pass  # a client that went away


@contextlib.contextmanager
def serving_imap() -> Iterator[Mailbox]:
    box = Mailbox()
    with _Server(("127.0.0.1", 0), _Session) as server:
        server.box = box  # type: ignore[attr-defined]
        box.port = server.server_address[1]
        thread = threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True)
        thread.start()
        try:
            yield box
        finally:
            server.shutdown()
            thread.join(10)
