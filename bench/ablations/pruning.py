"""Pruning, each technique alone on the fine-tuned model, before and after healing.

Half of the compute: of the 28.5 million multiply-adds that a layer of MiniLM does at 16
tokens, 9.4 are the attention matrices (a twelfth of them a head), 18.9 the feed-forward
ones and 0.2 the attention itself.
"""

from __future__ import annotations

from ablations.chain import TAUGHT
from ablations.entry import FINE_TUNED, Entry
from attar.passes.distill import Distill
from attar.passes.export_onnx import ExportOnnx
from attar.passes.prune import Prune
from attar.passes.quantize import Quantize
from attar.passes.sparsify import Sparsify
from attar.passes.take_layers import TakeLayers
from attar.passes.trim_vocabulary import TrimVocabulary

#: One epoch over the train rows alone: seconds beside the minutes of a distillation.
HEALED = Distill(epochs=1, learning_rate=2e-4, head_factor=1.0, copies=0)

#: 8 of 12 heads and 608 of 1,536 neurons a layer: 49 % of the multiply-adds.
HALF = Prune(heads=8, feed_forward=608)


def healed(name: str) -> Entry:
    return Entry(f"{name}, healed", "pruning", name, (HEALED,))


ALONE = (
    Entry("half of the compute", "pruning", FINE_TUNED, (HALF,)),
    Entry("half of the heads", "pruning", FINE_TUNED, (Prune(heads=6),)),
    Entry("half of the neurons", "pruning", FINE_TUNED, (Prune(feed_forward=768),)),
    Entry("256 of 384 channels", "pruning", FINE_TUNED, (Prune(hidden=256),)),
    Entry("4 of 6 layers by importance", "pruning", FINE_TUNED, (TakeLayers(4),)),
    Entry("half of the weights zero, Wanda", "pruning", FINE_TUNED, (Sparsify(0.5),)),
)
ENTRIES = (
    *(entry for alone in ALONE for entry in (alone, healed(alone.name))),
    Entry(
        "half of the neurons, Taylor",
        "pruning",
        FINE_TUNED,
        (Prune(feed_forward=768, by="taylor"),),
    ),
    Entry(
        "half of the weights zero, magnitude", "pruning", FINE_TUNED, (Sparsify(0.5, "magnitude"),)
    ),
    Entry(
        "half of the weights zero, Wanda, healed, int8",
        "pruning",
        "half of the weights zero, Wanda, healed",
        (ExportOnnx(), Quantize()),
        "as large as with none: bundles store weights raw",
    ),
    Entry(
        "half of the compute, healed, int8",
        "pruning",
        "half of the compute, healed",
        (TrimVocabulary(), ExportOnnx(), Quantize()),
    ),
    Entry(
        "chain: two layers by importance, half of the neurons, int8",
        "pruning",
        FINE_TUNED,
        (TrimVocabulary(), TakeLayers(2, 768), TAUGHT, ExportOnnx(), Quantize()),
    ),
)
