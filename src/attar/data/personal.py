"""Personal data with a form of its own: found by patterns and check digits, and redacted.

The recognizers are Presidio's (the extra `curate`): e-mail and web addresses, phone
numbers, payment cards, IBANs, IP and MAC addresses, US social security numbers. Most
demand a valid check digit, top-level domain or number plan; the weakest count only beside
a word such as "ssn". Names, places, organizations, dates, ages, postal codes and driving
licences have no form of their own and are NOT found: that takes a model. A text without
findings may hold personal data all the same.

It makes no network request: the list of top-level domains is the one in the wheel.
"""

from __future__ import annotations

import logging
import os
import re
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Any

from attar.errors import MissingExtraError

if TYPE_CHECKING:
    from presidio_analyzer import AnalyzerEngine, RecognizerResult

#: Presidio's name of an entity -> ours; the placeholder is "<NAME>".
KINDS = {
    "CREDIT_CARD": "CARD",
    "EMAIL_ADDRESS": "EMAIL",
    "IBAN_CODE": "IBAN",
    "IP_ADDRESS": "IP",
    "MAC_ADDRESS": "MAC",
    "PHONE_NUMBER": "PHONE",
    "URL": "URL",
    "US_SSN": "SSN",
}
#: 12 to 19 digits that begin as a card network's do; a check digit (Luhn) must fit too.
#: Presidio's own pattern stops at 17 digits and lacks Maestro and the 2-series.
CARD = r"(?<![\w+])(?:1800|2131|22[2-9]\d|2[3-6]\d\d|27[01]\d|2720|[3-6]\d{3})(?:[ -]?\d){8,15}\b"
BESIDE_PHONES = ["phone", "telephone", "tel", "cell", "cellphone", "mobile", "call", "fax"]
PHONE_DIGITS = 7  # at least: fewer are house numbers and amounts
LEAST_SCORE = 0.4  # a phone number in a valid form; weaker patterns need a word beside them
_WORTH_A_LOOK = re.compile(r"[0-9@]|\w\.\w|::")


@dataclass(frozen=True, slots=True)
class Found:
    """text[start:end] is personal data of this kind (a value of KINDS)."""

    kind: str
    start: int
    end: int


def find_personal_data(text: str) -> list[Found]:
    """What is found, in order and without overlaps; of overlapping findings the surest,
    then the longest, counts. Raises MissingExtraError without Presidio."""
    if not _WORTH_A_LOOK.search(text):  # no kind of KINDS does without one of these
        return []
    results = _analyzer().analyze(text, "en", score_threshold=LEAST_SCORE)
    results = [r for r in results if r.entity_type != "PHONE_NUMBER" or _is_long(text, r)]
    results.sort(key=lambda r: (-r.score, r.start - r.end, r.start, r.entity_type))
    kept: list[Found] = []
    for result in results:
        if all(result.end <= other.start or other.end <= result.start for other in kept):
            kept.append(Found(KINDS[result.entity_type], result.start, result.end))
    return sorted(kept, key=lambda found: found.start)


def _is_long(text: str, found: RecognizerResult) -> bool:
    return sum(map(str.isdigit, text[found.start : found.end])) >= PHONE_DIGITS


def placeholders(text: str, found: Iterable[Found]) -> str:
    """The text with every finding, in order, replaced by its kind: <EMAIL>."""
    pieces, at = [], 0
    for one in found:
        pieces += [text[at : one.start], f"<{one.kind}>"]
        at = one.end
    return "".join([*pieces, text[at:]])


@cache
def _analyzer() -> AnalyzerEngine:
    # Read by tldextract when it is imported: an empty list forbids requests.
    os.environ.setdefault("TLDEXTRACT_PUBLIC_SUFFIX_LIST_URLS", "")
    try:
        import presidio_analyzer as presidio
        from presidio_analyzer import predefined_recognizers as recognizers
        from presidio_analyzer.context_aware_enhancers import LemmaContextAwareEnhancer
    except ImportError:
        raise MissingExtraError("curate", "finding personal data") from None
    logging.getLogger("presidio-analyzer").setLevel(logging.ERROR)
    # Digits as many as a phone number has, in no valid plan: only beside such a word.
    unplanned = recognizers.PhoneRecognizer(BESIDE_PHONES, leniency=0, name="unplanned")
    unplanned.SCORE = 0.1
    registry = presidio.RecognizerRegistry(
        [
            recognizers.CreditCardRecognizer([presidio.Pattern("card", CARD, 0.3)]),
            recognizers.EmailRecognizer(),
            recognizers.IbanRecognizer(regex_flags=re.IGNORECASE),
            recognizers.IpRecognizer(),
            recognizers.MacAddressRecognizer(),
            recognizers.PhoneRecognizer(),
            unplanned,
            recognizers.UrlRecognizer(),
            recognizers.UsSsnRecognizer(),
        ],
        supported_languages=["en"],
    )
    beside = LemmaContextAwareEnhancer(context_matching_mode="whole_word")
    return presidio.AnalyzerEngine(registry, _words(), context_aware_enhancer=beside)


def _words() -> Any:
    """Presidio's view of a text, from spaCy's rules for English alone: no model. Words
    stand for their lemmas, which Presidio compares with words such as "ssn" or "card"."""
    import spacy
    from presidio_analyzer.nlp_engine import NlpArtifacts, SpacyNlpEngine

    class Words(SpacyNlpEngine):
        nlp: Any

        def process_text(self, text: str, language: str) -> NlpArtifacts:
            tokens = self.nlp[language].make_doc(text)
            lemmas = [token.lower_ for token in tokens]
            return NlpArtifacts([], tokens, [token.idx for token in tokens], lemmas, self, language)

        def is_stopword(self, word: str, language: str) -> bool:
            return False  # "call" is one for spaCy, and a word beside phone numbers for us

    engine = Words(models=[{"lang_code": "en", "model_name": "none"}])
    engine.nlp = {"en": spacy.blank("en")}
    return engine
