"""Values as people write them: numbers, times, durations, days, amounts and choices."""

from __future__ import annotations

import sys
from datetime import date
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

pytest.importorskip("dateparser")

from attar.errors import MissingExtraError
from attar.tasks.functions import Value, functions_in
from attar.tasks.normalize import canonical, fold, need_extra, normalized, same

NUMBER, INTEGER, BOOLEAN = Value("number"), Value("integer"), Value("boolean")
DAY, TIME, MOMENT, DURATION, AMOUNT = (
    Value("string", (), form) for form in ("date", "time", "date-time", "duration", "amount")
)
SATURDAY = date(2026, 11, 28)


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("7", 7), ("seven", 7), ("Twenty-two", 22), ("2.5", 2.5), ("2,5", 2.5), ("1,200", 1200),
        ("1 200 000", 1_200_000), ("minus five", -5), ("−3", -3), ("50%", 50),
        ("fifty percent", 50), ("a hundred", 100), ("a dozen", 12), ("two dozen", 24),
        ("two point five", 2.5), ("two and a half", 2.5), ("half", 0.5), ("zero", 0),
        ("two hundred and five", 205), ("1e5", None), ("x", None), ("", None), ("%", None),
        ("9" * 30, None), ("1 2", None),
    ],
)  # fmt: skip
def test_numbers(text: str, value: Any) -> None:
    assert normalized(text, NUMBER) == value


def test_integers_are_whole() -> None:
    assert normalized("2.5", INTEGER) is None
    assert isinstance(normalized("2.0", INTEGER), int)


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("7", "07:00"), ("half past eight", "08:30"), ("quarter to nine", "08:45"),
        ("twenty to nine", "08:40"), ("7pm", "19:00"), ("7 p.m.", "19:00"), ("7.30pm", "19:30"),
        ("seven oh five", "07:05"), ("eight thirty", "08:30"), ("8 o'clock", "08:00"),
        ("8 in the evening", "20:00"), ("11 at night", "23:00"), ("2 at night", "02:00"),
        ("noon", "12:00"), ("midnight", "00:00"), ("twelve am", "00:00"), ("12 pm", "12:00"),
        ("ten to midnight", "23:50"), ("07:30:15", "07:30:15"), ("25", None), ("13 pm", None),
        ("7:61", None), ("lights", None), ("", None),
    ],
)  # fmt: skip
def test_times(text: str, value: str | None) -> None:
    assert normalized(text, TIME) == value


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("two hours", "PT2H"), ("90 minutes", "PT1H30M"), ("1h30", "PT1H30M"),
        ("an hour and a half", "PT1H30M"), ("half an hour", "PT30M"),
        ("two and a half hours", "PT2H30M"), ("one hour thirty", "PT1H30M"), ("45s", "PT45S"),
        ("ten-minute", "PT10M"), ("30 second", "PT30S"), ("3 days and 4 hours", "P3DT4H"),
        ("a week", "P7D"), ("two months", "P2M"), ("a year", "P1Y"), ("pt120m", "PT2H"),
        ("P1DT1H", "P1DT1H"), ("24 hours", "P1D"), ("10 lights", None), ("ten", None),
        ("0 minutes", None), ("", None), ("half a month", None),
    ],
)  # fmt: skip
def test_durations(text: str, value: str | None) -> None:
    assert normalized(text, DURATION) == value


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("12.50 EUR", "12.50 EUR"), ("$5", "5.00 USD"), ("twelve euros", "12.00 EUR"),
        ("1.200,50 €", "1200.50 EUR"), ("20 bucks", "20.00 USD"), ("CHF 20", "20.00 CHF"),
        ("five pounds", "5.00 GBP"), ("0.125 USD", "0.1250 USD"), ("1.200 €", "1200.00 EUR"),
        ("5", None), ("euros", None), ("5 apples", None), ("5 EUR or 6 USD", None),
    ],
)  # fmt: skip
def test_amounts(text: str, value: str | None) -> None:
    assert normalized(text, AMOUNT) == value


