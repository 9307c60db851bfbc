"""A worker process is killed between the deed and the reply; another goes on."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from desk.dialog import open_store
from dialog_shop import ANNA, Chat

_WORKER = """
import os, sys
sys.path[:0] = sys.argv[2:]
from desk.dialog import open_store
from dialog_shop import ANNA, Chat

class Audited(dict):
    def __setitem__(self, key, done):
        super().__setitem__(key, done)
        print(key, flush=True)

chat = Chat(store=open_store(sys.argv[1]), customer=ANNA)
chat.shop.acts = Audited()
chat.say("cancel 10001", "cancel_order")
chat.store.finish = lambda *_: os._exit(9)
chat.say("yes", "affirm", key="yes")
"""


@pytest.mark.skipif(os.name != "posix", reason="kills as POSIX does")
def test_another_worker_goes_on(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'desk.db'}"
    killed = subprocess.run(
        [sys.executable, "-c", _WORKER, url, *sys.path[:6]],
        capture_output=True,
        text=True,
        check=False,
    )
    assert killed.returncode == 9, killed.stderr
    chat = Chat(store=open_store(url), customer=ANNA)
    held = chat.store.claim("chat", "yes")
    assert held is None  # until the dead worker's claim runs out
    chat.store._clock = lambda: __import__("time").time() + 60  # type: ignore[attr-defined]
    reply = chat.say("yes", "affirm", key="yes")
    assert "is canceled" in reply.texts[0]
    # The same key: over the same shop, nothing would have been done again.
    assert list(chat.shop.acts) == killed.stdout.split()
    assert [turn.said_by for turn in chat.desk.turns("chat")] == ["customer", "desk"] * 2
    chat.store.close()
