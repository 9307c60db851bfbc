"""Who comes in, how often, and what the log says of it."""

from __future__ import annotations

import asyncio
import hashlib
import json
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

pytest.importorskip("starlette", reason="the extra serve is not installed")

from websockets.exceptions import InvalidStatus
from websockets.http11 import Response
from websockets.sync.client import connect
from websockets.typing import Subprotocol

from attar.serve.gate import Bucket, Gate
from attar.serve.metering import Metering
from attar.serve.settings import Key

if TYPE_CHECKING:
    from serve.conftest import Serve

REFUND = "i want my refund"
SECRET = "attar-a-very-secret-key"
BEARER = {"Authorization": f"Bearer {SECRET}"}
ASK = {"url": "/v1/predict/tiny", "json": {"text": REFUND}}


def key(secret: str = SECRET, **more: Any) -> Key:
    return Key(name="desk", sha256=hashlib.sha256(secret.encode()).hexdigest(), **more)


def log_lines(written: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in written.splitlines() if line.startswith("{")]


def test_keys(serve: Serve) -> None:
    client = serve(keys=(key(),)).client
    for headers in (
        BEARER,
        {"Authorization": f"bearer  {SECRET}"},
        {"api-key": SECRET},
    ):
        assert client.post(**ASK, headers=headers).status_code == 200, headers
    for headers, code in (
        ({}, "no_key"),
        ({"Authorization": "Bearer"}, "no_key"),
        ({"Authorization": f"Basic {SECRET}"}, "no_key"),
        ({"Authorization": "Bearer attar-another"}, "wrong_key"),
        ({"api-key": SECRET + "x"}, "wrong_key"),
        ({"api-key": ""}, "wrong_key"),
        # The hash is in the file; it must open nothing.
        ({"Authorization": f"Bearer {key().sha256}"}, "wrong_key"),
    ):
        response = client.post(**ASK, headers=headers)
        assert response.status_code == 401, headers
        assert response.headers["www-authenticate"] == "Bearer"
        assert response.headers["x-request-id"]
        error = response.json()["error"]
        assert (error["code"], error["type"]) == (code, "authentication_error")
        assert SECRET not in response.text
    for path in ("/healthz", "/readyz"):
        assert client.get(path).status_code == 200
    for path in ("/metrics", "/openapi.json", "/v1/models", "/v1/models/tiny/report", "/nowhere"):
        assert client.get(path).status_code == 401, path


def test_the_gate_holds_hashes_only() -> None:
    async def app(scope: Any, receive: Any, send: Any) -> None:
        raise AssertionError

    assert SECRET not in repr(vars(Gate(app, [key()], Metering())))


def test_each_key_has_its_rate(serve: Serve) -> None:
    slow, other = key(requests_per_second=0.001, burst=2), key("another")
    client = serve(keys=(slow, other)).client
    assert [client.post(**ASK, headers=BEARER).status_code for _ in range(3)] == [200, 200, 429]
    refused = client.post(**ASK, headers=BEARER)
    assert 500 < int(refused.headers["retry-after"]) <= 1_001
    assert refused.json()["error"]["type"] == "rate_limit_error"
    assert client.post(**ASK, headers={"api-key": "another"}).status_code == 200
    assert client.get("/healthz", headers=BEARER).status_code == 200
    counted = client.get("/metrics", headers={"api-key": "another"}).text
    assert 'attar_requests_total{route="(no such route)",status="429"} 2.0' in counted


def test_a_bucket_fills_again() -> None:
    bucket = Bucket(rate=2.0, burst=2, tokens=2, filled=0.0)
    assert [bucket.take(0.0), bucket.take(0.0)] == [0.0, 0.0]
    assert bucket.take(0.0) == pytest.approx(0.5)
    assert bucket.take(0.25) == pytest.approx(0.25)
    assert bucket.take(0.5) == 0.0
    assert [bucket.take(1_000.0) for _ in range(3)] == [0.0, 0.0, 0.5]


