"""WebSocket /v1/stream: a text that is still being typed or spoken.

The client sends `{"text": "where is my", "final": false}` whenever it knows more of the text,
the whole of it so far. Only the newest text is answered; what a newer one has overtaken is
skipped, so that answers never lag behind. Each answer names the `sequence` of the message
it is for (its number from 1), and is `stable` when the last answers had the same label, or the
same label and spans.
`"final": true` ends an utterance: its answer goes the whole way, through the fallback too.
The model is named in the address: `/v1/stream?model=desk`.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections import deque
from typing import Any

import msgspec
from msgspec import Struct
from starlette.websockets import WebSocket, WebSocketDisconnect, WebSocketState

from attar.serve.answer import shown
from attar.serve.gate import log
from attar.serve.native_bodies import Words
from attar.serve.served import PREDICTS, Served
from attar.serve.service import Asked, Service
from attar.serve.wire import HttpError

STABLE_AFTER = 3  # answers with the same label, none of them an abstention
MOST_FINALS = 64  # of one connection that wait


class Partial(Struct, forbid_unknown_fields=True):
    """words: how long a summary is to be."""

    text: str
    final: bool = False
    words: Words | None = None


class Utterance:
    """The newest text of one connection, and the answers so far."""

    def __init__(self) -> None:
        self.newest: tuple[int, Partial] | None = None
        self.finals: list[tuple[int, Partial]] = []
        self.changed = asyncio.Event()
        self.labels: deque[str | None] = deque(maxlen=STABLE_AFTER)

    def put(self, sequence: int, partial: Partial) -> None:
        if partial.final:
            if len(self.finals) >= MOST_FINALS:
                raise HttpError.busy(1)
            self.finals.append((sequence, partial))
            self.newest = None
        else:
            self.newest = (sequence, partial)
        self.changed.set()

    async def take(self) -> tuple[int, Partial]:
        while True:
            if self.finals:
                return self.finals.pop(0)
            if self.newest is not None:
                found, self.newest = self.newest, None
                return found
            self.changed.clear()
            await self.changed.wait()

    def stable(self, label: str | None, final: bool) -> bool:
        self.labels.append(label)
        alike = len(self.labels) == STABLE_AFTER and len(set(self.labels)) == 1
        steady = alike and label is not None
        if final:
            self.labels.clear()
        return steady or final


async def stream(websocket: WebSocket) -> None:
    service: Service = websocket.app.state.service
    key = [p for p in websocket.scope.get("subprotocols", ()) if p.startswith("attar.key.")]
    await websocket.accept(subprotocol=key[0] if key else None)
    try:
        served = service.find(websocket.query_params.get("model"), *PREDICTS)
        utterance = Utterance()
        answering = asyncio.create_task(_answer(service, served, websocket, utterance))
        try:
            await _receive(service, websocket, utterance)
        finally:
            answering.cancel()
            with contextlib.suppress(asyncio.CancelledError, WebSocketDisconnect, RuntimeError):
                await answering
    except HttpError as error:
        await _refuse(websocket, error, 1008)
    except WebSocketDisconnect:
        pass


async def _receive(service: Service, websocket: WebSocket, utterance: Utterance) -> None:
    sequence = 0
    while True:
        message = await websocket.receive()
        if message["type"] == "websocket.disconnect":
            return
        content = message.get("text") or message.get("bytes") or b""
        sequence += 1
        try:
            partial = msgspec.json.decode(content, type=Partial)
            service.check_texts([partial.text], "text")
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
            raise HttpError(422, "invalid_field", f"message {sequence}: {error}") from None
        if service.draining:
            raise HttpError.draining()
        utterance.put(sequence, partial)


async def _answer(
    service: Service, served: Served, websocket: WebSocket, utterance: Utterance
) -> None:
    request_id = websocket.state.request_id
    while True:
        sequence, partial = await utterance.take()
        asked = service.asked(f"{request_id}.{sequence}", {}, words=partial.words)
        try:
            service.check_words(served, partial.words)
            found, label = await _answered(service, served, partial, asked)
        except HttpError as error:
            await _send(websocket, {"sequence": sequence, **error.to_json()})
            continue
        except Exception as error:  # of the engine; the client must not wait for ever
            log("error", request_id=asked.request_id, kind=type(error).__name__)
            failed = HttpError(500, "internal_error", "the server failed on this text")
            await _send(websocket, {"sequence": sequence, **failed.to_json()})
            continue
        found |= {
            "sequence": sequence,
            "final": partial.final,
            "stable": utterance.stable(None if found["abstained"] else label, partial.final),
        }
        await _send(websocket, found)


async def _answered(
    service: Service, served: Served, partial: Partial, asked: Asked
) -> tuple[dict[str, Any], str]:
    """The answer, and its one name: spans are part of it where the model marks some."""
    if partial.final:
        (answer,) = await service.predict(served, [partial.text], asked)
        return answer.to_json(), answer.label
    (prediction,) = await served.answering.answer(
        [partial.text], "label", asked.deadline, asked.words
    )
    found = shown(prediction)
    by = "nobody" if prediction.abstained else "model"
    return {**found, "answered_by": by}, prediction.label


async def _send(websocket: WebSocket, content: Any) -> None:
    if websocket.application_state == WebSocketState.CONNECTED:
        await websocket.send_text(msgspec.json.encode(content).decode())


async def _refuse(websocket: WebSocket, error: HttpError, code: int) -> None:
    with contextlib.suppress(RuntimeError, WebSocketDisconnect):
        await _send(websocket, error.to_json())
        await websocket.close(code, error.code)
