"""attar proxy, between a real client and a stub of an endpoint, all on loopback."""

from __future__ import annotations

import asyncio
import contextlib
import errno
import gzip
import hashlib
import json
import logging
import os
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("starlette", reason="the extra serve is not installed")

import httpx
import uvicorn

from attar.errors import OutputError, RecipeError
from attar.serve.proxy import ProxySettings, Recording, checked, make_app, run, server_of
from attar.serve.proxy_exchange import LabelFrom, label_in, question_in, reply_in
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


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Start]:
    """A proxy before a stub. Keywords are Recording's and, others, ProxySettings'."""
    with contextlib.ExitStack() as whole:

        def begin(redact: Any = None, **given: Any) -> Proxied:
            stub = Upstream()
            config = uvicorn.Config(
                stub, lifespan="off", log_config=None, access_log=False, timeout_keep_alive=60,
                server_header=False, date_header=False,
            )  # fmt: skip
            stub.url = whole.enter_context(in_thread(uvicorn.Server(config)))
            kept = {k: given.pop(k) for k in [*given] if k in Recording.__struct_fields__}
            kept.setdefault("path", str(tmp_path / "traffic.jsonl"))
            given.setdefault("upstream", f"{stub.url}/v1")
            settings = checked(ProxySettings(recording=Recording(**kept), **given))
            app = make_app(settings, redact)
            one = whole.enter_context(contextlib.ExitStack())
            url = one.enter_context(in_thread(server_of(settings, app)))
            client = one.enter_context(httpx.Client(base_url=url, trust_env=False, timeout=20))
            return Proxied(stub, client, tmp_path / "traffic.jsonl", one.close, app)

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


# --- What passes


def test_a_request_and_its_answer_pass_byte_for_byte(start: Start) -> None:
    proxied = start()
    body = bytes(range(256)) * 100
    proxied.upstream.answer = answering(
        body[::-1], 418, [(b"set-cookie", b"a=1"), (b"set-cookie", b"b=2"), (b"x-own", b"caf\xe9"),
                          (b"date", b"yesterday"), (b"server", b"stub"), (b"x-hop", b"1"),
                          (b"connection", b"x-hop")],
    )  # fmt: skip
    sent = [("X-One", "1"), ("X-One", "2"), ("Authorization", f"Bearer {KEY}"),
            ("User-Agent", "strange/1"), ("Connection", "keep-alive, x-private"),
            ("X-Private", "p"), ("Accept-Encoding", "br"), ("Cookie", "c=3"),
            ("Content-Type", "application/x-own")]  # fmt: skip
    request = httpx.Request(
        "PATCH", f"{proxied.client.base_url}/v1/files/a%2Fb%20%C3%A9?q=1&q=%20+2", headers=sent,
        content=body,
    )  # fmt: skip
    answer = proxied.client.send(request)
    (seen,) = proxied.upstream.seen
    assert seen["method"] == "PATCH" and seen["body"] == body
    assert seen["target"] == b"/v1/files/a%2Fb%20%C3%A9?q=1&q=%20+2"
    assert sorted(seen["headers"]) == sorted(
        [(b"host", proxied.upstream.url.removeprefix("http://").encode()), (b"x-one", b"1"),
         (b"x-one", b"2"), (b"authorization", f"Bearer {KEY}".encode()),
         (b"user-agent", b"strange/1"), (b"accept-encoding", b"br"), (b"cookie", b"c=3"),
         (b"content-type", b"application/x-own"), (b"content-length", b"25600")]
    )  # fmt: skip
    assert answer.status_code == 418 and answer.content == body[::-1]
    assert [(name.lower(), value) for name, value in answer.headers.raw] == [
        (b"content-type", b"application/json"), (b"set-cookie", b"a=1"), (b"set-cookie", b"b=2"),
        (b"x-own", b"caf\xe9"), (b"date", b"yesterday"), (b"server", b"stub"),
        (b"transfer-encoding", b"chunked"),
    ]  # fmt: skip