def test_other_origins_are_let_in_by_the_settings_alone(serve: Serve) -> None:
    page = {"Origin": "https://shop.example"}
    asking = page | {
        "Access-Control-Request-Method": "POST",
        "Access-Control-Request-Headers": "authorization,content-type",
    }
    closed = serve(keys=(key(),)).client
    assert closed.options("/v1/predict/tiny", headers=asking).status_code == 401
    assert "access-control-allow-origin" not in closed.post(**ASK, headers=BEARER | page).headers
    client = serve(keys=(key(),), cors=("https://shop.example",)).client
    # A browser sends no key with its preflight.
    preflight = client.options("/v1/predict/tiny", headers=asking)
    assert preflight.status_code == 200
    assert preflight.headers["access-control-allow-origin"] == "https://shop.example"
    assert "authorization" in preflight.headers["access-control-allow-headers"].lower()
    for headers, status in ((BEARER, 200), ({}, 401)):
        response = client.post(**ASK, headers=page | headers)
        assert response.status_code == status
        # The page may read why it was refused.
        assert response.headers["access-control-allow-origin"] == "https://shop.example"
        assert "Retry-After" in response.headers["access-control-expose-headers"]
    other = client.post(**ASK, headers=BEARER | {"Origin": "https://elsewhere.example"})
    assert "access-control-allow-origin" not in other.headers


def test_log_lines_hold_no_text_and_no_key(serve: Serve, capfd: pytest.CaptureFixture[str]) -> None:
    client = serve(keys=(key(),), log_requests=True).client
    client.post(**ASK, headers=BEARER | {"X-Request-Id": "mine-7"})
    client.post(**ASK, headers={"api-key": "attar-wrong"})
    client.post("/v1/predict/some-model?text=secret-query", json={"text": REFUND}, headers=BEARER)
    client.post("/v1/predict/tiny", content=b'{"text": "refund', headers=BEARER)
    chat = {"model": "tiny", "messages": [{"role": "user", "content": REFUND}]}
    client.post("/v1/chat/completions", json=chat, headers=BEARER)
    written, until = "", time.monotonic() + 20
    while len(log_lines(written)) < 5:  # the last is written after its answer
        assert time.monotonic() < until
        written += capfd.readouterr().err
    lines = [line for line in log_lines(written) if line["event"] == "request"]
    assert [line["status"] for line in lines] == [200, 401, 404, 400, 200]
    assert [line["key"] for line in lines] == ["desk", None, "desk", "desk", "desk"]
    assert lines[0]["request_id"] == "mine-7"
    assert lines[0]["method"] == "POST"
    assert {line["route"] for line in lines if line["status"] != 401} == {
        "/v1/predict/{model}",
        "/v1/chat/completions",
    }
    for kept in (SECRET, "refund", "attar-wrong", "secret-query", "some-model"):
        assert kept not in written


def test_a_quiet_server_logs_no_requests(serve: Serve, capfd: pytest.CaptureFixture[str]) -> None:
    serve(log_requests=False).client.post(**ASK)
    assert log_lines(capfd.readouterr().err) == []


