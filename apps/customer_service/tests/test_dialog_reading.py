"""Order numbers, addresses, yes and no: what is read without a model."""

from __future__ import annotations

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from desk.dialog import reading, tone


@pytest.mark.parametrize(
    ("text", "numbers"),
    [
        ("MF-48213", ["MF-48213"]),
        ("mf 48213 and #11902.", ["MF-48213", "MF-11902"]),
        ("order no. 48213, thanks", ["MF-48213"]),
        ("48213'; DROP TABLE orders", ["MF-48213"]),
        ("£12345 or 123456 or 48213.50", []),
        ("my mail is a48213@mail.example", []),
        ("48213 48213", ["MF-48213"]),
    ],
)
def test_order_numbers(text: str, numbers: list[str]) -> None:
    assert list(reading.order_numbers(text)) == numbers


def test_a_postcode_is_no_order_number() -> None:
    text = "Lindenstraße 3, 50674 Köln for MF-10001"
    assert reading.order_numbers(text, only_marked=True) == ("MF-10001",)


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("It's Anna.B@Mail.example.", "anna.b@mail.example"),
        ("x' OR 1=1 --", None),
        ("a@b", None),
    ],
)
def test_email(text: str, found: str | None) -> None:
    assert reading.email(text) == found


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("its 14 Mill Lane,\n Leeds LS2 9JT", "14 Mill Lane, Leeds LS2 9JT"),
        ("to 3 Canal Row York", "3 Canal Row York"),
        ("to my mum's", None),
        ("42", None),
    ],
)
def test_address(text: str, found: str | None) -> None:
    assert reading.address(text) == found


def test_codes() -> None:
    assert reading.promo_codes("the code SPRING10 does nothing") == ("SPRING10",)
    assert reading.promo_codes("WHERE IS MY CODE SAVE20") == ("SAVE20",)
    assert reading.promo_codes("where is MF-48213") == ()


YES = (
    *(
        "yes",
        "yes please",
        "Yep!",
        "go ahead",
        "yes, the cheap one",
        "ja, genau",
        "sí",
        "👍",
        "ok",
    ),
    *("Correct.", "no problem, go ahead", "Well, yes. Yes!"),
    "yes, and do not wrap it",
)
NO = (
    *(
        "no",
        "nah",
        "don't",
        "please don't",
        "no wait",
        "actually no, better leave it",
        "never mind",
    ),
    *("bitte nicht", "ok no", "right, not now", "Yes... no, hang on", "nein danke"),
)
NEITHER = [
    "yes but to my office",
    "ok, the S instead",
    "what was in it?",
    "is it ok to pay later?",
    "not sure",
    "maybe",
    "the blue one",
    "",
]


@pytest.mark.parametrize(
    ("text", "said"),
    [*((t, True) for t in YES), *((t, False) for t in NO), *((t, None) for t in NEITHER)],
)
def test_consent(text: str, said: bool | None) -> None:
    assert tone.consents(text) is said


def test_parting_words() -> None:
    for text in ("thank you so much!", "lovely", "dankeschön", "ok will do", "gracias"):
        assert tone.closes(text), text
    for text in ("not ok at all", "great, where is it?", "perfect. useless lot", "the blue one"):
        assert not tone.closes(text), text


def test_persons_and_others_who_are_none() -> None:
    for text in ("agent", "I want a human", "speak to a manager", "can I talk to someone"):
        assert tone.wants_person(text), text
    for text in ("the agents of your brand", "personal data", "the delivery man was rude"):
        assert not tone.wants_person(text), text


READERS = (
    *(
        reading.order_numbers,
        reading.email,
        reading.address,
        reading.promo_codes,
        reading.gift_card,
    ),
    *(reading.amount, tone.consents, tone.wants_person, tone.is_angry, tone.asks, tone.follows_on),
)


@given(st.text(max_size=300))
def test_any_text_is_read(text: str) -> None:
    clean = reading.cleaned(text)
    assert clean == reading.cleaned(clean)
    clean.encode("utf-8")
    assert "\x00" not in clean
    for read in READERS:
        read(clean)


def test_long_hostile_texts_are_read_quickly() -> None:
    for text in ("a@" * 50_000, "A1 " * 30_000, "no " * 30_000, "MF-" * 30_000, "9" * 100_000):
        start = time.perf_counter()
        clean = reading.cleaned(text)
        for read in READERS:
            read(clean)
        assert time.perf_counter() - start < 2


@pytest.mark.parametrize(
    ("text", "said", "whole"),
    [
        ("to 9 Orchard Close, Leeds LS2 7LN please", "9 Orchard", "9 Orchard Close, Leeds LS2 7LN"),
        ("order 48213, 7 Long Row, York YO1 9AA", ", York YO1 9AA", "7 Long Row, York YO1 9AA"),
        ("Flat 4, 8 Red Road, Hull HU5 3BN", "8 Red Road", "Flat 4, 8 Red Road, Hull HU5 3BN"),
        ("send MF-48213 elsewhere", "MF-48213", None),
        ("nach Hauptstraße 5, Berlin", "Hauptstraße 5, Berlin", "Hauptstraße 5, Berlin"),
    ],
)  # fmt: skip
def test_addresses_are_taken_whole(text: str, said: str, whole: str | None) -> None:
    assert reading.whole_address(text, said) == whole
