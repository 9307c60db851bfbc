"""The application: operations behind the gate, with what runs beside them.

`make_app` gives an ASGI application, which `run` serves with uvicorn. Bundles are opened
before the first request and looked at again every few seconds.
"""

from __future__ import annotations

import asyncio
import contextlib
import math
import ssl
import sys
from collections.abc import AsyncIterator, Callable
from importlib.util import find_spec
from types import FrameType, ModuleType

import uvicorn
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.middleware.cors import CORSMiddleware
from starlette.middleware.exceptions import ExceptionMiddleware
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route, WebSocketRoute
from starlette.types import ASGIApp

from attar.bundle import read_bundle
from attar.errors import MissingExtraError, RecipeError
from attar.runtime.capture import Rotation, TrainingFiles
from attar.serve import live, native, neighbors, openai_chat, openai_other, page
from attar.serve.ending import OrderlyServer
from attar.serve.gate import Gate, log
from attar.serve.listening import listen
from attar.serve.metering import Metering
from attar.serve.openapi import describe
from attar.serve.operations import Operation
from attar.serve.pulse import Pulse
from attar.serve.served import ANSWERS, PREDICTS
from attar.serve.service import Service
from attar.serve.settings import Settings, secret
from attar.serve.wire import HttpError, reply

SWITCH_S = 0.00005
ACCEPTED_A_TURN = 16
OPERATIONS: tuple[Operation, ...] = (
    *native.OPERATIONS,
    *openai_other.OPERATIONS,
    *openai_chat.OPERATIONS,
    *neighbors.OPERATIONS,
)


def make_app(settings: Settings, redact: Callable[[str], str] | None = None) -> Starlette:
    """The application of these settings. redact: what capture does to a text, if anything."""
    mcp = _mcp() if settings.mcp else None
    pulse = Pulse()
    fallback = settings.fallback
    metering = Metering(fallback.input_usd, fallback.output_usd) if fallback else Metering()

    @contextlib.asynccontextmanager
    async def lifespan(app: Starlette) -> AsyncIterator[None]:
        running = getattr(app.state, "running", None)
        service = Service(settings, _capture(settings, redact, metering), metering, running, pulse)
        app.state.service = service
        beside = [
            asyncio.create_task(work)
            for work in (_watch(service), service.departures.watch(), service.pulse.beat())
        ]
        try:
            async with mcp.sessions(service) if mcp else contextlib.nullcontext() as app.state.mcp:
                yield
        finally:
            for task in beside:
                task.cancel()
            await service.close()

    described = describe(OPERATIONS, settings.models, settings.limits, bool(settings.keys))
    routes: list[BaseRoute] = [
        *(operation.route() for operation in OPERATIONS),
        WebSocketRoute("/v1/stream", live.stream),
        Route("/openapi.json", _constant(described)),
        *((mcp.ROUTE,) if mcp else ()),
        *page.routes(),
    ]
    middleware = [
        Middleware(Gate, settings.keys, metering, log_requests=settings.log_requests, pulse=pulse)
    ]
    if settings.cors:
        middleware.insert(
            0,
            Middleware(
                CORSMiddleware,
                allow_origins=list(settings.cors),
                allow_methods=["GET", "POST"],
                allow_headers=[
                    "Authorization",
                    "Api-Key",
                    "Content-Type",
                    "X-Request-Id",
                    "X-Deadline-Ms",
                ],
                expose_headers=["X-Request-Id", "Retry-After"],
            ),
        )
    return Application(
        routes=routes,
        middleware=middleware,
        lifespan=lifespan,
        exception_handlers={HTTPException: _http_error},
    )


class Application(Starlette):
    """Without Starlette's own outermost layer, which answers what the gate has answered by then."""

    def build_middleware_stack(self) -> ASGIApp:
        app: ASGIApp = ExceptionMiddleware(self.router, handlers=self.exception_handlers)
        for made, args, kwargs in reversed(self.user_middleware):
            app = made(app, *args, **kwargs)
        return app


