"""Keep the vocabulary pieces that the data uses, with a fallback for the others.

Kept: special tokens; all single-character pieces of the characters that occur and of
printable ASCII, so that an unseen word falls apart into kept pieces instead of
becoming unknown; the pieces that tokenizing the train and unlabeled texts yields,
most frequent first; then, up to `pieces`, those with the lowest ids, which in
pretrained vocabularies are the most frequent ones of the language. Texts whose
pieces are all kept are tokenized as before: WordPiece takes the longest match,
Unigram the best path and BPE's merges are kept closed.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import torch
from tokenizers import Tokenizer

from attar.errors import TeacherError
from attar.passes import Artifact, Context, Pass
from attar.runtime.windows import joined
from attar.tasks.sentences import sentences_of
from attar.train.encoders import ConvolutionEncoder, TransformerEncoder, embedding_of
from attar.train.models import Model


@dataclass(frozen=True, slots=True)
class TrimVocabulary(Pass):
    """pieces: how many to keep at most, None for all that the data uses."""

    name: ClassVar[str] = "trim_vocabulary"
    version: ClassVar[int] = 2
    reads: ClassVar[tuple[str, ...]] = ("data",)

    pieces: int | None = None

    def run(self, source: Artifact, folder: Path, context: Context) -> None:
        model = Model.load(source.folder)
        rows = (*context.dataset.train, *context.dataset.unlabeled)
        texts: Iterable[str] = (row.text for row in rows)
        if model.reads == "sentences":  # which the tokenizer cuts, and not their document
            places = ((text, sentences_of(text)) for text in texts)
            texts = (text[start:end] for text, found in places for start, end in found)
        tokenizer, kept = trim(model.tokenizer, texts, self.pieces, model.windows)
        model.set_tokenizer(tokenizer)
        index = torch.tensor(kept)
        if isinstance(model.encoder, ConvolutionEncoder):
            table = model.encoder.embedding
            model.encoder.embedding = embedding_of(table.weight.detach()[index])
        else:
            assert isinstance(model.encoder, TransformerEncoder)
            rank = model.encoder.rank
            model.encoder.set_token_vectors(model.encoder.token_vectors()[index])
            if rank is not None:
                model.encoder.factorize(rank)
            model.encoder.encoder.config.pad_token_id = model.pad_id
        model.save(folder)


def trim(
    tokenizer: Tokenizer, texts: Iterable[str], pieces: int | None, windows: int = 1
) -> tuple[Tokenizer, list[int]]:
    """The trimmed tokenizer, and for each new id the old one. windows: that are read of a
    text, whose pieces count."""
    state = json.loads(tokenizer.to_str())
    vocabulary = tokenizer.get_vocab(with_added_tokens=True)
    names = {number: name for name, number in vocabulary.items()}
    seen: Counter[int] = Counter()
    characters: set[str] = {chr(c) for c in range(33, 127)}
    for encoding in tokenizer.encode_batch(list(texts)):
        seen.update(joined(encoding, windows))
    for number in seen:
        characters.update(names[number].removeprefix("##"))
    kept = _always_kept(state, vocabulary, characters)
    wanted = [n for n, _ in seen.most_common()]
    if pieces is not None:
        wanted += sorted(names)
    merges = _merges(state)
    for number in wanted:
        if pieces is not None and len(kept) >= pieces:
            break
        kept |= _closure(number, names, vocabulary, merges)
    order = sorted(kept)
    return Tokenizer.from_str(json.dumps(_renumbered(state, order, names, vocabulary))), order


def _always_kept(
    state: dict[str, Any], vocabulary: dict[str, int], characters: set[str]
) -> set[int]:
    kept = {int(token["id"]) for token in state["added_tokens"]}
    kept |= {n for piece, n in vocabulary.items() if piece.removeprefix("##") in characters}
    model = state["model"]
    if model.get("unk_token") in vocabulary:
        kept.add(vocabulary[model["unk_token"]])
    if model.get("unk_id") is not None:
        kept.add(int(model["unk_id"]))
    if model["type"] == "Unigram":
        kept |= {n for p, n in vocabulary.items() if p.removeprefix("▁") in characters}
        kept |= {n for p, n in vocabulary.items() if p.startswith("<0x") or p == "▁"}
    if model["type"] == "BPE":  # the alphabet: bytes or characters, never merged away
        kept |= {n for piece, n in vocabulary.items() if len(piece) == 1}
        kept |= {n for piece, n in vocabulary.items() if piece.startswith("<0x")}
    return kept


def _merges(state: dict[str, Any]) -> dict[str, list[str]]:
    """From what BPE merges each piece, in all its ways. Empty for other models."""
    made: dict[str, list[str]] = {}
    for merge in state["model"].get("merges", ()):
        left, right = merge.split(" ") if isinstance(merge, str) else merge
        made.setdefault(left + right, []).extend((left, right))
    return made


def _closure(
    number: int,
    names: dict[int, str],
    vocabulary: dict[str, int],
    merges: dict[str, list[str]],
) -> set[int]:
    """A piece and everything that must exist for the tokenizer to arrive at it."""
    found: set[int] = set()
    open_pieces = [names[number]]
    while open_pieces:
        piece = open_pieces.pop()
        if piece in vocabulary and vocabulary[piece] not in found:
            found.add(vocabulary[piece])
            open_pieces.extend(merges.get(piece, ()))
    return found


def _renumbered(
    state: dict[str, Any], order: list[int], names: dict[int, str], vocabulary: dict[str, int]
) -> dict[str, Any]:
    new = {old: number for number, old in enumerate(order)}
    model = state["model"]
    if model["type"] == "Unigram":
        # Ids are list positions; added tokens may lie outside the model's own list.
        own = model["vocab"]
        model["vocab"] = [own[i] if i < len(own) else [names[i], 0.0] for i in order]
        if model.get("unk_id") is not None:
            model["unk_id"] = new[model["unk_id"]]
    elif model["type"] in ("WordPiece", "BPE", "WordLevel"):
        model["vocab"] = {names[old]: number for old, number in new.items()}
        if model["type"] == "BPE":
            model["merges"] = [
                merge for merge in model["merges"] if _all_kept(merge, vocabulary, new)
            ]
    else:
        raise TeacherError(
            f"cannot trim a tokenizer of type {model['type']!r}; "
            "known are WordPiece, Unigram, BPE and WordLevel"
        )
    for token in state["added_tokens"]:
        token["id"] = new[token["id"]]
    _renumber_post_processor(state.get("post_processor"), vocabulary, new)
    state["truncation"] = state["padding"] = None
    return dict(state)


def _all_kept(merge: Any, vocabulary: dict[str, int], new: dict[int, int]) -> bool:
    left, right = merge.split(" ") if isinstance(merge, str) else merge
    return all(vocabulary.get(piece) in new for piece in (left, right, left + right))


def _renumber_post_processor(
    processor: dict[str, Any] | None, vocabulary: dict[str, int], new: dict[int, int]
) -> None:
    if processor is None:
        return
    for inner in processor.get("processors", ()):
        _renumber_post_processor(inner, vocabulary, new)
    special = processor.get("special_tokens")
    if isinstance(special, dict):
        for entry in special.values():
            entry["ids"] = [new[i] for i in entry["ids"]]
    for name in ("sep", "cls"):
        if name in processor:
            token, number = processor[name]
            processor[name] = [token, new[number]]
