"""What teaches a student best. Every entry sees some 32,000 texts, a sixth of a build's."""

from __future__ import annotations

from ablations.entry import FINE_TUNED, FROZEN, Entry
from attar.passes import Pass
from attar.passes.distill import Distill
from attar.passes.distill_layers import DistillLayers
from attar.passes.take_layers import TakeLayers
from attar.passes.trim_vocabulary import TrimVocabulary

FAMILY = "distillation"
TWO, THREE = (0, 5), (0, 2, 5)


def _soft(epochs: int, copies: int, gold_weight: float = 0.3) -> Distill:
    return Distill(epochs=epochs, learning_rate=4e-4, copies=copies, gold_weight=gold_weight)


def _inside(relations: float, hidden: float, attention: float) -> DistillLayers:
    return DistillLayers(
        epochs=1,
        copies=1,
        relation_weight=relations,
        hidden_weight=hidden,
        attention_weight=attention,
    )


def _entry(
    what: str, *steps: Pass, layers: tuple[int, ...] = TWO, teacher: str | None = None
) -> Entry:
    name = f"{len(layers)} layers: {what}"
    before = (TrimVocabulary(), TakeLayers(layers))
    return Entry(name, FAMILY, "pretrained", (*before, *steps), teacher=teacher)


ENTRIES = (
    _entry("gold labels alone", _soft(4, 0, gold_weight=1.0)),
    _entry("soft labels, no copies", _soft(4, 0)),
    _entry("soft labels, 1 altered copy", _soft(2, 1)),
    _entry("soft labels, 3 altered copies", _soft(1, 3)),
    _entry("soft labels of the fine-tuned teacher alone", _soft(2, 1), teacher=FINE_TUNED),
    _entry("soft labels of the frozen teacher alone", _soft(2, 1), teacher=FROZEN),
    _entry("attention relations, then soft labels", _inside(1, 0, 0), _soft(1, 1)),
    _entry("hidden states, then soft labels", _inside(0, 1, 0), _soft(1, 1)),
    _entry("hidden states and attention, then soft labels", _inside(0, 1, 0.1), _soft(1, 1)),
    _entry("relations and hidden states, then soft labels", _inside(1, 1, 0), _soft(1, 1)),
    _entry("soft labels, 1 altered copy", _soft(2, 1), layers=THREE),
    _entry(
        "relations and hidden states, then soft labels",
        _inside(1, 1, 0),
        _soft(1, 1),
        layers=THREE,
    ),
)
