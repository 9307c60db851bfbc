"""Near-duplicates: MinHash signatures, banded, with candidates verified exactly.

Texts are compared as sets of character 4-grams of their normalized form. Signatures
are those of Broder, "On the resemblance and containment of documents" (1997), with
64 linear permutations of 32-bit hashes; banding is that of Leskovec, Rajaraman and
Ullman, "Mining of Massive Datasets", section 3.4. No result depends on Python's
salted hash() or on a random state.

It does not find paraphrases, nor texts that share only a part.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

SHINGLE = 4
PERMUTATIONS = 64
#: Longer texts are compared by this many first characters, which bounds the work a text makes.
COMPARED_CHARACTERS = 10_000
#: In a bucket each text is compared with as many of its nearest there as keeps all
#: comparisons under MAX_COMPARED, but with MIN_WINDOW. Only where thousands of texts share
#: a template is this less than all: some pairs are missed then, their clusters hardly ever.
MAX_COMPARED = 16_000_000
MIN_WINDOW = 48
#: A text keeps as many partners a band as keeps all pairs under MAX_FOUND, but MIN_FOUND:
#: memory stays bounded where nearly all of a million texts share a template.
MAX_FOUND = 32_000_000
MIN_FOUND = 4

_BATCH = 1 << 18  # characters hashed at a time: the buffers stay in the processor's cache
_PAIRS = 1 << 16  # pairs of signatures compared at a time
_PAIR_BITS = 14  # 2**14 pairs verified at a time, if they have at most
_VERIFIED = 1 << 19  # characters
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
    near = _verified(uniques, _candidates(uniques, threshold), threshold)
    found = np.concatenate([np.array(twins, dtype=np.int64).reshape(-1, 2), index[near]])
    found = found[np.lexsort((found[:, 1], found[:, 0]))]
    return found


def clusters(n: int, pairs: Iterable[Sequence[int]] | Integers) -> Integers:
    """Label n items by connected component: the label is the smallest index in it."""
    parent = list(range(n))

    def root(i: int) -> int:
        while parent[i] != i:
            parent[i] = parent[parent[i]]
            i = parent[i]
        return i

    for i, j in pairs.tolist() if isinstance(pairs, np.ndarray) else pairs:
        a, b = root(i), root(j)
        parent[max(a, b)] = min(a, b)
    return np.array([root(i) for i in range(n)], dtype=np.int64)


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


def _sketches(texts: Sequence[str], rows: int) -> tuple[Hashes, NDArray[np.uint8]]:
    """What is kept of the signatures: a key of each band, (bands, texts), and a byte of
    each value, (texts, permutations), a quarter of the whole."""
    keys = np.empty((PERMUTATIONS // rows, len(texts)), dtype=np.uint64)
    bytes_ = np.empty((len(texts), PERMUTATIONS), dtype=np.uint8)
    done = 0
    for batch in _batches(texts):
        signatures = _signatures(batch)
        here = slice(done, done + len(batch))
        for band in range(len(keys)):
            values = signatures[band * rows : (band + 1) * rows].astype(np.uint64)
            keys[band, here] = (values * _BAND_FACTORS[:rows, None]).sum(axis=0)
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
        order = np.lexsort((keys[(band + 1) % len(keys)], key))
        key = key[order]
        here = np.arange(n)
        partners = np.zeros(n, dtype=np.int32)
        new = [found]
        for step in range(1, window + 1):
            here = here[here + step < n]
            here = here[(key[here] == key[here + step]) & (partners[here] < most)]
            if not here.size:
                break
            for some in np.array_split(here, 1 + here.size // _PAIRS):
                i, j = order[some], order[some + step]
                agree = (bytes_[i] == bytes_[j]).sum(axis=1, dtype=np.uint8) >= least
                partners[some] += agree
                i, j = i[agree], j[agree]
                new.append(np.minimum(i, j) * n + np.maximum(i, j))
        found = np.unique(np.concatenate(new))
    return np.stack([found // max(n, 1), found % max(n, 1)], axis=1)


def _verified(texts: Sequence[str], pairs: Integers, threshold: float) -> Integers:
    """Keep the pairs whose exact Jaccard similarity reaches the threshold."""
    lengths = np.array([len(text) for text in texts], dtype=np.int64)
    work = np.cumsum(lengths[pairs].sum(axis=1))
    kept = [pairs[:0]]
    start = 0
    while start < len(pairs):
        before = work[start - 1] if start else 0
        end = int(np.searchsorted(work, before + _VERIFIED, side="right"))
        some = pairs[start : min(max(end, start + 1), start + (1 << _PAIR_BITS))]
        kept.append(some[_similarities(texts, some) >= threshold - 1e-9])
        start += len(some)
    return np.concatenate(kept)


def _similarities(texts: Sequence[str], pairs: Integers) -> NDArray[np.float64]:
    """Exact Jaccard similarity of each pair, up to collisions of hashes of 49 bits.

    Every shingle of a pair becomes one number, pair | hash | side. Once sorted, repeats
    within a text are equal, and what both texts have differs in the last bit only.
    """
    hashes, starts = _shingles([texts[i] for i in pairs.ravel().tolist()])
    sides = np.repeat(np.arange(2 * len(pairs), dtype=np.uint64), np.diff(starts))
    one = np.uint64(1)
    shift = np.uint64(64 - _PAIR_BITS)
    hashes >>= np.uint64(_PAIR_BITS + 1)
    numbers = ((sides >> one) << shift) | (hashes << one) | (sides & one)
    numbers.sort()
    is_first = np.ones(len(numbers), dtype=bool)
    is_first[1:] = numbers[1:] != numbers[:-1]
    numbers = numbers[is_first]
    is_shared = (numbers[1:] >> one) == (numbers[:-1] >> one)
    owners = (numbers >> shift).astype(np.int64)
    shared = np.bincount(owners[1:][is_shared], minlength=len(pairs))
    union: NDArray[np.int64] = np.bincount(owners, minlength=len(pairs)) - shared
    return shared / union
