"""What a customer sees in a proposal that the desk asks to confirm: is it what was said?"""

from __future__ import annotations

import re

from measure.scene import Scene
from measure.told import phrase
from measure.variations import Variation, right, wanted

_TWO = {"en": "two", "de": "zwei"}


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
