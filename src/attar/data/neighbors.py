"""Near-duplicates: MinHash signatures, banded, with candidates verified exactly.

Texts are compared as sets of character 4-grams of their normalized form. Signatures
are those of Broder, "On the resemblance and containment of documents" (1997), with
96 linear permutations of 32-bit hashes; banding is that of Leskovec, Rajaraman and
Ullman, "Mining of Massive Datasets", section 3.4. No result depends on Python's
salted hash() or on a random state.

It does not find paraphrases, nor texts that share only a part.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

SHINGLE = 4
PERMUTATIONS = 96  # a multiple of 8
#: Longer texts are compared by this many first characters, which bounds the work a text makes.
COMPARED_CHARACTERS = 10_000
#: In a bucket each text is compared with as many of its nearest there as keeps all
#: comparisons under MAX_COMPARED, but with MIN_WINDOW. Only where thousands of texts share
#: a template is this less than all: some pairs are missed then, their clusters hardly ever.
MAX_COMPARED = 16_000_000
MIN_WINDOW = 24
#: A text keeps as many partners a band as keeps all pairs under MAX_FOUND, but MIN_FOUND:
#: memory stays bounded where nearly all of a million texts share a template.
MAX_FOUND = 16_000_000
MIN_FOUND = 2

_BATCH = 1 << 18  # characters hashed at a time: the buffers stay in the processor's cache
_COMPARED = 1 << 12  # pairs of sketches compared at a time: they stay in the cache
_PAIRS = 1 << 18  # pairs verified at a time, if their texts have at most
_VERIFIED = 1 << 21  # characters
_NOT_WORD = re.compile(r"[^\w\s]")
_ASCII = {c: chr(c) if chr(c).isalnum() or c == ord("_") else " " for c in range(128)}

Integers = NDArray[np.int64]
Hashes = NDArray[np.uint64]


def fold(text: str) -> str:
    """Unify what looks alike: NFKC, casefold, white space collapsed; punctuation stays."""
    if text.isascii():
        return " ".join(text.lower().split())
    text = unicodedata.normalize("NFKC", text[:COMPARED_CHARACTERS]).casefold()
    return " ".join(unicodedata.normalize("NFKC", text).split())


def normalize(text: str) -> str:
    """Return the form in which texts are compared: `fold`, with words only.

    Everything but letters, their marks, digits and underscores becomes a space. A
    text without any (emoji, say) keeps its signs, else all such texts would be equal.
    """
    text = text[:COMPARED_CHARACTERS]
    if text.isascii():
        words = text.lower().translate(_ASCII)
    else:
        text = fold(text)
        words = _NOT_WORD.sub(_mark_or_space, text)
    return " ".join(words.split()) or fold(text)


def _mark_or_space(found: re.Match[str]) -> str:
    # Vowel signs of Indic scripts are marks: without them different words fall together.
    sign = found.group()
    is_mark = unicodedata.category(sign) in ("Mn", "Mc") and not "\ufe00" <= sign <= "\ufe0f"
    return sign if is_mark else " "


def near_pairs(texts: Sequence[str], threshold: float = 0.8) -> Integers:
    """Find pairs of texts whose shingle sets have a Jaccard similarity of `threshold` or more.

    Returns an array (pairs, 2) of indices i < j, sorted. Texts with equal normalized
    forms are paired with the first of them only, and only that first one is paired
    with others, so that thousands of copies do not make millions of pairs.
    """
    if not 0.0 < threshold <= 1.0:
        raise ValueError(f"threshold = {threshold}: expected a number above 0, at most 1")
    first: dict[str, int] = {}
    twins = []
    for i, text in enumerate(texts):
        normalized = normalize(text)
        # Texts that come normalized are not held twice.
        original = first.setdefault(text if normalized == text else normalized, i)
        if original != i:
            twins.append((original, i))
    # A text shorter than a shingle is its own only shingle: it is near to its twins alone.
    uniques = [text for text in first if len(text) >= SHINGLE]
    index = np.array([first[text] for text in uniques], dtype=np.int64)
    first.clear()
    near = verified(uniques, _candidates(uniques, threshold), threshold)
    found = np.concatenate([np.array(twins, dtype=np.int64).reshape(-1, 2), index[near]])
    found = found[np.lexsort((found[:, 1], found[:, 0]))]
    return found


def _agreements(sketches: NDArray[np.uint8], here: Integers, step: int) -> Hashes:
    """How many bytes of the rows `here`, ascending, equal those of the rows `step` further."""
    low, high = here[0], here[-1] + 1
    if high - low <= 4 * len(here):  # comparing all between is faster than gathering some
        equal = (sketches[low:high] == sketches[low + step : high + step])[here - low]
    else:
        equal = sketches[here] == sketches[here + step]
    # Eight bytes at once: the sums, at most PERMUTATIONS, overflow no byte.
    sums: Hashes = equal.view(np.uint64).sum(axis=1)
    return (sums * np.uint64(0x0101010101010101)) >> np.uint64(56)


def verified(texts: Sequence[str], pairs: Integers, threshold: float) -> Integers:
    """Keep the pairs of normalized texts whose exact Jaccard similarity reaches the threshold.

    pairs: (pairs, 2), those of one text together. No text may be shorter than a shingle.
    """
    lengths = np.array([len(text) for text in texts], dtype=np.int64)
    kept = [pairs[:0]]
    start = 0
    while start < len(pairs):
        some = pairs[start : start + _PAIRS]
        involved, places = np.unique(some, return_index=True)
        by_place = np.argsort(places)
        size = np.searchsorted(np.cumsum(lengths[involved[by_place]]), _VERIFIED)
        if size < len(involved):
            some = some[: max(1, int(places[by_place[size]]) // 2)]
        kept.append(some[_similarities(texts, some) >= threshold - 1e-9])
        start += len(some)
    return np.concatenate(kept)


def clusters(n: int, pairs: Sequence[Sequence[int]] | NDArray[np.integer[Any]]) -> Integers:
    """Label n items by connected component: the label is the smallest index in it."""
    label = np.arange(n)
    left = np.asarray(pairs, dtype=np.int64).reshape(-1, 2)
    while len(left):
        # Ends are replaced by their labels, which are roots; the larger root hooks on.
        left = np.sort(label[left], axis=1)
        left = left[left[:, 0] != left[:, 1]]
        np.minimum.at(label, left[:, 1], left[:, 0])
        while (label[label] != label).any():
            label = label[label]
    return label


def _constants(count: int, seed: int) -> Hashes:
    """Odd 64-bit constants: SplitMix64 (Steele, Lea & Flood 2014)."""
    with np.errstate(over="ignore"):
        steps = np.arange(1, count + 1, dtype=np.uint64) + np.uint64(seed << 32)
        return _mixed(steps * np.uint64(0x9E3779B97F4A7C15)) | np.uint64(1)


def _mixed(z: Hashes) -> Hashes:
    z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return z ^ (z >> np.uint64(31))


_SHINGLE_FACTORS = _constants(SHINGLE, 1)
_FACTORS = (_constants(PERMUTATIONS, 2) >> np.uint64(32)).astype(np.uint32) | np.uint32(1)
_OFFSETS = (_constants(PERMUTATIONS, 3) >> np.uint64(32)).astype(np.uint32)
_BAND_FACTORS = _constants(PERMUTATIONS, 4)


def _shingles(texts: Sequence[str]) -> tuple[Hashes, Integers]:
    """Hash the 4-grams of all texts; returns (hashes in order, start of each text's, + end)."""
    joined = "".join(texts).encode("utf-32-le", "surrogatepass")
    codes = np.frombuffer(joined, dtype=np.uint32).astype(np.uint64)
    lengths = np.array([len(text) for text in texts], dtype=np.int64)
    grams = codes.size - SHINGLE + 1
    hashes = np.zeros(max(grams, 0), dtype=np.uint64)
    for k, factor in enumerate(_SHINGLE_FACTORS):
        hashes += codes[k : k + grams] * factor
    ends = np.cumsum(lengths)
    inside = np.ones(codes.size, dtype=bool)
    for k in range(1, SHINGLE):
        inside[ends - k] = False
    starts = np.concatenate([[0], np.cumsum(lengths - SHINGLE + 1)])
    return _mixed(hashes[inside[:grams]]), starts


def _batches(texts: Sequence[str]) -> Iterator[Sequence[str]]:
    start = size = 0
    for i, text in enumerate(texts):
        size += len(text)
        if size >= _BATCH:
            yield texts[start : i + 1]
            start, size = i + 1, 0
    if start < len(texts):
        yield texts[start:]


def _signatures(texts: Sequence[str]) -> NDArray[np.uint32]:
    """MinHash signatures, (permutations, texts)."""
    hashes, starts = _shingles(texts)
    values = (hashes >> np.uint64(32)).astype(np.uint32)
    signatures = np.empty((PERMUTATIONS, len(texts)), dtype=np.uint32)
    buffer = np.empty_like(values)
    for k in range(PERMUTATIONS):
        np.multiply(values, _FACTORS[k], out=buffer)
        np.add(buffer, _OFFSETS[k], out=buffer)
        np.minimum.reduceat(buffer, starts[:-1], out=signatures[k])
    return signatures


def _rows_a_band(threshold: float) -> int:
    """The most rows a band can have while a pair at the threshold is met in 99.9 %."""
    for rows in range(PERMUTATIONS, 1, -1):
        if 1.0 - (1.0 - threshold**rows) ** (PERMUTATIONS // rows) >= 0.999:
            return rows
    return 1


def _sketches(texts: Sequence[str], rows: int) -> tuple[NDArray[np.uint32], NDArray[np.uint8]]:
    """What is kept of the signatures: a key of each band, (bands, texts), and a byte of
    each value, (texts, permutations), a quarter of the whole."""
    keys = np.empty((PERMUTATIONS // rows, len(texts)), dtype=np.uint32)
    bytes_ = np.empty((len(texts), PERMUTATIONS), dtype=np.uint8)
    done = 0
    for batch in _batches(texts):
        signatures = _signatures(batch)
        here = slice(done, done + len(batch))
        for band in range(len(keys)):
            values = signatures[band * rows : (band + 1) * rows].astype(np.uint64)
            keys[band, here] = (values * _BAND_FACTORS[:rows, None]).sum(axis=0) >> np.uint64(32)
        bytes_[here] = signatures.astype(np.uint8).T
        done += len(batch)
    return keys, bytes_


def _candidates(texts: Sequence[str], threshold: float) -> Integers:
    """Pairs that share a band and whose signatures agree nearly as often as they should."""
    n = len(texts)
    keys, bytes_ = _sketches(texts, _rows_a_band(threshold))
    # A byte of each value is enough to compare; a pair at the threshold agrees less
    # often than this only beyond four standard deviations.
    spread = (threshold * (1.0 - threshold) / PERMUTATIONS) ** 0.5
    least = PERMUTATIONS * (threshold - 4.0 * spread)
    window = max(MIN_WINDOW, MAX_COMPARED // (len(keys) * max(n, 1)))
    most = max(MIN_FOUND, MAX_FOUND // (len(keys) * max(n, 1)))
    found = np.empty(0, dtype=np.int64)
    for band, key in enumerate(keys):
        # Ordered by the next band inside a bucket, so that the window holds the nearest.
        both = (key.astype(np.uint64) << np.uint64(32)) | keys[(band + 1) % len(keys)]
        order = np.argsort(both)
        key, sorted_bytes = key[order], bytes_[order]
        here = np.arange(n)
        partners = np.zeros(n, dtype=np.int32)
        new = [found]
        for step in range(1, window + 1):
            here = here[here + step < n]
            here = here[(key[here] == key[here + step]) & (partners[here] < most)]
            if not here.size:
                break
            for some in np.array_split(here, 1 + here.size // _COMPARED):
                some = some[_agreements(sorted_bytes, some, step) >= least]
                partners[some] += 1
                i, j = order[some], order[some + step]
                new.append(np.minimum(i, j) * n + np.maximum(i, j))
        found = np.sort(np.concatenate(new))  # np.unique hashes, which takes ten times longer
        found = found[np.diff(found, prepend=-1) > 0]
    return np.stack([found // max(n, 1), found % max(n, 1)], axis=1)


def _similarities(texts: Sequence[str], pairs: Integers) -> NDArray[np.float64]:
    """Exact Jaccard similarity of each pair."""
    involved, local = np.unique(pairs, return_inverse=True)
    local = local.reshape(pairs.shape)
    ranks, starts = _distinct_shingles([texts[i] for i in involved])
    sizes = np.diff(starts)
    firsts, begins = np.unique(local[:, 0], return_index=True)
    ends = np.append(begins[1:], len(pairs))
    shared = np.empty(len(pairs), dtype=np.int64)
    # The set of one text at a time is marked in a table; its partners are looked up there.
    marks = np.full(int(ranks.max()) + 1, -1, dtype=np.int32)
    for first, begin, end in zip(firsts.tolist(), begins.tolist(), ends.tolist(), strict=True):
        marks[ranks[starts[first] : starts[first + 1]]] = first
        partners = local[begin:end, 1]
        count = sizes[partners]
        before = np.cumsum(count) - count
        places = np.repeat(starts[partners] - before, count) + np.arange(count.sum())
        shared[begin:end] = np.add.reduceat(marks[ranks[places]] == first, before, dtype=np.int64)
    union = sizes[local].sum(axis=1) - shared
    similarities: NDArray[np.float64] = shared / union
    return similarities


def _distinct_shingles(texts: Sequence[str]) -> tuple[NDArray[np.int32], Integers]:
    """Number the shingles of all texts; returns (each text's set in turn, starts + end).

    Two shingles share a number only if their 64-bit hashes collide.
    """
    hashes, starts = _shingles(texts)
    owner = np.repeat(np.arange(len(texts)), np.diff(starts))
    order = np.argsort(hashes, kind="stable")  # stable: a text's repeats stand together
    in_order = hashes[order]
    is_new = np.ones(len(order), dtype=bool)
    is_new[1:] = in_order[1:] != in_order[:-1]
    is_repeat = np.zeros(len(order), dtype=bool)
    is_repeat[1:] = ~is_new[1:] & (owner[order][1:] == owner[order][:-1])
    ranks = np.empty(len(order), dtype=np.int32)
    ranks[order] = np.cumsum(is_new) - 1
    keep = np.empty(len(order), dtype=bool)
    keep[order] = ~is_repeat
    sizes = np.bincount(owner[keep], minlength=len(texts))
    return ranks[keep], np.concatenate([[0], np.cumsum(sizes)])
