"""How texts become token ids, and the engine's outputs those of texts: one reader for each way of
looking at a text (`Task.reads`), and one for queries, which look into an index.

A reader tokenizes, runs windows and lays their outputs out; it decodes nothing.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from tokenizers import Encoding, Tokenizer

from attar.predictions import Prediction, Ranking
from attar.runtime.engines import Engine
from attar.runtime.index import DocumentIndex
from attar.runtime.nearest import unit
from attar.runtime.passages import with_passage
from attar.runtime.reading import of_sentences, of_words, widened
from attar.runtime.rescore import Rescorer
from attar.runtime.windows import cut, joined, joined_offsets, pooled
from attar.tasks.sentences import SentenceIds, with_words
from attar.tasks.words import Ids as WordIds
from attar.types import Outputs, Reads

MAX_CHARACTERS = 1_000_000
#: No tokenizer in use averages more characters a token; the rest would be truncated.
CHARACTERS_PER_TOKEN = 64
#: Of sentences of one document that run together, padding included.
SENTENCE_TOKENS = 256

#: One text as the model reads it: its token ids, at least one; long texts' windows one after
#: the other (`runtime.windows`).
Ids = list[int]


class TextReader:
    """Whole texts. pad: the id of padding; size: tokens of a window; most: windows of a text.

    alone: whether each text runs by itself, whatever else is asked. answers_from: the outputs of
    the engine that an answer is decoded from; the others cost time that nobody asked for.
    """

    alone = False
    answers_from: Sequence[str] = ("logits",)

    def __init__(
        self, tokenizer: Tokenizer, engine: Engine, pad: int, size: int, most: int = 1
    ) -> None:
        self._tokenizer, self._engine = tokenizer, engine
        self._pad, self._size, self._most = pad, size, most
        self._characters = min(MAX_CHARACTERS, CHARACTERS_PER_TOKEN * size * most)

    def encode(self, text: str) -> Ids:
        return joined(self._tokens(text[: self._characters]), self._most) or [self._pad]

    #: For those that want embeddings alone.
    encode_to_embed = encode

    def run(self, rows: Sequence[Ids], names: Sequence[str] | None = None) -> Outputs:
        """The outputs of texts that run together, each (texts, …). names: of the engine's outputs,
        all by default."""
        if max(map(len, rows)) <= self._size:
            return self._run_windows(rows, names)
        windows = [(i, window) for i, ids in enumerate(rows) for window in cut(ids, self._size)]
        owner = np.array([i for i, _ in windows], dtype=np.int64)
        tokens = np.array([len(window) for _, window in windows], dtype=np.int64)
        outputs = self._run_windows([window for _, window in windows], names)
        return {n: self._pooled(n, v, owner, tokens, len(rows)) for n, v in outputs.items()}

    def shown(self, answers: list[Prediction], rows: Sequence[Ids]) -> list[Prediction]:
        """The answers once it is known what they answer."""
        return answers

    def widened(self, outputs: Outputs, encoded: Sequence[Ids]) -> Outputs:
        """As wide as the longest of all `encoded` needs, not of those that ran together."""
        return outputs

    def _pooled(
        self,
        name: str,
        values: NDArray[np.float32],
        owner: NDArray[np.int64],
        tokens: NDArray[np.int64],
        texts: int,
    ) -> NDArray[np.float32]:
        return pooled(values, owner, tokens, texts)

    def _tokens(self, text: str) -> Encoding:
        try:
            return self._tokenizer.encode(text)
        except TypeError:  # half of a surrogate pair, which JSON can carry and UTF-8 cannot
            return self._tokenizer.encode(text.encode("utf-8", "replace").decode("utf-8"))

    def _run_windows(self, rows: Sequence[Ids], names: Sequence[str] | None) -> Outputs:
        if len(rows) == 1:
            input_ids = np.array(rows, dtype=np.int64)  # (1, length)
            return self._engine.run(input_ids, np.ones_like(input_ids), names)
        length = max(map(len, rows))
        input_ids = np.full((len(rows), length), self._pad, dtype=np.int64)  # (batch, length)
        mask = np.zeros_like(input_ids)
        for i, ids in enumerate(rows):
            input_ids[i, : len(ids)] = ids
            mask[i, : len(ids)] = 1
        return self._engine.run(input_ids, mask, names)


class WordReader(TextReader):
    """Texts and each of their words: `logits` (texts, 1 + words, columns), and `words`."""

    def encode(self, text: str) -> Ids:
        text = text[: self._characters]
        encoding = self._tokens(text)
        ids = joined(encoding, self._most) or [self._pad]
        return WordIds.of(ids, joined_offsets(encoding, self._most), text, self._size)

    encode_to_embed = encode

    def run(self, rows: Sequence[Ids], names: Sequence[str] | None = None) -> Outputs:
        outputs = super().run(rows, names)
        return {**outputs, **of_words(outputs["logits"], rows, self._size)}

    def shown(self, answers: list[Prediction], rows: Sequence[Ids]) -> list[Prediction]:
        return _in_texts(answers, rows)

    def widened(self, outputs: Outputs, encoded: Sequence[Ids]) -> Outputs:
        most = max(len(ids.words) for ids in encoded if isinstance(ids, WordIds))
        return _as_wide(outputs, {"words": most, "logits": 1 + most})

    def _pooled(self, name: str, values: NDArray[np.float32], *windows: Any) -> Any:
        # Those of windows are still to be read at words.
        return values if name == "logits" else super()._pooled(name, values, *windows)


class SentenceReader(TextReader):
    """Documents, each of their sentences as a window of its own: `logits` (texts, sentences,
    columns), and `sentences`. Documents never run together: so an answer depends on nothing
    beside its document."""

    alone = True
    answers_from = ("logits", "embedding")

    def encode(self, text: str) -> Ids:
        text = text[:MAX_CHARACTERS]
        sentences = with_words(text)
        most = CHARACTERS_PER_TOKEN * self._size
        parts = [self._tokens(text[a : min(b, a + most)]).ids for a, b, _ in sentences]
        return SentenceIds.of(parts or [self._tokens("").ids or [self._pad]], sentences, text)

    encode_to_embed = encode

    def run(self, rows: Sequence[Ids], names: Sequence[str] | None = None) -> Outputs:
        read = [row for row in rows if isinstance(row, SentenceIds)]
        return of_sentences([self._run_sentences(row.parts, names) for row in read], read)

    def shown(self, answers: list[Prediction], rows: Sequence[Ids]) -> list[Prediction]:
        return _in_texts(answers, rows)

    def widened(self, outputs: Outputs, encoded: Sequence[Ids]) -> Outputs:
        most = max(len(ids.sentences) for ids in encoded if isinstance(ids, SentenceIds))
        return _as_wide(
            outputs, dict.fromkeys(("sentences", "logits", "sentence_embeddings"), most)
        )

    def _run_sentences(self, parts: Sequence[Ids], names: Sequence[str] | None) -> Outputs:
        """Of a document's sentences, in order; those of like length run together."""
        found: dict[str, NDArray[Any]] = {}
        order = sorted(range(len(parts)), key=lambda i: len(parts[i]))
        batch: list[int] = []
        for number, i in enumerate(order):
            batch.append(i)
            after = len(parts[order[number + 1]]) if number + 1 < len(order) else None
            if after is not None and after * (len(batch) + 1) <= SENTENCE_TOKENS:
                continue
            for name, values in self._run_windows([parts[j] for j in batch], names).items():
                if name not in found:
                    found[name] = np.empty((len(parts), *values.shape[1:]), values.dtype)
                found[name][batch] = values
            batch = []
        return found


