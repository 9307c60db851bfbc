"""Templates and spans to calls: whose a span is, what is shared, and what no function takes."""

from __future__ import annotations

from datetime import date
from typing import Any

import numpy as np
import pytest

pytest.importorskip("dateparser")

from attar.errors import BundleError
from attar.predictions import Extraction, Prediction
from attar.tasks.annotations import annotation_in, name_of
from attar.tasks.call_answers import on_day
from attar.tasks.calling import Part, check_template, filled, name_of_template, template_in
from attar.tasks.extract import EXTRACT
from attar.tasks.functions import functions_in
from attar.testing import check_task
from attar.types import Row

TOOLS: list[dict[str, Any]] = [
    {
        "name": "light",
        "parameters": {
            "type": "object",
            "properties": {
                "room": {"type": "string"},
                "level": {"type": "integer", "maximum": 100},
                "on": {"type": "boolean"},
            },
            "required": ["room"],
        },
    },
    {
        "name": "buy",
        "parameters": {
            "type": "object",
            "properties": {
                "things": {"type": "array", "items": {"type": "string"}},
                "day": {"type": "string", "format": "date"},
            },
        },
    },
]
FUNCTIONS = functions_in(TOOLS)
TASK = EXTRACT.with_functions(FUNCTIONS)


def spans(text: str, **labels: str) -> list[tuple[int, int, str]]:
    """Of words that stand in the text once; a label may end in digits, which are taken off."""
    found = [(text.index(w), text.index(w) + len(w), k.rstrip("0123")) for k, w in labels.items()]
    return sorted(found)


def calls(text: str, parts: list[Part], **labels: str) -> tuple[list[Any], bool]:
    found = filled(name_of_template(parts), spans(text, **labels), text, FUNCTIONS)
    return [(one.name, dict(one.arguments)) for one in found.calls], found.whole


LIGHT, BUY = Part("light", {}), Part("buy", {})


def test_a_call() -> None:
    text = "hall to fifty"
    found = calls(text, [Part("light", {"on": True})], room="hall", level="fifty")
    assert found == ([("light", {"on": True, "room": "hall", "level": 50})], True)


def test_none_of_them() -> None:
    assert calls("how are you", []) == ([], True)
    assert filled(None, [], "how are you", FUNCTIONS) == ((), True)


def test_arguments_stand_together() -> None:
    text = "hall and kitchen to 50"
    assert calls(text, [LIGHT, LIGHT], room1="hall", room2="kitchen", level="50")[0] == [
        ("light", {"room": "hall"}),
        ("light", {"room": "kitchen", "level": 50}),
    ]
    text = "50 in the hall, 20 in the kitchen"
    assert calls(text, [LIGHT, LIGHT], level1="50", room1="hall", level2="20", room2="kitchen")[
        0
    ] == [("light", {"level": 50, "room": "hall"}), ("light", {"level": 20, "room": "kitchen"})]


def test_lists_take_several_and_come_in_order() -> None:
    text = "buy eggs, milk and light in the hall"
    assert calls(text, [BUY, LIGHT], things1="eggs", things2="milk", room="hall") == (
        [("buy", {"things": ["eggs", "milk"]}), ("light", {"room": "hall"})],
        True,
    )


def test_what_is_shared_is_said_once() -> None:
    text = "on at 50 and on in the hall"
    parts = [Part("light", {}, ("room",)), LIGHT]
    found, whole = calls(text, parts, level="50", room="hall")
    assert whole
    assert found == [("light", {"level": 50, "room": "hall"}), ("light", {"room": "hall"})]
    assert calls("50", parts, level="50") == ([], False)  # nobody has it


def test_calls_that_no_function_takes_are_left_out() -> None:
    text = "hall to 500 and buy eggs"
    found, whole = calls(text, [LIGHT, BUY], room="hall", level="500", things="eggs")
    assert (found, whole) == ([("buy", {"things": ["eggs"]})], False)
    assert calls("fifty", [LIGHT], level="fifty") == ([], False)  # the room is missing
    assert calls("hall to some", [LIGHT], room="hall", level="some") == ([], False)  # no number
    assert calls("eggs", [], things="eggs") == ([], False)  # a span that belongs to no call


def test_constants_are_not_taken_from_the_text() -> None:
    text = "hall or kitchen"
    assert calls(text, [Part("light", {"room": "attic"}), LIGHT], room1="hall")[0] == [
        ("light", {"room": "attic"}),
        ("light", {"room": "hall"}),
    ]


