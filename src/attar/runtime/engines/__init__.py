"""The inference engines, by the name that a bundle's parts use. One file each."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from attar.registry import Registry
from attar.types import Outputs


class Engine(Protocol):
    """Runs the weights of one part. Made without arguments, then loaded once.

    mixes_rows: whether the other rows of a batch can move a row's outputs by more than
    rounding does.
    """

    mixes_rows: bool

    def load(self, files: Mapping[str, bytes], threads: int) -> None:
        """Take the part's files. Raises BundleError when they cannot be run."""

    def run(
        self,
        input_ids: NDArray[np.int64],
        attention_mask: NDArray[np.int64],
        names: Sequence[str] | None = None,
    ) -> Outputs:
        """One batch, both inputs (batch, length): those outputs of these names that the model
        has, by default all. Raises BundleError when it fails."""


ENGINES: Registry[type[Engine]] = Registry(
    "engines", {"onnxruntime": "attar.runtime.engines.onnx:OnnxEngine"}, noun="engine"
)
