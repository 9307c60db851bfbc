"""One model's line: order, deadlines, load, errors."""

from __future__ import annotations

import asyncio
import random
import threading
import time
from collections.abc import Awaitable, Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import pytest

pytest.importorskip("starlette", reason="the extra serve is not installed")

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from attar.runtime.predictor import Predictor, load
from attar.serve.answering import Answering
from attar.serve.settings import Limits
from attar.serve.wire import HttpError

if TYPE_CHECKING:
    from serve.conftest import Serve

REFUND = "i want my refund"
FAR = 60.0  # seconds; a deadline that is not meant to pass
Result = TypeVar("Result")


class Gate:
    """A predictor that answers a text by itself, when it is let."""

    def __init__(self, is_open: bool = True) -> None:
        self.go, self.begun = threading.Event(), threading.Event()
        self.batches: list[list[str]] = []
        if is_open:
            self.go.set()

    def __call__(self, texts: Sequence[str]) -> list[str]:
        self.batches.append(list(texts))
        self.begun.set()
        assert self.go.wait(20)
        if "fail" in texts:
            raise RuntimeError("of the engine")
        return [f"<{text}>" for text in texts]

    def embed(self, texts: Sequence[str]) -> list[str]:
        return [f"[{text}]" for text in texts]

    @property
    def answered(self) -> list[str]:
        return [text for batch in self.batches for text in batch]


def with_line(
    gate: Gate, play: Callable[[Answering], Awaitable[Result]], waiting: int = 1_000
) -> Result:
    """Play with a line of one thread, which starts slow enough that texts are handed over."""

    async def whole() -> Result:
        line = Answering(gate, waiting, 1, lambda texts, seconds: None)  # type: ignore[arg-type]
        line.seconds_a_text = 0.01
        try:
            return await asyncio.wait_for(play(line), 30)
        finally:
            gate.go.set()
            line.close()

    return asyncio.run(whole())


def ask(line: Answering, *texts: str, seconds: float = FAR) -> asyncio.Task[list[Any]]:
    return asyncio.ensure_future(line.answer(texts, "label", time.monotonic() + seconds))


async def until(met: Callable[[], bool]) -> None:
    while not met():
        await asyncio.sleep(0.001)


def test_a_line_that_is_full_is_429_and_says_when_to_come_again() -> None:
    gate = Gate(is_open=False)

    async def play(line: Answering) -> None:
        first = ask(line, "a", "b")
        await until(gate.begun.is_set)
        second = ask(line, "c")
        await asyncio.sleep(0)
        with pytest.raises(HttpError) as refused:
            await ask(line, "d")
        assert (refused.value.status, refused.value.code) == (429, "overloaded")
        assert int(refused.value.headers["Retry-After"]) >= 1
        line.seconds_a_text = 5.0  # too long a wait for the deadline, were there room
        with pytest.raises(HttpError) as refused:
            await ask(line, seconds=1)
        assert int(refused.value.headers["Retry-After"]) == 15
        gate.go.set()
        assert [await first, await second] == [["<a>", "<b>"], ["<c>"]]
        line.seconds_a_text = 0.01
        assert line.waiting == 0
        assert await ask(line, "d") == ["<d>"]

    with_line(gate, play, waiting=3)


def test_a_deadline_that_passed_in_the_line_is_504() -> None:
    gate = Gate(is_open=False)

    async def play(line: Answering) -> None:
        first = ask(line, "a")
        await until(gate.begun.is_set)
        late, other = ask(line, "late", seconds=0.2), ask(line, "other")
        await asyncio.sleep(0.3)
        gate.go.set()
        with pytest.raises(HttpError) as refused:
            await late
        assert (refused.value.status, refused.value.code) == (504, "deadline_exceeded")
        assert [await first, await other] == [["<a>"], ["<other>"]]
        assert "late" not in gate.answered

    with_line(gate, play)


def test_what_is_canceled_is_not_answered() -> None:
    gate = Gate(is_open=False)

    async def play(line: Answering) -> None:
        first = ask(line, "a")
        await until(gate.begun.is_set)
        gone, large = ask(line, "gone"), ask(line, *["large"] * 40)
        await asyncio.sleep(0)
        gone.cancel()
        large.cancel()
        last = ask(line, "last")
        gate.go.set()
        assert [await first, await last] == [["<a>"], ["<last>"]]
        await until(lambda: line.waiting == 0)
        assert gate.answered == ["a", "last"]

    with_line(gate, play)


def test_an_error_reaches_all_that_wait_for_it_and_the_thread_goes_on() -> None:
    gate = Gate(is_open=False)

    async def play(line: Answering) -> None:
        first = ask(line, "a")
        await until(gate.begun.is_set)
        failing = [ask(line, "fail"), ask(line, "fail", "b"), ask(line, *["fail"] * 40)]
        await asyncio.sleep(0)
        gate.go.set()
        assert await first == ["<a>"]
        for one in failing:
            with pytest.raises(RuntimeError, match="of the engine"):
                await one
        assert await ask(line, "after") == ["<after>"]
        assert line.waiting == 0

    with_line(gate, play)


