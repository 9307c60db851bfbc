"""Models: what is saved is what is loaded; answers keep their order."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from attar.passes import Artifact
from attar.train.encoders import ConvolutionEncoder
from attar.train.models import Model, mean_pool

pytestmark = pytest.mark.usefixtures("float32")
TEXTS = ["where is my parcel", "refund", "", "i want to cancel " * 20, "is"]


@pytest.fixture(params=["transformer", "factorized", "convolution"])
def model(request: pytest.FixtureRequest, tiny_start: Artifact) -> Model:
    loaded = Model.load(tiny_start.folder)
    if request.param == "factorized":
        loaded.encoder.factorize(8)
    if request.param == "convolution":
        encoder = ConvolutionEncoder(loaded.encoder.vocabulary, 12)
        return Model("classify", encoder, 4, loaded.tokenizer, 16)
    return loaded


def test_saved_and_loaded_models_answer_equally(model: Model, tmp_path: Path) -> None:
    logits, embedding = model.answer(TEXTS)
    model.save(tmp_path)
    again = Model.load(tmp_path)
    assert again.pad_id == model.pad_id
    assert again.max_length == 16
    for expected, found in zip((logits, embedding), again.answer(TEXTS), strict=True):
        np.testing.assert_array_equal(found, expected)
    model.save(tmp_path / "..")  # the same bytes wherever it is saved
    for name in ("attar.json", "model.safetensors", "tokenizer.json"):
        assert (tmp_path / name).read_bytes() == (tmp_path / ".." / name).read_bytes()


def test_saved_models_name_no_folder(tiny_start: Artifact, tiny_encoder: Path) -> None:
    """A path of this machine in the files would change their hashes elsewhere."""
    text = (tiny_start.folder / "attar.json").read_text()
    assert str(tiny_encoder) not in text
    assert json.loads(text)["encoder"]["config"].get("_name_or_path", "") == ""


def test_answers_keep_their_order_and_padding_does_not_matter(model: Model) -> None:
    logits, embedding = model.answer(TEXTS)
    for i, text in enumerate(TEXTS):
        alone_logits, alone_embedding = model.answer([text])
        np.testing.assert_allclose(logits[i], alone_logits[0], atol=1e-5)
        np.testing.assert_allclose(embedding[i], alone_embedding[0], atol=1e-5)
    assert max(map(len, model.tokens(TEXTS))) == 16


def test_mean_pool() -> None:
    hidden = torch.arange(12.0).view(2, 3, 2)
    mask = torch.tensor([[1, 1, 0], [0, 0, 0]])
    assert mean_pool(hidden, mask).tolist() == [[1.0, 2.0], [0.0, 0.0]]
