"""Dialogflow's webhooks: what comes back, who may call, and the excuse when the desk is late."""

from __future__ import annotations

import base64
import time
from collections.abc import Iterator
from typing import Any

import pytest

pytest.importorskip("starlette", reason="the extra desk is not installed")

from starlette.testclient import TestClient

from channels_desk import FakeDesk
from channels_tokens import Publisher, publishing
from desk.app import make_app
from desk.channels import published_keys
from desk.channels.settings import Dialogflow, Secret, Settings, SettingsError

URL = "https://desk.example/dialogflow/cx"
EMAIL = "service-1@gcp-sa-dialogflow.example"
SESSION = "projects/shop/agent/sessions/s-1"
BASIC = {"Authorization": "Basic " + base64.b64encode(b"agent:pass:word").decode()}


def es(text: str, response: str = "r-1", **query: Any) -> dict[str, Any]:
    return {
        "session": SESSION,
        "responseId": response,
        "queryResult": {
            "queryText": text,
            "languageCode": "en",
            "parameters": {"number": 48213.0},
            "allRequiredParamsPresent": True,
            "intent": {"name": "projects/shop/agent/intents/1", "displayName": "Orders"},
            "intentDetectionConfidence": 0.9,
            **query,
        },
        "originalDetectIntentRequest": {"source": "DIALOGFLOW_CONSOLE", "payload": {}},
    }


def cx(text: str | None, response: str = "r-1", **more: Any) -> dict[str, Any]:
    return {
        "detectIntentResponseId": response,
        **({} if text is None else {"text": text}),
        "languageCode": "en",
        "fulfillmentInfo": {"tag": "desk"},
        "pageInfo": {"currentPage": "projects/p/pages/START", "formInfo": {}},
        "sessionInfo": {"session": SESSION, "parameters": {"customer": "C7"}},
        **more,
    }


def app(desk: FakeDesk, **settings: Any) -> TestClient:
    kept = {"basic": Secret("agent:pass:word"), **settings}
    return TestClient(make_app(desk, Settings(dialogflow=Dialogflow(**kept))))


@pytest.fixture
def desk() -> FakeDesk:
    return FakeDesk()


def test_es_says_texts_suggestions_and_source(desk: FakeDesk) -> None:
    with app(desk) as client:
        found = client.post("/dialogflow/es", json=es("how do I return it"), headers=BASIC).json()
    said = "Shall I start a return?\nFrom our help pages: Sending things back"
    assert found["fulfillmentMessages"] == [
        {"text": {"text": ["You have 30 days."]}},
        {"text": {"text": [said]}},
        {"quickReplies": {"quickReplies": ["Yes", "No"]}},
        {
            "payload": {
                "richContent": [[{"type": "chips", "options": [{"text": "Yes"}, {"text": "No"}]}]]
            }
        },
    ]
    assert found["fulfillmentText"] == f"You have 30 days.\n{said}"
    (taken,) = desk.taken
    assert (taken.conversation, taken.key) == (f"dialogflow:{SESSION}", "r-1")


def test_handing_over_reaches_the_agents_own_flow(desk: FakeDesk) -> None:
    with app(desk, handed_page="projects/p/pages/person") as client:
        old = client.post("/dialogflow/es", json=es("agent please"), headers=BASIC).json()
        new = client.post("/dialogflow/cx", json=cx("agent please", "2"), headers=BASIC).json()
        back = client.post("/dialogflow/cx", json=cx("hello", "3"), headers=BASIC).json()
    (context,) = old["outputContexts"]
    assert context["name"] == f"{SESSION}/contexts/desk-handed"
    assert context["parameters"] == {"reason": "asked"}
    assert new["targetPage"] == "projects/p/pages/person"
    assert new["sessionInfo"]["parameters"]["desk_handed"] == "asked"
    handoff = {"liveAgentHandoff": {"metadata": {"reason": "asked"}}}
    assert handoff in new["fulfillmentResponse"]["messages"]
    assert "desk_handed" not in back["sessionInfo"]["parameters"]  # what was set is kept
    assert "targetPage" not in back


@pytest.mark.parametrize(
    ("more", "text"),
    [
        ({"transcript": "where is it"}, "where is it"),
        ({"dtmfDigits": "48213"}, "48213"),
        ({"triggerEvent": "WELCOME"}, None),
        ({"triggerIntent": "projects/p/intents/1"}, None),
    ],
)
def test_cx_hears_every_kind_of_input(desk: FakeDesk, more: dict[str, str], text: str) -> None:
    with app(desk) as client:
        found = client.post("/dialogflow/cx", json=cx(None, **more), headers=BASIC).json()
    assert [taken.text for taken in desk.taken] == ([] if text is None else [text])
    (message,) = found["fulfillmentResponse"]["messages"]
    (said,) = message["text"]["text"]
    assert said == (f"You said: {text}" if text else "Hello! How can I help you with your order?")


def test_es_welcomes_where_nobody_typed(desk: FakeDesk) -> None:
    with app(desk) as client:
        asked = es("WELCOME", action="input.welcome", languageCode="de")
        found = client.post("/dialogflow/es", json=asked, headers=BASIC).json()
    assert found["fulfillmentText"].startswith("Guten Tag") and desk.taken == []


def test_a_replayed_webhook_is_done_once(desk: FakeDesk) -> None:
    with app(desk) as client:
        for body in (cx("cancel 48213"), cx("cancel 48213")):
            found = client.post("/dialogflow/cx", json=body, headers=BASIC).json()
    assert len(desk.done) == 1
    assert found["payload"]["desk"]["done"][0]["again"] is True


