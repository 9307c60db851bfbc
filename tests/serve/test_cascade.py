"""What follows an abstention: a large model or a person, both stubs on loopback."""

from __future__ import annotations

import asyncio
import contextlib
import json
import threading
import time
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

httpx = pytest.importorskip("httpx", reason="the extra serve is not installed")

pytest.importorskip("starlette", reason="the extra serve is not installed")

from attar.errors import RecipeError
from attar.runtime.cascade import Circuit, LargeModel, NoAnswerError, Secret, Spending
from attar.serve.app import make_app
from attar.serve.settings import Fallback, Model, Person, Settings

if TYPE_CHECKING:
    from serve.conftest import Running, Serve

REFUND, WEATHER = "i want my refund", "the weather now"
LABELS = ["cancel", "delivery", "refund", "oos", "none."]


def completion(content: Any, tokens: tuple[int, int] = (100, 2)) -> dict[str, Any]:
    message = {"role": "assistant", "content": content}
    usage = {"prompt_tokens": tokens[0], "completion_tokens": tokens[1]}
    return {"id": "up", "model": "large", "choices": [{"message": message}], "usage": usage}


class Upstream:
    """Answers each request with the next of `script`, the last one again and again: a
    completion's content, (status, headers, body), or seconds to wait before "refund"."""

    def __init__(self) -> None:
        self.script: list[Any] = ["refund"]
        self.now, self.most = 0, 0  # requests at once
        self.asked: list[tuple[str, dict[str, str], Any]] = []
        stub = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self) -> None:
                content = self.rfile.read(int(self.headers["Content-Length"]))
                headers = {name.lower(): value for name, value in self.headers.items()}
                stub.asked.append((self.path, headers, json.loads(content)))
                stub.now += 1
                stub.most = max(stub.most, stub.now)
                status, more, body = stub.next()
                stub.now -= 1
                self.send_response(status)
                for name, value in more.items():
                    self.send_header(name, value)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                with contextlib.suppress(OSError):  # gone meanwhile
                    self.wfile.write(body)

            def log_message(self, *_: Any) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}/v1"

    def next(self) -> tuple[int, dict[str, str], bytes]:
        now = self.script.pop(0) if len(self.script) > 1 else self.script[0]
        if isinstance(now, float):
            time.sleep(now)
            now = "refund"
        if isinstance(now, tuple):
            status, headers, body = now
            return status, headers, body if isinstance(body, bytes) else json.dumps(body).encode()
        return 200, {}, json.dumps(now if isinstance(now, dict) else completion(now)).encode()


@pytest.fixture
def upstream() -> Iterator[Upstream]:
    stub = Upstream()
    thread = threading.Thread(target=stub.server.serve_forever, args=(0.01,), daemon=True)
    thread.start()
    yield stub
    stub.server.shutdown()
    stub.server.server_close()
    thread.join(20)


class Clock:
    now = 1_000.0

    def __call__(self) -> float:
        return self.now


class Asking:
    """A LargeModel of the stub, with its pauses noted and not waited for."""

    def __init__(self, upstream: Upstream, per_day: float | None = None, **more: Any) -> None:
        self.upstream, self.more = upstream, more
        self.pauses: list[float] = []
        self.clock, self.day = Clock(), "2030-01-01"
        self.circuit = Circuit(3, 30, self.clock)
        self.spending = Spending(per_day, lambda: self.day)

    def __call__(self, text: str = WEATHER, several: bool = False) -> str:
        async def pause(seconds: float) -> None:
            self.pauses.append(seconds)

        async def ask() -> str:
            async with httpx.AsyncClient(trust_env=False) as client:
                large = LargeModel(
                    *(self.upstream.url, "large", client, self.circuit, self.spending),
                    **{"price": lambda a, b: (a + b) / 100, "pause": pause, "retries": 0}
                    | self.more,
                )
                assert "sk-" not in repr(large)
                return await large.label(text, LABELS, several)

        return asyncio.run(ask())

    def fails(self, why: str) -> str:
        with pytest.raises(NoAnswerError) as failed:
            self()
        assert failed.value.why == why
        return str(failed.value)


def test_the_label_is_found_in_what_it_says(upstream: Upstream) -> None:
    ask = Asking(upstream, key=Secret("sk-1"))
    upstream.script = ["refund", " Refund.\n", '"refund"', "`REFUND`", "**refund**", "- refund"]
    assert {ask() for _ in range(6)} == {"refund"}
    upstream.script = ["none."]
    assert ask() == "none."
    path, headers, body = upstream.asked[0]
    assert path == "/v1/chat/completions"
    assert headers["authorization"] == "Bearer sk-1"
    assert (body["model"], body["stream"], body["temperature"]) == ("large", False, 0)
    system, user = body["messages"]
    assert user == {"role": "user", "content": WEATHER}
    assert all(label in system["content"].splitlines() for label in LABELS)


