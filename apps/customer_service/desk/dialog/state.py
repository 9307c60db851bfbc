"""What a conversation remembers from turn to turn, as plain data that goes through JSON.

No words of a language and no rules: the policy reads and writes this, a store keeps it. What was
said is kept beside it (`store`), for that grows and the policy does not need it.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields, replace
from typing import Any, Literal, get_args

from desk.types import Reason

#: Raised with every change of what stands in the JSON; older forms are mended in `from_json`.
FORMAT = 1
#: What the desk may have asked for. "matching": the pair of order number and e-mail address again;
#: "meant": whether this is what the customer wants; "choice": which of a few things it is; "page":
#: which of a few help pages answers it; "offer": whether to go on with it.
Asking = Literal[
    "order_number", "email", "matching", "product", "address", "size", "code", "card", "which",
    "confirm", "meant", "choice", "page", "offer",
]  # fmt: skip


@dataclass(frozen=True, slots=True)
class Wish:
    """One request on its way. slots: what is known of it, by name; asked: how often each missing
    thing was asked for; text: the customer's own words; key: of the message that brought it, and
    with `number` of the action that settles it; proposed: what the customer was asked to confirm;
    agreed: said yes to it."""

    intent: str
    text: str
    key: str
    number: int = 0
    slots: Mapping[str, str] = field(default_factory=dict)
    asked: Mapping[str, int] = field(default_factory=dict)
    proposed: str = ""
    agreed: bool = False

    def with_slots(self, **found: str | None) -> Wish:
        """The wish with what was found; None takes a slot away. A change takes back consent, and
        whether all is right may be asked anew."""
        slots = {**self.slots, **{name: value for name, value in found.items() if value}}
        slots = {name: value for name, value in slots.items() if found.get(name, "") is not None}
        if slots == self.slots:
            return self
        asked = {what: times for what, times in self.asked.items() if what != "confirm"}
        return replace(self, slots=slots, asked=asked, agreed=False)

    def times_asked(self, what: str) -> int:
        return self.asked.get(what, 0)

    def asked_for(self, what: str) -> Wish:
        return replace(self, asked={**self.asked, what: self.times_asked(what) + 1})


@dataclass(frozen=True, slots=True)
class Conversation:
    """wishes: the first is the one in hand. asking: what the desk's last turn asked for, of the
    first wish. said_to_be: whom the channel names at the last message; authenticated: the same, as
    the shop's number of a customer; proven: by order number and
    e-mail address. tries: wrong pairs of these. unclear: turns in a row that were not understood;
    failures: requests in a row that could not be dealt with; angry: angry messages. orders: those
    talked about, the last one first; settled: the last wish that was dealt with. unsure: what the
    model took the last unclear message for, with its scores: what the customer chooses from. agent:
    a person has answered since it was handed over; spoken: messages taken so far."""

    id: str
    channel: str = ""
    language: str = "en"
    wishes: tuple[Wish, ...] = ()
    asking: Asking | None = None
    said_to_be: str | None = None
    authenticated: str | None = None
    proven: str | None = None
    email: str | None = None
    tries: int = 0
    unclear: int = 0
    failures: int = 0
    angry: int = 0
    orders: tuple[str, ...] = ()
    settled: Wish | None = None
    unsure: tuple[tuple[str, float], ...] = ()
    handed: Reason | None = None
    agent: bool = False
    spoken: int = 0

    @property
    def customer(self) -> str | None:
        return self.authenticated or self.proven

    @property
    def wish(self) -> Wish | None:
        return self.wishes[0] if self.wishes else None

    def with_wish(self, wish: Wish) -> Conversation:
        return replace(self, wishes=(wish, *self.wishes[1:]))

    def without_wish(self) -> Conversation:
        """The first wish is dealt with; what was asked about it is, too."""
        return replace(self, settled=self.wish, wishes=self.wishes[1:], asking=None)

    def talked_about(self, order: str) -> Conversation:
        others = tuple(number for number in self.orders if number != order)
        return replace(self, orders=(order, *others)[:5])


def to_json(conversation: Conversation) -> str:
    return json.dumps({"format": FORMAT, **asdict(conversation)}, ensure_ascii=False)


def from_json(text: str) -> Conversation:
    """Raises ValueError, naming what is wrong, for what is no conversation of a known format."""
    held: Any = json.loads(text)
    if not isinstance(held, dict) or held.get("format") != FORMAT:
        form = held.get("format") if isinstance(held, dict) else type(held).__name__
        raise ValueError(
            f"a conversation's state has format {form!r}, expected {FORMAT}: "
            "it was written by another version of the desk"
        )
    del held["format"]
    unknown = held.keys() - {one.name for one in fields(Conversation)}
    if unknown:
        raise ValueError(f"a conversation's state has unknown fields: {', '.join(sorted(unknown))}")
    asking = held.get("asking")
    if asking is not None and asking not in get_args(Asking):
        raise ValueError(f"a conversation's state asks for {asking!r}, which nothing knows")
    settled = held.get("settled")
    return Conversation(
        **held
        | {
            "wishes": tuple(Wish(**one) for one in held.get("wishes", ())),
            "settled": None if settled is None else Wish(**settled),
            "orders": tuple(held.get("orders", ())),
            "unsure": tuple((name, float(score)) for name, score in held.get("unsure", ())),
        }
    )
