"""What a conversation is judged to be, and why."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

Kind = Literal["right", "wrong", "handed", "handed without need"]


@dataclass(frozen=True, slots=True)
class Fault:
    """kind: "wrong action", "nothing done", "wrong order", "wrong item", "wrong answer", "leak" or
    "not handed over"; what: of which request, or what was done or said."""

    kind: str
    what: str


@dataclass(frozen=True, slots=True)
class ToRead:
    """An answer that only a reader can judge."""

    intent: str
    asked: str
    source: str | None
    answer: str


@dataclass(slots=True)
class Verdict:
    """faults: of handed conversations only what was done or said wrongly before."""

    kind: Kind
    faults: list[Fault] = field(default_factory=list)
    to_read: list[ToRead] = field(default_factory=list)
