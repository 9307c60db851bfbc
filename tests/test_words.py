"""Words: nothing is lost, spaces are remembered, unspaced scripts come in pairs."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from attar.words import words_of


@given(st.text())
def test_joined_they_are_the_text(text: str) -> None:
    assert "".join(words_of(text)).removeprefix(" ") == " ".join(text.split())


def test_words() -> None:
    assert words_of("where is  my order") == [" where", " is", " my", " order"]
    assert words_of("我想取消order了") == [" 我想", "取消", "order", "了"]
    assert words_of("отмените заказ") == [" отмените", " заказ"]
    assert words_of("") == []
    # A mark stays with its letter: กั is one of a pair's two characters.
    assert words_of("กักก") == [" กัก", "ก"]
