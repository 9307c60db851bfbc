"""ROUGE against cases made by hand, and the longest common subsequence against its table."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from attar.tasks.rouge import Rouge, reference_of, rouge, rouge_of_tokens, tokens_of

LETTERS = st.lists(st.sampled_from("abcd"), max_size=12)


@pytest.mark.parametrize(
    ("text", "reference", "expected"),
    [
        ("The cat sat.", "the cat sat", (1, 1, 1)),
        ("the cat sat", "the cat sat on the mat", (2 / 3, 4 / 7, 2 / 3)),
        ("a b", "b a", (1, 0, 1 / 2)),
        ("a a a", "a", (1 / 2, 0, 1 / 2)),  # counted as often as the reference has it
        ("x", "y", (0, 0, 0)),
        ("", "y", (0, 0, 0)),
        ("y", "", (0, 0, 0)),
        ("一二三", "一二", (4 / 5, 2 / 3, 4 / 5)),
    ],
)
def test_by_hand(text: str, reference: str, expected: tuple[float, float, float]) -> None:
    assert rouge(text, reference) == pytest.approx(Rouge(*expected))


def test_tokens() -> None:
    assert tokens_of("Don't 12.5 foo_bar!") == ["don", "t", "12", "5", "foo", "bar"]
    assert tokens_of("你好ab Été") == ["你", "好", "ab", "été"]


@given(LETTERS, LETTERS)
def test_the_longest_common_subsequence(one: list[str], other: list[str]) -> None:
    row = [0] * (len(other) + 1)
    for letter in one:
        before = 0
        for j, theirs in enumerate(other, 1):
            both = before + 1 if letter == theirs else max(row[j], row[j - 1])
            before, row[j] = row[j], both
    length = row[-1]
    expected = 2 * length / (len(one) + len(other)) if length else 0.0
    assert rouge_of_tokens(one, reference_of(other)).rougeL == pytest.approx(expected)


@given(LETTERS, LETTERS)
def test_either_way_the_same(one: list[str], other: list[str]) -> None:
    assert rouge(" ".join(one), " ".join(other)) == pytest.approx(
        rouge(" ".join(other), " ".join(one))
    )
