"""ONNX Runtime on the CPU: the engine of encoder tasks.

It reads one ONNX file from memory. Models whose weights lie in further files
beside them are refused: a bundle must be complete.
"""

from __future__ import annotations

import os
from collections.abc import Mapping

import numpy as np
import onnxruntime
from numpy.typing import NDArray

from attar.errors import BundleError
from attar.types import Outputs

INPUTS = ("input_ids", "attention_mask")
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
        if threads == 1:
            options.add_session_config_entry("session.intra_op.allow_spinning", "0")
            options.add_session_config_entry("session.inter_op.allow_spinning", "0")
        # Processors with AVX2 but without VNNI add pairs of products in 16 bits, where int8
        # weights overflow unseen; this has them multiply in a way that cannot (bench/vnni.py).
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

    def run(self, input_ids: NDArray[np.int64], attention_mask: NDArray[np.int64]) -> Outputs:
        given = {"input_ids": input_ids, "attention_mask": attention_mask}
        try:
            values = self._session.run(self._names, {name: given[name] for name in self._inputs})
        except Exception as error:  # as above
            raise BundleError(f"the model cannot be run: {_line(error)}") from error
        return dict(zip(self._names, values, strict=True))


def _line(error: Exception) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0][:300]
