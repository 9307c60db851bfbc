"""ONNX Runtime on the CPU: the engine of encoder tasks.

It reads one ONNX file from memory. Models whose weights lie in further files
beside them are refused: a bundle must be complete.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path

import numpy as np
import onnxruntime
from numpy.typing import NDArray

from attar.errors import BundleError
from attar.types import Outputs

INPUTS = ("input_ids", "attention_mask")
CPUINFO = Path("/proc/cpuinfo")
_ERRORS_ONLY = 3


class OnnxEngine:
    """An ONNX Runtime session; safe to use from several threads once loaded."""

    def load(self, files: Mapping[str, bytes], threads: int) -> None:
        if len(files) != 1:
            raise BundleError(f"the engine onnxruntime takes one file, not {', '.join(files)}")
        (name, content), *_ = files.items()
        # Its one scale for a whole tensor of activations is shared by all rows of a batch. The
        # name of an operator stands in the file as it is.
        self.mixes_rows = b"DynamicQuantizeLinear" in content
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads
        options.inter_op_num_threads = 1
        options.execution_mode = onnxruntime.ExecutionMode.ORT_SEQUENTIAL
        options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_ENABLE_ALL
        options.log_severity_level = _ERRORS_ONLY
        # Threads that spin while they wait take the processor from everything beside them.
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")
        options.add_session_config_entry("session.inter_op.allow_spinning", "0")
        if not multiplies_in_32_bits():
            options.add_session_config_entry("session.x64quantprecision", "1")
        # A model may name files to take weights from; unset, that would be the current folder.
        options.add_session_config_entry(
            "session.model_external_initializers_file_folder_path", os.devnull
        )
        try:
            session = onnxruntime.InferenceSession(
                content, sess_options=options, providers=["CPUExecutionProvider"]
            )
        except Exception as error:  # its errors share no narrower base
            raise BundleError(
                f"{name}: ONNX Runtime {onnxruntime.__version__} cannot load it: {_line(error)}"
            ) from error
        self._inputs = tuple(entry.name for entry in session.get_inputs())
        if not set(self._inputs) <= set(INPUTS):
            raise BundleError(
                f"{name}: takes the inputs {', '.join(self._inputs)}; expected {', '.join(INPUTS)}"
            )
        self._names = [entry.name for entry in session.get_outputs()]
        self._session = session

    def run(
        self,
        input_ids: NDArray[np.int64],
        attention_mask: NDArray[np.int64],
        names: Sequence[str] | None = None,
    ) -> Outputs:
        given = {"input_ids": input_ids, "attention_mask": attention_mask}
        names = self._names if names is None else [n for n in names if n in self._names]
        try:
            values = self._session.run(names, {name: given[name] for name in self._inputs})
        except Exception as error:  # as above
            raise BundleError(f"the model cannot be run: {_line(error)}") from error
        return dict(zip(names, values, strict=True))


@cache
def multiplies_in_32_bits() -> bool:
    """Whether the processor has VNNI, as far as it can be told.

    Without it, pairs of int8 products are added in 16 bits, where they overflow unseen;
    `session.x64quantprecision` has them multiplied in a way that cannot. With it that way
    gives the same answers in 1.7 times the time (bench/vnni.py).
    """
    # numpy asks the processor, and knows the AVX-512 form of it; the other is Linux's to tell.
    core = getattr(np, "_core", None)
    features = getattr(getattr(core, "_multiarray_umath", None), "__cpu_features__", {})
    if features.get("AVX512VNNI"):
        return True
    try:
        return " avx_vnni " in CPUINFO.read_text(encoding="ascii", errors="replace")
    except OSError:
        return False


def _line(error: Exception) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0][:300]
