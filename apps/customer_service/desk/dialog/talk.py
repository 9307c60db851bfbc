"""One turn in the making: what flows read, ask, do and say.

A flow (`flows`) is told from its beginning in every turn, with what is known by then; where
something is missing it stops by raising `Ask`. So a flow reads as what happens, and nothing but
the conversation's state goes from turn to turn.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from datetime import date

from desk.dialog.say import Phrases
from desk.dialog.shopping import Shopping
from desk.dialog.state import Asking, Conversation, Wish
from desk.types import Done, Knows, Passage, Reason

#: How often one missing thing is asked for, and how many wrong pairs of order number and e-mail
#: address are heard, before a person takes over.
MOST_QUESTIONS = 2
MOST_TRIES = 3


class Ask(Exception):  # noqa: N818 - a word of the desk
    """The turn ends with a question. what: is asked for; text: the question."""

    def __init__(self, what: Asking, text: str, suggestions: Sequence[str] = ()) -> None:
        super().__init__(what)
        self.what: Asking = what
        self.text = text
        self.suggestions = tuple(suggestions)


class HandOver(Exception):  # noqa: N818 - a word of the desk
    """A person takes over. lacking: what was asked for in vain."""

    def __init__(self, reason: Reason, lacking: Asking | None = None) -> None:
        super().__init__(reason)
        self.reason: Reason = reason
        self.lacking = lacking


class Settled(Exception):  # noqa: N818 - a word of the desk
    """The wish has been dealt with before its flow's end; what was said, says how."""


@dataclass(slots=True)
class Talk:
    """key: of the message; text: what it says; several: it holds several requests."""

    conversation: Conversation
    shop: Shopping
    knows: Knows
    say: Phrases
    key: str
    text: str
    today: date
    several: bool = False
    texts: list[str] = field(default_factory=list)
    suggestions: tuple[str, ...] = ()
    source: Passage | None = None
    done: list[Done] = field(default_factory=list)
    intents: tuple[str, ...] = ()

    @property
    def wish(self) -> Wish:
        wish = self.conversation.wish
        assert wish is not None, "a flow has a wish"
        return wish

    def slot(self, name: str) -> str | None:
        return self.wish.slots.get(name)

    def put(self, **slots: str | None) -> None:
        """Know more of the wish, or, with None, less."""
        self.conversation = self.conversation.with_wish(self.wish.with_slots(**slots))

    def change(self, **values: object) -> None:
        self.conversation = replace(self.conversation, **values)  # type: ignore[arg-type]

    def tell(self, phrase: str, /, **facts: object) -> None:
        self.texts.append(self.say(phrase, **facts))

    def ask(
        self,
        what: Asking,
        phrase: str | None = None,
        /,
        *,
        suggest: Sequence[str] = (),
        **facts: object,
    ) -> Ask:
        """To be raised. Raises HandOver itself where it was asked for twice already. The second
        time another phrase is taken, where there is one."""
        asked = self.wish.times_asked(what)
        if asked >= MOST_QUESTIONS:
            raise HandOver("failures", what)
        self.conversation = self.conversation.with_wish(self.wish.asked_for(what))
        name = phrase or f"ask.{what}"
        if asked and self.say.has(f"{name}_again"):
            name = f"{name}_again"
        return Ask(what, self.say(name, **facts), suggest)

    def confirm(self, phrase: str, /, **facts: object) -> None:
        """Go on only where the customer has said yes to exactly this."""
        proposed = self.say(phrase, **facts)
        if self.wish.agreed and self.wish.proposed == proposed:
            return
        wish = replace(self.wish, proposed=proposed, agreed=False)
        self.conversation = self.conversation.with_wish(wish)
        suggest = (self.say("form.yes"), self.say("form.no"))
        raise self.ask("confirm", phrase, suggest=suggest, **facts)

    def do(self, action: Callable[[str], Done]) -> Done:
        """An action of the shop, under the key of this wish: done once, however often this turn is
        taken, and also where a worker died after it and the customer says yes once more."""
        done = action(f"{self.conversation.id}/{self.wish.key}/{self.wish.number}")
        self.done.append(done)
        return done
