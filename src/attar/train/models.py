"""The torch model of a build: encoder, mean pool, head and tokenizer in one folder.

A saved model is data only: `attar.json` (how to rebuild the modules),
`model.safetensors` and `tokenizer.json`. Finding and checking the model to start
from is the job of `start.py`; turning one into ONNX that of the export pass.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors.torch import load_file
from safetensors.torch import save as serialize
from tokenizers import Tokenizer
from torch import Tensor, nn

from attar.files import write_atomically
from attar.runtime.pairs import PairTemplate
from attar.runtime.windows import joined, joined_offsets, set_windows
from attar.tasks import TASKS
from attar.tasks.sentences import SentenceIds, with_words
from attar.tasks.words import Ids
from attar.train.batches import TokenBatch, padded_batches
from attar.train.encoders import Encoder, encoder_from_spec
from attar.train.heads import HEADS
from attar.train.precision import mixed_precision
from attar.types import Progress, Silent

GROUPS = 4  # of sentences of like length, of a batch


def mean_pool(hidden: Tensor, attention_mask: Tensor) -> Tensor:
    """Mean over real tokens: (batch, time, hidden) -> (batch, hidden)."""
    mask = attention_mask.unsqueeze(-1).to(hidden.dtype)
    return (hidden * mask).sum(1) / mask.sum(1).clamp(min=1.0)


def types_after(input_ids: Tensor, separator: int) -> Tensor:
    """Token types of pairs: 0 up to the first separator, 1 after it. Both (batch, time). The
    model finds them itself, so that what runs it need not know of them."""
    found = (input_ids == separator).to(torch.int64)
    return ((found.cumsum(dim=1) - found) > 0).to(torch.int64)


class Model(nn.Module):
    """Text classifier under construction. forward -> (logits, embedding)."""

    def __init__(
        self,
        task: str,
        encoder: Encoder,
        columns: int,
        tokenizer: Tokenizer,
        max_length: int,
        windows: int = 1,
        pairs: bool = False,
    ) -> None:
        """max_length: tokens that are read at once. windows: of that length, as many as are
        read of a text at most. pairs: it reads two texts in one sequence (`runtime.pairs`), and
        gives one column, how well they belong together."""
        super().__init__()
        self.task = task
        self.reads = TASKS.get(task).reads
        self.encoder = encoder
        self.columns = columns
        self.pairs = pairs
        self.head = HEADS.get("pairs" if pairs else task)(encoder.hidden, columns)
        self.max_length = max_length
        self.windows = windows
        self.set_tokenizer(tokenizer)

    @property
    def parameters_count(self) -> int:
        return sum(p.numel() for p in self.parameters())

    def set_tokenizer(self, tokenizer: Tokenizer) -> None:
        """Use this tokenizer, cutting at `max_length`; padding is done batch by batch."""
        self.pad_id = (tokenizer.padding or {}).get("pad_id") or pad_id_of(tokenizer)
        set_windows(tokenizer, self.max_length, self.windows)
        self.tokenizer = tokenizer
        self.template = PairTemplate(tokenizer, self.max_length) if self.pairs else None

    def forward(self, input_ids: Tensor, attention_mask: Tensor) -> tuple[Tensor, Tensor]:
        if self.template is not None and self.template.separator is not None:
            types = types_after(input_ids, self.template.separator)
            hidden = self.encoder(input_ids, attention_mask, types)
        else:
            hidden = self.encoder(input_ids, attention_mask)
        embedding = mean_pool(hidden, attention_mask)
        if self.reads == "words":  # the text, then each token: (batch, 1 + time, columns)
            return self.head(torch.cat([embedding[:, None], hidden], dim=1)), embedding
        return self.head(embedding), embedding

    def tokens(self, texts: Iterable[str]) -> list[list[int]]:
        """The ids of each text, of a long one its windows in turn (`runtime.windows`)."""
        texts = list(texts)
        if self.reads == "sentences":
            return [self._sentences(text) for text in texts]
        if self.reads == "words":
            pairs = zip(self.tokenizer.encode_batch(texts), texts, strict=True)
            return [
                Ids.of(
                    joined(encoding, self.windows),
                    joined_offsets(encoding, self.windows),
                    text,
                    self.max_length,
                )
                for encoding, text in pairs
            ]
        encodings = self.tokenizer.encode_batch_fast(texts)
        return [joined(encoding, self.windows) for encoding in encodings]

    def _sentences(self, text: str) -> SentenceIds:
        sentences = with_words(text)
        said = [text[start:end] for start, end, _ in sentences] or [""]
        parts = [encoding.ids for encoding in self.tokenizer.encode_batch_fast(said)]
        return SentenceIds.of(parts, sentences, text)

    def read(self, batch: TokenBatch) -> tuple[Tensor, Tensor]:
        """Logits (batch, columns) and embeddings (batch, hidden) of whole texts: means over
        their windows by tokens, as `runtime.windows.pooled`. For tasks that read words the
        logits of text and words, (batch, 1 + words, columns), NaN where there is none; for
        those that read sentences the sentences' (batch, sentences, columns)."""
        if batch.sentences is not None:
            return self._read_sentences(batch, batch.sentences)
        logits, embedding = self(batch.input_ids, batch.attention_mask)
        if batch.starts is not None:
            read = logits.flatten(0, 1)[batch.starts.clamp(min=0)]  # (batch, 1 + words, columns)
            read = read.masked_fill(batch.starts[..., None] < 0, float("nan"))
            if len(batch.owner) == len(batch.rows):
                return read, embedding
            text, embedding = self._pooled(batch, logits[:, 0], embedding)
            return torch.cat([text[:, None], read[:, 1:]], dim=1), embedding
        if len(batch.owner) == len(batch.rows):
            return logits, embedding
        return self._pooled(batch, logits, embedding)

    def _read_sentences(self, batch: TokenBatch, sentences: Tensor) -> tuple[Tensor, Tensor]:
        """Those of like length together: most are far shorter than the longest."""
        lengths = batch.attention_mask.sum(dim=1)
        groups = lengths.argsort(stable=True).chunk(GROUPS)
        found = []
        for group in groups:
            longest = -(-int(lengths[group].max()) // 4) * 4 or 4
            found.append(
                self(batch.input_ids[group, :longest], batch.attention_mask[group, :longest])
            )
        back = torch.cat(groups).argsort()
        logits, embedding = (torch.cat(values)[back] for values in zip(*found, strict=True))
        laid = logits[sentences.clamp(min=0)]  # (batch, sentences, columns)
        laid = laid.masked_fill(sentences[..., None] < 0, float("nan"))
        return laid, self._pooled(batch, logits, embedding)[1]

    def _pooled(
        self, batch: TokenBatch, logits: Tensor, embedding: Tensor
    ) -> tuple[Tensor, Tensor]:
        """Means over the windows of each text: (windows, …) to (texts, …)."""
        tokens = batch.attention_mask.sum(dim=1).to(logits.dtype)
        shares = torch.zeros(len(batch.rows), len(tokens), dtype=logits.dtype)
        shares[batch.owner, torch.arange(len(tokens))] = tokens
        shares = shares / shares.sum(dim=1, keepdim=True).clamp(min=1.0)
        return shares @ logits, shares @ embedding.to(logits.dtype)

    @torch.no_grad()
    def answer(
        self, texts: Sequence[str], progress: Progress | None = None, what: str = "answer"
    ) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """Logits (n, columns) and embeddings (n, hidden), in the order of `texts`; for tasks
        that read words the logits are (n, 1 + words, columns), for those that read sentences
        (n, sentences, columns), in half precision."""
        self.eval()
        tokens = self.tokens(texts)
        logits = np.zeros((len(texts), self.columns), np.float32)
        if self.reads == "words":
            most = max((len(ids.words) for ids in tokens if isinstance(ids, Ids)), default=0)
            logits = np.full((len(texts), 1 + most, self.columns), np.nan, np.float16)
        if self.reads == "sentences":
            counts = [len(ids.sentences) for ids in tokens if isinstance(ids, SentenceIds)]
            shape = (len(texts), max(counts, default=0), self.columns)
            logits = np.full(shape, np.nan, np.float16)
        pooled = np.zeros((len(texts), self.encoder.hidden), np.float32)
        size = max(1, 64 // self.windows)
        batches = padded_batches(tokens, self.pad_id, size, self.max_length)
        shown: Iterable[TokenBatch] = (progress or Silent()).track(batches, what, len(batches))
        for batch in shown:
            with mixed_precision():
                batch_logits, batch_pooled = self.read(batch)
            if self.reads == "text":
                logits[batch.rows] = batch_logits.float().numpy()
            else:
                logits[batch.rows, : batch_logits.shape[1]] = batch_logits.float().numpy()
            pooled[batch.rows] = batch_pooled.float().numpy()
        return logits, pooled

    def save(self, folder: Path) -> None:
        settings = {
            "task": self.task,
            "columns": self.columns,
            "max_length": self.max_length,
            "windows": self.windows,
            "unit": self.head.unit,
            **({"pairs": True} if self.pairs else {}),
            "encoder": self.encoder.spec(),
        }
        text = json.dumps(settings, indent=1, sort_keys=True, default=str)
        write_atomically(folder / "attar.json", text.encode())
        write_atomically(folder / "tokenizer.json", self.tokenizer.to_str().encode())
        state = {k: v.detach().contiguous().clone() for k, v in self.state_dict().items()}
        write_atomically(folder / "model.safetensors", serialize(state))

    @classmethod
    def load(cls, folder: Path) -> Model:
        settings: dict[str, Any] = json.loads((folder / "attar.json").read_text())
        model = cls(
            settings["task"],
            encoder_from_spec(settings["encoder"]),
            settings["columns"],
            Tokenizer.from_file(str(folder / "tokenizer.json")),
            settings["max_length"],
            settings.get("windows", 1),
            settings.get("pairs", False),
        )
        model.head.unit = settings.get("unit", False)
        model.load_state_dict(load_file(folder / "model.safetensors"))
        return model


def pad_id_of(tokenizer: Tokenizer) -> int:
    """The id of the padding token under its usual names, else 0: masked anyway."""
    for name in ("[PAD]", "<pad>", "<|padding|>"):
        found = tokenizer.token_to_id(name)
        if found is not None:
            return int(found)
    return 0
