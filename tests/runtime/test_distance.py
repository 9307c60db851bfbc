"""The distance part: what it computes, and what it refuses to read."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from attar.bundle import read_bundle, write_bundle
from attar.errors import BundleError
from attar.runtime.distance import NearestLabel, read_distance, write_distance
from attar.runtime.predictor import Predictor, load


def array(hidden: int = 4, labels: int = 3, rank: int = 2, seed: int = 0) -> np.ndarray:
    values = np.random.default_rng(seed).normal(size=(hidden + labels, rank))
    return values.astype(np.float16).astype(np.float32)


def test_the_nearest_center_counts() -> None:
    projection = np.eye(2, dtype=np.float32)
    centers = np.array([[0, 0], [10, 0]], np.float32)
    nearest = NearestLabel(np.concatenate([projection, centers]), 2)
    found = nearest(np.array([[3, 4], [9, 0]], np.float32))
    assert found.tolist() == [25.0, 1.0]
    with pytest.raises(BundleError, match="expects embeddings of 2 numbers, not 3"):
        nearest(np.zeros((1, 3), np.float32))


def test_a_round_trip() -> None:
    values = array()
    again = read_distance(write_distance(values), 3)
    np.testing.assert_array_equal(again.projection, values[:4])
    np.testing.assert_array_equal(again.centers, values[4:])


def npy(values: np.ndarray) -> bytes:
    stream = io.BytesIO()
    np.save(stream, values, allow_pickle=True)
    return stream.getvalue()


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"\x93NUMPY",
        write_distance(array())[:-1],
        write_distance(array()) + b"x",
        npy(np.zeros((7, 2), np.float32)),
        npy(np.zeros(7, np.float16)),
        npy(np.zeros((3, 2), np.float16)),  # centers alone
        npy(np.array([["a"], [None]], object)),  # a pickle
        npy(np.full((7, 2), np.nan, np.float16)),
        npy(np.asfortranarray(np.zeros((7, 2), np.float16))),
    ],
)
def test_what_it_refuses(content: bytes) -> None:
    with pytest.raises(BundleError, match="the distance part"):
        read_distance(content, 3)


@given(st.binary(max_size=200))
def test_noise_is_an_error_and_nothing_else(content: bytes) -> None:
    header = write_distance(array())[:60]
    for given_bytes in (content, header + content):
        with pytest.raises(BundleError, match="the distance part"):
            read_distance(given_bytes, 3)


def test_a_bundle_that_abstains_by_distance(tiny_bundle: Path, tmp_path: Path) -> None:
    plain = read_bundle(tiny_bundle)
    hidden = load(tiny_bundle).embed("a refund").shape[1]
    labels = len(plain.manifest["task_settings"]["labels"])
    part = {"role": "distance", "engine": "nearest-label", "files": ["distance.npy"]}
    settings = {**plain.manifest["task_settings"], "acceptance": "distance", "threshold": -1e6}
    manifest = {
        **plain.manifest, "task_settings": settings, "parts": [*plain.manifest["parts"], part],
    }  # fmt: skip
    files = {**plain.files, "distance.npy": write_distance(array(hidden, labels))}
    bundle = write_bundle(tmp_path / "with.attar", manifest, files)
    predictor = Predictor(bundle)
    answer = predictor("a refund")
    assert answer.label == load(tiny_bundle)("a refund").label
    assert not answer.abstained
    outputs = predictor.outputs(["a refund", "cancel"])
    assert outputs["distance"].shape == (2,)
    assert (outputs["distance"] >= 0).all()
    strict = {**manifest, "task_settings": {**settings, "threshold": 1.0}}
    sure = Predictor(write_bundle(tmp_path / "strict.attar", strict, files))
    assert sure("a refund").abstained
    wrong = {**files, "distance.npy": write_distance(array(hidden + 1, labels))}
    with pytest.raises(BundleError, match=r"wrong\.attar.*expects embeddings"):
        Predictor(write_bundle(tmp_path / "wrong.attar", manifest, wrong))
    other = {**manifest, "parts": [*plain.manifest["parts"], {**part, "engine": "x"}]}
    with pytest.raises(BundleError, match="is not one file for nearest-label"):
        Predictor(write_bundle(tmp_path / "other.attar", other, files))
