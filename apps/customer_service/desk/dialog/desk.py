"""The desk: understand, decide, say, remember. What channels talk to.

A message is taken once, however often and by however many workers it comes: see `store`. A fault of
the shop or of a model is told to the customer in general words and logged; it never ends a
conversation, and the second in a row goes to a person.
"""

from __future__ import annotations

import hashlib
import logging
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import UTC, date, datetime

from desk.dialog import policy, reading
from desk.dialog.say import Phrases, phrases
from desk.dialog.shopping import Shopping
from desk.dialog.state import Conversation
from desk.dialog.store import LEASE, Claim, Store
from desk.dialog.talk import Talk
from desk.dialog.turn import taking
from desk.shop.results import NotFound
from desk.types import Knows, Message, Reason, Reply, Turn, Understands, Understood

_LOG = logging.getLogger(__name__)
#: Ids of channels are kept up to here; longer ones are kept as a digest, for databases limit keys.
_LONGEST_ID = 90
_WAIT = 0.02  # seconds between looks at a conversation that another worker holds

#: Told when a person takes over: the conversation as it is now, why, and all that was said. It may
#: be told the same twice, where a worker dies between.
OnHanded = Callable[[Conversation, Reason, Sequence[Turn]], object]


def _now() -> datetime:
    return datetime.now(UTC)