class QueryReader(TextReader):
    """Queries: the engine's `logits` are vectors, which the index turns into `documents` and
    their scores; the rescorer, if there is one, adds second scores of the best."""

    def __init__(self, index: DocumentIndex, rescorer: Rescorer | None, *others: Any) -> None:
        super().__init__(*others)
        self.index, self.rescorer = index, rescorer

    def encode(self, text: str) -> Ids:
        return Query.of(super().encode(text), text[: self._characters])

    def encode_to_embed(self, text: str) -> Ids:
        return super().encode(text)  # is not looked for in the index

    def run(self, rows: Sequence[Ids], names: Sequence[str] | None = None) -> Outputs:
        outputs = super().run(rows, names)
        texts = [row.text for row in rows if isinstance(row, Query)]
        if len(texts) < len(rows):
            return {**outputs, "embedding": unit(outputs["logits"])}
        found = self.index(outputs["logits"], texts)
        if self.rescorer is not None:
            found = self.rescorer(found, texts)
        return {**outputs, **found}

    def shown(self, answers: list[Prediction], rows: Sequence[Ids]) -> list[Prediction]:
        return [
            with_passage(answer, row.text)
            if isinstance(answer, Ranking) and isinstance(row, Query)
            else answer
            for answer, row in zip(answers, rows, strict=True)
        ]


class Query(list[int]):
    """The token ids of a text whose words are looked for, too."""

    text: str

    @classmethod
    def of(cls, ids: Ids, text: str) -> Query:
        made = cls(ids)
        made.text = text
        return made


READERS: Mapping[Reads, type[TextReader]] = {
    "text": TextReader,
    "words": WordReader,
    "sentences": SentenceReader,
}


def _in_texts(answers: Sequence[Prediction], rows: Sequence[Ids]) -> list[Prediction]:
    read = (row.text if isinstance(row, WordIds | SentenceIds) else "" for row in rows)
    return [answer.in_text(text) for answer, text in zip(answers, read, strict=True)]


def _as_wide(outputs: Outputs, widths: Mapping[str, int]) -> Outputs:
    return {
        name: widened(values, widths[name]) if name in widths else values
        for name, values in outputs.items()
    }
