"""An entry of the ablation table: passes applied to the model of an earlier entry."""

from __future__ import annotations

from dataclasses import dataclass

from attar.passes import Pass

#: The fine-tuned MiniLM, whole and in float32: what a technique alone is applied to.
FINE_TUNED = "fine-tuned"
#: The other member of the teacher: MiniLM as published, with a fitted head.
FROZEN = "frozen"


@dataclass(frozen=True, slots=True)
class Entry:
    """start: the name of an earlier entry whose torch model the passes take; "pretrained"
    for the encoder as published. steps: passes in order; where the last of them gives a
    torch model, its float32 export is what is measured. needs: an extra or a remark.
    teacher: FINE_TUNED or FROZEN alone, None for the mean of both."""

    name: str
    family: str
    start: str
    steps: tuple[Pass, ...]
    remark: str = ""
    teacher: str | None = None