@pytest.mark.parametrize(
    ("text", "value", "then"),
    [
        ("2024-03-11", "2024-03-11", "2024-03-11"),
        ("March 11 2024", "2024-03-11", "2024-03-11"),
        ("the twelfth of June 2025", "2025-06-12", "2025-06-12"),
        ("tomorrow", "tomorrow", "2026-11-29"),
        ("next  Friday", "next Friday", "2026-12-04"),
        ("March 5", "March 5", "2027-03-05"),
        ("in two weeks", "in two weeks", "2026-12-12"),
        ("2024-13-45", None, None),
        ("lights", None, None),
        ("!", None, None),
    ],
)
def test_days_that_move_stay_as_they_are_written(
    text: str, value: str | None, then: str | None
) -> None:
    assert normalized(text, DAY) == value
    assert normalized(text, DAY, SATURDAY) == then


def test_moments() -> None:
    assert normalized("march 11 2024 at 7:30 pm", MOMENT) == "2024-03-11T19:30"
    assert normalized("2024-03-11T19:30:05", MOMENT) == "2024-03-11T19:30:05"
    assert normalized("tomorrow at 7pm", MOMENT) == "tomorrow at 7pm"
    assert normalized("tomorrow at 7pm", MOMENT, SATURDAY) == "2026-11-29T19:00"


def test_choices_by_case_and_signs() -> None:
    schema = Value("string", ("turn_off", "Turn-On", "TURN_ON"))
    assert normalized("Turn off", schema) == "turn_off"
    assert normalized("TURN_ON", schema) == "TURN_ON"
    assert normalized("turn on", schema) == "Turn-On"
    assert normalized("turn", schema) is None
    assert normalized("two", Value("integer", (1, 2))) == 2
    assert normalized("three", Value("integer", (1, 2))) is None
    assert fold("Turn_ON!") == "turn on"


def test_texts_and_booleans() -> None:
    assert normalized(" New \n York ", Value("string")) == "New York"
    assert normalized(" ", Value("string")) is None
    assert [normalized(word, BOOLEAN) for word in ("On", "no", "perhaps")] == [True, False, None]


@pytest.mark.parametrize("schema", [NUMBER, TIME, DURATION, AMOUNT])
@given(text=st.text(max_size=30))
def test_whatever_is_read_is_read_again(schema: Value, text: str) -> None:
    """What comes out is the one form: read again, it is itself."""
    value = normalized(text, schema)
    if value is not None:
        assert normalized(str(value), schema) == value
        assert canonical(value, schema) == value


@given(minutes=st.integers(1, 5000))
def test_durations_of_minutes(minutes: int) -> None:
    value = normalized(f"{minutes} minutes", DURATION)
    assert value == canonical(f"PT{minutes}M", DURATION)
    assert value == normalized(f"{minutes // 60}h{minutes % 60}m", DURATION)


def test_equal_values() -> None:
    functions = functions_in([
        {"name": "f", "parameters": {"type": "object", "properties": {
            "a": {"type": "string"}, "b": {"type": "array", "items": {"type": "string"}}}}}
    ])  # fmt: skip
    a, b = functions["f"].arguments.values()
    assert same("New York", "new  york", a)
    assert not same("York", "new york", a)
    assert same(["A", "b"], ["a", "B"], b)
    assert not same(["a", "b"], ["b", "a"], b)
    assert not same(True, 1, a)
    assert canonical(7.0, NUMBER) == 7
    assert canonical("soon", TIME) == "soon"


def test_without_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "text_to_num", None)

    def functions(**schema: Any) -> Any:
        properties = {"type": "object", "properties": {"a": schema}}
        return functions_in([{"name": "f", "parameters": properties}]).values()

    need_extra(functions(type="string"))
    need_extra(functions(type="boolean"))
    for schema in ({"type": "integer"}, {"type": "string", "format": "date"}):
        with pytest.raises(MissingExtraError, match=r"attar\[calls\]"):
            need_extra(functions(**schema))
