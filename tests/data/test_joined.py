"""Rows joined from others: their calls, arguments and segments are those of their parts."""

from __future__ import annotations

import pytest

pytest.importorskip("dateparser")

from hypothesis import given, settings
from hypothesis import strategies as st

from attar.data import joined
from attar.data.joined import JOINED, joined_rows
from attar.tasks.annotations import annotation_in, name_of
from attar.tasks.calling import Part, filled, name_of_template
from attar.tasks.functions import functions_in
from attar.types import Row

FUNCTIONS = functions_in([
    {"name": name, "parameters": {"type": "object", "properties": {"what": {"type": "string"}}}}
    for name in ("start", "stop")
])  # fmt: skip


def row(text: str, name: str | None = None, what: str = "") -> Row:
    spans = [(text.index(what), text.index(what) + len(what), "what")] if what else []
    template = name_of_template([Part(name, {})] if name else [])
    return Row(text, name_of(template, spans), None, "rows.jsonl", 1)


ROWS = [
    row("Stop the fan.", "stop", "fan"),
    row("  Lamp on!", "start", "Lamp"),
    row("TV off, please", "stop", "TV"),
    row("How are you?"),
    row("I like it"),
    row("Start 50 %", "start", "50 %"),
]


@settings(deadline=None, max_examples=40)
@given(seed=st.integers(0, 10_000))
def test_parts_keep_what_they_say(seed: int) -> None:
    made = joined_rows(ROWS * 4, [], FUNCTIONS, seed)
    assert made == joined_rows(ROWS * 4, [], FUNCTIONS, seed)
    assert made
    known = {}
    for one in ROWS:
        annotation = annotation_in(one.label)
        parts = filled(annotation.label, annotation.spans, one.text, FUNCTIONS).calls
        for part in parts:
            known[one.text.strip(" .!?").casefold()] = (part.name, part.arguments)
    for one in made:
        assert one.file == JOINED
        annotation = annotation_in(one.label)
        found = filled(annotation.label, annotation.spans, one.text, FUNCTIONS)
        assert found.whole
        assert annotation.calls is not None
        assert len(found.calls) == len(annotation.calls) > 0
        for call, (start, end) in zip(found.calls, annotation.calls, strict=True):
            said = one.text[start:end].strip(".!?").casefold()
            # Of an echo the rest of a text, and its own value.
            if said in known:
                assert known[said] == (call.name, call.arguments)
            else:
                assert str(call.arguments["what"]).casefold() in said


def test_how_parts_are_joined() -> None:
    texts = {one.text for seed in range(300) for one in joined_rows(ROWS * 2, [], FUNCTIONS, seed)}
    assert "Stop the fan and TV off, please" in texts
    assert "TV off, please and stop the fan." in texts
    assert "How are you? Lamp on!" in texts
    assert "Lamp on! Stop the fan." in texts
    assert any(text.startswith("Start 50 % and I like it") for text in texts)


def test_one_call_for_two_values() -> None:
    rows = [row("Stop the fan now", "stop", "fan"), row("stop TV", "stop", "TV")]
    found = {one.text: one for seed in range(99) for one in joined_rows(rows, [], FUNCTIONS, seed)}
    annotation = annotation_in(found["Stop the fan and TV now"].label)
    assert annotation.calls == ((0, 12), (17, 23))
    said = filled(annotation.label, annotation.spans, "Stop the fan and TV now", FUNCTIONS).calls
    assert [one[:2] for one in said] == [("stop", {"what": "fan"}), ("stop", {"what": "TV"})]
    lists = functions_in([
        {"name": "stop", "parameters": {"type": "object", "properties": {
            "what": {"type": "array", "items": {"type": "string"}}}}}
    ])  # fmt: skip
    listed = {one.text for seed in range(99) for one in joined_rows(rows, [], lists, seed)}
    assert listed
    assert "Stop the fan and TV now" not in listed


def test_nothing_that_is_known_and_nothing_of_nothing() -> None:
    made = joined_rows(ROWS * 4, [], FUNCTIONS, 1)
    again = joined_rows(ROWS * 4, [Row(made[0].text.upper())], FUNCTIONS, 1)
    assert again == made[1:]
    assert joined_rows([ROWS[3], ROWS[4]] * 10, [], FUNCTIONS, 0) == []
    assert joined_rows(ROWS[:1], [], FUNCTIONS, 0) == []


def test_what_is_not_joined(monkeypatch: pytest.MonkeyPatch) -> None:
    long = row("stop " + "well " * 50)
    several = Row("a", name_of(name_of_template([Part("stop", {})] * 2), []))
    rows = [ROWS[0], long, row("two\nlines", "stop"), several]
    assert joined_rows(rows, [], FUNCTIONS, 0) == []
    monkeypatch.setattr(joined, "MAX_CHARACTERS", 300)
    assert len(joined_rows(rows, [], FUNCTIONS, 0)) == 1


def test_words_are_those_of_the_language() -> None:
    pytest.importorskip("py3langid")
    german = [
        row(f"Mach bitte das Licht in der {room} aus", "stop", room)
        for room in ("Küche", "Garage", "Diele", "Stube", "Kammer")
    ]
    said = " | ".join(
        one.text for seed in range(20) for one in joined_rows(german * 4, [], FUNCTIONS, seed)
    )
    assert " und " in said
    assert " and " not in said
