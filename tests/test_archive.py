"""The strict ZIP subset: damage is noticed, and every hostile archive refused.

Archives that other tools wrote or that were patched by hand are opened as bundles,
which is how they would reach a user.
"""

from __future__ import annotations

import io
import os
import random
import struct
import zipfile
import zlib
from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from attar import archive, bundle
from attar.archive import pack
from attar.bundle import read_bundle
from attar.errors import BundleError

Make = Callable[..., Path]


def unzip(path: Path) -> dict[str, bytes]:
    with zipfile.ZipFile(path) as file:
        return {name: file.read(name) for name in file.namelist()}


def refused(path: Path, *words: str) -> None:
    """The bundle is refused in a message that names the file and says `words`."""
    with pytest.raises(BundleError) as caught:
        read_bundle(path)
    for word in (str(path), *words):
        assert word in str(caught.value)


# Damage


def test_every_flipped_byte_is_noticed_or_ignored_by_the_format(tiny_bundle: Path) -> None:
    """Ignored are times, versions and permissions in ZIP headers, and unused deflate bits."""
    original = tiny_bundle.read_bytes()
    whole = read_bundle(tiny_bundle)
    unnoticed = 0
    for position in range(len(original)):
        for mask in (0x01, 0x80, 0xFF):
            changed = bytearray(original)
            changed[position] ^= mask
            try:
                read = bundle._read(io.BytesIO(changed), len(changed), tiny_bundle)
            except BundleError:
                continue
            unnoticed += 1
            assert read.content_sha256 == whole.content_sha256
            assert dict(read.files) == dict(whole.files)
    assert unnoticed < 40 * 3 * 4  # at most 40 such header bytes a file


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=200)
@given(data=st.data())
def test_damage_of_any_kind_never_changes_the_content_silently(
    tiny_bundle: Path, data: st.DataObject
) -> None:
    whole = read_bundle(tiny_bundle)
    content = tiny_bundle.read_bytes()
    start = data.draw(st.integers(0, len(content)))
    end = data.draw(st.integers(start, min(len(content), start + 300)))
    changed = content[:start] + data.draw(st.binary(max_size=300)) + content[end:]
    try:
        read = bundle._read(io.BytesIO(changed), len(changed), tiny_bundle)
    except BundleError:
        return
    assert dict(read.files) == dict(whole.files)
    assert read.content_sha256 == whole.content_sha256


@given(noise=st.binary(max_size=400))
def test_noise_is_refused_cleanly(noise: bytes) -> None:
    for content in (noise, b"PK\x03\x04" + noise):
        with pytest.raises(BundleError):
            bundle._read(io.BytesIO(content), len(content), Path("x"))


def test_truncated_at_every_length(tiny_bundle: Path) -> None:
    content = tiny_bundle.read_bytes()
    for length in range(len(content)):
        with pytest.raises(BundleError):
            bundle._read(io.BytesIO(content[:length]), length, tiny_bundle)


def test_a_file_that_shrinks_while_it_is_read(tiny_bundle: Path) -> None:
    content = tiny_bundle.read_bytes()
    with pytest.raises(BundleError, match="truncated"):
        bundle._read(io.BytesIO(content[:-1]), len(content), tiny_bundle)


def test_added_bytes_are_refused(tiny_bundle: Path) -> None:
    content = tiny_bundle.read_bytes()
    tiny_bundle.write_bytes(content + b"x")
    refused(tiny_bundle, "added to")
    tiny_bundle.write_bytes(b"#!/bin/sh\n" + content)
    refused(tiny_bundle, "not a ZIP")


# Hostile archives


def test_a_file_that_is_there_twice(tiny_bundle: Path) -> None:
    entries = list(unzip(tiny_bundle).items())
    tiny_bundle.write_bytes(pack([*entries, entries[1]]))
    refused(tiny_bundle, "model.onnx is there twice")


