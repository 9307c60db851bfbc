"""The page at `/`: type a text, compare, read the report, answer a file, correct an answer.

Its files are plain HTML, CSS and JavaScript, read once from the package; nothing of them is
fetched from elsewhere, and the policy they are sent with allows no script but these. What a
page needs to know besides the routes under /v1 is asked for under /page; those routes are
the page's own and stand in no description of the API.
"""

from __future__ import annotations

import asyncio
import base64
import hashlib
import time
from dataclasses import dataclass, replace
from importlib import resources
from typing import Any

from msgspec import Struct
from starlette.requests import Request
from starlette.responses import HTMLResponse, Response
from starlette.routing import BaseRoute, Route

from attar.evaluate.cost import cost
from attar.evaluate.page import as_html
from attar.evaluate.page.markup import document, tag
from attar.evaluate.report import full_report
from attar.predictions import Prediction
from attar.runtime.cascade import LargeModel, NoAnswerError
from attar.serve.answer import shown
from attar.serve.native_bodies import Words
from attar.serve.operations import Operation, asked
from attar.serve.served import PREDICTS, Served
from attar.serve.service import Asked, Service
from attar.serve.wire import HttpError

MEDIA = {"html": "text/html", "css": "text/css", "js": "text/javascript", "svg": "image/svg+xml"}
#: Every file of the page by its path.
FILES = {
    "/": "index.html",
    **{
        f"/page/{name}": name
        for name in (
            "style.css", "icon.svg", "app.js", "answer.js", "batch.js", "client.js", "columns.js",
            "compare.js", "correct.js", "correct_documents.js", "csv.js", "dom.js", "live.js",
            "ranking.js", "report.js", "spans.js", "summary.js",
        )
    },
}  # fmt: skip
#: What a browser loads before it can be asked for a key; none of it tells of any model.
OPEN = frozenset(FILES)
SUMMARIZE = "Summarize this text{length}. Answer with the summary alone.\n\n"
NO_FALLBACK = "no fallback is set: attar serve --fallback URL --fallback-model NAME"


class Compared(Struct, forbid_unknown_fields=True):
    """The text that both are asked. words: how long a summary is to be."""

    text: str
    words: Words | None = None


@dataclass(frozen=True, slots=True)
class Static:
    """A file of the page, ready to be sent."""

    content: bytes
    headers: dict[str, str]

    @classmethod
    def read(cls, name: str, policy: str) -> Static:
        content = resources.files(__package__).joinpath(name).read_bytes()
        return cls(
            content,
            {
                "content-type": f"{MEDIA[name.rpartition('.')[2]]}; charset=utf-8",
                # Asked for again at each visit, so that a new version of attar is seen at once.
                "cache-control": "no-cache",
                "etag": f'"{hashlib.sha256(content).hexdigest()[:32]}"',
                **_guards(policy),
                "x-frame-options": "DENY",
            },
        )

    def answer(self, request: Request) -> Response:
        known = request.headers.get("if-none-match", "")
        if self.headers["etag"] in (tag.strip().removeprefix("W/") for tag in known.split(",")):
            return Response(status_code=304, headers=self.headers)
        return Response(self.content, headers=self.headers)


def routes() -> list[BaseRoute]:
    """The page's files, and what only it asks."""
    policy = _policy()
    files = {path: Static.read(name, policy) for path, name in FILES.items()}
    return [
        *(Route(path, file.answer, methods=["GET"]) for path, file in files.items()),
        *(operation.route() for operation in OPERATIONS),
    ]


async def about(service: Service, request: Request, body: None) -> Any:
    """What the page must know of a model before it asks anything."""
    served = service.find(request.path_params["model"], *PREDICTS)
    settings, limits = served.bundle.manifest["task_settings"], service.settings.limits
    return {
        "labels": list(served.all_labels),
        "span_labels": list(served.span_labels),
        "functions": [one["name"] for one in served.functions],
        "sets": served.gives_sets,
        "documents": len(served.predictor.documents) if served.ranks else None,
        "sections": list(served.sections),
        "threshold": settings.get("threshold"),
        # Another measure than the score cannot be drawn beside it.
        "threshold_is_score": settings.get("acceptance", "probability") == "probability",
        "on_abstain": served.model.on_abstain,
        "fallback": service.large.model if service.large else None,
        "capture": service.capture is not None,
        "report": served.bundle.report is not None,
        "limits": {
            "texts": limits.texts,
            "characters": limits.characters,
            "body_bytes": limits.body_bytes,
        },
    }


async def report(service: Service, request: Request, body: None) -> Response:
    served = service.find(request.path_params["model"], *PREDICTS)
    headers = {"cache-control": "no-cache", **_guards(_report_policy())}
    if served.bundle.report is None:
        message = f"{served.name} holds no report: it is a draft, not a finished build"
        if "text/html" not in request.headers.get("accept", ""):
            raise HttpError(404, "no_report", message)
        page = document("No report", tag("main", tag("h1", "No report"), tag("p", message)))
        return HTMLResponse(page, 404, headers)
    page = await asyncio.to_thread(lambda: as_html(full_report(served.bundle)))
    return HTMLResponse(page, headers=headers)


