"""Matrices in a bundle: one `.npy` array, version 1.0, whose header is not trusted."""

from __future__ import annotations

import io
from typing import Any

import numpy as np
from numpy.typing import NDArray

from attar.errors import BundleError


def read_matrix(content: bytes, dtype: np.dtype[Any], what: str, most_values: int) -> NDArray[Any]:
    """The array (rows, columns) of this dtype, of at most `most_values`; nothing is allocated
    beyond the content. Raises BundleError, which names the part as `what`."""
    stream = io.BytesIO(content)
    try:
        version = np.lib.format.read_magic(stream)
        if version != (1, 0):
            raise ValueError(f"version {version} of the format")
        shape, fortran, found = np.lib.format.read_array_header_1_0(stream)
        if fortran or found != dtype or len(shape) != 2:
            raise ValueError(f"expected rows of {dtype}, not {found} {shape}")
        size = shape[0] * shape[1]  # of Python's integers, which do not overflow
        held = len(content) - stream.tell()
        if min(shape) < 0 or size > most_values or held != dtype.itemsize * size:
            raise ValueError("its size is not what its header says")
        return np.frombuffer(content, dtype, offset=stream.tell()).reshape(shape)
    except (ValueError, EOFError, OverflowError, SyntaxError, TypeError) as error:
        raise BundleError(f"{what} cannot be read: {error}") from None


def write_matrix(values: NDArray[Any]) -> bytes:
    """The bytes of an array (rows, columns)."""
    stream = io.BytesIO()
    plain = np.ascontiguousarray(values)
    np.lib.format.write_array_header_1_0(stream, np.lib.format.header_data_from_array_1_0(plain))
    stream.write(plain.tobytes())
    return stream.getvalue()
