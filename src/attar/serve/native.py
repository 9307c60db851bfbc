"""attar's own routes: predict, models, reports, corrections, health, metrics."""

from __future__ import annotations

from itertools import pairwise
from typing import Annotated, Any

from msgspec import UNSET, Meta, Struct, UnsetType, to_builtins
from starlette.requests import Request
from starlette.responses import Response

from attar.serve.operations import Operation, asked
from attar.serve.served import ANSWERS, PREDICTS, Served
from attar.serve.service import Service
from attar.serve.wire import HttpError
from attar.tasks.annotations import Span
from attar.tasks.choosing import MOST_WORDS
from attar.version import __version__

Score = Annotated[float, Meta(ge=0, le=1)]
# Only described: what is said of an empty list here is clearer than a type's error.
FILLED = Meta(extra_json_schema={"minItems": 1})
EITHER_TEXT = Meta(extra_json_schema={"oneOf": [{"required": ["text"]}, {"required": ["texts"]}]})


Words = Annotated[int, Meta(ge=1, le=MOST_WORDS)]


class Texts(Struct, forbid_unknown_fields=True):
    """One text, or several: either `text` or `texts`. words: how long a summary is to be, of a
    model that makes some; without it as long as the build found best."""

    text: str | UnsetType = UNSET
    texts: Annotated[list[str], FILLED] | UnsetType = UNSET
    words: Words | None = None


Named = Annotated[str, Meta(min_length=1)]
MOST_LABELS = MOST_SPANS = MOST_CALLS = 1_000  # of one text
SOMETHING_RIGHT = Meta(
    extra_json_schema={
        "anyOf": [
            {
                "required": ["label"],
                "properties": {"label": {"anyOf": [{"type": "string"}, {"type": "array"}]}},
            },
            {"required": ["spans"]},
            {"required": ["calls"]},
        ]
    }
)


class FoundSpan(Struct):
    """A part of the text. start, end: code points, end not included."""

    start: int
    end: int
    text: str
    label: str
    score: Score


class CalledFunction(Struct):
    """A function call that the text asks for; arguments are valid against the function's schema."""

    name: str
    arguments: dict[str, Any]
    score: Score


class FoundDocument(Struct):
    """A document of the model's own. score: how near it is to the query, at most 1. passage:
    start and end in the text, code points, of the sentence that fits best; of the best document
    alone."""

    id: str
    score: float
    title: str
    text: str
    passage: tuple[int, int] | UnsetType = UNSET


class ChosenSentence(Struct):
    """A sentence of the text that a summary takes over, and the section that it is for."""

    start: int
    end: int
    text: str
    section: str
    score: Score


class Answered(Struct):
    """An answer. label or labels: by whoever answered, the model's best guess where nobody
    did; null from a model that only marks spans. spans, calls: from a model that marks spans, or
    knows functions; what a fallback marks has the model's scores, 0 where it has none. documents:
    from a model that ranks them, best first, instead of a label. summary, sentences, and
    sections, where a model knows several: from one that summarizes. score: of the model.
    answered_by: model, fallback, person (asked, not yet answered) or nobody (the model
    abstained). note: why nobody else answered."""

    score: Score
    abstained: bool
    answered_by: str
    alternatives: list[tuple[str, Score]] | UnsetType = UNSET
    label: str | UnsetType | None = UNSET
    labels: list[tuple[str, Score]] | UnsetType = UNSET
    spans: list[FoundSpan] | UnsetType = UNSET
    calls: list[CalledFunction] | UnsetType = UNSET
    documents: list[FoundDocument] | UnsetType = UNSET
    summary: str | UnsetType = UNSET
    sentences: list[ChosenSentence] | UnsetType = UNSET
    sections: dict[str, str] | UnsetType = UNSET
    note: str | UnsetType = UNSET


class Answers(Struct):
    model: str
    content_sha256: str
    answers: list[Answered]


# JSON Schema calls 5.0 an integer; `wire` sees to that only for fields of the body itself.
Offset = Annotated[float, Meta(ge=0, extra_json_schema={"type": "integer"})]


class MarkedSpan(Struct, forbid_unknown_fields=True):
    """A part of the text and what it is. start, end: code points, end not included."""

    start: Offset
    end: Offset
    label: Named


class RightCall(Struct, forbid_unknown_fields=True):
    name: Named
    arguments: dict[str, Any]


class Correction(Struct, forbid_unknown_fields=True):
    """What a person says of a text. label: a list for a model that gives a text several, an empty
    one where none fits. spans: all of them, for a model that marks spans; empty where there are
    none. calls: all of them, in order, for a model that knows functions, and nothing else."""

    text: str
    label: Named | Annotated[list[Named], Meta(max_length=MOST_LABELS)] | UnsetType | None = UNSET
    spans: Annotated[list[MarkedSpan], Meta(max_length=MOST_SPANS)] | UnsetType = UNSET
    calls: Annotated[list[RightCall], Meta(max_length=MOST_CALLS)] | UnsetType = UNSET


class Taken(Struct):
    taken: bool


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
    served = service.find(request.path_params["model"], *ANSWERS)
    service.check_texts([body.text], "text")
    spans: list[Span] | None = None
    if body.spans is not UNSET:  # no offset matters to a model that marks nothing
        spans = _spans_of(body.text, body.spans) if served.marks and not served.calls else []
    calls = None if body.calls is UNSET else [to_builtins(one) for one in body.calls]
    label = None if body.label is UNSET else body.label
    service.correct(served, body.text, label, asked(service, request), spans, calls)
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
        answer_example={"model": "desk", "content_sha256": "…", "answers": [_ANSWER]},
        more_answers={
            "spans": {"model": "trips", "content_sha256": "…", "answers": [_MARKED]},
        },
    ),
    Operation(
        "POST", "/v1/models/{model}/corrections", "correct",
        "Say what a text's label, spans or calls are: it goes into the capture file.",
        correct, Annotated[Correction, SOMETHING_RIGHT], Taken, errors=(*ASKING, 409),
        example={"text": "where is my parcel?", "label": "order_status"},
        more={"spans": _MARKED_SO},
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
