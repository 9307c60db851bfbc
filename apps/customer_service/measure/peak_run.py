"""The sale day itself: customers come, first as many as usual, then ten times as many, and in the
middle a worker dies."""

from __future__ import annotations

import asyncio
import contextlib
import os
import random
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from measure.peak_clients import Clients, Talk
from measure.peak_desk import SERVER_KEY, Running
from measure.peak_scripts import Script

Kill = Literal["replaced", "not-replaced", "none"]
REPLAYS = 200  # messages that are sent once more at the end


@dataclass(frozen=True, slots=True)
class Plan:
    """arrivals: seconds at which conversations begin; sale: when the rate rises; ends: when nobody
    new comes; kill_at: seconds, None for never."""

    arrivals: tuple[float, ...]
    sale: float
    ends: float
    kill: Kill

    @property
    def kill_at(self) -> float | None:
        return None if self.kill == "none" else (self.sale + self.ends) / 2


@dataclass(slots=True)
class Day:
    """What was seen. lag_ms: by how much the customers' own clock was late."""

    talks: list[Talk]
    samples: list[dict[str, Any]] = field(default_factory=list)
    lag_ms: list[float] = field(default_factory=list)
    load: list[float] = field(default_factory=list)
    killed_at: float | None = None
    replayed: int = 0
    replies_differ: list[str] = field(default_factory=list)


def plan(
    an_hour: float, times: float, usual_s: float, sale_s: float, kill: Kill, seed: int = 3
) -> Plan:
    """Customers come independently of each other, at a rate (Poisson)."""
    chance = random.Random(seed)
    arrivals: list[float] = []
    now, ends = 0.0, usual_s + sale_s
    while True:
        usual = now < usual_s
        now += chance.expovariate(an_hour * (1 if usual else times) / 3600)
        if usual and now >= usual_s:
            now = usual_s  # drawn anew: the time since the last one tells nothing
        elif now >= ends:
            return Plan(tuple(arrivals), usual_s, ends, kill)
        else:
            arrivals.append(now)


async def play(
    desk: Running, scripts: Sequence[Script], plan: Plan, think_s: float, replays: int = REPLAYS
) -> Day:
    clients = Clients(desk.url, SERVER_KEY, think_s=think_s)
    day = Day(clients.talks)
    watching = [
        asyncio.create_task(_sample(desk, clients, day)),
        asyncio.create_task(_late(day)),
    ]
    if plan.kill_at is not None:
        watching.append(asyncio.create_task(_kill(desk, clients, plan, day)))
    try:
        async with asyncio.TaskGroup() as group:
            for at, script in zip(plan.arrivals, scripts, strict=True):
                if (left := at - clients.now()) > 0:
                    await asyncio.sleep(left)
                phase = "sale" if at >= plan.sale else "normal"
                group.create_task(clients.talk(script, phase))
        await _replay(clients, day, replays)
    finally:
        for task in watching:
            task.cancel()
        for task in watching:
            with contextlib.suppress(asyncio.CancelledError):
                await task
        await clients.close()
    return day


async def _kill(desk: Running, clients: Clients, plan: Plan, day: Day) -> None:
    assert plan.kill_at is not None
    await asyncio.sleep(plan.kill_at - clients.now())
    # In the middle of turns, not between them.
    while clients.open < 2 and clients.now() < plan.kill_at + 20:
        await asyncio.sleep(0.002)
    replaced = plan.kill == "replaced"
    desk.kill_busiest(replaced=replaced)
    day.killed_at = clients.now()


async def _replay(clients: Clients, day: Day, count: int) -> None:
    """Some messages once more, with their keys: they get the replies that they got."""
    answered = [(talk, s) for talk in day.talks for s in talk.sent if s.reply is not None]
    for talk, sent in random.Random(4).sample(answered, min(count, len(answered))):
        reply = await clients.again(talk, sent)
        day.replayed += 1
        if reply is None or reply["texts"] != (sent.reply or {})["texts"]:
            day.replies_differ.append(f"{talk.script.name}: {sent.key} was answered otherwise")


async def _sample(desk: Running, clients: Clients, day: Day) -> None:
    while True:
        workers = await asyncio.to_thread(desk.sample)
        day.samples.append({"at": clients.now(), "open": clients.open, "workers": workers})
        day.load.append(os.getloadavg()[0])
        await asyncio.sleep(5.0)


async def _late(day: Day) -> None:
    loop = asyncio.get_running_loop()
    while True:
        began = loop.time()
        await asyncio.sleep(0.1)
        day.lag_ms.append((loop.time() - began - 0.1) * 1000)
