"""What was sent is known to every worker, and one worker at a time is at it."""

from __future__ import annotations

import shutil
import socket
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from desk.channels.delivered import CLAIM_S, DONE, Delivered, InProcess, InSql, delivered
from free_ports import free_port

Open = Callable[[], Delivered]
DAY = 86_400.0


class Clock:
    def __init__(self) -> None:
        self.now = 1_000_000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def redis_url(tmp_path: Path) -> Iterator[str]:
    program = shutil.which("redis-server")
    if program is None:
        pytest.skip("no Redis: install Debian's package redis-server")
    port = free_port()
    command = [program, "--port", str(port), "--bind", "127.0.0.1", "--save", ""]
    process = subprocess.Popen(command, cwd=tmp_path, stdout=subprocess.DEVNULL)
    try:
        end = time.monotonic() + 20
        while True:
            try:
                socket.create_connection(("127.0.0.1", port), 1).close()
                break
            except OSError:
                assert time.monotonic() < end, "Redis did not start"
                time.sleep(0.02)
        yield f"redis://127.0.0.1:{port}/0"
    finally:
        process.terminate()
        process.wait(10)


@pytest.fixture(params=["process", "sqlite", "redis"])
def opened(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Open]:
    """Opens the same store as another worker would (the same one where there is one process)."""
    url = None
    if request.param == "sqlite":
        pytest.importorskip("sqlalchemy", reason="the extra desk is not installed")
        url = f"sqlite:///{tmp_path / 'desk.db'}"
    elif request.param == "redis":
        pytest.importorskip("redis", reason="the extra redis is not installed")
        url = request.getfixturevalue("redis_url")
    alone = delivered(None, DAY)
    made: list[Delivered] = []

    def open_one() -> Delivered:
        made.append(alone if url is None else delivered(url, DAY))
        return made[-1]

    yield open_one
    for one in made:
        one.close()


def test_one_claims_and_another_waits(opened: Open) -> None:
    one, other = opened(), opened()
    assert one.claim("a") == 0
    assert other.claim("a") is None
    assert other.claim("b") == 0
    one.note("a", 1)
    one.free("a")
    assert other.claim("a") == 1  # goes on behind what was sent
    other.note("a", DONE)
    other.free("a")
    assert one.claim("a") is None


def test_of_many_at_once_one_gets_it(opened: Open) -> None:
    stores = [opened() for _ in range(4)]
    got: list[int | None] = []
    ready = threading.Barrier(8)

    def claim(store: Delivered) -> None:
        ready.wait(20)
        got.append(store.claim("x" * 5_000))

    threads = [threading.Thread(target=claim, args=(stores[n % 4],)) for n in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert sorted(got, key=str) == [0] + [None] * 7


@pytest.mark.parametrize("kind", ["process", "sqlite"])
def test_a_worker_that_died_is_followed(tmp_path: Path, kind: str) -> None:
    clock = Clock()
    if kind == "sqlite":
        pytest.importorskip("sqlalchemy", reason="the extra desk is not installed")
    url = f"sqlite:///{tmp_path / 'desk.db'}"
    store = InProcess(DAY, clock) if kind == "process" else InSql(url, DAY, clock)
    assert store.claim("a") == 0
    store.note("a", 1)
    clock.now += CLAIM_S - 1
    assert store.claim("a") is None
    clock.now += 2
    assert store.claim("a") == 1
    store.note("a", DONE)
    clock.now += DAY + 1  # forgotten, so that the store does not grow for ever
    assert store.claim("a") == 0
    store.close()
