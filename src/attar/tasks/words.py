"""The words of a text: what a task that marks spans decides on, whatever the tokenizer.

A word is a run of letters, marks and digits; any other sign that is no white space stands
alone, and so does each character of scripts that put no blanks between words. Teacher and
student may cut a word into different pieces; each is read at its first piece.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from tokenizers import Regex, pre_tokenizers

Place = tuple[int, int]  # start and end in code points, as a slice

_WORD = r"[\p{Han}\p{Hiragana}\p{Katakana}\p{Thai}]|[\p{L}\p{M}\p{N}]+|[^\s\p{L}\p{M}\p{N}]"
_SPLIT = pre_tokenizers.Split(Regex(_WORD), "removed", invert=True)


class Ids(list[int]):
    """The token ids of a text that is read word by word, of a long one its windows in turn.
    words: their places in `text`; starts: of each word the number of the token that it is read
    at, -1 where the text was cut before it."""

    text: str
    words: list[Place]
    starts: list[int]

    @classmethod
    def of(
        cls, ids: list[int], offsets: Sequence[Place], text: str, size: int | None = None
    ) -> Ids:
        """offsets: of each token in the text; empty ones for tokens that stand for no text.
        size: tokens of a window, each but the last; None where there is one."""
        made = cls(ids)
        made.text = text
        made.words = words_of(text)
        made.starts = starts_in_windows(made.words, offsets, size or len(ids) or 1)
        return made


def words_of(text: str) -> list[Place]:
    """The places of the words, in order."""
    try:
        found = _SPLIT.pre_tokenize_str(text)
    except UnicodeEncodeError:  # half of a surrogate pair: as one question mark
        found = _SPLIT.pre_tokenize_str(text.encode("utf-8", "replace").decode("utf-8"))
    return [place for _, place in found]


def starts_of(words: Sequence[Place], offsets: Sequence[Place]) -> list[int]:
    """The first token that holds something of each word, -1 where none does."""
    starts, token, count = [], 0, len(offsets)
    for start, end in words:
        while token < count and (offsets[token][1] <= start or _empty(offsets[token])):
            token += 1
        starts.append(token if token < count and offsets[token][0] < end else -1)
    return starts


def starts_in_windows(words: Sequence[Place], offsets: Sequence[Place], size: int) -> list[int]:
    """As `starts_of`, of windows of `size` tokens one after the other that overlap: each word
    in that window which holds its beginning and in which it stands farthest from a cut. The
    text's own beginning is none."""
    count = len(offsets)
    if count <= size:
        return starts_of(words, offsets)
    starts = [-1] * len(words)
    far = [(False, -1)] * len(words)
    for first in range(0, count, size):
        window = offsets[first : first + size]
        last = first + size >= count
        for i, at in enumerate(starts_of(words, window)):
            if at < 0:
                continue
            before = size if first == 0 else at
            after = size if last else len(window) - 1 - at
            found = (window[at][0] <= words[i][0], min(before, after))
            if found > far[i]:
                far[i], starts[i] = found, first + at
    return starts


def _empty(place: Place) -> bool:
    return place[0] >= place[1]


def places(words: Sequence[Sequence[Place]]) -> NDArray[np.int32]:
    """The places of several texts' words as one array, (texts, words, 2); -1 past the last."""
    most = max(map(len, words), default=0)
    found = np.full((len(words), most, 2), -1, np.int32)
    for i, one in enumerate(words):
        if one:
            found[i, : len(one)] = one
    return found
