"""The simulated customer, what is read from rows and replies, and the counting."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from datetime import date
from decimal import Decimal
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

pytest.importorskip("sqlalchemy")

from desk.types import Reply, Request, Understood
from measure import customer as customers
from measure import day, reading, report
from measure.customer import Customer
from measure.figures import figures, percentile, wilson
from measure.follow_rows import read_follow_ups
from measure.follow_ups import look
from measure.orders import Known, Line
from measure.play import Played, Said
from measure.rows import read_days, read_row
from measure.scene import Scene
from measure.told import all_phrases, phrase
from measure.variations import Made, Variation, fits, right, wanted
from measure.verdicts import Fault, ToRead, Verdict
from measure_world import row, tell

S, M, L = (Made(size, "red", size, 5) for size in "SML")
BLUE = Made("B", "blue", "M", 5)


def order(number: str) -> Known:
    line = Line("Wool coat", M, 1, (S, M, L, BLUE), True)
    return Known(
        number=number,
        state="processing",
        customer="C-1",
        customer_id=1,
        email="a@b.example",
        name="Ann Bell",
        address="1 Elm Row",
        country="GB",
        payment="card",
        total=Decimal(9),
        placed=date(2026, 11, 1),
        expected=date(2026, 11, 9),
        tracking=None,
        delivered=None,
        refunded=Decimal(0),
        returns=0,
        lines=(line,),
    )


def scene(**more: Any) -> Scene:
    held: dict[str, Any] = {"outcome": "action", "wants": ["cancel_order"], "order": "processing"}
    outcome, wants = (more | held)["outcome"], more.pop("wants", held["wants"])
    one = row(more.pop("outcome", outcome), *wants, **({"order": "processing"} | more))
    fill = {
        "order": "MF-10001",
        "other_order": "MF-10002",
        "email": "a@b.example",
        "address": "7 Long Row, York YO1 9AA",
        "product": "Wool coat",
        "other_product": "Oak stool",
    }
    main, other = order("MF-10001"), order("MF-10002")
    return Scene(one, main, other if one.other_order else None, None, main.lines[0], fill)


def test_answers_are_the_rows_own_one_after_the_other() -> None:
    customer = Customer(scene(answers={"email": ["why do you need that??", "{email}"]}))
    said = [customer.answers("email", None, ())[0] for _ in range(3)]
    assert said == ["why do you need that??", "{email}", "{email}"]
    assert customer.unready == []


def test_what_the_row_does_not_say_is_known_all_the_same_and_counted() -> None:
    customer = Customer(scene())
    assert customer.answers("order_number", None, ())[0] == "{order}"
    assert customer.answers("code", None, ())[0] == "I don't have that"
    assert customer.unready == ["order_number", "code"]
    stranger = Customer(scene(outcome="refuse", wants=[], hostile=True))
    assert stranger.answers("email", None, ())[0] == "I don't have that"


def test_proposals_are_read() -> None:
    customer = Customer(scene(answers={"confirm": "yes, do"}))
    wants = ("cancel_order",)
    assert customer.answers("confirm", "cancel_order", wants) == ("yes, do", "answer")
    assert customer.answers("confirm", "return_item", wants) == ("no", "no")
    assert customer.answers("meant", "cancel_order", wants) == ("yes please", "answer")
    assert customer.answers("meant", "invoice", wants) == ("no", "no")
    careless = Customer(scene(answers={"confirm": "yes, do"}), careless=True)
    assert careless.answers("confirm", "return_item", wants) == ("yes, do", "answer")


def test_who_only_wants_to_know_takes_no_offer() -> None:
    customer = Customer(scene(outcome="answer", wants=["return_item"]))
    assert customer.answers("offer", "return_item", ("return_item",))[0] == "no"
    customer = Customer(scene(outcome="action", wants=["return_item"]))
    assert customer.answers("offer", "return_item", ("return_item",))[0] == "yes please"


def test_a_wrong_proposal_is_put_right_once() -> None:
    customer = Customer(scene(wants=["change_address"]))
    wants = ("change_address",)
    wrong = tell("confirm.change_address", number="MF-10001", address="MF-10001")
    assert customer.answers("confirm", "change_address", wants, wrong) == (
        "no, {address}",
        "answer",
    )
    assert customer.answers("confirm", "change_address", wants, wrong) == ("no", "no")
    good = tell("confirm.change_address", number="MF-10001", address="7 long row, York, YO1 9AA")
    assert customer.answers("confirm", "change_address", wants, good)[0] == "yes please"


def test_the_other_order_is_not_confirmed() -> None:
    customer = Customer(scene(other_order="processing"))
    asked = tell("confirm.cancel_order", number="MF-10002", total="9", items="a coat")
    assert customer.answers("confirm", "cancel_order", ("cancel_order",), asked) == ("no", "no")


def test_another_size_than_was_said_is_put_right() -> None:
    customer = Customer(scene(wants=["exchange_item"], answers={"size": "one size up"}))
    facts = {"number": "MF-10001", "product": "Wool coat (red M)"}
    up = tell("confirm.exchange_item", change="size L", **facts)
    down = tell("confirm.exchange_item", change="size S", **facts)
    assert customer.answers("confirm", "exchange_item", ("exchange_item",), up)[0] == "yes please"
    said = customer.answers("confirm", "exchange_item", ("exchange_item",), down)[0]
    assert said == "no, one size up"


def test_an_answer_that_was_begun_is_ended_unasked() -> None:
    customer = Customer(scene(answers={"order_number": ["one moment", "{order}"]}))
    assert customer.goes_on() is None
    customer.answers("order_number", None, ())
    assert customer.goes_on() == "{order}"
    assert customer.goes_on() is None


@pytest.mark.parametrize(
    ("size", "says", "expected"),
    [
        ("one size up", "swap it", Variation(step=1)),
        ("two sizes up", "swap it", Variation(step=2)),
        ("XL", "a larger one", Variation(size="XL", larger=True)),
        ("a medium please", "too small, swap", Variation(size="M")),
        ("navy, or black", "another colour", Variation(colors=("black", "navy"))),
    ],
)
def test_variations_are_read(size: str, says: str, expected: Variation) -> None:
    one = row("action", "exchange_item", says=[says], answers={"size": size})
    assert wanted(one) == expected


def test_what_was_not_asked_was_not_said() -> None:
    one = row("action", "exchange_item", says=["a bigger one"], answers={"size": "two sizes up"})
    assert wanted(one, size_said=False) == Variation(larger=True)


def test_variations_are_judged() -> None:
    made = (S, M, L, BLUE)
    assert right(Variation(step=1), made, M, L)
    assert not right(Variation(step=1), made, S, L)
    assert right(Variation(larger=True), made, S, L)
    assert not right(Variation(larger=True), made, L, M)
    assert right(Variation(colors=("blue",)), made, M, BLUE)
    assert not right(Variation(colors=("blue",)), made, M, L)
    assert fits(Variation(step=1), made, M, 1, 1)
    assert not fits(Variation(step=1), made, L, 1, 1)
    assert not fits(Variation(count=0), made, L, 1, 1)


def test_phrases_are_known_again() -> None:
    assert phrase(tell("unclear"), "en") == "unclear"
    facts = {"number": "MF-1", "carrier": "Northway", "tracking": "NW1", "expected": "2026-11-30"}
    assert phrase(tell("order_status.dispatched", **facts), "en") == "order_status.dispatched"
    refused = tell("refused.cancel_order.already_dispatched", number="MF-1")
    assert phrase(refused, "en") == "refused.cancel_order.already_dispatched"
    assert phrase("Open from 9 to 5.", "en") is None
    assert all_phrases(["Hm.", tell("help.nothing")], "en") == ("help.nothing",)


@pytest.mark.parametrize(
    ("change", "error"),
    [
        ({"outcome": "perhaps"}, "outcome"),
        ({"order": "lost"}, "order"),
        ({"says": []}, "says"),
        ({"answers": {"colour": "red"}}, "answers"),
    ],
)
def test_rows_that_are_none_are_named(tmp_path: Path, change: dict[str, Any], error: str) -> None:
    held = {"id": "x", "outcome": "answer", "wants": [], "order": None, "says": ["hi"]}
    held |= {"answers": {}, "then": []}
    assert read_row(held).id == "x"
    file = tmp_path / "day.jsonl"
    file.write_text(json.dumps(held | change) + "\n")
    with pytest.raises(ValueError, match=f"day.jsonl, line 1.*{error}"):
        read_days([file])
    file.write_text(f"{json.dumps(held)}\n{json.dumps(held)}\n")
    with pytest.raises(ValueError, match="line 2.*taken by"):
        read_days([file])


def test_the_days_of_the_repository_can_be_read() -> None:
    rows = read_days(list(day.DAYS))
    assert len(rows) > 400
    assert {one.outcome for one in rows} == {"answer", "action", "ticket", "person", "refuse"}


@given(st.integers(1, 3_000), st.data())
def test_intervals_hold_their_share(trials: int, data: st.DataObject) -> None:
    successes = data.draw(st.integers(0, trials))
    low, high = wilson(successes, trials)
    assert 0 <= low <= successes / trials + 1e-9
    assert successes / trials - 1e-9 <= high <= 1


def test_intervals_are_wilsons() -> None:
    low, high = wilson(10, 100)  # by hand
    assert (round(low, 4), round(high, 4)) == (0.0552, 0.1744)


def test_percentiles() -> None:
    assert percentile(range(1, 101), 0.95) == 95
    assert percentile([3.0], 0.99) == 3
    assert percentile([], 0.5) is None


def said(kind: Any, wants: tuple[str, ...], *named: str, **more: Any) -> Said:
    understood = Understood(
        tuple(Request(one) for one in named), abstained=more.pop("abstained", False)
    )
    reply = Reply(("…",), handed=more.pop("handed", None))
    return Said(kind, "…", wants, reply, understood, None, None, more.pop("begun", ()), 2.0)


def conversation(verdict: Verdict, *turns: Said, **more: Any) -> tuple[Played, Verdict]:
    return Played(scene(**more), list(turns)), verdict


def test_figures_count() -> None:
    wants = ("cancel_order",)
    judged = [
        conversation(Verdict("right"), said("opening", wants, "cancel_order")),
        conversation(
            Verdict("wrong", [Fault("wrong action", "complain"), Fault("wrong action", "x")]),
            said("opening", wants, "complaint"),
            said("remark", (), "complaint", begun=("complaint",)),
        ),
        conversation(
            Verdict("handed without need"),
            said("opening", wants, "cancel_order", abstained=True, handed="unsure"),
        ),
        conversation(
            Verdict("handed"), said("opening", wants, "speak_to_person", handed="asked"),
            outcome="person",
        ),
        conversation(
            Verdict("right", [], [ToRead("", "", None, "")]), said("opening", ()), wants=[],
            outcome="refuse",
        ),
    ]  # fmt: skip
    found = figures(judged)
    needing, every = found["needing"], found["all"]
    assert (needing["conversations"], every["conversations"]) == (4, 5)
    assert needing["handed over"]["count"] == 2
    assert needing["without need"]["count"] == 1
    assert needing["fewer than without a bot"]["share"] == 0.5
    assert every["fewer than without a bot"]["share"] == 0.6
    assert every["fewer if wrong ones come back"]["share"] == 0.4
    assert needing["kinds of wrong"] == {"wrong action": 1}
    assert every["by reason"] == {"unsure": 1, "asked": 1}
    assert every["of these to be read"] == 1
    model = found["model"]
    assert model["decided by the model alone"]["count"] == 4
    assert model["wrong"]["count"] == 1
    assert model["lacks one"]["count"] == 2
    assert model["other messages that began something unasked"]["count"] == 1
    assert found["turns"]["turns"] == 6
    assert "wrong action 1" in report.text(found)


def follow(tmp_path: Path, line: str) -> Any:
    file = tmp_path / "follow.txt"
    file.write_text(line + "\n")
    return read_follow_ups(file)[0]


class Desk:
    """Has this wish after the second message."""

    def __init__(self, intent: str, slots: Mapping[str, str], key: str = "m2", **reply: Any):
        self.wish = SimpleNamespace(intent=intent, slots=slots, key=key)
        self.reply = Reply(reply.pop("texts", ("fine",)), **reply)
        self.messages = 0

    def take(self, message: Any) -> Reply:
        self.messages += 1
        return Reply(("what?",)) if self.messages == 1 else self.reply

    def conversation(self, name: str) -> Any:
        return SimpleNamespace(
            wishes=(self.wish,), settled=None, email=None, orders=(), asking=None
        )


PAIR = "order_status\twhere is it\tWhich?\tthe [boots](product), [MF-50931](order_number)"


@pytest.mark.parametrize(
    ("desk", "kind", "missed"),
    [
        (Desk("order_status", {"order_number": "MF-50931", "product": "boots"}), "right", []),
        (Desk("order_status", {"order_number": "MF-50931"}), "right", ["product"]),
        (Desk("cancel_order", {"product": "the boots, MF-50932"}), "wrong", ["order_number"]),
        (Desk("order_status", {}, texts=(tell("closing"),)), "wrong", ["product", "order_number"]),
        (Desk("order_status", {}, texts=(tell("unclear"),)), "asked", ["product", "order_number"]),
        (Desk("order_status", {}, handed="unsure"), "handed", ["product", "order_number"]),
    ],
)
def test_follow_ups_are_judged(tmp_path: Path, desk: Any, kind: str, missed: list[str]) -> None:
    found = look(follow(tmp_path, PAIR), desk, "C-1")
    assert (found.kind, [slot for slot, _ in found.missed]) == (kind, missed)


def test_thanks_begin_nothing(tmp_path: Path) -> None:
    pair = follow(tmp_path, "thanks\tcancel 12345\tDone.\tgreat ta")
    assert look(pair, Desk("cancel_order", {}, key="m1"), "C-1").kind == "right"
    assert look(pair, Desk("cancel_order", {}, key="m2"), "C-1").kind == "wrong"


def test_lines_that_are_no_follow_ups_are_named(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"follow.txt, line 1: 2 parts"):
        follow(tmp_path, "thanks\tgreat ta")


def test_of_what_is_offered_the_customer_takes_what_it_wants(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    names = {"Where an order is": "order_status", "Send something back": "return_item"}
    monkeypatch.setattr(customers, "choice_named", lambda offered, language: names.get(offered))
    offered = (*names, "Something else")
    both = Customer(scene(wants=["order_status", "return_item"]))
    wants = ("order_status", "return_item")
    chosen = "Where an order is and Send something back"
    assert both.answers("choice", None, wants, "", offered) == (chosen, "answer")
    assert both.answers("choice", None, ("invoice",), "", offered)[1] == "no"


def test_of_pages_the_customer_takes_the_one_that_is_known_to_answer(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(reading, "page_ids", lambda: {"Leeds": "p1", "York": "p2"})
    one = scene(outcome="answer", wants=["store_info"])
    customer = Customer(replace(one, pages=frozenset({"p2"})), request="when is Leeds open")
    assert customer.answers("page", None, (), "", ("Leeds", "York")) == ("York", "answer")
    assert customer.answers("page", None, (), "", ("Leeds",))[1] == "no"
    customer = Customer(one, request="when is Leeds open")
    assert customer.answers("page", None, (), "", ("York", "Leeds")) == ("Leeds", "answer")
    assert customer.answers("page", None, (), "", ("York",))[1] == "no"