@pytest.mark.parametrize("method", ["GET", "HEAD", "OPTIONS", "DELETE", "PUT", "POST"])
def test_every_method_passes(start: Start, method: str) -> None:
    proxied = start()
    proxied.upstream.answer = answering(b"" if method == "HEAD" else b"found")
    answer = proxied.client.request(method, "/v1/models")
    assert answer.status_code == 200
    assert answer.content == (b"" if method == "HEAD" else b"found")
    assert proxied.upstream.seen[0]["method"] == method


def test_a_body_without_a_length_passes(start: Start) -> None:
    proxied = start()
    proxied.upstream.answer = answering(b"taken")
    answer = proxied.client.post("/v1/files", content=iter([b"one", b"two"]))
    assert answer.content == b"taken" and proxied.upstream.seen[0]["body"] == b"onetwo"


@pytest.mark.parametrize("head", ["204 No Content", "304 Not Modified\r\nContent-Length: 7"])
def test_answers_without_a_body_pass(start: Start, head: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listening:

        def serve() -> None:
            connection, _ = listening.accept()
            with connection:
                for _ in range(2):
                    assert connection.recv(10_000)
                    connection.sendall(f"HTTP/1.1 {head}\r\n\r\n".encode())

        thread = threading.Thread(target=serve)
        thread.start()
        proxied = start(upstream=f"http://127.0.0.1:{listening.getsockname()[1]}")
        for _ in range(2):
            assert proxied.client.get("/v1/models").status_code == int(head[:3])
        thread.join(10)


def test_paths_are_under_the_upstreams(start: Start) -> None:
    proxied = start()
    proxied.upstream.answer = answering(b"")
    for path in ("/models", "/v1/models", "/v1x"):
        proxied.client.get(path)
    targets = [seen["target"] for seen in proxied.upstream.seen]
    assert targets == [b"/v1/models?", b"/v1/models?", b"/v1/v1x?"]
    host, port = proxied.client.base_url.host, proxied.client.base_url.port
    for path in (b"/v1/../admin", b"/%2e%2E/admin", b"/v1/."):
        with socket.create_connection((host, port or 80)) as connection:
            connection.sendall(
                b"GET " + path + b" HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n"
            )
            assert b" 400 " in connection.recv(1000).splitlines()[0]
    assert len(proxied.upstream.seen) == 3


def test_redirects_are_not_followed(start: Start) -> None:
    proxied = start()
    proxied.upstream.answer = answering(b"", 307, [(b"location", b"/elsewhere")])
    answer = proxied.client.get("/v1/models", follow_redirects=False)
    assert answer.status_code == 307 and answer.headers["location"] == "/elsewhere"
    assert len(proxied.upstream.seen) == 1


def test_proxies_of_the_environment_are_not_used(
    start: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    monkeypatch.setenv("NO_PROXY", "")
    proxied = start()
    proxied.upstream.answer = answering(b"direct")
    assert proxied.client.get("/v1/models").content == b"direct"


def test_events_arrive_while_later_ones_are_not_sent(start: Start) -> None:
    proxied = start()
    arrived = threading.Event()
    in_time: list[bool] = []
    pieces = events(delta("re"), delta("fund"), delta(reason="stop"), b"[DONE]")
    proxied.upstream.answer = streaming(
        pieces, lambda number: in_time.append(arrived.wait(10)) if number == 1 else None
    )
    body = {"model": "m", "stream": True, "messages": [{"role": "user", "content": REFUND}]}
    got = []
    with proxied.client.stream("POST", "/v1/chat/completions", json=body) as answer:
        for piece in answer.iter_raw():
            got.append(piece)
            arrived.set()
    assert in_time == [True], "the first event was held back until the second was sent"
    assert got[0] == pieces[0] and b"".join(got) == b"".join(pieces)
    (row,) = proxied.rows()
    assert row["label"] == "refund" and row["text"] == REFUND


@pytest.mark.parametrize("begun", [False, True])
def test_a_client_that_leaves_ends_the_upstreams_work(start: Start, begun: bool) -> None:
    proxied = start()
    asked, gone = threading.Event(), proxied.upstream.gone

    async def answer(_: bytes, receive: Any, send: Any) -> None:
        if begun:
            headers = [(b"content-type", b"text/event-stream")]
            await send({"type": "http.response.start", "status": 200, "headers": headers})
            (first,) = events(delta("re"))
            await send({"type": "http.response.body", "body": first, "more_body": True})
        asked.set()
        message = await asyncio.wait_for(receive(), 10)
        assert message["type"] == "http.disconnect"
        gone.set()

    proxied.upstream.answer = answer
    body = json.dumps({"messages": [{"role": "user", "content": REFUND}]}).encode()
    address = (proxied.client.base_url.host, proxied.client.base_url.port or 80)
    with socket.create_connection(address) as connection:
        connection.sendall(
            b"POST /v1/chat/completions HTTP/1.1\r\nHost: a\r\nContent-Length: "
            + str(len(body)).encode() + b"\r\n\r\n" + body
        )  # fmt: skip
        assert asked.wait(10)
        if begun:
            connection.recv(1000)
    assert gone.wait(10), "the upstream still works for a client that left"
    (row,) = proxied.rows("unlabeled")
    assert row["status"] == 499 and row["text"] == REFUND


# --- What fails


def test_an_upstream_that_is_not_there_is_a_502(start: Start) -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        proxied = start(upstream=f"http://127.0.0.1:{unused.getsockname()[1]}/v1")
        answer = proxied.chat()
    assert answer.status_code == 502
    assert answer.json()["error"] == {
        "message": "the upstream gave no answer: ConnectError", "type": "server_error",
        "param": None, "code": "upstream_unreachable",
    }  # fmt: skip
    assert proxied.rows() == proxied.rows("unlabeled") == []  # its body was never read


def test_an_upstream_that_is_late_is_a_504(start: Start) -> None:
    proxied = start(timeout_s=0.3)

    async def silent(_: bytes, receive: Any, send: Any) -> None:
        await receive()  # until the proxy gives up

    proxied.upstream.answer = silent
    answer = proxied.chat()
    assert answer.status_code == 504 and answer.json()["error"]["code"] == "upstream_timeout"


def test_an_answer_that_breaks_off_breaks_off_here_too(start: Start) -> None:
    proxied = start(timeout_s=0.5)
    proxied.upstream.answer = streaming(
        events(delta("re"), delta("fund")), lambda number: time.sleep(1.2)
    )
    got: list[bytes] = []
    with proxied.client.stream("POST", "/v1/chat/completions", json=_asked(REFUND)) as answer:
        pieces = answer.iter_raw()
        with pytest.raises(httpx.RemoteProtocolError):
            got.extend(pieces)
    first, error = [line for line in b"".join(got).split(b"\n\n") if line]
    assert json.loads(first[6:])["choices"][0]["delta"] == {"content": "re"}
    assert json.loads(error[6:])["error"]["code"] == "upstream_cut"
    (row,) = proxied.rows("unlabeled")
    assert row["status"] == 502 and "label" not in row


@pytest.mark.parametrize("declared", [True, False])
def test_a_body_that_is_too_long_is_a_413(start: Start, declared: bool) -> None:
    proxied = start(body_bytes=1000)
    proxied.upstream.answer = answering(b"")
    content = b"x" * 2000
    answer = proxied.client.post("/v1/files", content=content if declared else iter([content]))
    assert answer.status_code == 413 and answer.json()["error"]["code"] == "body_too_large"


def test_errors_of_the_upstream_pass_unchanged(start: Start) -> None:
    proxied = start()
    error = {"error": {"message": "slow down", "type": "rate_limit_error", "code": None}}
    proxied.upstream.answer = answering(error, 429, [(b"retry-after", b"7")])
    answer = proxied.chat()
    assert (answer.status_code, answer.json()) == (429, error)
    assert answer.headers["retry-after"] == "7"
    assert proxied.rows() == []
    assert [row["status"] for row in proxied.rows("unlabeled")] == [429]


# --- What is written


def _asked(text: Any) -> dict[str, Any]:
    return {"model": "m", "stream": True, "messages": [{"role": "user", "content": text}]}


def test_a_row_says_what_was_asked_and_answered(start: Start) -> None:
    proxied = start()
    proxied.upstream.answer = answering(completion(" refund.\n"), 200, [(b"x-request-id", b"r7")])
    system = {"role": "system", "content": "Name the intent."}
    earlier = [{"role": "user", "content": "hello"}, {"role": "assistant", "content": "hi"}]
    parts = [{"type": "text", "text": "i want"}, {"type": "text", "text": "my refund"}]
    proxied.chat(messages=[system, *earlier, {"role": "user", "content": parts}])
    (row,) = proxied.rows()
    assert row.pop("latency_ms") > 0 and row.pop("time").startswith("20")
    assert row == {
        "text": "i want\nmy refund", "label": "refund", "model": "large-2", "input_tokens": 100,
        "output_tokens": 2, "request_id": "r7", "status": 200,
        "system": hashlib.sha256(b"Name the intent.").hexdigest(),
    }  # fmt: skip


CALLED = {"name": "route", "arguments": '{"intent": "refund"}'}
CALL = {"tool_calls": [{"id": "c", "type": "function", "function": CALLED}]}


@pytest.mark.parametrize(
    ("source", "answer", "label"),
    [
        ("auto", completion("refund"), "refund"),
        ("auto", completion('{"category": "refund", "why": "…"}'), "refund"),
        ("auto", completion('```json\n{"label": "refund"}\n```'), "refund"),
        ("auto", completion('{"class": ["a", "b"]}'), ["a", "b"]),
        ("auto", completion('["a", "b"]'), ["a", "b"]),
        ("auto", completion('{"label": 4}'), "4"),
        ("auto", completion('{"other": "refund"}'), None),
        ("auto", completion(None, **CALL, finish_reason="tool_calls"), "refund"),
        ("auto", completion("two\nlines"), None),
        ("auto", completion("x" * 81), None),
        ("auto", completion(""), None),
        ("auto", completion("refu", finish_reason="length"), None),
        ("auto", completion(None, refusal="I cannot."), None),
        ("content", completion('{"label": "refund"}'), '{"label": "refund"}'),
        ("json:why", completion('{"label": "a", "why": true}'), "true"),
        ("json:to.team", completion('{"to": {"team": "refund"}}'), "refund"),
        ("json:why", completion("refund"), None),
        ("tool:intent", completion("said", **CALL), "refund"),
        ("tool:intent", completion('{"intent": "refund"}'), None),
        ("auto", {"choices": []}, None),
        ("auto", ["no", "completion"], None),
        ("auto", b"no json", None),
    ],
)
def test_labels(source: str, answer: Any, label: Any) -> None:
    body = answer if isinstance(answer, bytes) else json.dumps(answer).encode()
    reply = reply_in("chat/completions", body, streamed=False)
    assert label_in(reply, LabelFrom.parse(source)) == label


@pytest.mark.parametrize(
    ("path", "body", "answer"),
    [
        ("completions", {"prompt": REFUND},
         {"choices": [{"text": " refund", "finish_reason": "stop"}]}),
        ("responses", {"input": REFUND, "instructions": "Name it."},
         {"status": "completed", "output": [{"type": "reasoning", "summary": []},
          {"type": "message", "content": [{"type": "output_text", "text": "refund"}]}]}),
        ("responses",
         {"input": [{"role": "user", "content": [{"type": "input_text", "text": REFUND}]}]},
         {"status": "completed", "output": [
             {"type": "function_call", "name": "f", "arguments": '{"label": "refund"}'}]}),
    ],
)  # fmt: skip
def test_the_other_forms(start: Start, path: str, body: Any, answer: Any) -> None:
    proxied = start()
    proxied.upstream.answer = answering(answer)
    proxied.client.post(f"/v1/{path}", json=body)
    (row,) = proxied.rows()
    assert (row["text"], row["label"]) == (REFUND, "refund")


@pytest.mark.parametrize(
    ("path", "pieces"),
    [
        ("chat/completions", events(
            delta("", role="assistant"), delta(tool_calls=[{"index": 0, "id": "c", "function": {
                "name": "f", "arguments": '{"la'}}]),
            delta(tool_calls=[{"index": 0, "function": {"arguments": 'bel": "refund"}'}}]),
            delta(reason="tool_calls"), {"choices": [], "usage": {"prompt_tokens": 100}},
            b"[DONE]")),
        ("completions", events({"choices": [{"index": 0, "text": "ref"}]},
                               {"choices": [{"index": 0, "text": "und"}]}, b"[DONE]")),
        ("responses", events({"type": "response.created", "response": {"status": "in_progress"}},
                             {"type": "response.output_text.delta", "delta": "refund"},
                             {"type": "response.completed", "response": {
                                 "status": "completed", "output": [{"type": "message", "content": [
                                     {"type": "output_text", "text": "refund"}]}]}})),
    ],
)  # fmt: skip
def test_streams_are_put_together_again(start: Start, path: str, pieces: list[bytes]) -> None:
    proxied = start()
    whole = b"".join(pieces).replace(b"\n", b"\r\n")
    proxied.upstream.answer = streaming([whole[:40], whole[40:55], whole[55:]])
    asked = {**_asked(REFUND), "prompt": REFUND, "input": REFUND}
    proxied.client.post(f"/v1/{path}", json=asked)
    (row,) = proxied.rows()
    assert row["label"] == "refund"


def test_a_packed_answer_is_passed_on_packed_and_read(start: Start) -> None:
    proxied = start()
    packed = gzip.compress(json.dumps(completion("refund")).encode())
    proxied.upstream.answer = answering(packed, 200, [(b"content-encoding", b"gzip")])
    headers = {"Accept-Encoding": "br, gzip;q=0.8, zstd"}
    body = _asked(REFUND)
    with proxied.client.stream("POST", "/v1/chat/completions", json=body, headers=headers) as got:
        assert b"".join(got.iter_raw()) == packed
    assert (b"accept-encoding", b"gzip;q=0.8") in proxied.upstream.seen[0]["headers"]
    assert proxied.rows()[0]["label"] == "refund"


@pytest.mark.parametrize(
    "body",
    [b"", b"no json", b"[]", b'{"messages": 3}', b'{"messages": [{"role": "system"}]}',
     b'{"messages": [{"role": "user", "content": [{"type": "image_url", "image_url": {}}]}]}',
     b'{"messages": [{"role": "user", "content": " "}]}', b"[" * 100_000],
)  # fmt: skip
def test_what_is_no_question(body: bytes) -> None:
    assert question_in("chat/completions", body) is None


def test_what_is_no_question_passes_and_is_not_written(start: Start) -> None:
    proxied = start()
    proxied.upstream.answer = answering(completion("refund"))
    body = b"no json"
    assert proxied.client.post("/v1/chat/completions", content=body).status_code == 200
    assert proxied.upstream.seen[0]["body"] == body
    assert proxied.rows() == [] and proxied.rows("unlabeled") == []


def test_only_matching_instructions_are_recorded(start: Start) -> None:
    proxied = start(system_contains="Name the intent")
    proxied.upstream.answer = answering(completion("refund"))
    proxied.chat("one", messages=[{"role": "system", "content": "Name the intent!"},
                                  {"role": "user", "content": "one"}])  # fmt: skip
    proxied.chat("two")
    assert [row["text"] for row in proxied.rows()] == ["one"]


def test_answers_are_kept_on_request(start: Start) -> None:
    proxied = start(keep_answers=True)
    proxied.upstream.answer = answering(completion("a long\nanswer"))
    proxied.chat()
    assert proxied.rows("unlabeled")[0]["answer"] == "a long\nanswer"


def test_what_people_wrote_is_redacted(start: Start) -> None:
    proxied = start(lambda text: text.replace("Ada", "<NAME>"), keep_answers=True)
    proxied.upstream.answer = answering(completion("Ada"))
    proxied.chat(messages=[{"role": "system", "content": "You serve Ada."},
                           {"role": "user", "content": "I am Ada"}])  # fmt: skip
    proxied.upstream.answer = answering(completion("Dear\nAda"))
    proxied.chat()
    assert proxied.rows() == []  # a label with a name in it is none
    rows = proxied.rows("unlabeled")
    assert rows[0]["text"] == "I am <NAME>" and rows[1]["answer"] == "Dear\n<NAME>"
    assert rows[0]["system"] == hashlib.sha256(b"You serve <NAME>.").hexdigest()


def test_a_sample_is_recorded(start: Start) -> None:
    proxied = start(sample=0.0)
    proxied.upstream.answer = answering(completion("refund"))
    proxied.chat()
    assert proxied.rows() == [] and proxied.rows("unlabeled") == []


def test_keys_are_in_no_file_and_no_line(
    start: Start, tmp_path: Path, capfd: pytest.CaptureFixture[str], caplog: Any
) -> None:
    caplog.set_level(logging.INFO)
    proxied = start(report_every=1, keep_answers=True)
    proxied.upstream.answer = answering(completion("refund"))
    proxied.chat()
    proxied.client.post(f"/v1/chat/completions?api-key={KEY}", json=_asked("b"),
                        headers={"api-key": KEY, "Cookie": KEY})  # fmt: skip
    metrics = proxied.client.get("/_attar/metrics").text
    proxied.close()
    headers = dict(proxied.upstream.seen[0]["headers"])
    assert headers[b"authorization"] == f"Bearer {KEY}".encode()
    own = [r.getMessage() for r in caplog.records if r.name != "httpx"]  # that is the client
    written = "".join(path.read_text() for path in tmp_path.iterdir() if path.is_file())
    assert KEY not in written and KEY not in metrics and KEY not in "".join(own)
    assert KEY not in "".join(capfd.readouterr())
    assert len(written.splitlines()) == 2


def test_progress_is_told_in_numbers(start: Start, capfd: pytest.CaptureFixture[str]) -> None:
    proxied = start(report_every=40)
    for number in range(40):
        label = "refund" if number % 2 else "parcel"
        proxied.upstream.answer = answering(completion(label))
        proxied.chat(f"text {number}")
    proxied.close()
    said = capfd.readouterr().err
    line = ("40 rows, 40 of them with one of 2 labels: each at least 20 times, enough for a "
            "first `attar build`")  # fmt: skip
    assert said.count(line) == 2  # at 40 rows, and at the end
    assert 'task = "classify"\n\n[data]\ntrain = ["traffic.jsonl"]\n' in said
    assert "unlabeled =" not in said and "parcel" not in said


def test_files_are_rotated_and_the_recipe_names_them(
    start: Start, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    proxied = start(megabytes=0.0005, files=3)
    proxied.upstream.answer = answering(completion("refund"))
    for number in range(12):
        proxied.chat(f"text {number}")
    proxied.close()
    names = ["traffic.jsonl", "traffic.1.jsonl", "traffic.2.jsonl"]
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted(names)
    assert f"train = {json.dumps(names)}\n" in capfd.readouterr().err


def test_the_files_are_what_a_build_reads(start: Start, tmp_path: Path) -> None:
    pytest.importorskip("scipy", reason="curation needs the extra train")
    from attar.data.curate import curate
    from attar.data.read import read_rows
    from attar.recipe import DataSection
    from attar.tasks import TASKS

    proxied = start()
    nouns = ["refund", "parcel"]
    words = [f"{a} {b} {c}" for a in ("please", "hello", "so", "now") for b in
             ("where", "why", "when", "how", "that") for c in ("is it", "was it")]  # fmt: skip
    for noun in nouns:
        proxied.upstream.answer = answering(completion(noun))
        for start_of in words:
            proxied.chat(f"{start_of} my {noun}")
    proxied.upstream.answer = answering(completion("a long\nanswer"))
    proxied.chat("who are you and what do you do")
    proxied.close()
    train, unlabeled = tmp_path / "traffic.jsonl", tmp_path / "traffic.unlabeled.jsonl"
    fields = DataSection(train=(train,), unlabeled=(unlabeled,))
    rows, dropped = read_rows([train], fields, labeled=True, strict=True)
    assert len(rows) == 80 and not dropped and {row.label for row in rows} == {*nouns}
    dataset = curate(TASKS.get("classify"), fields)
    assert {row.label for row in dataset.train} == {*nouns}
    assert [row.text for row in dataset.unlabeled] == ["who are you and what do you do"]


# --- The shadow


def test_a_shadow_is_compared_and_changes_nothing(start: Start, tiny_bundle: Path) -> None:
    proxied = start(shadow=str(tiny_bundle), input_usd=10.0, output_usd=100.0)
    said = [(REFUND, "refund"), ("where is my parcel please", "delivery"),
            ("cancel it", "refund"), ("the weather now", "refund")]  # fmt: skip
    for text, label in said:
        proxied.upstream.answer = answering(completion(label))
        assert proxied.chat(text).json() == completion(label)
    until = time.monotonic() + 10
    figures = proxied.client.get("/_attar/shadow").json()
    while figures["requests"] < 4 and time.monotonic() < until:
        time.sleep(0.02)
        figures = proxied.client.get("/_attar/shadow").json()
    assert (figures["requests"], figures["answered"]) == (4, 3)
    agreement = figures["agreement"]
    assert (agreement["compared"], agreement["agreed"]) == (3, 2)
    assert agreement["low"] < agreement["share"] < agreement["high"]
    cost = (100 * 10 + 2 * 100) / 1e6
    assert figures["cost"]["upstream_usd"] == pytest.approx(4 * cost)
    assert figures["cost"]["would_have_saved_usd"] == pytest.approx(3 * cost)
    assert figures["mean_latency_ms"]["upstream"] > 0 < figures["mean_latency_ms"]["small_model"]
    metrics = proxied.client.get("/_attar/metrics").text
    assert 'attar_shadow_compared_total{agrees="yes"} 2.0' in metrics
    assert 'attar_proxy_requests_total{route="chat/completions",status="200"} 4.0' in metrics
    rows = proxied.rows()
    assert [row["agrees"] for row in rows] == [True, True, False, False]
    assert [row["abstained"] for row in rows] == [False, False, False, True]
    assert rows[0]["predicted"] == "refund" and 0 < rows[0]["score"] <= 1


def test_a_shadow_that_fails_fails_nobody(
    start: Start, tiny_bundle: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from attar.runtime.predictor import Predictor

    proxied = start(shadow=str(tiny_bundle))

    def broken(self: Any, text: Any) -> Any:
        raise MemoryError

    monkeypatch.setattr(Predictor, "__call__", broken)
    proxied.upstream.answer = answering(completion("refund"))
    assert proxied.chat().status_code == 200
    (row,) = proxied.rows()
    assert row["label"] == "refund" and "predicted" not in row


def test_the_interval_is_wilsons() -> None:
    """Newcombe 1998, "Two-sided confidence intervals for the single proportion", table I."""
    from attar.serve.proxy_shadow import wilson

    for (k, n), (low, high) in {
        (81, 263): (0.2553, 0.3662), (15, 148): (0.0624, 0.1605), (0, 20): (0.0, 0.1611),
        (1, 29): (0.0061, 0.1718),
    }.items():  # fmt: skip
        assert wilson(k, n) == pytest.approx((low, high), abs=5e-5)
    assert wilson(0, 0) == (0.0, 1.0) and wilson(5, 5)[1] == 1.0


# --- Who may ask, and how it begins


def test_own_pages_are_for_loopback_only(start: Start) -> None:
    proxied = start()
    proxied.upstream.answer = answering(b"passed")
    assert proxied.client.get("/_attar/metrics").status_code == 200
    assert proxied.client.get("/_attar/shadow").json()["error"]["code"] == "no_shadow"
    assert proxied.client.get("/_attar/elsewhere").status_code == 404
    led = proxied.client.get("/_attar/metrics", headers={"Host": "evil.example"})
    assert led.status_code == 404 and led.json()["error"]["code"] == "not_found"
    assert proxied.upstream.seen == []
    assert proxied.client.get("/_attarx").content == b"passed"


def test_own_pages_are_not_for_other_machines(start: Start) -> None:
    proxied = start(host="0.0.0.0", insecure=True)
    proxied.upstream.answer = answering(b"passed")
    assert proxied.client.get("/_attar/metrics").status_code == 404
    assert proxied.client.get("/v1/models").content == b"passed"


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"upstream": "ftp://a/v1"}, "expected a URL"),
        ({"upstream": "api.example.com"}, "expected a URL"),
        ({"upstream": "https://u:p@a/v1"}, "expected no key"),
        ({"upstream": "https://a/v1?key=1"}, "expected no key"),
        ({"host": "0.0.0.0"}, "--insecure"),
        ({"recording": Recording()}, "nothing to do"),
        ({"recording": Recording(path="a.jsonl", label_from="json:")}, "json:intent"),
        ({"recording": Recording(path="a.jsonl", label_from="tool")}, "tool:FIELD"),
    ],
)
def test_settings_that_are_unsound(given: dict[str, Any], message: str) -> None:
    whole = {"upstream": "https://a/v1", "recording": Recording(path="a.jsonl"), **given}
    with pytest.raises(RecipeError, match=message):
        checked(ProxySettings(**whole))