@pytest.mark.parametrize(
    "name",
    ["/etc/passwd", "../up.json", "a/../b.json", "a\\b.json", "C:x.json", ".hidden.json", "a//b",
     "folder/", "", "x" * 300, "nul\0.json", "./a.json"],
)  # fmt: skip
def test_unsafe_names(tiny_bundle: Path, name: str) -> None:
    tiny_bundle.write_bytes(pack([*unzip(tiny_bundle).items(), (name, b"x")]))
    refused(tiny_bundle)


def test_traversal_says_so(tiny_bundle: Path) -> None:
    tiny_bundle.write_bytes(pack([*unzip(tiny_bundle).items(), ("../up.json", b"x")]))
    refused(tiny_bundle, "unsafe file name '../up.json'")


def craft(path: Path, write: Callable[[zipfile.ZipFile], None]) -> Path:
    content = unzip(path)
    with zipfile.ZipFile(path, "w") as file:
        file.writestr(zipfile.ZipInfo("manifest.json"), content["manifest.json"])
        write(file)
    return path


def write_one(entry: zipfile.ZipInfo, file: zipfile.ZipFile) -> None:
    file.writestr(entry, b"x" * 99)


def test_links(tiny_bundle: Path) -> None:
    link = zipfile.ZipInfo("model.onnx")
    link.create_system, link.external_attr = 3, 0o120777 << 16
    refused(craft(tiny_bundle, lambda f: f.writestr(link, "/etc/passwd")), "model.onnx", "link")


@pytest.mark.parametrize("flag", [0x1, 0x8, 0x20])
def test_encrypted_and_exotic_entries(tiny_bundle: Path, flag: int) -> None:
    content = bytearray(tiny_bundle.read_bytes())
    directory = content.index(b"PK\x01\x02")
    struct.pack_into("<H", content, directory + 8, flag)
    struct.pack_into("<H", content, 6, flag)
    tiny_bundle.write_bytes(content)
    refused(tiny_bundle, "manifest.json", "encrypted" if flag == 1 else "flags")


def test_deflated_weights_and_unknown_methods(tiny_bundle: Path) -> None:
    for name, method in (
        ("model.onnx", zipfile.ZIP_DEFLATED),
        ("tokenizer.json", zipfile.ZIP_BZIP2),
    ):
        original = tiny_bundle.read_bytes()
        entry = zipfile.ZipInfo(name)
        entry.compress_type = method
        refused(craft(tiny_bundle, partial(write_one, entry)), name, "method")
        tiny_bundle.write_bytes(original)


def test_comments_extra_fields_and_zip64(tiny_bundle: Path) -> None:
    original = tiny_bundle.read_bytes()

    def comment(file: zipfile.ZipFile) -> None:
        file.comment = b"hello"

    refused(craft(tiny_bundle, comment))
    tiny_bundle.write_bytes(original)
    extra = zipfile.ZipInfo("tokenizer.json")
    extra.extra = b"\x01\x00\x02\x00ab"
    refused(craft(tiny_bundle, lambda f: f.writestr(extra, b"{}")), "extra fields")
    tiny_bundle.write_bytes(original)
    end = original.rindex(b"PK\x05\x06")
    tiny_bundle.write_bytes(original[:end] + b"PK\x06\x07" + b"\0" * 16 + original[end:])
    refused(tiny_bundle)


def test_headers_that_two_tools_would_read_differently(tiny_bundle: Path) -> None:
    content = tiny_bundle.read_bytes()
    first = content.index(b"model.onnx", content.index(b"PK\x03\x04", 4))
    tiny_bundle.write_bytes(content[:first] + b"other.onnx" + content[first + 10 :])
    refused(tiny_bundle, "headers differ")


def with_sizes(path: Path, name: bytes, size: int) -> Path:
    """Declare another inflated size for an entry in both its headers."""
    content = bytearray(path.read_bytes())
    for signature, size_at, name_at in ((b"PK\x03\x04", 22, 30), (b"PK\x01\x02", 24, 46)):
        at = content.find(signature)
        while content[at + name_at : at + name_at + len(name)] != name:
            at = content.find(signature, at + 1)
        struct.pack_into("<I", content, at + size_at, size)
    path.write_bytes(content)
    return path


