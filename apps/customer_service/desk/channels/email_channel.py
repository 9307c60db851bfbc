"""E-mail: what comes into a mailbox is asked of the desk, and what it says is sent back.

A message is marked as read only once its answer has been sent. So a process may be killed at any
time: the next look takes the same message, under the same key, and the desk does nothing twice; an
answer is sent twice only where the process dies between the server's "250" and the next write,
and then with the same Message-ID. What nobody can be answered to is marked as read; what needs
a person's eye is flagged. What people say after a handing-over goes out as e-mail, too.
"""

from __future__ import annotations

import contextlib
import logging
import threading
import time
from collections.abc import AsyncIterator

from anyio import to_thread

from desk.channels.delivered import DONE, delivered
from desk.channels.email_box import Box, BoxError
from desk.channels.email_reading import Mail, read_mail
from desk.channels.email_sending import NotSentError, send
from desk.channels.email_settings import Email
from desk.channels.email_threads import Thread, Threads
from desk.channels.email_writing import Answer, message_id, text_of_reply, written
from desk.channels.phrases import phrase
from desk.channels.wire import short_key
from desk.secret import SettingsError
from desk.types import Desk, Message, Turn

_HOUR_S, _LONGEST_PAUSE_S = 3600.0, 300.0
_TRIES_S = 24 * _HOUR_S  # for which a message is tried again, before people look at it
_log = logging.getLogger("desk.channels")


class EmailChannel:
    """One for a process; `open` looks until it is left, `look` looks once. Raises SettingsError,
    when it is made, for a state's URL that is none."""

    def __init__(self, desk: Desk, settings: Email) -> None:
        self._desk, self._settings = desk, settings
        lasts_s = settings.lasts_days * 86_400
        try:
            self._threads = Threads(settings.state, lasts_s)
        except ValueError as error:
            raise SettingsError(str(error)) from None
        self._delivered = delivered(settings.state, lasts_s)
        self._ended = threading.Event()
        self._failed: dict[str, float] = {}  # UID -> when it failed first

    @contextlib.asynccontextmanager
    async def open(self) -> AsyncIterator[None]:
        """Around the application's life."""
        thread = threading.Thread(target=self.run, name="desk-email", daemon=True)
        thread.start()
        try:
            yield
        finally:
            self._ended.set()
            await to_thread.run_sync(thread.join)
            self.close()

    def run(self) -> None:
        """Look again and again, more seldom while it fails, until `end`."""
        pause = self._settings.looks_s
        while not self._ended.is_set():
            try:
                self.look()
                pause = self._settings.looks_s
            except (BoxError, NotSentError) as error:
                pause = min(2 * pause, _LONGEST_PAUSE_S)
                _log.warning("%s; the next look is in %.0f s", error, pause)
            except Exception:
                pause = min(2 * pause, _LONGEST_PAUSE_S)
                _log.exception("looking at the mailbox failed; the next look is in %.0f s", pause)
            self._ended.wait(pause)

    def end(self) -> None:
        self._ended.set()

    def close(self) -> None:
        self._threads.close()
        self._delivered.close()

    def look(self) -> None:
        """Deal with what is unread, and send what people have said. Raises BoxError and, where no
        mail goes out, NotSentError."""
        self._threads.clear()
        self._send_what_people_say()
        with Box(self._settings) as box:
            for uid in box.unread():
                if self._ended.is_set():
                    return
                raw = box.fetch(uid)
                if raw is not None:
                    self._deal_with(box, uid, raw)

    def _deal_with(self, box: Box, uid: str, raw: bytes) -> None:
        """Raises BoxError, and NotSentError where no mail goes out at all."""
        try:
            mail = read_mail(raw, self._settings.from_address, self._settings.authenticated_by)
            if mail.program is not None or mail.address is None:
                _log.info("an e-mail is not answered: %s", mail.program)
                box.done(uid)
                return
            self._answer(box, uid, mail, mail.address)
            self._failed.pop(uid, None)
        except BoxError:
            raise
        except Exception as error:
            # One message must not keep others from being answered, nor be lost.
            if isinstance(error, NotSentError):
                _log.warning("an answer was not sent: %s", error)
                if error.away:
                    raise
            else:
                _log.exception("a message of %d bytes could not be dealt with", len(raw))
            begun = self._failed.setdefault(uid, time.monotonic())
            for_good = isinstance(error, NotSentError) and error.for_good
            if for_good or time.monotonic() - begun > _TRIES_S:
                del self._failed[uid]
                box.done(uid, for_people=True)

    def _answer(self, box: Box, uid: str, mail: Mail, address: str) -> None:
        thread = self._threads.of(mail, self._settings.language)
        name = f"{thread.conversation} {mail.key}"
        sent = self._delivered.claim(name)
        if sent is None:
            return  # another worker is at it
        try:
            if not sent:
                if self._threads.answers(address, _HOUR_S) >= self._settings.most_an_hour:
                    _log.warning("an address has had too many answers in an hour: a loop, perhaps")
                    box.done(uid, for_people=True)
                    return
                self._say(thread, mail, address)
                self._delivered.note(name, 1)
            box.done(uid)
        finally:
            # Sent or not, nobody is at it any more; that it was sent stays noted.
            self._delivered.free(name)

    def _say(self, thread: Thread, mail: Mail, address: str) -> None:
        text = phrase("text_only", thread.language)
        if mail.text:
            message = Message(
                thread.conversation,
                short_key(mail.key),
                mail.text,
                "email",
                address if mail.proven else None,
                thread.language,
                email=address if mail.claimed else None,
            )
            reply = self._desk.take(message)
            text = text_of_reply(reply, thread.language, mail.attachments)
            # Nothing said: a person has taken over already.
            if reply.handed is not None or not reply.texts:
                turns = self._desk.turns(thread.conversation)
                said = (n for n, turn in enumerate(turns, 1) if turn.said_by == "customer")
                self._threads.watch(thread.conversation, max(said, default=0))
        if text:
            subject = mail.subject or thread.subject
            self._send(thread, Answer(
                address, subject, text, mail.key, thread.last, thread.language, by_program=True
            ))  # fmt: skip

    def _send_what_people_say(self) -> None:
        for thread in self._threads.watched():
            turns = self._desk.turns(thread.conversation)
            for number, turn in enumerate(turns[thread.seen :], thread.seen):
                if turn.said_by == "agent" and not self._passed_on(thread, number, turn):
                    break
                self._threads.looked(thread.conversation, number + 1)

    def _passed_on(self, thread: Thread, number: int, turn: Turn) -> bool:
        """Whether what a person says is on its way; False where it is to be tried again."""
        name = f"turn:{thread.conversation}:{number}"
        if self._delivered.claim(name) is None:
            return True  # sent, or another worker is at it
        to = (thread.address, thread.subject, turn.text, f"turn {number}", thread.last)
        try:
            self._send(thread, Answer(*to, thread.language, by_program=False))
        except NotSentError as error:
            _log.warning("what a person said was not sent: %s", error)
            if not error.for_good:
                self._delivered.free(name)
                if error.away:
                    raise
                return False
        self._delivered.note(name, DONE)
        return True

    def _send(self, thread: Thread, answer: Answer) -> None:
        send(written(answer, self._settings, thread.token), self._settings)
        own = message_id(thread.token, answer.name, self._settings.domain)
        self._threads.sent(thread, own)