def test_a_file_that_cannot_be_written_is_found_at_the_start(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from attar.cli import main

    def begin(path: Path) -> None:
        make_app(ProxySettings(upstream="http://a", recording=Recording(path=str(path))))

    with pytest.raises(RecipeError, match="expected a name ending in .jsonl"):
        begin(tmp_path / "traffic.csv")
    with pytest.raises(OutputError, match="No such file or directory"):
        begin(tmp_path / "absent" / "traffic.jsonl")
    (tmp_path / "folder.jsonl").mkdir()
    with pytest.raises(OutputError, match="it is not a file"):
        begin(tmp_path / "folder.jsonl")

    def full(number: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr("os.fsync", full)
    with pytest.raises(OutputError, match="No space left on device"):
        begin(tmp_path / "traffic.jsonl")
    with pytest.raises(SystemExit) as ended:
        main(["proxy", "--upstream", "http://a", "--capture", str(tmp_path / "traffic.jsonl")])
    assert ended.value.code == 2 and not (tmp_path / "traffic.jsonl").exists()


def test_an_address_that_is_taken(start: Start, tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        kept = Recording(path=str(tmp_path / "traffic.jsonl"))
        with pytest.raises(OutputError, match=f"port {port}: Address already in use"):
            run(ProxySettings(upstream="http://a", recording=kept, port=port))
    assert [*tmp_path.iterdir()] == []  # neither threads nor empty files are left


def test_the_command_names_the_address(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    from attar.cli import main

    given: list[ProxySettings] = []

    def begin(settings: ProxySettings, redact: Any, listening: Callable[[str], None]) -> None:
        given.append(settings)
        listening("http://127.0.0.1:9000/v1")

    monkeypatch.setattr("attar.serve.proxy.run", begin)
    command = ["proxy", "--upstream", "https://api.example.com/v1", "--capture", "t.jsonl"]
    with pytest.raises(SystemExit) as ended:
        main([*command, "--label-from", "json:intent", "--sample", "0.5", "--port", "9000"])
    assert ended.value.code == 0
    assert "http://127.0.0.1:9000/v1 as its base URL" in capsys.readouterr().err
    recording = given[0].recording
    assert (recording.path, recording.label_from, recording.sample, given[0].port) == (
        "t.jsonl", "json:intent", 0.5, 9000,
    )  # fmt: skip
    with pytest.raises(SystemExit) as ended:
        main([*command, "--sample", "2"])
    assert ended.value.code == 2
    assert "Expected `float` <= 1" in capsys.readouterr().err


def test_the_real_command_passes_records_and_ends(tmp_path: Path) -> None:
    stub = Upstream(answer=answering(completion("refund")))
    config = uvicorn.Config(stub, lifespan="off", log_config=None, access_log=False)
    path = tmp_path / "traffic.jsonl"
    with in_thread(uvicorn.Server(config)) as url:
        command = [sys.executable, "-m", "attar.cli", "proxy", "--upstream", f"{url}/v1",
                   "--capture", str(path), "--port", "0"]  # fmt: skip
        with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as process:
            assert process.stderr is not None
            address = process.stderr.readline().split("give the application ")[1].split()[0]
            answer = httpx.post(
                f"{address}/chat/completions", json=_asked(REFUND), trust_env=False, timeout=20
            )
            assert answer.json() == completion("refund")
            process.terminate()
            said = process.stderr.read()
            process.wait(20)
    assert "1 rows, 1 of them with one of 1 labels" in said and "Traceback" not in said
    assert json.loads(path.read_text())["label"] == "refund"
    assert path.stat().st_mode & 0o777 == 0o600
