"""The desk's words: what is understood, what a conversation remembers, what is answered.

Everything here is plain data. A conversation goes through JSON (`dialog.state`), so that any
process can take the next turn.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from decimal import Decimal
from typing import Literal, Protocol

Slot = Literal["order_number", "product", "date", "address", "amount", "email"]
#: Why a conversation goes to a person.
Reason = Literal["asked", "unsure", "anger", "failures", "not_possible", "identity"]
#: "broken": an answer that is none; "failed": no answer; "unsure": the large one abstained, too;
#: not asked because of "budget", "paused" after failures, "busy", "personal" data in it.
AskOutcome = Literal[
    "decided", "late", "broken", "failed", "unsure", "budget", "paused", "busy", "personal"
]
OrderState = Literal["processing", "dispatched", "delivered", "returned", "refunded", "canceled"]


@dataclass(frozen=True, slots=True)
class Request:
    """One thing that a customer wants. slots: what the message says of each, in order; score: how
    likely the request is right, 0 to 1."""

    intent: str
    slots: Mapping[Slot, tuple[str, ...]] = field(default_factory=dict)
    score: float = 1.0


@dataclass(frozen=True, slots=True)
class Asked:
    """What came of handing a message over to a large model. outcome: "decided" where the requests
    are the large model's, else why they are not; requests: sent to it; tokens: of these, as it
    counts them, 0 where it does not say."""

    outcome: AskOutcome
    requests: int = 0
    tokens_in: int = 0
    tokens_out: int = 0


@dataclass(frozen=True, slots=True)
class Understood:
    """What a message says. requests: none where it is out of scope. abstained: the model's
    certified threshold says that nothing may be done on its word. alternatives: other intents that
    it may be about, with how likely each is, best first. large: of a message that a large model was
    to be asked."""

    requests: tuple[Request, ...]
    abstained: bool = False
    alternatives: tuple[tuple[str, float], ...] = ()
    large: Asked | None = None


class Understands(Protocol):
    def __call__(self, text: str) -> Understood:
        """Raises nothing: any text is understood somehow."""


@dataclass(frozen=True, slots=True)
class Passage:
    """Of the shop's help pages: what answers a question, and where it stands."""

    document: str
    title: str
    text: str
    score: float


class Knows(Protocol):
    def __call__(self, text: str) -> Passage | None:
        """The best passage, None where no document is a good answer."""

    def near(self, text: str, intent: str) -> tuple[Passage, ...]:
        """Pages about what an intent asks for, the likeliest to answer the text first, whether or
        not it does; a few at most."""


@dataclass(frozen=True, slots=True)
class Item:
    sku: str
    name: str
    color: str | None
    size: str | None
    quantity: int
    price: Decimal  # of one, in pounds


@dataclass(frozen=True, slots=True)
class Order:
    """As a customer may see it."""

    number: str
    state: OrderState
    placed: date
    items: tuple[Item, ...]
    total: Decimal
    address: str
    carrier: str | None = None
    tracking: str | None = None
    expected: date | None = None  # day of delivery
    delivered: date | None = None
    refunded: Decimal = Decimal(0)
    refund_due: date | None = None


@dataclass(frozen=True, slots=True)
class Done:
    """What an action did. name: of the action; reference: of what it made (a return, a ticket);
    facts: what an answer may state; again: it had been done before, and nothing was done now."""

    name: str
    reference: str | None = None
    facts: Mapping[str, str] = field(default_factory=dict)
    again: bool = False


@dataclass(frozen=True, slots=True)
class Reply:
    """What the desk says. texts: one bubble each; suggestions: short answers to choose from;
    source: of a help page; handed: why a person takes over from here."""

    texts: tuple[str, ...]
    suggestions: tuple[str, ...] = ()
    source: Passage | None = None
    done: tuple[Done, ...] = ()
    handed: Reason | None = None


@dataclass(frozen=True, slots=True)
class Turn:
    """said_by: who. reply: of the desk's own turns."""

    said_by: Literal["customer", "desk", "agent"]
    text: str
    at: str  # ISO 8601, UTC
    intents: tuple[str, ...] = ()
    source: str | None = None


@dataclass(frozen=True, slots=True)
class Message:
    """What a channel hands in. key: the channel's own id of it: the same key is the same message,
    however often it comes. customer: whom the channel has authenticated, None where nobody. email:
    the address that it came from as it says itself, which proves nothing."""

    conversation: str
    key: str
    text: str
    channel: str
    customer: str | None = None
    language: str = "en"
    email: str | None = None


class Desk(Protocol):
    """What channels talk to."""

    def take(self, message: Message) -> Reply:
        """Answer a message. Raises nothing that a channel would have to know."""

    def turns(self, conversation: str) -> Sequence[Turn]:
        """All that was said, in order."""
