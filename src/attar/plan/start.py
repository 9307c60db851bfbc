"""Where teacher and student start: pretrained or earlier models, as cached artifacts."""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from attar.bundle import read_bundle
from attar.data.kept import kept_labels
from attar.errors import TeacherError
from attar.passes import Artifact, Context, fingerprint
from attar.recipe import Recipe
from attar.tasks.sentences import SentenceIds
from attar.train.encoders import TransformerEncoder
from attar.train.start import identity, locate, start_model
from attar.types import Derived

BUILDS = "builds"
CACHE = "cache"
LONGEST = 512  # tokens at once: attention costs their square
LONGEST_VECTOR = 256  # what encoders of whole texts are made for; documents have windows
LONGEST_SENTENCE = 96
MOST_WINDOWS = 8
MEASURED_DOCUMENTS = 2_000


def longest_text(location: str, context: Context) -> Derived:
    """Tokens that are read at once: what 99.5 % of the train texts need, in steps of 8, as
    far as the encoder goes. Documents count as train texts."""
    probe = start_model(location, context.task.name, len(context.columns), LONGEST)
    tokens = probe.tokens(_texts(context))
    lengths = [len(part) for ids in tokens for part in _read_at_once(ids)]
    needed = int(np.percentile(lengths, 99.5))
    limit = LONGEST_VECTOR if context.task.gold_kind == "document" else LONGEST
    sentences = context.task.reads == "sentences"
    if sentences:
        limit = LONGEST_SENTENCE
    if isinstance(probe.encoder, TransformerEncoder):
        limit = min(limit, probe.encoder.positions // 4 * 4)  # batches are padded to fours
    longest = max(16, min(limit, -(-needed // 8) * 8))
    if sentences:
        return Derived(longest, f"99.5 % of the sentences, at most {limit}; longer ones are cut")
    if needed > limit or limit == needed == LONGEST:
        return Derived(longest, "the most that the encoder takes at once; texts are longer")
    return Derived(longest, f"99.5 % of the train texts have at most {needed} tokens; by eights")


def most_windows(location: str, longest: int, context: Context) -> Derived:
    """Windows of `longest` tokens that are read of a text: as many as 99.5 % of the train
    texts need, at most MOST_WINDOWS."""
    if context.task.reads == "sentences":
        return Derived(1, "each sentence is a window of its own")
    name, columns = context.task.name, len(context.columns)
    probe = start_model(location, name, columns, longest, MOST_WINDOWS)
    tokens = probe.tokens(_texts(context))
    needed = [-(-len(ids) // longest) for ids in tokens]
    most = max(1, int(np.percentile(needed, 99.5)))
    if most == 1:
        return Derived(1, "one holds 99.5 % of the train texts; what is longer is cut")
    return Derived(
        most,
        f"they hold 99.5 % of the train texts, at most {MOST_WINDOWS}; each repeats a quarter of "
        "the one before, and the answer is their mean by tokens",
    )


def _texts(context: Context) -> list[str]:
    """Train texts, and of documents a sample."""
    documents = context.dataset.documents
    read = [one.read for one in documents[:: max(1, len(documents) // MEASURED_DOCUMENTS)]]
    return [*(row.text for row in context.dataset.train), *read]


def _read_at_once(ids: list[int]) -> list[list[int]]:
    return ids.parts if isinstance(ids, SentenceIds) else [ids]


def start_artifact(location: str, max_length: int, context: Context, windows: int = 1) -> Artifact:
    """The model at `location` with a new head, in the cache."""
    name, columns = context.task.name, len(context.columns)
    cut = [max_length, windows] if windows > 1 else max_length
    key = fingerprint("start", identity(location), name, columns, cut, context.seed)
    folder = context.cache / f"start-{key[:16]}"
    if not folder.is_dir():
        import torch

        torch.manual_seed(context.seed)
        model = start_model(location, name, columns, max_length, windows)
        partial = folder.with_name(folder.name + ".partial")
        shutil.rmtree(partial, ignore_errors=True)
        try:
            partial.mkdir(parents=True)
            model.save(partial)
            partial.rename(folder)
        finally:
            shutil.rmtree(partial, ignore_errors=True)
    return Artifact(folder, key)


def student_location(recipe: Recipe) -> tuple[str, Derived]:
    """Where the student's weights come from: the teacher's encoder unless the recipe
    names a folder, a hub model or a bundle whose build is still there."""
    wanted = recipe.student.start
    if wanted is None:
        location = locate(recipe.teacher.model, recipe.folder)
        return location, Derived(recipe.teacher.model, "the teacher's encoder")
    reason = Derived(Path(wanted).name, "the recipe names it")
    if Path(wanted).is_file():
        return str(built_model(Path(wanted), recipe.work)), reason
    return locate(wanted, recipe.folder), reason


def built_model(bundle: Path, work: Path) -> Path:
    """The torch model that a bundle was made from, found by its build's fingerprint."""
    build = read_bundle(bundle).manifest["build"]["fingerprint"]
    beside = bundle.resolve().parent / ".attar"
    for root in (work, beside):
        record = root / BUILDS / f"{build}.txt"
        if record.exists() and (root / CACHE / record.read_text().strip()).is_dir():
            return root / CACHE / record.read_text().strip()
    raise TeacherError(
        f"[student] start = {bundle.name!r}: its build is neither in {work} nor in {beside}\n"
        "hint: copy the `.attar` folder of its recipe there, or name a model folder instead"
    )


@dataclass(frozen=True, slots=True)
class Earlier:
    """A build whose labels stay: its torch model, the names of its columns, and the golden
    examples' texts, which it has answered before."""

    model: Artifact
    columns: tuple[str, ...]
    texts: tuple[str, ...]


def earlier_build(recipe: Recipe) -> Earlier | None:
    """The build that `[student] keep_labels` adds labels to; None where it is not set."""
    if not recipe.student.keep_labels:
        return None
    columns, path = kept_labels(recipe), Path(recipe.student.start or "")
    folder = built_model(path, recipe.work)
    texts = tuple(example["text"] for example in read_bundle(path).golden)
    return Earlier(Artifact(folder, identity(str(folder))), columns, texts)


def record_build(work: Path, build: str, model: Artifact) -> None:
    """Remember which torch model became the bundle with this build fingerprint."""
    record = work / BUILDS / f"{build}.txt"
    record.parent.mkdir(parents=True, exist_ok=True)
    record.write_text(model.folder.name + "\n")
