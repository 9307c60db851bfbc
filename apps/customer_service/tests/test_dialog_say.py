"""Languages agree in keys and facts; templates are filled with facts and nothing else."""

from __future__ import annotations

import re
from datetime import date
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

import desk.dialog
from desk.dialog.flows import FLOWS
from desk.dialog.say import Phrases, languages, phrases

EN = phrases("en")


def test_languages() -> None:
    assert set(languages()) >= {"en", "de"}
    assert phrases("de-AT").language == "de"
    assert phrases("xx").language == phrases("").language == "en"


@pytest.mark.parametrize("language", [one for one in languages() if one != "en"])
def test_languages_have_the_same_keys_and_state_the_same_facts(language: str) -> None:
    other = phrases(language)
    assert other.templates.keys() == EN.templates.keys()
    for name in EN.templates:
        assert other.placeholders(name) == EN.placeholders(name), name


def test_whatever_the_program_says_is_there() -> None:
    code = "".join(path.read_text() for path in Path(desk.dialog.__path__[0]).rglob("*.py"))
    named = re.findall(
        r"(?:tell|ask|confirm|say)\(\s*(?:\"\w+\", )?\"([a-z_]+(?:\.[a-z_]+)*)\"", code
    )
    asked = {name for name in named if "." in name}
    assert len(asked) > 20
    assert asked <= EN.templates.keys()
    assert {f"intent.{intent}" for intent in FLOWS} <= EN.templates.keys()
    assert {f"offer.{i}" for i, flow in FLOWS.items() if flow.page} <= EN.templates.keys()


def test_days_money_and_lists() -> None:
    german = phrases("de")
    facts = {"number": "MF-1", "total": "1234.5", "items": "a, b, c"}
    assert "(a, b and c, £1,234.50)" in EN("confirm.cancel_order", **facts)
    assert "(a, b und c, 1.234,50 £)" in german("confirm.cancel_order", **facts)
    known = {"number": "MF-1", "expected": date(2026, 6, 12)}
    assert "Friday 12 June" in EN("order_status.processing", **known)
    assert "Freitag, 12. Juni" in german("order_status.processing", **known)


def test_a_fact_that_lacks_is_a_mistake() -> None:
    with pytest.raises(KeyError, match="expected"):
        EN("order_status.processing", number="MF-1")


@given(st.text())
def test_values_are_never_templates(value: str) -> None:
    said = Phrases("en", {"a": "<{x}>"})("a", x=value)
    assert said == re.sub(r" {2,}", " ", f"<{value}>").strip()


def test_placeholders_reach_no_attributes() -> None:
    with pytest.raises(KeyError):
        Phrases("en", {"a": "{x.__class__}"})("a", x="1")