def test_a_reference_day() -> None:
    text = "eggs for tomorrow"
    template = name_of_template([BUY])
    given = spans(text, things="eggs", day="tomorrow")
    (plain,) = filled(template, given, text, FUNCTIONS).calls
    assert plain.arguments["day"] == "tomorrow"
    (dated,) = filled(template, given, text, FUNCTIONS, date(2026, 11, 28)).calls
    assert dated.arguments["day"] == "2026-11-29"


def test_an_answer_on_a_day() -> None:
    rows = [row("eggs for tomorrow", [BUY], things="eggs", day="tomorrow")]
    columns = TASK.targets(rows, None)
    settings = TASK.settings(columns, None)
    given = outputs(rows, columns=columns)
    (answer,) = TASK.decode(given, {"task_settings": settings})
    dated = on_day(answer.in_text(rows[0].text), settings, date(2026, 11, 28)).to_json()
    assert dated["calls"][0]["arguments"] == {"things": ["eggs"], "day": "2026-11-29"}
    plain = Prediction("a", 1.0)
    assert on_day(plain, settings, date(2026, 11, 28)) is plain


def test_answers_do_not_share_their_lists() -> None:
    parts = [Part("buy", {"things": ["eggs"]}), Part("buy", {}, ("things",))]
    (first, second) = filled(name_of_template(parts), (), "", FUNCTIONS).calls
    first.arguments["things"].append("milk")
    assert second.arguments["things"] == ["eggs"]
    (again, _) = filled(name_of_template(parts), (), "", FUNCTIONS).calls
    assert again.arguments["things"] == ["eggs"]


def test_templates_have_one_name() -> None:
    parts = (Part("light", {"on": True, "level": 5}, ("room",)), BUY)
    name = name_of_template(parts)
    assert template_in(name) == parts
    assert name == '[{"arguments":{"level":5,"on":true},"name":"light","shared":["room"]},' + (
        '{"name":"buy"}]'
    )
    unhashable = '[{"name":"light","shared":[["room"]]}]'
    listed = '[{"arguments":["room"],"name":"light"}]'
    for bad in (unhashable, listed, '[{"name":{}}]', '[{"name":["light"]}]'):
        with pytest.raises(ValueError, match="no template"):
            check_template(bad, FUNCTIONS)
    for bad in ("", "{}", "[1]", '[{"name": "light"}]', "[" * 100_000, '[{"arguments":{}}]', "3"):
        with pytest.raises(ValueError, match="no template"):
            template_in(bad)
    with pytest.raises(ValueError, match="no function 'x'"):
        check_template('[{"name":"x"}]', FUNCTIONS)
    with pytest.raises(ValueError, match="no argument 'x'"):
        check_template('[{"name":"light","shared":["x"]}]', FUNCTIONS)
    with pytest.raises(ValueError, match="no template"):
        check_template(name_of_template([LIGHT] * 17), FUNCTIONS)


def row(text: str, parts: list[Part], **labels: str) -> Row:
    name = name_of(name_of_template(parts), spans(text, **labels))
    return Row(text, name, None, "rows.jsonl", 1)


ROWS = [
    row("hall to 50", [LIGHT], room="hall", level="50"),
    row("kitchen and eggs", [LIGHT, BUY], room="kitchen", things="eggs"),
    row("how are you", []),
    row("the attic", [LIGHT], room="attic"),
]
COLUMNS = TASK.targets(ROWS, None)


def outputs(rows: list[Row], columns: tuple[str, ...] = COLUMNS) -> dict[str, Any]:
    gold = TASK.gold(rows, columns)
    logits = np.zeros((*gold.shape[:2], len(columns)), np.float32)
    known = np.nonzero(gold >= 0)
    logits[(*known[:2], gold[known])] = 9.0
    return {"logits": logits, **TASK.beside([r.text for r in rows])}


def manifest(**more: Any) -> dict[str, Any]:
    return {"task_settings": TASK.settings(COLUMNS, None) | more}


def test_the_contract() -> None:
    check_task(TASK, ROWS)
    assert TASK.capabilities == ("calls", "spans", "embed")
    assert "calls" not in EXTRACT.claim_metrics


