"""The shop's help pages, by the model of one bundle of `rank`.

A page is an answer where the model does not abstain. Shown is the part of it around the sentence
that fits best, in the page's own words. Where an intent is known, pages about it can be asked for,
the likeliest first: to choose from.
"""

from __future__ import annotations

import logging
import re
import tomllib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import attar
from desk.dialog.reading import LONGEST
from desk.types import Passage

_LOG = logging.getLogger(__name__)
#: Characters of a page that a reply shows: about what a phone shows at once.
SHOWN = 420
MOST_NEAR = 4  # pages to choose from
_SENTENCE = re.compile(r"(?<=[.!?])\s+")
_WORD = re.compile(r"\w{3,}")


class PagesKnow:
    """topics: intent -> ids of the pages about it; without any, all pages are about everything.
    Raises attar.AttarError, when it is made, for a file that is no bundle of `rank`, and
    ValueError for a topic that names a page that is not there."""

    def __init__(
        self,
        bundle: str | Path,
        threads: int = 1,
        topics: Mapping[str, Sequence[str]] | None = None,
    ) -> None:
        self._predictor = attar.load(bundle, threads=threads)
        if not self._predictor.documents:
            raise attar.AttarError(
                f"{bundle}: the desk needs a model of the task rank, with documents"
            )
        self._pages = {page.id: page for page in self._predictor.documents}
        self._topics = {intent: tuple(pages) for intent, pages in (topics or {}).items()}
        for intent, pages in self._topics.items():
            if lacking := sorted(set(pages) - set(self._pages)):
                raise ValueError(f"{intent}: there is no page {', '.join(lacking)} in {bundle}")

    @property
    def titles(self) -> dict[str, str]:
        """Of all pages, by their ids."""
        return {name: page.title for name, page in self._pages.items()}

    def __call__(self, text: str) -> Passage | None:
        found = self._answer(text)
        if found is None or found.abstained or not found.documents:
            return None
        best = found.documents[0]
        return Passage(best.id, best.title, excerpt(best.text, best.passage), float(found.score))

    def near(self, text: str, intent: str) -> tuple[Passage, ...]:
        found = self._answer(text)
        ranked = {page.id: float(page.score) for page in found.documents} if found else {}
        about = self._topics.get(intent, () if self._topics else tuple(ranked))
        # The model names its best few; other pages about the intent come after them, as listed.
        likeliest = sorted(about, key=lambda name: -ranked.get(name, -1.0))
        return tuple(
            Passage(page.id, page.title, excerpt(page.text, fitting(page.text, text)), 0.0)
            for page in (self._pages[name] for name in likeliest[:MOST_NEAR])
        )

    def _answer(self, text: str) -> Any:
        try:
            return self._predictor(text[:LONGEST])
        except attar.AttarError:
            _LOG.exception("a message could not be read by the model of the help pages")
            return None


def read_topics(path: Path) -> dict[str, tuple[str, ...]]:
    """Intents with the ids of their pages, from TOML. Raises ValueError, naming what is wrong."""
    try:
        held = tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeError, tomllib.TOMLDecodeError) as error:
        raise ValueError(f"{path}: {error}") from None
    for intent, pages in held.items():
        if not (isinstance(pages, list) and all(isinstance(one, str) for one in pages)):
            raise ValueError(f"{path}: {intent}: a list of ids of pages is expected")
    return {intent: tuple(pages) for intent, pages in held.items()}


def fitting(text: str, asked: str) -> tuple[int, int] | None:
    """The sentence of a text that shares most words with what is asked; None where none does."""
    words = {word.casefold() for word in _WORD.findall(asked)}
    starts = [0, *(match.end() for match in _SENTENCE.finditer(text))]
    best, place = 0, None
    for start, end in zip(starts, [*starts[1:], len(text)], strict=True):
        shared = len(words & {word.casefold() for word in _WORD.findall(text[start:end])})
        if shared > best:
            best, place = shared, (start, end)
    return place


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
