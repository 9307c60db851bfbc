"""What attar proxy passes on, byte for byte and as it arrives, and what it says of failures."""

from __future__ import annotations

import asyncio
import json
import socket
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

pytest.importorskip("starlette", reason="the extra serve is not installed")

import httpx

from serve.proxy_desk import KEY, REFUND, Start, answering, delta, events, question, streaming

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
    with proxied.client.stream("POST", "/v1/chat/completions", json=question(REFUND)) as answer:
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


@pytest.mark.parametrize("begun", [False, True])
def test_what_takes_too_long_at_the_end_is_broken_off(
    start: Start, capfd: pytest.CaptureFixture[str], begun: bool
) -> None:
    """Canceled by uvicorn, a request left a trace in the log, and its client got a bare 500."""
    proxied, asked = start(drain_s=1), threading.Event()
    pieces = events(delta("re"), delta("fund"))

    async def endless(_: bytes, receive: Any, send: Any) -> None:
        if begun:
            headers = [(b"content-type", b"text/event-stream")]
            await send({"type": "http.response.start", "status": 200, "headers": headers})
            await send({"type": "http.response.body", "body": pieces[0], "more_body": True})
        asked.set()
        await receive()  # until the proxy gives up

    proxied.upstream.answer = endless
    url = f"{proxied.client.base_url}/v1/chat/completions"
    with ThreadPoolExecutor(1) as pool:
        asking = pool.submit(httpx.post, url, json=question(REFUND), trust_env=False, timeout=20)
        assert asked.wait(20)
        proxied.close()
        if begun:
            with pytest.raises(httpx.RemoteProtocolError):
                asking.result(20)
        else:
            answer = asking.result(20)
            assert (answer.status_code, answer.json()["error"]["code"]) == (503, "draining")
    assert "Traceback" not in capfd.readouterr().err
