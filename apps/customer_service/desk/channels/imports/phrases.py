"""What every kind of agent gives: phrases with an intent and marked values, entities, and what was
left out and why. And how they become rows."""

from __future__ import annotations

import tomllib
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

OUT_OF_SCOPE = "oos"


class ImportProblem(Exception):  # noqa: N818 - it is shown to people as it is
    """An export that cannot be read. The message names the file, what was expected, the mend."""


@dataclass(frozen=True, slots=True)
class Phrase:
    """spans: (start, end, name) in code points, the end not included. fallback: an example of
    what the agent does not do."""

    text: str
    intent: str
    spans: tuple[tuple[int, int, str], ...] = ()
    fallback: bool = False


@dataclass(slots=True)
class Agent:
    """entities: values with their synonyms, by name. skipped: how many phrases were, by why."""

    kind: str
    phrases: list[Phrase] = field(default_factory=list)
    entities: dict[str, list[tuple[str, tuple[str, ...]]]] = field(default_factory=dict)
    skipped: Counter[str] = field(default_factory=Counter)

    def add(self, parts: list[tuple[str, str | None]], intent: str, fallback: bool) -> None:
        """A phrase from its parts in order: text, and the name of the value that it is."""
        text = "".join(part for part, _ in parts)
        spans, at = [], 0
        for part, name in parts:
            if name is not None:
                spans.append((at, at + len(part), name))
            at += len(part)
        self.mark(text, spans, intent, fallback)

    def mark(
        self, text: str, spans: list[tuple[int, int, str]], intent: str, fallback: bool
    ) -> None:
        """A phrase with its spans; blanks at its ends, and at theirs, are left out."""
        if not text.strip():
            self.skipped["empty"] += 1
            return
        lead = len(text) - len(text.lstrip())
        kept, last = [], 0
        for start, end, name in sorted(spans):
            start, end = _trimmed(text, start, end)
            if start < end and start >= last:
                kept.append((start - lead, end - lead, name))
                last = end
        self.phrases.append(Phrase(text.strip(), intent, tuple(kept), fallback))


def _trimmed(text: str, start: int, end: int) -> tuple[int, int]:
    while start < end and text[start].isspace():
        start += 1
    while end > start and text[end - 1].isspace():
        end -= 1
    return start, end


@dataclass(frozen=True, slots=True)
class Names:
    """What the agent's names are called in the rows: those that are not named stay as they are;
    an empty name leaves the intent's phrases, or the slot's marks, out."""

    intents: Mapping[str, str] = field(default_factory=dict)
    slots: Mapping[str, str] = field(default_factory=dict)

    @classmethod
    def read(cls, path: Path) -> Names:
        """A TOML file with [intents] and [slots]: `"Order status" = "order_status"`."""
        try:
            values = tomllib.loads(path.read_text("utf-8"))
        except (OSError, UnicodeError, tomllib.TOMLDecodeError) as error:
            raise ImportProblem(f"{path}: {error}") from None
        for section, names in values.items():
            if section not in ("intents", "slots") or not isinstance(names, dict):
                raise ImportProblem(f"{path}: [intents] and [slots] are expected, not {section!r}")
            for name, to in names.items():
                if not isinstance(to, str):
                    raise ImportProblem(f"{path}: {section}.{name}: a text is expected")
        return cls(values.get("intents", {}), values.get("slots", {}))


def rows(agent: Agent, names: Names | None = None) -> Iterator[dict[str, Any]]:
    """Rows of `task = "extract"`. A phrase that is there twice is given once."""
    names = names or Names()
    given = set()
    for phrase in agent.phrases:
        label = OUT_OF_SCOPE if phrase.fallback else phrase.intent
        label = names.intents.get(phrase.intent, label)
        if not label or (label, phrase.text) in given:
            continue
        given.add((label, phrase.text))
        named = [(start, end, names.slots.get(name, name)) for start, end, name in phrase.spans]
        spans = [{"start": s, "end": e, "label": slot} for s, e, slot in named if slot]
        yield {"text": phrase.text, "label": label, "spans": spans}
