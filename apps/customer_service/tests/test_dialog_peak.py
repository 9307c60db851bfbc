"""Two worker processes on one database, one of them killed mid-way: every conversation is
answered, and nothing is done twice."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

pytest.importorskip("desk.shop.actions")

from sqlalchemy import select

from desk.dialog import open_store
from desk.shop.database import Database
from desk.shop.schema import Action

COUNT = 40
_WORKER = """
import sys
sys.path[:0] = sys.argv[4:]
from desk.dialog import ServiceDesk, open_store
from desk.shop import Shop
from desk.types import Message, Request, Understood

def understands(text):
    return Understood((Request("complaint"),))

class Knows:
    def __call__(self, text):
        return None

    def near(self, text, intent):
        return ()

store, shop = open_store(sys.argv[1]), Shop(sys.argv[2])
desk = ServiceDesk(understands, Knows(), shop, store, lease=2)
for number in map(int, sys.argv[3].split(",")):
    text = f"I complain, a{number}@mail.example"
    reply = desk.take(Message(f"c{number}", "m", text, "peak"))
    print(number, reply.done[0].reference if reply.done else "-", flush=True)
"""


@pytest.mark.skipif(os.name != "posix", reason="kills as POSIX does")
def test_a_killed_worker_loses_nothing(tmp_path: Path) -> None:
    urls = [f"sqlite:///{tmp_path / name}" for name in ("desk.db", "shop.db")]
    open_store(urls[0]).close()
    Database(urls[1]).close()

    def start(numbers: list[int]) -> subprocess.Popen[str]:
        given = [*urls, ",".join(map(str, numbers)), *sys.path[:6]]
        return subprocess.Popen(
            [sys.executable, "-c", _WORKER, *given], stdout=subprocess.PIPE, text=True
        )

    # Both take all of them, from the two ends; what one has answered, the other gets again.
    numbers = list(range(COUNT))
    doomed, other = start(numbers), start(numbers[::-1])
    assert doomed.stdout is not None
    answered = [doomed.stdout.readline().split() for _ in range(8)]
    time.sleep(0.01)
    doomed.kill()
    doomed.communicate()
    told = dict(line.split() for line in other.communicate(timeout=120)[0].splitlines())
    assert other.returncode == 0
    assert told.keys() == {str(number) for number in numbers}
    assert "-" not in told.values()
    assert all(told[number] == reference for number, reference in answered)

    database = Database(urls[1])
    with database.reads() as session:
        done = session.scalars(select(Action).where(Action.outcome == "done")).all()
        assert sorted(str(action.key) for action in done) == sorted(f"c{n}/m/0" for n in numbers)
    database.close()
    store = open_store(urls[0])
    for number in numbers:
        assert [turn.said_by for turn in store.turns(f"c{number}")] == ["customer", "desk"]
    store.close()
