"""The large model behind an abstention: its label, retries, deadline, circuit and spending."""

from __future__ import annotations

import asyncio
import json
import time
from typing import Any

import pytest

httpx = pytest.importorskip("httpx", reason="the extra serve is not installed")

from attar.runtime.cascade import Circuit, LargeModel, NoAnswerError, Secret, Spending
from upstream import LABELS, WEATHER, Upstream, completion


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
