"""The WebSocket for texts that are still being typed."""

from __future__ import annotations

import asyncio
import contextlib
import json
import threading
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import pytest

pytest.importorskip("starlette", reason="the extra serve is not installed")

from websockets.exceptions import ConnectionClosed
from websockets.sync.client import ClientConnection, connect

from attar.serve.live import MOST_FINALS, Partial, Utterance
from attar.serve.settings import Limits
from attar.serve.wire import HttpError

if TYPE_CHECKING:
    from serve.conftest import Running, Serve

REFUND, WEATHER = "i want my refund", "the weather now"


@contextlib.contextmanager
def talking(server: Running, query: str = "?model=tiny") -> Iterator[ClientConnection]:
    url = server.url.replace("http", "ws") + "/v1/stream" + query
    with connect(url, proxy=None, open_timeout=20, close_timeout=20) as socket:
        yield socket


def send(socket: ClientConnection, text: Any, **more: Any) -> None:
    socket.send(json.dumps({"text": text, **more}))


def heard(socket: ClientConnection) -> Any:
    return json.loads(socket.recv(timeout=20))


def ask(socket: ClientConnection, text: str, **more: Any) -> Any:
    send(socket, text, **more)
    return heard(socket)


def closed(socket: ClientConnection) -> int:
    with pytest.raises(ConnectionClosed) as ended:
        socket.recv(timeout=20)
    assert ended.value.rcvd is not None
    return ended.value.rcvd.code


def test_answers_become_stable_and_a_final_one_ends_the_utterance(serve: Serve) -> None:
    with talking(serve()) as socket:
        grown = ["my refund", "my refund please", "where is my refund please"]
        found = [ask(socket, text) for text in grown]
        assert [one["sequence"] for one in found] == [1, 2, 3]
        assert [one["stable"] for one in found] == [False, False, True]
        assert {one["label"] for one in found} == {"refund"}
        assert {one["answered_by"] for one in found} == {"model"}
        other = ask(socket, "where is my parcel")
        assert (other["label"], other["stable"]) == ("delivery", False)
        final = ask(socket, REFUND, final=True)
        assert (final["final"], final["stable"], final["answered_by"]) == (True, True, "model")
        assert ask(socket, REFUND)["stable"] is False  # the next utterance begins anew
        abstained = [ask(socket, WEATHER) for _ in range(4)]
        assert {one["answered_by"] for one in abstained} == {"nobody"}
        assert not any(one["stable"] for one in abstained)
        # Bytes are read as text is.
        socket.send(json.dumps({"text": REFUND}).encode())
        assert heard(socket)["sequence"] == 11


def test_the_first_model_answers_where_none_is_named(serve: Serve) -> None:
    with talking(serve(), "") as socket:
        assert ask(socket, REFUND)["label"] == "refund"


def test_newer_texts_overtake_older_ones(serve: Serve, monkeypatch: pytest.MonkeyPatch) -> None:
    server = serve()
    answering = server.service.models["tiny"].answering
    answer, begun, go = answering.answer, threading.Event(), threading.Event()

    async def held(texts: Any, *rest: Any) -> Any:
        begun.set()
        await asyncio.to_thread(go.wait, 20)
        return await answer(texts, *rest)

    monkeypatch.setattr(answering, "answer", held)
    with talking(server) as socket:
        send(socket, "my")
        assert begun.wait(20)
        for text in ("my par", "my parcel", "my parcel where"):
            send(socket, text)
        send(socket, REFUND, final=True)
        send(socket, "the")
        send(socket, "my parcel now")
        pong = socket.ping()
        assert pong.wait(20)
        go.set()
        found = [heard(socket), heard(socket), heard(socket)]
        assert [one["sequence"] for one in found] == [1, 5, 7]
        assert [one["label"] for one in found][1:] == ["refund", "delivery"]


@pytest.mark.parametrize(
    "content",
    ["{", '{"text": 3}', '{"text": "a", "txt": "b"}', "[]", '"a"', b'{"text": "\xff"}', b"",
     "[" * 50_000, '{"text": "\\ud800"}'],
)  # fmt: skip
def test_a_wrong_message_is_an_error_and_the_end(serve: Serve, content: str | bytes) -> None:
    with talking(serve()) as socket:
        assert ask(socket, REFUND)["label"] == "refund"
        socket.send(content)
        error = heard(socket)["error"]
        assert error["code"] == "invalid_field"
        assert error["message"].startswith("message 2: ")
        assert closed(socket) == 1008


def test_a_text_too_long_and_a_message_too_long(serve: Serve) -> None:
    server = serve(limits=Limits(characters=10, body_bytes=1_000))
    with talking(server) as socket:
        assert ask(socket, "a" * 11)["error"]["code"] == "text_too_long"
        assert closed(socket) == 1008
    with talking(server) as socket:
        send(socket, "a" * 2_000)
        assert closed(socket) == 1009


def test_an_unknown_model_closes_with_an_error(serve: Serve) -> None:
    server = serve()
    with talking(server, "?model=tyni") as socket:
        error = heard(socket)["error"]
        assert error["code"] == "model_not_found"
        assert "Did you mean 'tiny'?" in error["message"]
        assert closed(socket) == 1008
    assert server.client.get("/readyz").status_code == 200


def test_an_error_of_the_engine_is_told_and_the_next_text_answered(
    serve: Serve, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    server = serve()
    answering = server.service.models["tiny"].answering
    predictor = answering.predictor

    class Failing:
        capabilities = ("label",)

        def __call__(self, texts: Any) -> Any:
            answering.predictor = predictor
            raise RuntimeError(texts[0])

    answering.predictor = Failing()  # type: ignore[assignment]
    with talking(server) as socket:
        found = ask(socket, REFUND)
        assert (found["sequence"], found["error"]["code"]) == (1, "internal_error")
        assert ask(socket, REFUND)["label"] == "refund"
    assert "refund" not in capfd.readouterr().err


def test_a_client_that_is_gone_harms_nobody(
    serve: Serve, capfd: pytest.CaptureFixture[str]
) -> None:
    server = serve()
    for _ in range(5):
        with talking(server) as socket:
            for _ in range(20):
                send(socket, REFUND, final=True)
            socket.close_socket()
    with talking(server) as socket:
        assert ask(socket, REFUND)["label"] == "refund"
    assert "Traceback" not in capfd.readouterr().err


def test_finals_wait_up_to_a_number() -> None:
    utterance = Utterance()
    for sequence in range(MOST_FINALS):
        utterance.put(sequence, Partial("a", final=True))
    with pytest.raises(HttpError) as refused:
        utterance.put(MOST_FINALS, Partial("a", final=True))
    assert refused.value.status == 429
    utterance.put(MOST_FINALS, Partial("b"))
    assert utterance.newest is not None
