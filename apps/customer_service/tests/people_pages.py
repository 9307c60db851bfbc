"""A desk with its people's routes, two agents, and a conversation that was handed over."""

from __future__ import annotations

import hashlib
from pathlib import Path

from starlette.applications import Starlette

from desk.app import make_app
from desk.dialog import open_store
from desk.people import People, PeopleDatabase, Queue, Recorder
from dialog_shop import Chat, page

KEYS = {"alice": "key-of-alice", "bob": "key-of-bob"}


class Agency:
    """app: everything mounted; chat: speaks with the desk as a customer does."""

    def __init__(self, folder: Path) -> None:
        self.database = PeopleDatabase(f"sqlite:///{folder / 'people.db'}")
        self.queue = Queue(self.database)
        self.recorder = Recorder(self.database)
        self.store = open_store(f"sqlite:///{folder / 'desk.db'}")
        self.chat = Chat(store=self.store, on_handed=self.queue.open)
        # The chat scripts what is understood; its desk is asked through the recorder.
        scripted = self.recorder.understands(lambda text: self.chat.understood)
        self.chat.desk._understands = scripted  # type: ignore[attr-defined]
        self.desk = self.chat.desk
        self.chat.desk = self.recorder.desk(self.desk)  # type: ignore[assignment]
        digests = {name: hashlib.sha256(key.encode()).hexdigest() for name, key in KEYS.items()}
        self.people = People(
            self.desk, self.database, digests, queue=self.queue, knows=page,
            documents={"store-york": "Our shop in York", "delivery": "Delivery"},
        )  # fmt: skip
        self.app: Starlette = make_app(self.chat.desk, also=self.people.routes())

    def hand_over(self, name: str = "chat") -> None:
        self.chat.name = name
        self.chat.say("where is MF-10003, anna@mail.example", "order_status")
        self.chat.say("hm, the thing with York", "store_info", abstained=True)
        self.chat.say("zzz", abstained=True)
        self.chat.say("let me talk to a person", "speak_to_person")
        self.recorder.flush()

    def close(self) -> None:
        self.recorder.close()
        self.database.close()
        self.store.close()
