"""Personal data: what is found, what is not, and what a redacted text still says."""

from __future__ import annotations

import socket
from typing import Any

import pytest

pytest.importorskip("presidio_analyzer")

from hypothesis import given, settings
from hypothesis import strategies as st

from attar.data.personal import KINDS, Found, find_personal_data, placeholders


def redacted(text: str) -> str:
    return placeholders(text, find_personal_data(text))


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("write to ann.lee@example.org today", "write to <EMAIL> today"),
        ("call me at (212) 555-2368 please", "call me at <PHONE> please"),
        ("my phone: 9472 7916", "my phone: <PHONE>"),
        ("card 4012 8888 8888 1881 was charged", "card <CARD> was charged"),
        ("card 630427373398 was charged", "card <CARD> was charged"),
        ("iban is gb29nwbk60161331926819", "iban is <IBAN>"),
        ("from 192.168.10.4 and fe80::1ff:fe23:4567:890a", "from <IP> and <IP>"),
        ("see https://example.com/me?id=3 now", "see <URL> now"),
        ("my ssn is 536-90-4399", "my ssn is <SSN>"),
        ("adapter 00:1B:44:11:3A:B7 is down", "adapter <MAC> is down"),
    ],
)
def test_every_kind_is_replaced(text: str, expected: str) -> None:
    assert redacted(text) == expected


@pytest.mark.parametrize(
    "text",
    [
        "Where is my refund of 120.50 euros?",
        "order 4012 8888 8888 1882 is late",  # the check digit is wrong
        "call a taxi to 7349 Main Street",  # too few digits for a phone
        "step 3.2: press F5 twice. Then wait 10 minutes",
        "ratio 16:9 at 1920x1080",
        "",
    ],
)
def test_plain_numbers_stay(text: str) -> None:
    assert redacted(text) == text


def test_names_and_places_are_not_covered() -> None:
    """The limit that the documentation states."""
    assert find_personal_data("Ann Lee lives at 5 Elm Street in Boston") == []


def test_a_number_needs_its_word_beside_it_when_no_plan_has_it() -> None:
    assert find_personal_data("reach me by phone 9472 7916") != []
    assert find_personal_data("part 9472 7916 is broken") == []
    # A word that merely holds such a word is none.
    assert find_personal_data("Intelius 9472 7916") == []


def test_overlaps_are_settled_once() -> None:
    text = "mail bob@shop.example.com"
    assert find_personal_data(text) == [Found("EMAIL", 5, len(text))]


@settings(max_examples=60, deadline=None)
@given(st.text(max_size=80), st.sampled_from(["a@b.com", "4012888888881881", "10.0.0.1", "x"]))
def test_findings_are_spans_that_do_not_overlap(text: str, extra: str) -> None:
    text = f"{text} {extra}"
    found = find_personal_data(text)
    assert all(one.kind in KINDS.values() and one.start < one.end for one in found)
    assert all(a.end <= b.start for a, b in zip(found, found[1:], strict=False))
    once = placeholders(text, found)
    kept = sum(one.end - one.start for one in found)
    assert len(once) == len(text) - kept + sum(len(one.kind) + 2 for one in found)


@pytest.mark.parametrize("kind", sorted(KINDS.values()))
def test_placeholders_are_no_personal_data(kind: str) -> None:
    text = f"please write to <{kind}> or <{kind}>, my phone card ssn is <{kind}>"
    assert find_personal_data(text) == []


def test_nothing_is_fetched(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*arguments: Any, **keywords: Any) -> None:
        raise AssertionError("a network connection was opened")

    monkeypatch.setattr(socket.socket, "connect", refuse)
    monkeypatch.setattr(socket, "create_connection", refuse)
    monkeypatch.setattr(socket, "getaddrinfo", refuse)
    assert redacted("ann@example.museum") == "<EMAIL>"
