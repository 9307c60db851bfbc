"""What a model answers: one record for each kind of answer, as JSON, in golden examples, and how
two of them differ. Where answers come from, and whether they are right, the tasks know."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

SHOWN_ALTERNATIVES = 3

_WRAPPED = re.compile(r"[ \t]*[\r\n]+[ \t>]*")


class Alternative(NamedTuple):
    label: str
    score: float


@dataclass(frozen=True, slots=True)
class Prediction:
    """An answer of a classifier.

    label: the best label in scope, also when the model abstains.
    score: confidence in it, 0 to 1; low when the text is out of scope.
    abstained: True when the score is under the bundle's threshold.
    alternatives: the next best labels in scope, best first.
    """

    label: str
    score: float
    abstained: bool = False
    alternatives: tuple[Alternative, ...] = ()

    @property
    def named(self) -> tuple[str, ...]:
        """The labels that the answer gives to the text."""
        return (self.label,)

    def to_json(self) -> dict[str, Any]:
        return {
            "label": self.label,
            "score": round(self.score, 6),
            "abstained": self.abstained,
            "alternatives": _pairs(self.alternatives),
        }

    def in_text(self, text: str) -> Prediction:
        """The answer once it is known what it answers, for those that show parts of it."""
        return self

    def to_golden(self) -> dict[str, Any]:
        """What a golden example holds of the answer: enough for `differs`."""
        return {key: value for key, value in self.to_json().items() if key != "alternatives"}

    def differs(self, example: Mapping[str, Any], tolerance: float) -> str | None:
        """How the answer differs from a golden one beyond `tolerance` in the score."""
        if self.label != example.get("label"):
            return f"label {self.label!r} instead of {example.get('label')!r}"
        return _score_differs("score", self.score, example.get("score"), tolerance)


@dataclass(frozen=True, slots=True)
class LabelSet(Prediction):
    """An answer that gives a text any number of labels.

    label: the set's one name (`tasks.label_sets`). score: how likely exactly this set is,
    were the labels independent. alternatives: every other label, the one nearest to
    being named first. labels: those named, the surest first.
    """

    labels: tuple[Alternative, ...] = ()

    @property
    def named(self) -> tuple[str, ...]:
        return tuple(label for label, _ in self.labels)

    def to_json(self) -> dict[str, Any]:
        return {
            "labels": _pairs(self.labels),
            "score": round(self.score, 6),
            "abstained": self.abstained,
            "alternatives": _pairs(self.alternatives[:SHOWN_ALTERNATIVES]),
        }

    def to_golden(self) -> dict[str, Any]:
        # With the alternatives: a label may pass its threshold only by rounding.
        return self.to_json()

    def differs(self, example: Mapping[str, Any], tolerance: float) -> str | None:
        theirs = dict(example.get("labels") or ())
        known = theirs | dict(example.get("alternatives") or ())
        mine = dict((*self.labels, *self.alternatives))
        for label in sorted({*self.named, *theirs}):
            if label not in known or label not in mine:
                return f"labels {[*self.named]} instead of {[*theirs]}"
            problem = _score_differs(f"{label!r}", mine[label], known[label], tolerance)
            if problem:
                return problem
        return None


class FoundSpan(NamedTuple):
    """start, end: code points of the text, end not included. score: how likely all of its
    words are tagged so."""

    start: int
    end: int
    label: str
    score: float


class Call(NamedTuple):
    """A function call that a text asks for. arguments: as JSON, valid against the function's
    schema. score: how likely exactly this call is asked for."""

    name: str
    arguments: Mapping[str, Any]
    score: float

    @property
    def shown(self) -> str:
        """As people read it: `set_timer(minutes=5)`."""
        given = (f"{k}={json.dumps(v, ensure_ascii=False)}" for k, v in self.arguments.items())
        return f"{self.name}({', '.join(given)})"


@dataclass(frozen=True, slots=True)
class Extraction(Prediction):
    """An answer that marks spans of the text.

    label: the annotation's one name (`tasks.annotations`). score: how likely exactly this
    label and these spans are. text_label: of the whole text, None for a model without such
    labels; text_score: how likely it is by itself; alternatives: the next best ones. spans: in
    order. calls: what a model that knows functions would call, in the order of the text, () for
    none of them; None for other models.
    """

    text_label: str | None = None
    spans: tuple[FoundSpan, ...] = ()
    text: str = ""
    calls: tuple[Call, ...] | None = None
    text_score: float | None = None

    @property
    def named(self) -> tuple[str, ...]:
        if self.calls is not None:
            return tuple(call.shown for call in self.calls)
        marked = (f"{self.text[s.start : s.end]} [{s.label}]" for s in self.spans)
        return (*((self.text_label,) if self.text_label is not None else ()), *marked)

    def in_text(self, text: str) -> Prediction:
        return replace(self, text=text)

    def to_json(self) -> dict[str, Any]:
        return {
            "label": self.text_label,
            "score": round(self.score, 6),
            "abstained": self.abstained,
            "spans": [
                {
                    "start": span.start,
                    "end": span.end,
                    "text": self.text[span.start : span.end],
                    "label": span.label,
                    "score": round(span.score, 6),
                }
                for span in self.spans
            ],
            **self._calls_json(),
            "alternatives": _pairs(self.alternatives),
        }

    def _calls_json(self) -> dict[str, Any]:
        if self.calls is None:
            return {}
        return {"calls": [{**call._asdict(), "score": round(call.score, 6)} for call in self.calls]}

    def differs(self, example: Mapping[str, Any], tolerance: float) -> str | None:
        if self.text_label != example.get("label"):
            return f"label {self.text_label!r} instead of {example.get('label')!r}"
        mine = [[span.start, span.end, span.label] for span in self.spans]
        known = example.get("spans") or []
        theirs = [[span["start"], span["end"], span["label"]] for span in known]
        if mine != theirs:
            return f"spans {mine} instead of {theirs}"
        if self.calls is not None:
            called = [(call.name, dict(call.arguments)) for call in self.calls]
            expected = [
                (one.get("name"), one.get("arguments")) for one in example.get("calls") or ()
            ]
            if called != expected:
                return f"calls {called} instead of {expected}"
        return _score_differs("score", self.score, example.get("score"), tolerance)


class RankedDocument(NamedTuple):
    """score: how near it is to the query, at most 1; not how likely it is right. passage: start
    and end in the text of the sentence that fits best, of the best document alone."""

    id: str
    score: float
    text: str
    title: str = ""
    passage: tuple[int, int] | None = None


@dataclass(frozen=True, slots=True)
class Ranking(Prediction):
    """An answer that ranks documents.

    label: the id of the best document, "" where there is none. score: how likely it is the
    right one. abstained: none is a good answer. documents: the best ones, best first.
    """

    documents: tuple[RankedDocument, ...] = ()

    def to_json(self) -> dict[str, Any]:
        return {
            "documents": [
                {
                    "id": found.id,
                    "score": round(found.score, 6),
                    "title": found.title,
                    "text": found.text,
                    **({} if found.passage is None else {"passage": [*found.passage]}),
                }
                for found in self.documents
            ],
            "score": round(self.score, 6),
            "abstained": self.abstained,
        }

    def to_golden(self) -> dict[str, Any]:
        return {"label": self.label, "score": round(self.score, 6), "abstained": self.abstained}


@dataclass(frozen=True, slots=True)
class Summary(Prediction):
    """An answer that takes over sentences of a document.

    label: the one name of the sentences' places (`tasks.summaries`). score: how likely they
    belong to the summary, on the mean. sentences: in order; label: the section that each is
    for. several: whether the model knows more sections than one.
    """

    sentences: tuple[FoundSpan, ...] = ()
    text: str = ""
    several: bool = False

    @property
    def spans(self) -> tuple[FoundSpan, ...]:
        """The sentences, for those that show spans of a text."""
        return self.sentences

    @property
    def named(self) -> tuple[str, ...]:
        return tuple(self.text[s.start : s.end] for s in self.sentences)

    @property
    def prose(self) -> str:
        """The sentences one after the other, without the line ends, and the marks of quoting after
        them, of those that a program of mail has wrapped."""
        return " ".join(_unwrapped(said) for said in self.named)

    @property
    def sections(self) -> dict[str, str]:
        """The prose by section, in the order of the document."""
        texts: dict[str, str] = {}
        for one, said in zip(self.sentences, map(_unwrapped, self.named), strict=True):
            texts[one.label] = f"{texts[one.label]} {said}" if one.label in texts else said
        return texts

    def in_text(self, text: str) -> Prediction:
        return replace(self, text=text)

    def to_json(self) -> dict[str, Any]:
        found: dict[str, Any] = {
            "summary": self.prose,
            "sentences": [
                {
                    "start": sentence.start,
                    "end": sentence.end,
                    "text": self.text[sentence.start : sentence.end],
                    "section": sentence.label,
                    "score": round(sentence.score, 6),
                }
                for sentence in self.sentences
            ],
            "score": round(self.score, 6),
            "abstained": self.abstained,
        }
        if self.several:
            found["sections"] = self.sections
        return found

    def to_golden(self) -> dict[str, Any]:
        # Without what the document says anyway: examples are long and ship with the model.
        places = [{"start": s.start, "end": s.end, "section": s.label} for s in self.sentences]
        return {
            "sentences": places,
            "score": round(self.score, 6),
            "abstained": self.abstained,
        }

    def differs(self, example: Mapping[str, Any], tolerance: float) -> str | None:
        mine = [[s.start, s.end, s.label] for s in self.sentences]
        known = example.get("sentences") or []
        theirs = [[s["start"], s["end"], s["section"]] for s in known]
        if mine != theirs:
            return f"sentences {mine} instead of {theirs}"
        return _score_differs("score", self.score, example.get("score"), tolerance)


def _pairs(found: Iterable[Alternative]) -> list[list[Any]]:
    return [[label, round(score, 6)] for label, score in found]


def _unwrapped(said: str) -> str:
    return _WRAPPED.sub(" ", said)


def _score_differs(what: str, score: float, other: Any, tolerance: float) -> str | None:
    if isinstance(other, int | float) and abs(score - other) <= tolerance:
        return None
    shown = f"{other:.4f}" if isinstance(other, int | float) else repr(other)
    return f"{what} {score:.4f} instead of {shown}"
