"""attar's own routes: predict, models, reports, corrections, health, metrics."""

from __future__ import annotations

from typing import Annotated, Any

from msgspec import UNSET, Meta, Struct, UnsetType
from starlette.requests import Request
from starlette.responses import Response

from attar.serve.operations import Operation, asked
from attar.serve.served import Served
from attar.serve.service import Service
from attar.serve.wire import HttpError
from attar.version import __version__

Score = Annotated[float, Meta(ge=0, le=1)]
# Only described: what is said of an empty list here is clearer than a type's error.
FILLED = Meta(extra_json_schema={"minItems": 1})
EITHER_TEXT = Meta(extra_json_schema={"oneOf": [{"required": ["text"]}, {"required": ["texts"]}]})


class Texts(Struct, forbid_unknown_fields=True):
    """One text, or several: either `text` or `texts`."""

    text: str | UnsetType = UNSET
    texts: Annotated[list[str], FILLED] | UnsetType = UNSET


Named = Annotated[str, Meta(min_length=1)]
MOST_LABELS = 1_000  # of one text


class FoundSpan(Struct):
    """A part of the text. start, end: code points, end not included."""

    start: int
    end: int
    text: str
    label: str
    score: Score


class ChosenSentence(Struct):
    """A sentence of the text that a summary takes over, and the section that it is for."""

    start: int
    end: int
    text: str
    section: str
    score: Score


class Answered(Struct):
    """An answer. label or labels: by whoever answered, the model's best guess where nobody
    did; null from a model that only marks spans. summary, sentences, and sections, where a
    model knows several: from one that summarizes. score: of the model. answered_by: model,
    fallback, person (asked, not yet answered) or nobody (the model abstained). note: why
    nobody else answered."""

    score: Score
    abstained: bool
    answered_by: str
    alternatives: list[tuple[str, Score]] | UnsetType = UNSET
    label: str | UnsetType | None = UNSET
    labels: list[tuple[str, Score]] | UnsetType = UNSET
    spans: list[FoundSpan] | UnsetType = UNSET
    summary: str | UnsetType = UNSET
    sentences: list[ChosenSentence] | UnsetType = UNSET
    sections: dict[str, str] | UnsetType = UNSET
    note: str | UnsetType = UNSET


class Answers(Struct):
    model: str
    content_sha256: str
    answers: list[Answered]


class Correction(Struct, forbid_unknown_fields=True):
    """What a person says the label of a text is; a list for a model that gives a text several,
    an empty one where none fits."""

    text: str
    label: Named | Annotated[list[Named], Meta(max_length=MOST_LABELS)]


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
    served = service.find(request.path_params["model"], "label", "spans", "summary")
    if (body.text is UNSET) == (body.texts is UNSET):
        raise HttpError(422, "invalid_field", "give either text or texts", param="text")
    texts = [body.text] if isinstance(body.text, str) else body.texts
    assert isinstance(texts, list)
    service.check_texts(texts, "texts")
    answers = await service.departures.unless_gone(
        request, service.predict(served, texts, asked(service, request))
    )
    return {
        "model": served.name,
        "content_sha256": served.predictor.content_sha256,
        "answers": [answer.to_json() for answer in answers],
    }


async def correct(service: Service, request: Request, body: Correction) -> Any:
    served = service.find(request.path_params["model"], "label")
    service.check_texts([body.text], "text")
    service.correct(served, body.text, body.label, asked(service, request))
    return {"taken": True}


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
    return served or service.find(name, "label")


_TEXT = {"text": "where is my parcel?"}
_ANSWER = {
    "label": "order_status", "score": 0.97, "abstained": False,
    "alternatives": [["delivery_time", 0.02]], "answered_by": "model",
}  # fmt: skip
ASKING = (400, 401, 404, 413, 422, 429, 503, 504)

OPERATIONS = (
    Operation(
        "POST", "/v1/predict/{model}", "predict",
        "Answer one text or several, in their order.",
        predict, Annotated[Texts, EITHER_TEXT], Answers, errors=ASKING, example=_TEXT,
        answer_example={"model": "desk", "content_sha256": "…", "answers": [_ANSWER]},
    ),
    Operation(
        "POST", "/v1/models/{model}/corrections", "correct",
        "Say what the label of a text is: it goes into the capture file.",
        correct, Correction, Taken, errors=(*ASKING, 409),
        example={"text": "where is my parcel?", "label": "order_status"},
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
