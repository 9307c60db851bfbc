"""The application of `attar proxy`, from its settings: what passes, is recorded, and is shown.

`proxy_pass` passes requests on, `proxy_exchange` reads what passed, `proxy_record` writes it,
`proxy_shadow` compares a small model with it. Nothing is shown but figures, at /_attar/shadow
and /_attar/metrics, and these on loopback only.
"""

from __future__ import annotations

import asyncio
import contextlib
import sys
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Annotated

import httpx
import uvicorn
from msgspec import Meta, field
from prometheus_client import CollectorRegistry, Counter, generate_latest
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from attar.errors import RecipeError
from attar.runtime.capture import Rotation
from attar.runtime.predictor import load
from attar.serve import proxy_pass
from attar.serve.ending import OrderlyServer
from attar.serve.listening import listen
from attar.serve.proxy_exchange import LabelFrom
from attar.serve.proxy_pass import OWN, Proxy
from attar.serve.proxy_record import Recorder, Wanted
from attar.serve.proxy_shadow import Prices, Shadow
from attar.serve.settings import Section, Share
from attar.serve.wire import HttpError, reply

Price = Annotated[float, Meta(ge=0)]


class Recording(Section, frozen=True):
    """What is written to `path`; without one nothing is. label_from: "auto", "content",
    "json:FIELD" or "tool:FIELD". keep_answers: as `answer`, where they are no label.
    system_contains: only of requests whose instructions hold this. sample: share of the
    requests. megabytes: of a file, after which the next is begun; files: so many are kept,
    the newest. report_every: rows between two lines on standard error."""

    path: str | None = None
    label_from: str = "auto"
    keep_answers: bool = False
    system_contains: str | None = None
    sample: Share = 1.0
    megabytes: Annotated[float, Meta(gt=0)] = 100
    files: Annotated[int, Meta(ge=1)] = 10
    report_every: Annotated[int, Meta(ge=1)] = 1_000


class ProxySettings(Section, frozen=True):
    """upstream: the endpoint as the application has it, so mostly up to and with "/v1".
    shadow: a bundle that is asked beside it; input_usd, output_usd: price of a million tokens
    of the upstream. timeout_s: between two pieces of an answer, at most."""

    upstream: str
    recording: Recording = field(default_factory=Recording)
    shadow: str | None = None
    input_usd: Price = 0.0
    output_usd: Price = 0.0
    host: str = "127.0.0.1"
    port: Annotated[int, Meta(ge=0, le=65_535)] = 8323
    insecure: bool = False
    timeout_s: Annotated[float, Meta(gt=0)] = 600.0
    body_bytes: Annotated[int, Meta(ge=1)] = 50_000_000
    drain_s: Annotated[int, Meta(ge=1)] = 20

    @property
    def local(self) -> bool:
        return self.host in ("127.0.0.1", "::1", "localhost")


def checked(settings: ProxySettings) -> ProxySettings:
    """The settings, if they are sound. Raises RecipeError."""
    try:
        url = httpx.URL(settings.upstream)
    except httpx.InvalidURL as error:
        raise RecipeError(f"--upstream: {error}") from None
    if url.scheme not in ("http", "https") or not url.host:
        raise RecipeError("--upstream: expected a URL such as https://api.example.com/v1")
    if url.userinfo or url.query or url.fragment:
        raise RecipeError(
            "--upstream: expected no key, query or fragment in it. The application sends its "
            "own key, which is passed on"
        )
    if settings.recording.path is None and settings.shadow is None:
        raise RecipeError(
            "attar proxy: nothing to do. Record with --capture FILE.jsonl, compare a model with "
            "--shadow BUNDLE, or both"
        )
    LabelFrom.parse(settings.recording.label_from)
    if not settings.local and not settings.insecure:
        raise RecipeError(
            f"attar proxy: binding to {settings.host} lets other machines in, and the proxy asks "
            "for no key. Pass --insecure where something else guards it"
        )
    return settings


def make_app(settings: ProxySettings, redact: Callable[[str], str] | None = None) -> Starlette:
    """The application. Files are opened and the bundle is loaded here: raises AttarError where
    that cannot be. redact: text in, text out, for all of a row that somebody wrote."""
    registry = CollectorRegistry()
    requests = Counter("attar_proxy_requests", "Requests.", ["route", "status"], registry=registry)
    rows = Counter("attar_proxy_rows", "What became of them.", ["outcome"], registry=registry)
    shadow = None
    if settings.shadow is not None:
        prices = Prices(settings.input_usd, settings.output_usd)
        shadow = Shadow(load(settings.shadow), prices, registry)
    kept = settings.recording
    recorder = Recorder(
        None if kept.path is None else Path(kept.path),
        Wanted(
            LabelFrom.parse(kept.label_from), kept.keep_answers, kept.system_contains,
            kept.sample, kept.report_every,
        ),
        shadow,
        redact,
        Rotation(int(kept.megabytes * 1_000_000), kept.files),
        lambda outcome: rows.labels(outcome).inc(),
        lambda line: print(line, file=sys.stderr, flush=True),
    )  # fmt: skip

    async def show_shadow(request: Request) -> Response:
        if shadow is None:
            return HttpError(404, "no_shadow", "no model is compared: --shadow BUNDLE").response()
        return reply(shadow.figures())

    async def show_metrics(request: Request) -> Response:
        return Response(
            generate_latest(registry), media_type="text/plain; version=0.0.4; charset=utf-8"
        )

    route = proxy_pass.Route(
        settings.upstream, settings.local, settings.timeout_s, settings.body_bytes
    )

    # Not a client: that would keep the cookies of all who pass, and add headers of its own.
    upstream = httpx.AsyncHTTPTransport(trust_env=False, limits=httpx.Limits(max_connections=None))

    @contextlib.asynccontextmanager
    async def lifespan(app: Starlette) -> AsyncIterator[None]:
        try:
            yield
        finally:
            await upstream.aclose()
            await asyncio.to_thread(recorder.close)

    app = Starlette(
        routes=[
            Route(f"{OWN}/shadow", show_shadow),
            Route(f"{OWN}/metrics", show_metrics),
        ],
        middleware=[Middleware(Proxy, route, upstream, recorder, requests)],
        lifespan=lifespan,
        exception_handlers={HTTPException: _http_error},
    )
    app.state.recorder = recorder
    return app


def server_of(settings: ProxySettings, app: Starlette) -> uvicorn.Server:
    return OrderlyServer(
        uvicorn.Config(
            app,
            log_config=None,
            access_log=False,
            # The upstream's own headers are passed on, and no second ones.
            server_header=False,
            date_header=False,
            ws="none",
            timeout_keep_alive=75,
            timeout_graceful_shutdown=settings.drain_s,
        )
    )


def run(
    settings: ProxySettings,
    redact: Callable[[str], str] | None = None,
    listening: Callable[[str], None] = lambda address: None,
) -> None:
    """Serve until a signal ends it. listening: told what an application takes for the
    upstream's URL, once the address is taken. Raises AttarError where it cannot begin."""
    app = make_app(checked(settings), redact)
    try:
        with listen(settings.host, settings.port) as taken:
            host = f"[{settings.host}]" if ":" in settings.host else settings.host
            path = httpx.URL(settings.upstream).path.rstrip("/")
            listening(f"http://{host}:{taken.getsockname()[1]}{path}")
            server_of(settings, app).run(sockets=[taken])
    finally:
        app.state.recorder.close()


async def _http_error(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    return HttpError(error.status_code, "not_found", str(error.detail)).response()
