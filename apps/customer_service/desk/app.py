"""The application: every channel that is set, and what else is given, in one Starlette app.

`make_app` takes a desk and settings; `run` serves it with uvicorn in this process.
"""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator, Iterable, Sequence

import uvicorn
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.middleware.cors import CORSMiddleware
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import BaseRoute, Route

from desk.channels import websocket, widget
from desk.channels.botframework import BotFramework
from desk.channels.dialogflow_callers import Callers
from desk.channels.dialogflow_cx import Cx
from desk.channels.dialogflow_es import Es
from desk.channels.email_channel import EmailChannel
from desk.channels.rest import Rest
from desk.channels.settings import Settings
from desk.channels.wire import MOST_BYTES, Refused, refused
from desk.types import Desk


def make_app(
    desk: Desk, settings: Settings | None = None, also: Iterable[BaseRoute] = ()
) -> Starlette:
    """The application. also: routes of others, such as the people's pages, which come first."""
    settings = settings or Settings()
    rest = Rest(desk, settings.web)
    origins = settings.web.origins
    dialogflow: list[BaseRoute] = []
    if settings.dialogflow is not None:
        callers = Callers(settings.dialogflow)
        for kind in (Es, Cx):
            dialogflow += kind(desk, settings.dialogflow, callers).routes()
    bot = BotFramework(desk, settings.bot) if settings.bot is not None else None
    email = EmailChannel(desk, settings.email) if settings.email is not None else None
    routes: list[BaseRoute] = [
        *also,
        Route("/healthz", _alive, methods=["GET"]),
        *rest.routes(),
        *websocket.routes(rest, origins),
        *widget.routes(),
        *dialogflow,
        *(bot.routes() if bot else ()),
    ]

    @contextlib.asynccontextmanager
    async def lifespan(app: Starlette) -> AsyncIterator[None]:
        async with contextlib.AsyncExitStack() as stack:
            if bot is not None:
                await stack.enter_async_context(bot.open())
            if email is not None:
                await stack.enter_async_context(email.open())
            yield

    return Starlette(
        routes=routes,
        middleware=_middleware(origins),
        exception_handlers={Refused: refused},
        lifespan=lifespan,
    )


def run(app: Starlette, host: str = "127.0.0.1", port: int = 8000) -> None:
    """Serve until a signal ends it. More workers are more processes of it."""
    uvicorn.run(app, host=host, port=port, ws_max_size=MOST_BYTES, server_header=False)


def _middleware(origins: Sequence[str]) -> list[Middleware]:
    if not origins:
        return []
    return [
        Middleware(
            CORSMiddleware,
            allow_origins=list(origins),
            allow_methods=["GET", "POST"],
            allow_headers=["Authorization", "Content-Type"],
            max_age=3600,
        )
    ]


async def _alive(request: Request) -> Response:
    return PlainTextResponse("ok")
