"""The Predictor: opens a bundle and answers texts.

Text in, answers out: tokenize, run the engine in batches of similar length, decode.
It does not read data files, measure itself, or decide what follows an abstention.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from copy import copy
from itertools import islice
from pathlib import Path
from typing import Any, overload

import numpy as np
from numpy.typing import NDArray

from attar.bundle import Bundle, read_bundle
from attar.errors import BundleError, DataError, RecipeError
from attar.predictions import Prediction
from attar.runtime.parts import (
    load_distance,
    load_engine,
    load_index,
    load_rescorer,
    load_tokenizer,
)
from attar.runtime.readers import MAX_CHARACTERS, READERS, Ids, QueryReader, TextReader
from attar.runtime.rescore import Rescorer
from attar.runtime.windows import windows_in
from attar.tasks import TASKS
from attar.types import Document, Outputs, Progress, Silent

#: Integer kernels round differently on different processors.
GOLDEN_TOLERANCE = 0.02


def load(path: str | Path, threads: int = 1) -> Predictor:
    """Open a bundle. Raises BundleError when it is damaged, hostile or of an unknown version."""
    return Predictor(read_bundle(path), threads=threads)


class Predictor:
    """Answers texts with the model of one bundle; safe to share between threads.

    threads: of the engine, for one call. batch_tokens: the most tokens, padding
    included, that run at once. A dynamically quantized model scales activations over
    the whole batch, so in a batch a text's neighbors move its score (by up to 0.07 on
    Banking77) and now and then its label. The default runs every text alone: the same
    text, the same answer. only_exact: run texts together only where the model is of a
    kind whose batches change nothing beyond rounding (`Engine.mixes_rows`).
    """

    def __init__(
        self, bundle: Bundle, threads: int = 1, batch_tokens: int = 1, only_exact: bool = False
    ) -> None:
        if threads < 1 or batch_tokens < 1:
            raise ValueError("threads and batch_tokens are at least 1")
        self.path = bundle.path
        self.manifest = bundle.manifest
        self.content_sha256 = bundle.content_sha256
        self.report = bundle.report
        self.golden = bundle.golden
        self._where = str(bundle.path)
        self._batch_tokens = batch_tokens
        try:
            self._task = TASKS.get(self.manifest["task"])
            self._task.check_manifest(self.manifest)
            shape = self.manifest["input"]
            pad, size = int(shape["pad_id"]), int(shape["max_length"])
            most, overlap = windows_in(shape)
            tokenizer = load_tokenizer(bundle, size, most, overlap)
            self._engine = load_engine(bundle, threads)
            if only_exact and self._engine.mixes_rows:
                self._batch_tokens = 1
            self._distance = load_distance(bundle, len(self.labels))
            given = (tokenizer, self._engine, pad, size, most)
            self._reader: TextReader
            if self._task.gold_kind == "document":
                rescorer = load_rescorer(bundle, threads)
                self._reader = QueryReader(load_index(bundle), rescorer, *given)
            else:
                self._reader = READERS[self._task.reads](*given)
            # A first run finds outputs of the wrong shape now and not in the middle of a job.
            outputs = self._run([self._reader.encode("")])
            self._task.decode(outputs, self.manifest)
            # Distances are those of embeddings.
            self._answers_from = self._reader.answers_from if self._distance is None else None
        except RecipeError as error:  # a name that no registry has
            raise BundleError(f"{self._where}: {error} Upgrade: pip install -U attar") from None
        except BundleError as error:
            raise BundleError(f"{self._where}: {error}") from None
        embedding = outputs.get("embedding")
        self._dimensions = (
            embedding.shape[1] if embedding is not None and embedding.ndim == 2 else None
        )

    @property
    def labels(self) -> tuple[str, ...]:
        """The labels in scope, in the model's order; empty for a task without labels."""
        return tuple(self.manifest["task_settings"].get("labels", ()))

    @property
    def documents(self) -> tuple[Document, ...]:
        """Those that a model which ranks documents knows; empty for other tasks."""
        reader = self._reader
        return reader.index.documents if isinstance(reader, QueryReader) else ()

    @property
    def rescorer(self) -> Rescorer | None:
        """What scores the best documents again, if anything does."""
        return self._reader.rescorer if isinstance(self._reader, QueryReader) else None

    @property
    def capabilities(self) -> tuple[str, ...]:
        return tuple(self.manifest["capabilities"])

    def asked(self, words: int) -> Predictor:
        """A predictor of the same model whose summaries are as long as `words` allow. Raises
        DataError where it makes none."""
        settings = self.manifest["task_settings"]
        if "summary" not in self.capabilities or "words" not in settings:
            raise DataError(
                f"{self._where}: makes no summaries, which alone have a length in words. "
                f"It can: {', '.join(self.capabilities)}."
            )
        other = copy(self)
        # Whoever asks for a length wants it filled: nothing is left out for saying little.
        asked = {**settings, "words": words, "share": None, "cut": None}
        other.manifest = {**self.manifest, "task_settings": asked}
        self._task.check_manifest(other.manifest)
        return other

    # A str is also a sequence of str: the first signature that fits counts.
    @overload
    def __call__(self, texts: str) -> Prediction: ...  # type: ignore[overload-overlap]
    @overload
    def __call__(self, texts: Sequence[str]) -> list[Prediction]: ...
    def __call__(self, texts: str | Sequence[str]) -> Prediction | list[Prediction]:
        """Answer one text, or several in their order. Raises DataError for what is no text."""
        if isinstance(texts, str):
            _check(texts, "the text")
            return self._answers_of([self._reader.encode(texts)])[0]
        return self._answer(texts, first=1)

    def stream(self, texts: Iterable[str], batch: int = 256) -> Iterator[Prediction]:
        """Answer texts as they come, in order, holding `batch` of them at a time."""
        if isinstance(texts, str | bytes):
            raise DataError("stream takes several texts, not one: pass a list or an iterator")
        source, position = iter(texts), 1
        while chunk := list(islice(source, batch)):
            yield from self._answer(chunk, position)
            position += len(chunk)

    def embed(self, texts: str | Sequence[str]) -> NDArray[np.float32]:
        """The pooled embedding of each text, (texts, dimensions)."""
        if "embed" not in self.capabilities or self._dimensions is None:
            raise BundleError(
                f"{self._where}: gives no embeddings. It can: {', '.join(self.capabilities)}."
            )
        given = [texts] if isinstance(texts, str) else texts
        encoded = self._encode_all(given, 1, self._reader.encode_to_embed)
        embeddings = np.empty((len(encoded), self._dimensions), dtype=np.float32)
        for chosen, outputs in self._batches(encoded):
            embeddings[chosen] = outputs["embedding"]
        return embeddings

    def outputs(self, texts: Sequence[str], progress: Progress | None = None) -> Outputs:
        """What the engine gives for each text, in order: name -> array, before decoding.

        Evaluation decodes it under several thresholds without running the model again.
        """
        encoded = self._encode_all(texts, first=1)
        if not encoded:  # no rows, of the right shapes
            none = self._run([self._reader.encode("")])
            return {name: values[:0] for name, values in none.items()}
        found: dict[str, NDArray[Any]] = {}
        # One text a batch by default, so batches are about as many as texts.
        shown = (progress or Silent()).track(self._batches(encoded), "answer", len(encoded))
        for chosen, outputs in shown:
            for name, values in self._reader.widened(outputs, encoded).items():
                if name not in found:
                    found[name] = np.empty((len(encoded), *values.shape[1:]), values.dtype)
                found[name][chosen] = values
        return found

    def count_tokens(self, text: str) -> int:
        """Tokens that the model reads of this text."""
        return len(self._reader.encode(text))

    def verify(self) -> list[str]:
        """Replay the golden examples, each alone; return what differs, nothing when all agree.

        Labels must be equal. Scores may differ by GOLDEN_TOLERANCE, because int8 kernels
        round differently on different processors; an abstention may differ only there.
        """
        if not self.golden:
            return ["golden.jsonl: the bundle holds no golden examples"]
        failures = []
        for number, example in enumerate(self.golden, 1):
            problem = self._replay(example)
            if problem:
                failures.append(f"golden.jsonl, line {number}: {problem}")
        return failures

    def _replay(self, example: Mapping[str, Any]) -> str | None:
        text, score = example.get("text"), example.get("score")
        if not isinstance(text, str) or not isinstance(score, int | float):
            return "is not a golden example: expected text, label, score and abstained"
        answer = self(text)
        problem = answer.differs(example, GOLDEN_TOLERANCE)
        if problem:
            return f"{problem} for {text[:80]!r}"
        if answer.abstained != example.get("abstained") and not self._near_threshold(text):
            return f"abstained is {answer.abstained} for {text[:80]!r}"
        return None

    def _near_threshold(self, text: str) -> bool:
        """Whether rounding could change an abstention: within a fiftieth of the threshold."""
        threshold = self.manifest["task_settings"].get("threshold")
        if threshold is None:
            return False
        (found,) = self._task.acceptance(self._run([self._reader.encode(text)]), self.manifest)
        return bool(abs(found - threshold) <= GOLDEN_TOLERANCE * max(1.0, abs(threshold)))

    def _answer(self, texts: Sequence[str], first: int) -> list[Prediction]:
        encoded = self._encode_all(texts, first)
        if len(encoded) == 1:  # as most requests of a server: nothing to sort
            return self._answers_of(encoded)
        answers: dict[int, Prediction] = {}
        for chosen, outputs in self._batches(encoded, self._answers_from):
            decoded = self._decoded(outputs, [encoded[p] for p in chosen])
            answers.update(zip(chosen, decoded, strict=True))
        return [answers[position] for position in range(len(encoded))]

    def _answers_of(self, rows: Sequence[Ids]) -> list[Prediction]:
        """Of rows that run together."""
        return self._decoded(self._run(rows, self._answers_from), rows)

    def _decoded(self, outputs: Outputs, rows: Sequence[Ids]) -> list[Prediction]:
        return self._reader.shown(self._task.decode(outputs, self.manifest), rows)

    def _encode_all(
        self, texts: Sequence[str], first: int, encode: Callable[[str], Ids] | None = None
    ) -> list[Ids]:
        if isinstance(texts, bytes | Mapping) or not isinstance(texts, Iterable):
            raise DataError(f"expected a text or a list of texts, not a {type(texts).__name__}")
        encoded = []
        for position, text in enumerate(texts, first):
            _check(text, f"text number {position}")
            encoded.append((encode or self._reader.encode)(text))
        return encoded

    def _batches(
        self, encoded: Sequence[Ids], names: Sequence[str] | None = None
    ) -> Iterator[tuple[list[int], Outputs]]:
        """Run everything, shortest first; yields positions in `encoded` and their outputs."""
        batch: list[int] = []
        for position in sorted(range(len(encoded)), key=lambda p: len(encoded[p])):
            full = len(encoded[position]) * (len(batch) + 1) > self._batch_tokens
            if batch and (full or self._reader.alone):
                yield batch, self._run([encoded[p] for p in batch], names)
                batch = []
            batch.append(position)
        if batch:
            yield batch, self._run([encoded[p] for p in batch], names)

    def _run(self, rows: Sequence[Ids], names: Sequence[str] | None = None) -> Outputs:
        outputs = self._reader.run(rows, names)
        if self._distance is None:
            return outputs
        if "embedding" not in outputs:
            raise BundleError("its distance part needs embeddings, which the model does not give")
        return {**outputs, "distance": self._distance(outputs["embedding"])}


def _check(text: object, what: str) -> None:
    if not isinstance(text, str):
        raise DataError(f"{what} is a {type(text).__name__}; expected a str")
    if len(text) > MAX_CHARACTERS:
        raise DataError(
            f"{what} has {len(text)} characters; at most {MAX_CHARACTERS} are taken. Split it."
        )
