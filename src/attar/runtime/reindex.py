"""Documents added to a bundle and taken out of it, without training.

The model stays, and so do the report and its claims: they were certified with the documents of
the build. The manifest says how many have come and gone since, `content_sha256` is that of the
new content, and golden examples are answered anew.
"""

from __future__ import annotations

import json
import tempfile
from collections.abc import Iterable, Sequence, Set
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from attar.bundle import GOLDEN, Bundle, write_bundle
from attar.errors import BundleError, DataError
from attar.registry import did_you_mean
from attar.runtime.index import check_texts, read_index, rounded, write_index
from attar.runtime.nearest import engine_for
from attar.runtime.predictor import Predictor
from attar.types import Document, Progress, Silent

CHANGED = "documents_changed"


def reindex(
    bundle: Bundle,
    out: Path,
    add: Sequence[Document] = (),
    remove: Iterable[str] = (),
    *,
    force: bool = False,
    threads: int = 1,
    progress: Progress | None = None,
) -> Bundle:
    """Write the bundle with `add` and without `remove` to `out`. A document whose id is there
    already takes the other's place; one that equals another is one with it. The id of a document
    removes it, one of its other ids (`Document.also`) only that id. Raises DataError for an id to
    remove that is not there."""
    if not any(part["role"] == "index" for part in bundle.manifest["parts"]):
        raise BundleError(f"{bundle.path}: ranks no documents, so it has no index to change")
    predictor = Predictor(bundle, threads=threads)
    (part,) = (part for part in bundle.manifest["parts"] if part["role"] == "index")
    files = {name: bundle.read(name) for name in part["files"]}
    index, stored = read_index(
        files, bundle.manifest["task_settings"]["dimensions"], False, part["engine"]
    )
    names = [name for document in add for name in _names(document)]
    if len({*names}) != len(names):
        raise DataError("the documents to add have an id twice. Each needs one of its own.")
    gone = _gone([name for one in index.documents for name in _names(one)], remove)
    left = [_without(one, gone, {*names}) for one in index.documents]
    kept = [i for i, one in enumerate(left) if one is not None]
    documents, new = _joined([one for one in left if one is not None], add)
    check_texts(documents)
    vectors = stored[kept]
    if new:
        shown = (progress or Silent()).track(new, "documents", len(new))
        read = [rounded(predictor.embed([document.read])) for document in shown]
        vectors = np.concatenate([vectors, *read])
    held = {name for one in left if one is not None for name in _names(one)}
    taken = sum(one.id not in held for one in index.documents)
    manifest = {
        **bundle.manifest,
        "build": _changed(bundle, len(add), taken),
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


def _names(document: Document) -> tuple[str, ...]:
    return (document.id, *document.also)


def _without(document: Document, gone: Set[str], replaced: Set[str]) -> Document | None:
    """The document with the ids that it keeps; None where it is removed, or keeps none."""
    left = [name for name in _names(document) if name not in gone and name not in replaced]
    if document.id in gone or not left:
        return None
    return replace(document, id=left[0], also=tuple(left[1:]))


def _joined(
    kept: Sequence[Document], add: Sequence[Document]
) -> tuple[list[Document], list[Document]]:
    """All documents, and those of `add` that equal none: the last of all. The others are further
    ids of what they equal."""
    documents = list(kept)
    places = {(one.title, one.text): i for i, one in enumerate(documents)}
    for one in add:
        place = places.setdefault((one.title, one.text), len(documents))
        if place == len(documents):
            documents.append(one)
        else:
            same = documents[place]
            documents[place] = replace(same, also=(*same.also, *_names(one)))
    return documents, documents[len(kept) :]


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
