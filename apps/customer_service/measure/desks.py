"""Opens the desk that is measured: the real one with its bundles, or one with an oracle.

The people's queue is real in both, as is the shop.
"""

from __future__ import annotations

import re
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from desk.dialog import ServiceDesk, open_store
from desk.people import PeopleDatabase, Queue
from desk.shop import Shop
from desk.types import Knows, Passage, Request, Slot, Understands, Understood
from measure.play import Whispers
from measure.scene import Scene
from measure.world import NOW

_PLACES = re.compile(r"\{(order|other_order|foreign_order)\}")


@dataclass(slots=True)
class Watched:
    """A model, and what it said last."""

    model: Understands
    last: Understood | None = None

    def __call__(self, text: str) -> Understood:
        self.last = self.model(text)
        return self.last

    def take(self) -> Understood | None:
        last, self.last = self.last, None
        return last


@dataclass(slots=True)
class Opened:
    """desk: what is played against; started_ms: how long each step of the start took."""

    desk: ServiceDesk
    watched: Watched
    started_ms: Mapping[str, float]
    whisper: Whispers | None = None
    about: Mapping[str, Any] = field(default_factory=dict)


def open_desk(
    shop: Shop, folder: Path, understand: Path, help_pages: Path, topics: Path | None = None
) -> Opened:
    """The desk as it is served, one thread a model. topics: which pages are about what, where the
    desk uses it. Raises attar.AttarError for other files."""
    begun = time.perf_counter()
    # Importing the runtime is part of a start.
    import attar
    from desk.dialog import knowledge
    from desk.dialog.understanding import ModelUnderstands

    imported = time.perf_counter()
    model = ModelUnderstands(understand, threads=1)
    understands = time.perf_counter()
    about = {} if topics is None else {"topics": knowledge.read_topics(topics)}
    pages = knowledge.PagesKnow(help_pages, threads=1, **about)
    knows = time.perf_counter()
    opened = _open(shop, folder, model, pages)
    opened.started_ms = {
        "import": (imported - begun) * 1000,
        "model of messages": (understands - imported) * 1000,
        "model of pages": (knows - understands) * 1000,
        "tables": (time.perf_counter() - knows) * 1000,
    }
    opened.about = {
        "attar": attar.__version__,
        "understand": understand.name,
        "understand_bytes": understand.stat().st_size,
        "help_pages": help_pages.name,
        "help_pages_bytes": help_pages.stat().st_size,
    }
    return opened


def open_oracle(shop: Shop, folder: Path) -> Opened:
    """The rows' own truth in the place of the models: what remains wrong is the policy's."""
    oracle = Oracle()
    opened = _open(shop, folder, oracle, AnyPage())
    opened.whisper = oracle.whisper
    opened.about = {"understand": "oracle", "help_pages": "oracle"}
    return opened


def _open(shop: Shop, folder: Path, model: Understands, knows: Knows) -> Opened:
    begun = time.perf_counter()
    watched = Watched(model)
    people = PeopleDatabase(f"sqlite:///{folder / 'people.db'}")
    store = open_store(f"sqlite:///{folder / 'talks.db'}")
    queue = Queue(people)
    desk = ServiceDesk(watched, knows, shop, store, on_handed=queue.open, clock=lambda: NOW)
    return Opened(desk, watched, {"tables": (time.perf_counter() - begun) * 1000})


class Oracle:
    """Understands every message as its row says, with the slots that the row's text fills."""

    def __init__(self) -> None:
        self._now = Understood(())

    def __call__(self, text: str) -> Understood:
        return self._now

    def whisper(self, scene: Scene, raw: str, wants: tuple[str, ...]) -> None:
        self._now = Understood(
            tuple(
                Request(want, _slots(scene, raw, at, len(wants))) for at, want in enumerate(wants)
            )
        )


def _slots(scene: Scene, raw: str, at: int, of: int) -> dict[Slot, tuple[str, ...]]:
    found: dict[Slot, tuple[str, ...]] = {}
    numbers = [scene.fill[name] for name in _PLACES.findall(raw)]
    if of > 1:
        numbers = [number for number in numbers if number == scene.order_of(at).number]
    if numbers:
        found["order_number"] = tuple(numbers)
    for hole in ("product", "other_product"):
        if f"{{{hole}}}" in raw:
            found["product"] = (scene.fill[hole],)
    if "{address}" in raw:
        found["address"] = (scene.fill["address"],)
    if "{amount}" in raw:
        found["amount"] = (scene.fill["amount"],)
    return found


class AnyPage:
    """Has a page for everything."""

    def __call__(self, text: str) -> Passage | None:
        return Passage(f"page {text[:40]}", "A page", "(a page)", 0.9)

    def near(self, text: str, intent: str) -> tuple[Passage, ...]:
        return ()
