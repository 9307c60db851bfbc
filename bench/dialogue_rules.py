"""When a dialogue of MultiDoGO reaches a person: what a bot does with a turn, and the threshold.

A bot that reads a turn goes on with what it is doing, stops or declines, turns to a request, or
hands over. A reading is right if the bot does what the gold intents would have it do; which of
two intents it is matters only where the bot would do different things. Pure functions of
probabilities and gold intents: no model is known here.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from attar.evaluate.bounds import bounds_of
from attar.evidence import Ratio

SEVERAL = "<div>"  # between the intents of a turn that has several
OUT_OF_DOMAIN = "outofdomain"
PERSON, GO_ON, STOP, TELL, ASSENT = "person", "go on", "stop", "tell", "assent"
ENDINGS = {"rejection": STOP, "closinggreeting": STOP, OUT_OF_DOMAIN: PERSON}
TALKING = ("confirmation", "thankyou", "openinggreeting")
CUTS = 100

Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class Rule:
    """What a bot does with each intent that is no request, and with a request it has turned to."""

    name: str
    acts: Mapping[str, str]
    again: str

    def action(self, intent: str, begun: set[str]) -> str:
        return self.again if intent in begun else self.acts.get(intent, intent)


#: Requests decide, and whether the customer declines: what a turn tells is in its spans.
REQUESTS = Rule(
    "requests", {**dict.fromkeys((*TALKING, "contentonly"), GO_ON), **ENDINGS}, again=GO_ON
)
#: Besides, telling something is not agreeing, and a request repeated tells something.
ACTS = Rule(
    "requests and acts",
    {**dict.fromkeys(TALKING, ASSENT), "contentonly": TELL, **ENDINGS},
    again=TELL,
)


@dataclass(frozen=True, slots=True)
class Read:
    """Turns as read, in order. sure: (turns,), how likely what the bot would do is what the
    intents would have it do; -1 where it hands over anyway. right: (turns,). dialogue: (turns,)."""

    sure: Floats
    right: Bools
    dialogue: NDArray[np.int64]

    def where(self, kept: Bools) -> Read:
        return Read(self.sure[kept], self.right[kept], self.dialogue[kept])


def intents_of(label: str) -> list[str]:
    return label.split(SEVERAL)


def read_turns(
    dialogues: Sequence[Sequence[str]], likely: Floats, names: Sequence[str], rule: Rule
) -> Read:
    """What a bot makes of dialogues, each a list of its turns' gold labels.

    likely: (turns, names), probabilities of single intents, in the order of the dialogues. The
    bot does what is likeliest, the probabilities of all intents that come to the same added up.
    Requests it has turned to are those that it has read itself, rightly or wrongly. A turn with
    two new requests is right for no reading of one.
    """
    sure, right, dialogue, row = [], [], [], 0
    for number, labels in enumerate(dialogues):
        begun: set[str] = set()
        for label in labels:
            shares: dict[str, float] = {}
            for name, share in zip(names, likely[row].tolist(), strict=True):
                action = rule.action(name, begun)
                shares[action] = shares.get(action, 0.0) + share
            best = max(shares, key=lambda action: shares[action])
            wanted = {rule.action(intent, begun) for intent in intents_of(label)}
            if len(wanted) > 1:
                wanted.discard(rule.again)
            sure.append(-1.0 if best == PERSON else shares[best])
            right.append({best} == wanted)
            dialogue.append(number)
            begun |= {best} & set(names)
            row += 1
    return Read(np.array(sure), np.array(right, bool), np.array(dialogue))


def error(read: Read, threshold: float) -> Ratio:
    """Share right of the turns answered, whole dialogues being the unit: its complement is the
    error when answering."""
    answered = (read.sure >= threshold).astype(np.float64)
    return Ratio(answered * read.right, answered, read.dialogue)


def choose_threshold(design: Read, calibrate: Read, at_most: float, alpha: float) -> float | None:
    """The lowest threshold at which calibrate guarantees the error, by Learn then Test with a
    fixed sequence (Angelopoulos et al. 2021). design: other dialogues, which fix the sequence:
    from the threshold that they find safest, downwards. None where not even that one holds."""
    known = design.sure[design.sure >= 0]
    if not len(known):
        return None
    cuts = np.unique(np.quantile(known, np.linspace(0, 0.99, CUTS), method="lower"))[::-1]
    safe = [bounds_of(error(design, cut))(alpha).lower for cut in cuts]
    chosen = None
    for cut in cuts[int(np.argmax(safe)) :].tolist():
        if bounds_of(error(calibrate, cut))(alpha).lower < 1 - at_most:
            break
        chosen = cut
    return chosen


def redrawn(
    population: Read, sizes: tuple[int, int], at_most: float, alpha: float, draws: int
) -> float:
    """How often the threshold breaks its promise when the dialogues of design and of calibrate
    (sizes) are drawn from a population, with replacement, whose own error is the truth."""
    rng, broken = np.random.default_rng(0), 0
    members = np.split(
        np.arange(len(population.sure)), np.flatnonzero(np.diff(population.dialogue)) + 1
    )

    def drawn(size: int) -> Read:
        chosen = [members[i] for i in rng.integers(len(members), size=size)]
        rows = np.concatenate(chosen)
        numbers = np.repeat(np.arange(size), [len(one) for one in chosen])
        return Read(population.sure[rows], population.right[rows], numbers)

    for _ in range(draws):
        cut = choose_threshold(drawn(sizes[0]), drawn(sizes[1]), at_most, alpha)
        if cut is not None:
            broken += 1 - error(population, cut).value > at_most
    return broken / draws


@dataclass(frozen=True, slots=True)
class Contained:
    """Counts of dialogues. contained: every turn is answered. right: and every answer is right.
    asked_once: at most one turn is not answered, at which the bot asks once for other words."""

    dialogues: int
    contained: int
    right: int
    asked_once: int


def count(read: Read, answered: Bools) -> Contained:
    total = int(read.dialogue.max()) + 1
    missed = np.bincount(read.dialogue, ~answered, total)
    wrong = np.bincount(read.dialogue, answered & ~read.right, total)
    kept = missed == 0
    return Contained(
        total, int(kept.sum()), int((kept & (wrong == 0)).sum()), int((missed <= 1).sum())
    )
