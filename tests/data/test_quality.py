"""Quality rules: what each finds, and ordinary texts that none may touch."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from attar.data import reasons
from attar.data.quality import (
    defect,
    frequent_lines,
    unlike_in_length,
    with_defects,
)
from attar.types import Row


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("+++ 8817-2239 ### 0001 ---- 17%", reasons.SYMBOLS),
        (" ".join(["item # ..."] * 10), reasons.SYMBOLS),
        ("a" * 90 + " " + "b" * 80, reasons.SYMBOLS),
        ("<div class='x'>hello</div> there", reasons.MARKUP),
        ("price&nbsp;list&nbsp;of today", reasons.MARKUP),
        ("Lorem ipsum dolor sit amet", reasons.MARKUP),
        ("go " * 20, reasons.REPETITION),
        ("win a prize " * 8, reasons.REPETITION),
        ("same line\n" * 6 + "another", reasons.REPETITION),
    ],
)
def test_every_rule_finds_its_case(text: str, reason: str) -> None:
    found = defect(text)
    assert found is not None and found[0] == reason and found[1]


@pytest.mark.parametrize(
    "text",
    [
        "ok",
        "no no no",
        "I topped up 50 € on 3/4, but #1234 says 0... why?",
        "my card (**** 1234) doesn't work!!! a < b and c > d",
        "the terms of the agreement govern the use of the service and the rights of the "
        "parties under the laws of the country of residence",
        "wo ist mein Rechtsschutzversicherungsgesellschaftsformular geblieben",
        "我的卡还没有到我应该怎么办请告诉我什么时候可以收到新的银行卡谢谢",
    ],
)
def test_ordinary_messages_pass(text: str) -> None:
    assert defect(text) is None


def test_lines_that_many_texts_share_are_boilerplate() -> None:
    footer = "Copyright Example Corporation. All rights reserved, see our terms."
    rows = [Row(f"question {i}\n{footer}") for i in range(12)]
    rows.append(Row("a long question of its own that outweighs the footer by far, " * 2 + footer))
    found = with_defects(rows)
    assert [one.row for one in found] == rows[:12]
    assert {one.reason for one in found} == {reasons.BOILERPLATE}
    # A text of one line is a repeated message, which is for the search for duplicates.
    assert frequent_lines(["thanks"] * 50) == frozenset()


def test_length_is_judged_by_train() -> None:
    train = [Row("hi there"), Row("x" * 50)]
    rows = [Row("ok"), Row("x" * 200), Row("x" * 201), Row("yes")]
    assert [(one.row.text[:3], one.reason) for one in unlike_in_length(rows, train)] == [
        ("ok", reasons.TOO_SHORT),
        ("xxx", reasons.TOO_LONG),
    ]
    assert unlike_in_length([Row("ok")], [Row("no"), Row("x" * 50)]) == []
    assert unlike_in_length(rows, []) == []


@given(st.text(max_size=200))
def test_no_text_breaks_the_rules(text: str) -> None:
    found = defect(text)
    assert found is None or found[0] in reasons.QUALITY
    assert defect(text) == found
