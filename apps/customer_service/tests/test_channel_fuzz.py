"""Whatever comes in is answered or refused: no body makes a channel fail."""

from __future__ import annotations

import json
from typing import Any

import pytest

pytest.importorskip("starlette", reason="the extra desk is not installed")

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from starlette.testclient import TestClient

from channels_desk import FakeDesk
from desk.app import make_app
from desk.channels.settings import Bot, Dialogflow, Secret, Settings, Web

REFUSALS = {400, 401, 403, 413, 422, 501}
HERE = "http://127.0.0.1:9"  # where nothing listens: answers are expected in the response
BODIES: dict[str, dict[str, Any]] = {
    "/v1/conversations": {"language": "en", "customer": "C1", "identity": "x"},
    "/messages": {"key": "k", "text": "hello", "language": "de"},
    "/dialogflow/es": {
        "session": "s",
        "responseId": "r",
        "queryResult": {"queryText": "cancel", "languageCode": "en", "action": "a"},
    },
    "/dialogflow/cx": {
        "detectIntentResponseId": "r",
        "text": "return",
        "transcript": "t",
        "languageCode": "en",
        "sessionInfo": {"session": "s", "parameters": {"customer": "C"}},
        "languageInfo": {"resolvedLanguageCode": "en"},
    },
    "/api/messages": {
        "type": "message",
        "id": "a",
        "channelId": "emulator",
        "serviceUrl": HERE,
        "from": {"id": "c", "role": "user"},
        "recipient": {"id": "b"},
        "conversation": {"id": "c", "isGroup": False},
        "text": "return",
        "locale": "en",
        "deliveryMode": "expectReplies",
        "membersAdded": [{"id": "c"}],
        "entities": [{"type": "mention", "text": "x", "mentioned": {"id": "b"}}],
    },
}
LEAVES = st.one_of(
    st.none(), st.booleans(), st.integers(), st.floats(allow_nan=False), st.text(max_size=30),
    st.sampled_from(["\0", "\ud800", "' OR 1=1 --", "x" * 5_000, "de-\u0661", "invoke"]),
)  # fmt: skip
VALUES = st.recursive(
    LEAVES,
    lambda inner: st.one_of(
        st.lists(inner, max_size=3), st.dictionaries(st.text(max_size=8), inner, max_size=3)
    ),
    max_leaves=6,
)


def places(body: Any, before: tuple[str, ...] = ()) -> list[tuple[str, ...]]:
    found = [before] if before else []
    if isinstance(body, dict):
        for name, value in body.items():
            found += places(value, (*before, name))
    return found


@st.composite
def changed(draw: st.DrawFn, path: str) -> Any:
    """The body of a route with some values changed or left out."""
    body = json.loads(json.dumps(BODIES[path]))
    for place in draw(st.lists(st.sampled_from(places(body)), max_size=3)):
        holder = body
        for name in place[:-1]:
            holder = holder.get(name) if isinstance(holder, dict) else None
        if isinstance(holder, dict):
            if draw(st.booleans()):
                holder[place[-1]] = draw(VALUES)
            else:
                holder.pop(place[-1], None)
    return body


@pytest.fixture(scope="module")
def client():
    made = Settings(
        web=Web(messages_a_minute=10**7, conversations_a_minute=10**7),
        dialogflow=Dialogflow(header="X-Desk", header_secret=Secret("h" * 20)),
        bot=Bot(),
    )
    app = make_app(FakeDesk(), made)
    with TestClient(app, client=("127.0.0.1", 5), raise_server_exceptions=False) as found:
        yield found


@pytest.mark.parametrize("path", BODIES)
def test_no_body_makes_a_channel_fail(client: TestClient, path: str) -> None:
    begun = client.post("/v1/conversations", json={}).json()
    headers = {"X-Desk": "h" * 20, "Authorization": f"Bearer {begun['token']}"}
    url = f"/v1/conversations/{begun['conversation']}{path}" if path == "/messages" else path
    taken = 0

    @settings(
        max_examples=40, deadline=None, derandomize=True, database=None,
        suppress_health_check=[HealthCheck.too_slow],
    )  # fmt: skip
    @given(changed(path))
    def check(body: Any) -> None:
        nonlocal taken
        # An answer that is to be sent elsewhere would wait for a server that is not there.
        if path == "/api/messages" and body.get("deliveryMode") != "expectReplies":
            body["type"] = "typing"
        content = json.dumps(body).encode("utf-8", "surrogatepass")
        answer = client.post(url, content=content, headers=headers)
        assert answer.status_code in REFUSALS | {200, 201}, answer.text
        if answer.status_code in REFUSALS - {501}:
            assert answer.json()["error"]["code"]
        else:
            taken += 1
            json.loads(answer.content)

    check()
    assert taken or path == "/v1/conversations"  # which refuses a customer whom a browser names
