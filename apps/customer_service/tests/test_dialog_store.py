"""The same contract for every store: one worker a turn, one reply a message, nothing lost."""

from __future__ import annotations

import shutil
import socket
import subprocess
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import pytest

from desk.dialog import Store, open_store
from desk.dialog.state import Conversation, Wish, from_json, to_json
from desk.dialog.store import Claim
from desk.types import Done, Passage, Reply, Turn
from dialog_shop import ANNA, Chat, MemoryShop
from free_ports import free_port

WISH = Wish("cancel_order", "cancel", "m1", 1, {"a": "b"}, {"confirm": 1}, "Sure?", True)
FULL = Conversation(
    *("c", "web", "de", (WISH,), "confirm", ANNA, ANNA, None, "a@b.example", 1, 1, 1, 1),
    *(("MF-1",), Wish("invoice", "i", "m0"), (("invoice", 0.25),), "asked", True, 3),
)
REPLY = Reply(
    ("Hi",), ("Yes",), Passage("d", "D", "…", 0.5), (Done("x", "R", {"a": "1"}),), "anger"
)


@pytest.fixture(params=["sqlite", "postgresql", "redis"])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    if request.param == "sqlite":
        yield f"sqlite:///{tmp_path / 'desk.db'}"
        return
    if request.param == "postgresql":
        yield request.getfixturevalue("dialog_postgres")
        return
    yield request.getfixturevalue("dialog_redis")


@pytest.fixture(scope="module")
def dialog_postgres() -> Iterator[str]:
    server = pytest.importorskip("postgres_server")
    if reason := server.missing():
        pytest.skip(reason)
    with server.running() as url:
        yield f"{url}postgres"


@pytest.fixture(scope="module")
def dialog_redis(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    pytest.importorskip("redis")
    program = shutil.which("redis-server")
    if program is None:
        pytest.skip("no redis-server on this machine: apt-get install redis-server")
    port = free_port()
    folder = tmp_path_factory.mktemp("redis")
    server = subprocess.Popen(
        [program, "--port", str(port), "--bind", "127.0.0.1", "--save", "", "--dir", str(folder)],
        stdout=subprocess.DEVNULL,
    )
    try:
        until = time.monotonic() + 10
        while time.monotonic() < until:
            try:
                socket.create_connection(("127.0.0.1", port), 1).close()
                break
            except OSError:
                time.sleep(0.05)
        yield f"redis://127.0.0.1:{port}/0"
    finally:
        server.terminate()
        server.wait(10)


@pytest.fixture
def store(url: str) -> Iterator[Store]:
    store = open_store(url)
    yield store
    store.close()


@pytest.fixture
def name(request: pytest.FixtureRequest) -> str:
    return request.node.name.replace("[", "-").replace("]", "")


def claimed(store: Store, name: str, key: str, lease: float = 10) -> Claim:
    claim = store.claim(name, key, lease)
    assert isinstance(claim, Claim)
    return claim


def test_state_comes_back() -> None:
    assert from_json(to_json(FULL)) == FULL


@pytest.mark.parametrize("text", ["[]", '{"format": 0}', '{"format": 1, "id": "c", "x": 1}'])
def test_unknown_states_are_refused(text: str) -> None:
    with pytest.raises(ValueError, match="state has"):
        from_json(text)


def test_a_turn_is_kept(store: Store, name: str) -> None:
    store.ping()
    assert store.load(name) is None
    assert store.turns(name) == ()
    claim = claimed(store, name, "m1")
    assert claim.conversation == Conversation(name)
    state = replace(FULL, id=name)
    turns = (Turn("customer", "Ünï\n😀", "2026", ("a",)), Turn("desk", "Hi", "2026", source="d"))
    assert store.finish(claim, state, turns, "m1", REPLY)
    assert store.load(name) == state
    assert store.turns(name) == turns
    assert store.claim(name, "m1") == REPLY
    assert claimed(store, name, "m2").conversation == state


def test_one_holder_at_a_time(store: Store, name: str) -> None:
    claim = claimed(store, name, "m1")
    assert store.claim(name, "m1") is None
    assert store.claim(name, "m2") is None
    assert isinstance(store.claim(name + "-other", "m1"), Claim)
    store.drop(claim)
    assert isinstance(store.claim(name, "m2"), Claim)


def test_a_claim_runs_out_and_the_late_worker_writes_nothing(store: Store, name: str) -> None:
    late = claimed(store, name, "m1", lease=0.05)
    time.sleep(0.1)
    second = claimed(store, name, "m1")
    assert not store.finish(late, replace(FULL, id=name), (), "m1", REPLY)
    store.drop(late)  # must not let go of the second's
    assert store.claim(name, "m2") is None
    assert store.finish(second, Conversation(name, spoken=1), (), "m1", Reply(("second",)))
    assert store.claim(name, "m1") == Reply(("second",))


def test_many_workers_take_every_message_once(url: str, name: str) -> None:
    """Four desks of their own, each message sent to all of them at once."""
    shop = MemoryShop()
    lock = threading.Lock()
    once = shop._once

    def locked(*given: object) -> Done:
        with lock:
            return once(*given)  # type: ignore[arg-type]

    shop._once = locked  # type: ignore[method-assign, assignment]
    chats = [Chat(shop, open_store(url), ANNA) for _ in range(4)]
    sent = ["cancel 10001", "yes", "where is 10002"]
    requests = {"cancel 10001": "cancel_order", "yes": "affirm", "where is 10002": "order_status"}
    with ThreadPoolExecutor(4) as workers:
        for number, text in enumerate(sent):

            def say(chat: Chat, text: str = text, key: str = f"{name}{number}") -> Reply:
                return chat.say(text, requests[text], key=key)

            replies = list(workers.map(say, chats))
            assert len({reply.texts for reply in replies}) == 1
    assert len(shop.acts) == 1
    assert len(chats[0].desk.turns("chat")) == 2 * len(sent)
    for chat in chats:
        chat.store.close()


def test_unknown_urls_are_refused() -> None:
    with pytest.raises(ValueError, match="'mysql'"):
        open_store("mysql://x")
