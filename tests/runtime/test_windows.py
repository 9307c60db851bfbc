"""Long texts: windows are found again, and pooled as the whole text would be."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tokenizers import Tokenizer

from attar.bundle import read_bundle
from attar.errors import BundleError
from attar.runtime.predictor import Predictor, load
from attar.runtime.windows import cut, described, joined, overlap_of, pooled, set_windows
from conftest import FILLER, KEYWORDS, tiny_tokenizer

WORDS = [*KEYWORDS.values(), *FILLER]
Make = Callable[..., Path]


@settings(deadline=None)
@given(st.lists(st.sampled_from(WORDS), max_size=80), st.integers(6, 24), st.integers(2, 9))
def test_windows_hold_the_text_and_overlap(words: list[str], size: int, most: int) -> None:
    tokenizer = Tokenizer.from_str(tiny_tokenizer().decode())
    whole = tokenizer.encode(" ".join(words)).ids[1:-1]
    set_windows(tokenizer, size, most)
    windows = cut(joined(tokenizer.encode(" ".join(words)), most), size)
    overlap, inside = overlap_of(size), size - 2
    assert 1 <= len(windows) <= most
    assert all(len(window) == size for window in windows[:-1])
    assert all(window[0] == 2 and window[-1] == 3 for window in windows)  # [CLS] … [SEP]
    for i, window in enumerate(windows):
        start = i * (inside - overlap)
        assert window[1:-1] == whole[start : start + inside]
    if len(windows) < most:
        assert windows[-1][1:-1] == whole[(len(windows) - 1) * (inside - overlap) :]


def test_one_window_cuts() -> None:
    tokenizer = Tokenizer.from_str(tiny_tokenizer().decode())
    set_windows(tokenizer, 8, 1)
    assert len(joined(tokenizer.encode("my " * 50), 1)) == 8
    assert cut([], 8) == [[]]
    assert described(8, 1) == {}
    assert described(8, 3) == {"windows": {"overlap": 2, "most": 3}}


def test_means_by_tokens() -> None:
    values = np.array([[1.0], [3.0], [10.0]], np.float32)
    found = pooled(values, np.array([1, 1, 0]), np.array([30, 10, 7]), 2)
    np.testing.assert_allclose(found, [[10.0], [1.5]])


def windowed(make_bundle: Make, most: int = 4, overlap: int = 4, **keys: Any) -> Path:
    shape = {"max_length": 16, "pad_id": 0, "windows": {"most": most, "overlap": overlap}}
    return make_bundle(input=shape, **keys)


def test_a_word_beyond_the_first_window_counts(make_bundle: Make, tiny_bundle: Path) -> None:
    text = "please " * 20 + "refund"
    assert load(tiny_bundle)(text).score == pytest.approx(1 / 4, abs=1e-3)  # never read
    path = windowed(make_bundle, name="windowed.attar")
    predictor = load(path)
    answer = predictor(text)
    assert answer.label == "refund"
    # The tiny model averages over tokens, so windows without overlap read as one would.
    plain = load(windowed(make_bundle, name="plain.attar", overlap=0))
    words = 21
    windows = -(-words // 14)
    expected = np.array([[0, 0, 30 / (words + 2 * windows), 0]])
    shares = np.exp(expected) / np.exp(expected).sum()
    assert plain(text).score == pytest.approx(float(shares[0, 2]), abs=1e-5)
    assert predictor.count_tokens(text) > 21


def test_a_text_is_answered_alike_alone_and_among_others(make_bundle: Make) -> None:
    path = windowed(make_bundle)
    texts = ["refund " + "my " * 40, "parcel", "", "my " * 30 + "cancel", "weather " * 300]
    alone = [load(path)(text) for text in texts]
    among = Predictor(read_bundle(path), batch_tokens=400)(texts)
    for one, other in zip(alone, among, strict=True):
        assert one.label == other.label
        assert one.score == pytest.approx(other.score, abs=1e-5)
    assert load(path).embed(texts).shape == (5, 4)


def test_no_more_windows_are_read_than_promised(make_bundle: Make) -> None:
    predictor = load(windowed(make_bundle, most=2))
    assert predictor("my " * 500 + "refund") == predictor("my " * 501)


@pytest.mark.parametrize(
    "windows",
    [
        {"most": 0, "overlap": 4},
        {"most": 65, "overlap": 4},
        {"most": 2, "overlap": 8},
        {"most": 2, "overlap": -1},
        {"most": True, "overlap": 4},
        {"most": 2},
        [2, 4],
        "many",
    ],
)
def test_hostile_windows(make_bundle: Make, windows: Any) -> None:
    path = make_bundle(input={"max_length": 16, "pad_id": 0, "windows": windows})
    with pytest.raises(BundleError, match=r"input\.windows"):
        load(path)
