"""Where sentences begin and end, in prose, dialogues, lists and other scripts."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from attar.tasks.sentences import MOST, SentenceIds, sentence_array, sentences_of, with_words


def split(text: str) -> list[str]:
    return [text[start:end] for start, end in sentences_of(text)]


@pytest.mark.parametrize(
    ("text", "sentences"),
    [
        ("It rains. We stay!  Why not? ok", ["It rains.", "We stay!", "Why not?", "ok"]),
        ('He said "Stop!" and left. Then…', ['He said "Stop!" and left.', "Then…"]),
        ("(He left.) She stayed.", ["(He left.)", "She stayed."]),
        ("Dr. Kumar saw Mr. O. Hara. Fine.", ["Dr. Kumar saw Mr. O. Hara.", "Fine."]),
        ("At 9.30 it was 38.5 degrees. No. 5 rose.",
         ["At 9.30 it was 38.5 degrees.", "No. 5 rose."]),
        ("No. I do not smoke. Nor do I. Next.", ["No.", "I do not smoke.", "Nor do I.", "Next."]),
        ("Take it at 5 p.m. and rest, e.g. at home. Bye",
         ["Take it at 5 p.m. and rest, e.g. at home.", "Bye"]),
        ("Back at 5 p.m. She slept.", ["Back at 5 p.m.", "She slept."]),
        ("In the U.S. Senate. Yes.", ["In the U.S. Senate.", "Yes."]),
        ("Well... maybe. Wait... Now!", ["Well... maybe.", "Wait...", "Now!"]),
        ("see a.b.com/x?y=1. ok. thanks", ["see a.b.com/x?y=1.", "ok.", "thanks"]),
        ("1. Aspirin\n2) Rest. Sleep\n- Water\n• Tea",
         ["1. Aspirin", "2) Rest.", "Sleep", "- Water", "• Tea"]),
        ("Doctor: Any pain? \r\nPatient: No. None.", ["Any pain?", "No.", "None."]),
        ("Anna Li: hi\nBo: hi\nAnna Li: bye", ["hi", "Bo: hi", "bye"]),
        ("[10:23] Agent 2: Hello.\n10:24 - Customer: hi", ["Hello.", "hi"]),
        ("Medications: aspirin.\nPlan: rest", ["Medications: aspirin.", "Plan: rest"]),
        ("the line was wrapped by a mail program that cuts\nlines there. Next",
         ["the line was wrapped by a mail program that cuts\nlines there.", "Next"]),
        ("> the line was wrapped by a mail program that cuts\n> lines there.\n>> Next",
         ["the line was wrapped by a mail program that cuts\n> lines there.", "Next"]),
        ("> 5 mg is too much.", ["> 5 mg is too much."]),
        ("short\nlines stay apart", ["short", "lines stay apart"]),
        ("今天下雨。我们在家！好吗？好", ["今天下雨。", "我们在家！", "好吗？", "好"]),
        ("「行きます。」彼は言った。", ["「行きます。」", "彼は言った。"]),
        ("यह ठीक है। धन्यवाद॥ अंत", ["यह ठीक है।", "धन्यवाद॥", "अंत"]),
        ("كيف حالك؟ بخير. شكرا", ["كيف حالك؟", "بخير.", "شكرا"]),
        ("שלום. מה נשמע?", ["שלום.", "מה נשמע?"]),
        ("🛑 Stop! 🙂 ok.", ["🛑 Stop!", "🙂 ok."]),
        ("", []),
        (" \r\n\t", []),
        ("Doctor:", []),
        ("half \ud83d pair. x", ["half \ud83d pair.", "x"]),
    ],
)  # fmt: skip
def test_sentences_of(text: str, sentences: list[str]) -> None:
    assert split(text) == sentences


THREAD = """\
From: Anna Berg
Sent: Monday
Subject: Re: AW: No paper
Date: Friday

Nobody is there.
--
Anna Berg
Second floor

On Mon, Nov 23, 2026 at 9:12 AM Tom Hill, who answers for the print room <
tom@example.com> wrote:
> From: experience it is the tray.
> Try it.
> --
> Tom
>
>> Am Freitag um 9:12 schrieb Anna Berg:
>> No paper!
-------- Original Message --------
On my way I wrote: bring paper.
"""


def test_of_a_thread_what_people_wrote_is_left() -> None:
    assert split(THREAD) == [
        "No paper",
        "Nobody is there.",
        "From: experience it is the tray.",
        "Try it.",
        "No paper!",
        "On my way I wrote: bring paper.",
    ]


def test_headers_alone_and_rules_between_parts_stay() -> None:
    assert split("Date: Friday\n\nPlan: rest") == ["Date: Friday", "Plan: rest"]
    long = "\n".join(f"Point {n}." for n in range(20))
    assert split(f"One.\n--\n{long}")[:2] == ["One.", "--"]


PIECES = st.sampled_from(
    ["Hello", "no", "Dr", "I", "5", ".", "...", "!", "?", '"', ")", " ", "\n", "\r\n", "- ", ":",
     "Doctor: ", "Bo: ", "。", "x" * 60, "🛑", "\u2028", "e\u0301", "שלום", "[10:23] ", "1. ",
     "> ", "\n>", "From: ", "Subject: ", "\n-- \n", "On Monday x wrote:\n"]
)  # fmt: skip


@given(st.lists(PIECES, max_size=40).map("".join) | st.text())
def test_nothing_but_white_space_and_speakers_is_left_out(text: str) -> None:
    found = sentences_of(text)
    last = 0
    carries = any(word in text for word in (">", "From:", "Subject:", "--", "wrote:"))
    for start, end in [*found, (len(text), len(text))]:
        assert last <= start <= end <= len(text)
        between = text[last:start].strip()
        assert carries or not between or between.endswith((":", "："))
        last = end
    for start, end in found:
        assert text[start:end] == text[start:end].strip() != ""


@given(st.lists(st.sampled_from(["It rains.", "Why?", "No, 3.5 of it!", "So"]), max_size=9))
def test_lines_are_split_each_by_itself(lines: list[str]) -> None:
    assert split("\n\n".join(lines)) == lines


def test_words_and_arrays() -> None:
    assert with_words("Hi there. Yes") == [(0, 9, 2), (10, 13, 1)]
    found = sentence_array(["Hi there. Yes", ""])
    assert found.tolist() == [[[0, 9, 2], [10, 13, 1]], [[-1] * 3, [-1] * 3]]
    assert sentence_array([""]).shape == (1, 0, 3)
    ids = SentenceIds.of([[2, 5, 3], [2, 3]], [(0, 2, 1), (3, 4, 1)], "Hi !")
    assert ids == [2, 5, 3, 2, 3]
    assert ids.parts == [[2, 5, 3], [2, 3]]


def test_long_documents_are_split_in_time() -> None:
    """Rules that look back over the whole text would take minutes here."""
    text = "Dr. A. B. said... it rains (again). " * 20_000
    assert sentences_of(text) == sentences_of(text[: 37 * MOST])
    assert len(sentences_of(text)) == MOST
    assert len(sentences_of("a" * 500_000)) == 1
    assert len(sentences_of("word\n" * 100_000)) == MOST
    assert len(sentences_of(("w" * 70 + "\n") * 10_000)) == 1
