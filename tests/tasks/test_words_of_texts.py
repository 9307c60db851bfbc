"""Words of texts in any script, and where a tokenizer's pieces begin them."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from attar.tasks.words import Ids, places, starts_of, words_of


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("what's up, doc?", ["what", "'", "s", "up", ",", "doc", "?"]),
        ("12.5€ foo_bar", ["12", ".", "5", "€", "foo", "_", "bar"]),
        ("नमस्ते दुनिया", ["नमस्ते", "दुनिया"]),  # marks belong to their letters
        ("cafe\u0301 x", ["cafe\u0301", "x"]),
        ("你好 world", ["你", "好", "world"]),
        ("مرحبا بالعالم", ["مرحبا", "بالعالم"]),
        ("a\r\n\tb", ["a", "b"]),
        ("go 🛑 now", ["go", "🛑", "now"]),
        ("half \ud83d pair", ["half", "\ud83d", "pair"]),
        ("", []),
        (" \n ", []),
    ],
)
def test_words_of(text: str, words: list[str]) -> None:
    assert [text[start:end] for start, end in words_of(text)] == words


@given(st.text())
def test_words_are_in_order_and_hold_all_but_white_space(text: str) -> None:
    found = words_of(text)
    covered: set[int] = set()
    last = 0
    for start, end in found:
        assert last <= start < end <= len(text)
        last = end
        covered.update(range(start, end))
    for at, character in enumerate(text):
        # The characters of white space that Unicode counts so, and no others.
        assert (at not in covered) == (character.isspace() and character not in "\x1c\x1d\x1e\x1f")


def test_a_word_begins_at_its_first_piece() -> None:
    words = [(0, 3), (4, 9), (9, 10), (11, 14)]
    offsets = [(0, 0), (0, 3), (4, 6), (6, 9), (9, 10), (0, 0)]
    assert starts_of(words, offsets) == [1, 2, 4, -1]  # the last word was cut off


def test_a_piece_that_holds_the_blank_before_a_word_or_two_words() -> None:
    assert starts_of([(0, 2), (3, 5)], [(0, 2), (2, 5)]) == [0, 1]
    assert starts_of([(0, 1), (1, 2)], [(0, 2)]) == [0, 0]


def test_ids_are_a_list_that_knows_its_words() -> None:
    ids = Ids.of([2, 7, 8, 3], [(0, 0), (0, 2), (3, 5), (0, 0)], "go on")
    assert ids == [2, 7, 8, 3]
    assert ids.words == [(0, 2), (3, 5)]
    assert ids.starts == [1, 2]


def test_places_of_several_texts() -> None:
    found = places([[(0, 2)], [], [(0, 1), (2, 3)]])
    assert found.tolist() == [[[0, 2], [-1, -1]], [[-1, -1], [-1, -1]], [[0, 1], [2, 3]]]
    assert places([[]]).shape == (1, 0, 2)
