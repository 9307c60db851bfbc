"""Where the model fails: accuracy on parts of the rows, and on altered texts; of answers that
are neither right nor wrong, their mean grade.

Every slice carries a 95 % two-sided interval (Clopper-Pearson, of grades Gaffke's), which assumes
independent rows. The intervals are for one slice each, not corrected for there being many,
and decide no claim; only `bias_table` corrects for how many groups it compares. The altered texts
imitate careless typing. They are not drawn from anybody's traffic.
"""

from __future__ import annotations

import hashlib
import random
import unicodedata
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from attar.evaluate.bounds import bounds_of
from attar.evaluate.statistics import clopper_pearson, holm
from attar.evidence import Ratio
from attar.types import Row
from attar.words import words_of

Choice = TypeVar("Choice")

PERTURBATIONS = ("typos", "lower case", "upper case", "no punctuation")
#: What leaves every character in its place.
CASES = ("lower case", "upper case")
AS_WRITTEN = "as written"
ALPHA = 0.025  # each side
LENGTHS = (
    ("short (up to 5 words)", 5),
    ("medium (6 to 12 words)", 12),
    ("long (over 12 words)", None),
)
DOCUMENT_LENGTHS = (
    ("short (up to 100 words)", 100),
    ("medium (101 to 500 words)", 500),
    ("long (over 500 words)", None),
)
Lengths = Sequence[tuple[str, int | None]]
#: Whether answers are right, bool, or how good they are, 0 to 1, float; (rows,).
Judged = NDArray[np.bool_] | NDArray[np.float64]
GROUP_ROWS = 10  # fewer say nothing about a group
MOST_GROUPS = 50
TWO_TYPOS = 0.5  # share of texts that get a second typo
KEYBOARD = ("qwertyuiop", "asdfghjkl", "zxcvbnm")


def slices(
    rows: Sequence[Row],
    right: Judged,
    group: bool = True,
    labels_of: Callable[[str | None], Sequence[str]] = lambda label: (label,) if label else (),
    lengths: Lengths = LENGTHS,
) -> list[dict[str, Any]]:
    """Accuracy by gold label, by length in words, and by the user's group where one is given.

    rows: in scope. right: (rows,). labels_of: the labels that a row's label stands for; a
    row with several is in the slice of each. group: False leaves the groups out. Entries are
    {kind, name, rows, accuracy, lower, upper}, or `grade` for accuracy; a slice without rows is
    no slice.
    """
    labels = [labels_of(row.label) for row in rows]
    long = [_length(row.text, lengths) for row in rows]
    found = [
        _entry("label", name, right[having])
        for name in sorted({name for some in labels for name in some})
        for having in [np.array([name in some for some in labels], bool)]
    ]
    found += [_of(long, right, "length", name) for name, _ in lengths if name in long]
    if group:
        groups = [row.group for row in rows]
        found += [_of(groups, right, "group", name) for name in _large(groups)]
    return found


def perturbed_slices(
    judge: Callable[[Sequence[Row]], Judged],
    rows: Sequence[Row],
    kinds: Sequence[str] = PERTURBATIONS,
    seed: int = 0,
    keep_places: bool = False,
) -> list[dict[str, Any]]:
    """Accuracy on the texts as written, then on each of `kinds`, of the same rows.

    judge: rows -> how right the answers to their texts are. Texts that a perturbation leaves
    alone count too: the figure is about all traffic typed in that manner. keep_places: leave
    alone those in which it would move characters ("ß" is two in upper case).
    """
    if not rows:
        return []
    variants = {AS_WRITTEN: list(rows)}
    for kind in kinds:
        texts = [perturb(row.text, kind, seed) for row in rows]
        if keep_places:
            pairs = zip(texts, rows, strict=True)
            texts = [text if len(text) == len(row.text) else row.text for text, row in pairs]
        variants[kind] = [replace(row, text=t) for row, t in zip(rows, texts, strict=True)]
    found = []
    for name, altered in variants.items():
        judged = judge(altered)
        if len(judged) != len(rows):
            raise ValueError(f"{len(judged)} answers to {len(rows)} texts")
        found.append(_entry("perturbation", name, judged))
    return found


def share_of(entry: Mapping[str, Any]) -> float:
    """The share right of a slice, or its mean grade."""
    share = entry.get("accuracy")
    return float(entry["grade"] if share is None else share)


def worst(slices: Sequence[dict[str, Any]]) -> dict[str, Any] | None:
    """The slice with the smallest upper bound: the one that is most surely bad.

    The smallest accuracy would name a slice of three rows that was unlucky; the upper
    bound of so few rows is high. The interval of the named slice is not corrected for its
    having been picked. "as written" is no part of the rows, so it is never named.
    """
    parts = [s for s in slices if (s["kind"], s["name"]) != ("perturbation", AS_WRITTEN)]
    return min(parts, key=lambda s: (s["upper"], share_of(s)), default=None)


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


def _length(text: str, lengths: Lengths) -> str:
    words = len(words_of(text))
    return next(name for name, most in lengths if most is None or words <= most)


def _large(groups: Iterable[str | None]) -> list[str]:
    """The groups with enough rows, the largest first, MOST_GROUPS at most."""
    counts = Counter(name for name in groups if name is not None)
    large = [name for name, rows in counts.items() if rows >= GROUP_ROWS]
    return sorted(large, key=lambda name: (-counts[name], name))[:MOST_GROUPS]


def _of(names: Sequence[str | None], right: Judged, kind: str, name: str) -> dict[str, Any]:
    return _entry(kind, name, right[np.array([other == name for other in names], bool)])


def _entry(kind: str, name: str, judged: Judged) -> dict[str, Any]:
    rows, figure = len(judged), "accuracy"
    if judged.dtype == bool:
        low, high = clopper_pearson(int(judged.sum()), rows, ALPHA)
    else:
        figure = "grade"
        low, high, _ = bounds_of(Ratio.mean(judged.astype(np.float64)))(ALPHA)
    return {
        "kind": kind,
        "name": name,
        "rows": rows,
        figure: round(float(judged.mean()), 6),
        "lower": round(low, 6),
        "upper": round(high, 6),
    }
