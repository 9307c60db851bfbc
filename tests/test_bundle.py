"""The bundle: round trips, equal bytes for equal input, and every hostile file refused."""

from __future__ import annotations

import hashlib
import json
import os
import random
import zipfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest

from attar.archive import pack
from attar.bundle import content_hash, pack_bundle, read_bundle, repack, write_bundle
from attar.errors import BundleError, OutputError

Make = Callable[..., Path]


def unzip(path: Path) -> dict[str, bytes]:
    with zipfile.ZipFile(path) as file:
        return {name: file.read(name) for name in file.namelist()}


def refused(path: Path, *words: str) -> None:
    """The bundle is refused in a message that names the file and says `words`."""
    with pytest.raises(BundleError) as caught:
        read_bundle(path)
    message = str(caught.value)
    assert str(path) in message
    for word in words:
        assert word in message


@pytest.fixture
def tamper(tiny_bundle: Path) -> Callable[..., Path]:
    """Write the tiny bundle again with valid checksums, after changing files or manifest."""

    def write(
        contents: Mapping[str, bytes | None] | None = None, seal: bool = True, **keys: Any
    ) -> Path:
        entries: dict[str, bytes | None] = {**unzip(tiny_bundle)}
        manifest = {**json.loads(entries["manifest.json"] or b""), **keys}
        if seal:
            manifest["content_sha256"] = content_hash(manifest)
        entries["manifest.json"] = json.dumps(manifest).encode()
        entries |= contents or {}
        tiny_bundle.write_bytes(pack((n, d) for n, d in entries.items() if d is not None))
        return tiny_bundle

    return write


# Round trips


def test_what_was_written_is_read(tiny_bundle: Path, tiny_files: dict[str, bytes]) -> None:
    read = read_bundle(tiny_bundle)
    assert dict(read.files) == tiny_files
    assert read.size_bytes == tiny_bundle.stat().st_size
    assert read.read("model.onnx") == tiny_files["model.onnx"]
    assert read.golden[0]["label"] == "refund"
    assert read.report is None
    assert read.measurements is None
    assert read.manifest["format_version"] == 1
    with pytest.raises(BundleError, match=r"no file nothing\.txt"):
        read.read("nothing.txt")


def test_any_unzip_tool_opens_it_manifest_first_weights_stored(make_bundle: Make) -> None:
    extra = {"report.json": b'{"a": 1}', "measurements.json": b"{}", "card.md": b"# x\n" * 99}
    path = make_bundle(files=extra)
    with zipfile.ZipFile(path) as file:
        assert file.testzip() is None
        assert file.namelist() == [
            "manifest.json", "model.onnx", "tokenizer.json", "golden.jsonl", "report.json",
            "card.md", "measurements.json",
        ]  # fmt: skip
        info = {entry.filename: entry for entry in file.infolist()}
        assert info["model.onnx"].compress_type == zipfile.ZIP_STORED
        assert info["card.md"].compress_type == zipfile.ZIP_DEFLATED
        assert info["card.md"].date_time == (1980, 1, 1, 0, 0, 0)
        assert info["card.md"].external_attr >> 16 == 0o100644


def test_equal_input_gives_equal_bytes(
    manifest: dict[str, Any], tiny_files: dict[str, bytes]
) -> None:
    backwards = dict(reversed(list(tiny_files.items())))
    turned = dict(reversed(list(manifest.items())))
    assert pack_bundle(manifest, tiny_files) == pack_bundle(turned, backwards)


