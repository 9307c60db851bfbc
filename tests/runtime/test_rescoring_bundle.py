"""Bundles whose best documents are scored again: answers, changes, and what is refused."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from attar import bundle as bundles
from attar.bundle import GOLDEN, read_bundle, write_bundle
from attar.errors import BundleError
from attar.runtime.predictor import load
from attar.runtime.reindex import reindex
from attar.runtime.rescore import MODEL, TOKENIZER
from attar.types import Document
from conftest import tiny_onnx, tiny_tokenizer
from tiny_ranking import write_ranking_bundle, write_rescoring_bundle


@pytest.fixture
def faq(tmp_path: Path) -> Path:
    return write_rescoring_bundle(tmp_path / "faq.attar")


def test_the_second_model_has_a_say(faq: Path) -> None:
    first, both = load(write_ranking_bundle(faq.with_name("first.attar"))), load(faq)
    text = "my parcel parcel cancel"
    assert first(text).label == "where-is-it"
    ranking = both(text).to_json()
    assert [one["id"] for one in ranking["documents"]][:2] == ["how-to-cancel", "where-is-it"]
    scores = [one["score"] for one in ranking["documents"]]
    assert scores == sorted(scores, reverse=True)
    # Only the best two are read.
    assert both("refund refund parcel").label == "money-back"
    outputs = both.outputs([text, "refund"])
    assert np.isfinite(outputs["rescored"]).sum(axis=1).tolist() == [2, 2]
    assert [one.label for one in both([text, "refund", text])] == [
        "how-to-cancel", both("refund").label, "how-to-cancel",
    ]  # fmt: skip
    silent = load(write_rescoring_bundle(faq.with_name("silent.attar"), weight=0.0))
    assert silent(text).label == "where-is-it"
    assert both("\ud800").to_json()["documents"]


def test_documents_that_come_later_are_read_by_it(faq: Path) -> None:
    golden = b'{"text": "weather parcel", "label": "?", "score": 0, "abstained": true}\n'
    bundle = read_bundle(faq)
    bundle = write_bundle(faq, bundle.manifest, {**bundle.files, GOLDEN: golden}, force=True)
    new = Document("parcel-2", "Cancel cancel the parcel cancel.")
    made = reindex(bundle, faq.with_name("new.attar"), [new], ["how-to-cancel"])
    predictor = load(made.path)
    assert predictor("parcel").label == "parcel-2"
    assert predictor.verify() == []
    assert made.manifest["format_version"] == 2
    reindex(made, faq.with_name("none.attar"), remove=[d.id for d in predictor.documents])
    assert load(faq.with_name("none.attar"))("parcel").abstained


def test_older_readers_refuse_it(faq: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert read_bundle(faq).manifest["format_version"] == 2
    plain = write_ranking_bundle(faq.with_name("plain.attar"))
    monkeypatch.setattr(bundles, "FORMAT_VERSION", 1)
    read_bundle(plain)
    with pytest.raises(BundleError, match="made by a newer attar; .*Upgrade"):
        read_bundle(faq)


def test_a_tokenizer_of_its_own(faq: Path) -> None:
    bundle = read_bundle(faq)
    parts = [
        {**part, "files": [*part["files"], TOKENIZER]} if part["role"] == "rescore" else part
        for part in bundle.manifest["parts"]
    ]
    files = {**bundle.files, TOKENIZER: tiny_tokenizer()}
    own = write_bundle(faq.with_name("own.attar"), {**bundle.manifest, "parts": parts}, files)
    assert load(own.path)("my parcel cancel").label == load(faq)("my parcel cancel").label
    files[TOKENIZER] = b"{}"
    broken = write_bundle(faq.with_name("bad.attar"), {**bundle.manifest, "parts": parts}, files)
    with pytest.raises(BundleError, match="rescore-tokenizer.json cannot be used"):
        load(broken.path)


def test_parts_and_settings_that_do_not_agree(faq: Path) -> None:
    bundle = read_bundle(faq)
    settings = {k: v for k, v in bundle.manifest["task_settings"].items() if k != "rescore"}
    settings["logistic"] = [10.0, 10.0, -5.0]
    manifest = {**bundle.manifest, "task_settings": settings}
    unsaid = write_bundle(faq.with_name("unsaid.attar"), manifest, bundle.files)
    with pytest.raises(BundleError, match="task_settings.rescore is missing"):
        load(unsaid.path)
    parts = [part for part in bundle.manifest["parts"] if part["role"] != "rescore"]
    files = {name: data for name, data in bundle.files.items() if name != MODEL}
    bare = write_bundle(faq.with_name("bare.attar"), {**bundle.manifest, "parts": parts}, files)
    with pytest.raises(BundleError, match="has 0 parts of the role 'rescore'"):
        load(bare.path)
    wide = write_bundle(
        faq.with_name("wide.attar"), bundle.manifest, {**bundle.files, MODEL: tiny_onnx(2)}
    )
    with pytest.raises(BundleError, match="does not give one score for each pair"):
        load(wide.path)


def test_texts_that_are_no_documents(faq: Path) -> None:
    rescorer = load(faq).rescorer
    assert rescorer is not None
    near = np.array([0.5, 0.4, 0.3])
    found = rescorer.similarities("parcel", ["parcel", "cancel", "cancel cancel"], near)
    assert found.argmax() == 1, "of the two that are read"
    assert len(rescorer.similarities("parcel", [], np.zeros(0))) == 0
    assert load(write_ranking_bundle(faq.with_name("plain.attar"))).rescorer is None
