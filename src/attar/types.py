"""The records that travel between the layers, and the protocols that parts fulfil."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Literal, NamedTuple, Protocol, TypeVar

import numpy as np
from numpy.typing import NDArray

from attar.evidence import Evidence

Item = TypeVar("Item")
SHOWN_ALTERNATIVES = 3

#: What an engine returns: output name -> array whose first axis is the batch.
Outputs = Mapping[str, NDArray[Any]]


@dataclass(frozen=True, slots=True)
class Row:
    """One example as read: where it stood is kept so that messages can name it."""

    text: str
    label: str | None = None
    group: str | None = None
    file: str = ""
    line: int = 0

    @property
    def place(self) -> str:
        return f"{self.file}, row {self.line}"


@dataclass(frozen=True, slots=True)
class Document:
    """What the task rank answers with. id: as rows name it. also: other ids of the same."""

    id: str
    text: str
    title: str = ""
    also: tuple[str, ...] = ()

    @property
    def read(self) -> str:
        """What a model reads of it."""
        return f"{self.title}\n{self.text}" if self.title else self.text


@dataclass(frozen=True, slots=True)
class Dropped:
    """A row that curation took out, with the reason and the row it collided with."""

    row: Row
    reason: str
    detail: str = ""


@dataclass(frozen=True, slots=True)
class Flagged:
    """A row that curation kept and found something about: somebody should look at it."""

    row: Row
    reason: str
    detail: str = ""

    def drop(self) -> Dropped:
        return Dropped(self.row, self.reason, self.detail)


@dataclass(frozen=True, slots=True)
class Dataset:
    """Curated rows by split. `unlabeled` is the transfer set of distillation. documents: of the
    task rank, whose texts are in `unlabeled` too."""

    train: tuple[Row, ...]
    select: tuple[Row, ...]
    calibrate: tuple[Row, ...]
    certify: tuple[Row, ...]
    unlabeled: tuple[Row, ...] = ()
    dropped: tuple[Dropped, ...] = ()
    flagged: tuple[Flagged, ...] = ()
    notes: tuple[str, ...] = ()
    fingerprint: str = ""
    documents: tuple[Document, ...] = ()


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

    def in_text(self, text: str) -> Prediction:
        return replace(self, text=text)

    def to_json(self) -> dict[str, Any]:
        found: dict[str, Any] = {
            "summary": " ".join(self.named),
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
            sections: dict[str, list[str]] = {}
            for sentence, said in zip(self.sentences, self.named, strict=True):
                sections.setdefault(sentence.label, []).append(said)
            found["sections"] = {name: " ".join(said) for name, said in sections.items()}
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


def _score_differs(what: str, score: float, other: Any, tolerance: float) -> str | None:
    if isinstance(other, int | float) and abs(score - other) <= tolerance:
        return None
    shown = f"{other:.4f}" if isinstance(other, int | float) else repr(other)
    return f"{what} {score:.4f} instead of {shown}"


@dataclass(frozen=True, slots=True)
class Derived:
    """A value of the plan and the reason for it, both printable."""

    value: Any
    reason: str


#: One label; any number of labels; spans, and perhaps one label; the id of a document; a summary.
GoldKind = Literal["label", "labels", "spans", "document", "summary"]

#: What a head gives its columns for: a whole text; the text and each word; each sentence.
Reads = Literal["text", "words", "sentences"]


class Figure(NamedTuple):
    """A metric as reports show it. share: in percent; others as they are. of_teacher: the
    teacher's own stands beside it."""

    name: str
    title: str
    share: bool = True
    of_teacher: bool = True


