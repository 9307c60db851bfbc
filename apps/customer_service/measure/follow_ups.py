"""Plays follow-ups: does the desk know what a second message means, and take what it names?

    python -m measure.follow_ups --understand FILE --help-pages FILE [--rows FILE …]

Each pair is a conversation of its own with a customer whom the channel has authenticated; the
orders that the pair names are made orders of this customer, in a state that fits the intent. The
previous message is played, then the follow-up. (The desk gives its own answer to the first, which
need not be the one that the follow-up was written for.)

Counted of the follow-up's turn:
- right: the wish that the desk then has in hand, or has just settled, is of the intent; for
  affirm, deny, thanks, greeting and oos: no wish was begun;
- asked: the desk asked whether the intent was meant, or offered it among others, or asked for it to
  be said once more; handed: a person took over (right for speak_to_person); wrong: everything else;
- slots: of each marked value, whether the wish, or the conversation, holds it afterwards.
"""

from __future__ import annotations

import argparse
import json
import re
import tempfile
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import sqlalchemy

from desk.dialog.state import Conversation, Wish
from desk.shop import Shop, schema
from desk.types import Message, Reply, Understood
from measure import desks, world
from measure.figures import share
from measure.follow_rows import FollowUp, read_follow_ups
from measure.play import Plays
from measure.reading import choice_named, intents_named
from measure.report import shown
from measure.told import NOT_UNDERSTOOD, all_phrases

HERE = Path(__file__).parents[1]
NO_WISH = ("affirm", "deny", "thanks", "greeting", "oos")
#: The state that the orders of a pair get, by the follow-up's intent; delivered for all others.
_STATES = {
    "cancel_order": "processing",
    "change_address": "processing",
    "change_order": "processing",
    "order_status": "dispatched",
    "refund_status": "returned",
}


@dataclass(frozen=True, slots=True)
class Found:
    """kind: "right", "asked", "handed" or "wrong"; wish: what the desk has in hand or has just
    settled; missed: marked values that it does not hold, by slot; unread: those that the model did
    not mark."""

    row: FollowUp
    kind: str
    wish: str | None
    missed: tuple[tuple[str, str], ...]
    replies: tuple[str, ...]
    first_replies: tuple[str, ...] = ()
    unread: tuple[tuple[str, str], ...] = ()


class Orders:
    """Gives each pair a customer, who owns the orders that it names."""

    def __init__(self, shop: Shop) -> None:
        self._shop = shop
        table = schema.Order
        with shop.database.reads() as session:
            rows = session.execute(
                sqlalchemy.select(table.customer_id, table.state, table.id).order_by(table.id)
            ).all()
            people = sqlalchemy.select(schema.Customer.id, schema.Customer.number)
            self._customers: dict[int, str] = dict(session.execute(people).all())  # type: ignore[arg-type]
        self._states: dict[int, dict[str, list[int]]] = {}
        for customer, state, order in rows:
            self._states.setdefault(customer, {}).setdefault(state, []).append(order)
        self._free = sorted(self._states)
        self._next = 10_000_000

    def customer(self, row: FollowUp) -> str:
        """The number of a customer, new for each pair."""
        state = _STATES.get(row.intent, "delivered")
        at = next(
            (place for place, one in enumerate(self._free) if state in self._states[one]), None
        )
        if at is None:
            raise ValueError(f"{row.where}: the sample has no customer left with {state!r} orders")
        customer = self._free.pop(at)
        own = self._states[customer]
        orders = [*own[state], *(o for name in own if name != state for o in own[name])]
        for number, order in zip(row.numbers, orders, strict=False):
            self._rename(order, f"MF-{number}")
        return self._customers[customer]

    def _rename(self, order: int, number: str) -> None:
        """The order gets a number; whichever had it gets one that nobody says."""
        table = schema.Order
        self._next += 1
        with self._shop.database.writes() as session:
            change = sqlalchemy.update(table)
            session.execute(change.where(table.number == number).values(number=f"MF-{self._next}"))
            session.execute(change.where(table.id == order).values(number=number))


