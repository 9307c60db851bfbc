"""Trimming: seen texts keep their pieces, unseen words fall apart but are never unknown."""

from __future__ import annotations

import string
from dataclasses import replace
from functools import cache
from typing import Any

import pytest

torch = pytest.importorskip("torch")

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tokenizers import (
    Tokenizer,
    decoders,
    models,
    normalizers,
    pre_tokenizers,
    processors,
    trainers,
)

from attar.errors import TeacherError
from attar.passes import Artifact, Context, apply_all
from attar.passes.factorize import Factorize
from attar.passes.no_layers import NoLayers
from attar.passes.trim_vocabulary import TrimVocabulary, trim
from attar.runtime.windows import set_windows
from attar.train.models import Model
from attar.types import Row

pytestmark = pytest.mark.usefixtures("float32")
CORPUS = [
    "the quick brown fox jumps over the lazy dog and the dog barks at the fox",
    "where is my order? it has not arrived yet, please refund my money back",
    "shipping was delayed; tracking says the parcel is still in transit since monday",
    "größe straße façade naïve résumé Ångström 12345 67890 price: 19,99 €!",
    "unbelievable internationalization characteristically misunderstanding",
    string.ascii_letters + string.digits + string.punctuation,
    " ".join(string.ascii_letters + string.digits + string.punctuation),
] * 3
SPECIAL = ["<pad>", "<unk>", "<s>", "</s>"]
KINDS = ["wordpiece", "wordpiece lower", "bpe", "byte-level bpe", "unigram", "unigram bytes"]


@cache
def trained(kind: str) -> Tokenizer:
    template = processors.TemplateProcessing(
        single="<s> $A </s>", special_tokens=[("<s>", 2), ("</s>", 3)]
    )
    if kind.startswith("wordpiece"):
        tokenizer = Tokenizer(models.WordPiece(unk_token="<unk>"))
        tokenizer.normalizer = normalizers.BertNormalizer(lowercase="lower" in kind)
        tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
        trainer: Any = trainers.WordPieceTrainer(vocab_size=420, special_tokens=SPECIAL)
    elif kind == "byte-level bpe":
        tokenizer = Tokenizer(models.BPE())
        tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
        tokenizer.decoder = decoders.ByteLevel()
        trainer = trainers.BpeTrainer(
            vocab_size=420, special_tokens=SPECIAL,
            initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        )  # fmt: skip
    elif kind == "bpe":
        tokenizer = Tokenizer(models.BPE(unk_token="<unk>"))
        tokenizer.pre_tokenizer = pre_tokenizers.Metaspace()
        trainer = trainers.BpeTrainer(vocab_size=320, special_tokens=SPECIAL)
    else:
        tokenizer = Tokenizer(models.Unigram())
        tokenizer.pre_tokenizer = pre_tokenizers.Metaspace()
        trainer = trainers.UnigramTrainer(
            vocab_size=300, special_tokens=SPECIAL, unk_token="<unk>", show_progress=False
        )
    tokenizer.train_from_iterator(CORPUS, trainer)
    tokenizer.post_processor = template
    return tokenizer


def pieces_of(tokenizer: Tokenizer, text: str) -> list[str]:
    return tokenizer.encode(text).tokens


WORDS = sorted({word for line in CORPUS for word in line.split() if len(word) < 30})
seen_texts = st.lists(
    st.lists(st.sampled_from(WORDS), min_size=1, max_size=8).map(" ".join), min_size=1, max_size=6
)
ascii_words = st.text(string.ascii_letters + string.digits + string.punctuation, min_size=1,
                      max_size=12)  # fmt: skip


@pytest.mark.parametrize("kind", KINDS[:-1])
@settings(deadline=None, max_examples=25, suppress_health_check=[HealthCheck.too_slow])
@given(texts=seen_texts, unseen=st.lists(ascii_words, min_size=1, max_size=5))
def test_trimmed_tokenizers(kind: str, texts: list[str], unseen: list[str]) -> None:
    full = trained(kind)
    before = full.to_str()
    trimmed, kept = trim(full, texts, None)
    assert full.to_str() == before
    assert kept == sorted(set(kept))
    assert trimmed.get_vocab_size() == len(kept) < full.get_vocab_size()
    for text in texts:
        assert pieces_of(trimmed, text) == pieces_of(full, text)
        assert [kept[i] for i in trimmed.encode(text).ids] == full.encode(text).ids
    unknown = full.token_to_id("<unk>")
    for word in unseen:
        if unknown in full.encode(word).ids:
            continue  # the full one does not know it either
        assert "<unk>" not in pieces_of(trimmed, word), word
        assert trimmed.encode(word).ids
    for name in SPECIAL:
        assert kept[trimmed.token_to_id(name)] == full.token_to_id(name)


