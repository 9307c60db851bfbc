"""What the tests of models that rank or summarize documents share: servers of tiny bundles, and
a summary with several sections, whose places are written here."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from attar.predictions import FoundSpan, Summary
from attar.serve.settings import Model
from attar.tasks.summaries import chosen_name
from tiny_ranking import write_ranking_bundle
from tiny_summaries import write_summaries_bundle

if TYPE_CHECKING:
    from serve.conftest import Running

SURE, UNSURE = "my refund", "weather"
PARCELS = "🛑 I cancel. Where is my parcel? And I cancel again. The parcel is late."
VISIT = (
    "Doctor: 🩺 What brings you in?\nPatient: My knee hurts since Monday.\nDoctor: Can you walk?\n"
    "Patient: With a stick. It is swollen.\nDoctor: Rest it, and put ice on it."
)
TAKEN = (
    ("My knee hurts since Monday.", "problems"), ("It is swollen.", "problems"),
    ("Rest it, and put ice on it.", "plan"),
)  # fmt: skip
SECTIONS = ("history", "plan", "problems")


def visit_summary(words: int | None = None) -> Summary:
    """words: that are asked for; then only the first sentence."""
    sentences = tuple(
        FoundSpan(VISIT.index(said), VISIT.index(said) + len(said), section, 0.8)
        for said, section in TAKEN[: 1 if words is not None else None]
    )
    name = chosen_name([one[:3] for one in sentences])
    return Summary(name, 0.8, False, (), sentences, VISIT, True)


class Written:
    """A predictor with one written summary for every text; all else is the tiny bundle's."""

    def __init__(self, real: Any, words: int | None = None) -> None:
        self._real, self._words = real, words
        settings = real.manifest["task_settings"] | {"sections": [*SECTIONS]}
        self.manifest = real.manifest | {"task_settings": settings}

    def __getattr__(self, name: str) -> Any:
        return getattr(self._real, name)

    def asked(self, words: int) -> Written:
        return Written(self._real, words)

    def __call__(self, texts: Sequence[str]) -> list[Summary]:
        return [visit_summary(self._words) for _ in texts]


Serve = Callable[..., "Running"]


def ranking(
    serve: Serve, folder: Path, model: dict[str, Any] | None = None, **settings: Any
) -> Running:
    """A server of "faq", which knows the three documents of `tiny_ranking`."""
    path = str(write_ranking_bundle(folder / "faq.attar"))
    return serve(models={"faq": Model(path, **(model or {}))}, **settings)


def summarizing(
    serve: Serve,
    folder: Path,
    sections: bool = False,
    report: dict[str, Any] | None = None,
    **settings: Any,
) -> Running:
    """A server of "brief": sentences with "parcel"; with sections the summary of VISIT."""
    path = folder / "brief.attar"
    if not path.exists():
        write_summaries_bundle(path, cut=0.0, words=100, share=None)
    server = serve(models={"brief": Model(str(path))}, **settings)
    if sections:
        served = server.service.models["brief"]
        made: Any = Written(served.predictor)
        files = dict(served.bundle.files)
        if report is not None:
            files["report.json"] = json.dumps(report).encode()
        served.bundle = replace(served.bundle, manifest=made.manifest, files=files)
        served.answering.predictor = made
    return server