def test_bombs_by_declared_size(tiny_bundle: Path) -> None:
    tiny_bundle.write_bytes(pack([("manifest.json", b" " * 3_900_000)]))
    refused(tiny_bundle, "manifest.json", "bomb")
    half = random.Random(0).randbytes(700_000).hex().encode()
    for sizes, words in (((130_000_000, 130_000_000), "text files hold"), ((2**32 - 1, 9), "bomb")):
        entries = [("manifest.json", b"{}"), ("tokenizer.json", half), ("card.md", half)]
        tiny_bundle.write_bytes(pack(entries))
        with_sizes(tiny_bundle, b"tokenizer.json", sizes[0])
        with_sizes(tiny_bundle, b"card.md", sizes[1])
        refused(tiny_bundle, words)


def test_bombs_by_real_size(make_bundle: Make) -> None:
    path = with_sizes(make_bundle(files={"card.md": b" " * 900_000}), b"card.md", 1000)
    refused(path, "card.md")
    entries = list(unzip(make_bundle("other.attar")).items())
    path.write_bytes(pack([entries[0], ("tokenizer.json", b" " * 900_000)]))
    refused(with_sizes(path, b"tokenizer.json", 1000))
    with pytest.raises(BundleError, match="inflates beyond"):
        inflate_only(b" " * 900_000, declared=1000)
    with pytest.raises(BundleError, match="does not fill"):
        inflate_only(b" " * 1000, declared=2000)


def inflate_only(content: bytes, declared: int) -> None:
    packed = bytearray(pack([("a.json", content)]))
    for signature, at in ((b"PK\x03\x04", 22), (b"PK\x01\x02", 24)):
        struct.pack_into("<I", packed, packed.index(signature) + at, declared)
    opened = archive.Archive(io.BytesIO(packed), len(packed), "x")
    opened.read(opened.entries[0])


def test_bytes_after_a_deflated_stream() -> None:
    content = b"hello " * 99
    deflater = zlib.compressobj(9, zlib.DEFLATED, -15)
    raw = deflater.compress(content) + deflater.flush() + b"hidden"
    packed = bytearray(pack([("a.onnx", raw)]))
    for signature, base in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        at = packed.index(signature) + base
        struct.pack_into("<HH", packed, at, 0, 8)
        struct.pack_into("<III", packed, at + 8, zlib.crc32(content), len(raw), len(content))
    renamed = bytes(packed).replace(b"a.onnx", b"a.json")
    opened = archive.Archive(io.BytesIO(renamed), len(renamed), "x")
    with pytest.raises(BundleError, match="does not fill"):
        opened.read(opened.entries[0])


def test_too_many_files_and_too_large(tiny_bundle: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    files = [(f"f{number}.json", b"{}") for number in range(65)]
    content = tiny_bundle.read_bytes()
    tiny_bundle.write_bytes(pack(files))
    refused(tiny_bundle, "declares 65 files")
    tiny_bundle.write_bytes(content)
    os.truncate(tiny_bundle, archive.MAX_BYTES + 1)  # sparse: takes no space
    refused(tiny_bundle, "at most 4000000000")
    tiny_bundle.write_bytes(content)
    monkeypatch.setattr(archive, "MAX_BYTES", len(content))
    refused(tiny_bundle, "its files hold")
    with pytest.raises(BundleError, match="at most"):
        pack([("a.onnx", content), ("b.onnx", content)])


def test_the_directory_size_is_checked_before_it_is_read(tiny_bundle: Path) -> None:
    content = bytearray(tiny_bundle.read_bytes())
    end = content.rindex(b"PK\x05\x06")
    struct.pack_into("<II", content, end + 12, end, 0)
    tiny_bundle.write_bytes(content)
    refused(tiny_bundle)