class Serving(OrderlyServer):
    """uvicorn, which on SIGTERM finishes what it has begun; readiness ends at once."""

    def __init__(self, app: Starlette, settings: Settings) -> None:
        super().__init__(
            uvicorn.Config(
                app,
                host=settings.host,
                port=settings.port,
                log_config=None,
                access_log=False,
                server_header=False,
                ws_max_size=settings.limits.body_bytes,
                timeout_keep_alive=75,
                timeout_graceful_shutdown=math.ceil(settings.limits.drain_s),
                ssl_certfile=settings.certificate,
                ssl_keyfile=settings.private_key,
            )
        )
        self._state = app.state
        app.state.running = self.server_state.tasks

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        service = getattr(self._state, "service", None)
        if service is not None:
            service.draining = True
        super().handle_exit(sig, frame)


def run(
    settings: Settings,
    app: Starlette,
    listening: Callable[[str], None] = lambda address: None,
) -> None:
    """Serve the application until a signal ends it. listening: told of the address once it
    is taken.

    Raises AttarError where a bundle cannot be opened or the address cannot be listened on.
    """
    _check(settings)
    server = Serving(app, settings)
    # Threads of the engine would wait up to 5 ms, Python's default, for the loop to let go, twice
    # a text: under overload they got a fifth of their work done (docs/serving.md).
    sys.setswitchinterval(SWITCH_S)
    with listen(settings.host, settings.port) as taken:
        scheme = "https" if settings.certificate else "http"
        host = f"[{settings.host}]" if ":" in settings.host else settings.host
        listening(f"{scheme}://{host}:{taken.getsockname()[1]}")
        # uvloop takes one connection a turn and descriptor, and under overload turns are long.
        server.run(sockets=[taken, *(taken.dup() for _ in range(ACCEPTED_A_TURN - 1))])


def _check(settings: Settings) -> None:
    """Open what will be opened: one clear error now, and none inside the event loop."""
    for name, model in settings.models.items():
        can = read_bundle(model.path).manifest["capabilities"]
        others = {"fallback": (*ANSWERS, "ranking"), "person": PREDICTS}.get(model.on_abstain)
        if others is not None and set(others).isdisjoint(can):
            raise RecipeError(
                f"models.{name}: on_abstain = {model.on_abstain!r}: nobody else can be asked for "
                f'what this model gives ({", ".join(can)}). Take "return".'
            )
    if settings.fallback is not None:
        secret(settings.fallback.api_key_env, "fallback.api_key_env")
    if settings.person is not None:
        secret(settings.person.header_env, "person.header_env")
    if settings.capture is not None:
        TrainingFiles(settings.capture.path).close()
    if settings.certificate is not None:
        try:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(settings.certificate, settings.private_key)
        except OSError as error:  # SSLError is one
            raise RecipeError(
                f"certificate {settings.certificate}, private_key {settings.private_key}: "
                f"{error.strerror or error}"
            ) from None


async def _watch(service: Service) -> None:
    while True:
        await asyncio.sleep(service.settings.reload_s)
        for served in service.models.values():
            try:
                if await served.reload_if_changed():
                    log("reloaded", model=served.name, sha256=served.predictor.content_sha256)
            except Exception as error:  # whatever it is, the next file may be whole
                log("reload_refused", model=served.name, message=str(error))


def _capture(
    settings: Settings, redact: Callable[[str], str] | None, metering: Metering
) -> TrainingFiles | None:
    wanted = settings.capture
    if wanted is None:
        return None
    return TrainingFiles(
        wanted.path,
        wanted.sample,
        Rotation(int(wanted.megabytes * 1e6), wanted.files),
        redact if wanted.redact else None,
        lambda outcome: metering.captured.labels(outcome).inc(),
    )


def _mcp() -> ModuleType:
    """The tools' side, whose package half a second and 30 MB go to: only where it is asked for."""
    if find_spec("mcp") is None:
        raise MissingExtraError("mcp", "offering models as tools")
    from attar.serve import mcp

    return mcp


def _constant(content: object) -> Callable[[Request], Response]:
    return lambda request: reply(content)


async def _http_error(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    code, message = {
        404: ("not_found", "there is no such route; they are listed at /openapi.json"),
        405: ("method_not_allowed", "the route takes another method"),
    }.get(error.status_code, ("http_error", str(error.detail)))
    return HttpError(error.status_code, code, message, headers=error.headers).response()
