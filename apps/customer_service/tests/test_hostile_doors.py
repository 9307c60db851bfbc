"""How attackers come in: keys and tokens open their own doors alone, forged ones none, and what is
no request is refused."""

from __future__ import annotations

import base64
import hmac
import json
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("sqlalchemy", reason="the extra desk is not installed")
pytest.importorskip("starlette", reason="the extra desk is not installed")

import jwt

from channels_tokens import ISSUED_BY_BOT, Publisher, publishing
from hostile_desk import (
    AGENT,
    APP,
    GOOGLE,
    HEADER,
    OPEN,
    SECRET,
    SERVER,
    Whole,
    whole_desk,
)
from shop_world import ANNA
from test_shop_once import audit


@pytest.fixture
def whole(tmp_path: Path, sqlite_world: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Whole]:
    with whole_desk(tmp_path, sqlite_world, monkeypatch, OPEN) as found:
        yield found


def test_keys_and_tokens_open_their_own_door_alone(whole: Whole) -> None:
    mine, other = whole.begin(), whole.anna()
    other.say("order_status|MF-10001")
    claims = {"aud": "desk.conversation", "language": "en", "exp": time.time() + 60}
    claims |= {"conversation": other.name}

    def signed(secret: str = SECRET, **change: Any) -> str:
        return jwt.encode({**claims, **change}, secret, "HS256")

    wrong = {
        "another conversation's": mine.token,
        "an agent's": AGENT,
        "a server's": SERVER,
        "forged": signed("x" * 40),
        "of an empty secret": jwt.encode(claims, "", "none"),
        "expired": signed(exp=time.time() - 60),
        "of another audience": signed(aud="desk.identity"),
        "of two audiences that are not ours": signed(aud=["a", "b"]),
        "cut": other.token[:-2],
        "with more behind": other.token + "AA",
        "of bytes": "\xff\xfe",
        "long": "e" * 20_000,
    }
    before = whole.count("desk", "desk_turns")
    for name, token in wrong.items():
        headers = {"Authorization": f"Bearer {token}".encode("latin-1")}
        path = f"/v1/conversations/{other.name}"
        asked = (
            whole.client.post(f"{path}/messages", json={"key": "1", "text": "x"}, headers=headers),
            whole.client.get(f"{path}/turns", headers=headers),
        )
        assert [got.status_code for got in asked] == [401, 401], name
        assert "MF-10001" not in asked[1].text
        if not token.isascii():
            continue  # no client would send it
        with whole.client.websocket_connect(
            f"{path}/live", subprotocols=["desk", f"desk.token.{token}"]
        ) as socket:
            assert socket.receive()["code"] == 4401, name
    assert whole.count("desk", "desk_turns") == before
    for name, token in (("a server's", SERVER), ("a customer's", mine.token), ("none", "")):
        headers = {"Authorization": f"Bearer {token}"}
        for path in ("me", "cases", "figures", "figures/days.csv", "corrections/calls.jsonl"):
            assert whole.client.get(f"/people/api/{path}", headers=headers).status_code in (
                401, 429,
            ), name  # fmt: skip
    headers = {"Authorization": f"Bearer {AGENT}"}
    begun = whole.client.post("/v1/conversations", json={"customer": ANNA}, headers=headers)
    assert begun.status_code == 403  # an agent is no server of the shop
    # What was refused was refused for what is named: made rightly, it is taken.
    fits = {"Authorization": f"Bearer {signed()}"}
    assert (
        whole.client.get(f"/v1/conversations/{other.name}/turns", headers=fits).status_code == 200
    )


