"""Make the student without transformer layers: static embeddings and convolutions.

Token embeddings come from the starting encoder by principal components; their scale
is set so that the pooled head learns at the usual rates. For the smallest budgets.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

import torch

from attar.errors import AttarError
from attar.passes import Artifact, Context, Pass
from attar.train.encoders import ConvolutionEncoder, TransformerEncoder, principal_axes
from attar.train.models import Model

MEAN_NORM = 4.0  # of an embedding after scaling: about that of a trained one


@dataclass(frozen=True, slots=True)
class NoLayers(Pass):
    """hidden: width of the embeddings. window: neighboring tokens a convolution sees.
    depth: convolutions, one after the other."""

    name: ClassVar[str] = "no_layers"
    version: ClassVar[int] = 2
    reads: ClassVar[tuple[str, ...]] = ("seed",)

    hidden: int
    window: int = 3
    depth: int = 1

    def run(self, source: Artifact, folder: Path, context: Context) -> None:
        start = Model.load(source.folder)
        if not isinstance(start.encoder, TransformerEncoder):
            raise AttarError("no_layers starts from a transformer's embeddings")
        vectors = start.encoder.token_vectors()
        if self.hidden > vectors.shape[1]:
            raise AttarError(f"hidden={self.hidden}: the start has only {vectors.shape[1]}")
        torch.manual_seed(context.seed)
        encoder = ConvolutionEncoder(len(vectors), self.hidden, self.window, self.depth)
        centered = vectors - vectors.mean(0)
        if self.hidden < vectors.shape[1]:
            centered = centered @ principal_axes(vectors, self.hidden)
        with torch.no_grad():
            scale = MEAN_NORM / centered.norm(dim=1).mean()
            encoder.embedding.weight.copy_(centered * scale)
        made = Model(
            start.task, encoder, start.columns, start.tokenizer, start.max_length, start.windows
        )
        made.save(folder)
