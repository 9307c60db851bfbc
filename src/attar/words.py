"""The words of a text, also in scripts that put no spaces between them.

Chinese, Japanese, Thai, Lao, Burmese and Khmer are cut into pairs of characters, which
about as often are a word as not: good enough to count, drop and swap, no segmentation.
"""

from __future__ import annotations

import re
import unicodedata

_UNSPACED = re.compile(
    "[\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff"
    "\uf900-\ufaff\U00020000-\U0003ffff]+"
)
PAIR = 2


def words_of(text: str) -> list[str]:
    """The words in order, each with a space before it where the text has white space
    there. Joined, and without the first space, they are the text with its white space
    collapsed."""
    words: list[str] = []
    for spaced in text.split():
        if spaced.isascii():
            words.append(" " + spaced)
        else:
            first, *rest = _cut(spaced)
            words += [" " + first, *rest]
    return words


def _cut(spaced: str) -> list[str]:
    """Runs of unspaced scripts in pairs, what stands between them whole."""
    parts: list[str] = []
    end = 0
    for run in _UNSPACED.finditer(spaced):
        parts += [spaced[end : run.start()], *_pairs(run.group())]
        end = run.end()
    return [part for part in (*parts, spaced[end:]) if part]


def _pairs(run: str) -> list[str]:
    """PAIR characters each; marks stay with what they stand on."""
    pairs = [""]
    held = 0
    for character in run:
        is_mark = unicodedata.category(character).startswith("M")
        if held == PAIR and not is_mark:
            pairs.append("")
            held = 0
        pairs[-1] += character
        held += not is_mark
    return pairs
