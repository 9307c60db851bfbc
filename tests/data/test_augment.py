"""Altered copies: so many a text, the same for a seed, made of the texts at hand."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from attar.data.augment import altered_copies

TEXTS = st.lists(st.text(max_size=30), min_size=1, max_size=8)


@given(TEXTS, st.integers(0, 3), st.integers(0, 5))
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
