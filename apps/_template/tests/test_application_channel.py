"""The application over HTTP: keys, limits, one shape of error, and a case from end to end."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("sqlalchemy", reason="the extra desk is not installed")
pytest.importorskip("starlette", reason="the extra desk is not installed")

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from starlette.testclient import TestClient

from application.channel import make_app
from application.service import Service
from application.settings import Keys

CLIENT, PERSON = ({"Authorization": f"Bearer {name}"} for name in ("client", "person"))
KEYS = Keys(
    *({name: hashlib.sha256(key.encode()).hexdigest()} for name, key in
      (("web", "client"), ("ada", "person")))
)  # fmt: skip


@pytest.fixture
def http(service: Service) -> Iterator[TestClient]:
    app = make_app(service, KEYS)
    with TestClient(app, raise_server_exceptions=False) as client:
        yield client


def say(http: TestClient, **body: Any) -> Any:
    return http.post("/v1/messages", json={"key": "1", "text": "open?"} | body, headers=CLIENT)


def test_a_case_from_end_to_end(http: TestClient, tmp_path: Path) -> None:
    assert say(http).json() == {
        "number": 1, "text": "From 9 to 7.", "label": "opening_hours",
        "handed": None, "again": False,
    }  # fmt: skip
    assert say(http, key="2", text="what do I owe").json()["handed"] == "unsure"
    case = http.get("/people/cases", headers=PERSON).json()["cases"][0]
    assert (case["text"], case["label"], case["handed"]) == ("what do I owe", "fees", "unsure")
    word = {"label": "fees", "text": "Nothing."}
    assert http.put(f"/people/cases/{case['number']}", json=word, headers=PERSON).json() == {}
    assert say(http, key="2", text="what do I owe").json()["text"] == "Nothing."
    lines = http.get("/people/corrections.jsonl", headers=PERSON).text.splitlines()
    row = {"text": "what do I owe", "label": "fees", "predicted": {"label": "fees", "score": 0.2}}
    assert [json.loads(line) for line in lines] == [row]
    found = http.get("/people/figures?days=1", headers=PERSON).json()
    assert (found["all"]["messages"], found["all"]["handed_unsure"]) == (2, 1)
    assert http.get("/people/figures.csv", headers=PERSON).text.count("\n") == 2
    assert http.get("/people/figures?days=0", headers=PERSON).json()["all"]["messages"] == 0


@pytest.mark.parametrize(
    ("verb", "path", "headers", "body", "status", "code"),
    [
        ("POST", "/v1/messages", {}, b"{}", 401, "unauthorized"),
        ("POST", "/v1/messages", PERSON, b"{}", 401, "unauthorized"),
        ("POST", "/v1/messages", {"Authorization": "Basic client"}, b"{}", 401, "unauthorized"),
        ("GET", "/people/cases", CLIENT, b"", 401, "unauthorized"),
        ("GET", "/people/figures.csv", CLIENT, b"", 401, "unauthorized"),
        ("GET", "/people/corrections.jsonl", {}, b"", 401, "unauthorized"),
        ("POST", "/v1/messages", CLIENT, b"{", 400, "invalid_json"),
        ("POST", "/v1/messages", CLIENT, b'{"key": "1", "text": "\\ud800a"}', 400, "invalid_json"),
        ("POST", "/v1/messages", CLIENT, b'{"key": "1", "text": 2}', 422, "invalid_field"),
        ("POST", "/v1/messages", CLIENT, b'{"key": "1"}', 422, "invalid_field"),
        ("POST", "/v1/messages", CLIENT, b'{"key": "", "text": "a"}', 422, "invalid_field"),
        ("POST", "/v1/messages", CLIENT, b'{"key": "1", "text": "\\u0000 "}', 422, "invalid_field"),
        ("POST", "/v1/messages", CLIENT, b'{"key": "1", "text": "a", "x": 1}', 422,
         "invalid_field"),
        ("POST", "/v1/messages", CLIENT, b" " * 40_000, 413, "body_too_large"),
        ("GET", "/v1/messages", CLIENT, b"", 405, "unknown"),
        ("GET", "/nowhere", {}, b"", 404, "unknown"),
        ("GET", "/people/cases?which=all", PERSON, b"", 422, "invalid_field"),
        ("GET", "/people/figures?days=-1", PERSON, b"", 422, "invalid_field"),
        ("PUT", "/people/cases/7", PERSON, b'{"label": "fees"}', 404, "unknown"),
        ("PUT", f"/people/cases/{10**30}", PERSON, b'{"label": "fees"}', 404, "unknown"),
        ("PUT", "/people/cases/7", PERSON, b'{"label": "fee"}', 422, "invalid_field"),
        ("PUT", "/people/cases/7", PERSON, b"{}", 422, "invalid_field"),
    ],
)  # fmt: skip
def test_errors_have_one_shape(
    http: TestClient, verb: str, path: str, headers: dict[str, str], body: bytes, status: int,
    code: str,
) -> None:  # fmt: skip
    found = http.request(verb, path, headers=headers, content=body)
    assert (found.status_code, found.json()["error"]["code"]) == (status, code), found.text
    assert found.json()["error"]["message"]


SLOW_OR_SHARED = [HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
FIELDS = {"key": st.text(max_size=210), "text": st.text(), "reader": st.none() | st.text()}
BODIES = st.binary() | st.fixed_dictionaries(FIELDS).map(lambda body: json.dumps(body).encode())


@settings(max_examples=60, deadline=None, suppress_health_check=SLOW_OR_SHARED)
@given(BODIES)
def test_no_body_breaks_it(http: TestClient, body: bytes) -> None:
    found = http.post("/v1/messages", content=body, headers=CLIENT)
    assert found.status_code in (200, 400, 409, 422), found.text
    assert set(found.json()) >= ({"text"} if found.status_code == 200 else {"error"})


def test_conflicts(http: TestClient) -> None:
    assert say(http, text="open?").status_code == 200
    found = say(http, text="other words")
    assert (found.status_code, found.json()["error"]["code"]) == (409, "key_reused")
    found = http.put("/people/cases/1", json={"text": "No."}, headers=PERSON)
    assert (found.status_code, found.json()["error"]["code"]) == (409, "closed")


def test_a_failure_tells_nothing(
    http: TestClient, service: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(text: str) -> None:
        raise RuntimeError("secret")

    monkeypatch.setattr(service, "understands", broken)
    found = say(http)
    assert (found.status_code, found.json()["error"]["code"]) == (500, "broken")
    assert "secret" not in found.text


def test_alive(http: TestClient) -> None:
    assert http.get("/healthz").text == "ok"
