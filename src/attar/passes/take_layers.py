"""Keep some layers of an encoder, and optionally narrow their feed-forward blocks.

This makes the student of the *layers* families. Layers keep their weights (as in
DistilBERT, Sanh et al. 2019). Of a feed-forward block the neurons stay that add most to
the hidden state on train rows, which needs no trained head; where there is one, `prune`
can narrow by what the loss says.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

from attar.errors import AttarError
from attar.passes import Artifact, Context, Pass
from attar.passes.prune import Prune, prune, sample
from attar.train.encoders import TransformerEncoder
from attar.train.importance import measure
from attar.train.layer_choice import layers_to_keep
from attar.train.models import Model

#: Texts that the choice of layers looks at: it compares means, and each costs a forward
#: pass a layer and layer dropped.
TEXTS = 256


@dataclass(frozen=True, slots=True)
class TakeLayers(Pass):
    """layers: indices kept, in order; or how many, and the data says which.
    feed_forward: neurons kept a layer, None for all."""

    name: ClassVar[str] = "take_layers"
    version: ClassVar[int] = 2
    reads: ClassVar[tuple[str, ...]] = ("data",)

    layers: tuple[int, ...] | int
    feed_forward: int | None = None

    def run(self, source: Artifact, folder: Path, context: Context) -> None:
        model = Model.load(source.folder)
        encoder = model.encoder
        if not isinstance(encoder, TransformerEncoder):
            raise AttarError("take_layers needs a transformer; the starting model has no layers")
        encoder.keep_layers(self._chosen(model, len(encoder.layers), context))
        if self.feed_forward is not None:
            texts, gold = sample(context)
            found = measure(model, texts, gold, "activation", context.progress)
            prune(model, found, Prune(feed_forward=self.feed_forward, across_layers=False))
        model.save(folder)

    def _chosen(self, model: Model, present: int, context: Context) -> tuple[int, ...]:
        if not isinstance(self.layers, int):
            return self.layers
        if not 1 <= self.layers <= present:
            raise AttarError(f"take_layers: layers={self.layers} must lie between 1 and {present}")
        texts, _ = sample(context, TEXTS)
        return layers_to_keep(model, self.layers, texts, context.progress)
