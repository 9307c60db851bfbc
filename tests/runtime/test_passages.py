"""Which sentence of a document answers a query."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from attar.runtime.passages import passage_of
from attar.tasks.sentences import sentences_of

RESET = "Open the settings. Choose Reset, and wait 3.5 seconds!\nThe light turns green? Done."


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


@pytest.mark.parametrize(
    ("text", "query", "expected"),
    [
        ("打开设置。重启需要三秒。", "重启要多久", "重启需要三秒。"),
        ("「設定を開く。」と表示されます。再起動には三秒かかります。", "再起動の時間",
         "再起動には三秒かかります。"),
        ("सेटिंग खोलें। रीसेट में तीन सेकंड लगते हैं।", "रीसेट कब", "रीसेट में तीन सेकंड लगते हैं।"),
        ("افتح الإعدادات. كم تستغرق الإعادة؟ ثلاث ثوان.", "كم تستغرق", "كم تستغرق الإعادة؟"),
        ("Ask Dr. Low about it. The reset takes 3.5 s.", "low", "Ask Dr. Low about it."),
    ],
)  # fmt: skip
def test_sentences_of_other_scripts_and_abbreviations(text: str, query: str, expected: str) -> None:
    place = passage_of(text, query)
    assert (place and text[slice(*place)]) == expected


def test_one_sentence_has_no_passage() -> None:
    assert passage_of("Choose Reset.", "reset") is None
    assert passage_of("", "reset") is None


@given(st.text("ab .!?\n。", max_size=40), st.text("ab ", max_size=5))
def test_places_lie_in_the_text_and_hold_all_of_it(text: str, query: str) -> None:
    places = sentences_of(text)
    assert all(text[a:b] == text[a:b].strip() != "" for a, b in places)
    kept = "".join("".join(text[a:b].split()) for a, b in places)
    assert kept == "".join(text.split())
    place = passage_of(text, query)
    assert place is None or place in places
