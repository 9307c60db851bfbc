"""What a large model would have cost for the messages that the desk answered itself.

Counted are the texts alone: the message, all that was said before it in the conversation, and the
reply, at four characters a token; instructions, help pages and thinking come on top, so the bill is
a lower bound unless `instructions` says more. The machine is paid for every hour of the period,
busy or not, and what was handed over to a large model is paid at the same price. Prices are list
prices with their dates and never looked up.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

CHARACTERS_A_TOKEN = 4


@dataclass(frozen=True, slots=True)
class Price:
    """input, output: USD a million tokens. date: YYYY-MM."""

    model: str
    input: float
    output: float
    source: str
    date: str


PRICES = (
    Price("GPT-5.4 mini", 0.75, 4.50, "OpenAI API pricing", "2026-04"),
    Price("Claude Haiku 4.5", 1.00, 5.00, "Claude API pricing", "2026-04"),
    Price("Claude Sonnet 4.6", 3.00, 15.00, "Claude API pricing", "2026-04"),
    Price("Gemini 2.5 Flash-Lite", 0.10, 0.40, "Gemini Developer API pricing", "2026-01"),
)


@dataclass(frozen=True, slots=True)
class Machine:
    name: str = "AWS EC2 c6i.large, on demand, US East"
    usd_per_hour: float = 0.085
    source: str = "Amazon EC2 On-Demand Pricing"
    date: str = "2026-04"


def priced(model: str | None) -> Price:
    """Raises ValueError, naming those that there are."""
    for price in PRICES:
        if model in (None, price.model):
            return price
    names = ", ".join(price.model for price in PRICES)
    raise ValueError(f"model: there is no price of {model!r}; there are {names}")


def saved(
    messages: Iterable[Any], hours: float, price: Price, machine: Machine, instructions: int = 0
) -> dict[str, Any]:
    """messages: rows of the table, in the order of time. instructions: tokens of every prompt
    beside what was said. hours: for which the machine is paid."""
    before: dict[str, int] = {}
    answered, tokens_in, tokens_out, handed = 0, 0.0, 0.0, 0.0
    for row in messages:
        history = before.get(row.conversation, 0)
        before[row.conversation] = history + row.characters_in + row.characters_out
        if row.by_person:
            continue
        answered += 1
        tokens_in += (history + row.characters_in) / CHARACTERS_A_TOKEN + instructions
        tokens_out += row.characters_out / CHARACTERS_A_TOKEN
        if row.large_requests:
            # As it counts itself; a server that does not say is taken to have read the message.
            least = row.large_requests * (row.characters_in / CHARACTERS_A_TOKEN + instructions)
            handed += (row.large_in or least) * price.input + (row.large_out or 0) * price.output
    large = (tokens_in * price.input + tokens_out * price.output) / 1e6
    own = hours * machine.usd_per_hour
    each = large / answered if answered else 0.0
    return {
        "messages": answered,
        "tokens_in": round(tokens_in),
        "tokens_out": round(tokens_out),
        "large_usd": round(large, 4),
        "machine_usd": round(own, 4),
        "handed_usd": round(handed / 1e6, 4),  # to the large model
        "saved_usd": round(large - own - handed / 1e6, 4),
        # From so many messages an hour on, a machine that is always on costs less.
        "even_an_hour": math.ceil(machine.usd_per_hour / each) if each else None,
        "model": price.model,
        "price": f"{price.input:g} and {price.output:g} USD a million tokens in and out "
        f"({price.source}, {price.date})",
        "machine": f"{machine.name}, {machine.usd_per_hour:g} USD an hour for {hours:.1f} hours "
        f"({machine.source}, {machine.date})",
        "instructions": instructions,
    }
