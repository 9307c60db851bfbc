"""The conversations of a day as they stand in its file (see `written/DAY.md`).

A row says who wants what, in which words, and what a good desk makes of it. Nothing is played here.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, get_args

Outcome = Literal["answer", "action", "ticket", "person", "refuse"]
STATES = ("processing", "dispatched", "delivered", "returned", "refunded")
#: What customers are asked for in a row's `answers`.
ASKED = (
    "order_number", "product", "email", "address", "size", "reason", "confirm", "which",
    "anything_else",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class After:
    """What is said once the request was answered. wants: an intent of its own, else None."""

    says: str
    wants: str | None = None


@dataclass(frozen=True, slots=True)
class Row:
    """One conversation. order, other_order: states that the customer's orders must have; says: the
    opening messages; answers: to what the desk asks for, each used once and the last one again."""

    id: str
    outcome: Outcome
    wants: tuple[str, ...]
    order: str | None
    says: tuple[str, ...]
    answers: Mapping[str, tuple[str, ...]]
    then: tuple[After, ...] = ()
    other_order: str | None = None
    hostile: bool = False
    language: str = "en"

    @property
    def needs_something(self) -> bool:
        """Without a bot, a person must deal with it: neither out of scope nor hostile."""
        return bool(self.wants) and not self.hostile

    @property
    def all_wants(self) -> tuple[str, ...]:
        return (*self.wants, *(one.wants for one in self.then if one.wants))

    @property
    def texts(self) -> tuple[str, ...]:
        """All that the customer may say."""
        answers = (text for texts in self.answers.values() for text in texts)
        return (*self.says, *answers, *(one.says for one in self.then))


def read_days(files: Sequence[Path]) -> list[Row]:
    """The rows of all files. ValueError names file, line and what is wrong; ids are unique."""
    rows: list[Row] = []
    seen: dict[str, str] = {}
    for file in files:
        for number, line in enumerate(file.read_text(encoding="utf-8").splitlines(), 1):
            if not line.strip():
                continue
            where = f"{file.name}, line {number}"
            try:
                row = read_row(json.loads(line))
            except (ValueError, KeyError, TypeError) as why:
                raise ValueError(f"{where}: no conversation of a day: {why!r}") from why
            if row.id in seen:
                raise ValueError(f"{where}: the id {row.id} is taken by {seen[row.id]}")
            seen[row.id] = where
            rows.append(row)
    return rows


def read_row(held: Mapping[str, Any]) -> Row:
    """Raises KeyError, TypeError or ValueError for what is no row."""
    if held["outcome"] not in get_args(Outcome):
        raise ValueError(f"outcome {held['outcome']!r}: expected one of {get_args(Outcome)}")
    for name in ("order", "other_order"):
        if held.get(name) is not None and held[name] not in STATES:
            raise ValueError(f"{name} {held[name]!r}: expected null or one of {STATES}")
    if not held["says"]:
        raise ValueError("says: expected one message or more")
    if unknown := sorted(held["answers"].keys() - set(ASKED)):
        raise ValueError(f"answers: unknown keys {unknown}, expected some of {ASKED}")
    answers = {
        asked: tuple(said) if isinstance(said, list) else (str(said),)
        for asked, said in held["answers"].items()
    }
    then = tuple(
        After(one["says"], one["wants"]) if isinstance(one, dict) else After(str(one))
        for one in held["then"]
    )
    return Row(
        id=str(held["id"]),
        outcome=held["outcome"],
        wants=tuple(held["wants"]),
        order=held["order"],
        says=tuple(held["says"]),
        answers={asked: texts for asked, texts in answers.items() if texts},
        then=then,
        other_order=held.get("other_order"),
        hostile=bool(held.get("hostile", False)),
        language=str(held.get("language", "en")),
    )
