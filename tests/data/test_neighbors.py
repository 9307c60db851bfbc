"""MinHash against brute force."""

from __future__ import annotations

import random
import string
import time
from itertools import combinations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from attar.data import neighbors
from attar.data.neighbors import _agreements, clusters, near_pairs, normalize, verified


def shingles(text: str) -> set[str]:
    text = normalize(text)
    return {text[i : i + 4] for i in range(len(text) - 3)} or {text}


def brute_force(texts: list[str], threshold: float) -> set[tuple[int, int]]:
    sets = [shingles(text) for text in texts]
    return {
        (i, j)
        for i, j in combinations(range(len(texts)), 2)
        if len(sets[i] & sets[j]) / len(sets[i] | sets[j]) >= threshold
    }


def near_duplicates(seed: int, count: int) -> list[str]:
    rng = random.Random(seed)
    words = ["".join(rng.choices(string.ascii_lowercase, k=rng.randint(2, 9))) for _ in range(300)]
    texts = []
    for _ in range(count):
        base = rng.choices(words, k=rng.randint(8, 30))
        texts.append(" ".join(base))
        for _ in range(rng.randint(0, 3)):
            changed = list(base)
            changed[rng.randrange(len(changed))] = rng.choice(words)
            texts.append(" ".join(changed))
    return list(dict.fromkeys(texts))


@pytest.mark.parametrize("threshold", [0.6, 0.8, 0.9])
def test_finds_what_brute_force_finds(threshold: float) -> None:
    texts = near_duplicates(seed=1, count=160)
    true = brute_force(texts, threshold)
    found = {(i, j) for i, j in near_pairs(texts, threshold).tolist()}
    assert len(true) > 20
    assert found <= true  # verified exactly
    assert len(found) >= 0.95 * len(true)


def test_templates_that_fill_a_bucket_stay_connected() -> None:
    rng = random.Random(2)
    texts = [
        f"please help me to cancel the order with number {rng.randrange(1000)} right now"
        for _ in range(400)
    ]
    texts = list(dict.fromkeys(texts))
    true = clusters(len(texts), sorted(brute_force(texts, 0.8)))
    found = clusters(len(texts), near_pairs(texts))
    assert len(set(found.tolist())) <= len(set(true.tolist())) + 1


@given(st.lists(st.text(max_size=30), max_size=12))
@settings(max_examples=100, deadline=None)
def test_any_texts(texts: list[str]) -> None:
    pairs = near_pairs(texts)
    assert pairs.shape[1] == 2
    assert (pairs[:, 0] < pairs[:, 1]).all()
    labels = clusters(len(texts), pairs)
    for i, j in combinations(range(len(texts)), 2):
        if normalize(texts[i]) == normalize(texts[j]):
            assert labels[i] == labels[j]


def test_clusters_do_not_depend_on_order() -> None:
    texts = near_duplicates(seed=3, count=100)
    shuffled = random.Random(0).sample(range(len(texts)), len(texts))
    one = {frozenset(p) for p in near_pairs(texts).tolist()}
    two = near_pairs([texts[i] for i in shuffled]).tolist()
    assert one == {frozenset((shuffled[i], shuffled[j])) for i, j in two}


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("  Hello,\tWORLD! ", "hello world"),
        ("snake_case-3", "snake_case 3"),
        ("ＦＵＬＬ straße", "full strasse"),
        ("की कि", "की कि"),
        ("❤️ yes", "yes"),
        ("👍", "👍"),
        ("?!", "?!"),
        ("", ""),
    ],
)
def test_normalize(text: str, expected: str) -> None:
    assert normalize(text) == expected


@given(st.text(max_size=40))
def test_normalize_ascii_shortcut_agrees(text: str) -> None:
    ascii_only = "".join(c for c in text if c.isascii())
    assert normalize(ascii_only + " é").removesuffix("é").strip() in (normalize(ascii_only), "")


def test_thousands_of_copies_are_cheap() -> None:
    start = time.perf_counter()
    pairs = near_pairs(["same text", "Same text!"] * 10_000)
    assert len(pairs) == 19_999
    assert (pairs[:, 0] == 0).all()
    assert time.perf_counter() - start < 5


def test_agreements_are_counted_alike_dense_and_sparse() -> None:
    sketches = np.random.default_rng(0).integers(0, 3, (500, 64), dtype=np.uint8)
    for here in (np.arange(100, 300), np.array([0, 7, 490])):
        naive = (sketches[here] == sketches[here + 4]).sum(axis=1)
        assert _agreements(sketches, here, 4).tolist() == naive.tolist()


@given(st.lists(st.tuples(st.integers(0, 29), st.integers(0, 29)), max_size=40))
@settings(deadline=None)
def test_clusters_are_components(pairs: list[tuple[int, int]]) -> None:
    label = list(range(30))
    for _ in range(30):  # the naive way: spread the smallest label until nothing changes
        for i, j in pairs:
            label[i] = label[j] = min(label[i], label[j])
    assert clusters(30, pairs).tolist() == label


def test_verification_in_pieces_is_that_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    texts = [normalize(text) for text in near_duplicates(seed=4, count=60)]
    pairs = np.array(list(combinations(range(len(texts)), 2)))
    whole = verified(texts, pairs, 0.8)
    assert {tuple(pair) for pair in whole.tolist()} == brute_force(texts, 0.8)
    monkeypatch.setattr(neighbors, "_VERIFIED", 900)  # a few texts
    assert verified(texts, pairs, 0.8).tolist() == whole.tolist()


def test_pairs_stay_bounded_where_all_texts_share_a_template(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """As of a million texts, scaled down: few pairs a text, all true, all connected."""
    rng = random.Random(6)
    texts = [
        f"please help me to cancel order {rng.randrange(10**4)} right now because of the rain"
        for _ in range(600)
    ]
    texts = list(dict.fromkeys(texts))
    assert len(near_pairs(texts)) > 20 * len(texts)
    monkeypatch.setattr(neighbors, "MAX_FOUND", 0)
    pairs = near_pairs(texts)
    bands = neighbors.PERMUTATIONS // neighbors._rows_a_band(0.8)
    assert len(pairs) <= bands * neighbors.MIN_FOUND * len(texts)
    assert set(map(tuple, pairs.tolist())) <= brute_force(texts, 0.8)
    assert len(set(clusters(len(texts), pairs).tolist())) == 1


def test_clusters() -> None:
    assert clusters(5, [(3, 1), (4, 3)]).tolist() == [0, 1, 2, 1, 1]
    assert clusters(0, np.empty((0, 2), dtype=np.int64)).tolist() == []


def test_threshold_is_checked() -> None:
    with pytest.raises(ValueError, match="threshold"):
        near_pairs([], 0.0)