async def compare(service: Service, request: Request, body: Compared) -> Any:
    """Both are asked at once, whether the model abstains or not. Such an answer is not
    counted as one that saved the large model's price, and is not captured."""
    served = service.find(request.path_params["model"], *PREDICTS)
    service.check_texts([body.text], "text")
    service.check_words(served, body.words)
    (prediction, model_ms), fallback = await service.departures.unless_gone(
        request,
        asyncio.gather(
            _of_model(served, body.text, asked(service, request, words=body.words)),
            _of_fallback(service, served, body.text, body.words),
        ),
    )
    answered_by = "nobody" if prediction.abstained else "model"
    return {
        "model": {**shown(prediction), "answered_by": answered_by},
        "model_ms": round(model_ms, 3),
        "model_usd": _machine_usd(served, model_ms),
        **fallback,
    }


OPERATIONS = (
    Operation("GET", "/page/about/{model}", "page_about", "What the page shows of a model.", about),
    Operation("GET", "/page/report/{model}", "page_report", "The report as a page.", report),
    Operation(
        "POST", "/page/compare/{model}", "page_compare", "Ask the model and the fallback.",
        compare, Compared,
    ),
)  # fmt: skip


async def _of_model(served: Served, text: str, asked: Asked) -> tuple[Prediction, float]:
    started = time.perf_counter()
    (prediction,) = await served.answering.answer([text], "label", asked.deadline, asked.words)
    return prediction, 1000 * (time.perf_counter() - started)


async def _of_fallback(
    service: Service, served: Served, text: str, words: int | None
) -> dict[str, Any]:
    """fallback_usd: None where the settings hold no price."""
    if service.large is None:
        answer: dict[str, Any] = {"label": None, "note": NO_FALLBACK}
        return {"fallback": answer, "fallback_ms": None, "fallback_usd": None}
    paid: list[float] = []
    large = _counting(service.large, paid)
    started = time.perf_counter()
    try:
        answer = await _asked_of(large, served, text, words)
    except NoAnswerError as error:
        service.metering.failures.labels(error.why).inc()
        answer = {"label": None, "note": str(error)}
    fallback = service.settings.fallback
    priced = fallback is not None and (fallback.input_usd or fallback.output_usd)
    return {
        "fallback": answer,
        "fallback_ms": round(1000 * (time.perf_counter() - started), 3),
        "fallback_usd": round(sum(paid), 9) if priced else None,
    }


async def _asked_of(
    large: LargeModel, served: Served, text: str, words: int | None
) -> dict[str, Any]:
    if served.ranks or served.sections:
        if served.sections:
            text = f"{SUMMARIZE.format(length=f' in about {words} words' if words else '')}{text}"
        said = await large.say([{"role": "user", "content": text}])
        return {"label": None, "text": said, "note": None}
    if served.marking is None:
        label = await large.label(text, served.all_labels, served.gives_sets)
        return {"label": label, "note": None}
    annotation, calls = await large.mark(text, served.marking)
    parts = [{**s._asdict(), "text": text[s.start : s.end]} for s in annotation.spans]
    called = None if calls is None else [{"name": n, "arguments": a} for n, a in calls]
    return {"label": annotation.label, "spans": parts, "calls": called, "note": None}


def _counting(large: LargeModel, paid: list[float]) -> LargeModel:
    """The same model, its circuit and its spending, with each price noted in `paid`."""

    def price(tokens_in: int, tokens_out: int) -> float:
        usd = large.price(tokens_in, tokens_out)
        paid.append(usd)
        return usd

    return replace(large, price=price)


def _machine_usd(served: Served, model_ms: float) -> float:
    """Of one answer, on the rented machine of the report's price table at full use."""
    latency = (served.bundle.measurements or {}).get("latency") or {}
    per_million: float = cost(latency.get("p50_ms") or model_ms)["machine"]["per_million_usd"]
    return per_million / 1e6


def _guards(policy: str) -> dict[str, str]:
    return {
        "content-security-policy": policy,
        "x-content-type-options": "nosniff",
        "referrer-policy": "no-referrer",
        "cross-origin-opener-policy": "same-origin",
    }


def _report_style() -> str:
    """The one style sheet that stands in the report, as a source of a policy."""
    style = resources.files("attar.evaluate.page").joinpath("style.css").read_text("utf-8")
    digest = hashlib.sha256(style.encode()).digest()
    return f"'sha256-{base64.b64encode(digest).decode()}'"


def _policy() -> str:
    # The report is shown in a frame from a blob, because a frame's request brings no key; a
    # blob is under the policy of the page that made it.
    return (
        f"default-src 'none'; script-src 'self'; style-src 'self' {_report_style()}; "
        "img-src 'self'; connect-src 'self'; frame-src blob:; base-uri 'none'; "
        "form-action 'none'; frame-ancestors 'none'"
    )


def _report_policy() -> str:
    return (
        f"default-src 'none'; style-src {_report_style()}; base-uri 'none'; form-action 'none'; "
        "frame-ancestors 'none'"
    )
