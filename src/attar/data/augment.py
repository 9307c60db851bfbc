"""A transfer set made from the texts at hand: altered copies for a teacher to label.

Copies are not trusted to keep their label; only the teacher's answer to the copy is
used. Alterations, chosen a copy at random from a seed: two texts spliced, words
dropped, neighbors swapped, letters mistyped. What a word is in scripts without spaces,
`words` says; wrong letters are the keyboard's where a word is plain ASCII, else others of
the same text, so of its script. Augmenting distillation this way goes
back to Tang et al. 2019 and TinyBERT (Jiao et al. 2020, §3.3); no model is needed
to make the copies.
"""

from __future__ import annotations

import random
import re
from collections.abc import Sequence

from attar.words import words_of

SPLICE = 0.4  # share of copies that continue with another text's ending
DROP_WORD = 0.1
SWAP_WORDS = 0.05
MISTYPE = 0.04  # a word; words under four letters stay
_ENDING = re.compile(r"\s*[^\w\s]+\s*$")
SPLICED_WORDS = 4  # of the other text, at most
LETTERS = "abcdefghijklmnopqrstuvwxyz"


def altered_copies(texts: Sequence[str], copies: int, seed: int) -> list[str]:
    """`copies` alterations of every text, in order: all of the first round, then the next."""
    rng = random.Random(seed)
    return [_alter(text, texts, rng) for _ in range(copies) for text in texts]


def spliced(texts: Sequence[str], others: Sequence[str], count: int, seed: int) -> list[str]:
    """`count` texts that begin as one of `texts` and end with a few words of one of `others`:
    queries about what documents say."""
    rng = random.Random(seed)
    return [_spliced(rng.choice(texts), rng.choice(others), rng) for _ in range(count)]


def _spliced(text: str, other: str, rng: random.Random) -> str:
    words, said = words_of(text), words_of(other)
    begun = words[: max(1, round(len(words) * rng.uniform(0.3, 0.8)))]
    count = rng.randint(1, SPLICED_WORDS)
    at = rng.randrange(max(1, len(said) - count + 1))
    ending = _ENDING.search(text)  # such as a question mark
    made = "".join([*begun, *said[at : at + count]]).strip().rstrip(".,;:!?")
    return made + (ending.group() if ending is not None else "")


def _alter(text: str, texts: Sequence[str], rng: random.Random) -> str:
    words = words_of(text)
    if rng.random() < SPLICE:
        other = words_of(rng.choice(texts))
        cut = max(1, round(len(words) * rng.uniform(0.3, 0.8)))
        words = words[:cut] + other[round(len(other) * rng.uniform(0.3, 0.8)) :]
    words = [word for word in words if rng.random() >= DROP_WORD] or words
    for i in range(len(words) - 1):
        if rng.random() < SWAP_WORDS:
            words[i : i + 2] = _swapped(words[i], words[i + 1])
    altered = (_space(word) + _mistype(word.removeprefix(" "), text, rng) for word in words)
    return "".join(altered).removeprefix(" ")


def _swapped(one: str, other: str) -> tuple[str, str]:
    """The words change places, the spaces do not."""
    return _space(one) + other.removeprefix(" "), _space(other) + one.removeprefix(" ")


def _space(word: str) -> str:
    return " " if word.startswith(" ") else ""


def _mistype(word: str, text: str, rng: random.Random) -> str:
    if len(word) < 4 or rng.random() >= MISTYPE:
        return word
    at = rng.randrange(1, len(word) - 1)
    kind = rng.randrange(3)
    if kind == 0:
        return word[:at] + word[at + 1 :]
    if kind == 1:
        return word[:at] + word[at + 1] + word[at] + word[at + 2 :]
    # A spliced word is of another text; this one may hold nothing but spaces.
    letters = LETTERS if word.isascii() else [c for c in text if not c.isspace()] or word
    return word[:at] + rng.choice(letters) + word[at:]
