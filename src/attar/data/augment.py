"""A transfer set made from the texts at hand: altered copies for a teacher to label.

Copies are not trusted to keep their label; only the teacher's answer to the copy is
used. Alterations, chosen a copy at random from a seed: two texts spliced, words
dropped, neighbors swapped, letters mistyped. Augmenting distillation this way goes
back to Tang et al. 2019 and TinyBERT (Jiao et al. 2020, §3.3); no model is needed
to make the copies.
"""

from __future__ import annotations

import random
from collections.abc import Sequence

SPLICE = 0.4  # share of copies that continue with another text's ending
DROP_WORD = 0.1
SWAP_WORDS = 0.05
MISTYPE = 0.04  # a word; words under four letters stay
LETTERS = "abcdefghijklmnopqrstuvwxyz"


def altered_copies(texts: Sequence[str], copies: int, seed: int) -> list[str]:
    """`copies` alterations of every text, in order: all of the first round, then the next."""
    rng = random.Random(seed)
    return [_alter(text, texts, rng) for _ in range(copies) for text in texts]


def _alter(text: str, texts: Sequence[str], rng: random.Random) -> str:
    words = text.split()
    if rng.random() < SPLICE:
        other = rng.choice(texts).split()
        cut = max(1, round(len(words) * rng.uniform(0.3, 0.8)))
        words = words[:cut] + other[round(len(other) * rng.uniform(0.3, 0.8)) :]
    words = [word for word in words if rng.random() >= DROP_WORD] or words
    for i in range(len(words) - 1):
        if rng.random() < SWAP_WORDS:
            words[i], words[i + 1] = words[i + 1], words[i]
    return " ".join(_mistype(word, rng) for word in words)


def _mistype(word: str, rng: random.Random) -> str:
    if len(word) < 4 or rng.random() >= MISTYPE:
        return word
    at = rng.randrange(1, len(word) - 1)
    kind = rng.randrange(3)
    if kind == 0:
        return word[:at] + word[at + 1 :]
    if kind == 1:
        return word[:at] + word[at + 1] + word[at] + word[at + 2 :]
    return word[:at] + rng.choice(LETTERS) + word[at:]
