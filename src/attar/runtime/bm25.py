"""BM25: how well the words of a query are those of a document.

Robertson & Zaragoza 2009, with k1 1.2 and b 0.75, and the logarithm of Lucene's inverse
document frequency, which is never negative. Words are those of `tasks.words`, lower-cased,
signs left out. A score is divided by the most that the query could get, so that it is from
0 to under 1 and comparable between queries: a word that no document has lowers it.
"""

from __future__ import annotations

import re
from array import array
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from attar.tasks.words import words_of

K1, B = 1.2, 0.75
FREQUENT = 0.1  # of the documents: a word that stands in so many is kept for all of them
MOST_FREQUENT = 32
_ASCII = re.compile("[a-z0-9]+")


class Bm25:
    """Scores of a fixed list of documents. Building takes time in proportion to their words."""

    def __init__(self, texts: Sequence[str]) -> None:
        self._numbers: dict[str, int] = {}
        numbers = self._numbers
        flat, lengths = array("i"), np.empty(len(texts))
        for i, text in enumerate(texts):
            words = words_in(text)
            flat.extend([numbers.setdefault(word, len(numbers)) for word in words])
            lengths[i] = len(words)
        count, vocabulary = len(texts), max(1, len(numbers))
        owner = np.repeat(np.arange(count, dtype=np.int64), lengths.astype(np.int64))
        # By word, then by document: the key sorts both ways.
        keys = np.frombuffer(flat, np.int32) * np.int64(max(1, count)) + owner
        pairs, times = np.unique(keys, return_counts=True)
        word, owner = np.divmod(pairs, max(1, count))
        self._documents = owner.astype(np.int32)
        self._starts = np.searchsorted(word, np.arange(vocabulary + 1))
        of_word = np.diff(self._starts)
        self._idf = np.log1p((count - of_word + 0.5) / (of_word + 0.5))
        self._unknown = float(np.log1p((count + 0.5) / 0.5))
        mean = lengths.mean() if lengths.any() else 1.0
        damped = K1 * (1 - B + B * lengths[owner] / mean)
        gains = self._idf[word] * times * (K1 + 1) / (times + damped) if len(word) else times
        self._gains = gains.astype(np.float32)
        self._count = count
        # Adding to some tenth of the documents one by one takes longer than to all in a row.
        often = np.argsort(-of_word, kind="stable")[:MOST_FREQUENT].tolist()
        self._dense = {n: self._spread(n) for n in often if of_word[n] >= FREQUENT * count}

    def __call__(self, query: str) -> NDArray[np.float32]:
        """The score of each document, (documents,)."""
        scores = np.zeros(self._count, np.float32)
        most = 0.0
        for word in words_in(query):
            number = self._numbers.get(word)
            if number is None:
                most += self._unknown
                continue
            most += float(self._idf[number])
            if number in self._dense:
                scores += self._dense[number]
            else:
                at = slice(self._starts[number], self._starts[number + 1])
                scores[self._documents[at]] += self._gains[at]  # each document once
        if most:
            scores /= np.float32(most * (K1 + 1))
        return scores

    def _spread(self, number: int) -> NDArray[np.float32]:
        """The gains of a word for every document, (documents,)."""
        found = np.zeros(self._count, np.float32)
        at = slice(self._starts[number], self._starts[number + 1])
        found[self._documents[at]] = self._gains[at]
        return found


def words_in(text: str) -> list[str]:
    """The words of a text as they are counted."""
    lowered = text.lower()
    if lowered.isascii():  # the same words, in a tenth of the time
        return _ASCII.findall(lowered)
    found = (lowered[start:end] for start, end in words_of(lowered))
    return [word for word in found if any(map(str.isalnum, word))]  # a word can hold marks, too
