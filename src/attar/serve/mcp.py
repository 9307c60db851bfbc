"""Bundles as tools of the Model Context Protocol: one for each model, its card a resource.

A tool answers as `/v1/predict` does, within the same limits. Served over standard input and
output, where a new bundle is taken at the next start, or as the route `/mcp`. The route keeps
no session and opens no stream, so any replica answers any request; it is guarded by what
stands before the route. Corrections and the other routes are not offered here.
"""

from __future__ import annotations

import contextlib
import json
import secrets
from collections.abc import AsyncIterator
from typing import Any

import mcp_types as types
import msgspec
from mcp.server import Server
from mcp.server.context import ServerRequestContext
from mcp.server.stdio import stdio_server
from mcp.server.streamable_http_manager import StreamableHTTPSessionManager
from mcp.server.transport_security import TransportSecuritySettings
from mcp.shared.exceptions import MCPError
from msgspec import UNSET
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.routing import Route
from starlette.types import Receive, Scope, Send

from attar.bundle import CARD, REPORT
from attar.errors import AttarError
from attar.predictions import Ranking
from attar.registry import did_you_mean
from attar.serve import native
from attar.serve.answer import Answer
from attar.serve.document_fill import passage_of
from attar.serve.gate import OPEN, Gate
from attar.serve.mcp_tools import Offered, describe, offered_by
from attar.serve.metering import Metering
from attar.serve.native_bodies import Texts
from attar.serve.served import Served
from attar.serve.service import Service
from attar.serve.settings import Settings
from attar.serve.wire import HttpError
from attar.version import __version__

LOOPBACK = ("127.0.0.1", "localhost", "[::1]")
INSTRUCTIONS = (
    "Each tool is a small model that labels a text, marks spans in it, finds documents that answer "
    "it or summarizes it. An answer with "
    "abstained = true is a guess that should not be relied on: decide yourself or ask. A model's "
    "card is its resource."
)
MEDIA = {CARD: ("card", "text/markdown"), REPORT: ("report", "application/json")}
Context = ServerRequestContext[Any, Any]


def make_server(service: Service, *, embed: bool = False) -> Server[Any]:
    """The protocol's side of a service. embed: models that can also give their embeddings."""
    offered = offered_by(service, embed)

    async def list_tools(context: Context, params: Any) -> types.ListToolsResult:
        limits = service.settings.limits
        return types.ListToolsResult(tools=[describe(tool, limits) for tool in offered.values()])

    async def call_tool(
        context: Context, params: types.CallToolRequestParams
    ) -> types.CallToolResult:
        tool = offered.get(params.name)
        if tool is None:
            raise MCPError(
                types.INVALID_PARAMS,
                f"there is no tool {params.name[:80]!r}.{did_you_mean(params.name, offered)} "
                f"Offered: {', '.join(offered)}.",
            )
        try:
            found = await _answer(service, tool, params.arguments or {}, context.request)
        except HttpError as error:
            return _refused(f"{error.code}: {error.message}")
        except msgspec.ValidationError as error:
            return _refused(f"invalid_field: {error}")
        except AttarError as error:
            return _refused(str(error))
        return types.CallToolResult(content=[_text(found)], structured_content=found)

    def resources() -> dict[str, tuple[Served, str]]:
        return {
            f"attar://models/{tool.name}/{MEDIA[file][0]}": (tool.served, file)
            for tool in offered.values()
            for file in MEDIA
            if tool.want == "label" and file in tool.served.bundle.files
        }

    async def list_resources(context: Context, params: Any) -> types.ListResourcesResult:
        return types.ListResourcesResult(
            resources=[
                types.Resource(
                    uri=uri,
                    name=f"{served.name}: {MEDIA[file][0]}",
                    description=f"The {MEDIA[file][0]} that was sealed with the model.",
                    mime_type=MEDIA[file][1],
                    size=len(served.bundle.files[file]),
                )
                for uri, (served, file) in resources().items()
            ]
        )

    async def read_resource(
        context: Context, params: types.ReadResourceRequestParams
    ) -> types.ReadResourceResult:
        found = resources().get(str(params.uri))
        if found is None:
            raise MCPError(types.INVALID_PARAMS, f"there is no resource {str(params.uri)[:80]!r}")
        served, file = found
        text = served.bundle.read(file).decode("utf-8", "replace")
        return types.ReadResourceResult(
            contents=[
                types.TextResourceContents(uri=str(params.uri), mime_type=MEDIA[file][1], text=text)
            ]
        )

    return Server(
        "attar",
        version=__version__,
        instructions=INSTRUCTIONS,
        on_list_tools=list_tools,
        on_call_tool=call_tool,
        on_list_resources=list_resources,
        on_read_resource=read_resource,
    )


