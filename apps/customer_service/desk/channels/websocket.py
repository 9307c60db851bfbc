"""The desk over a WebSocket: /v1/conversations/{id}/live.

The client offers the subprotocols `desk` and `desk.token.<token>` and sends `{"key", "text"}`.
The server sends `{"type": "reply", "key", …}` for each, `{"type": "error", "key", "code",
"message"}` where there is none, and `{"type": "turn", "turn"}` for what a person says who took
over. Close codes: 4401 without a token that fits, 4403 from a page that may not hold the widget.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import Callable, Mapping
from typing import Any
from urllib.parse import urlsplit

from starlette.routing import BaseRoute, WebSocketRoute
from starlette.websockets import WebSocket, WebSocketDisconnect, WebSocketState

from desk.channels.asking import turns
from desk.channels.rest import Rest, Said
from desk.channels.sessions import Session
from desk.channels.wire import MOST_BYTES, Refused, decoded, shown, shown_turn

TOKEN = "desk.token."
LOOKS_S = 1.5  # between two looks for what a person said
Send = Callable[[Mapping[str, Any]], Any]


def routes(rest: Rest, origins: tuple[str, ...]) -> list[BaseRoute]:
    async def live(websocket: WebSocket) -> None:
        await _live(websocket, rest, origins)

    return [WebSocketRoute("/v1/conversations/{conversation}/live", live)]


async def _live(websocket: WebSocket, rest: Rest, origins: tuple[str, ...]) -> None:
    offered = websocket.scope.get("subprotocols", ())
    token = next((p.removeprefix(TOKEN) for p in offered if p.startswith(TOKEN)), None)
    # Accepted first, because a browser's script learns nothing of a handshake that failed.
    await websocket.accept(subprotocol="desk" if "desk" in offered else None)
    if not _allowed(websocket, origins):
        await websocket.close(4403, "this page may not hold the widget: web.origins")
        return
    try:
        session = rest.sessions.read(token, websocket.path_params["conversation"])
    except Refused as error:
        await websocket.close(4401, error.message)
        return
    one_at_a_time = asyncio.Lock()

    async def send(content: Mapping[str, Any]) -> None:
        async with one_at_a_time:
            if websocket.application_state == WebSocketState.CONNECTED:
                await websocket.send_text(json.dumps(content, ensure_ascii=False))

    looking = asyncio.create_task(_look(rest, session, send))
    try:
        while True:
            await _one(rest, session, await _text(websocket), send)
    except (WebSocketDisconnect, RuntimeError):
        pass  # gone, or closed by us
    finally:
        looking.cancel()
        with contextlib.suppress(asyncio.CancelledError, WebSocketDisconnect, RuntimeError):
            await looking


async def _text(websocket: WebSocket) -> str:
    message = await websocket.receive()
    if message["type"] == "websocket.disconnect":
        raise WebSocketDisconnect(message.get("code", 1000))
    text = message.get("text")
    if text is None or len(text) > MOST_BYTES:
        await websocket.close(1009 if text else 1003)
        raise WebSocketDisconnect
    return str(text)


async def _one(rest: Rest, session: Session, content: str, send: Send) -> None:
    key = None
    try:
        said = decoded(content.encode("utf-8", "surrogatepass"), Said)
        key = said.key
        reply = await rest.reply(session, said)
    except Refused as error:
        await send({"type": "error", "key": key, "code": error.code, "message": error.message})
        return
    await send({"type": "reply", "key": key, **shown(reply)})


async def _look(rest: Rest, session: Session, send: Send) -> None:
    """Send what persons say from now on; the client has read the turns before."""
    seen = len(await turns(rest.desk, session.conversation))
    while True:
        await asyncio.sleep(LOOKS_S)
        said = await turns(rest.desk, session.conversation)
        for number, turn in enumerate(said[seen:], seen + 1):
            if turn.said_by == "agent":
                await send({"type": "turn", "number": number, "turn": shown_turn(turn)})
        seen = len(said)


def _allowed(websocket: WebSocket, origins: tuple[str, ...]) -> bool:
    """Programs send no origin; a browser's page is of this server, or one that may hold us."""
    origin = websocket.headers.get("origin")
    if origin is None or origin in origins or "*" in origins:
        return True
    return urlsplit(origin).netloc == websocket.headers.get("host")
