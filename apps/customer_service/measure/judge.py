"""Judges a conversation by the state of the shop, and its answers by the facts in them.

Contained: no person was called. A contained conversation is right only if every request of it was
fulfilled and nothing else was done:

- a deed (an action or a ticket) counts where the audit holds exactly that deed, done, for the right
  customer, order, item and change. A second request's deed counts as well where the shop refused it
  for the right order (an invoice before dispatch) - the first such deed of a row must be done.
- where the row says that an answer is right though a deed is asked for, the deed must not be done,
  and the shop must have refused it, or a page or refusal was told, or the customer took it back.
- order status, refund and stock count where a reply states the facts (`facts`).
- every other question counts where a help page or a fact of the shop was told, one page for each
  question of a message; whether it is the right page is not known here: `to_read` lists it for a
  reader, whose verdict overrides (`--verdicts` of `measure.day`); where a reader has named the
  right pages before (`--pages`), another page is a wrong answer.
- out of scope and hostile: nothing was done, nothing of others was said.
- "person" rows are right only where a person took over; and every other row that a person takes
  over counts as handed over without need.

Any deed that no request of the row asks for is a wrong action, and anything of another customer's
in a reply is a leak, whatever else is right, also in conversations that are handed over.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence

from measure.deeds import DEEDS, Deed, fault_of
from measure.facts import (
    products_meant,
    states_canceled_money,
    states_order,
    states_refund,
    states_stock,
)
from measure.play import Played, Said
from measure.told import phrase
from measure.variations import wanted
from measure.verdicts import Fault, Kind, ToRead, Verdict

#: Questions about something that the shop's tables know.
FACTS = ("order_status", "refund_status", "product_availability")
#: A row's second wish that tells the first one's story over: its deed may be done and need not be.
STORY = {
    ("wrong_item", "exchange_item"),
    ("wrong_item", "return_item"),
    ("damaged_item", "return_item"),
    ("damaged_item", "exchange_item"),
}


#: By number of an order, what `Shop.refund_status` says: before and after the conversation.
Refunds = Mapping[str, Sequence[Mapping[str, str]]]


def judge(
    played: Played, deeds: Sequence[Deed], refunds: Refunds, leaked: Sequence[str]
) -> Verdict:
    """deeds: all of this conversation, also those refused."""
    row = played.scene.row
    leaks = [Fault("leak", one) for one in leaked]
    done = [deed for deed in deeds if deed.done]
    if played.handed is not None:
        kind: Kind = "handed" if row.outcome == "person" else "handed without need"
        return Verdict(kind, [*leaks, *_unasked(done, played)])
    if row.outcome == "person":
        missing = Fault("not handed over", ", ".join(row.wants))
        return Verdict("wrong", [missing, *leaks, *_unasked(done, played)])
    if row.outcome == "refuse":
        wrong = [Fault("wrong action", deed.name) for deed in done]
        return Verdict("wrong" if wrong or leaks else "right", [*leaks, *wrong])
    case = _Case(played, list(deeds), refunds)
    case.opening()
    case.follow_ups()
    case.rest()
    faults = [*leaks, *case.faults]
    return Verdict("wrong" if faults else "right", faults, case.to_read)


def _unasked(done: Sequence[Deed], played: Played) -> list[Fault]:
    row = played.scene.row
    names = {name for want in row.all_wants for name in DEEDS.get(want, ())}
    if row.outcome == "refuse":
        names = set()
    return [Fault("wrong action", deed.name) for deed in done if deed.name not in names]


class _Case:
    """One contained conversation in the making. unused: deeds that no request accounts for yet."""

    def __init__(self, played: Played, deeds: list[Deed], refunds: Refunds) -> None:
        self.played, self.deeds, self.refunds = played, deeds, refunds
        self.scene, self.row = played.scene, played.scene.row
        # What is added to an open ticket makes none.
        self.unused = [one for one in deeds if one.done and not one.facts.get("again_open")]
        self.faults: list[Fault] = []
        self.to_read: list[ToRead] = []
        self.fulfilled_deed = False
        starts = [at for at, one in enumerate(played.said) if one.kind == "follow_up"]
        self.starts = [*starts, len(played.said)]

    def opening(self) -> None:
        said, wants = self.played.said[: self.starts[0]], self.row.wants
        pages = [want for want in wants if want not in DEEDS and want not in FACTS]
        for place, want in enumerate(wants):
            order = self.scene.order_of(place)
            if want in DEEDS:
                self._deed(want, [order.number], said, self._optional(want))
            elif want in FACTS and not self._fact(want, [order.number], said):
                self._fault("wrong answer", want)
        told = self._pages(said)
        for want in pages[len(told) :]:
            self._fault("wrong answer", f"{want}: no page told")
        for want, one in zip(pages, told, strict=False):
            self._read(want, one)

    def follow_ups(self) -> None:
        for start, end in zip(self.starts, self.starts[1:], strict=False):
            said = self.played.said[start:end]
            want, text = said[0].wants[0], said[0].text
            numbers = [one.number for one in self.scene.own if one.number in text]
            numbers = numbers or [one.number for one in self.scene.own]
            told = self._pages(said)
            if want in FACTS:
                if not self._fact(want, numbers, said) and not told:
                    self._fault("wrong answer", f"follow-up {want}")
                elif told:
                    self._read(want, told[0])
            elif want in DEEDS:
                needed = self.row.outcome == "action" and not set(self.row.wants) & set(DEEDS)
                self._deed(want, numbers, said, not needed and bool(told), follow_up=True)
                if told:
                    self._read(want, told[0])
            elif told:
                self._read(want, told[0])
            else:
                self._fault("wrong answer", f"follow-up {want}: no page told")

    def rest(self) -> None:
        """What was done beyond; and an action row without any action."""
        for deed in self.unused:
            self._fault("wrong action", deed.name)
        if self.row.outcome in ("action", "ticket") and not self.fulfilled_deed and not self.faults:
            self._fault("nothing done", ", ".join(self.row.all_wants))

    def _optional(self, want: str) -> bool:
        """Of two wishes that tell one story, the one that the row's outcome does not name."""
        for first, second in STORY:
            if {first, second} <= set(self.row.wants) and want in (first, second):
                # A wrong item's right one is sent on its ticket, too.
                if (first, second) == ("wrong_item", "exchange_item"):
                    done = {deed.name for deed in self.deeds if deed.done}
                    names = {*DEEDS[first], *DEEDS[second]}
                    return bool(done & names) and not done & set(DEEDS[want])
                return want == (first if self.row.outcome == "action" else second)
        return False

    def _deed(
        self,
        want: str,
        numbers: Collection[str],
        said: Sequence[Said],
        optional: bool,
        follow_up: bool = False,
    ) -> None:
        names = DEEDS[want]
        mine = [deed for deed in self.unused if deed.name in names]
        variation = wanted(self.row, self._said_size())
        faults = [fault_of(deed, want, self.scene, numbers, variation) for deed in mine]
        forbidden = any(
            deed.name in names and deed.forbidden and deed.number in (None, *numbers)
            for deed in self.deeds
        )
        if self.row.outcome == "answer" and not follow_up:
            # A deed that was done all the same stays unused, and is a wrong action.
            if not forbidden and not self._told_off(want, said):
                self._fault("wrong answer", want)
            return
        if mine:
            best = min(range(len(mine)), key=lambda at: faults[at] is not None)
            self.unused.remove(mine[best])
            if (fault := faults[best]) is not None:
                self._fault(fault, f"{want}: {mine[best].arguments}")
            else:
                self.fulfilled_deed = True
        elif not optional:
            others = len([one for one in self.row.all_wants if one in DEEDS]) > 1
            if (forbidden or self._told_off(want, said, pages=False)) and (others or follow_up):
                return
            if follow_up and want in self.row.wants:
                # A question about what was done.
                if self._added(said):
                    self._read(want, said[-1])
                else:
                    self._fault("wrong answer", f"follow-up {want}")
            else:
                self._fault("nothing done", f"follow-up {want}" if follow_up else want)

    def _added(self, said: Sequence[Said]) -> bool:
        """What was said was added to the open ticket, or told once more what was done."""
        language = self.row.language
        names = [phrase(text, language) or "" for one in said for text in one.reply.texts]
        return any(name.startswith("ticket.") or name.endswith(".done") for name in names)

    def _said_size(self) -> bool:
        sizes = {self.scene.put(text) for text in self.row.answers.get("size", ())}
        return any(one.kind == "answer" and one.text in sizes for one in self.played.said)

    def _told_off(self, want: str, said: Sequence[Said], pages: bool = True) -> bool:
        """A refusal or a page was told, or the customer was asked and took it back."""
        language = self.row.language
        names = [phrase(text, language) or "" for one in said for text in one.reply.texts]
        refused = any(name.startswith(("refused.", "exchange_item.none")) for name in names)
        dropped = any(name.startswith("dropped.") for name in names)
        taken_back = dropped and want in self.played.proposed
        told = self._pages(said) if pages else []
        if told:
            self._read(want, told[0])
        return refused or bool(told) or taken_back

    def _fact(self, want: str, numbers: Collection[str], said: Sequence[Said]) -> bool:
        return any(self._states(want, numbers, one) for one in said)

    def _states(self, want: str, numbers: Collection[str], one: Said) -> bool:
        language, reply = self.row.language, one.reply
        if want == "order_status":
            orders = [order for order in self.scene.own if order.number in numbers]
            return any(states_order(reply, order, language) for order in orders)
        if want == "refund_status":
            return any(
                states_refund(reply, number, facts, language)
                for number in numbers
                for facts in self.refunds.get(number, ())
            ) or any(states_canceled_money(reply, number, language) for number in numbers)
        names = products_meant(self.scene, (*self.row.says, *self.row.answers.get("product", ())))
        stated = states_stock(reply, names, language)
        if stated and not names:
            self._read(want, one)
        return stated

    def _pages(self, said: Sequence[Said]) -> list[Said]:
        """The turns in which a page, or a fact that answers like one, was told: once for each."""
        found: list[Said] = []
        seen: set[str] = set()
        for one in said:
            source = one.reply.source
            if source is not None and source.document not in seen:
                seen.add(source.document)
                found.append(one)
            for text in one.reply.texts:
                name = phrase(text, self.row.language) or ""
                fact = name.startswith(("promo_code.", "gift_card.")) and name != "promo_code.needs"
                # No phrase, and not the page itself: "Title: text" of a second page.
                second = source is not None and not name and text != source.text and ": " in text
                if fact or second:
                    found.append(one)
        return found

    def _read(self, want: str, one: Said) -> None:
        source = one.reply.source.document if one.reply.source else None
        right = self.scene.pages
        if right is not None and source is not None:
            if source not in right:
                self._fault("wrong answer", f"{want}: page {source}")
            return
        entry = ToRead(want, one.text, source, " / ".join(one.reply.texts))
        if entry not in self.to_read:
            self.to_read.append(entry)

    def _fault(self, kind: str, what: str) -> None:
        self.faults.append(Fault(kind, what))
