"""Replies and turns as JSON and back: what a store keeps beside the conversation's state."""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import Any

from desk.types import Done, Passage, Reply, Turn


def reply_to_json(reply: Reply) -> str:
    return json.dumps(asdict(reply), ensure_ascii=False)


def reply_from_json(text: str) -> Reply:
    held: dict[str, Any] = json.loads(text)
    source = held.get("source")
    return Reply(
        texts=tuple(held["texts"]),
        suggestions=tuple(held["suggestions"]),
        source=None if source is None else Passage(**source),
        done=tuple(Done(**one) for one in held["done"]),
        handed=held["handed"],
    )


def turn_to_json(turn: Turn) -> str:
    return json.dumps(asdict(turn), ensure_ascii=False)


def turn_from_json(text: str) -> Turn:
    held: dict[str, Any] = json.loads(text)
    return Turn(**held | {"intents": tuple(held["intents"])})