def test_a_route_that_fails_is_one_answer_with_its_id_and_no_text_in_the_log(
    serve: Serve, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    server = serve()

    def broken(*_: Any) -> Any:
        raise ValueError(REFUND)

    monkeypatch.setattr(server.service.models["tiny"].answering, "answer", broken)
    response = server.client.post(**ASK, headers={"X-Request-Id": "mine-8"})
    assert response.status_code == 500
    assert response.headers["x-request-id"] == "mine-8"
    assert response.json()["error"]["type"] == "server_error"
    written = capfd.readouterr().err
    assert "refund" not in written + response.text
    (line,) = log_lines(written)
    assert (line["event"], line["request_id"], line["kind"]) == ("error", "mine-8", "ValueError")
    assert line["at"].startswith("test_gate.py:")


def test_websockets_need_a_key_too(serve: Serve) -> None:
    server = serve(keys=(key(),))
    url = server.url.replace("http", "ws") + "/v1/stream?model=tiny"
    for wrong in (None, [Subprotocol("attar.key.attar-wrong")]):
        with (
            pytest.raises(InvalidStatus) as refused,
            connect(url, proxy=None, subprotocols=wrong, open_timeout=20),
        ):
            pass
        assert refused.value.response.status_code == 401
    named = Subprotocol(f"attar.key.{SECRET}")
    with connect(url, proxy=None, subprotocols=[named], open_timeout=20) as socket:
        assert socket.subprotocol == named  # a browser closes where its only one is not taken
        socket.send(json.dumps({"text": REFUND}))
        assert json.loads(socket.recv(timeout=20))["label"] == "refund"
    with connect(url, proxy=None, additional_headers=BEARER, open_timeout=20) as socket:
        socket.send(json.dumps({"text": REFUND}))
        assert json.loads(socket.recv(timeout=20))["label"] == "refund"


def test_a_refused_websocket_is_told_what_http_is(
    serve: Serve, capfd: pytest.CaptureFixture[str]
) -> None:
    slow = key(requests_per_second=0.001, burst=1)
    server = serve(keys=(slow,), log_requests=True)
    url = server.url.replace("http", "ws") + "/v1/stream?model=tiny"

    def refused(**headers: str) -> Response:
        with (
            pytest.raises(InvalidStatus) as found,
            connect(url, proxy=None, additional_headers=headers, open_timeout=20),
        ):
            pass
        return found.value.response

    wrong = {"api-key": "attar-wrong", "X-Request-Id": "mine-9"}
    for response, http in (
        (refused(**wrong), server.client.post(**ASK, headers=wrong)),
        (refused(), server.client.post(**ASK)),
    ):
        assert response.status_code == http.status_code == 401
        assert json.loads(response.body) == http.json()
        assert response.headers["Content-Type"] == "application/json"
        assert response.headers["WWW-Authenticate"] == "Bearer"
    assert refused(**wrong).headers.get_all("X-Request-Id") == ["mine-9"]
    assert server.client.post(**ASK, headers=BEARER).status_code == 200
    often = refused(**BEARER)
    assert often.status_code == 429
    assert json.loads(often.body)["error"]["code"] == "rate_limited"
    assert int(often.headers["Retry-After"]) > 500
    assert often.headers["X-Request-Id"].startswith("req_")
    written, until = "", time.monotonic() + 20
    while len(log_lines(written)) < 7:
        assert time.monotonic() < until
        written += capfd.readouterr().err
    statuses = [line["status"] for line in log_lines(written) if line["method"] == "WS"]
    assert statuses == [401, 401, 401, 429]


@pytest.mark.parametrize("extensions", [{}, {"extensions": {}}, {"extensions": {"tls": {}}}])
def test_a_server_that_can_only_close_a_websocket_closes_it(extensions: dict[str, Any]) -> None:
    async def app(scope: Any, receive: Any, send: Any) -> None:
        raise AssertionError

    async def receive() -> Any:
        return {"type": "websocket.connect"}

    sent: list[Any] = []

    async def send(message: Any) -> None:
        sent.append(message)

    scope = {"type": "websocket", "path": "/v1/stream", "headers": [], **extensions}
    asyncio.run(Gate(app, [key()], Metering(), log_requests=False)(scope, receive, send))
    assert sent == [{"type": "websocket.close", "code": 1008, "reason": "no_key"}]


def test_a_new_key_is_printed_once_and_its_hash_fits(attar_command: Any, tmp_path: Path) -> None:
    import tomllib

    done = attar_command("serve", "--new-key", "shop")
    assert done.code == 0
    made = done.out.strip()
    (table,) = tomllib.loads(done.err[done.err.index("[[keys]]") :])["keys"]
    assert table == {"name": "shop", "sha256": hashlib.sha256(made.encode()).hexdigest()}
    assert made not in done.err
