"""What a customer sees in the desk's proposals and choices: is it what was said, and wanted?"""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from functools import cache
from pathlib import Path

from desk.dialog.say import phrases
from measure.scene import Scene
from measure.told import phrase
from measure.variations import Variation, right, wanted

HELP = Path(__file__).parents[1] / "help"
_COMMON = frozenset(
    word[:5]
    for word in (
        "your",
        "with",
        "what",
        "when",
        "where",
        "from",
        "have",
        "this",
        "that",
        "will",
        "does",
        "order",
        "about",
    )
)
_TWO = {"en": "two", "de": "zwei"}


@cache
def _named(language: str, section: str) -> dict[str, str]:
    """What the desk calls each intent, in a section of its phrases."""
    templates = phrases(language).templates
    return {
        text: name.partition(".")[2]
        for name, text in templates.items()
        if name.startswith(f"{section}.")
    }


def intents_named(question: str, language: str) -> tuple[str, ...]:
    """The intents that a question spells out ("you want to cancel an order")."""
    return tuple(intent for text, intent in _named(language, "intent").items() if text in question)


def choice_named(offered: str, language: str) -> str | None:
    """The intent that something offered stands for."""
    return _named(language, "choice").get(offered)


def something_else(language: str) -> str:
    return phrases(language).templates.get("form.else", "no")


def page_wanted(scene: Scene, request: str, titles: Sequence[str]) -> str | None:
    """The title of the page that answers; None where none of them does, as far as is known."""
    offered = [title for title in titles if title != something_else(scene.row.language)]
    if scene.pages is not None:
        known = page_ids()
        return next((title for title in offered if known.get(title) in scene.pages), None)
    said = _stems(request)
    shared = {title: len(said & _stems(title)) for title in offered}
    best = max(offered, key=lambda title: shared[title], default=None)
    return best if best is not None and shared[best] else None


@cache
def page_ids() -> dict[str, str]:
    """Of the shop's help pages, by title."""
    lines = (HELP / "faq.jsonl").read_text(encoding="utf-8").splitlines()
    pages = [json.loads(line) for line in lines if line.strip()]
    return {page["title"]: page["id"] for page in pages}


def _stems(text: str) -> frozenset[str]:
    """Longer words, without their ends."""
    return frozenset(word[:5] for word in re.findall(r"[^\W\d_]{4,}", text.casefold())) - _COMMON


def other_order(scene: Scene, proposed: str | None, question: str) -> bool:
    """Whether the proposal names the one of two orders that the row's wish is not about."""
    row = scene.row
    if scene.other is None or proposed not in row.wants:
        return False
    meant = scene.order_of(row.wants.index(proposed)).number
    return any(one.number in question and one.number != meant for one in scene.own)


def correction(scene: Scene, proposed: str | None, question: str) -> str | None:
    """What the customer meant instead, with placeholders; None where the proposal is right, or
    the row does not say."""
    if proposed == "change_address":
        same = _plain(scene.fill["address"]) in _plain(question)
        return None if same else "{address}"
    if proposed not in ("change_order", "exchange_item"):
        return None
    if scene.main.number not in question:
        return None
    want = wanted(scene.row)
    return None if want is None else _change(scene, want, question)


def _change(scene: Scene, want: Variation, question: str) -> str | None:
    name = phrase(question.splitlines()[-1], scene.row.language) or ""
    removes = name.startswith("confirm.remove_item")
    if want.adds:
        right_one = _plain(scene.fill["other_product"]) in _plain(question)
        return None if right_one else "{other_product}"
    if want.count is not None:
        if want.count <= 0:
            return None  # "one less" is worded in many ways
        wrong = removes or not re.search(rf"\b{want.count}\b", question)
        return _TWO.get(scene.row.language[:2], "two") if wrong else None
    line, sizes = scene.line, scene.row.answers.get("size")
    if not sizes or scene.line.product not in question:
        return None
    fitting = [one for one in line.made if right(want, line.made, line.now, one)]
    if want == Variation() or not fitting:
        return None
    words = {
        str(one.size if one.size != line.now.size else one.color)
        for one in fitting
        if one.size or one.color
    }
    # The item as it is now stands in the question, too.
    change = question.rpartition(line.product)[2]
    named = any(re.search(rf"\b{re.escape(word)}\b", change, re.I) for word in words)
    return None if named and not removes else sizes[-1]


def _plain(text: str) -> str:
    return " ".join(re.sub(r"[^\w]+", " ", text.casefold()).split())
