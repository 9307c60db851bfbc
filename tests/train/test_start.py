"""Where models start: the embedded one is checked, folders are data only, no network needed."""

from __future__ import annotations

import importlib.machinery
import importlib.util
import shutil
import time
from pathlib import Path
from typing import Any

import pytest

torch = pytest.importorskip("torch")

from attar.errors import MissingExtraError, TeacherError
from attar.passes import Artifact
from attar.train import start
from attar.train.start import embedded_folder, identity, locate, start_model


def package_at(folder: Path | None, monkeypatch: pytest.MonkeyPatch) -> None:
    found = None
    if folder is not None:
        found = importlib.machinery.ModuleSpec(start.EMBEDDED_PACKAGE, None, is_package=True)
        found.submodule_search_locations = [str(folder)]
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: found)


def test_the_embedded_model_is_the_official_one() -> None:
    folder = embedded_folder()
    assert locate("embedded", Path("anywhere")) == str(folder)
    assert (folder / "tokenizer.json").exists()


def test_a_flipped_byte_in_the_embedded_model_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    copy = tmp_path / "model"
    shutil.copytree(embedded_folder(), copy)
    with (copy / "model.safetensors").open("r+b") as file:
        file.seek(50_000_000)
        byte = file.read(1)[0]
        file.seek(50_000_000)
        file.write(bytes([byte ^ 1]))
    package_at(tmp_path, monkeypatch)
    with pytest.raises(TeacherError, match=r"SHA-256 .* not the official file") as caught:
        embedded_folder()
    assert "hint: pip install" in str(caught.value)
    (copy / "model.safetensors").unlink()
    with pytest.raises(TeacherError, match="cannot be read"):
        embedded_folder()


def test_without_the_package_the_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    package_at(None, monkeypatch)
    with pytest.raises(MissingExtraError, match=r"attar\[train\]"):
        embedded_folder()


@pytest.mark.parametrize("name", ["./gone", "/gone/too", "~/gone", "a/b/c", "a-file"])
def test_a_missing_folder_is_named(name: str, tmp_path: Path) -> None:
    (tmp_path / "a-file").write_text("x")
    with pytest.raises(TeacherError, match="does not exist or is not a folder"):
        locate(name, tmp_path)


def test_folders_beside_the_recipe_come_before_hub_names(tmp_path: Path) -> None:
    assert locate("org/model", tmp_path) == "org/model"
    (tmp_path / "org" / "model").mkdir(parents=True)
    assert locate("org/model", tmp_path) == str(tmp_path / "org" / "model")


def test_a_hub_name_without_network_fails_quickly(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path))
    began = time.monotonic()
    with pytest.raises(TeacherError, match="cannot load the model 'nobody/nothing'") as caught:
        start_model("nobody/nothing", "classify", 2, 16)
    assert "hint:" in str(caught.value)
    assert time.monotonic() - began < 20


def test_a_folder_with_pickled_weights_only_is_refused(tiny_encoder: Path, tmp_path: Path) -> None:
    copy = tmp_path / "pickled"
    shutil.copytree(tiny_encoder, copy)
    state = {"embeddings.word_embeddings.weight": torch.zeros(3, 3)}
    torch.save(state, copy / "pytorch_model.bin")
    (copy / "model.safetensors").unlink()
    with pytest.raises(TeacherError, match="cannot load the model"):
        start_model(str(copy), "classify", 2, 16)


@pytest.mark.parametrize("missing", ["config.json", "model.safetensors"])
def test_an_incomplete_folder_is_refused(missing: str, tiny_encoder: Path, tmp_path: Path) -> None:
    copy = tmp_path / "incomplete"
    shutil.copytree(tiny_encoder, copy)
    (copy / missing).unlink()
    with pytest.raises(TeacherError, match="cannot load the model") as caught:
        start_model(str(copy), "classify", 2, 16)
    assert "hint:" in str(caught.value)


def test_a_folder_without_a_tokenizer_is_refused(tiny_encoder: Path, tmp_path: Path) -> None:
    copy = tmp_path / "wordless"
    copy.mkdir()
    for name in ("config.json", "model.safetensors"):
        shutil.copy(tiny_encoder / name, copy)
    with pytest.raises(TeacherError, match="tokenizer"):
        start_model(str(copy), "classify", 2, 16)


def test_weights_that_are_cut_off_are_refused(tiny_encoder: Path, tmp_path: Path) -> None:
    copy = tmp_path / "cut"
    shutil.copytree(tiny_encoder, copy)
    content = (copy / "model.safetensors").read_bytes()
    (copy / "model.safetensors").write_bytes(content[: len(content) // 2])
    with pytest.raises(TeacherError, match="cannot load the model"):
        start_model(str(copy), "classify", 2, 16)


def test_identity_follows_the_content(tiny_encoder: Path, tmp_path: Path) -> None:
    copy = tmp_path / "copy"
    shutil.copytree(tiny_encoder, copy)
    assert identity(str(copy)) == identity(str(tiny_encoder))
    config = copy / "config.json"
    config.write_text(config.read_text() + "\n")
    assert identity(str(copy)) != identity(str(tiny_encoder))
    assert identity("org/model") == "hub:org/model"


def test_a_folder_of_a_build_gives_encoder_and_vocabulary(tiny_start: Artifact) -> None:
    model = start_model(str(tiny_start.folder), "classify", 7, 64)
    assert model.columns == 7
    assert model.max_length == 16  # its positions were cut to that


def test_a_damaged_folder_of_a_build_is_refused(tmp_path: Path) -> None:
    (tmp_path / "attar.json").write_text("{")
    with pytest.raises(TeacherError, match="not a readable model of a build"):
        start_model(str(tmp_path), "classify", 2, 16)


def test_sentence_transformers_folders_keep_their_own_tokenizer(tiny_encoder: Path) -> None:
    model: Any = start_model(str(tiny_encoder), "classify", 2, 16)
    assert model.tokenizer.token_to_id("refund") is not None
    assert model.tokenizer.padding is None