class ServiceDesk:
    """Implements `desk.types.Desk`; one serves all threads of a process."""

    def __init__(
        self,
        understands: Understands,
        knows: Knows,
        shop: Shopping,
        store: Store,
        *,
        on_handed: OnHanded | None = None,
        clock: Callable[[], datetime] = _now,
        lease: float = LEASE,
    ) -> None:
        self._understands = understands
        self._knows = knows
        self._shop = shop
        self.store = store
        self._on_handed = on_handed
        self._clock = clock
        self._lease = lease

    def take(self, message: Message) -> Reply:
        """Answer a message; a repeated one gets the reply that it got."""
        say = phrases(message.language)
        try:
            return self._take(message, say)
        except Exception:
            # The last resort: the store cannot be reached, or the desk has a mistake.
            _LOG.exception("a message of conversation %r could not be taken", message.conversation)
            return Reply((say("fault"),))

    def turns(self, conversation: str) -> Sequence[Turn]:
        return self.store.turns(short_name(conversation))

    def conversation(self, conversation: str) -> Conversation | None:
        """What is remembered of it."""
        return self.store.load(short_name(conversation))

    def agent_says(self, conversation: str, text: str, key: str) -> None:
        """A person's answer, shown to the customer by the channel. key: of this answer. Raises
        TimeoutError where the conversation stays held by a worker."""
        turn = Turn("agent", reading.cleaned(text), self._stamp())
        self._change(conversation, key, (turn,), lambda held: replace(held, agent=True))

    def give_back(self, conversation: str, key: str) -> None:
        """The person is done: the desk answers again, and nothing waits. Raises as agent_says."""
        fresh = {"handed": None, "agent": False, "wishes": (), "asking": None, "angry": 0}
        none = {"unclear": 0, "failures": 0, "tries": 0}
        self._change(conversation, key, (), lambda held: replace(held, **fresh, **none))  # type: ignore[arg-type]

    def _take(self, message: Message, say: Phrases) -> Reply:
        name, key = short_name(message.conversation), short_name(message.key)
        claim = self._claim(name, key)
        if isinstance(claim, Reply):
            return claim
        try:
            before = _known(claim.conversation, message)
            text = reading.cleaned(message.text)
            understood = Understood(())
            if before.handed is None:
                with taking(before):
                    understood = self._understands(text)
            talk = Talk(before, self._shop, self._knows, say, key, text, self._today())
            self._decide(talk, understood, message)
            reply = Reply(
                tuple(talk.texts),
                talk.suggestions,
                talk.source,
                tuple(talk.done),
                talk.conversation.handed if before.handed is None else None,
            )
            after = replace(talk.conversation, spoken=before.spoken + 1)
            turns = self._said(talk, reply)
            if reply.handed and self._on_handed is not None:
                said = (*self.store.turns(name), *turns)
                self._on_handed(after, reply.handed, said)
            if self.store.finish(claim, after, turns, key, reply):
                return reply
        except BaseException:
            self.store.drop(claim)
            raise
        # The claim has run out, and another worker has taken this turn or the next one.
        _LOG.warning("conversation %r went on without this worker", name)
        again = self._claim(name, key)
        if isinstance(again, Reply):
            return again
        self.store.drop(again)
        return Reply((say("fault"),))

    def _claim(self, name: str, key: str) -> Claim | Reply:
        until = time.monotonic() + 2 * self._lease
        while (claim := self.store.claim(name, key, self._lease)) is None:
            if time.monotonic() > until:
                raise TimeoutError(f"conversation {name!r} stays held by another worker")
            time.sleep(_WAIT)
        return claim

    def _decide(self, talk: Talk, understood: Understood, message: Message) -> None:
        before = talk.conversation
        if before.handed is not None:
            if not before.agent:
                talk.tell("person.waiting")
            return
        try:
            talk.change(authenticated=self._authenticated(message))
            policy.take(talk, understood)
        except Exception:
            _LOG.exception("conversation %r: a message could not be dealt with", before.id)
            talk.suggestions = ()
            if talk.done:
                # What was done stays told; the wish that failed is to be said again.
                talk.change(wishes=talk.conversation.wishes[1:], asking=None)
            else:
                # As if the message had not come: a yes may be said again, under the same key.
                talk.conversation = before
                talk.texts, talk.source = [], None
            talk.change(failures=before.failures + 1)
            if talk.conversation.failures >= 2:
                policy.hand_over(talk, "failures")
            else:
                talk.tell("fault")

    def _authenticated(self, message: Message) -> str | None:
        """The shop's number of the customer whom the channel has authenticated."""
        if message.customer is None:
            return None
        try:
            return self._shop.customer(message.customer)
        except NotFound:
            return None

    def _said(self, talk: Talk, reply: Reply) -> tuple[Turn, ...]:
        at = self._stamp()
        page = reply.source

        def source(text: str) -> str | None:
            return page.document if page and page.text in text else None

        return (
            Turn("customer", talk.text, at, talk.intents),
            *(Turn("desk", text, at, source=source(text)) for text in reply.texts),
        )

    def _change(
        self,
        conversation: str,
        key: str,
        turns: tuple[Turn, ...],
        change: Callable[[Conversation], Conversation],
    ) -> None:
        name = short_name(conversation)
        claim = self._claim(name, short_name(key))
        if isinstance(claim, Claim):
            done = change(claim.conversation)
            self.store.finish(
                claim, done, turns, short_name(key), Reply(tuple(t.text for t in turns))
            )

    def _stamp(self) -> str:
        return self._clock().isoformat(timespec="milliseconds")

    def _today(self) -> date:
        return self._clock().date()


def _known(conversation: Conversation, message: Message) -> Conversation:
    """The conversation with what the message says of itself. Who was proven in it stays proven only
    as long as the channel does not say that it is another customer."""
    known = replace(conversation, channel=message.channel, language=message.language)
    if conversation.spoken and message.customer != conversation.said_to_be:
        known = replace(known, authenticated=None, proven=None, email=None, orders=(), settled=None)
        # Who logs in goes on with what was begun; its order must be theirs.
        if conversation.said_to_be is not None:
            known = replace(known, wishes=(), asking=None)
    return replace(known, said_to_be=message.customer, email=known.email or message.email)


def short_name(name: str) -> str:
    clean = reading.cleaned(name) or "-"
    if clean == name and len(name) <= _LONGEST_ID:
        return name
    return f"sha256-{hashlib.sha256(name.encode('utf-8', 'replace')).hexdigest()}"
