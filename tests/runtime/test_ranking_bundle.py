"""Bundles that rank documents: answers, embeddings, and parts that are missing or wrong."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from attar.bundle import GOLDEN, Bundle, read_bundle, write_bundle
from attar.errors import BundleError, DataError
from attar.runtime import index, nearest
from attar.runtime.predictor import Predictor, load
from attar.runtime.reindex import CHANGED, reindex
from attar.types import Document
from conftest import DIMENSIONS
from tiny_ranking import DOCUMENTS, write_ranking_bundle


@pytest.fixture
def faq(tmp_path: Path) -> Path:
    return write_ranking_bundle(tmp_path / "faq.attar")


def test_answers_and_embeddings(faq: Path) -> None:
    predictor = load(faq)
    assert [document.id for document in predictor.documents] == [one[0] for one in DOCUMENTS]
    assert [a.label for a in predictor(["my refund", "parcel parcel"])] == [
        "money-back",
        "where-is-it",
    ]
    assert predictor("weather now").abstained
    vectors = predictor.embed(["refund", "my parcel"])
    assert np.linalg.norm(vectors, axis=1) == pytest.approx([1, 1])
    outputs = predictor.outputs(["refund", "x"])
    assert outputs["documents"].shape == outputs["cosine"].shape == (2, 3)


def test_words_are_looked_for_where_they_weigh(faq: Path) -> None:
    bundle = read_bundle(faq)
    settings = {**bundle.manifest["task_settings"], "hybrid": 0.9}
    manifest = {**bundle.manifest, "task_settings": settings}
    words = load(write_bundle(faq.with_name("words.attar"), manifest, bundle.files).path)
    assert words("how many WEEK?").label == "money-back"


def test_a_bundle_needs_its_index(faq: Path) -> None:
    bundle = read_bundle(faq)
    parts: list[dict[str, Any]] = [p for p in bundle.manifest["parts"] if p["role"] != "index"]
    files = {k: v for k, v in bundle.files.items() if k not in ("vectors.npy", "documents.jsonl")}
    manifest = {**bundle.manifest, "parts": parts}
    bare = write_bundle(faq.with_name("bare.attar"), manifest, files)
    with pytest.raises(BundleError, match="bare.attar: .*one part of the role 'index'"):
        Predictor(bare)
    settings = {**bundle.manifest["task_settings"], "dimensions": 5}
    other = {**bundle.manifest, "task_settings": settings}
    with pytest.raises(BundleError, match="of 4 numbers; the manifest says 5"):
        Predictor(write_bundle(faq.with_name("other.attar"), other, bundle.files))


class Seen:
    """A Progress that remembers what it was shown."""

    def __init__(self) -> None:
        self.items: list[Any] = []

    def track(self, items: Iterable[Any], what: str, total: int | None = None) -> Iterable[Any]:
        for item in items:
            self.items.append(item)
            yield item

    def say(self, message: str) -> None:
        raise AssertionError(message)


def test_documents_come_and_go(faq: Path) -> None:
    out = faq.with_name("new.attar")
    new = Document("weather", "The weather is fine.")
    seen = Seen()
    made = reindex(read_bundle(faq), out, [new], ["how-to-cancel"], progress=seen)
    assert seen.items == [new], "reading many documents takes long enough to be shown"
    predictor = load(out)
    assert {d.id for d in predictor.documents} == {"weather", "where-is-it", "money-back"}
    assert predictor("weather").label == "weather"
    assert predictor("refund").label == "money-back"
    certified = read_bundle(faq).content_sha256
    assert made.manifest["build"][CHANGED] == {"added": 1, "removed": 1, "certified": certified}
    assert made.content_sha256 != certified
    again = reindex(made, faq.with_name("again.attar"), remove=["weather"])
    assert again.manifest["build"][CHANGED] == {"added": 1, "removed": 2, "certified": certified}


def test_texts_that_no_bundle_holds(faq: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(index, "MOST_TEXT_BYTES", 300)
    out = faq.with_name("new.attar")
    reindex(read_bundle(faq), out, [Document("short", "x")])
    with pytest.raises(DataError, match="the texts of 4 documents take 0 MB, uncompressed"):
        reindex(read_bundle(faq), faq.with_name("no.attar"), [Document("long", "x" * 200)])
    assert not faq.with_name("no.attar").exists()


def test_equal_documents_are_one_here_too(faq: Path) -> None:
    def ids(path: Path) -> list[tuple[str, ...]]:
        return [(one.id, *one.also) for one in load(path).documents]

    first, parcel, refund = (Document(name, text, title) for name, title, text in DOCUMENTS)
    out = faq.with_name("new.attar")
    twin, other = Document("twin", parcel.text), Document("other", parcel.text, "A title")
    made = reindex(read_bundle(faq), out, [twin, replace(refund, id="again"), other])
    assert ids(out) == [(first.id,), (parcel.id, "twin"), (refund.id, "again"), ("other",)]
    assert made.manifest["build"][CHANGED]["added"] == 3
    # A new text for one of two ids leaves the other with the old one; each vector goes along.
    new = Document(parcel.id, "The weather is fine.")
    reindex(made, faq.with_name("b.attar"), [new, Document("again", "My parcel.")])
    after = [(first.id,), ("twin",), (refund.id,), ("other",), (parcel.id,), ("again",)]
    assert ids(faq.with_name("b.attar")) == after
    assert load(faq.with_name("b.attar"))("weather").label == parcel.id
    # Of several ids that which answers name removes the document, another one only itself.
    less = reindex(made, faq.with_name("c.attar"), remove=["twin", refund.id])
    assert ids(less.path) == [(first.id,), (parcel.id,), ("other",)]
    assert less.manifest["build"][CHANGED]["removed"] == 1
    both = [Document("x", "a", also=("y",)), Document("y", "b")]
    with pytest.raises(DataError, match="an id twice"):
        reindex(made, faq.with_name("d.attar"), both)


def test_the_way_to_search_follows_the_documents(
    faq: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Few are searched exactly, many in two stages; golden examples are answered anew."""

    def searched(bundle: Bundle) -> str:
        (part,) = (part for part in bundle.manifest["parts"] if part["role"] == "index")
        assert {*part["files"]} <= {*bundle.files}
        engine: str = part["engine"]
        return engine

    monkeypatch.setattr(nearest, "MANY_VALUES", 4 * DIMENSIONS)
    monkeypatch.setattr(nearest, "AXES", 1)
    bundle = read_bundle(faq)
    golden = b'{"text": "weather", "label": "?", "score": 0, "abstained": true}\n'
    bundle = write_bundle(faq, bundle.manifest, {**bundle.files, GOLDEN: golden}, force=True)
    assert searched(bundle) == nearest.EXACT
    more = reindex(bundle, faq.with_name("more.attar"), [Document("weather", "The weather.")])
    assert searched(more) == nearest.TWO_STAGE
    predictor = load(more.path)
    assert [a.label for a in predictor(["weather", "refund"])] == ["weather", "money-back"]
    assert predictor.verify() == []
    fewer = reindex(more, faq.with_name("fewer.attar"), remove=["how-to-cancel"])
    assert searched(fewer) == nearest.EXACT


def test_changes_that_are_refused(faq: Path, make_bundle: Any) -> None:
    bundle, out = read_bundle(faq), faq.with_name("new.attar")
    with pytest.raises(DataError, match="the id 'money', .*Did you mean 'money-back'"):
        reindex(bundle, out, remove=["money"])
    with pytest.raises(DataError, match="an id twice"):
        reindex(bundle, out, [Document("a", "x"), Document("a", "y")])
    with pytest.raises(BundleError, match="ranks no documents"):
        reindex(read_bundle(make_bundle()), out, remove=["a"])
    assert not out.exists()


def test_the_runtime_needs_no_torch(faq: Path) -> None:
    code = (
        "import sys; from attar.runtime.predictor import load; "
        f"load({str(faq)!r})('refund'); assert 'torch' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
