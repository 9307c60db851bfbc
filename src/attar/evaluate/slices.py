"""Where the model fails: accuracy on parts of the rows, and on altered texts.

Every slice carries a 95 % two-sided Clopper-Pearson interval, which assumes independent
rows. The intervals are for one slice each, not corrected for there being many, and decide
no claim; only `bias_table` corrects for how many groups it compares. The altered texts
imitate careless typing. They are not drawn from anybody's traffic.
"""

from __future__ import annotations

import hashlib
import operator
import random
import unicodedata
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from attar.evaluate.statistics import clopper_pearson, holm
from attar.types import Row
from attar.words import words_of

Choice = TypeVar("Choice")

PERTURBATIONS = ("typos", "lower case", "upper case", "no punctuation")
AS_WRITTEN = "as written"
ALPHA = 0.025  # each side
LENGTHS = (
    ("short (up to 5 words)", 5),
    ("medium (6 to 12 words)", 12),
    ("long (over 12 words)", None),
)
GROUP_ROWS = 10  # fewer say nothing about a group
MOST_GROUPS = 50
TWO_TYPOS = 0.5  # share of texts that get a second typo
KEYBOARD = ("qwertyuiop", "asdfghjkl", "zxcvbnm")


def slices(
    rows: Sequence[Row],
    right: NDArray[np.bool_],
    group: bool = True,
    labels_of: Callable[[str | None], Sequence[str]] = lambda label: (label,) if label else (),
) -> list[dict[str, Any]]:
    """Accuracy by gold label, by length in words, and by the user's group where one is given.

    rows: in scope. right: (rows,). labels_of: the labels that a row's label stands for; a
    row with several is in the slice of each. group: False leaves the groups out. Entries are
    {kind, name, rows, accuracy, lower, upper}; a slice without rows is no slice.
    """
    labels = [labels_of(row.label) for row in rows]
    lengths = [_length(row.text) for row in rows]
    found = [
        _entry("label", name, int(right[having].sum()), int(having.sum()))
        for name in sorted({name for some in labels for name in some})
        for having in [np.array([name in some for some in labels], bool)]
    ]
    found += [_of(lengths, right, "length", name) for name, _ in LENGTHS if name in lengths]
    if group:
        groups = [row.group for row in rows]
        found += [_of(groups, right, "group", name) for name in _large(groups)]
    return found


def perturbed_slices(
    predict: Callable[[Sequence[str]], Sequence[str]],
    rows: Sequence[Row],
    is_right: Callable[[str | None, str], bool] = operator.eq,
    seed: int = 0,
) -> list[dict[str, Any]]:
    """Accuracy on the texts as written, then on each of PERTURBATIONS, of the same rows.

    predict: texts -> the label named for each. is_right: of a gold label and a named one. Texts
    that a perturbation leaves alone count too: the figure is about all traffic typed in that
    manner.
    """
    if not rows:
        return []
    variants = {AS_WRITTEN: [row.text for row in rows]}
    for kind in PERTURBATIONS:
        variants[kind] = [perturb(row.text, kind, seed) for row in rows]
    found = []
    for name, texts in variants.items():
        pairs = zip(predict(texts), rows, strict=True)
        successes = sum(is_right(row.label, label) for label, row in pairs)
        found.append(_entry("perturbation", name, successes, len(rows)))
    return found


def worst(slices: Sequence[dict[str, Any]]) -> dict[str, Any] | None:
    """The slice with the smallest upper bound: the one that is most surely bad.

    The smallest accuracy would name a slice of three rows that was unlucky; the upper
    bound of so few rows is high. The interval of the named slice is not corrected for its
    having been picked. "as written" is no part of the rows, so it is never named.
    """
    parts = [s for s in slices if (s["kind"], s["name"]) != ("perturbation", AS_WRITTEN)]
    return min(parts, key=lambda s: (s["upper"], s["accuracy"]), default=None)


def bias_table(rows: Sequence[Row], right: NDArray[np.bool_]) -> list[dict[str, Any]]:
    """Each group's accuracy beside that of all rows of other groups, largest group first.

    Entries are {name, rows, accuracy, others, difference, p_value}. p_value: Fisher's
    exact test, two-sided, of "this group is answered as well as the others",
    Holm-adjusted over the groups shown. Rows without a group are left out; empty where
    there are no two groups to compare.
    """
    from scipy.stats import fisher_exact

    groups = [row.group for row in rows]
    grouped = np.array([name is not None for name in groups], bool)
    found, p_values = [], []
    for name in _large(groups):
        inside = np.array([other == name for other in groups], bool)
        mine, others = right[inside], right[grouped & ~inside]
        if not len(others):
            continue
        table = [[int(part.sum()), int((~part).sum())] for part in (mine, others)]
        p_values.append(min(1.0, float(fisher_exact(table).pvalue)))
        found.append(
            {
                "name": name,
                "rows": len(mine),
                "accuracy": round(float(mine.mean()), 6),
                "others": round(float(others.mean()), 6),
                "difference": round(float(mine.mean() - others.mean()), 6),
            }
        )
    adjusted = holm(p_values)
    return [{**entry, "p_value": round(p, 6)} for entry, p in zip(found, adjusted, strict=True)]