def test_texts_and_embeddings_do_not_mix() -> None:
    gate = Gate(is_open=False)

    async def play(line: Answering) -> None:
        first = ask(line, "a")
        await until(gate.begun.is_set)
        both = [ask(line, "b"), asyncio.ensure_future(line.answer(["c"], "embed", 1e12)),
                ask(line, "d")]  # fmt: skip
        await asyncio.sleep(0)
        gate.go.set()
        assert [await first, *[await one for one in both]] == [["<a>"], ["<b>"], ["[c]"], ["<d>"]]
        assert gate.batches[1] == ["b", "d"]  # taken together

    with_line(gate, play)


@settings(max_examples=25, deadline=None, database=None, suppress_health_check=list(HealthCheck))
@given(st.lists(st.integers(1, 70), min_size=1, max_size=12), st.booleans())
def test_each_gets_its_own_answers_in_order(sizes: list[int], quick: bool) -> None:
    gate = Gate()

    async def play(line: Answering) -> None:
        if quick:
            line.seconds_a_text = 0.0
        asked = [[f"{i}.{j}" for j in range(size)] for i, size in enumerate(sizes)]
        found = await asyncio.gather(*(ask(line, *texts) for texts in asked))
        assert found == [[f"<{text}>" for text in texts] for texts in asked]
        assert line.waiting == 0
        assert len(gate.answered) == sum(sizes)
        assert max(map(len, gate.batches)) <= 48

    with_line(gate, play)


def test_many_clients_get_the_predictors_own_answers(serve: Serve, tiny_bundle: Path) -> None:
    server = serve(limits=Limits(deadline_ms=20_000), workers=2)
    predictor = load(tiny_bundle)
    words = ["refund", "parcel", "cancel", "weather", "please", "my", "the", "now"]

    def client(seed: int) -> None:
        rng = random.Random(seed)
        for _ in range(12):
            texts = [" ".join(rng.choices(words, k=5)) for _ in range(rng.choice([1, 1, 3, 40]))]
            response = server.client.post("/v1/predict/tiny", json={"texts": texts})
            assert response.status_code == 200, response.text
            answers = response.json()["answers"]
            assert answers == [
                one.to_json() | {"answered_by": "nobody" if one.abstained else "model"}
                for one in predictor(texts)
            ]

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(client, range(8)))


def test_a_full_server_answers_429_over_http(serve: Serve) -> None:
    server = serve(limits=Limits(waiting=3))
    response = server.client.post("/v1/predict/tiny", json={"texts": [REFUND] * 4})
    assert response.status_code == 429
    assert int(response.headers["retry-after"]) >= 1
    assert response.json()["error"]["type"] == "rate_limit_error"
    assert server.client.post("/v1/predict/tiny", json={"texts": [REFUND] * 3}).status_code == 200


@pytest.mark.parametrize(
    ("seconds", "given", "threads", "workers"),
    [(0.001, None, 1, 4), (0.01, None, 4, 4), (0.01, 1, 1, 4), (0.01, 2, 2, 2)],
)
def test_a_slow_model_gets_every_processor(
    serve: Serve,
    monkeypatch: pytest.MonkeyPatch,
    seconds: float,
    given: int | None,
    threads: int,
    workers: int,
) -> None:
    monkeypatch.setattr("attar.serve.served._seconds_a_text", lambda predictor: seconds)
    monkeypatch.setattr("attar.serve.served.os.cpu_count", lambda: 4)
    loaded: list[int] = []

    def made(bundle: Any, threads: int, *more: Any, **options: Any) -> Predictor:
        loaded.append(threads)
        return Predictor(bundle, threads, *more, **options)

    monkeypatch.setattr("attar.serve.served.Predictor", made)
    server = serve(threads=given)
    assert loaded[-1] == threads
    assert server.service.models["tiny"].answering._workers == workers
    assert server.client.post("/v1/predict/tiny", json={"text": REFUND}).is_success


def test_deadlines_over_http(serve: Serve, monkeypatch: pytest.MonkeyPatch) -> None:
    server = serve(workers=1)
    line = server.service.models["tiny"].answering
    gate = Gate(is_open=False)
    gate.capabilities = ("label",)  # type: ignore[attr-defined]
    line.predictor, predictor = gate, line.predictor  # type: ignore[assignment]
    line.seconds_a_text = 0.01  # not on the event loop
    ask = {"url": "/v1/predict/tiny", "json": {"text": REFUND}}
    with ThreadPoolExecutor(2) as pool:
        held = pool.submit(server.client.post, **ask, headers={"X-Deadline-Ms": "1900"})
        assert gate.begun.wait(20)
        late = pool.submit(server.client.post, **ask, headers={"X-Deadline-Ms": "300"})
        time.sleep(0.6)
        line.predictor = predictor
        gate.go.set()
        assert late.result(20).status_code == 504
        held.result(20)
    for wrong in ("x", "0", "-1", "nan"):
        response = server.client.post(**ask, headers={"X-Deadline-Ms": wrong})
        assert response.json()["error"]["code"] == "invalid_header"
    assert server.client.post(**ask, headers={"X-Deadline-Ms": "1e9"}).status_code == 200
