"""What the tests of the proxy share: a stub of its upstream, answers of it, and a client."""

from __future__ import annotations

import asyncio
import contextlib
import json
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import uvicorn

from attar.serve.proxy import ProxySettings, Recording, checked, make_app, server_of
from serve.conftest import in_thread

KEY = "sk-secret-of-the-client"
REFUND = "i want my refund"


@dataclass
class Upstream:
    """A stub: `answer` is a whole ASGI application, told the body; what it saw is kept."""

    url: str = ""
    answer: Callable[..., Any] | None = None
    seen: list[dict[str, Any]] = field(default_factory=list)
    gone: threading.Event = field(default_factory=threading.Event)

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        assert scope["type"] == "http"
        body, more = b"", True
        while more:
            message = await receive()
            body += message.get("body", b"")
            more = message.get("more_body", False)
        self.seen.append(
            {
                "method": scope["method"],
                "target": scope["raw_path"] + b"?" + scope["query_string"],
                "headers": scope["headers"],
                "body": body,
            }
        )
        assert self.answer is not None
        await self.answer(body, receive, send)


@dataclass
class Proxied:
    upstream: Upstream
    client: httpx.Client
    path: Path
    close: Callable[[], None]
    app: Any

    def chat(self, text: Any = REFUND, **body: Any) -> httpx.Response:
        messages = body.pop("messages", [{"role": "user", "content": text}])
        return self.client.post(
            "/v1/chat/completions",
            json={"model": "large", "messages": messages, **body},
            headers={"Authorization": f"Bearer {KEY}"},
        )

    def rows(self, kind: str = "") -> list[dict[str, Any]]:
        """End the proxy, and read what it wrote: labeled rows, or those of "unlabeled"."""
        self.close()
        path = self.path.with_name(f"traffic{kind and '.' + kind}.jsonl")
        return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []


Start = Callable[..., Proxied]


@contextlib.contextmanager
def proxies(folder: Path) -> Iterator[Start]:
    """Start proxies, each before a stub, which write into the folder until the block ends.
    Keywords are Recording's and, others, ProxySettings'."""
    with contextlib.ExitStack() as whole:

        def begin(redact: Any = None, **given: Any) -> Proxied:
            stub = Upstream()
            config = uvicorn.Config(
                stub, lifespan="off", log_config=None, access_log=False, timeout_keep_alive=60,
                server_header=False, date_header=False,
            )  # fmt: skip
            stub.url = whole.enter_context(in_thread(uvicorn.Server(config)))
            kept = {k: given.pop(k) for k in [*given] if k in Recording.__struct_fields__}
            kept.setdefault("path", str(folder / "traffic.jsonl"))
            given.setdefault("upstream", f"{stub.url}/v1")
            settings = checked(ProxySettings(recording=Recording(**kept), **given))
            app = make_app(settings, redact)
            one = whole.enter_context(contextlib.ExitStack())
            url = one.enter_context(in_thread(server_of(settings, app)))
            client = one.enter_context(httpx.Client(base_url=url, trust_env=False, timeout=20))
            return Proxied(stub, client, folder / "traffic.jsonl", one.close, app)

        yield begin


def answering(
    content: Any, status: int = 200, headers: list[tuple[bytes, bytes]] | None = None
) -> Callable[..., Any]:
    body = content if isinstance(content, bytes) else json.dumps(content).encode()
    sent = [(b"content-type", b"application/json"), *(headers or ())]

    async def answer(_: bytes, receive: Any, send: Any) -> None:
        await send({"type": "http.response.start", "status": status, "headers": sent})
        await send({"type": "http.response.body", "body": body})

    return answer


def completion(content: str | None, **message: Any) -> dict[str, Any]:
    reason = message.pop("finish_reason", "stop")
    return {
        "id": "chatcmpl-1", "object": "chat.completion", "model": "large-2",
        "choices": [{"index": 0, "finish_reason": reason,
                     "message": {"role": "assistant", "content": content, **message}}],
        "usage": {"prompt_tokens": 100, "completion_tokens": 2, "total_tokens": 102},
    }  # fmt: skip


def question(text: Any) -> dict[str, Any]:
    return {"model": "m", "stream": True, "messages": [{"role": "user", "content": text}]}


def events(*chunks: Any) -> list[bytes]:
    return [b"data: " + (c if isinstance(c, bytes) else json.dumps(c).encode()) + b"\n\n"
            for c in chunks]  # fmt: skip


def delta(content: str | None = None, reason: str | None = None, **more: Any) -> dict[str, Any]:
    change = {"content": content} if content is not None else {}
    return {"model": "large-2", "choices": [{"index": 0, "delta": {**change, **more},
                                             "finish_reason": reason}]}  # fmt: skip


def streaming(
    pieces: list[bytes],
    step: Callable[[int], None] = lambda number: None,
    media: bytes = b"text/event-stream; charset=utf-8",
) -> Callable[..., Any]:
    """step: called before each piece after the first, in a thread."""

    async def answer(_: bytes, receive: Any, send: Any) -> None:
        headers = [(b"content-type", media)]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        for number, piece in enumerate(pieces):
            if number:
                await asyncio.to_thread(step, number)
            await send({"type": "http.response.body", "body": piece, "more_body": True})
        await send({"type": "http.response.body", "body": b""})

    return answer