def test_answers_hold_calls() -> None:
    answers = TASK.decode(outputs(ROWS), manifest())
    assert all(isinstance(a, Extraction) for a in answers)
    shown = [a.in_text(r.text).to_json()["calls"] for a, r in zip(answers, ROWS, strict=True)]
    assert [[(c["name"], c["arguments"]) for c in one] for one in shown] == [
        [("light", {"room": "hall", "level": 50})],
        [("light", {"room": "kitchen"}), ("buy", {"things": ["eggs"]})],
        [],
        [("light", {"room": "attic"})],
    ]
    assert 0 < answers[1].score < min(c["score"] for c in shown[1]) <= 1
    assert answers[1].named == ('light(room="kitchen")', 'buy(things=["eggs"])')
    assert TASK.shown(ROWS[2].label, ROWS[2].text) == "none of the functions"
    assert TASK.shown(ROWS[0].label, ROWS[0].text) == 'light(room="hall", level=50)'
    golden = answers[0].to_golden()
    assert answers[0].differs(golden, 1e-6) is None
    golden["calls"][0]["arguments"] = {"room": "hall", "level": 51}
    assert "calls" in str(answers[0].differs(golden, 1e-6))


def test_an_invalid_call_makes_the_answer_abstain() -> None:
    wrong = [row("hall to 50", [LIGHT], level="50"), ROWS[3]]  # without its room
    answers = TASK.decode(outputs(wrong), manifest())
    assert [a.abstained for a in answers] == [True, False]
    assert answers[0].to_json()["calls"] == []
    assert TASK.acceptance(outputs(wrong), manifest()).tolist() == [0.0, answers[1].score]


def test_metrics_compare_what_a_caller_would_get() -> None:
    wrong = [
        row("hall to 50", [LIGHT], room="hall"),  # an argument is missing
        row("kitchen and eggs", [LIGHT], room="kitchen"),  # a call is
        ROWS[2],
        row("the attic", [LIGHT], room="the attic"),
    ]
    answers = TASK.decode(outputs(wrong), manifest())
    found = TASK.metrics(ROWS, answers, None)
    assert found["calls"] == pytest.approx(1 / 4)
    assert found["call_f1"] == pytest.approx(2 * 1 / (3 + 4))
    evidence = TASK.evidence(ROWS, answers, None, None)
    assert evidence["calls"].value == pytest.approx(1 / 4)
    assert evidence["call_f1"].value == pytest.approx(found["call_f1"])
    perfect = TASK.metrics(ROWS, TASK.decode(outputs(ROWS), manifest()), None)
    assert (perfect["calls"], perfect["call_f1"]) == (1.0, 1.0)
    assert "calls" not in EXTRACT.metrics(ROWS, answers, None)
    # An answer that abstains because it is no call is not right for saying nothing.
    idle = TASK.decode(outputs([row("the attic", [LIGHT])]), manifest())
    assert TASK.metrics([row("the attic", [])], idle, None)["calls"] == 0.0


def test_functions_without_spans() -> None:
    rows = [row("on", [Part("light", {"room": "hall"})]), row("hi", [])]
    columns = TASK.targets(rows, None)
    assert columns[0] == "O"
    assert columns[1] == "call: O"
    TASK.check(rows)
    settings = TASK.settings(columns, None)
    TASK.check_manifest({"task_settings": settings})
    given = outputs(rows, columns=columns)
    answers = TASK.decode(given, {"task_settings": settings})
    assert [annotation_in(a.label) for a in answers] == [annotation_in(r.label) for r in rows]
    assert TASK.score(TASK.metrics(rows, answers, None)) == 1.0


@pytest.mark.parametrize(
    "change",
    [
        {"functions": []},
        {"functions": {"light": {}}},
        {"functions": [{"name": "light"}]},  # which has no room that the templates name
        {"functions": [{"name": "other"}]},
        {"functions": [{"name": f"f{i}"} for i in range(1000)]},
        {"functions": [*TOOLS, {"name": "x", "description": "x" * 2_000_000}]},
        {"functions": TOOLS + TOOLS[:1]},
        {"labels": ["play"]},
        {"labels": ['[{"name":"light"}', "[]"]},
        {"labels": []},
    ],
)
def test_hostile_manifests(change: dict[str, Any]) -> None:
    settings = manifest()["task_settings"]
    settings["labels"] = [*settings["labels"], '[{"arguments":{"room":"x"},"name":"light"}]']
    TASK.check_manifest({"task_settings": settings})
    with pytest.raises(BundleError, match=r"manifest\.json"):
        TASK.check_manifest({"task_settings": {**settings, **change}})
