"""The passage of a document that an answer comes from: the sentence with the query's words.

Words that stand in few of the document's sentences count most. It looks at words alone, so
that it costs a fraction of reading the sentences; a document of one sentence, or without any
word of the query, has no passage. Of scripts without blanks each character is a word.
"""

from __future__ import annotations

import math
from collections import Counter
from dataclasses import replace

from attar.predictions import Ranking
from attar.runtime.bm25 import words_in
from attar.tasks.sentences import sentences_of


def with_passage(answer: Ranking, query: str) -> Ranking:
    """The answer with the passage of its best document."""
    if not answer.documents:
        return answer
    best, *others = answer.documents
    place = passage_of(best.text, query)
    return replace(answer, documents=(best._replace(passage=place), *others))


def passage_of(text: str, query: str) -> tuple[int, int] | None:
    """Start and end of the best sentence, in code points; of equals the first."""
    places = sentences_of(text)
    if len(places) < 2:
        return None
    asked = set(words_in(query))
    held = [asked.intersection(words_in(text[start:end])) for start, end in places]
    counts = Counter(word for words in held for word in words)
    scores = [sum(math.log1p(len(places) / counts[w]) for w in sorted(words)) for words in held]
    best = max(range(len(places)), key=lambda i: scores[i])
    return places[best] if scores[best] > 0 else None
