"""attar's own routes: predict, models, reports, corrections, health, metrics."""

from __future__ import annotations

from itertools import pairwise
from typing import Annotated, Any

from msgspec import UNSET, Struct, to_builtins
from starlette.requests import Request
from starlette.responses import Response

from attar.serve.native_bodies import (
    EITHER_TEXT,
    SOMETHING_RIGHT,
    Answers,
    Correction,
    MarkedSpan,
    Taken,
    Texts,
)
from attar.serve.operations import Operation, asked
from attar.serve.rows import Correct
from attar.serve.served import PREDICTS, Served
from attar.serve.service import Service
from attar.serve.wire import HttpError
from attar.tasks.annotations import Span
from attar.version import __version__


class Health(Struct):
    status: str
    version: str


class ReportAnswer(Struct):
    """The sealed report of the build, and its timings."""

    model: str
    content_sha256: str
    report: dict[str, Any] | None
    measurements: dict[str, Any] | None


async def predict(service: Service, request: Request, body: Texts) -> Any:
    served = service.find(request.path_params["model"], *PREDICTS)
    if (body.text is UNSET) == (body.texts is UNSET):
        raise HttpError(422, "invalid_field", "give either text or texts", param="text")
    texts = [body.text] if isinstance(body.text, str) else body.texts
    assert isinstance(texts, list)
    service.check_texts(texts, "texts")
    service.check_words(served, body.words)
    answers = await service.departures.unless_gone(
        request, service.predict(served, texts, asked(service, request, words=body.words))
    )
    return {
        "model": served.name,
        "content_sha256": served.predictor.content_sha256,
        "answers": [answer.to_json() for answer in answers],
    }


async def correct(service: Service, request: Request, body: Correction) -> Any:
    served = service.find(request.path_params["model"], *PREDICTS)
    service.check_texts([body.text], "text")
    spans: list[Span] | None = None
    if body.spans is not UNSET:  # no offset matters to a model that marks nothing
        spans = _spans_of(body.text, body.spans) if served.marks and not served.calls else []
    calls = None if body.calls is UNSET else [to_builtins(one) for one in body.calls]
    label = None if body.label is UNSET else body.label
    summary = None if body.summary is UNSET else body.summary
    said = Correct(label, spans, calls, summary)
    service.correct(served, body.text, said, asked(service, request))
    return {"taken": True}


def _spans_of(text: str, given: list[MarkedSpan]) -> list[Span]:
    """The spans in order. Raises HttpError for what is no part of the text, or overlaps."""
    spans = []
    for number, one in enumerate(given):
        inside = one.start.is_integer() and one.end.is_integer() and one.start < one.end
        if not inside or one.end > len(text):
            raise HttpError(
                400, "not_in_text", f"spans[{number}]: {one.start:g} to {one.end:g} is no part of "
                f"a text of {len(text):,} characters. Count code points from 0, the end not "
                "included.", param="spans",
            )  # fmt: skip
        spans.append(Span(int(one.start), int(one.end), one.label))
    spans.sort()
    for before, after in pairwise(spans):
        if after.start < before.end:
            both = f"{before.start} to {before.end} and {after.start} to {after.end}"
            raise HttpError(400, "spans_overlap", f"spans {both} overlap", param="spans")
    return spans


async def report(service: Service, request: Request, body: None) -> Any:
    served = _named(service, request)
    bundle = served.bundle
    return {
        "model": served.name,
        "content_sha256": bundle.content_sha256,
        "report": bundle.report,
        "measurements": bundle.measurements,
    }


async def healthz(service: Service, request: Request, body: None) -> Any:
    return {"status": "alive", "version": __version__}


async def readyz(service: Service, request: Request, body: None) -> Any:
    if service.draining:
        return HttpError.draining().response()
    return {"status": "ready", "version": __version__}


async def metrics(service: Service, request: Request, body: None) -> Response:
    return Response(service.metering.text(), media_type="text/plain; version=0.0.4; charset=utf-8")


def _named(service: Service, request: Request) -> Served:
    name = request.path_params["model"]
    served = next((s for s in service.models.values() if s.name == name), None)
    return served or service.find(name, *PREDICTS, "embed")


_TEXT = {"text": "where is my parcel?"}
_ANSWER = {
    "label": "order_status", "score": 0.97, "abstained": False,
    "alternatives": [["delivery_time", 0.02]], "answered_by": "model",
}  # fmt: skip
_MARKED = {
    "label": "book_flight", "score": 0.91, "abstained": False,
    "spans": [{"start": 7, "end": 11, "text": "Rome", "label": "city", "score": 0.98}],
    "calls": [{"name": "book", "arguments": {"to": "Rome"}, "score": 0.9}],
    "alternatives": [["flight_status", 0.02]], "answered_by": "model",
}  # fmt: skip
_RANKED = {
    "documents": [
        {"id": "reset", "score": 0.82, "title": "Resetting",
         "text": "Hold both buttons for ten seconds. The light turns green.", "passage": [0, 34]},
        {"id": "pairing", "score": 0.41, "title": "", "text": "Hold one button."},
    ],
    "score": 0.93, "abstained": False, "answered_by": "model",
}  # fmt: skip
_SUMMED = {
    "summary": "My knee hurts.", "score": 0.8, "abstained": False, "answered_by": "model",
    "sentences": [
        {"start": 9, "end": 23, "text": "My knee hurts.", "section": "problems", "score": 0.8},
    ],
    "sections": {"problems": "My knee hurts."},
}  # fmt: skip
_MARKED_SO = {
    "text": "fly to Rome", "label": "book_flight",
    "spans": [{"start": 7, "end": 11, "label": "city"}],
}  # fmt: skip
ASKING = (400, 401, 404, 413, 422, 429, 503, 504)

OPERATIONS = (
    Operation(
        "POST", "/v1/predict/{model}", "predict",
        "Answer one text or several, in their order.",
        predict, Annotated[Texts, EITHER_TEXT], Answers, errors=ASKING, example=_TEXT,
        more={"a summary of 50 words": {"text": "Patient: My knee hurts. …", "words": 50}},
        answer_example={"model": "desk", "content_sha256": "…", "answers": [_ANSWER]},
        more_answers={
            "spans": {"model": "trips", "content_sha256": "…", "answers": [_MARKED]},
            "documents": {"model": "faq", "content_sha256": "…", "answers": [_RANKED]},
            "summary": {"model": "notes", "content_sha256": "…", "answers": [_SUMMED]},
        },
    ),
    Operation(
        "POST", "/v1/models/{model}/corrections", "correct",
        "Say what a text's label, spans, calls, document or summary is: it goes into the capture "
        "file.",
        correct, Annotated[Correction, SOMETHING_RIGHT], Taken, errors=(*ASKING, 409),
        example={"text": "where is my parcel?", "label": "order_status"},
        more={
            "spans": _MARKED_SO,
            "document": {"text": "back to factory settings", "label": "reset"},
            "summary": {"text": "Patient: My knee hurts. …", "summary": "Knee pain."},
        },
    ),
    Operation(
        "GET", "/v1/models/{model}/report", "report",
        "The report that was sealed with the model.",
        report, gives=ReportAnswer, errors=(400, 401, 404, 429),
    ),
    Operation("GET", "/healthz", "healthz", "Whether the process lives.", healthz, gives=Health),
    Operation(
        "GET", "/readyz", "readyz", "Whether requests should be sent here.",
        readyz, gives=Health, errors=(503,),
    ),
    Operation(
        "GET", "/metrics", "metrics", "Counters in Prometheus' text format.",
        metrics, media="text/plain", errors=(401, 429),
    ),
)  # fmt: skip
