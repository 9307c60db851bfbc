"""Summaries through the runtime alone: sentences, places, lengths."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from attar.bundle import read_bundle
from attar.errors import BundleError, DataError
from attar.runtime.predictor import Predictor, load
from attar.runtime.reading import of_sentences
from attar.tasks.sentences import SentenceIds, sentences_of
from conftest import assert_one_error
from tiny_summaries import write_summaries_bundle

TEXT = (
    "Agent: Hello, I cancel.\r\nCustomer: Where is my parcel? 🛑 My parcel, please! I cancel now."
)


@pytest.fixture(scope="module")
def brief(tmp_path_factory: pytest.TempPathFactory) -> Predictor:
    path = tmp_path_factory.mktemp("brief") / "brief.attar"
    return load(write_summaries_bundle(path, words=8, share=None, cut=0.0, redundancy=0.0))


def test_a_summary_is_made_of_sentences(brief: Predictor) -> None:
    answer = brief(TEXT)
    found = answer.to_json()
    assert found["summary"] == "Where is my parcel? 🛑 My parcel, please!"
    assert [one["text"] for one in found["sentences"]] == [
        "Where is my parcel?",
        "🛑 My parcel, please!",
    ]
    assert "sections" not in found
    assert found["abstained"] is False
    assert answer.differs(answer.to_golden(), 1e-6) is None
    assert brief("").to_json()["sentences"] == []
    assert brief("").score == 0.0


def test_redundancy_counts(brief: Predictor, tmp_path: Path) -> None:
    path = write_summaries_bundle(tmp_path / "b.attar", words=8, share=None, redundancy=60.0)
    text = "My parcel. My parcel. Where is my refund?"
    assert brief(text).to_json()["summary"] == "My parcel. My parcel. Where is my refund?"
    assert load(path).asked(words=6)(text).to_json()["summary"] == "My parcel. Where is my refund?"


PIECES = st.sampled_from(
    ["my parcel", "cancel", ". ", "!\r\n", "? ", "\n", "🛑", "e\u0301", "שלום", "Agent: ", "。",
     "\ud83d"]
)  # fmt: skip


@settings(deadline=None, max_examples=50)
@given(st.lists(PIECES, max_size=30).map("".join), st.integers(1, 40))
def test_sentences_are_slices_of_any_text(brief: Predictor, text: str, words: int) -> None:
    found = brief.asked(words=words)(text).to_json()["sentences"]
    places = sentences_of(text)
    assert bool(found) == bool(places)
    assert [(one["start"], one["end"]) for one in found] == sorted(
        (one["start"], one["end"]) for one in found
    )
    for one in found:
        assert text[one["start"] : one["end"]] == one["text"]
        assert (one["start"], one["end"]) in places


def test_many_as_one(brief: Predictor) -> None:
    texts = [TEXT, "", "my parcel", "Please. " * 40 + "My parcel."]
    assert brief(texts) == [brief(text) for text in texts]
    assert Predictor(read_bundle(brief.path), batch_tokens=999)(texts) == brief(texts)
    outputs = brief.outputs(texts)
    assert outputs["logits"].shape == (4, 41, 2)
    assert outputs["sentences"].shape == (4, 41, 3)
    assert outputs["sentence_embeddings"].shape == (4, 41, 4)
    np.testing.assert_allclose(brief.embed(texts), outputs["embedding"])
    assert brief.count_tokens("My parcel. Please!") == 9  # with what begins and ends each


def test_an_engine_whose_outputs_are_not_of_sentences() -> None:
    row = SentenceIds.of([[2, 5, 3], [2, 3]], [(0, 2, 1), (3, 4, 1)], "Hi !")
    with pytest.raises(BundleError, match="not of sentences"):
        of_sentences([{"logits": np.zeros((1, 2), np.float32)}], [row])


def test_only_summaries_have_a_length(
    make_bundle: Callable[..., Path], attar_command: Callable[..., object]
) -> None:
    path = make_bundle()
    with pytest.raises(DataError, match="makes no summaries"):
        load(path).asked(words=5)
    assert_one_error(
        attar_command("predict", path, "my parcel", "--words", 5), "makes no summaries"
    )
