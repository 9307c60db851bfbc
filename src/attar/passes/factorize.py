"""Factorize the token embedding: (vocabulary × hidden) into rank, by principal
components."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

from attar.errors import AttarError
from attar.passes import Artifact, Context, Pass
from attar.train.encoders import TransformerEncoder
from attar.train.models import Model


@dataclass(frozen=True, slots=True)
class Factorize(Pass):
    """rank: columns of the small embedding; the projection back is rank × hidden."""

    name: ClassVar[str] = "factorize"

    rank: int

    def run(self, source: Artifact, folder: Path, context: Context) -> None:
        model = Model.load(source.folder)
        if not isinstance(model.encoder, TransformerEncoder):
            raise AttarError("factorize needs a transformer: other embeddings are narrow already")
        limit = min(model.encoder.vocabulary, model.encoder.hidden)
        if not 0 < self.rank < limit:
            raise AttarError(f"factorize: rank={self.rank} must lie between 1 and {limit - 1}")
        model.encoder.factorize(self.rank)
        model.save(folder)