def test_forged_tokens_of_google_and_microsoft_reach_nothing(
    tmp_path: Path, sqlite_world: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    audience = "https://desk.example/dialogflow"
    good = {"iss": "https://accounts.google.com", "aud": audience, "email": GOOGLE}
    good |= {"email_verified": True}
    service = {"iss": ISSUED_BY_BOT, "aud": APP, "serviceurl": "http://127.0.0.1:9"}
    with publishing() as publisher, publishing() as stranger:
        channels = (
            f'[dialogflow]\naudience = "{audience}"\nemail = "{GOOGLE}"\n'
            f'keys_url = "{publisher.url}"\n[bot]\napp_id = "{APP}"\n'
            f'password_env = "HOSTILE_PASSWORD"\nkeys_url = "{publisher.metadata}"\n'
        )
        with whole_desk(tmp_path, sqlite_world, monkeypatch, channels) as whole:
            for path, claims, body in (
                ("/dialogflow/cx", good, {"detectIntentResponseId": "r", "text": "complaint|x",
                                          "sessionInfo": {"session": "s"}}),
                ("/api/messages", service, {
                    "type": "message", "id": "a", "channelId": "emulator",
                    "serviceUrl": "http://127.0.0.1:9", "deliveryMode": "expectReplies",
                    "conversation": {"id": "c"}, "text": "complaint|x"}),
            ):  # fmt: skip
                for token in forgeries(publisher, stranger, claims):
                    headers = {"Authorization": f"Bearer {token}"}
                    got = whole.client.post(path, json=body, headers=headers)
                    assert got.status_code == 401, token
                assert whole.count("desk", "desk_turns") == 0
                assert audit(whole.shop) == []
            rightly = {"Authorization": f"Bearer {publisher.token(good)}"}
            body = {"detectIntentResponseId": "r", "text": "hi", "sessionInfo": {"session": "s"}}
            got = whole.client.post("/dialogflow/cx", json=body, headers=rightly)
            assert got.status_code == 200, got.text


def forgeries(publisher: Publisher, stranger: Publisher, claims: dict[str, Any]) -> Iterator[str]:
    yield ""
    yield "a.b.c"
    yield stranger.token(claims)
    yield publisher.token({**claims, "exp": 1_000})
    yield publisher.token({**claims, "aud": "https://evil.example"})
    yield publisher.token({**claims, "iss": "https://evil.example"})
    yield publisher.token(claims, kid="../../etc/passwd")
    yield publisher.token(claims, kid="' OR 1=1 --")
    yield publisher.token(claims, jku=stranger.url)[:-6]
    yield publisher.token(claims).rpartition(".")[0] + "."
    # Signed with the public key as if it were a shared secret.
    plain = {**claims, "exp": time.time() + 60}
    head = {"alg": "HS256", "typ": "JWT", "kid": publisher.kid}
    signed = ".".join(base64url(json.dumps(part).encode()) for part in (head, plain))
    public = json.dumps(publisher.jwks()["keys"][0]).encode()
    yield f"{signed}.{base64url(hmac.digest(public, signed.encode(), 'sha256'))}"
    yield jwt.encode({**claims, "exp": time.time() + 60}, "", "none",
                     headers={"kid": publisher.kid})  # fmt: skip


def base64url(content: bytes) -> str:
    return base64.urlsafe_b64encode(content).rstrip(b"=").decode()


DEEP = 20_000


def test_what_is_too_much_or_nothing_is_refused_everywhere(whole: Whole) -> None:
    talk = whole.begin()
    mine = {"Authorization": f"Bearer {talk.token}"}
    staff = {"Authorization": f"Bearer {AGENT}"}
    routes = {
        "/v1/conversations": ({}, "language"),
        f"/v1/conversations/{talk.name}/messages": (mine, "text"),
        "/dialogflow/es": ({"X-Desk": HEADER}, "session"),
        "/dialogflow/cx": ({"X-Desk": HEADER}, "sessionInfo"),
        "/api/messages": ({}, "channelData"),
        "/people/api/cases/1/answers": (staff, "text"),
        "/people/api/cases/1/close": (staff, "outcome"),
    }
    bodies = {
        "100 kB": lambda f: json.dumps({f: "x" * 100_000, "key": "1"}).encode(),
        "a megabyte": lambda f: json.dumps({f: "x" * 1_000_000}).encode(),
        "deep lists": lambda f: b'{"%s": ' % f.encode() + b"[" * DEEP + b"]" * DEEP + b"}",
        "deep objects": lambda f: b'{"%s": ' % f.encode() + b'{"a":' * DEEP,
        "no JSON": lambda f: b"<!DOCTYPE a [<!ENTITY b SYSTEM 'file:///etc/passwd'>]><a>&b;</a>",
        "a form": lambda f: f"{f}=hello&key=1".encode(),
        "not UTF-8": lambda f: b'{"%s": "\xff\xfe"}' % f.encode(),
        "UTF-16": lambda f: json.dumps({f: "x"}).encode("utf-16"),
        "nothing": lambda f: b"",
        "a number": lambda f: b"1e999",
        "two of one": lambda f: b'{"%s": "a", "%s": {}}' % (f.encode(), f.encode()),
        "compressed": lambda f: b"\x1f\x8b\x08" + b"\x00" * 60,
    }  # fmt: skip
    kinds = ("application/json", "text/plain", "multipart/form-data; boundary=x", "text/xml", "")
    before = whole.count("desk", "desk_turns")
    for path, (headers, named) in routes.items():
        for name, body in bodies.items():
            for kind in kinds[: 5 if name == "a form" else 1]:
                given = {**headers, "content-type": kind}
                began = time.perf_counter()
                got = whole.client.post(path, content=body(named), headers=given)
                assert 400 <= got.status_code < 500, (path, name, got.status_code, got.text[:200])
                assert got.json()["error"]["code"]
                assert time.perf_counter() - began < 5
    for method in ("PUT", "DELETE", "PATCH", "TRACE"):
        got = whole.client.request(method, "/v1/conversations")
        assert got.status_code == 405
    for path in ("/widget/../setup.py", "/widget/..%2f..%2fsetup.py", "/people/%2e%2e/setup.py",
                 "/widget/%00", "/people//etc/passwd"):  # fmt: skip
        assert whole.client.get(path).status_code in (404, 405), path
    assert whole.count("desk", "desk_turns") == before
