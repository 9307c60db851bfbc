"""Export a torch model to ONNX: batch and length dynamic, outputs `logits` and `embedding`.

The exported graph is run beside the torch model on several shapes before it is
accepted, because a traced graph can keep constants of its example.
"""

from __future__ import annotations

import json
import logging
import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

import numpy as np
import torch
from torch import Tensor

from attar.errors import AttarError
from attar.passes import Artifact, Context, Pass
from attar.runtime.windows import described
from attar.train.encoders import TransformerEncoder
from attar.train.models import Model

TOLERANCE = 1e-3


@dataclass(frozen=True, slots=True)
class ExportOnnx(Pass):
    """opset: version of the ONNX operator set."""

    name: ClassVar[str] = "export_onnx"

    opset: int = 17

    def run(self, source: Artifact, folder: Path, context: Context) -> None:
        model = Model.load(source.folder).eval()
        if isinstance(model.encoder, TransformerEncoder):
            model.encoder.encoder.set_attn_implementation("eager")
        path = folder / "model.onnx"
        self._export(model, path)
        _check(model, path)
        (folder / "tokenizer.json").write_text(model.tokenizer.to_str())
        expected = {
            "max_length": model.max_length,
            "pad_id": model.pad_id,
            **described(model.max_length, model.windows),
        }
        (folder / "input.json").write_text(json.dumps(expected))

    def _export(self, model: Model, path: Path) -> None:
        batch_and_time = {0: "batch", 1: "time"}
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # tracer notes; _check is the real test
            logging.getLogger("torch.onnx").setLevel(logging.ERROR)
            torch.onnx.export(
                model,
                _example(model, 2, min(8, model.max_length), padding=3),
                str(path),
                input_names=["input_ids", "attention_mask"],
                output_names=["logits", "embedding"],
                dynamic_axes={
                    "input_ids": batch_and_time,
                    "attention_mask": batch_and_time,
                    "logits": {0: "batch", **({1: "places"} if model.reads == "words" else {})},
                    "embedding": {0: "batch"},
                },
                opset_version=self.opset,
                dynamo=False,
            )


def _example(model: Model, batch: int, time: int, padding: int) -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(batch * 1000 + time)
    ids = torch.randint(0, model.encoder.vocabulary, (batch, time), generator=generator)
    mask = torch.ones_like(ids)
    if padding and time > padding:
        mask[-1, -padding:] = 0
        ids[-1, -padding:] = model.pad_id
    return ids, mask


def _check(model: Model, path: Path) -> None:
    import onnxruntime

    session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    for batch, time, padding in ((1, 1, 0), (1, min(16, model.max_length), 0), (3, 9, 4)):
        ids, mask = _example(model, batch, min(time, model.max_length), padding)
        with torch.no_grad():
            expected = model(ids, mask)
        found = session.run(
            ["logits", "embedding"], {"input_ids": ids.numpy(), "attention_mask": mask.numpy()}
        )
        for name, a, b in zip(("logits", "embedding"), expected, found, strict=True):
            gap = float(np.abs(a.numpy() - b).max())
            if not gap < TOLERANCE:
                raise AttarError(
                    f"export_onnx: {name} differ by {gap:.2g} from torch at batch {batch}, "
                    f"{time} tokens: this encoder cannot be traced faithfully"
                )
