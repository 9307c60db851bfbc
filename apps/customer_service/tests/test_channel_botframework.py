"""/api/messages: who is heard, where answers go, and that each activity is answered once."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("starlette", reason="the extra desk is not installed")

from starlette.testclient import TestClient

from channels_desk import FakeDesk
from channels_service import Service, serving_bots
from channels_tokens import ISSUED_BY_BOT, Publisher, publishing
from desk.app import make_app
from desk.channels import bot_sending, bot_watching
from desk.channels.settings import Bot, Secret, Settings

APP = "11111111-2222-3333-4444-555555555555"


class Channel:
    """A channel of the service that sends activities to the desk."""

    def __init__(
        self, client: TestClient, service: Service, publisher: Publisher | None = None
    ) -> None:
        self.client, self.service, self.publisher = client, service, publisher

    def activity(self, text: str = "hello", **more: Any) -> dict[str, Any]:
        return {
            "type": "message",
            "id": "a-1",
            "channelId": "msteams",
            "serviceUrl": self.service.url,
            "from": {"id": "customer-1", "name": "Ada"},
            "recipient": {"id": "bot-1", "name": "Desk"},
            "conversation": {"id": "c/1"},
            "text": text,
            "locale": "en-GB",
            "channelData": {"anything": 1},
            **more,
        }

    def claims(self, **change: Any) -> dict[str, Any]:
        claims = {"iss": ISSUED_BY_BOT, "aud": APP, "serviceurl": self.service.url}
        return {k: v for k, v in {**claims, **change}.items() if v is not None}

    def send(self, activity: dict[str, Any], token: str | None = None):
        headers = {}
        if token is None and self.publisher is not None:
            token = self.publisher.token(self.claims())
        if token:
            headers["Authorization"] = f"Bearer {token}"
        return self.client.post("/api/messages", json=activity, headers=headers)


@pytest.fixture
def desk() -> FakeDesk:
    return FakeDesk()


@pytest.fixture(autouse=True)
def no_waiting(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bot_sending, "WAIT_S", 0.0)
    monkeypatch.setattr(bot_watching, "LOOKS_S", 0.02)


@pytest.fixture(scope="module")
def publisher() -> Iterator[Publisher]:
    with publishing() as found:
        yield found


@pytest.fixture
def service() -> Iterator[Service]:
    with serving_bots() as found:
        yield found


@contextlib.contextmanager
def bot(
    desk: FakeDesk, service: Service, publisher: Publisher | None, **settings: Any
) -> Iterator[Channel]:
    made: dict[str, Any] = dict(settings)
    if publisher is not None:
        made |= {"app_id": APP, "password": Secret("p" * 20), "keys_url": publisher.metadata}
    app = make_app(desk, Settings(bot=Bot(login_url=service.url, **made)))
    with TestClient(app, client=("127.0.0.1", 5), raise_server_exceptions=False) as client:
        yield Channel(client, service, publisher)


@pytest.fixture
def channel(desk: FakeDesk, service: Service, publisher: Publisher) -> Iterator[Channel]:
    with bot(desk, service, publisher) as found:
        yield found


def test_answers_go_to_the_address_of_the_token(
    channel: Channel, service: Service, desk: FakeDesk
) -> None:
    assert channel.send(channel.activity("how do I return it")).status_code == 200
    assert service.texts == [
        "You have 30 days.",
        "Shall I start a return?\nFrom our help pages: Sending things back",
    ]
    path, authorization, last = service.taken[1]
    assert path == "/v3/conversations/c%2F1/activities/a-1" and authorization == "Bearer token-1"
    assert last["replyToId"] == "a-1" and last["recipient"]["id"] == "customer-1"
    assert [a["value"] for a in last["suggestedActions"]["actions"]] == ["Yes", "No"]
    assert "suggestedActions" not in service.taken[0][2]
    (login,) = service.logins
    assert login["client_id"] == [APP] and login["client_secret"] == ["p" * 20]
    (taken,) = desk.taken
    assert taken.conversation == "bot:msteams:c/1" and taken.customer is None


def test_replies_come_in_the_response_where_they_are_expected(
    channel: Channel, service: Service
) -> None:
    asked = channel.activity("agent", deliveryMode="expectReplies")
    for _ in range(2):  # a replay gets the same
        (said,) = channel.send(asked).json()["activities"]
        assert said["text"] == "A colleague takes over."
        assert said["channelData"] == {"desk": {"handed": "asked"}}
    assert service.taken == []


def test_a_replayed_activity_is_answered_once(
    channel: Channel, service: Service, desk: FakeDesk
) -> None:
    for _ in range(3):
        assert channel.send(channel.activity("cancel 48213")).status_code == 200
    assert service.texts == ["Done: MF-48213 is canceled."]
    assert len(desk.taken) == 1
    channel.send(channel.activity("cancel 48213", id="a-2"))
    assert len(service.texts) == 2


def test_what_was_not_taken_is_sent_with_the_replay_and_nothing_twice(
    channel: Channel, service: Service
) -> None:
    asked = channel.activity("how do I return it")
    service.statuses = [200, 503, 503, 503]
    assert channel.send(asked).json()["error"]["code"] == "not_sent"
    assert service.texts == ["You have 30 days."]
    assert channel.send(asked).status_code == 200
    assert [text.partition("\n")[0] for text in service.texts] == [
        "You have 30 days.",
        "Shall I start a return?",
    ]


def test_a_token_that_was_taken_back_is_made_anew(channel: Channel, service: Service) -> None:
    service.statuses = [401, 200]
    assert channel.send(channel.activity()).status_code == 200
    assert [given for _, given, _ in service.taken] == ["Bearer token-2"]


def test_a_redirect_does_not_lead_the_token_elsewhere(channel: Channel, service: Service) -> None:
    service.statuses = [302]
    assert channel.send(channel.activity()).status_code == 502


@pytest.mark.parametrize("url", [True, False])
def test_another_worker_knows_what_was_sent(
    desk: FakeDesk, service: Service, publisher: Publisher, tmp_path: Path, url: bool
) -> None:
    if url:
        pytest.importorskip("sqlalchemy", reason="the extra desk is not installed")
    kept = f"sqlite:///{tmp_path / 'desk.db'}" if url else None
    with (
        bot(desk, service, publisher, delivered=kept) as one,
        bot(desk, service, publisher, delivered=kept) as other,
    ):
        for channel in (one, other):
            assert channel.send(channel.activity()).status_code == 200
    assert len(service.taken) == (1 if url else 2)


def test_what_a_person_says_is_sent_once_by_whichever_worker_watches(
    desk: FakeDesk, service: Service, publisher: Publisher, tmp_path: Path
) -> None:
    pytest.importorskip("sqlalchemy", reason="the extra desk is not installed")
    kept = f"sqlite:///{tmp_path / 'desk.db'}"
    with (
        bot(desk, service, publisher, delivered=kept) as one,
        bot(desk, service, publisher, delivered=kept) as other,
    ):
        assert one.send(one.activity("agent")).status_code == 200
        assert other.send(other.activity("agent", id="a-2")).status_code == 200
        service.statuses = [503, 503, 503]  # and is sent when the service takes it again
        desk.person_says("bot:msteams:c/1", "Tom here.")
        until(lambda: "Tom here." in service.texts)
        desk.person_says("bot:msteams:c/1", "Solved.")
        until(lambda: "Solved." in service.texts)
        time.sleep(0.2)
    assert service.texts == ["A colleague takes over."] * 2 + ["Tom here.", "Solved."]
    path, _, last = service.taken[-1]
    assert path == "/v3/conversations/c%2F1/activities" and "replyToId" not in last


def until(true: Callable[[], bool]) -> None:
    end = time.monotonic() + 20
    while not true():
        assert time.monotonic() < end, "it never came"
        time.sleep(0.01)


def test_forged_tokens_are_refused(
    channel: Channel, service: Service, publisher: Publisher, desk: FakeDesk
) -> None:
    claims = channel.claims
    tokens = [
        publisher.token(claims(aud="another-app")),
        publisher.token(claims(iss="https://sts.evil.example")),
        publisher.token(claims(exp=1_000)),
        publisher.token(claims(nbf=9_999_999_999)),
        publisher.token(claims(serviceurl="https://evil.example")),
        publisher.token(claims(serviceurl=None)),
        publisher.token(claims(), kid="nobody"),
        publisher.token(claims()).rpartition(".")[0] + ".",
        "nonsense",
        "",
    ]
    with publishing() as other:
        tokens.append(other.token(claims()))
    for token in tokens:
        assert channel.send(channel.activity("cancel"), token).status_code == 401, token
    assert channel.client.post("/api/messages", json=channel.activity()).status_code == 401
    assert channel.send(channel.activity(channelId="skype")).status_code == 401  # not endorsed
    moved = channel.activity(serviceUrl="https://evil.example")
    assert channel.send(moved).status_code == 401
    assert desk.taken == [] and service.taken == []
    assert channel.send(channel.activity()).status_code == 200


def test_without_an_app_only_this_machine_is_heard_and_answered(
    desk: FakeDesk, service: Service
) -> None:
    with bot(desk, service, None) as channel:
        assert channel.send(channel.activity()).status_code == 200
        assert [given for _, given, _ in service.taken] == [None]
        for away in ("https://evil.example", "http://127.0.0.1.evil.example", "http://10.0.0.1"):
            refused = channel.send(channel.activity(id="a-2", serviceUrl=away))
            assert refused.status_code == 403
        headers = {"X-Forwarded-For": "203.0.113.9"}
        asked = channel.activity(id="a-3")
        assert channel.client.post("/api/messages", json=asked, headers=headers).status_code == 401
        app = channel.client.app
    with TestClient(app, client=("203.0.113.9", 5)) as elsewhere:
        assert elsewhere.post("/api/messages", json=asked).status_code == 401
    assert len(desk.taken) == 1


def test_who_joins_is_welcomed_and_the_rest_is_left(
    channel: Channel, service: Service, desk: FakeDesk
) -> None:
    bot_joins = [{"id": "bot-1"}]
    both = [*bot_joins, {"id": "customer-1"}]
    quiet = [
        channel.activity(type="conversationUpdate", membersAdded=bot_joins),
        channel.activity(type="typing"),
        channel.activity(type="event", name="x"),
        channel.activity(**{"from": {"id": "bot-1", "role": "bot"}}),
    ]
    for number, activity in enumerate(quiet):
        assert channel.send({**activity, "id": f"q-{number}"}).status_code == 200
    assert service.taken == []
    assert channel.send(channel.activity(type="invoke")).status_code == 501
    joins = channel.activity(type="conversationUpdate", membersAdded=both, locale="de-DE", id="j")
    channel.send(joins)
    channel.send(channel.activity("", id="n", attachments=[{"contentType": "image/png"}]))
    assert [text[:9] for text in service.texts] == ["Guten Tag", "I can onl"]
    assert desk.taken == []


def test_in_a_group_everybody_has_a_conversation_of_his_own(
    channel: Channel, desk: FakeDesk
) -> None:
    group = {"id": "g", "isGroup": True}
    mention = {
        "type": "mention",
        "text": "<at>Desk</at>",
        "mentioned": {"id": "bot-1", "name": "Desk"},
    }
    for who in ("ada", "bob"):
        text = "<at>Desk</at> where is <at>it</at>"
        activity = channel.activity(text, conversation=group, entities=[mention], id=who)
        channel.send({**activity, "from": {"id": who}})
    assert [m.conversation for m in desk.taken] == ["bot:msteams:g:ada", "bot:msteams:g:bob"]
    assert {m.text for m in desk.taken} == {"where is <at>it</at>"}


@pytest.mark.parametrize(
    ("change", "status"),
    [({"text": "a" * 100_000}, 422), ({"text": "a" * 300_000}, 413), ({"id": ""}, 422),
     ({"conversation": None}, 422), ({"text": 5}, 422)],
)  # fmt: skip
def test_activities_that_cannot_be_answered_are_refused(
    channel: Channel, desk: FakeDesk, change: dict[str, Any], status: int
) -> None:
    assert channel.send({**channel.activity(), **change}).status_code == status
    assert desk.taken == []
