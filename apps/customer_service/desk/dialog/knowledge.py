"""The shop's help pages, by the model of one bundle of `rank`.

A page is an answer where the model does not abstain. Shown is the part of it around the sentence
that fits best, in the page's own words.
"""

from __future__ import annotations

import logging
import re
from pathlib import Path
from typing import Any

import attar
from desk.dialog.reading import LONGEST
from desk.types import Passage

_LOG = logging.getLogger(__name__)
#: Characters of a page that a reply shows: about what a phone shows at once.
SHOWN = 420
_SENTENCE = re.compile(r"(?<=[.!?])\s+")


class PagesKnow:
    """Raises attar.AttarError, when it is made, for a file that is no bundle of `rank`."""

    def __init__(self, bundle: str | Path, threads: int = 1) -> None:
        self._predictor = attar.load(bundle, threads=threads)
        if not self._predictor.documents:
            raise attar.AttarError(
                f"{bundle}: the desk needs a model of the task rank, with documents"
            )

    @property
    def titles(self) -> dict[str, str]:
        """Of all pages, by their ids."""
        return {page.id: page.title for page in self._predictor.documents}

    def __call__(self, text: str) -> Passage | None:
        try:
            found: Any = self._predictor(text[:LONGEST])
        except attar.AttarError:
            _LOG.exception("a message could not be read by the model of the help pages")
            return None
        if found.abstained or not found.documents:
            return None
        best = found.documents[0]
        return Passage(best.id, best.title, excerpt(best.text, best.passage), float(found.score))


def excerpt(text: str, passage: tuple[int, int] | None, longest: int = SHOWN) -> str:
    """Whole sentences of a text around a passage of it: those after it first, then those before,
    as many as fit. passage None: from the beginning."""
    if len(text) <= longest:
        return text
    starts = [0, *(match.end() for match in _SENTENCE.finditer(text))]
    ends = [*starts[1:], len(text)]
    at = passage[0] if passage else 0
    first = last = max(place for place, start in enumerate(starts) if start <= at)
    while last + 1 < len(starts) and ends[last + 1] - starts[first] <= longest:
        last += 1
    while first > 0 and ends[last] - starts[first - 1] <= longest:
        first -= 1
    return text[starts[first] : ends[last]].strip()
