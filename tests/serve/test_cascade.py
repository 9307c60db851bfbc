"""What follows an abstention on a server: a large model or a person, both stubs on loopback."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

pytest.importorskip("starlette", reason="the extra serve is not installed")

from attar.errors import RecipeError
from attar.serve.app import make_app
from attar.serve.settings import Fallback, Model, Person, Settings
from upstream import LABELS, WEATHER, Upstream

if TYPE_CHECKING:
    from serve.conftest import Running, Serve

REFUND = "i want my refund"


@pytest.fixture
def cascade(serve: Serve, upstream: Upstream) -> Callable[..., Running]:
    """A server whose model falls back to the stub; keywords are Fallback's."""

    def start(model: dict[str, Any] | None = None, **more: Any) -> Running:
        given = {"url": upstream.url, "model": "large", "retries": 0} | more
        return serve({"on_abstain": "fallback"} | (model or {}), fallback=Fallback(**given))

    return start


def predicted(server: Running, *texts: str) -> list[Any]:
    response = server.client.post("/v1/predict/tiny", json={"texts": texts})
    assert response.status_code == 200, response.text
    answers: list[Any] = response.json()["answers"]
    return answers


def test_the_large_model_answers_abstentions_alone(
    cascade: Callable[..., Running], upstream: Upstream
) -> None:
    server = cascade(input_usd=1.0, output_usd=5.0)
    own, other = predicted(server, REFUND, WEATHER)
    assert (own["label"], own["answered_by"]) == ("refund", "model")
    assert (other["label"], other["answered_by"], other["abstained"]) == (
        "refund",
        "fallback",
        True,
    )
    assert "note" not in other
    (asked,) = upstream.asked
    assert asked[2]["messages"][1]["content"] == WEATHER
    assert asked[2]["messages"][0]["content"].splitlines()[1:] == [*LABELS[:4]]
    upstream.script = ["OOS"]
    assert predicted(server, WEATHER)[0]["label"] == "oos"
    body = {"input": WEATHER, "model": "tiny"}
    upstream.script = ["refund"]
    (moderation,) = server.client.post("/v1/moderations", json=body).json()["results"]
    assert (moderation["flagged"], moderation["categories"]["refund"]) == (True, True)
    assert server.client.post("/classify", json=body).json()["data"][0]["label"] == "refund"
    metrics = server.client.get("/metrics").text
    assert 'attar_answers_total{answered_by="fallback",model="tiny"} 4.0' in metrics
    assert "attar_fallback_usd_total 0.00044" in metrics


@pytest.mark.parametrize(
    ("script", "more", "why", "note"),
    [
        (["sunny"], {}, "no_label", "'sunny', which is no label"),
        ([(503, {}, {})], {}, "failed", "503"),
        ([5.0], {"deadline_ms": 300}, "", "ReadTimeout"),
        ([(401, {}, {})], {}, "refused", "401"),
    ],
)
def test_without_an_answer_the_abstention_stands(
    cascade: Callable[..., Running], upstream: Upstream, script: Any, more: Any, why: str, note: str
) -> None:
    upstream.script = script
    server = cascade(**more)
    (answer,) = predicted(server, WEATHER)
    assert (answer["answered_by"], answer["abstained"]) == ("nobody", True)
    assert note in answer["note"] or (not why and "no answer within" in answer["note"])
    assert f'attar_fallback_failures_total{{why="{why}' in server.client.get("/metrics").text


def test_a_batch_of_abstentions_takes_turns(
    cascade: Callable[..., Running], upstream: Upstream
) -> None:
    upstream.script = [0.05]
    answers = predicted(cascade(at_once=2), *[WEATHER] * 10)
    assert [answer["answered_by"] for answer in answers] == ["fallback"] * 10
    assert len(upstream.asked) == 10
    assert upstream.most == 2


def test_the_fallback_keeps_the_deadline_of_the_request(
    cascade: Callable[..., Running], upstream: Upstream
) -> None:
    upstream.script = [5.0]
    server = cascade()
    started = time.monotonic()
    body, headers = {"text": WEATHER}, {"X-Deadline-Ms": "800"}
    response = server.client.post("/v1/predict/tiny", json=body, headers=headers)
    (answer,) = response.json()["answers"]
    assert time.monotonic() - started < 4
    assert (answer["answered_by"], answer["abstained"]) == ("nobody", True)
    assert answer["note"] == "the request's own deadline came first"
    large = server.service.large
    assert large is not None
    assert large.circuit.failures == 0  # it may well be quick enough for others
    assert 'attar_fallback_failures_total{why="deadline"} 1.0' in server.client.get("/metrics").text


