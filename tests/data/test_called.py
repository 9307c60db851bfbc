"""Rows that ask for calls: every form reads alike, each bad one is a DataError; values are
found in the text, and an annotation gives its calls back."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

pytest.importorskip("dateparser")

import home_calls
from attar.data import reasons
from attar.data.aligned import aligned
from attar.data.called import read_functions, task_of
from attar.data.curate import curate
from attar.data.read import read_rows, read_texts
from attar.errors import DataError, RecipeError
from attar.recipe import DataSection, parse_recipe
from attar.tasks.annotations import Annotation, Span, annotation_in
from attar.tasks.calling import alike, filled
from attar.tasks.extract import EXTRACT
from attar.tasks.functions import functions_in

TOOLS: list[dict[str, Any]] = [
    *home_calls.FUNCTIONS,
    {
        "name": "book",
        "parameters": {
            "type": "object",
            "properties": {
                "city": {"type": "string"},
                "guests": {"type": "integer"},
                "day": {"type": "string", "format": "date"},
                "price": {"type": "string", "format": "amount"},
                "note": {"type": ["string", "null"]},
            },
        },
    },
]
FUNCTIONS = functions_in(TOOLS)


def annotated(text: str, *calls: tuple[str, Mapping[str, Any]], given: Sequence[Span] = ()) -> Any:
    """The template, and the words of the spans with their labels."""
    template, spans, _, owners = aligned(text, calls, FUNCTIONS, given)
    found = filled(template, spans, text, FUNCTIONS, owners=owners)
    assert found.whole
    assert [one.name for one in found.calls] == [name for name, _ in calls]
    return json.loads(template), [(text[s.start : s.end], s.label) for s in spans]


def book(**arguments: Any) -> tuple[str, dict[str, Any]]:
    return "book", arguments


def test_values_stand_where_they_are_said() -> None:
    call = book(city="new york", guests=2, day="2026-05-03", price="120.00 EUR")
    text = "a room in New York for two on May 3 2026, at most 120 euros"
    assert annotated(text, call) == (
        [{"name": "book"}],
        [("New York", "city"), ("two", "guests"), ("May 3 2026", "day"), ("120 euros", "price")],
    )
    light = ("set_light", {"room": "bed_room", "on": True, "percent": 40})
    assert annotated("make it 40 percent in the Bed-Room", light) == (
        [{"name": "set_light", "arguments": {"on": True}}],
        [("40", "percent"), ("Bed-Room", "room")],
    )
    for said in ("9 am", "9 o'clock", "9", "nine in the morning"):
        call = ("set_alarm", {"time": "09:00"})
        assert annotated(f"wake me at {said} please", call)[1] == [(said, "time")]
    alarm = ("set_alarm", {"time": "08:30:00", "days": ["Monday", "Friday"]})
    assert annotated("half past eight on monday, and friday", alarm) == (
        [{"name": "set_alarm"}],
        [("half past eight", "time"), ("monday", "days"), ("friday", "days")],
    )


def test_words_are_whole_and_what_is_not_said_is_constant() -> None:
    assert annotated("a table for 20 in Parish", book(city="Paris", guests=2, note=None)) == (
        [{"name": "book", "arguments": {"city": "Paris", "guests": 2, "note": None}}],
        [],
    )
    assert annotated("what a day") == ([], [])
    partly = ("set_alarm", {"time": "07:00", "days": ["monday", "sunday"]})
    template, spans = annotated("at 7 on monday", partly)
    assert template[0]["arguments"] == {"days": ["monday", "sunday"]}
    assert spans == [("7", "time")]


def test_of_several_places_the_near_ones() -> None:
    calls = [("start_timer", {"duration": f"PT{n}M"}) for n in (5, 10)]
    assert annotated("timers of 5 minutes, 10 minutes", *calls)[1] == [
        ("5 minutes", "duration"),
        ("10 minutes", "duration"),
    ]
    text = "2 for me. Oslo, for 2 people"
    assert aligned(text, [book(city="Oslo", guests=2)], FUNCTIONS)[1][1].start == text.rindex("2")
    told = (Span(0, 1, "guests"),)
    assert aligned(text, [book(city="Oslo", guests=2)], FUNCTIONS, told)[1][0] == told[0]


def test_a_value_of_two_calls_that_is_said_once_is_shared() -> None:
    calls = [book(city="Oslo", guests=2), book(city="Oslo", guests=3)]
    assert annotated("Oslo: a room for 2 and one for 3", *calls) == (
        [{"name": "book"}, {"name": "book", "shared": ["city"]}],
        [("Oslo", "city"), ("2", "guests"), ("3", "guests")],
    )


def test_where_no_order_of_spans_gives_the_calls_a_value_is_constant() -> None:
    calls = [book(city="Rome"), book(city="Oslo")]
    template, spans = annotated("first Oslo, but before that Rome", *calls)
    assert template == [{"name": "book", "arguments": {"city": "Rome"}}, {"name": "book"}]
    assert spans == [("Oslo", "city")]


def test_whose_a_value_is_where_order_does_not_tell() -> None:
    """The first call could take the city, so that without owners it would be a constant."""
    calls = [("book", {"guests": 2}), book(city="Oslo")]
    text = "a table for 2, and something in Oslo"
    assert aligned(text, calls, FUNCTIONS) == Annotation(
        '[{"name":"book"},{"name":"book"}]',
        (Span(12, 13, "guests"), Span(32, 36, "city")),
        owners=(0, 1),
    )


def test_relative_days_stay_as_they_are_written() -> None:
    assert annotated("Rome, tomorrow", book(city="Rome", day="tomorrow"))[1] == [
        ("Rome", "city"),
        ("tomorrow", "day"),
    ]


def test_it_does_not_look_for_ever() -> None:
    text = " ".join(["rome oslo bern"] * 40)
    days = [["rome", "oslo", "bern"] * n for n in (5, 7, 100)]
    calls = [("set_alarm", {"time": "12:00", "days": one}) for one in days]
    for call in calls:
        annotated(text, call)
    annotated(text, *calls)


WORDS = st.sampled_from(["rome", "oslo", "two", "3", "the", "5 minutes", "noon", "kitchen", "for"])
CALLS = st.one_of(
    st.builds(
        lambda **a: ("book", {k: v for k, v in a.items() if v is not None}),
        city=st.sampled_from(["Rome", "oslo", "Bern", None]),
        guests=st.sampled_from([2, 3, 4, None]),
        day=st.sampled_from(["2026-05-03", "noon", None]),
    ),
    st.builds(
        lambda room, on: ("set_light", {"room": room, "on": on}),
        st.sampled_from(["kitchen", "hall"]),
        st.booleans(),
    ),
    st.builds(
        lambda days: ("set_alarm", {"time": "12:00", "days": days}),
        st.lists(st.sampled_from(["rome", "oslo", "the"]), max_size=3),
    ),
)


@settings(max_examples=60, deadline=None)
@given(words=st.lists(WORDS, max_size=12), calls=st.lists(CALLS, max_size=3))
def test_what_is_aligned_and_filled_again_is_the_same(words: list[str], calls: list[Any]) -> None:
    text = " ".join(words)
    template, spans, _, owners = aligned(text, calls, FUNCTIONS)
    found = filled(template, spans, text, FUNCTIONS, owners=owners)
    assert found.whole and len(found.calls) == len(calls)
    for ours, gold in zip(found.calls, calls, strict=True):
        assert alike(ours[:2], gold, FUNCTIONS)
    assert all(a.end <= b.start for a, b in zip(spans, spans[1:], strict=False))


def read(folder: Path, *records: Any) -> list[Any]:
    path = folder / "rows.jsonl"
    path.write_text("".join(json.dumps(record) + "\n" for record in records))
    fields = DataSection(())
    rows, _ = read_rows(
        [path], fields, labeled=True, strict=True, kind="spans", functions=FUNCTIONS
    )
    return rows


CALL = {"name": "book", "arguments": {"city": "Rome"}}
TOOL = {"type": "function", "function": {"name": "book", "arguments": '{"city": "Rome"}'}}
ROME = Annotation('[{"name":"book"}]', (Span(3, 7, "city"),))


@pytest.mark.parametrize(
    "record",
    [
        {"text": "to Rome", "calls": [CALL]},
        {"text": "to Rome", "calls": json.dumps([CALL])},
        {"text": "to Rome", "calls": [{"name": "book", "arguments": '{"city": "Rome"}'}]},
        {"text": "to Rome", "calls": [{**CALL, "arguments": {"city": "Rome", "guests": None}}]},
        {"text": "to Rome", "calls": [CALL], "spans": [[3, 7, "city"]]},
        {
            "messages": [
                {"role": "system", "content": "Be kind."},
                {"role": "user", "content": "to Oslo"},
                {"role": "assistant", "tool_calls": []},
                {"role": "user", "content": [{"type": "text", "text": "to Rome"}]},
                {"role": "assistant", "content": None, "tool_calls": [TOOL]},
            ]
        },
    ],
)
def test_forms_that_say_the_same(tmp_path: Path, record: Any) -> None:
    (row,) = read(tmp_path, record)
    assert row.text == "to Rome"
    assert annotation_in(row.label) == ROME


def test_none_of_these(tmp_path: Path) -> None:
    said = [{"role": "user", "content": "hi"}, {"role": "assistant", "content": "Hello!"}]
    rows = read(tmp_path, {"text": "hi", "calls": []}, {"messages": said})
    assert [annotation_in(row.label) for row in rows] == [Annotation("[]")] * 2


@pytest.mark.parametrize(
    ("record", "said"),
    [
        ({"text": "hi"}, "there are no calls"),
        ({"text": "hi", "calls": {}}, "there are no calls"),
        ({"text": "hi", "calls": "[{"}, "the field 'calls': not valid JSON"),
        ({"text": "hi", "calls": [1]}, "call 1 has no name"),
        ({"text": "hi", "calls": [CALL, {"name": "boook"}]}, "call 2: there is no function"),
        ({"text": "hi", "calls": [{"name": "book", "arguments": [1]}]}, "are no object"),
        ({"text": "hi", "calls": [{"name": "book", "arguments": "{"}]}, "not valid JSON"),
        ({"text": "hi", "calls": [{"name": "book", "arguments": {"x": 1}}]}, "no argument 'x'"),
        ({"text": "hi", "calls": [{"name": "start_timer"}]}, "'duration' of 'start_timer' is miss"),
        ({"text": "hi", "calls": [CALL] * 17}, "17 calls"),
        ({"text": "hi", "calls": [{"name": "book", "arguments": {"guests": 2**70}}]}, "too large"),
    ],
)
def test_rows_that_cannot_be_used(tmp_path: Path, record: Any, said: str) -> None:
    with pytest.raises(DataError, match=said) as error:
        read(tmp_path, record)
    assert "rows.jsonl, row 1" in str(error.value)


def test_calls_without_functions(tmp_path: Path) -> None:
    path = tmp_path / "rows.jsonl"
    path.write_text(json.dumps({"text": "to Rome", "calls": [CALL]}))
    with pytest.raises(DataError, match="names no functions"):
        read_rows([path], DataSection(()), labeled=True, strict=True, kind="spans")


def test_texts_of_messages() -> None:
    from io import BytesIO

    line = json.dumps({"messages": [{"role": "user", "content": "to Rome"}]})
    assert [*read_texts(BytesIO(line.encode()), gold_kind="spans")] == ["to Rome"]


def test_functions_of_a_recipe(tmp_path: Path) -> None:
    path = tmp_path / "functions.json"
    table = {"task": "extract", "data": {"train": "t.jsonl", "functions": "functions.json"}}
    recipe = parse_recipe(table, tmp_path)
    for content, said in (("[", "not valid JSON"), ("[{}]", "function 1: the name"), ("", "JSON")):
        path.write_text(content)
        with pytest.raises(DataError, match=rf"functions\.json: .*{said}"):
            read_functions(path)
    path.write_text(json.dumps(TOOLS))
    assert task_of(recipe).capabilities[0] == "calls"
    assert task_of(parse_recipe({"task": "extract", "data": {"train": "t"}}, tmp_path)) is EXTRACT
    with pytest.raises(RecipeError, match="calls none"):
        task_of(parse_recipe(table | {"task": "classify"}, tmp_path))


@pytest.mark.parametrize("tested", [True, False])
def test_calls_that_stand_in_one_row_leave_train_alone(tmp_path: Path, tested: bool) -> None:
    (tmp_path / "functions.json").write_text(json.dumps(TOOLS))
    rare = [
        {"text": f"something quite odd, number {n} of {n * n}", "calls": [
            {"name": "book", "arguments": {"note": f"odd {n}"}}]}
        for n in range(40, 90)
    ]  # fmt: skip
    rows = [*home_calls.rows(300, 1), *rare]
    (tmp_path / "rows.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    new = [*home_calls.rows(40, 2), {"text": "unheard of", "calls": [CALL]}]
    (tmp_path / "test.jsonl").write_text("".join(json.dumps(row) + "\n" for row in new))
    fields = DataSection(
        (tmp_path / "rows.jsonl",),
        test=(tmp_path / "test.jsonl",) if tested else (),
        functions=tmp_path / "functions.json",
    )
    task = EXTRACT.with_functions(FUNCTIONS)
    dataset = curate(task, fields)
    gone = [
        one
        for one in dataset.dropped
        if one.reason == reasons.RARE_CALLS and one.row.text.startswith("something quite odd")
    ]
    assert any("stand in fewer than 2 rows" in note for note in dataset.notes)

    def odd(split: str) -> int:
        return sum("odd" in row.text for row in getattr(dataset, split))

    assert odd("train") == odd("select") == 0
    # They are dealt like any rows: what the model will meet later is in what judges it.
    assert odd("calibrate") > 0
    assert len(gone) + odd("calibrate") + odd("certify") == len(rare)
    if tested:
        assert len(dataset.certify) == len(new)
        assert any("labels without train rows" in note for note in dataset.notes)
    else:
        assert odd("certify") > 4


def test_columns_of_a_table(tmp_path: Path) -> None:
    pyarrow = pytest.importorskip("pyarrow")
    from pyarrow import parquet

    calls = [
        [{"name": "book", "arguments": {"city": "Rome", "guests": None}}],
        [{"name": "book", "arguments": {"city": None, "guests": 2}}],
        [],
    ]
    texts = ["to Rome", "for two", "hi"]
    for name, column in (("structs", calls), ("json", [json.dumps(one) for one in calls])):
        path = tmp_path / f"{name}.parquet"
        parquet.write_table(pyarrow.table({"text": texts, "calls": column}), path)
        rows, _ = read_rows(
            [path], DataSection(()), labeled=True, strict=True, kind="spans", functions=FUNCTIONS
        )
        assert [annotation_in(row.label) for row in rows] == [
            ROME,
            Annotation('[{"name":"book"}]', (Span(4, 7, "guests"),)),
            Annotation("[]"),
        ]


def test_the_example_of_the_documents(tmp_path: Path) -> None:
    page = (Path(__file__).parents[2] / "docs" / "extract.md").read_text(encoding="utf-8")
    section = page.split("## Function calls")[1].split("\n## ")[0]
    functions, rows = [part.split("```")[0] for part in section.split("```json\n")[1:3]]
    (tmp_path / "functions.json").write_text(functions)
    (tmp_path / "rows.jsonl").write_text(rows)
    read, _ = read_rows(
        [tmp_path / "rows.jsonl"],
        DataSection(()),
        labeled=True,
        strict=True,
        kind="spans",
        functions=read_functions(tmp_path / "functions.json"),
    )
    found = [annotation_in(row.label) for row in read]
    assert [len(json.loads(one.label or "")) for one in found] == [1, 2, 0, 1]
    assert [read[1].text[s.start : s.end] for s in found[1].spans] == [
        "bed room",
        "fifty",
        "half an hour",
    ]