def test_the_content_hash_as_the_docstring_tells_it(make_bundle: Make) -> None:
    path = make_bundle(files={"measurements.json": b'{"seconds": 1}'})
    manifest = json.loads(unzip(path)["manifest.json"])
    expected = manifest.pop("content_sha256")
    del manifest["files"]["measurements.json"]
    plain = json.dumps(manifest, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    assert hashlib.sha256(plain.encode()).hexdigest() == expected
    assert read_bundle(path).content_sha256 == expected


def test_timings_do_not_change_the_content_hash_and_all_else_does(make_bundle: Make) -> None:
    def content(**files: bytes) -> str:
        named = {f"{name}.json": data for name, data in files.items()}
        return read_bundle(make_bundle(f"{random.random()}.attar", files=named)).content_sha256

    assert content() == content(measurements=b'{"seconds": 1}')
    assert content() != content(report=b"{}")
    assert content(report=b"{}") != content(report=b"{ }")


def test_metadata_of_a_tiny_bundle_is_small(tiny_bundle: Path) -> None:
    content = unzip(tiny_bundle)
    assert tiny_bundle.stat().st_size - len(content["model.onnx"]) < 1600


def test_repack_adds_reports_only(tiny_bundle: Path, tmp_path: Path) -> None:
    draft = read_bundle(tiny_bundle)
    out = tmp_path / "out.attar"
    sealed = repack(draft, {"report.json": b'{"b": 2}', "measurements.json": b"{}"}, out)
    assert sealed.report == {"b": 2}
    assert sealed.measurements == {}
    assert sealed.read("model.onnx") == draft.read("model.onnx")
    assert sealed.path == out
    with pytest.raises(BundleError, match="does not change the model"):
        repack(draft, {"model.onnx": b"x"}, out, force=True)


def test_nothing_is_overwritten_without_force(
    tiny_bundle: Path, manifest: dict[str, Any], tiny_files: dict[str, bytes]
) -> None:
    before = tiny_bundle.read_bytes()
    with pytest.raises(OutputError, match="--force"):
        write_bundle(tiny_bundle, {**manifest, "name": "other"}, tiny_files)
    assert tiny_bundle.read_bytes() == before
    written = write_bundle(tiny_bundle, {**manifest, "name": "other"}, tiny_files, force=True)
    assert written.manifest["name"] == "other"
    assert [entry.name for entry in tiny_bundle.parent.iterdir()] == [tiny_bundle.name]


def test_what_could_not_be_read_is_not_written(
    tmp_path: Path, manifest: dict[str, Any], tiny_files: dict[str, bytes]
) -> None:
    path = tmp_path / "x.attar"
    for files, keys in (
        ({"code.py": b""}, {}),
        ({}, {"input": {"max_length": 0, "pad_id": 0}}),
        ({}, {"parts": [{"role": "model", "engine": "x", "files": ["../model.onnx"]}]}),
        ({"tokenizer.json": b" " * 2_000_000}, {}),
    ):
        with pytest.raises(BundleError):
            write_bundle(path, {**manifest, **keys}, {**tiny_files, **files})
    assert not path.exists()


# Damage


def test_files_that_are_no_bundles(tmp_path: Path) -> None:
    path = tmp_path / "x.attar"
    refused(path, "no such bundle")
    refused(tmp_path, "not a file")
    path.write_bytes(b"")
    refused(path, "is empty")
    path.write_bytes(b"\x89PNG and more")
    refused(path, "not a ZIP")
    path.write_bytes(b"PK\x03\x04")
    refused(path, "truncated")
    with zipfile.ZipFile(path, "w") as file:
        file.writestr("a.txt", "some other ZIP")
    refused(path)
    os.mkfifo(tmp_path / "pipe")
    refused(tmp_path / "pipe", "not a file")
    with pytest.raises(BundleError, match="not a usable path"):
        read_bundle("a\0b")


@pytest.mark.parametrize("name", ["model.onnx", "tokenizer.json", "golden.jsonl"])
def test_changed_content_with_a_valid_checksum(
    tamper: Callable[..., Path], tiny_files: dict[str, bytes], name: str
) -> None:
    other = bytes([tiny_files[name][0] ^ 1]) + tiny_files[name][1:]
    refused(tamper({name: other}), name, "SHA-256")


def test_measurements_are_checked_by_their_own_hash(make_bundle: Make) -> None:
    path = make_bundle(files={"measurements.json": b'{"seconds": 1}'})
    entries = {**unzip(path), "measurements.json": b'{"seconds": 2}'}
    path.write_bytes(pack(entries.items()))
    refused(path, "measurements.json", "SHA-256")


def test_a_changed_manifest(tamper: Callable[..., Path]) -> None:
    refused(tamper(seal=False, name="other"), "content_sha256 does not match")


# Manifests


def test_the_manifest_must_be_there_first_and_small(
    tamper: Callable[..., Path], tiny_bundle: Path
) -> None:
    original = unzip(tiny_bundle)
    tiny_bundle.write_bytes(pack([*list(original.items())[1:], *list(original.items())[:1]]))
    refused(tiny_bundle, "manifest.json is not its first file")
    tiny_bundle.write_bytes(pack(list(original.items())[1:]))
    refused(tiny_bundle, "manifest.json is not its first file")
    noise = random.Random(0).randbytes(2_100_000).hex().encode()
    tiny_bundle.write_bytes(pack([("manifest.json", noise)]))
    refused(tiny_bundle, "manifest.json is larger")


@pytest.mark.parametrize(
    "content",
    [b"", b"{", b"[]", b"\xff", b'{"format": NaN}', b"{}", b'{"format":"attar","format":"attar"}',
     b"[" * 100_000, b'{"format": "other"}', b'{"format_version": ' + b"9" * 5000 + b"}"],
)  # fmt: skip
def test_manifests_that_are_not_readable(tamper: Callable[..., Path], content: bytes) -> None:
    refused(tamper({"manifest.json": content}), "manifest.json")


@pytest.mark.parametrize(
    ("keys", "words"),
    [
        ({"format_version": 3}, "made by a newer attar"),
        ({"format_version": 0}, "unknown"),
        ({"format_version": True}, "expected type int"),
        ({"format": "zip"}, "not the manifest of an attar bundle"),
        ({"task": None}, "task"),
        ({"task_settings": []}, "task_settings"),
        ({"capabilities": "label"}, "capabilities"),
        ({"capabilities": [1]}, "capabilities"),
        ({"input": {"max_length": 10**12, "pad_id": 0}}, "input.max_length"),
        ({"input": {"max_length": 16}}, "input.pad_id"),
        ({"input": {"max_length": 16, "pad_id": -1}}, "input.pad_id"),
        ({"parts": [1]}, "parts"),
        ({"parts": []}, "belongs to no part"),
        ({"parts": [{"role": "model", "engine": "x", "files": ["a.onnx"]}]}, "part"),
        ({"files": {"/etc/passwd": {}}}, "unsafe name"),
        ({"files": {"model.onnx": 1}}, "expected a table"),
        ({"files": {"model.onnx": {"sha256": 1, "bytes": 1}}}, "sha256"),
        ({"files": {}}, "not in files"),
        ({"build": {"large": 2**60}}, "too large to be exact"),
    ],
)
def test_manifests_that_are_wrong(
    tamper: Callable[..., Path], keys: dict[str, Any], words: str
) -> None:
    refused(tamper(seal=False, **keys), "manifest.json", words)


def test_missing_and_extra_files(tamper: Callable[..., Path], tiny_bundle: Path) -> None:
    original = tiny_bundle.read_bytes()
    refused(tamper({"tokenizer.json": None}), "tokenizer.json is missing")
    tiny_bundle.write_bytes(original)
    refused(tamper({"report.json": b"{}"}), "report.json is not listed")
    tiny_bundle.write_bytes(original)
    refused(tamper({"golden.jsonl": b"{}"}), "golden.jsonl has another size")


def test_a_damaged_report_is_an_error_when_asked_for(make_bundle: Make) -> None:
    path = make_bundle(files={"report.json": b"[1]", "golden.jsonl": b"{}\n{"})
    read = read_bundle(path)
    with pytest.raises(BundleError, match=r"report\.json: expected a JSON object"):
        _ = read.report
    with pytest.raises(BundleError, match=r"golden\.jsonl, line 2"):
        _ = read.golden
