"""The index: search, words, and parts that cannot be trusted."""

from __future__ import annotations

import json
import math
from collections import Counter

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from attar.errors import BundleError
from attar.runtime.bm25 import K1, B, Bm25, words_in
from attar.runtime.index import (
    CANDIDATES,
    DOCUMENTS,
    VECTORS,
    DocumentIndex,
    index_bytes,
    read_index,
    rounded,
    write_index,
)
from attar.runtime.matrices import write_matrix
from attar.runtime.nearest import ExactSearch, unit
from attar.types import Document

WORDS = st.lists(st.sampled_from(["ape", "bee", "cat", "dog", "eel"]), max_size=8).map(" ".join)
TEXTS = st.text(st.characters(codec="utf-8"), min_size=1, max_size=30)


def documents(count: int) -> list[Document]:
    return [Document(f"id {i}", f"text {i}", "title" if i % 2 else "") for i in range(count)]


def naive_bm25(texts: list[str], query: str) -> list[float]:
    """Straight from the formula, then over the most that the query could get."""
    found = [text.split() for text in texts]
    mean = sum(map(len, found)) / len(found) or 1.0
    holding = Counter(word for words in found for word in set(words))

    def idf(word: str) -> float:
        return math.log(1 + (len(texts) - holding[word] + 0.5) / (holding[word] + 0.5))

    most = sum(idf(word) * (K1 + 1) for word in query.split())
    scores = []
    for words in found:
        total = 0.0
        for word in query.split():
            times = words.count(word)
            damped = times + K1 * (1 - B + B * len(words) / mean)
            total += idf(word) * times * (K1 + 1) / damped if times else 0.0
        scores.append(total / most if most else 0.0)
    return scores


@given(st.lists(WORDS, min_size=1, max_size=6), WORDS)
def test_bm25_is_the_formula(texts: list[str], query: str) -> None:
    scores = Bm25(texts)(query)
    assert scores == pytest.approx(naive_bm25(texts, query), abs=1e-6)
    assert ((scores >= 0) & (scores < 1)).all()


def test_words_of_every_document_and_of_few_count_alike() -> None:
    """Frequent words are added in a row, others one by one."""
    texts = [f"all {'some' if i % 3 else ''} rare{i} all" for i in range(40)]
    for query in ("all", "some rare7", "all rare7 none"):
        assert Bm25(texts)(query) == pytest.approx(naive_bm25(texts, query), abs=1e-6)


def test_words_are_those_of_any_script_in_lower_case() -> None:
    scores = Bm25(["Straße 7, bitte!", "noch etwas", "東京 駅"])("STRASSE straße 京?")
    assert scores[0] > 0 == scores[1] < scores[2]
    assert Bm25(["हिन्दी में", "…"])("हिन्दी")[0] > 0
    assert Bm25([])("x").shape == (0,)
    assert Bm25(["", ""])("x").tolist() == [0, 0]


@given(st.text(st.characters(max_codepoint=127)))
def test_plain_words_are_found_the_quick_way_and_the_other(text: str) -> None:
    other = [found for found in words_in(f"{text} é") if found != "é"]
    assert words_in(text) == other


@given(st.integers(0, 2**32 - 1), st.integers(1, 60), st.integers(2, 40))
def test_int8_search_is_nearly_float_search(seed: int, count: int, width: int) -> None:
    rng = np.random.default_rng(seed)
    vectors, queries = rng.normal(size=(count, width)), rng.normal(size=(3, width))
    exact = unit(queries) @ unit(vectors).T
    stored = rounded(vectors)
    index, _ = read_index(write_index(documents(count), stored), width, words=False)
    found = index(queries.astype(np.float32), ["", "", ""])
    for i in range(3):
        known = [d for d in found["documents"][i] if d is not None]
        places = [int(d.id.split()[1]) for d in known]
        assert found["cosine"][i, : len(known)] == pytest.approx(exact[i, places], abs=0.02)
        best = np.nanmax(found["cosine"][i])
        assert best == pytest.approx(exact[i].max(), abs=0.02)
        assert len(known) == min(count, CANDIDATES)


