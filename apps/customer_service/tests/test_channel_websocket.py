"""The WebSocket: replies, what a person says later, tokens, origins, bounds."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

pytest.importorskip("starlette", reason="the extra desk is not installed")

from starlette.testclient import TestClient
from starlette.websockets import WebSocketDisconnect

from channels_desk import FakeDesk
from desk.app import make_app
from desk.channels import websocket
from desk.channels.settings import Settings, Web


@pytest.fixture
def desk() -> FakeDesk:
    return FakeDesk()


@pytest.fixture
def client(desk: FakeDesk, monkeypatch: pytest.MonkeyPatch) -> Iterator[TestClient]:
    monkeypatch.setattr(websocket, "LOOKS_S", 0.02)
    web = Web(origins=("https://shop.example",), messages_a_minute=400, conversations_a_minute=400)
    with TestClient(make_app(desk, Settings(web))) as found:
        yield found


def live(client: TestClient, token: str | None = None, origin: str | None = None):
    begun = client.post("/v1/conversations", json={}).json()
    return client.websocket_connect(
        f"/v1/conversations/{begun['conversation']}/live",
        subprotocols=["desk", f"desk.token.{token or begun['token']}"],
        headers={"origin": origin} if origin else {},
    )


def test_messages_are_answered_in_order(client: TestClient) -> None:
    with live(client) as socket:
        assert socket.accepted_subprotocol == "desk"
        socket.send_json({"key": "1", "text": "hello"})
        socket.send_json({"key": "2", "text": "cancel 48213"})
        socket.send_json({"key": "2", "text": "cancel 48213"})
        said = [socket.receive_json() for _ in range(3)]
    assert [(s["type"], s["key"]) for s in said] == [("reply", "1"), ("reply", "2"), ("reply", "2")]
    assert said[0]["texts"] == ["You said: hello"]
    assert [s["done"][0]["again"] for s in said[1:]] == [False, True]


def test_what_a_person_says_is_pushed_once(client: TestClient, desk: FakeDesk) -> None:
    with live(client) as socket:
        socket.send_json({"key": "1", "text": "agent"})
        assert socket.receive_json()["handed"] == "asked"
        (conversation,) = desk.said
        desk.person_says(conversation, "Tom here.")
        pushed = socket.receive_json()
        assert pushed["type"] == "turn" and pushed["turn"]["text"] == "Tom here."
        desk.person_says(conversation, "Solved.")
        assert socket.receive_json()["turn"]["text"] == "Solved."


def test_what_is_wrong_is_said_and_the_rest_is_answered(client: TestClient) -> None:
    with live(client) as socket:
        for content, code in (
            ("{", "invalid_json"),
            ('{"text": "no key"}', "invalid_field"),
            ('{"key": "1", "text": ""}', "empty_text"),
            ('{"key": "1", "text": "' + "a" * 5_000 + '"}', "text_too_long"),
            ('{"key": "1", "text": "break"}', "broken"),
        ):
            socket.send_text(content)
            assert socket.receive_json()["code"] == code
        socket.send_json({"key": "2", "text": "hello"})
        assert socket.receive_json()["texts"] == ["You said: hello"]


def test_too_much_and_bytes_end_it(client: TestClient) -> None:
    for send, code in ((lambda s: s.send_text("a" * 100_000), 1009),
                       (lambda s: s.send_bytes(b"x"), 1003)):  # fmt: skip
        with live(client) as socket:
            send(socket)
            with pytest.raises(WebSocketDisconnect) as closed:
                socket.receive_json()
            assert closed.value.code == code


@pytest.mark.parametrize(
    ("token", "origin", "code"),
    [("forged", None, 4401), (None, "https://evil.example", 4403), (None, "null", 4403)],
)
def test_others_are_turned_away(
    client: TestClient, desk: FakeDesk, token: str | None, origin: str | None, code: int
) -> None:
    with live(client, token, origin) as socket, pytest.raises(WebSocketDisconnect) as closed:
        socket.receive_json()
    assert closed.value.code == code and desk.taken == []


def test_pages_that_hold_the_widget_are_let_in(client: TestClient) -> None:
    for origin in ("https://shop.example", "http://testserver"):
        with live(client, origin=origin) as socket:
            socket.send_json({"key": "1", "text": "hello"})
            assert socket.receive_json()["type"] == "reply"
