"""Short support messages in any number, with planted duplicates whose origin is known.

Seeded: the same count and seed give the same texts in the same order. A message is one
or two sentences from templates, with things, reasons and names filled in from a
vocabulary of made-up and common words, so that messages share phrases as real ones do
without being copies. Planted, at places drawn from the seed:

- 5 % copies: the same words in other case, with other punctuation or spacing;
- 10 % near-copies: one or two small edits (a word dropped, added, swapped or mistyped).

A near-copy of a short message may fall under the threshold: whoever judges a search
computes the similarity of the planted pairs (`near_duplicates.py` does).
"""

from __future__ import annotations

import random
from dataclasses import dataclass

COPIES = 0.05
NEAR_COPIES = 0.10

OPENINGS = {
    "refund": """
        i want my money back for the {thing}
        the {thing} came {state}, refund me please
        when will the refund for {thing} reach my {bank} card?""",
    "delivery": """
        where is my {thing}? it was due {day}
        the courier left the {thing} {place}
        tracking for the {thing} has not moved since {day}""",
    "account": """
        i cannot log in to {service}, it says {code}
        please change the e-mail of my {service} account to {name}@{word}.example
        how do i delete my {service} profile""",
    "billing": """
        why was i charged {amount} for {service}
        the invoice of {day} shows {amount} but i ordered one {thing}
        {service} took {amount} twice from my {bank} account""",
    "technical": """
        {service} crashes on my {device} with {code}
        the {thing} does not pair with my {device}
        since {day} the {device} app shows {code} when i open {service}""",
    "cancel": """
        cancel my order of the {thing} from {day}
        please stop my {service} plan before {day}
        i ordered the {thing} by mistake, take it off""",
    "exchange": """
        can i swap the {thing} for a {thing}
        the {thing} is too {size}, send me another
        i got a {thing} instead of the {thing}""",
    "other": """
        do you sell {thing} in {word}
        is the {word} shop open on {day}
        i would like to praise {name} of {service}""",
}
LABELS = tuple(OPENINGS)
LINES = {label: [s.strip() for s in lines.split("\n")[1:]] for label, lines in OPENINGS.items()}
GREETINGS = ("", "", "", "hi, ", "hello, ", "Good morning, ", "Dear team, ", "hey there ")
DETAILS = (
    *[""] * 5,
    " order {number}",
    ", it is {size} and {state}",
    ". I wrote to {name} on {day} already",
    " because the {thing} was {state}",
    ", {name} at {word} told me so",
    ". my {device} says {code}",
    " and i paid {amount} with {bank}",
)
CLOSINGS = ("", "", "", " thanks", " Thank you!", " please help", " asap", " kind regards, {name}")
STATES = ("broken", "scratched", "wet", "late", "empty", "used", "without its cable")
SIZES = ("small", "large", "heavy", "tight", "loud", "short", "bright", "dark")
DAYS = tuple(f"{day} {month}" for month in ("january", "march", "july") for day in range(1, 29))
PLACES = ("with a neighbor", "at the gate", "in the rain", "at the old address")
SYLLABLES = (
    "ba", "ke", "li", "mo", "nu", "ra", "se", "ti", "vo", "zu", "pla", "gre", "dri", "fen",
    "lor", "mus", "tan", "wei", "cho", "sil",
)  # fmt: skip
NOUNS = (
    "kettle", "lamp", "desk", "chair", "phone", "charger", "jacket", "shoes", "mixer",
    "router", "drone", "camera", "watch", "blanket", "printer", "bike", "helmet", "tent",
    "speaker", "monitor", "keyboard", "toaster", "mirror", "shelf",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Messages:
    """texts and labels in order; planted: (index of the original, index of its copy)."""

    texts: list[str]
    labels: list[str]
    planted: list[tuple[int, int]]


def messages(count: int, seed: int = 0) -> Messages:
    """`count` messages, COPIES and NEAR_COPIES of them planted."""
    rng = random.Random(seed)
    words = ["".join(rng.choices(SYLLABLES, k=rng.randint(2, 4))) for _ in range(20_000)]
    copies, near = round(COPIES * count), round(NEAR_COPIES * count)
    originals = count - copies - near
    made: list[tuple[str, str, int]] = []  # text, label, number of its original
    for number in range(originals):
        label = rng.choice(LABELS)
        made.append((_message(label, words, rng), label, number))
    for i in range(copies + near):
        text, label, number = made[rng.randrange(originals)]
        made.append(((_copy if i < copies else _near_copy)(text, rng), label, number))
    order = list(range(count))
    rng.shuffle(order)
    place = [0] * count
    for to, source in enumerate(order):
        place[source] = to
    planted = [(place[made[i][2]], place[i]) for i in range(originals, count)]
    texts, labels = [made[i][0] for i in order], [made[i][1] for i in order]
    return Messages(texts, labels, [(min(pair), max(pair)) for pair in planted])


def _message(label: str, words: list[str], rng: random.Random) -> str:
    pattern = (
        rng.choice(GREETINGS)
        + rng.choice(LINES[label])
        + rng.choice(DETAILS)
        + rng.choice(DETAILS)
        + rng.choice(CLOSINGS)
    )
    parts = pattern.split("{")
    filled = [parts[0]]
    for part in parts[1:]:
        slot, _, rest = part.partition("}")
        filled += [_value(slot, words, rng), rest]
    return "".join(filled)


def _value(slot: str, words: list[str], rng: random.Random) -> str:
    match slot:
        case "thing":
            return f"{rng.choice(words)} {rng.choice(NOUNS)}"
        case "state":
            return rng.choice(STATES)
        case "size":
            return rng.choice(SIZES)
        case "day":
            return rng.choice(DAYS)
        case "amount":
            return f"{rng.randint(1, 400)}.{rng.randint(0, 99):02} euro"
        case "number":
            return str(rng.randint(100_000, 99_999_999))
        case "code":
            return f"error {rng.randint(100, 9999)}"
        case "place":
            return rng.choice(PLACES)
        case _:  # a name: of a person, a service, a bank, a device
            return rng.choice(words)


def _copy(text: str, rng: random.Random) -> str:
    kind = rng.randrange(4)
    if kind == 0:
        return text
    if kind == 1:
        return text.upper()
    if kind == 2:
        return text.capitalize() + "!!"
    return text.replace(" ", "  ", 1) + " ..."


def _near_copy(text: str, rng: random.Random) -> str:
    words = text.split()
    for _ in range(rng.randint(1, 2)):
        at = rng.randrange(len(words))
        kind = rng.randrange(4)
        if kind == 0 and len(words) > 4:
            del words[at]
        elif kind == 1:
            words.insert(at, rng.choice(("really", "now", "also", "please", "just")))
        elif kind == 2 and at + 1 < len(words):
            words[at], words[at + 1] = words[at + 1], words[at]
        elif len(words[at]) > 3:
            cut = rng.randrange(1, len(words[at]) - 1)
            words[at] = words[at][:cut] + words[at][cut + 1 :]
    return " ".join(words)