def look(
    row: FollowUp,
    desk: Plays,
    customer: str,
    understood: Callable[[], Understood | None] = lambda: None,
) -> Found:
    """Play one pair and see what the desk makes of its second message. understood: what the model
    said of the last message."""
    name = re.sub(r"\W", "-", row.where)
    first = desk.take(Message(name, "m1", row.before, "measure", customer))
    if first.handed is not None:
        return Found(row, "handed before", None, (), (), first.texts)
    reply = desk.take(Message(name, "m2", row.says, "measure", customer))
    state = desk.conversation(name)
    wish = _wish(state)
    said = understood()
    marked = [v for one in (said.requests if said else ()) for vs in one.slots.values() for v in vs]
    return Found(
        row,
        _kind(row, state, wish, reply),
        wish.intent if wish else None,
        _missed(row, state, wish),
        reply.texts,
        first.texts,
        _lacking(row, marked),
    )


def _wish(state: Conversation | None) -> Wish | None:
    """The one in hand; else the one that the second message began or settled."""
    if state is None:
        return None
    if state.wishes:
        return state.wishes[0]
    return state.settled


def _kind(row: FollowUp, state: Conversation | None, wish: Wish | None, reply: Reply) -> str:
    if row.intent == "speak_to_person":
        return "right" if reply.handed == "asked" else "wrong"
    if reply.handed is not None:
        return "handed"
    begun = state is not None and any(
        one is not None and one.key == "m2" for one in (*state.wishes, state.settled)
    )
    phrases = all_phrases(reply.texts, "en")
    lost = any(one in NOT_UNDERSTOOD for one in phrases)
    if row.intent in NO_WISH:
        return "wrong" if begun else "right"
    asking = None if state is None else state.asking
    same = wish is not None and wish.intent == row.intent
    meant = asking in ("meant", "choice")
    if asking == "choice":
        same = any(choice_named(one, "en") == row.intent for one in reply.suggestions)
    elif asking == "meant":
        same = row.intent in intents_named(" ".join(reply.texts), "en") or same
    if lost or meant:
        return "asked" if lost or same else "wrong"
    if same and ("closing" in phrases or "thanks" in phrases):
        return "wrong"  # the last wish was of the intent, but nothing came of this message
    return "right" if same else "wrong"


def _missed(
    row: FollowUp, state: Conversation | None, wish: Wish | None
) -> tuple[tuple[str, str], ...]:
    held = [str(value) for value in (wish.slots.values() if wish else ())]
    if state is not None:
        held += [state.email or "", *state.orders]
        held += [value for one in state.wishes for value in one.slots.values()]
    return _lacking(row, held)


def _lacking(row: FollowUp, held: Sequence[str]) -> tuple[tuple[str, str], ...]:
    """The marked values that are not among these."""
    return tuple(
        (slot, value)
        for slot, values in row.slots.items()
        for value in values
        if not any(_same(slot, value, one) for one in held)
    )


def _same(slot: str, value: str, held: str) -> bool:
    if slot == "order_number":
        digits = re.sub(r"\D", "", value)
        return bool(digits) and digits == re.sub(r"\D", "", held)
    return _plain(value) in _plain(held)


def _plain(text: str) -> str:
    return " ".join(re.sub(r"[^\w@.]+", " ", text.casefold()).split())


