"""Requests at home and the calls they ask for, made by templates: lights, timers, alarms, lists."""

from __future__ import annotations

import random
from typing import Any

FUNCTIONS: list[dict[str, Any]] = [
    {
        "type": "function",
        "function": {
            "name": "set_light",
            "description": "Turns a light on or off.",
            "parameters": {
                "type": "object",
                "properties": {
                    "room": {"type": "string", "enum": ["kitchen", "hall", "bed_room"]},
                    "on": {"type": "boolean"},
                    "percent": {"type": "integer", "minimum": 0, "maximum": 100},
                },
                "required": ["room", "on"],
            },
        },
    },
    {
        "name": "start_timer",
        "parameters": {
            "type": "object",
            "properties": {"duration": {"type": "string", "format": "duration"}},
            "required": ["duration"],
            "additionalProperties": False,
        },
    },
    {
        "name": "set_alarm",
        "parameters": {
            "type": "object",
            "properties": {
                "time": {"type": "string", "format": "time"},
                "days": {"type": "array", "items": {"type": "string"}},
            },
            "required": ["time"],
        },
    },
]
ROOMS = {"kitchen": "kitchen", "hall": "hall", "bed room": "bed_room"}
NUMBERS = {"five": 5, "ten": 10, "twenty": 20, "40": 40}
TIMES = {"half past eight": "08:30", "7 pm": "19:00", "noon": "12:00", "ten": "10:00"}
DAYS = ["monday", "friday", "sunday"]
IDLE = ["how are you", "tell me a joke", "what is the weather", "who are you", "sing a song"]
FILLER = [
    "please", "now", "hello", "thanks", "hey", "quick", "dear", "house", "today", "again", "would",
    "you", "kindly", "just", "so", "well", "okay", "could", "i", "want", "it", "my", "friend",
]  # fmt: skip
CONNECTED = ("and", "then", "in", "the", "a", "for", "to", "at", "on", "off", "light", "timer")
OTHER = ("alarm", "minutes", "set", "turn", "start", "wake", "me", "pm", "past", "half", "percent")


def words() -> list[str]:
    texts = [*ROOMS, *NUMBERS, *TIMES, *DAYS, *IDLE, *FILLER, *CONNECTED, *OTHER]
    return sorted({word for text in texts for word in text.split()})


def light(rng: random.Random) -> tuple[str, dict[str, Any]]:
    said = rng.choice([*ROOMS])
    on = rng.random() < 0.5
    arguments: dict[str, Any] = {"room": ROOMS[said], "on": on}
    text = f"turn {'on' if on else 'off'} the {said} light"
    if on and rng.random() < 0.4:
        number = rng.choice([*NUMBERS])
        arguments["percent"] = NUMBERS[number]
        text += f" to {number} percent"
    return text, {"name": "set_light", "arguments": arguments}


def timer(rng: random.Random) -> tuple[str, dict[str, Any]]:
    said = rng.choice([*NUMBERS])
    arguments = {"duration": f"PT{NUMBERS[said]}M"}
    return f"start a timer for {said} minutes", {"name": "start_timer", "arguments": arguments}


def alarm(rng: random.Random) -> tuple[str, dict[str, Any]]:
    said = rng.choice([*TIMES])
    arguments: dict[str, Any] = {"time": TIMES[said]}
    text = f"wake me at {said}"
    if rng.random() < 0.5:
        days = rng.sample(DAYS, rng.choice([1, 2]))
        arguments["days"] = days
        text += " on " + " and ".join(days)
    return text, {"name": "set_alarm", "arguments": arguments}


def rows(count: int, seed: int) -> list[dict[str, Any]]:
    """Of every eight rows one asks for nothing and one for two things."""
    rng = random.Random(seed)
    found = []
    for number in range(count):
        asked = {0: 0, 1: 2}.get(number % 8, 1)
        parts = [make(rng) for make in rng.sample([light, timer, alarm], asked)]
        text = " and ".join(part for part, _ in parts) or rng.choice(IDLE)
        around = rng.sample(FILLER, rng.randint(2, 6))
        cut = rng.randint(0, len(around))
        text = " ".join((*around[:cut], text, *around[cut:]))
        found.append({"text": text, "calls": [call for _, call in parts]})
    return found