def test_words_bring_candidates_of_their_own() -> None:
    vectors = np.vstack([np.tile([1.0, 0.0], (CANDIDATES, 1)), [[-1.0, 0.0]]])
    known = [Document(f"{i}", "plain") for i in range(CANDIDATES)] + [Document("x", "rare")]
    query = np.array([[1.0, 0.0]], np.float32)
    for words, expected in ((False, False), (True, True)):
        found = DocumentIndex(known, ExactSearch(vectors), words)(query, ["something rare"])
        assert ("x" in {d.id for d in found["documents"][0] if d is not None}) is expected


@given(st.lists(st.tuples(TEXTS, TEXTS, TEXTS), max_size=5, unique_by=lambda parts: parts[0]))
def test_round_trip(parts: list[tuple[str, str, str]]) -> None:
    known = [Document(*one, also=("\0" + one[0],) if len(one[1]) > 9 else ()) for one in parts]
    vectors = rounded(np.random.default_rng(0).normal(size=(len(known), 3)))
    files = write_index(known, vectors)
    index, stored = read_index(files, 3, words=False)
    assert index.documents == tuple(known)
    assert (stored == vectors).all()
    assert index_bytes(known, 3) >= len(files[VECTORS])


def test_zero_vectors_stay() -> None:
    assert rounded(np.zeros((2, 3))).tolist() == [[0, 0, 0]] * 2
    assert unit(np.zeros((1, 3))).tolist() == [[0, 0, 0]]


GOOD = write_index(documents(2), rounded(np.eye(2, 3)))
BAD_LINES = [
    b"not json\n",
    b'["a"]\n',
    b'{"id": "a"}\n',
    b'{"id": "", "text": "b"}\n',
    b'{"id": "a", "text": 3}\n',
    b'{"id": "a", "text": "b", "code": "c"}\n',
    b'{"id": "a", "text": "b", "also": "c"}\n',
    b'{"id": "a", "text": "b", "also": [3]}\n',
    b"[" * 100_000 + b"\n",
    b'{"id": "a", "text": "\xff"}\n',
]


@pytest.mark.parametrize("line", BAD_LINES)
def test_documents_that_are_none(line: bytes) -> None:
    files = {**GOOD, DOCUMENTS: GOOD[DOCUMENTS].splitlines(keepends=True)[0] + line}
    with pytest.raises(BundleError, match=r"documents.jsonl, line 2"):
        read_index(files, 3, words=True)


def test_parts_that_do_not_fit() -> None:
    cases = (
        ({DOCUMENTS: GOOD[DOCUMENTS] * 2}, "4 documents for 2 vectors"),
        ({DOCUMENTS: GOOD[DOCUMENTS].splitlines(keepends=True)[0] * 2}, "twice"),
        (
            {DOCUMENTS: b'{"id": "a", "text": "", "also": ["a"]}\n{"id": "b", "text": ""}\n'},
            "twice",
        ),
        ({VECTORS: write_matrix(np.zeros((2, 4), np.int8))}, "of 4 numbers"),
        ({VECTORS: write_matrix(np.zeros((2, 3), np.float32))}, "expected rows of int8"),
        ({VECTORS: write_matrix(np.zeros((2, 3, 1), np.int8))}, "expected rows of int8"),
        ({VECTORS: GOOD[VECTORS][:-1]}, "its size"),
        ({VECTORS: GOOD[VECTORS] + b"x"}, "its size"),
        ({VECTORS: b""}, "cannot be read"),
        ({VECTORS: GOOD[VECTORS].replace(b"(2, 3)", b"(9**9, 3)")}, "cannot be read"),
        ({VECTORS: GOOD[VECTORS].replace(b"(2, 3), }", b"(-2, -3)}")}, "cannot be read"),
    )
    for changed, message in cases:
        with pytest.raises(BundleError, match=message):
            read_index({**GOOD, **changed}, 3, words=False)
    with pytest.raises(BundleError, match="needs vectors.npy"):
        read_index({VECTORS: GOOD[VECTORS]}, 3, words=False)


def test_vectors_that_are_none() -> None:
    index, _ = read_index(GOOD, 3, words=False)
    with pytest.raises(BundleError, match="not numbers"):
        index(np.full((1, 3), np.nan, np.float32), [""])
    with pytest.raises(BundleError, match="expects vectors of 3"):
        index(np.zeros((1, 2), np.float32), [""])


def test_texts_are_json_lines_that_any_language_reads() -> None:
    assert [json.loads(line) for line in GOOD[DOCUMENTS].decode().splitlines()] == [
        {"id": "id 0", "text": "text 0"},
        {"id": "id 1", "text": "text 1", "title": "title"},
    ]
