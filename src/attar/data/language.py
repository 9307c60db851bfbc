"""Which language a text is in, offline: langid (Lui & Baldwin 2012) as `py3langid` has it,
139 languages, its model in the wheel (the extra `curate`).

Short texts are hard to tell: with few characters, or where the model is not sure, the
answer is None, and nobody is blamed for another language.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable
from functools import cache
from importlib.util import find_spec
from typing import Any

from attar.data import reasons
from attar.errors import DataError, MissingExtraError
from attar.registry import did_you_mean
from attar.types import Flagged, Row

NO_LANGUAGE = "zxx"  # ISO 639-2: no linguistic content
LEAST_CHARACTERS = 20
LEAST_CONFIDENCE = 0.9  # docs/curation.md: no false alarm in 6,000 English requests


def available() -> bool:
    return find_spec("py3langid") is not None


def language_of(text: str) -> str | None:
    """The ISO 639-1 code of the text's language, None where that is unsure."""
    if len(text.strip()) < LEAST_CHARACTERS:
        return None
    code, confidence = _identifier().classify(text)
    return str(code) if confidence >= LEAST_CONFIDENCE and code != NO_LANGUAGE else None


def languages_of(rows: Iterable[Row]) -> Counter[str]:
    """How many rows are in which language, unsure ones left out."""
    return Counter(code for row in rows if (code := language_of(row.text)) is not None)


def in_other_languages(rows: Iterable[Row], wanted: Collection[str]) -> list[Flagged]:
    """The rows that are surely in a language that is not wanted."""
    found = []
    for row in rows:
        code = language_of(row.text)
        if code is not None and code not in wanted:
            found.append(Flagged(row, reasons.LANGUAGE, code))
    return found


def check_languages(wanted: Collection[str]) -> None:
    """Raise DataError for codes that the model does not know."""
    known = sorted(_identifier().labels)
    for code in wanted:
        if code not in known:
            raise DataError(
                f"[data] languages: {code!r} is not a known ISO 639-1 code."
                f"{did_you_mean(code, known)} Known: {', '.join(known)}."
            )


@cache
def _identifier() -> Any:
    try:
        from py3langid.langid import MODEL_FILE, LanguageIdentifier
    except ImportError:
        raise MissingExtraError("curate", "telling languages apart") from None
    return LanguageIdentifier.from_model_file(MODEL_FILE, norm_probs=True)
