"""What zeros buy on disk and in time: one int8 model, ever more of its weights zero.

    python bench/sparsity.py [--shares 0,0.5,0.7,0.9] [--rounds 200]

The embedded encoder as published, since bytes and milliseconds do not depend on how good
the weights are. "raw" is what a bundle stores; "deflated" the same file by zlib; "mask"
what a format of its own could reach: a bit a weight and the bytes of those that are not
zero, the rest of the file raw. The time is that of one text of 16 tokens on one thread,
all models taken in turns.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import tempfile
import time
import zlib
from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto, numpy_helper

from attar.passes import Artifact, Context, apply_all
from attar.passes.export_onnx import ExportOnnx
from attar.passes.quantize import Quantize
from attar.passes.sparsify import Sparsify
from attar.runtime.engines.onnx import OnnxEngine
from attar.tasks import TASKS
from attar.train.start import EMBEDDED, locate, start_model
from attar.types import Dataset
from report import line


def int8_of(share: float, start: Artifact, context: Context) -> bytes:
    """The int8 graph with this share of every matrix set to zero by magnitude."""
    masks = (Sparsify(share, "magnitude"),) if share else ()
    made = apply_all((*masks, ExportOnnx(), Quantize()), start, context)
    return (made.folder / "model.onnx").read_bytes()


def masked_size(content: bytes) -> int:
    """Bytes if every int8 matrix were a bit mask and its values that are not zero."""
    saved = 0
    for tensor in onnx.load_model_from_string(content).graph.initializer:
        if tensor.data_type == TensorProto.INT8:
            values = numpy_helper.to_array(tensor)
            packed = int(np.count_nonzero(values)) + -(-values.size // 8)
            saved += max(0, values.size - packed)
    return len(content) - saved


def milliseconds(graphs: list[bytes], rounds: int) -> list[float]:
    engines = [OnnxEngine() for _ in graphs]
    for engine, content in zip(engines, graphs, strict=True):
        engine.load({"model.onnx": content}, threads=1)
    ids = np.arange(2000, 2016, dtype=np.int64)[None]
    times: list[list[float]] = [[] for _ in graphs]
    for _ in range(rounds):
        for engine, found in zip(engines, times, strict=True):
            started = time.perf_counter()
            engine.run(ids, np.ones_like(ids))
            found.append(1000 * (time.perf_counter() - started))
    return [statistics.median(found) for found in times]


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n\n")[0])
    parser.add_argument("--shares", default="0,0.5,0.7,0.9", help="default: %(default)s")
    parser.add_argument("--rounds", type=int, default=200, help="default: %(default)s")
    options = parser.parse_args()
    shares = [float(text) for text in options.shares.split(",")]
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "start").mkdir()
        start_model(locate(EMBEDDED, folder), "classify", 77, 64).save(folder / "start")
        nothing = Dataset((), (), (), ())  # magnitude looks at no rows
        context = Context(TASKS.get("classify"), nothing, (), folder / "cache")
        graphs = [int8_of(share, Artifact(folder / "start", "start"), context) for share in shares]
    head = ("zeros", "raw MB", "deflated MB", "mask MB", "p50 ms")
    print(line(head), line(("---",) * len(head)), sep="\n")
    for share, content, spent in zip(
        shares, graphs, milliseconds(graphs, options.rounds), strict=True
    ):
        sizes = (len(content), len(zlib.compress(content, 9)), masked_size(content))
        megabytes = (f"{size / 1e6:.2f}" for size in sizes)
        print(line((f"{share:.0%}", *megabytes, f"{spent:.2f}")))
    return 0


if __name__ == "__main__":
    sys.exit(main())