def perturb(text: str, kind: str, seed: int) -> str:
    """The text as a careless writer would have sent it; kind: one of PERTURBATIONS.

    Depends on nothing but the arguments, so that the order of rows does not matter. A text
    that the kind cannot alter comes back as it is, and no text becomes empty.
    """
    if kind == "typos":
        return _with_typos(text, kind, seed)
    if kind == "lower case":
        return text.lower()
    if kind == "upper case":
        return text.upper()
    if kind == "no punctuation":
        return _without_punctuation(text)
    raise ValueError(f"kind = {kind!r}: expected one of {', '.join(PERTURBATIONS)}")


def _with_typos(text: str, kind: str, seed: int) -> str:
    key = f"{kind}\0{seed}\0{text}".encode("utf-8", "surrogatepass")
    rng = random.Random(int.from_bytes(hashlib.sha256(key).digest()[:8], "big"))
    twice = rng.random() < TWO_TYPOS
    once = _mistype(text, rng)
    again = _mistype(once, rng) if twice else once
    return once if again == text else again  # the second can undo the first


def _mistype(text: str, rng: random.Random) -> str:
    """One typo that changes the text: a neighboring key, two letters swapped, one dropped.

    Never in the first letter of a word, where people look. Writing that has no place on
    the keyboard is swapped or dropped.
    """
    places = [i for i in range(1, len(text)) if text[i - 1].isalpha() and text[i].isalpha()]
    if not places:
        return text
    at = _pick(places, rng)
    before, letter = text[at - 1], text[at]
    sort = _pick(("neighbor", "swap", "drop"), rng)
    near = _neighbors(letter.lower())
    if sort == "neighbor" and near:
        wrong = _pick(near, rng)
        return text[:at] + (wrong.upper() if letter.isupper() else wrong) + text[at + 1 :]
    if sort != "drop" and before != letter:
        return text[: at - 1] + letter + before + text[at + 1 :]
    return text[:at] + text[at + 1 :]


def _pick(choices: Sequence[Choice], rng: random.Random) -> Choice:
    # random() alone is promised to give the same numbers in every version of Python.
    return choices[int(rng.random() * len(choices))]


def _neighbors(letter: str) -> str:
    """Letters left and right of this one on a QWERTY keyboard; empty for other writing."""
    for line in KEYBOARD:
        at = line.find(letter)
        if at >= 0:
            return line[max(0, at - 1) : at] + line[at + 1 : at + 2]
    return ""


def _without_punctuation(text: str) -> str:
    """Dashes and slashes part words and become spaces; other punctuation goes."""
    kept = []
    for character in text:
        category = unicodedata.category(character)
        if category == "Pd" or character == "/":
            kept.append(" ")
        elif not category.startswith("P"):
            kept.append(character)
    bare = "".join(kept)
    return text if bare == text else " ".join(bare.split()) or text


def _length(text: str) -> str:
    words = len(words_of(text))
    return next(name for name, most in LENGTHS if most is None or words <= most)


def _large(groups: Iterable[str | None]) -> list[str]:
    """The groups with enough rows, the largest first, MOST_GROUPS at most."""
    counts = Counter(name for name in groups if name is not None)
    large = [name for name, rows in counts.items() if rows >= GROUP_ROWS]
    return sorted(large, key=lambda name: (-counts[name], name))[:MOST_GROUPS]


def _of(
    names: Sequence[str | None], right: NDArray[np.bool_], kind: str, name: str
) -> dict[str, Any]:
    hits = right[np.array([other == name for other in names], bool)]
    return _entry(kind, name, int(hits.sum()), len(hits))


def _entry(kind: str, name: str, successes: int, rows: int) -> dict[str, Any]:
    low, high = clopper_pearson(successes, rows, ALPHA)
    return {
        "kind": kind,
        "name": name,
        "rows": rows,
        "accuracy": round(successes / rows, 6),
        "lower": round(low, 6),
        "upper": round(high, 6),
    }
