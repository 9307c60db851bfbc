"""Scores a query's best documents again, with a model that reads both together.

A bundle that ranks documents may carry a part of the role "rescore": an ONNX model whose one
column says how well a query and a document belong together, and, where it does not read the
bundle's own pieces, `rescore-tokenizer.json`. Which documents it reads the first stage says; what
follows from its scores the task does (`tasks.ordering`). A bundle with this part has the format
version 2, because a reader that overlooked it would answer otherwise than was certified.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray
from tokenizers import Tokenizer

from attar.errors import BundleError
from attar.runtime.engines import Engine
from attar.runtime.pairs import PairTemplate
from attar.tasks.ordering import RESCORED, first_stage, lowered
from attar.types import Document, Outputs

ROLE, MODEL, TOKENIZER = "rescore", "rescore.onnx", "rescore-tokenizer.json"
KEPT = 4_096  # documents whose tokens are remembered
CHARACTERS_PER_TOKEN = 64  # as `readers.CHARACTERS_PER_TOKEN`


class Rescorer:
    """settings: the manifest's `task_settings.rescore`. hybrid: the weight of words, by which
    the first stage orders documents."""

    def __init__(
        self, engine: Engine, tokenizer: Tokenizer, settings: Mapping[str, Any], hybrid: float
    ) -> None:
        self.top = int(settings["top"])
        self.weight = float(settings["weight"])
        self._engine, self._hybrid = engine, hybrid
        self._pad = int(settings["pad_id"])
        tokenizer.no_padding()
        tokenizer.no_truncation()
        self._tokenizer = tokenizer
        self._template = PairTemplate(tokenizer, int(settings["max_length"]))
        self._characters = CHARACTERS_PER_TOKEN * self._template.size
        self._remembered = lru_cache(KEPT)(lambda document: self._plain(document.read))

    def __call__(self, outputs: Outputs, texts: Sequence[str]) -> Outputs:
        """The outputs of an index with `rescored` beside: the score of each of a query's best
        documents, NaN of the others, (queries, candidates)."""
        similarity = first_stage(outputs, self._hybrid)
        found = np.full(similarity.shape, np.nan, np.float32)
        for i, text in enumerate(texts):
            order = np.argsort(-similarity[i], kind="stable")[: self.top]
            best = order[np.isfinite(similarity[i, order])]
            if len(best):
                known: list[Document] = outputs["documents"][i, best].tolist()
                found[i, best] = self._scores(text, [self._remembered(one) for one in known])
        return {**outputs, RESCORED: found}

    def similarities(
        self, query: str, texts: Sequence[str], cosine: NDArray[np.floating]
    ) -> NDArray[np.float64]:
        """Those of texts that are no documents of the bundle, (texts,): their cosines, and the
        second scores of the nearest as answers have them."""
        order = np.argsort(-cosine, kind="stable")[: self.top]
        second = np.full(len(texts), np.nan)
        if len(order):
            second[order] = self._scores(query, [self._plain(texts[i]) for i in order])
        found: NDArray[np.float64] = lowered(
            cosine.astype(np.float64)[None], second[None], self.weight
        )[0]
        return found

    def _scores(self, query: str, documents: Sequence[list[int]]) -> NDArray[np.float32]:
        asked = self._plain(query)
        rows = [self._template.pair(asked, document) for document in documents]
        if self._engine.mixes_rows:  # so that a document's score hangs on no other one
            return np.concatenate([self._run([row]) for row in rows])
        return self._run(rows)

    def _run(self, rows: Sequence[list[int]]) -> NDArray[np.float32]:
        length = max(map(len, rows))
        ids = np.full((len(rows), length), self._pad, np.int64)  # (pairs, length)
        mask = np.zeros_like(ids)
        for i, row in enumerate(rows):
            ids[i, : len(row)], mask[i, : len(row)] = row, 1
        logits = self._engine.run(ids, mask, ["logits"]).get("logits")
        if logits is None or logits.shape != (len(rows), 1) or not np.isfinite(logits).all():
            raise BundleError(f"{MODEL}: does not give one score for each pair")
        scores: NDArray[np.float32] = logits[:, 0].astype(np.float32)
        return scores

    def _plain(self, text: str) -> list[int]:
        text = text[: self._characters]
        try:
            ids = self._tokenizer.encode(text, add_special_tokens=False).ids
        except TypeError:  # half of a surrogate pair, which JSON can carry and UTF-8 cannot
            whole = text.encode("utf-8", "replace").decode("utf-8")
            ids = self._tokenizer.encode(whole, add_special_tokens=False).ids
        return self._template.plain(ids)
