"""Which sentences of a document a reference summary is made of: what an extractive model
learns, and the most that it could reach.

Greedily, the sentence that raises ROUGE-1 + ROUGE-2 F1 most comes next, until none does
(Nallapati et al. 2017, SummaRuNNer, §4.1). With sections each sentence goes to that section
which it helps most. Word pairs are counted within sentences.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from functools import lru_cache

from attar.tasks.rouge import grams, tokens_of
from attar.tasks.sentences import sentences_of
from attar.tasks.summaries import reference_in

Counts = Counter[tuple[str, ...]]
LEAST_GAIN = 1e-9


@lru_cache(maxsize=65_536)
def oracle(text: str, reference: str | None) -> tuple[tuple[int, str], ...]:
    """(sentence number, section) of those chosen, by sentence. reference: the name of a row's
    label (`tasks.summaries`)."""
    parts = [tokens_of(text[start:end]) for start, end in sentences_of(text)]
    wanted = {
        name: _Section(tokens_of(said), parts) for name, said in reference_in(reference).items()
    }
    chosen: dict[int, str] = {}
    while True:
        best, where = LEAST_GAIN, None
        for name, section in wanted.items():
            for i, gain in section.gains.items():
                if i not in chosen and gain > best:
                    best, where = gain, (i, name)
        if where is None:
            return tuple(sorted(chosen.items()))
        chosen[where[0]] = where[1]
        wanted[where[1]].take(where[0])


class _Section:
    """A reference, what was chosen for it, and what each further sentence would add."""

    def __init__(self, reference: Sequence[str], parts: Sequence[Sequence[str]]) -> None:
        self.wanted = [grams(reference, n) for n in (1, 2)]
        self.sizes = [max(0, len(reference) + 1 - n) for n in (1, 2)]
        self.found: list[Counts] = [Counter(), Counter()]
        self.hits, self.said = [0, 0], [0, 0]
        # Of each sentence only what the reference has: nothing else can be a hit.
        self.parts = {
            i: [_within(grams(part, n), self.wanted[n - 1]) for n in (1, 2)]
            for i, part in enumerate(parts)
        }
        self.lengths = [[max(0, len(part) + 1 - n) for n in (1, 2)] for part in parts]
        self.parts = {i: both for i, both in self.parts.items() if both[0]}
        self.score = 0.0
        self._measure()

    def take(self, i: int) -> None:
        for n in (0, 1):
            self.hits[n] += self._added(i, n)
            self.said[n] += self.lengths[i][n]
            self.found[n] += self.parts[i][n]
        self.score = sum(_f1(self.hits[n], self.said[n], self.sizes[n]) for n in (0, 1))
        del self.parts[i]
        self._measure()

    def _measure(self) -> None:
        self.gains = {
            i: sum(
                _f1(
                    self.hits[n] + self._added(i, n),
                    self.said[n] + self.lengths[i][n],
                    self.sizes[n],
                )
                for n in (0, 1)
            )
            - self.score
            for i in self.parts
        }

    def _added(self, i: int, n: int) -> int:
        found, wanted = self.found[n], self.wanted[n]
        return sum(
            min(found[gram] + count, wanted[gram]) - min(found[gram], wanted[gram])
            for gram, count in self.parts[i][n].items()
        )


def _within(counts: Counts, wanted: Counts) -> Counts:
    return Counter({gram: n for gram, n in counts.items() if gram in wanted})


def _f1(hits: int, said: int, wanted: int) -> float:
    return 2 * hits / (said + wanted) if hits else 0.0
