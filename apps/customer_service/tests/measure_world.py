"""A small shop, a scripted desk in it, and what the measurement makes of them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from types import SimpleNamespace
from typing import Any

from desk.dialog.say import phrases
from desk.shop import Shop
from desk.types import Message, Passage, Reply
from measure import world
from measure.deeds import Audit
from measure.judge import judge
from measure.leaks import Strangers
from measure.play import Played, Player
from measure.rows import Row, read_row
from measure.scene import Scene
from measure.verdicts import Verdict

#: What a scripted desk does with a message: something in the shop, and a reply.
Step = Callable[[Shop, Scene], Reply]
_NUMBERS = iter(range(10_000))


def row(outcome: str, *wants: str, **more: Any) -> Row:
    held = {
        "id": f"t{next(_NUMBERS)}",
        "outcome": outcome,
        "wants": list(wants),
        "order": None,
        "says": ["about {order}"],
        "answers": {},
        "then": [],
    }
    return read_row(held | more)


def say(*texts: str, page: str | None = None, **more: Any) -> Reply:
    source = Passage(page, page, texts[0], 0.9) if page else None
    return Reply(texts, source=source, **more)


def tell(name: str, **facts: object) -> str:
    return phrases("en")(name, **facts)


class Script:
    """Takes its steps one after the other, and the last one again. asking: what it asks for after
    each; about: the intent that it deals with."""

    def __init__(
        self, shop: Shop, scene: Scene, steps: Sequence[Step], asking: Sequence[str | None] = ()
    ) -> None:
        self.shop, self.scene, self.steps, self.asking = shop, scene, steps, asking
        self.heard: list[str] = []
        self.about = scene.row.wants[0] if scene.row.wants else "order_status"

    def take(self, message: Message) -> Reply:
        self.heard.append(message.text)
        step = self.steps[min(len(self.heard), len(self.steps)) - 1]
        return step(self.shop, self.scene)

    def conversation(self, conversation: str) -> Any:
        place = len(self.heard) - 1
        asking = self.asking[place] if place < len(self.asking) else None
        wish = SimpleNamespace(intent=self.about, key="m1", slots={})
        return SimpleNamespace(asking=asking, wishes=(wish,), settled=None, orders=(), email=None)


def play(
    shop: Shop, scene: Scene, *steps: Step, asking: Sequence[str | None] = (), about: str = ""
) -> tuple[Played, Verdict, Script]:
    """One conversation with a scripted desk, judged."""
    audit, strangers = Audit(shop), Strangers(shop)
    script = Script(shop, scene, steps, asking)
    script.about = about or script.about
    refunds = {
        one.number: (shop.refund_status(scene.main.customer, one.number).facts,)
        for one in scene.own
    }
    played = Player(script, lambda: None).play(scene)
    return played, judge(played, audit.new(), refunds, strangers.leaked(played)), script


def deal(shop: Shop, one: Row) -> Scene:
    return world.deal([one], shop, seed=len(one.id) + len(one.wants))[0]


def kinds(verdict: Verdict) -> list[str]:
    return sorted({fault.kind for fault in verdict.faults})
