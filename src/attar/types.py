"""The records that travel between the layers, and the protocols that parts fulfil."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple, Protocol, TypeVar

import numpy as np
from numpy.typing import NDArray

from attar.evidence import Evidence

Item = TypeVar("Item")

#: What an engine returns: output name -> array whose first axis is the batch.
Outputs = Mapping[str, NDArray[np.float32]]


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
    """Curated rows by split. `unlabeled` is the transfer set of distillation."""

    train: tuple[Row, ...]
    select: tuple[Row, ...]
    calibrate: tuple[Row, ...]
    certify: tuple[Row, ...]
    unlabeled: tuple[Row, ...] = ()
    dropped: tuple[Dropped, ...] = ()
    flagged: tuple[Flagged, ...] = ()
    notes: tuple[str, ...] = ()
    fingerprint: str = ""


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

    def to_json(self) -> dict[str, Any]:
        return {
            "label": self.label,
            "score": round(self.score, 6),
            "abstained": self.abstained,
            "alternatives": [[a.label, round(a.score, 6)] for a in self.alternatives],
        }


@dataclass(frozen=True, slots=True)
class Derived:
    """A value of the plan and the reason for it, both printable."""

    value: Any
    reason: str


class Task(Protocol):
    """What a model does: its targets, how outputs become answers, how answers are scored."""

    name: str
    capabilities: tuple[str, ...]
    claim_metrics: tuple[str, ...]

    def check(self, rows: Sequence[Row]) -> None:
        """Raise DataError where labeled rows cannot be learned from."""

    def targets(self, rows: Sequence[Row], out_of_scope: str | None) -> tuple[str, ...]:
        """The names of the model's output columns, in order."""

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

    def decode(self, outputs: Outputs, manifest: Mapping[str, Any]) -> list[Prediction]:
        """Turn one batch of engine outputs into answers. Numpy only."""

    def acceptance(self, outputs: Outputs, manifest: Mapping[str, Any]) -> NDArray[np.float64]:
        """How sure the model is that it should answer, (batch,); under the threshold it
        abstains."""

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
