"""Plays one conversation against a desk, and writes down all that was said and done."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Literal, Protocol

from desk.types import Message, Reply, Understood
from measure.customer import Customer
from measure.scene import Scene
from measure.told import NOT_UNDERSTOOD, all_phrases

#: "before": an opening message before the one that asks; "again": the request said once more.
Kind = Literal["before", "opening", "answer", "again", "follow_up", "remark"]
_MOST_ANSWERS = 12  # in a row: more means that the desk asks in a circle


class Plays(Protocol):
    """What is played against: a desk whose state can be looked at."""

    def take(self, message: Message) -> Reply: ...
    def conversation(self, conversation: str) -> Any: ...


@dataclass(frozen=True, slots=True)
class Said:
    """One message and the reply. wants: what it asks for, by the row; understood: what the model
    said of it, None where it was not asked; asking: what the desk asks for afterwards; begun:
    intents that the desk began to deal with because of this message; ms: until the reply; cpu_ms:
    what the process worked for it, which other processes do not lengthen."""

    kind: Kind
    text: str
    wants: tuple[str, ...]
    reply: Reply
    understood: Understood | None
    asking: str | None
    about: str | None
    begun: tuple[str, ...]
    ms: float
    cpu_ms: float = 0.0


@dataclass(slots=True)
class Played:
    """turned_down: intents that the desk proposed and nobody wanted; proposed: intents that it
    asked to confirm; circle: it went on asking, and the customer gave up."""

    scene: Scene
    said: list[Said] = field(default_factory=list)
    turned_down: list[str] = field(default_factory=list)
    proposed: list[str] = field(default_factory=list)
    unready: list[str] = field(default_factory=list)
    circle: bool = False

    @property
    def handed(self) -> str | None:
        return next((one.reply.handed for one in self.said if one.reply.handed), None)

    @property
    def texts(self) -> tuple[str, ...]:
        return tuple(text for one in self.said for text in one.reply.texts)


#: Told before each message: the row's text, what it wants and the scene. For an oracle only.
Whispers = Callable[[Scene, str, tuple[str, ...]], None]


class Player:
    """understood: gives what the model said of the last message, and forgets it."""

    def __init__(
        self,
        desk: Plays,
        understood: Callable[[], Understood | None],
        *,
        whisper: Whispers | None = None,
        careless: bool = False,
        logged_in: bool = False,
    ) -> None:
        self._desk = desk
        self._understood = understood
        self._whisper = whisper
        self._careless = careless
        self._logged_in = logged_in

    def play(self, scene: Scene) -> Played:
        """The whole conversation, or until a person takes over."""
        row, played = scene.row, Played(scene)
        customer = Customer(scene, self._careless)
        wanted: list[str] = []
        last = len(row.says) - 1
        for place, text in enumerate(row.says):
            if played.handed:
                break
            if place == last:
                wanted += row.wants
            self._say(played, "opening" if place == last else "before", text,
                      row.wants if place == last else ())  # fmt: skip
        self._settle(played, customer, row.says[-1], row.wants, wanted)
        for after in row.then:
            if played.handed:
                break
            wants = (after.wants,) if after.wants else ()
            wanted += wants
            self._say(played, "follow_up" if wants else "remark", after.says, wants)
            self._settle(played, customer, after.says, wants, wanted)
        played.unready = customer.unready
        return played

    def _settle(
        self,
        played: Played,
        customer: Customer,
        request: str,
        wants: tuple[str, ...],
        wanted: list[str],
    ) -> None:
        """Answer until the desk asks no more; say the request once more where it was not
        understood, or taken for something else."""
        again = bool(wants)
        for _ in range(_MOST_ANSWERS):
            now = played.said[-1]
            if played.handed:
                return
            if now.asking is None:
                if (more := customer.goes_on()) is not None:
                    self._say(played, "answer", more, ())
                    continue
                phrases = all_phrases(now.reply.texts, played.scene.row.language)
                lost = any(name in NOT_UNDERSTOOD for name in phrases)
                if lost and again:
                    again = False
                    self._say(played, "again", request, wants)
                    continue
                if lost and not played.scene.row.wants and (more := customer.anything_else()):
                    if any(one.kind == "answer" for one in played.said):
                        return
                    self._say(played, "answer", more, ())
                    continue
                return
            if now.asking in ("confirm", "meant", "offer") and now.about:
                played.proposed.append(now.about)
            question = " ".join(now.reply.texts)
            customer.request = played.scene.put(request)
            text, why = customer.answers(
                now.asking, now.about, wanted, question, now.reply.suggestions
            )
            if why == "no":
                chooses = now.asking in ("choice", "page")
                played.turned_down.append(now.asking if chooses else now.about or now.asking)
            self._say(played, "answer", text, ())
            after = played.said[-1]
            if why == "no" and again and after.asking is None and not played.handed:
                again = False
                self._say(played, "again", request, wants)
        played.circle = played.said[-1].asking is not None

    def _say(self, played: Played, kind: Kind, raw: str, wants: tuple[str, ...]) -> None:
        scene = played.scene
        if self._whisper is not None:
            self._whisper(scene, raw, wants)
        key = f"m{len(played.said) + 1}"
        customer = scene.main.customer if self._logged_in and scene.row.order else None
        text = scene.put(raw)
        name = scene.row.id
        message = Message(name, key, text, "measure", customer, scene.row.language)
        begun_at, worked = time.perf_counter(), time.process_time()
        reply = self._desk.take(message)
        ms = (time.perf_counter() - begun_at) * 1000
        cpu_ms = (time.process_time() - worked) * 1000
        state = self._desk.conversation(name)
        wishes = [*state.wishes, *([state.settled] if state.settled else [])] if state else []
        wish = state.wishes[0] if state and state.wishes else None
        played.said.append(
            Said(
                kind,
                text,
                wants,
                reply,
                self._understood(),
                # A question about no wish in hand is none that the desk would read an answer to.
                state.asking if wish else None,
                wish.intent if wish else None,
                tuple(dict.fromkeys(one.intent for one in wishes if one.key == key)),
                ms,
                cpu_ms,
            )
        )
