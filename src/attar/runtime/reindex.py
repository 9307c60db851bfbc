"""Documents added to a bundle and taken out of it, without training.

The model stays, and so do the report and its claims: they were certified with the documents of
the build. The manifest says how many have come and gone since, `content_sha256` is that of the
new content, and golden examples are answered anew.
"""

from __future__ import annotations

import json
import tempfile
from collections.abc import Iterable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from attar.bundle import GOLDEN, Bundle, write_bundle
from attar.errors import BundleError, DataError
from attar.registry import did_you_mean
from attar.runtime.index import read_index, rounded, write_index
from attar.runtime.nearest import engine_for
from attar.runtime.predictor import Predictor
from attar.types import Document

CHANGED = "documents_changed"


def reindex(
    bundle: Bundle,
    out: Path,
    add: Sequence[Document] = (),
    remove: Iterable[str] = (),
    *,
    force: bool = False,
    threads: int = 1,
) -> Bundle:
    """Write the bundle with `add` and without `remove` to `out`. A document whose id is there
    already takes the other's place. Raises DataError for an id to remove that is not there."""
    if not any(part["role"] == "index" for part in bundle.manifest["parts"]):
        raise BundleError(f"{bundle.path}: ranks no documents, so it has no index to change")
    predictor = Predictor(bundle, threads=threads)
    (part,) = (part for part in bundle.manifest["parts"] if part["role"] == "index")
    files = {name: bundle.read(name) for name in part["files"]}
    index, stored = read_index(
        files, bundle.manifest["task_settings"]["dimensions"], False, part["engine"]
    )
    gone = _gone([document.id for document in index.documents], remove)
    new = {document.id: document for document in add}
    if len(new) != len(add):
        raise DataError("the documents to add have an id twice. Each needs one of its own.")
    kept = [i for i, one in enumerate(index.documents) if one.id not in gone | new.keys()]
    documents = [*(index.documents[i] for i in kept), *new.values()]
    vectors = stored[kept]
    if new:
        read = predictor.embed([document.read for document in new.values()])
        vectors = np.concatenate([vectors, rounded(read)])
    taken = len(index.documents) - len(kept)
    manifest = {
        **bundle.manifest,
        "build": _changed(bundle, len(new), taken),
        "parts": [
            {**one, "engine": engine_for(*vectors.shape)} if one is part else one
            for one in bundle.manifest["parts"]
        ],
    }
    content = {**bundle.files, **write_index(documents, vectors)}
    with tempfile.TemporaryDirectory() as folder:
        draft = write_bundle(Path(folder) / "draft.attar", manifest, content)
        answering = Predictor(replace(draft, path=bundle.path))
        golden = [_golden(answering, example["text"]) for example in bundle.golden]
    if golden:
        content[GOLDEN] = ("\n".join(golden) + "\n").encode()
    return write_bundle(out, manifest, content, force=force)


def _gone(known: Sequence[str], remove: Iterable[str]) -> set[str]:
    gone = set(remove)
    for name in sorted(gone - {*known}):
        raise DataError(
            f"no document has the id {name!r}, so it cannot be removed."
            f"{did_you_mean(name, known[:1_000])}"
        )
    return gone


def _changed(bundle: Bundle, added: int, removed: int) -> dict[str, Any]:
    """The manifest's `build` with what has changed since the certificate, in all."""
    build = dict(bundle.manifest["build"])
    before = build.get(CHANGED) or {}
    build[CHANGED] = {
        "added": added + before.get("added", 0),
        "removed": removed + before.get("removed", 0),
        "certified": before.get("certified", bundle.content_sha256),
    }
    return build


def _golden(predictor: Predictor, text: str) -> str:
    return json.dumps({"text": text, **predictor(text).to_golden()}, ensure_ascii=False)
