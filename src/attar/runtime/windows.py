"""Long texts: read in overlapping windows, answered as one.

A text's token ids are its windows one after the other, each as long as the model's input
but the last, so that `cut` finds them again. What the model gives for the windows is
averaged by their numbers of tokens. Within a window the embedding is a mean over tokens
too, and the head is linear: so the whole text is pooled just as one window is, and tokens
in an overlap count twice.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray
from tokenizers import Encoding, Tokenizer

from attar.errors import BundleError

#: Of a window, repeated at the start of the next one: no sentence is cut without context.
OVERLAP = 1 / 4
MOST = 64  # that a bundle may ask for


def set_windows(tokenizer: Tokenizer, size: int, most: int, overlap: int | None = None) -> None:
    """Let the tokenizer cut texts at `size` tokens, into windows where `most` is above one."""
    tokenizer.no_padding()
    if most == 1:
        tokenizer.enable_truncation(size)
    else:
        tokenizer.enable_truncation(size, stride=overlap_of(size) if overlap is None else overlap)


def overlap_of(size: int) -> int:
    return int(OVERLAP * size)


def joined(encoding: Encoding, most: int) -> list[int]:
    """The ids of a text's first `most` windows, one after the other."""
    ids: list[int] = encoding.ids
    for window in encoding.overflowing[: most - 1] if most > 1 else ():
        ids = ids + window.ids
    return ids


def joined_offsets(encoding: Encoding, most: int) -> list[tuple[int, int]]:
    """Where each of these ids stands in the text, end not included; empty where nowhere."""
    offsets: list[tuple[int, int]] = encoding.offsets
    for window in encoding.overflowing[: most - 1] if most > 1 else ():
        offsets = offsets + window.offsets
    return offsets


def cut(ids: list[int], size: int) -> list[list[int]]:
    """The windows again; a text without tokens has one that is empty."""
    return [ids[start : start + size] for start in range(0, max(1, len(ids)), size)]


def pooled(
    values: NDArray[np.float32], owner: NDArray[np.int64], tokens: NDArray[np.int64], texts: int
) -> NDArray[np.float32]:
    """Means over the windows of each text, weighted by tokens: (windows, width) to
    (texts, width). owner: (windows,), the text of each; tokens: (windows,)."""
    weights = np.zeros((texts, len(values)))
    weights[owner, np.arange(len(values))] = tokens
    weights /= weights.sum(axis=1, keepdims=True)
    means: NDArray[np.float32] = (weights @ values).astype(np.float32)
    return means


def windows_in(shape: Mapping[str, Any]) -> tuple[int, int]:
    """(most, overlap) of a manifest's `input`, (1, 0) where it has no windows. Raises
    BundleError for values that cannot be."""
    found = shape.get("windows")
    if found is None:
        return 1, 0
    if not isinstance(found, Mapping):
        raise BundleError("manifest.json: input.windows: expected the numbers most and overlap")
    most, overlap = found.get("most"), found.get("overlap")
    if type(most) is not int or type(overlap) is not int:
        raise BundleError("manifest.json: input.windows: expected the numbers most and overlap")
    if not 1 <= most <= MOST or not 0 <= overlap < shape["max_length"] // 2:
        raise BundleError(
            f"manifest.json: input.windows: expected most from 1 to {MOST}, and an overlap "
            "under half of max_length"
        )
    return most, overlap


def described(size: int, most: int) -> dict[str, Any]:
    """What a manifest's `input` says about windows; nothing where texts are just cut."""
    return {} if most == 1 else {"windows": {"overlap": overlap_of(size), "most": most}}
