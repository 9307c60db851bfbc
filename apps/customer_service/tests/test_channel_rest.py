"""REST: conversations, their tokens, repeats, bounds, hostile bodies."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Iterator
from dataclasses import dataclass

import jwt
import pytest

pytest.importorskip("starlette", reason="the extra desk is not installed")

from starlette.testclient import TestClient

from channels_desk import FakeDesk
from desk.app import make_app
from desk.channels.sessions import CONVERSATION, IDENTITY
from desk.channels.settings import Secret, Settings, Web

SECRET, SHARED, API_KEY = "s" * 40, "i" * 40, "key-of-the-shop"
WEB = Web(
    secret=Secret(SECRET),
    identity=Secret(SHARED),
    keys={"shop": hashlib.sha256(API_KEY.encode()).hexdigest()},
    origins=("https://shop.example",),
    messages_a_minute=400,
    conversations_a_minute=400,
)


@dataclass
class Web1:
    desk: FakeDesk
    client: TestClient

    def begin(self, key: str | None = None, **body: str) -> tuple[str, dict[str, str]]:
        headers = {"Authorization": f"Bearer {key}"} if key else {}
        begun = self.client.post("/v1/conversations", json=body, headers=headers)
        assert begun.status_code == 201, begun.text
        found = begun.json()
        return found["conversation"], {"Authorization": f"Bearer {found['token']}"}

    def say(self, conversation: str, headers: dict[str, str], text: str, key: str = "1"):
        path = f"/v1/conversations/{conversation}/messages"
        return self.client.post(path, json={"key": key, "text": text}, headers=headers)


@pytest.fixture
def web() -> Iterator[Web1]:
    desk = FakeDesk()
    with TestClient(make_app(desk, Settings(WEB)), raise_server_exceptions=False) as client:
        yield Web1(desk, client)


def test_a_conversation_is_begun_answered_and_read(web: Web1) -> None:
    conversation, mine = web.begin(language="de-AT")
    reply = web.say(conversation, mine, "how do I return it")
    assert reply.status_code == 200 and reply.headers["cache-control"] == "no-store"
    assert reply.json() == {
        "texts": ["You have 30 days.", "Shall I start a return?"],
        "suggestions": ["Yes", "No"],
        "source": {
            "document": "returns",
            "title": "Sending things back",
            "text": "You have 30 days from delivery.",
        },
        "done": [],
        "handed": None,
    }
    (taken,) = web.desk.taken
    assert (taken.channel, taken.language, taken.customer) == ("web", "de", None)
    turns = web.client.get(f"/v1/conversations/{conversation}/turns", headers=mine).json()
    assert [turn["said_by"] for turn in turns["turns"]] == ["customer", "desk", "desk"]
    assert "intents" not in turns["turns"][0] and turns["next"] == 3
    later = f"/v1/conversations/{conversation}/turns?after=2"
    assert len(web.client.get(later, headers=mine).json()["turns"]) == 1


def test_a_repeated_key_is_done_once(web: Web1) -> None:
    conversation, mine = web.begin()
    first = web.say(conversation, mine, "cancel 48213", "k").json()
    again = web.say(conversation, mine, "cancel 48213", "k").json()
    assert not first["done"][0]["again"] and again["done"][0]["again"]
    assert first["texts"] == again["texts"]


def forged(**claims: object) -> str:
    known = {"aud": CONVERSATION, "exp": time.time() + 60, "language": "en"}
    return jwt.encode({**known, **claims}, SECRET, "HS256")


@pytest.mark.parametrize("case", ["none", "other", "expired", "secret", "unsigned", "audience"])
def test_tokens_that_do_not_fit_are_refused(web: Web1, case: str) -> None:
    conversation, mine = web.begin()
    _, other = web.begin()
    headers = {
        "none": {},
        "other": other,
        "expired": {"Authorization": f"Bearer {forged(conversation=conversation, exp=1)}"},
        "secret": {
            "Authorization": "Bearer "
            + jwt.encode({"aud": CONVERSATION, "conversation": conversation}, "x" * 40, "HS256")
        },
        "unsigned": {
            "Authorization": "Bearer "
            + jwt.encode(
                {"aud": CONVERSATION, "exp": 9e9, "conversation": conversation}, "", "none"
            )
        },
        "audience": {"Authorization": f"Bearer {forged(conversation=conversation, aud=IDENTITY)}"},
    }[case]
    refused = web.say(conversation, headers, "cancel it")
    assert refused.status_code == 401 and refused.json()["error"]["code"] == "unauthorized"
    assert web.desk.taken == []
    # The same token made rightly is taken: what was refused was refused for what is named.
    fits = {"Authorization": f"Bearer {forged(conversation=conversation)}"}
    assert web.say(conversation, fits, "hello").status_code == 200
    assert web.say(conversation, mine, "hello").status_code == 200


def test_only_servers_and_the_shop_say_who_a_customer_is(web: Web1) -> None:
    assert web.client.post("/v1/conversations", json={"customer": "C7"}).status_code == 403
    conversation, mine = web.begin(API_KEY, customer="C7")
    web.say(conversation, mine, "hello")
    claims = {"sub": "C8", "aud": IDENTITY, "exp": time.time() + 60}
    conversation, mine = web.begin(identity=jwt.encode(claims, SHARED, "HS256"))
    web.say(conversation, mine, "hello")
    assert [taken.customer for taken in web.desk.taken] == ["C7", "C8"]
    for bad in (
        jwt.encode(claims, "n" * 40, "HS256"),
        jwt.encode({**claims, "aud": CONVERSATION}, SHARED, "HS256"),
        jwt.encode({"sub": "C8", "aud": IDENTITY}, SHARED, "HS256"),
        "nonsense",
    ):
        refused = web.client.post("/v1/conversations", json={"identity": bad})
        assert refused.status_code == 401


@pytest.mark.parametrize(
    ("content", "status"),
    [
        (b"{", 400),
        (b'{"key": "1", "text": "\xff"}', 400),
        (b'{"key": "1", "text": "\\ud800 x"}', 400),
        (b"[" * 60_000, 422),
        (b'{"key": "1"}', 422),
        (b'{"key": "1", "text": 5}', 422),
        (b'{"key": "1", "text": "a", "customer": "C1"}', 422),
        (b'{"key": "1", "text": "  "}', 422),
        (b'{"key": "", "text": "a"}', 422),
        (b'{"key": "1", "text": "' + b"a" * 4_001 + b'"}', 422),
        (b'{"key": "1", "text": "' + b"a" * 100_000 + b'"}', 413),
    ],
)
def test_bodies_that_are_not_messages_are_refused(web: Web1, content: bytes, status: int) -> None:
    conversation, mine = web.begin()
    path = f"/v1/conversations/{conversation}/messages"
    refused = web.client.post(path, content=content, headers=mine)
    assert refused.status_code == status and refused.json()["error"]["code"]
    assert web.desk.taken == []


def test_signs_that_no_store_takes_do_not_reach_the_desk(web: Web1) -> None:
    conversation, mine = web.begin()
    web.say(conversation, mine, "a\0b '; DROP TABLE orders; -- 👍🏽 é")
    assert web.desk.taken[0].text == "ab '; DROP TABLE orders; -- 👍🏽 é"


def test_a_desk_that_fails_is_said_to_be_safe_to_ask_again(web: Web1) -> None:
    conversation, mine = web.begin()
    broken = web.say(conversation, mine, "break")
    assert broken.status_code == 500 and broken.json()["error"]["code"] == "broken"


def test_noise_is_bounded() -> None:
    desk = FakeDesk()
    quiet = Settings(Web(secret=Secret(SECRET), messages_a_minute=8, conversations_a_minute=8))
    with TestClient(make_app(desk, quiet)) as client:
        one = Web1(desk, client)
        conversation, mine = one.begin()
        statuses = [one.say(conversation, mine, "hi", str(n)).status_code for n in range(4)]
        assert statuses == [200, 200, 429, 429]


def test_pages_of_the_shop_may_ask_and_others_may_not(web: Web1) -> None:
    def allowed(origin: str) -> str | None:
        asked = web.client.options(
            "/v1/conversations",
            headers={"Origin": origin, "Access-Control-Request-Method": "POST"},
        )
        return asked.headers.get("access-control-allow-origin")

    assert allowed("https://shop.example") == "https://shop.example"
    assert allowed("https://evil.example") is None


def test_any_worker_with_the_secret_knows_the_conversation(web: Web1) -> None:
    conversation, mine = web.begin()
    for secret, status in ((SECRET, 200), ("another" * 6, 401)):
        with TestClient(make_app(web.desk, Settings(Web(secret=Secret(secret))))) as client:
            assert Web1(web.desk, client).say(conversation, mine, "hi").status_code == status