@pytest.mark.parametrize("kind", KINDS[:-1])
def test_a_limit_keeps_the_most_frequent(kind: str) -> None:
    full = trained(kind)
    texts = ["the dog"] * 5 + ["fox"] + ["misunderstanding"]
    small, kept = trim(full, texts, 200)
    fallback = len(SPECIAL) + (256 if kind == "byte-level bpe" else 0)
    # A piece of BPE brings what it is merged from, so that a few more can be kept.
    assert len(kept) <= max(200 + 6, fallback)
    if len(kept) > fallback:
        assert pieces_of(small, "the dog") == pieces_of(full, "the dog")
    everything, all_ids = trim(full, texts, full.get_vocab_size())
    assert len(all_ids) == full.get_vocab_size()
    for line in CORPUS[:5]:
        assert pieces_of(everything, line) == pieces_of(full, line)
    least, fewest = trim(full, texts, 1)  # never below the fallback
    assert len(fewest) > 1
    assert "<unk>" not in pieces_of(least, "zebra Quiz 42")


def test_byte_fallback_is_kept() -> None:
    vocabulary = [("<unk>", 0.0), ("▁", -2.0), ("▁the", -3.0), ("a", -4.0)]
    vocabulary += [(f"<0x{byte:02X}>", -9.0) for byte in range(256)]
    vocabulary += [(f"word{i}", -5.0) for i in range(50)]
    full = Tokenizer(models.Unigram(vocabulary, unk_id=0, byte_fallback=True))
    full.pre_tokenizer = pre_tokenizers.Metaspace()
    trimmed, kept = trim(full, ["the"], None)
    assert len(kept) < len(vocabulary)
    assert pieces_of(trimmed, "the zebra €") == pieces_of(full, "the zebra €")
    assert "<unk>" not in pieces_of(trimmed, "zebra €")


def test_other_kinds_are_refused() -> None:
    state = trained("wordpiece").to_str().replace('"WordPiece"', '"WordLevel"')
    assert "WordLevel" in state  # known
    trim(Tokenizer(models.WordLevel({"<unk>": 0, "a": 1}, unk_token="<unk>")), ["a"], None)
    from attar.passes.trim_vocabulary import _renumbered

    with pytest.raises(TeacherError, match="type 'Other'"):
        _renumbered({"model": {"type": "Other"}, "added_tokens": []}, [], {}, {})


def test_the_pairs_of_a_bert_or_roberta_post_processor_are_renumbered() -> None:
    # The special tokens lie last, as in a vocabulary that was extended.
    words = sorted(set(trained("wordpiece").get_vocab()) - set(SPECIAL))
    vocabulary = {word: i for i, word in enumerate([*words, *SPECIAL])}
    full = Tokenizer(models.WordPiece(vocabulary, unk_token="<unk>"))
    full.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    full.add_special_tokens(SPECIAL)
    for made in (
        processors.BertProcessing(("</s>", vocabulary["</s>"]), ("<s>", vocabulary["<s>"])),
        processors.RobertaProcessing(("</s>", vocabulary["</s>"]), ("<s>", vocabulary["<s>"])),
        processors.Sequence([processors.BertProcessing(("</s>", vocabulary["</s>"]),
                                                       ("<s>", vocabulary["<s>"]))]),
    ):  # fmt: skip
        full.post_processor = made
        trimmed, kept = trim(full, ["the dog"], None)
        assert len(kept) < len(vocabulary)
        assert pieces_of(trimmed, "the dog") == pieces_of(full, "the dog")
        assert [kept[i] for i in trimmed.encode("the dog").ids] == full.encode("the dog").ids


@pytest.mark.parametrize("family", ["transformer", "factorized", "convolution"])
def test_embeddings_follow(family: str, tiny_start: Artifact, tiny_context: Context) -> None:
    start = tiny_start
    if family == "factorized":
        start = Factorize(rank=8).apply(start, tiny_context)
    if family == "convolution":
        start = NoLayers(hidden=16).apply(start, tiny_context)
    few = replace(tiny_context.dataset, train=(Row("where is my parcel", "delivery"),),
                  unlabeled=(Row("hello refund"),))  # fmt: skip
    trimmed = TrimVocabulary().apply(start, replace(tiny_context, dataset=few))
    before, after = Model.load(start.folder), Model.load(trimmed.folder)
    assert after.encoder.vocabulary < before.encoder.vocabulary
    assert after.encoder.vocabulary == after.tokenizer.get_vocab_size()
    texts = ["where is my parcel", "hello", "refund my parcel"]
    for expected, found in zip(before.answer(texts), after.answer(texts), strict=True):
        assert found == pytest.approx(expected, abs=1e-4)


def test_trimming_twice_changes_nothing_more(tiny_start: Artifact, tiny_context: Context) -> None:
    once = TrimVocabulary().apply(tiny_start, tiny_context)
    twice = apply_all((TrimVocabulary(), TrimVocabulary()), tiny_start, tiny_context)
    a, b = (Model.load(artifact.folder) for artifact in (once, twice))
    assert a.tokenizer.to_str() == b.tokenizer.to_str()
    assert torch.equal(a.encoder.token_vectors(), b.encoder.token_vectors())


def test_pieces_of_later_windows_count() -> None:
    tokenizer = Tokenizer.from_str(trained("wordpiece").to_str())
    set_windows(tokenizer, 12, most=4)
    text = "the fox " * 8 + "parcel"
    kept = [trim(tokenizer, [text], None, windows)[0].get_vocab() for windows in (1, 4)]
    assert ["parcel" in vocabulary for vocabulary in kept] == [False, True]
