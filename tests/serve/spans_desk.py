"""What the tests of models that mark spans share: a server whose model's answers are written
here, as no bundle of the tests has labels of texts, several kinds of spans and functions."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from attar.predictions import Alternative, Call, Extraction, FoundSpan
from attar.serve.settings import Model
from attar.tasks.annotations import name_of
from tiny_spans import write_spans_bundle

if TYPE_CHECKING:
    from serve.conftest import Running

LABELS, SPAN_LABELS = ("book_flight", "play_music"), ("artist", "city", "count")
BOOK, UNSURE, NOTHING = "🛫 two seats from Rome to Oslo", "something in Rome perhaps", "hm"
SETTINGS = {
    "acceptance": "probability", "labels": [*LABELS], "span_labels": [*SPAN_LABELS],
    "out_of_scope": None, "threshold": 0.5, "temperature": 1.0,
}  # fmt: skip


def extraction(
    text: str, label: str | None, *spans: tuple[str, str], score: float = 0.9, **more: Any
) -> Extraction:
    """spans: (part of the text, label) each."""
    found = [
        FoundSpan(text.index(part), text.index(part) + len(part), name, 0.95)
        for part, name in spans
    ]
    return Extraction(
        name_of(label, [one[:3] for one in found]), score, score < 0.5,
        (Alternative("play_music", 0.04),) if label else (),
        label, tuple(found), text, text_score=0.96 if label else None, **more,
    )  # fmt: skip


ANSWERS = {
    BOOK: extraction(BOOK, "book_flight", ("two", "count"), ("Rome", "city"), ("Oslo", "city")),
    UNSURE: extraction(UNSURE, "play_music", ("Rome", "city"), score=0.2),
}
FUNCTIONS = [
    {"name": "book", "parameters": {"type": "object", "properties": {"to": {"type": "string"}}}},
    {"name": "notify", "parameters": {"type": "object", "properties": {}}},
]
CALLS = (Call("book", {"to": "Oslo", "seats": 2}, 0.8), Call("notify", {}, 0.7))


class Marking:
    """A predictor with written answers; all else is the tiny bundle's."""

    def __init__(self, real: Any, labels: Sequence[str], calls: bool) -> None:
        self._real, self._calls = real, calls
        self.labels = tuple(labels)
        self.capabilities = ("calls", "spans", "embed") if calls else ("spans", "embed")
        settings = SETTINGS | {"labels": [*labels]} | ({"functions": FUNCTIONS} if calls else {})
        self.manifest = real.manifest | {"task_settings": settings}

    def __getattr__(self, name: str) -> Any:
        return getattr(self._real, name)

    def __call__(self, texts: Sequence[str]) -> list[Extraction]:
        return [self._answer(text) for text in texts]

    def _answer(self, text: str) -> Extraction:
        found = ANSWERS.get(text) or extraction(text, "play_music")
        if not self.labels:
            found = replace(found, text_label=None, text_score=None, alternatives=())
        if self._calls:  # whose labels are templates of calls
            found = replace(
                found, text_label='[{"name":"book"}]', calls=CALLS[: 2 * (text == BOOK)]
            )
        return found


def marking(
    serve: Callable[..., Running],
    folder: Path,
    labels: Sequence[str] = LABELS,
    calls: bool = False,
    model: dict[str, Any] | None = None,
    report: dict[str, Any] | None = None,
    **settings: Any,
) -> Running:
    """A server of "trips", whose answers are those above. labels: of whole texts."""
    path = folder / "trips.attar"
    if not path.exists():
        write_spans_bundle(path)
    server = serve(models={"trips": Model(path=str(path), **(model or {}))}, **settings)
    served = server.service.models["trips"]
    made: Any = Marking(served.predictor, labels, calls)
    files = {**served.bundle.files, "report.json": json.dumps(report).encode()} if report else None
    served.bundle = replace(
        served.bundle, manifest=made.manifest, files=files or served.bundle.files
    )
    served.answering.predictor = made
    return server