def test_an_excuse_comes_in_time_and_the_answer_with_the_replay(desk: FakeDesk) -> None:
    with app(desk, within_s=0.2) as client:
        late = client.post("/dialogflow/es", json=es("slow cancel"), headers=BASIC)
        broken = client.post("/dialogflow/es", json=es("break", "2"), headers=BASIC)
        until = time.monotonic() + 20
        while not desk.done:
            assert time.monotonic() < until, "the desk gave up with the webhook"
            time.sleep(0.02)
        again = client.post("/dialogflow/es", json=es("slow cancel"), headers=BASIC)
    assert again.json()["fulfillmentText"] == "Done: MF-48213 is canceled."
    assert late.status_code == 200
    assert late.json()["fulfillmentText"].startswith("I'm still looking that up")
    assert broken.json()["fulfillmentText"].startswith("Something went wrong")


def test_who_a_customer_is_is_believed_only_where_the_settings_say_so(desk: FakeDesk) -> None:
    for name in (None, "customer"):
        with app(desk, customer_parameter=name) as client:
            client.post("/dialogflow/cx", json=cx("hello", str(name)), headers=BASIC)
    assert [taken.customer for taken in desk.taken] == [None, "C7"]


@pytest.mark.parametrize("path", ["es", "cx"])
def test_others_may_not_call(desk: FakeDesk, path: str) -> None:
    body = es("cancel") if path == "es" else cx("cancel")
    wrong = base64.b64encode(b"agent:wrong").decode()
    with app(desk, header="X-Desk", header_secret=Secret("h" * 20)) as client:
        for headers in (
            {},
            {"Authorization": f"Basic {wrong}"},
            {"Authorization": "Basic \xe9\xff".encode("latin-1")},
            {"Authorization": "Bearer " + "h" * 20},
            {"X-Desk": "wrong"},
        ):
            refused = client.post(f"/dialogflow/{path}", json=body, headers=headers)
            assert refused.status_code == 401
        assert desk.taken == []
        for headers in (BASIC, {"X-Desk": "h" * 20}):
            taken = client.post(f"/dialogflow/{path}", json=body, headers=headers)
            assert taken.status_code == 200


@pytest.fixture
def google() -> Iterator[Publisher]:
    with publishing() as found:
        yield found


def good() -> dict[str, Any]:
    return {
        "iss": "https://accounts.google.com",
        "aud": URL,
        "email": EMAIL,
        "email_verified": True,
    }


def asked(client: TestClient, token: str) -> int:
    headers = {"Authorization": f"Bearer {token}"}
    return client.post("/dialogflow/cx", json=cx("hello"), headers=headers).status_code


def test_googles_tokens_are_taken_and_others_are_not(desk: FakeDesk, google: Publisher) -> None:
    google_set = {"basic": None, "audience": URL, "email": EMAIL, "keys_url": google.url}
    with publishing() as other, app(desk, **google_set) as client:
        assert asked(client, google.token(good())) == 200
        for change in (
            {"aud": "https://other.example"},
            {"iss": "https://evil.example"},
            {"email": "someone@gcp.example"},
            {"email_verified": False},
            {"exp": 1_000},
            {"nbf": 9_999_999_999},
            {"aud": None},
        ):
            claims = {k: v for k, v in {**good(), **change}.items() if v is not None}
            assert asked(client, google.token(claims)) == 401, change
        assert asked(client, other.token(good())) == 401  # the same name, another key
        assert asked(client, google.token(good(), kid="nobody")) == 401
        unsigned = google.token(good()).rpartition(".")[0] + "."
        assert asked(client, unsigned) == 401
        assert asked(client, "nonsense") == 401
    assert len(desk.taken) == 1
    assert google.asked == 1  # forged names of keys made us ask nobody


def test_keys_that_change_are_found(
    desk: FakeDesk, google: Publisher, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(published_keys, "AGAIN_S", 0.0)
    monkeypatch.setattr(published_keys, "AGAIN_EMPTY_S", 0.0)
    google_set = {"basic": None, "audience": URL, "email": EMAIL, "keys_url": google.url}
    with app(desk, **google_set) as client:
        google.away = True
        assert asked(client, google.token(good())) == 503
        google.away = False
        assert asked(client, google.token(good())) == 200
        google.turn("key-2")
        assert asked(client, google.token(good())) == 200
        google.away = True
        assert asked(client, google.token(good())) == 200
        assert asked(client, google.token(good(), kid="nobody")) == 401


@pytest.mark.parametrize(
    "body", [{}, {"session": 5}, {**es("a"), "queryResult": []}, es("a" * 5_000), es("a", "")]
)
def test_bodies_that_are_no_requests_are_refused(desk: FakeDesk, body: dict[str, Any]) -> None:
    with app(desk) as client:
        refused = client.post("/dialogflow/es", json=body, headers=BASIC)
    assert refused.status_code == 422 and desk.taken == []


def test_settings_that_let_nobody_or_half_of_somebody_in_are_refused() -> None:
    for wrong in ({}, {"audience": URL}, {"header": "X-Desk"}):
        with pytest.raises(SettingsError, match="dialogflow"):
            Dialogflow(**wrong)
    with pytest.raises(ValueError, match="https"):
        published_keys.PublishedKeys("http://keys.example/jwks")