def figures(found: Sequence[Found]) -> dict[str, Any]:
    """Of those that were played to the end; those handed over by their first message are apart."""
    played = [one for one in found if one.kind != "handed before"]
    slots: Counter[str] = Counter()
    missed: Counter[str] = Counter()
    for one in played:
        for slot, values in one.row.slots.items():
            slots[slot] += len(values)
        missed.update(slot for slot, _ in one.missed)
    right = [one for one in played if one.kind == "right"]
    return {
        "pairs": len(found),
        "handed over by the first message": len(found) - len(played),
        **{
            kind: share(sum(one.kind == kind for one in played), len(played))
            for kind in ("right", "asked", "handed", "wrong")
        },
        "right, with all that is marked": share(sum(not one.missed for one in right), len(played)),
        "marked values taken": share(slots.total() - missed.total(), slots.total()),
        "marked values read by the model": share(
            slots.total() - sum(len(one.unread) for one in played), slots.total()
        ),
        "by slot": {slot: share(slots[slot] - missed[slot], slots[slot]) for slot in slots},
        "by intent": {
            intent: dict(Counter(one.kind for one in found if one.row.intent == intent))
            for intent in sorted({one.row.intent for one in found})
        },
    }


def text(found: Sequence[Found]) -> str:
    counts = figures(found)
    lines = [
        f"{counts['pairs']} pairs, {counts['handed over by the first message']} handed over by "
        "their first message; of the others:"
    ]
    names = ("right", "asked", "handed", "wrong", "right, with all that is marked")
    lines += [
        f"  {name:32}{shown(counts[name])}"
        for name in (*names, "marked values taken", "marked values read by the model")
    ]
    lines += [f"    {slot:30}{shown(one)}" for slot, one in counts["by slot"].items()]
    for intent, kinds in counts["by intent"].items():
        listed = ", ".join(f"{kind} {count}" for kind, count in sorted(kinds.items()))
        lines.append(f"  {intent:24}{listed}")
    return "\n".join(lines)


def play_all(rows: Iterable[FollowUp], shop: Shop, opened: desks.Opened) -> list[Found]:
    orders = Orders(shop)
    return [look(row, opened.desk, orders.customer(row), opened.watched.take) for row in rows]


def main(arguments: Sequence[str] | None = None) -> int:
    given = _arguments(arguments)
    rows = [row for file in given.rows for row in read_follow_ups(file)]
    made = world.make_sample(given.cache)
    with tempfile.TemporaryDirectory() as folder:
        run = Path(folder)
        shop = world.open_copy(made, run / "shop.db")
        opened = desks.open_desk(shop, run, given.understand, given.help_pages, given.topics)
        found = play_all(rows, shop, opened)
        shop.close()
    if given.out:
        given.out.mkdir(parents=True, exist_ok=True)
        kept = {**figures(found), "rows": [asdict(one) for one in found]}
        (given.out / "follow_ups.json").write_text(
            json.dumps(kept, indent=1, ensure_ascii=False) + "\n", encoding="utf-8"
        )
    for one in found:
        if given.show and (one.kind == given.show or (given.show == "slots" and one.missed)):
            print(f"== {one.row.where} {one.row.intent} {one.kind} {one.wish} {one.missed}")
            print(f"  C {one.row.before}\n  D {' / '.join(one.first_replies)}")
            print(f"  C {one.row.says}\n  D {' / '.join(one.replies)}")
    print(text(found))
    return 0


def _arguments(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m measure.follow_ups", description=__doc__)
    parser.add_argument("--understand", type=Path, required=True, metavar="FILE")
    parser.add_argument("--help-pages", type=Path, required=True, metavar="FILE")
    parser.add_argument("--topics", type=Path, metavar="FILE", help="which pages are about what")
    rows = [HERE / "written" / "test_follow.txt"]
    parser.add_argument("--rows", nargs="+", type=Path, default=rows, metavar="FILE")
    parser.add_argument("--cache", type=Path, default=Path(tempfile.gettempdir()) / "attar-desk")
    parser.add_argument("--out", type=Path, metavar="FOLDER")
    parser.add_argument("--show", help="a kind (wrong, asked …), or slots: pairs that miss one")
    return parser.parse_args(arguments)


if __name__ == "__main__":
    raise SystemExit(main())