async def run_stdio(settings: Settings, *, embed: bool = False) -> None:
    """Serve one client over standard input and output, until it closes the input. Whatever
    else writes to standard output meanwhile goes to standard error."""
    service = Service(settings, None, Metering())
    server = make_server(service, embed=embed)
    try:
        async with stdio_server() as (reading, writing):
            await server.run(reading, writing, server.create_initialization_options())
    finally:
        await service.close()


@contextlib.asynccontextmanager
async def sessions(
    service: Service, *, embed: bool = False
) -> AsyncIterator[StreamableHTTPSessionManager]:
    """What ROUTE hands requests to, as `app.state.mcp`, while the application runs."""
    manager = StreamableHTTPSessionManager(
        make_server(service, embed=embed),
        json_response=True,
        stateless=True,
        security_settings=_security(service.settings),
        max_request_body_size=service.settings.limits.body_bytes,
    )
    async with manager.run():
        yield manager


class _Endpoint:
    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await scope["app"].state.mcp.handle_request(scope, receive, send)


# Without sessions there is nothing to listen to (GET) or to end (DELETE).
ROUTE = Route("/mcp", _Endpoint(), methods=["POST"])


def make_app(settings: Settings, *, embed: bool = False) -> Starlette:
    """An application that speaks the protocol and tells its health, and nothing else."""
    metering = Metering()

    @contextlib.asynccontextmanager
    async def lifespan(app: Starlette) -> AsyncIterator[None]:
        service = app.state.service = Service(settings, None, metering)
        try:
            async with sessions(service, embed=embed) as app.state.mcp:
                yield
        finally:
            await service.close()

    health = (operation.route() for operation in native.OPERATIONS if operation.path in OPEN)
    gate = Middleware(Gate, settings.keys, metering, log_requests=settings.log_requests)
    return Starlette(routes=[ROUTE, *health], middleware=[gate], lifespan=lifespan)


def _security(settings: Settings) -> TransportSecuritySettings:
    """A web page that a name server leads to loopback could ask what needs no key."""
    if settings.keys or not settings.local:
        return TransportSecuritySettings(enable_dns_rebinding_protection=False)
    hosts = [host for name in LOOPBACK for host in (name, f"{name}:*")]
    origins = [f"{scheme}://{host}" for scheme in ("http", "https") for host in hosts]
    return TransportSecuritySettings(
        allowed_hosts=hosts, allowed_origins=[*origins, *settings.cors]
    )


async def _answer(
    service: Service, tool: Offered, arguments: dict[str, Any], request: Any
) -> dict[str, Any]:
    body = msgspec.convert(arguments, Texts)
    if (body.text is UNSET) == (body.texts is UNSET):
        raise HttpError(422, "invalid_field", "give either text or texts")
    one = isinstance(body.text, str)
    texts: Any = [body.text] if one else body.texts
    service.check_texts(texts, "text" if one else "texts")
    request_id = request.state.request_id if request is not None else secrets.token_hex(12)
    headers = request.headers if request is not None else {}
    asked = service.asked(request_id, headers, words=body.words)
    if tool.want == "embed":
        if body.words is not None:
            raise HttpError(422, "invalid_field", "words: embeddings have no length in words")
        rows = await service.embed(tool.served, texts, asked)
        # As many digits as float32 has: a language model may read them all.
        return {"embeddings": [[float(f"{value:.7g}") for value in row] for row in rows]}
    service.check_words(tool.served, body.words)
    answers = [_shown(answer) for answer in await service.predict(tool.served, texts, asked)]
    return answers[0] if one else {"answers": answers}


def _shown(answer: Answer) -> dict[str, Any]:
    """An answer with names in it, which a language model reads better than pairs, and of a ranking
    first the sentence that answers, in place of its offsets."""
    found = answer.to_json()
    ranked = answer.prediction
    if isinstance(ranked, Ranking):
        said = passage_of(ranked.documents[0]) if answer.answered_by == "model" else answer.text
        documents = [{k: v for k, v in one.items() if k != "passage"} for one in found["documents"]]
        found.pop("text", None)
        return {"answer": said, **found, "documents": documents}
    for key in ("labels", "alternatives"):
        if key in found:
            found[key] = [{"label": label, "score": score} for label, score in found[key]]
    return found


def _text(found: dict[str, Any]) -> types.TextContent:
    """For clients that read no structured content; the protocol asks for the same JSON."""
    return types.TextContent(text=json.dumps(found, ensure_ascii=False))


def _refused(message: str) -> types.CallToolResult:
    return types.CallToolResult(content=[types.TextContent(text=message)], is_error=True)
