"""Tickets written by a template: what happened and what is to be done, among small talk; the
reference says the former two in other words."""

from __future__ import annotations

import random
from typing import Any

CHATTER = (
    "Hello and thanks for the quick reply.", "I hope you are well today.", "Sorry to bother you.",
    "It is a very nice day here!", "Please say hi to the team.", "Thanks again, and bye.",
    "We like you very much 🙂.", "How is it going?",
)  # fmt: skip
THINGS = ("parcel", "refund", "order", "courier", "credit")
FAULTS = ("is late", "did not arrive", "was shipped again", "is not here yet")
DEEDS = ("cancel", "return", "undo", "stop")


def ticket(rng: random.Random, sections: bool) -> dict[str, Any]:
    thing = rng.choice(THINGS)
    problem = f"My {thing} {rng.choice(FAULTS)}."
    plan = f"I want you to {rng.choice(DEEDS)} the {thing}."
    facts = [problem, plan]
    rng.shuffle(facts)
    said = rng.sample(CHATTER, rng.randint(2, 5))
    at = sorted(rng.sample(range(len(said) + 1), 2))
    said[at[1] : at[1]], said[at[0] : at[0]] = [facts[1]], [facts[0]]
    lines = [f"{rng.choice(('Customer', 'Agent'))}: {sentence}" for sentence in said]
    reference: Any = {
        "problems": problem.replace("My", "The customer's"),
        "plan": plan.replace("I want you to", "It is for us to"),
    }
    if not sections:
        reference = " ".join(reference.values())
    return {"document": "\r\n".join(lines), "summary": reference}


def tickets(count: int, seed: int, sections: bool = True) -> list[dict[str, Any]]:
    rng = random.Random(seed)
    return [ticket(rng, sections) for _ in range(count)]
