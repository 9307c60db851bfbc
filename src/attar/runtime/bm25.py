"""BM25: how well the words of a query are those of a document.

Robertson & Zaragoza 2009, with k1 1.2 and b 0.75, and the logarithm of Lucene's inverse
document frequency, which is never negative. Words are those of `tasks.words`, lower-cased,
signs left out. A score is divided by the most that the query could get, so that it is from
0 to under 1 and comparable between queries: a word that no document has lowers it.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from attar.tasks.words import words_of

K1, B = 1.2, 0.75
_ASCII = re.compile("[a-z0-9]+")


class Bm25:
    """Scores of a fixed list of documents. Building takes time in proportion to their words."""

    def __init__(self, texts: Sequence[str]) -> None:
        self._numbers: dict[str, int] = {}
        numbers = self._numbers
        found = [[numbers.setdefault(w, len(numbers)) for w in words_in(text)] for text in texts]
        lengths = np.array([len(words) for words in found], np.float64)
        count, vocabulary = len(texts), max(1, len(numbers))
        flat = np.array([number for words in found for number in words], np.int64)
        owner = np.repeat(np.arange(count, dtype=np.int64), lengths.astype(np.int64))
        # By word, then by document: the key sorts both ways.
        pairs, times = np.unique(flat * max(1, count) + owner, return_counts=True)
        word, self._documents = np.divmod(pairs, max(1, count))
        self._starts = np.searchsorted(word, np.arange(vocabulary + 1))
        of_word = np.diff(self._starts)
        self._idf = np.log1p((count - of_word + 0.5) / (of_word + 0.5))
        self._unknown = float(np.log1p((count + 0.5) / 0.5))
        mean = lengths.mean() if lengths.any() else 1.0
        damped = K1 * (1 - B + B * lengths[self._documents] / mean)
        self._gains = self._idf[word] * times * (K1 + 1) / (times + damped) if len(word) else times
        self._count = count

    def __call__(self, query: str) -> NDArray[np.float32]:
        """The score of each document, (documents,)."""
        scores = np.zeros(self._count)
        most = 0.0
        for word in words_in(query):
            number = self._numbers.get(word)
            if number is None:
                most += self._unknown
                continue
            most += float(self._idf[number])
            at = slice(self._starts[number], self._starts[number + 1])
            scores[self._documents[at]] += self._gains[at]  # each document once
        return (scores / (most * (K1 + 1)) if most else scores).astype(np.float32)


def words_in(text: str) -> list[str]:
    """The words of a text as they are counted."""
    lowered = text.lower()
    if lowered.isascii():  # the same words, in a tenth of the time
        return _ASCII.findall(lowered)
    found = (lowered[start:end] for start, end in words_of(lowered))
    return [word for word in found if any(map(str.isalnum, word))]  # a word can hold marks, too