def test_the_key_is_sent_and_never_logged(
    cascade: Callable[..., Running],
    upstream: Upstream,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setenv("ATTAR_TEST_KEY", "sk-very-secret")
    upstream.script = ["refund", (500, {}, {}), (401, {}, {"error": "sk-very-secret"})]
    server = cascade(api_key_env="ATTAR_TEST_KEY")
    answers = [predicted(server, WEATHER) for _ in range(3)]
    assert {asked[1]["authorization"] for asked in upstream.asked} == {"Bearer sk-very-secret"}
    shown = capfd.readouterr().err + json.dumps(answers) + server.client.get("/metrics").text
    shown += repr(server.service.large) + server.client.get("/openapi.json").text
    assert "sk-very" not in shown
    assert "weather" not in capfd.readouterr().err


def test_a_key_that_is_not_set_is_found_before_anything_is_served(tiny_bundle: Path) -> None:
    settings = Settings(
        models={"tiny": Model(path=str(tiny_bundle), on_abstain="fallback")},
        fallback=Fallback(url="http://127.0.0.1:9", model="x", api_key_env="ATTAR_TEST_UNSET"),
    )
    app = make_app(settings)

    async def begin() -> None:
        async with app.router.lifespan_context(app):
            raise AssertionError

    with pytest.raises(RecipeError, match="ATTAR_TEST_UNSET"):
        asyncio.run(begin())


def test_no_request_says_where_to_call(cascade: Callable[..., Running], upstream: Upstream) -> None:
    server, other = cascade(), Upstream()  # which nobody serves: a call to it would hang
    fields = dict.fromkeys(("url", "base_url", "api_base", "fallback", "endpoint"), other.url)
    body = {"model": "tiny", "messages": [{"role": "user", "content": WEATHER}], **fields}
    headers = {"Host": "elsewhere.example", "X-Forwarded-Host": "elsewhere.example",
               "X-Fallback-Url": other.url, "Forwarded": "host=elsewhere.example"}  # fmt: skip
    found = server.client.post("/v1/chat/completions", json=body, headers=headers)
    assert found.json()["attar"]["answered_by"] == "fallback"
    assert len(upstream.asked) == 1
    assert (
        server.client.post("/v1/predict/tiny", json={"text": WEATHER, "url": other.url}).status_code
        == 422
    )
    other.server.server_close()


def test_chat_hands_on_the_whole_request(
    cascade: Callable[..., Running], upstream: Upstream
) -> None:
    server = cascade({"aliases": ("gpt-small",)})
    body: dict[str, Any] = {
        "model": "gpt-small",
        "messages": [
            {"role": "system", "content": "Be kind."},
            {"role": "user", "content": [{"type": "text", "text": WEATHER}], "name": "Ada"},
        ],
        "temperature": 0.7,
        "a_field_of_tomorrow": {"x": [1]},
    }
    upstream.script = ["It will rain, I fear."]
    found = server.client.post("/v1/chat/completions", json=body).json()
    assert found["choices"][0]["message"]["content"] == "It will rain, I fear."
    assert (found["model"], found["id"]) == ("tiny", "up")
    assert (found["attar"]["answered_by"], found["attar"]["abstained"]) == ("fallback", True)
    assert upstream.asked[0][2] == body | {"model": "large", "stream": False}
    # A stream is made of the whole answer; what only a stream may ask for stays here.
    options = {"stream": True, "stream_options": {"include_usage": True}}
    streamed = server.client.post("/v1/chat/completions", json=body | options)
    events = [json.loads(line[6:]) for line in streamed.text.split("\n\n")[:-2]]
    assert events[0]["choices"][0]["delta"]["content"] == "It will rain, I fear."
    assert events[1]["choices"][0]["finish_reason"] == "stop"  # which the stub leaves out
    assert events[-1]["usage"]["prompt_tokens"] == 100
    assert upstream.asked[1][2] == body | {"model": "large", "stream": False}
    body["messages"] = [{"role": "user", "content": REFUND}]
    own = server.client.post("/v1/chat/completions", json=body).json()
    assert (own["choices"][0]["message"]["content"], own["attar"]["answered_by"]) == (
        "refund",
        "model",
    )
    assert len(upstream.asked) == 2
    for broken in ({"choices": []}, {"choices": "x"}, {"choices": [{"message": 3}]}, {}):
        upstream.script = [broken]
        body["messages"] = [{"role": "user", "content": WEATHER}]
        response = server.client.post("/v1/chat/completions", json=body)
        assert response.status_code == 200, response.text
        assert response.json()["attar"]["answered_by"] == "nobody"
        assert response.json()["choices"][0]["message"]["content"] == "oos"


def test_a_person_gets_the_conversation(
    serve: Serve, upstream: Upstream, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ATTAR_TEST_HEADER", "Basic desk")
    person = Person(url=upstream.url + "/desk", header_env="ATTAR_TEST_HEADER")
    server = serve({"on_abstain": "person"}, person=person)
    messages = [{"role": "system", "content": "Be kind."}, {"role": "user", "content": WEATHER}]
    found = server.client.post(
        "/v1/chat/completions",
        json={"model": "tiny", "messages": messages},
        headers={"X-Request-Id": "case-1"},
    ).json()
    assert found["attar"]["answered_by"] == "person"
    assert found["choices"][0]["message"]["content"] == "oos"
    ((path, headers, case),) = upstream.asked
    assert (path, headers["authorization"]) == ("/v1/desk", "Basic desk")
    assert (case["conversation"], case["text"]) == (messages, WEATHER)
    assert (case["request_id"], case["model"], case["abstained"]) == ("case-1", "tiny", True)
    upstream.script = [(500, {}, {})]
    (answer,) = predicted(server, WEATHER)
    assert (answer["answered_by"], answer["note"]) == ("nobody", "the desk answered 500")
    assert predicted(server, REFUND)[0]["answered_by"] == "model"
    assert len(upstream.asked) == 2
