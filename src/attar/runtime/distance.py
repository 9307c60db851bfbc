"""How far a text lies from the nearest label, in the space of embeddings.

A bundle may carry a part of the role "distance": one `.npy` array (hidden + labels,
rank) of float16. Its first rows project an embedding, (hidden, rank), into a space
where texts of one label scatter evenly; the rest are the labels' centers there. The
squared distance to the nearest center is the Mahalanobis distance of Lee et al. 2018
with a covariance that the labels share. Fitting it is `evaluate.handover`'s.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from attar.errors import BundleError
from attar.runtime.matrices import read_matrix, write_matrix

ENGINE = "nearest-label"
MOST_VALUES = 50_000_000


class NearestLabel:
    """Squared distances to the nearest of `labels` centers."""

    def __init__(self, values: NDArray[np.float32], labels: int) -> None:
        """values: (hidden + labels, rank)."""
        hidden = len(values) - labels
        self.projection = values[:hidden]  # (hidden, rank)
        self.centers = values[hidden:]  # (labels, rank)

    def __call__(self, embedding: NDArray[np.float32]) -> NDArray[np.float32]:
        """embedding: (batch, hidden). Returns (batch,)."""
        if embedding.ndim != 2 or embedding.shape[1] != len(self.projection):
            raise BundleError(
                f"the distance part expects embeddings of {len(self.projection)} numbers, "
                f"not {embedding.shape[-1]}. The bundle was put together wrongly."
            )
        projected = embedding @ self.projection  # (batch, rank)
        away = projected[:, None, :] - self.centers  # (batch, labels, rank)
        nearest: NDArray[np.float32] = np.square(away).sum(axis=2).min(axis=1)
        return nearest


def read_distance(content: bytes, labels: int) -> NearestLabel:
    """Raises BundleError where the array cannot be used."""
    values = read_matrix(content, np.dtype(np.float16), "the distance part", MOST_VALUES)
    if len(values) <= labels:
        raise BundleError(
            f"the distance part cannot be read: expected more than {labels} rows, not {len(values)}"
        )
    if not np.isfinite(values).all():
        raise BundleError("the distance part holds values that are not numbers")
    return NearestLabel(values.astype(np.float32), labels)


def write_distance(values: NDArray[np.float32]) -> bytes:
    """The part's bytes for an array (hidden + labels, rank)."""
    return write_matrix(values.astype(np.float16))
