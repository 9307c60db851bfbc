"""Spans through the runtime alone: words, tokens and code points."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tokenizers import Tokenizer

from attar.bundle import read_bundle
from attar.errors import BundleError
from attar.runtime.predictor import Predictor, load
from attar.runtime.reading import of_words, widened
from attar.runtime.windows import cut, joined, joined_offsets, overlap_of, set_windows
from attar.tasks.words import Ids
from conftest import tiny_tokenizer
from tiny_spans import write_spans_bundle


@pytest.fixture
def things(tmp_path: Path) -> Predictor:
    return load(write_spans_bundle(tmp_path / "things.attar"))


@pytest.mark.parametrize(
    ("text", "spans"),
    [
        ("I want my refund, now", ["refund"]),
        ("refund parcel and refund", ["refund parcel", "refund"]),
        ("where is my parcel", []),  # what continues nothing is no span
        ("🛑🛑 refund\r\nparcel", ["refund\r\nparcel"]),
        ("e\u0301tat: refund", ["refund"]),
        ("half \ud83d refund", ["refund"]),
        ("أريد refund", ["refund"]),
        ("", []),
        (" \t", []),
    ],
)
def test_spans_are_slices_of_the_text(things: Predictor, text: str, spans: list[str]) -> None:
    found = things(text).to_json()["spans"]
    assert [span["text"] for span in found] == spans
    assert all(text[span["start"] : span["end"]] == span["text"] for span in found)
    assert all(span["label"] == "thing" for span in found)


def test_many_as_one(things: Predictor) -> None:
    texts = ["my refund", "", "refund parcel", "the " * 40 + "refund"]
    assert [a.to_json() for a in things(texts)] == [things(t).to_json() for t in texts]
    assert [a.to_json() for a in things.stream(iter(texts), batch=2)] == [
        a.to_json() for a in things(texts)
    ]
    outputs = things.outputs(texts)
    assert outputs["logits"].shape == (4, 42, 3)
    assert outputs["words"].shape == (4, 41, 2)
    # The last text is cut at 16 tokens: its words after that are not read.
    assert np.isnan(outputs["logits"][3, 16:]).all()


def test_an_engine_whose_outputs_are_not_of_words() -> None:
    ids = Ids.of([2, 5, 3], [(0, 0), (0, 2), (0, 0)], "go")
    with pytest.raises(BundleError, match="not of words"):
        of_words(np.zeros((1, 3), np.float32), [ids])
    with pytest.raises(BundleError, match="not of words"):
        of_words(np.zeros((1, 3, 3), np.float32), [ids])  # a place short
    found = of_words(np.arange(12, dtype=np.float32).reshape(1, 4, 3), [ids])
    assert found["logits"].tolist() == [[[0, 1, 2], [6, 7, 8]]]


def test_words_of_far_windows_are_found(tmp_path: Path) -> None:
    path = write_spans_bundle(tmp_path / "things.attar")
    shape = {"max_length": 16, "pad_id": 0, "windows": {"most": 4, "overlap": 4}}
    long = load(write_spans_bundle(tmp_path / "long.attar", input=shape))
    text = "my " * 22 + "refund parcel " + "the " * 15 + "refund"
    assert load(path)(text).to_json()["spans"] == []
    spans = long(text).to_json()["spans"]
    assert [span["text"] for span in spans] == ["refund parcel", "refund"]
    assert [text[s["start"] : s["end"]] for s in spans] == ["refund parcel", "refund"]
    for short in ("I want my refund, now", "", "refund parcel"):
        assert long(short) == load(path)(short)
    alone, among = long(text), Predictor(read_bundle(long.path), batch_tokens=400)
    assert among([text, "my refund", ""])[0].to_json() == alone.to_json()


@settings(deadline=None)
@given(st.integers(0, 60), st.integers(6, 20), st.integers(2, 9))
def test_a_word_is_read_where_it_stands_farthest_from_a_cut(
    count: int, size: int, most: int
) -> None:
    tokenizer = Tokenizer.from_str(tiny_tokenizer().decode())
    set_windows(tokenizer, size, most)
    text = "refund " * count
    encoding = tokenizer.encode(text)
    ids = Ids.of(joined(encoding, most), joined_offsets(encoding, most), text, size)
    windows, overlap = cut(ids, size), overlap_of(size)
    assert len(ids.words) == count
    for word, start in enumerate(ids.starts):
        if start < 0:  # beyond the last window that is read
            assert len(windows) == most
            continue
        window, token = divmod(start, size)
        assert word == window * (size - 2 - overlap) + token - 1
        if window:
            assert token > overlap // 2
        if window < len(windows) - 1:
            assert len(windows[window]) - 1 - token >= overlap // 2
    if len(windows) == 1:
        assert ids.starts == Ids.of(encoding.ids, encoding.offsets, text).starts


def test_widened() -> None:
    values = np.ones((1, 1, 2), np.int32)
    assert widened(values, 1) is values
    assert widened(values, 2).tolist() == [[[1, 1], [-1, -1]]]


def test_tokens_on_standard_input(attar_command, tmp_path: Path) -> None:
    bundle = write_spans_bundle(tmp_path / "things.attar")
    lines = b'{"tokens": ["my", "refund", "parcel"]}\n{"text": "the  refund"}\n'
    done = attar_command("predict", bundle, "--json", stdin=lines)
    assert done.code == 0, done.err
    first, second = (json.loads(line)["spans"] for line in done.out.splitlines())
    assert [(s["start"], s["end"], s["text"]) for s in first] == [(3, 16, "refund parcel")]
    assert [(s["start"], s["end"]) for s in second] == [(5, 11)]
