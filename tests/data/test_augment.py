"""Altered copies: so many a text, the same for a seed, made of the texts at hand."""

from __future__ import annotations

from hypothesis import example, given
from hypothesis import strategies as st

from attar.data.augment import altered_copies, spliced

TEXTS = st.lists(st.text(max_size=30), min_size=1, max_size=8)


@given(TEXTS, st.integers(0, 3), st.integers(0, 5))
@example(["0\r0 0", "", "", "", "", "", "0\r0 000\x80"], 1, 1)
def test_any_texts(texts: list[str], copies: int, seed: int) -> None:
    made = altered_copies(texts, copies, seed)
    assert len(made) == copies * len(texts)
    assert made == altered_copies(texts, copies, seed)
    assert all(isinstance(text, str) for text in made)


def test_copies_differ_by_round_and_seed_and_stay_alike() -> None:
    texts = [f"where is my order number {i} please tell me" for i in range(50)]
    made = altered_copies(texts, 2, seed=0)
    assert made[:50] != made[50:]
    assert made != altered_copies(texts, 2, seed=1)
    words = {word for text in texts for word in text.split()}
    known = [word in words for text in made for word in text.split()]
    assert sum(known) > 0.9 * len(known)


def test_chinese_is_altered_within_its_words() -> None:
    """A text without spaces is no single word that is dropped or kept whole."""
    texts = [f"请取消我昨天的第{c}个订单我想要退款谢谢" for c in "一二三四五六七八九十"]
    made = altered_copies(texts, 5, seed=0)
    assert all(made)
    assert sum(text not in texts for text in made) > 0.8 * len(made)
    assert {c for text in made for c in text} <= {c for text in texts for c in text}


def test_wrong_letters_are_of_the_text_itself() -> None:
    texts = ["отмените мой заказ пожалуйста", "где сейчас моя посылка"] * 20
    made = altered_copies(texts, 10, seed=0)
    assert not any(c.isascii() and c.isalpha() for text in made for c in text)
    words = {word for text in texts for word in text.split()}
    assert any(word not in words for text in made for word in text.split())


@given(TEXTS, TEXTS, st.integers(0, 5))
def test_any_texts_are_spliced(texts: list[str], others: list[str], seed: int) -> None:
    made = spliced(texts, others, 7, seed)
    assert len(made) == 7
    assert made == spliced(texts, others, 7, seed)


def test_spliced_texts_begin_as_one_and_end_with_words_of_the_other() -> None:
    for made in spliced(["how do i reset it ?"], ["Hold both buttons, then wait."], 50, 0):
        begun = made.removesuffix(" ?").split()
        assert made.startswith("how") and made.endswith(" ?")
        assert begun[-1] in {"Hold", "both", "buttons", "then", "wait"}
