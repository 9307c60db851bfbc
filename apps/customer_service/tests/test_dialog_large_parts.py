"""The parts of asking a large model: what may be spent, what is sent, what is believed."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("httpx", reason="the extra desk is not installed")
pytest.importorskip("sqlalchemy", reason="the extra desk is not installed")

from hypothesis import given
from hypothesis import strategies as st

from desk.dialog.large import LargeUnderstands, _standing, read_functions
from desk.dialog.large_budget import InProcess, InSql
from desk.dialog.large_personal import redacted
from desk.dialog.large_settings import Large
from desk.secret import SettingsError
from desk.types import Understood
from shop_fixtures import create_database

FUNCTIONS = Path(__file__).parents[1] / "understand" / "functions.json"


@pytest.mark.parametrize("where", ["process", "sqlite", "postgres"])
def test_a_budget_is_of_a_day(where: str, tmp_path: Path, request: pytest.FixtureRequest) -> None:
    now = [1_780_272_000.0]
    url = f"sqlite:///{tmp_path / 'b.db'}"
    if where == "postgres":
        url = create_database(request.getfixturevalue("postgres_server_url"))
    one: Any = (
        InProcess(3, 100, lambda: now[0])
        if where == "process"
        else InSql(url, 3, 100, lambda: now[0])
    )
    assert [one.take(40), one.take(40), one.take(40)] == [True, True, False]
    one.correct(-60)
    assert [one.take(40), one.take(0)] == [True, False]
    if where != "process":  # as another worker sees it
        other = InSql(url, 3, 100, lambda: now[0])
        assert not other.take(0)
        other.close()
    now[0] += 86_400
    assert one.take(100)
    one.close()


def test_what_is_personal() -> None:
    for said, sent in (
        ("call 020 7946 0123 or +49 30 1234567", "call [PHONE_1] or [PHONE_2]"),
        ("came on 01/06/2026 for £49.99, size 42", "came on 01/06/2026 for £49.99, size 42"),
        ("#48213 and mf 48213 and 48213", "[ORDER_1] and [ORDER_2] and [ORDER_3]"),
        ("to Lindenstraße 12b, 10115 Berlin", "to [ADDRESS_1], [ORDER_1] Berlin"),
        ("jo@x.co, again JO@x.co and jo@x.co", "[EMAIL_1], again [EMAIL_2] and [EMAIL_1]"),
        ("GB29 NWBK 6016 1331 9268 19 is my IBAN", "[ACCOUNT_1] is my IBAN"),
        ("card 4111 1111 1111 1111", "card [CARD_1]"),
        ("they call me [EMAIL_1] jo@x.co", "they call me [EMAIL_1] [EMAIL_2]"),
    ):
        assert redacted(said).text == sent


@given(st.text(st.sampled_from("ab MF-12345@x.co[EMAIL_1]\n+"), max_size=60))
def test_names_can_always_be_named_back(said: str) -> None:
    made = redacted(said, ("ab",))
    assert made.restored(made.text) == said


@given(st.text(max_size=30), st.text(max_size=60))
def test_a_value_stands_in_the_text_or_is_none(value: str, said: str) -> None:
    found = _standing(value, said)
    assert found is None or found in said


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ({"url": ""}, "both are expected"),
        ({"url": "ftp://x/v1"}, r"expected http\(s\)"),
        ({"url": "http://llm.example/v1"}, "in the clear"),
        ({"deadline_ms": 60_000}, "large.deadline_ms"),
        ({"personal": "keep"}, "redact, withhold, send"),
        ({"requests_a_day": None}, "a day's budget"),
        ({"pounds_a_day": 1.0}, "input_pounds"),
        ({"at_once": 0}, "at least 1"),
    ],
)
def test_settings_that_cannot_be_meant(values: dict[str, Any], said: str) -> None:
    with pytest.raises(SettingsError, match=said):
        Large(**{"url": "https://llm.example/v1", "model": "m", "requests_a_day": 1} | values)


def test_a_budget_that_is_nowhere() -> None:
    about = Large("http://localhost/v1", "m", requests_a_day=1, budget="mysql://x/y")
    with pytest.raises(SettingsError, match=r"large\.budget"):
        LargeUnderstands(lambda text: Understood(()), about, read_functions(FUNCTIONS))
    with pytest.raises(SettingsError, match="no functions"):
        LargeUnderstands(lambda text: Understood(()), about, [])


def test_functions_that_are_none(tmp_path: Path) -> None:
    path = tmp_path / "f.json"
    path.write_text('{"a": 1}')
    with pytest.raises(SettingsError, match="a list of functions"):
        read_functions(path)