@pytest.mark.parametrize(
    "content", ["sunny", "", "refund or cancel", None, ["refund"], {"choices": []},
                {"choices": [{"message": None}]}, {"error": "x"}, {"choices": {}}]
)  # fmt: skip
def test_what_is_no_label_is_no_answer(upstream: Upstream, content: Any) -> None:
    upstream.script = [content]
    Asking(upstream).fails("no_label")


def test_any_number_of_labels(upstream: Upstream) -> None:
    ask = Asking(upstream)
    for content, found in (
        ("refund\ncancel", ["cancel", "refund"]),
        ("- Refund\n\n* cancel,\n- refund\n", ["cancel", "refund"]),
        ("none", []),
        ("None.", []),
        ("delivery", ["delivery"]),
    ):
        upstream.script = [content]
        assert json.loads(ask(several=True)) == found
    assert "answer none where no label fits" in upstream.asked[0][2]["messages"][0]["content"]
    for content in ("refund\nsunny", "", "none\nrefund", "refund, cancel"):
        upstream.script = [content]
        with pytest.raises(NoAnswerError):
            ask(several=True)


def test_retries_pause_longer_and_longer(upstream: Upstream) -> None:
    upstream.script = [(503, {}, {}), (500, {}, {}), "refund"]
    ask = Asking(upstream, retries=2)
    assert ask() == "refund"
    first, second = ask.pauses
    assert 0.1 <= first <= 0.3 and 0.2 <= second <= 0.6
    assert ask.circuit.failures == 0
    upstream.script = [(429, {"Retry-After": "2.5"}, {}), (429, {"Retry-After": "3600"}, {}),
                       (429, {"Retry-After": "Wed, 21 Oct 2030 07:28:00 GMT"}, {})]  # fmt: skip
    ask = Asking(upstream, retries=2)
    assert "429" in ask.fails("failed")
    assert ask.pauses == [2.5, 5.0]
    upstream.script = [(400, {}, {})]
    assert "400" in Asking(upstream, retries=2).fails("refused")  # not asked again
    assert len(upstream.asked) == 7


def test_the_deadline_holds_for_all_tries_together(upstream: Upstream) -> None:
    upstream.script = [5.0]
    ask = Asking(upstream, deadline_s=0.3, retries=5)
    started = time.monotonic()
    with pytest.raises(NoAnswerError) as failed:
        ask()
    assert failed.value.why in ("deadline", "failed")
    assert time.monotonic() - started < 4
    assert ask.circuit.failures >= 1


def test_the_circuit_opens_and_closes_again(upstream: Upstream) -> None:
    ask = Asking(upstream)
    upstream.script = [(500, {}, {})]
    for _ in range(3):
        ask.fails("failed")
    ask.fails("circuit_open")
    assert len(upstream.asked) == 3
    ask.clock.now += 31
    ask.fails("failed")  # one try
    ask.fails("circuit_open")
    assert len(upstream.asked) == 4
    ask.clock.now += 31
    upstream.script = ["refund"]
    assert [ask(), ask()] == ["refund", "refund"]
    # What an endpoint refuses says that it works.
    upstream.script = [(500, {}, {})]
    for _ in range(3):
        ask.fails("failed")
    ask.clock.now += 31
    upstream.script = [(400, {}, {}), "refund"]
    ask.fails("refused")
    assert ask() == "refund"


def test_an_endpoint_that_is_not_there_or_speaks_something_else(upstream: Upstream) -> None:
    for body in (b"<html>", b"[]", b"\xff"):
        upstream.script = [(200, {}, body)]
        Asking(upstream).fails("failed")
    upstream.script = [(302, {"Location": "http://127.0.0.1:9/"}, {})]
    Asking(upstream).fails("refused")
    for usage in (None, [], "x", {"prompt_tokens": "many"}, {"prompt_tokens": -5}):
        upstream.script = [completion("refund") | {"usage": usage}]
        assert Asking(upstream)() == "refund"
    upstream.url = "http://127.0.0.1:9/v1"
    assert "ConnectError" in Asking(upstream).fails("failed")


def test_a_day_has_its_money(upstream: Upstream) -> None:
    ask = Asking(upstream, per_day=2.0)
    assert [ask(), ask()] == ["refund", "refund"]  # 1.02 each
    assert ask.spending.usd == pytest.approx(2.04)
    assert "2 USD" in ask.fails("spent")
    ask.day = "2030-01-02"
    assert ask() == "refund"
    assert len(upstream.asked) == 3


def test_secrets_do_not_show() -> None:
    assert "sk-1" not in f"{Secret('sk-1')} {Secret('sk-1')!r} {[Secret('sk-1')]}"


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
