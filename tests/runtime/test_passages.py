"""Which sentence of a document answers a query."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from attar.runtime.passages import passage_of, sentences

RESET = "Open the settings. Choose Reset, and wait 3.5 seconds!\nThe light turns green? Done."


def test_sentences() -> None:
    parts = [RESET[start:end] for start, end in sentences(RESET)]
    assert parts == [
        "Open the settings.",
        "Choose Reset, and wait 3.5 seconds!",
        "The light turns green?",
        "Done.",
    ]
    assert [tuple("打开设置。重启。"[a:b] for a, b in sentences("打开设置。重启。"))] == [
        ("打开设置。", "重启。")
    ]


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("how long is the RESET?", "Choose Reset, and wait 3.5 seconds!"),
        ("which light", "The light turns green?"),
        ("the", "Open the settings."),
        ("nothing of it", None),
        ("", None),
    ],
)
def test_the_rarest_words_decide(query: str, expected: str | None) -> None:
    place = passage_of(RESET, query)
    assert (place and RESET[slice(*place)]) == expected


def test_one_sentence_has_no_passage() -> None:
    assert passage_of("Choose Reset.", "reset") is None
    assert passage_of("", "reset") is None


@given(st.text("ab .!?\n。", max_size=40), st.text("ab ", max_size=5))
def test_places_lie_in_the_text_and_hold_all_of_it(text: str, query: str) -> None:
    places = sentences(text)
    assert all(text[a:b] == text[a:b].strip() != "" for a, b in places)
    kept = "".join("".join(text[a:b].split()) for a, b in places)
    assert kept == "".join(text.split())
    place = passage_of(text, query)
    assert place is None or place in places
