"""A customer who answers the desk's questions in the row's own words.

What the customer knows is what a person would: the row's words, the own orders, and what the desk
has just asked (`Conversation.asking`, which stands for reading the question). It knows nothing of
what the model took a message for, but reads what the desk proposes (`measure.reading`): what it
did not ask for gets a no, and a proposal with another address, size or number than it has said is
put right once ("no, 7 Long Row …"). Of several things that the desk offers it takes what it wants;
of several pages the one that a reader has found to answer it (`--pages`), else the one whose title
shares most words with its request. With careless=True, and where the customer is hostile, every
proposal is confirmed in the row's words, whatever it is.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass, field

from desk.dialog.say import phrases
from measure.reading import (
    choice_named,
    correction,
    intents_named,
    other_order,
    page_wanted,
    something_else,
)
from measure.scene import Scene

#: Which of a row's answers fits a question, the first that the row has.
_FITTING = {
    "order_number": ("order_number",),
    "which": ("which", "order_number"),
    "email": ("email",),
    "product": ("product",),
    "address": ("address",),
    "size": ("size",),
}
#: What every customer can say though the row does not spell it out.
_KNOWN = {"order_number": "{order}", "which": "{order}", "email": "{email}", "address": "{address}"}
_WORDS = {
    "en": {"yes": "yes please", "no": "no", "lack": "I don't have that", "any": "I don't mind"},
    "de": {
        "yes": "ja bitte",
        "no": "nein",
        "lack": "Das habe ich nicht",
        "any": "Das ist mir egal",
    },
}


@dataclass(slots=True)
class Customer:
    """One conversation's. request: what it is about now, in the row's words; unready: questions
    that the row has no answer for."""

    scene: Scene
    careless: bool = False
    request: str = ""
    unready: list[str] = field(default_factory=list)
    _used: dict[str, int] = field(default_factory=dict)
    _last: str | None = None
    _corrected: int = 0
    _chosen: list[str] = field(default_factory=list)

    def answers(
        self,
        asking: str,
        proposed: str | None,
        wanted: Collection[str],
        question: str = "",
        offered: Sequence[str] = (),
    ) -> tuple[str, str]:
        """What is said to a question, with placeholders, and why: "answer", or "no" where the
        customer turns down what the desk took the wish for. proposed: the intent that the desk
        asks about; wanted: what the customer has asked for so far; question: in
        the desk's words."""
        if asking in ("choice", "page"):
            return self._chooses(asking, wanted, offered)
        if asking in ("confirm", "meant", "offer"):
            if asking == "confirm" and not (self.careless or self.scene.row.hostile):
                if other_order(self.scene, proposed, question):
                    return self._say("no"), "no"
                if (meant := correction(self.scene, proposed, question)) is not None:
                    # Who is not listened to lets it be.
                    self._corrected += 1
                    more = f", {meant}" if self._corrected == 1 else ""
                    return f"{self._say('no')}{more}", "answer" if more else "no"
            return self._consents(asking, proposed, wanted, question)
        if asking == "matching":
            return f"{self._answer('order_number')}, {self._answer('email')}", "answer"
        return self._answer(asking), "answer"

    def goes_on(self) -> str | None:
        """The rest of an answer that was begun ("one moment …"), which is said unasked."""
        last, self._last = self._last, None
        if last is None or self._used[last] >= len(self.scene.row.answers[last]):
            return None
        return self._own(last)

    def anything_else(self) -> str | None:
        return self._own("anything_else")

    def _answer(self, asking: str) -> str:
        for name in _FITTING.get(asking, ()):
            if (said := self._own(name)) is not None:
                return said
        self.unready.append(asking)
        row = self.scene.row
        if not row.hostile and row.wants:
            if asking == "email" or (row.order and asking in _KNOWN):
                return _KNOWN[asking]
            if asking == "product":
                others = any("{other_product}" in text for text in row.says)
                return (
                    "{other_product}" if others else "{product}" if row.order else self._say("lack")
                )
            if asking == "address":
                return _KNOWN[asking]
            if asking == "size":
                return self._say("any")
        return self._say("lack")

    def _chooses(
        self, asking: str, wanted: Collection[str], offered: Sequence[str]
    ) -> tuple[str, str]:
        """One of what the desk offers: what is wanted and was not chosen before, or the page that
        answers; else none of it."""
        language = self.scene.row.language
        if asking == "choice":
            named = [(choice_named(one, language), one) for one in offered]
            fitting = [(intent, one) for intent, one in named if intent in wanted]
            # Who wants two of them names both; what was chosen before is dealt with.
            new = [one for one in fitting if one[0] not in self._chosen] or fitting[:1]
            if new:
                self._chosen += [intent for intent, _ in new if intent]
                joined = f" {phrases(language).templates['form.and']} ".join(one for _, one in new)
                return joined, "answer"
        elif (page := page_wanted(self.scene, self.request, offered)) is not None:
            return page, "answer"
        return something_else(language), "no"

    def _consents(
        self, asking: str, proposed: str | None, wanted: Collection[str], question: str
    ) -> tuple[str, str]:
        row = self.scene.row
        if row.hostile or self.careless:
            return self._own("confirm") or self._say("yes"), "answer"
        named = intents_named(question, row.language) if asking == "meant" else ()
        if not set(named or (proposed,)) <= set(wanted):
            return self._say("no"), "no"
        if asking == "meant":
            return self._say("yes"), "answer"
        if asking == "offer" and row.outcome == "answer" and "confirm" not in row.answers:
            # Only wanted to know; what can be looked up is welcome.
            looks_up = proposed == "refund_status" and row.order is not None
            return self._say("yes" if looks_up else "no"), "answer"
        return self._own("confirm") or self._say("yes"), "answer"

    def _own(self, name: str) -> str | None:
        said = self.scene.row.answers.get(name)
        if said is None:
            return None
        place = self._used.get(name, 0)
        self._used[name] = place + 1
        self._last = name
        return said[min(place, len(said) - 1)]

    def _say(self, word: str) -> str:
        return _WORDS.get(self.scene.row.language[:2], _WORDS["en"])[word]
