"""Passes: model in, model out. One file a pass, one registry line here.

A pass reads an artifact's folder and writes another. `apply` caches: the result is
stored under a key made of the pass, its version, its settings, the input's
fingerprint and that of the data it reads, so that a second build with equal inputs
reuses it and a killed build resumes. Writing happens in a folder beside, renamed
when complete; inside a pass, training resumes from its own checkpoint.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
import shutil
from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from attar.errors import OutputError
from attar.registry import Registry
from attar.teachers import Teacher
from attar.types import Dataset, Progress, Silent, Task

PASSES: Registry[type[Pass]] = Registry(
    "passes",
    {
        "add_labels": "attar.passes.add_labels:AddLabels",
        "finetune": "attar.passes.finetune:Finetune",
        "finetune_vectors": "attar.passes.finetune_vectors:FinetuneVectors",
        "finetune_pairs": "attar.passes.finetune_pairs:FinetunePairs",
        "take_layers": "attar.passes.take_layers:TakeLayers",
        "no_layers": "attar.passes.no_layers:NoLayers",
        "prune": "attar.passes.prune:Prune",
        "sparsify": "attar.passes.sparsify:Sparsify",
        "trim_vocabulary": "attar.passes.trim_vocabulary:TrimVocabulary",
        "factorize": "attar.passes.factorize:Factorize",
        "distill": "attar.passes.distill:Distill",
        "distill_layers": "attar.passes.distill_layers:DistillLayers",
        "distill_vectors": "attar.passes.distill_vectors:DistillVectors",
        "distill_pairs": "attar.passes.distill_pairs:DistillPairs",
        "distill_quantized": "attar.passes.distill_quantized:DistillQuantized",
        "export_onnx": "attar.passes.export_onnx:ExportOnnx",
        "quantize": "attar.passes.quantize:Quantize",
    },
    noun="pass",
)


@dataclass(frozen=True, slots=True)
class Artifact:
    """A model on disk, in a folder, between two passes.

    Before export the folder holds a torch model (`attar.json`, `model.safetensors`,
    `tokenizer.json`), after it `model.onnx`, `tokenizer.json` and `input.json`.
    """

    folder: Path
    fingerprint: str


@dataclass(frozen=True, slots=True)
class Context:
    """What passes may read besides their input.

    columns: names of the model's outputs, the out-of-scope label among them.
    cache: the folder of finished passes. teacher: whom distillation asks. known: keys
    of passes that this build has made or has said it reuses.
    """

    task: Task
    dataset: Dataset
    columns: tuple[str, ...]
    cache: Path
    out_of_scope: str | None = None
    seed: int = 0
    teacher: Teacher | None = None
    progress: Progress = field(default_factory=Silent)
    known: set[str] = field(default_factory=set)

    def targets(self) -> NDArray[np.int64]:
        """What the head learns for every train row: its column index, or with label sets
        (rows, columns) of 0 and 1."""
        return self.task.gold(self.dataset.train, self.columns)


class Pass(ABC):
    """Base of every pass; subclasses are frozen dataclasses of their settings.

    reads: what beyond the input artifact decides the result, of "data", "teacher",
    "seed". version: raised when a change of code changes results. reasons: why a
    setting has its value, for the plan.
    """

    name: ClassVar[str]
    version: ClassVar[int] = 1
    reads: ClassVar[tuple[str, ...]] = ()
    reasons: ClassVar[dict[str, str]] = {}

    @abstractmethod
    def run(self, source: Artifact, folder: Path, context: Context) -> None:
        """Read `source`, write the result's files into the empty `folder`."""

    def settings(self) -> dict[str, Any]:
        assert dataclasses.is_dataclass(self)
        return dataclasses.asdict(self)

    def key(self, source: Artifact, context: Context) -> str:
        """Fingerprint of the result, known before it is computed."""
        read: dict[str, Any] = {
            "data": [context.dataset.fingerprint, context.columns],
            "teacher": context.teacher.fingerprint if context.teacher else None,
            "seed": context.seed,
        }
        return fingerprint(
            self.name,
            self.version,
            self.settings(),
            source.fingerprint,
            [read[name] for name in self.reads],
        )

    def apply(self, source: Artifact, context: Context) -> Artifact:
        key = self.key(source, context)
        folder = context.cache / f"{self.name}-{key[:16]}"
        if folder.is_dir():
            if key not in context.known:
                context.progress.say(f"{self.name}: reused from cache/{folder.name}")
            context.known.add(key)
            return Artifact(folder, key)
        partial = folder.with_name(folder.name + ".partial")
        try:
            shutil.rmtree(partial, ignore_errors=True)
            partial.mkdir(parents=True)
            self.run(source, partial, context)
            partial.rename(folder)
        except (OSError, OutputError) as error:
            raise OutputError(
                f"{self.name}: {error}\n"
                "hint: free disk space or move the recipe; finished passes are kept"
            ) from error
        finally:  # after the rename there is nothing to remove
            shutil.rmtree(partial, ignore_errors=True)
        self.checkpoint(source, context).unlink(missing_ok=True)
        context.known.add(key)
        return Artifact(folder, key)

    def checkpoint(self, source: Artifact, context: Context) -> Path:
        """Where training inside this pass keeps its state; outlives a kill."""
        return context.cache / f"{self.name}-{self.key(source, context)[:16]}.checkpoint"


def fingerprint(*parts: Any) -> str:
    """SHA-256 of plain values, written as canonical JSON."""
    text = json.dumps(parts, sort_keys=True, separators=(",", ":"), default=str)
    return hashlib.sha256(text.encode()).hexdigest()


def apply_all(steps: Sequence[Pass], source: Artifact, context: Context) -> Artifact:
    for step in steps:
        source = step.apply(source, context)
    return source
