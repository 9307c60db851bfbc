"""The records that travel between the layers, and the protocols that parts fulfil."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, NamedTuple, Protocol, TypeVar, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from attar.evidence import Evidence
from attar.predictions import Prediction

Item = TypeVar("Item")

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
    task rank, whose texts are in `unlabeled` too. own_calibrate: calibrate is no part of what
    train was, but from a file of its own, whose rows may be of another kind."""

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
    own_calibrate: bool = False


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


@runtime_checkable
class JudgesLabels(Protocol):
    """A task whose answers hold a label of the text beside other things, which alone may be what
    must be right."""

    def label_is_right(self, gold: str | None, named: str) -> bool:
        """Whether the label of the text is right, whatever else the answer says."""


class Task(Protocol):
    """What a model does: its targets, how outputs become answers, how answers are scored.

    gold_kind: what its rows are labeled with. A row's label is always a text: with "labels" the
    name of a set of them (`tasks.label_sets`), with "spans" that of an annotation
    (`tasks.annotations`), with "document" the id of the right one or the name of
    several (`tasks.right_documents`), with "summary" that of a
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

    def is_right(self, gold: str | None, named: str) -> bool:
        """Whether an answer of the label `named` is right for a row of the label `gold`."""

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
