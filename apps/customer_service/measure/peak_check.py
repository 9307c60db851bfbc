"""After the sale day: what the clients know, held against the databases.

Nothing may be lost (every reply that a client has stands in the turns, once, with its message) and
nothing done twice (each key of the audit once, no order canceled or sent back twice, no deed that
nobody was told of or that nobody had agreed to).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import func, select

from desk.dialog import open_store
from desk.dialog.reading import cleaned
from desk.dialog.say import phrases
from desk.dialog.store import Store
from desk.people.database import CASES, MESSAGES, PeopleDatabase
from desk.shop import schema
from desk.shop.database import Database
from measure.peak_clients import Talk
from measure.peak_desk import Data

#: Deeds that the desk does only after a yes.
AGREED = frozenset(
    {
        "cancel_order", "change_address", "change_account_address", "change_item", "add_item",
        "start_return", "start_exchange", "request_deletion",
    }
)  # fmt: skip
#: What a reply tells as done, but only reads.
Deed = tuple[str, str, str | None]  # conversation, name, reference
READS = frozenset({"refund_status", "promo_code", "gift_card"})


@dataclass(frozen=True, slots=True)
class Before:
    """Of the shop before the first customer."""

    canceled: frozenset[str]
    returns: frozenset[str]
    refunds: int


@dataclass(slots=True)
class Found:
    """problems: each one sentence; figures: what was counted."""

    problems: list[str] = field(default_factory=list)
    figures: dict[str, Any] = field(default_factory=dict)


def before(shop: Database) -> Before:
    with shop.reads() as session:
        return Before(
            frozenset(_canceled(session)),
            frozenset(session.scalars(select(schema.Return.reference))),
            session.scalar(select(func.count()).select_from(schema.Refund)) or 0,
        )


def check(talks: Sequence[Talk], data: Data, was: Before) -> Found:
    found = Found()
    store, shop, people = (
        open_store(data.conversations), Database(data.shop), PeopleDatabase(data.people)
    )  # fmt: skip
    try:
        _conversations(talks, store, found)
        _actions(talks, shop, was, found)
        _people(talks, people, found)
    finally:
        store.close()
        shop.close()
        people.close()
    return found


def _conversations(talks: Sequence[Talk], store: Store, found: Found) -> None:
    answered = unanswered = kept = sorry = 0
    fault = phrases("en")("fault")
    for talk in talks:
        if not talk.conversation:
            found.problems.append(f"{talk.script.name}: could not begin")
            continue
        expected: list[tuple[str, str]] = []
        for sent in talk.sent:
            if sent.reply is None:
                unanswered += 1
                found.problems.append(f"{talk.script.name}: message {sent.key} got no reply")
                continue
            answered += 1
            sorry += fault in sent.reply["texts"]
            expected.append(("customer", cleaned(sent.text)))
            expected += [("desk", text) for text in sent.reply["texts"]]
        turns = [(turn.said_by, turn.text) for turn in store.turns(talk.conversation)]
        kept += len(turns)
        if turns != expected and all(sent.reply for sent in talk.sent):
            found.problems.append(f"{talk.script.name}: {_difference(turns, expected)}")
    found.figures |= {
        "conversations": len(talks), "answered": answered, "unanswered": unanswered,
        "turns_kept": kept, "told_of_a_fault": sorry,
    }  # fmt: skip


def _difference(turns: Sequence[tuple[str, str]], expected: Sequence[tuple[str, str]]) -> str:
    there, wanted = Counter(turns), Counter(expected)
    if lost := wanted - there:
        return f"{sum(lost.values())} turns are lost, the first {next(iter(lost))}"
    if more := there - wanted:
        return f"{sum(more.values())} turns too many, the first {next(iter(more))}"
    return "the turns are in another order"


def _actions(talks: Sequence[Talk], shop: Database, was: Before, found: Found) -> None:
    problems = found.problems
    with shop.reads() as session:
        rows = session.scalars(select(schema.Action)).all()
        canceled = _canceled(session) - was.canceled
        returns = set(session.scalars(select(schema.Return.reference))) - was.returns
        twice = session.execute(
            select(schema.Refund.order_id)
            .where(schema.Refund.return_id.is_(None))
            .group_by(schema.Refund.order_id)
            .having(func.count() > 1)
        ).all()
        tickets = session.scalars(select(schema.Ticket.reference)).all()
    done = [row for row in rows if row.outcome == "done"]
    for key, times in Counter(row.key for row in done).items():
        if times > 1 or key is None:
            problems.append(f"audit: key {key!r} {times} times")
    audit = Counter((_of(row.key), row.name, row.result.get("reference")) for row in done)
    told: Counter[Deed] = Counter()
    for talk in talks:
        told.update(_told(talk))
    for deed in audit - told:
        if _in_general(deed) not in told:
            problems.append(f"audit: {deed} was done and nobody was told")
    for deed in told - audit:
        if deed != _in_general(deed):
            problems.append(f"audit: {deed} was told and is not there")
    numbers = Counter(r.result["facts"]["number"] for r in done if r.name == "cancel_order")
    problems += [f"order {n} was canceled {t} times" for n, t in numbers.items() if t > 1]
    if set(numbers) != canceled:
        problems.append(f"canceled by the audit or by the orders alone: {set(numbers) ^ canceled}")
    kinds = ("start_return", "start_exchange")
    references = Counter(str(r.result["reference"]) for r in done if r.name in kinds)
    problems += [f"return {r} was made {t} times" for r, t in references.items() if t > 1]
    if set(references) != returns:
        problems.append(f"returns in the audit or the shop alone: {set(references) ^ returns}")
    problems += [f"order of id {one[0]} was paid back twice" for one in twice]
    made = {str(r.result["reference"]) for r in done if r.result.get("reference")}
    problems += [f"ticket {t} is not in the audit" for t in tickets if t not in made]
    _agreed(talks, done, found)
    found.figures |= {
        "done": dict(Counter(row.name for row in done)),
        "refused": dict(Counter(f"{r.name}: {r.outcome}" for r in rows if r.outcome != "done")),
    }


def _agreed(talks: Sequence[Talk], done: Sequence[schema.Action], found: Found) -> None:
    """The yeses of each client beside what was done in its conversation."""
    deeds = Counter(_of(row.key) for row in done if row.name in AGREED)
    asked = settled = 0
    for talk in talks:
        yeses = [sent for sent in talk.sent if sent.answering == "confirm"]
        asked += len(yeses)
        settled += sum(
            any(one["name"] in AGREED for one in sent.reply["done"])
            for sent in yeses
            if sent.reply is not None
        )
        if deeds[talk.conversation] > len(yeses):
            found.problems.append(
                f"{talk.script.name}: {deeds[talk.conversation]} deeds, {len(yeses)} answers to "
                "whether they should be done"
            )
    found.figures |= {"asked_to_confirm": asked, "confirmed_and_done": settled}


def _people(talks: Sequence[Talk], people: PeopleDatabase, found: Found) -> None:
    handed = {
        talk.conversation for talk in talks if any(s.reply and s.reply["handed"] for s in talk.sent)
    }
    with people.reads() as connection:
        cases = Counter(connection.execute(select(CASES.c.conversation)).scalars())
        counted = connection.execute(select(func.count()).select_from(MESSAGES)).scalar_one()
    for name in handed - cases.keys():
        found.problems.append(f"conversation {name} was handed over and is in no queue")
    found.problems += [f"conversation {n} is {t} cases" for n, t in cases.items() if t > 1]
    messages = sum(len(talk.sent) for talk in talks)
    found.figures |= {
        "handed": len(handed), "cases": sum(cases.values()),
        "messages_missing_in_dashboard": messages - counted,
    }  # fmt: skip


def _in_general(deed: Deed) -> Deed | None:
    """A deletion as it is told to who has not proven to have an account: the same whether there
    is one or not."""
    return (deed[0], deed[1], None) if deed[1] == "request_deletion" else None


def _told(talk: Talk) -> Iterator[Deed]:
    """What the customer was told to be done. The same deed told under two keys counts twice."""
    for sent in talk.sent:
        for one in (sent.reply or {"done": ()})["done"]:
            if one["name"] not in READS:
                yield talk.conversation, one["name"], one["reference"]


def _of(key: str | None) -> str:
    """The conversation of an action's key: "conversation/message/number"."""
    return (key or "").rsplit("/", 2)[0]


def _canceled(session: Any) -> set[str]:
    numbers = select(schema.Order.number).where(schema.Order.state == "canceled")
    return set(session.scalars(numbers))