class Task(Protocol):
    """What a model does: its targets, how outputs become answers, how answers are scored.

    gold_kind: what its rows are labeled with. A row's label is always a text: with "labels" the
    name of a set of them (`tasks.label_sets`), with "spans" that of an annotation
    (`tasks.annotations`), with "document" the id of the right one, with "summary" that of a
    reference (`tasks.summaries`).
    reads: what its model looks at. Where that is more than the whole text, no head fitted on a
    frozen encoder does it well, and a text holds several examples of what is learned.
    acceptances: the ways in which it can tell whether to answer, the cheapest first.
    figures: what reports show of `metrics`, the main one first.
    """

    name: str
    gold_kind: GoldKind
    reads: Reads
    capabilities: tuple[str, ...]
    acceptances: tuple[str, ...]
    claim_metrics: tuple[str, ...]
    figures: tuple[Figure, ...]

    def check(self, rows: Sequence[Row]) -> None:
        """Raise DataError where labeled rows cannot be learned from."""

    def labels_of(self, label: str | None) -> tuple[str, ...]:
        """The labels that a row's `label` stands for."""

    def shown(self, label: str | None, text: str) -> str | None:
        """A row's label as people read it."""

    def confused(self, gold: str | None, named: str) -> Sequence[tuple[str | None, str]]:
        """What stands for what, (gold, named) each, in an answer that is not the gold one."""

    def targets(self, rows: Sequence[Row], out_of_scope: str | None) -> tuple[str, ...]:
        """The names of the model's output columns, in order."""

    def gold(self, rows: Sequence[Row], targets: Sequence[str]) -> NDArray[np.int64]:
        """What the head learns for each row: (rows,) or (rows, columns); -1 is unknown."""

    def check_manifest(self, manifest: Mapping[str, Any]) -> None:
        """Raise BundleError where a bundle's `task_settings` cannot be decoded with."""

    def settings(
        self,
        targets: Sequence[str],
        out_of_scope: str | None,
        threshold: float | None = None,
        temperature: float = 1.0,
        acceptance: str = "probability",
    ) -> dict[str, Any]:
        """What the manifest must hold for `decode`."""

    def beside(self, texts: Sequence[str]) -> Outputs:
        """What `decode` must know of the texts besides the model's outputs, by name."""

    def decode(self, outputs: Outputs, manifest: Mapping[str, Any]) -> list[Prediction]:
        """Turn one batch of engine outputs into answers. Numpy only."""

    def acceptance(self, outputs: Outputs, manifest: Mapping[str, Any]) -> NDArray[np.float64]:
        """How sure the model is that it should answer, (batch,); under the threshold it
        abstains."""

    def tuned(
        self, outputs: Outputs, rows: Sequence[Row], settings: Mapping[str, Any]
    ) -> dict[str, Any]:
        """Further settings of `decode`, fixed on rows that nobody learned from."""

    def log_loss(self, outputs: Outputs, rows: Sequence[Row], settings: Mapping[str, Any]) -> float:
        """Mean negative log-likelihood of the gold labels; NaN without rows."""

    def mean(self, logits: Sequence[NDArray[np.float32]]) -> NDArray[np.float32]:
        """Logits of the mean of several models' probabilities, (n, columns) each."""

    def score(self, figures: Mapping[str, float]) -> float:
        """What the search over students maximizes, of its `metrics`."""

    def grades(
        self, rows: Sequence[Row], answers: Sequence[Prediction]
    ) -> NDArray[np.float64] | None:
        """How good each answer is, (rows,), 0 to 1; None where answers are right or wrong, which
        is whether their label is the row's."""

    def metrics(
        self, rows: Sequence[Row], answers: Sequence[Prediction], out_of_scope: str | None
    ) -> dict[str, float]:
        """Point estimates on labeled rows."""

    def evidence(
        self,
        rows: Sequence[Row],
        answers: Sequence[Prediction],
        teacher: Sequence[str] | None,
        out_of_scope: str | None,
    ) -> dict[str, Evidence]:
        """What claims on these rows are decided on, by metric. teacher: its label for each
        row; without it there is no evidence for claims that compare."""

    def chance(self, rows: Sequence[Row]) -> float:
        """What answering without reading the text would score on `rows`."""


class Answerer(Protocol):
    """Gives soft answers: a teacher, as far as evaluation needs one."""

    name: str

    def answer(self, texts: Sequence[str]) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """Logits (n, columns) and embeddings (n, hidden)."""


class Progress(Protocol):
    """Shows work under way. The command line draws bars; a library call stays silent."""

    def track(self, items: Iterable[Item], what: str, total: int | None = None) -> Iterable[Item]:
        """Yield the items while showing how many are done and the time left."""

    def say(self, message: str) -> None:
        """Print one line about what is being done or reused."""


@dataclass(frozen=True, slots=True)
class Silent:
    """The Progress of library calls."""

    messages: list[str] = field(default_factory=list)

    def track(self, items: Iterable[Item], what: str, total: int | None = None) -> Iterable[Item]:
        return items

    def say(self, message: str) -> None:
        self.messages.append(message)
