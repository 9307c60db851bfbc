"""Which of the desk's phrases a reply is: the templates read backwards.

So the simulated customer notices that it was not understood, and the judge that a refusal was told.
Pages and facts are not judged by this alone.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from functools import cache

from desk.dialog.say import phrases

_HOLE = re.compile(r"\{[^{}]*\}")
#: After these a customer says it once more: the desk has not understood or found nothing.
NOT_UNDERSTOOD = (
    "unclear",
    "unclear_again",
    "help.nothing",
    "fault",
    "out_of_scope",
    "calm",
    "empty",
)


@cache
def _patterns(language: str) -> tuple[tuple[str, re.Pattern[str]], ...]:
    found = []
    for name, template in phrases(language).templates.items():
        if name.split(".")[0] in ("form", "change", "choice", "intent"):
            continue
        parts = [re.escape(" ".join(part.split())) for part in _HOLE.split(template)]
        # Values may be empty, and blanks beside them then fall together.
        pattern = ".*".join(part.replace(r"\ ", r"\s*") for part in parts)
        found.append((name, re.compile(rf"\s*{pattern}\s*", re.S)))
    # The one with the most words of its own is meant.
    found.sort(key=lambda one: -len(one[1].pattern))
    return tuple(found)


def phrase(text: str, language: str) -> str | None:
    """The phrase's name; None for a page's text and for what no template gives."""
    for name, pattern in _patterns(phrases(language).language):
        if pattern.fullmatch(text) and len(_HOLE.sub("", phrases(language).templates[name])) > 6:
            return name
    return None


def all_phrases(texts: Iterable[str], language: str) -> tuple[str, ...]:
    return tuple(name for text in texts if (name := phrase(text, language)))
