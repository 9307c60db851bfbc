"""Pairs of messages: one, the shop's answer to it, and what the customer says next.

As `written/train_follow.txt` has them: intent, previous message, previous answer and the follow-up
with marks ("[48213](order_number)"), with tabs between. `written/RULES.md` says how they are
written.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

_MARK = re.compile(r"\[([^\[\]]+)\]\(([a-z_.]+)\)")
_NUMBER = re.compile(r"(?<!\d)(\d{5})(?!\d)")


@dataclass(frozen=True, slots=True)
class FollowUp:
    """intent: what the follow-up means now; slots: what it says of each, in order."""

    where: str
    intent: str
    before: str
    answer: str
    says: str
    slots: Mapping[str, tuple[str, ...]]

    @property
    def numbers(self) -> tuple[str, ...]:
        """Five digits that all of it names, each once: orders of the customer."""
        text = f"{self.before} {self.answer} {self.says}"
        return tuple(dict.fromkeys(_NUMBER.findall(text)))


def read_follow_ups(file: Path) -> list[FollowUp]:
    """ValueError names the line that has not four parts."""
    found = []
    for number, line in enumerate(file.read_text(encoding="utf-8").splitlines(), 1):
        if not line.strip():
            continue
        parts = line.split("\t")
        if len(parts) != 4:
            raise ValueError(
                f"{file.name}, line {number}: {len(parts)} parts between tabs, expected 4: "
                "intent, previous message, previous answer, follow-up"
            )
        intent, before, answer, marked = parts
        slots: dict[str, tuple[str, ...]] = {}
        for value, name in _MARK.findall(marked):
            slot = name.rpartition(".")[2]
            slots[slot] = (*slots.get(slot, ()), value)
        says = _MARK.sub(r"\1", marked).replace(" | ", " ")
        where = f"{file.name}:{number}"
        found.append(FollowUp(where, intent, before, answer, says, slots))
    return found
