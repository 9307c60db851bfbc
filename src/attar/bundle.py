"""The shipped file, `*.attar`: a ZIP of data that any language opens and checks.

Entries, in this order: `manifest.json`, the files of the parts (weights, stored),
`tokenizer.json`, `golden.jsonl`, `report.json`, `card.md`, `measurements.json`.
The manifest lists every other file with its SHA-256 and size.

`content_sha256` identifies the content apart from timings. To recompute it, take
the manifest; remove the key `content_sha256`, and the key `measurements.json` from
`files`; serialize as canonical JSON (RFC 8785); the SHA-256 of these bytes, in
lower-case hex, is the value. As `files` holds the hash of every file, it covers them.

Reading trusts nothing: sizes, names, checksums and hashes are checked before the
content is used, and no content is ever evaluated. It does not prove who made a
bundle: whoever changes one can also write matching hashes. It does not look inside
the weights or the tokenizer; their engines do.
"""

from __future__ import annotations

import hashlib
import io
import json
import stat
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType
from typing import Any, BinaryIO, NoReturn

from attar.archive import MAX_BYTES, Archive, pack, safe_name
from attar.canonical import canonical_json
from attar.errors import BundleError, OutputError
from attar.files import write_atomically

FORMAT = "attar"
FORMAT_VERSION = 2  # the newest that is read
#: From which version on a reader knows a part's role. A bundle says the least version that it
#: needs; a role that may be overlooked, since answers stay the same without it, needs none.
ROLES_SINCE = {"rescore": 2}
MANIFEST, TOKENIZER, GOLDEN = "manifest.json", "tokenizer.json", "golden.jsonl"
REPORT, CARD, MEASUREMENTS = "report.json", "card.md", "measurements.json"
METADATA = (TOKENIZER, GOLDEN, REPORT, CARD, MEASUREMENTS)
MAX_MANIFEST_BYTES = 4 * 10**6
MAX_LENGTH = 131_072  # tokens; bounds what one text can make the runtime allocate


@dataclass(frozen=True, eq=False)
class Bundle:
    """A bundle that has been read and checked; its files are in memory."""

    path: Path
    manifest: Mapping[str, Any]
    size_bytes: int
    content_sha256: str
    files: Mapping[str, bytes] = field(repr=False)

    def read(self, name: str) -> bytes:
        """Return the content of a file. Raises BundleError when there is none."""
        if name not in self.files:
            raise BundleError(f"{self.path} has no file {name}. It has: {', '.join(self.files)}.")
        return self.files[name]

    @property
    def report(self) -> dict[str, Any] | None:
        """The report of the build; None in a draft."""
        return self._table(REPORT)

    @property
    def measurements(self) -> dict[str, Any] | None:
        """Timings of the build, which `content_sha256` leaves out; None in a draft."""
        return self._table(MEASUREMENTS)

    @property
    def golden(self) -> list[dict[str, Any]]:
        """Example texts with the answers that this bundle gave when it was built."""
        lines = self.files.get(GOLDEN, b"").splitlines()
        return [
            _parse_table(line, f"{self.path}: {GOLDEN}, line {number}")
            for number, line in enumerate(lines, 1)
        ]

    def _table(self, name: str) -> dict[str, Any] | None:
        if name not in self.files:
            return None
        return _parse_table(self.files[name], f"{self.path}: {name}")


def read_bundle(path: str | Path) -> Bundle:
    """Read and check a bundle in one pass over the file. Raises BundleError."""
    path = Path(path)
    try:
        status = path.stat()
        if not stat.S_ISREG(status.st_mode):  # opening a pipe or a device could block
            raise BundleError(f"{path}: is not a file. Expected a bundle that attar build wrote.")
        if status.st_size > MAX_BYTES:
            raise BundleError(
                f"{path}: the file has {status.st_size} bytes; a bundle has at most {MAX_BYTES}"
            )
        with path.open("rb") as file:
            return _read(file, status.st_size, path)
    except FileNotFoundError:
        raise BundleError(f"{path}: there is no such bundle") from None
    except OSError as error:
        raise BundleError(f"{path}: cannot read the bundle: {error.strerror}") from None
    except ValueError as error:  # a NUL in the path
        raise BundleError(f"{str(path)!r}: is not a usable path: {error}") from None


def pack_bundle(manifest: Mapping[str, Any], files: Mapping[str, bytes]) -> bytes:
    """Return the bytes of a bundle.

    `manifest` holds name, task, capabilities, task_settings, input, parts and build;
    format, format_version, files and content_sha256 are filled in here. What could
    not be read again is refused here, with the same BundleError.
    """
    weights = [name for part in manifest.get("parts", ()) for name in part["files"]]
    names = [name for name in dict.fromkeys([*weights, *METADATA]) if name in files]
    for name in files:
        if name not in names:
            raise BundleError(f"{name}: is neither a file of a part nor one of {METADATA}")
    full = dict(manifest)
    full["format"] = FORMAT
    full["format_version"] = max(
        [1, *(ROLES_SINCE.get(part["role"], 1) for part in manifest.get("parts", ()))]
    )
    full["files"] = {
        name: {"sha256": hashlib.sha256(files[name]).hexdigest(), "bytes": len(files[name])}
        for name in names
    }
    full["content_sha256"] = content_hash(full)
    data = pack([(MANIFEST, canonical_json(full)), *((name, files[name]) for name in names)])
    _read(io.BytesIO(data), len(data), Path("the new bundle"))
    return data


def write_bundle(
    path: str | Path,
    manifest: Mapping[str, Any],
    files: Mapping[str, bytes],
    *,
    force: bool = False,
) -> Bundle:
    """Write a bundle beside `path` and rename it there; see `pack_bundle`.

    Raises OutputError when `path` exists, unless `force`, or when the disk refuses.
    """
    path = Path(path)
    if not force and path.exists():
        raise OutputError(f"{path}: exists already. Pass --force to replace it.")
    write_atomically(path, pack_bundle(manifest, files))
    return read_bundle(path)


def repack(
    draft: Bundle, extra_files: Mapping[str, bytes], out: str | Path, *, force: bool = False
) -> Bundle:
    """Write the draft with further metadata files (report, measurements, card, golden).

    The weights, the tokenizer and the manifest's own keys are those of the draft.
    """
    for name in extra_files:
        if name not in METADATA or name == TOKENIZER:
            raise BundleError(f"{name}: sealing adds reports, it does not change the model")
    return write_bundle(out, draft.manifest, {**draft.files, **extra_files}, force=force)


def content_hash(manifest: Mapping[str, Any]) -> str:
    """The SHA-256 over everything but the measurements, as the module docstring defines it."""
    content = {key: value for key, value in manifest.items() if key != "content_sha256"}
    content["files"] = {
        name: entry for name, entry in manifest["files"].items() if name != MEASUREMENTS
    }
    return hashlib.sha256(canonical_json(content)).hexdigest()


def _read(file: BinaryIO, size: int, path: Path) -> Bundle:
    archive = Archive(file, size, str(path))
    first = archive.entries[0]
    if first.name != MANIFEST:
        raise BundleError(f"{path}: {MANIFEST} is not its first file, so this is not a bundle")
    if first.size > MAX_MANIFEST_BYTES:
        raise BundleError(f"{path}: {MANIFEST} is larger than {MAX_MANIFEST_BYTES} bytes")
    manifest = _parse_table(archive.read(first), f"{path}: {MANIFEST}")
    _check_manifest(manifest, f"{path}: {MANIFEST}")
    listed = manifest["files"]
    entries = archive.entries[1:]
    for name in sorted(listed.keys() - {entry.name for entry in entries}):
        raise BundleError(f"{path}: {name} is missing. Copy or download the bundle again.")
    for entry in entries:
        if entry.name not in listed:
            raise BundleError(f"{path}: {entry.name} is not listed in {MANIFEST}")
        if entry.size != listed[entry.name]["bytes"]:
            raise BundleError(f"{path}: {entry.name} has another size than {MANIFEST} says")
    files: dict[str, bytes] = {}
    for entry in entries:
        data = files[entry.name] = archive.read(entry)
        if hashlib.sha256(data).hexdigest() != listed[entry.name]["sha256"]:
            raise BundleError(
                f"{path}: {entry.name} has been changed: its SHA-256 is not the one in "
                f"{MANIFEST}. Get the bundle again from its maker."
            )
    try:
        computed = content_hash(manifest)
    except (ValueError, RecursionError) as error:  # a lone surrogate, an integer beyond 2**53
        raise BundleError(f"{path}: {MANIFEST}: {error}") from None
    if computed != manifest["content_sha256"]:
        raise BundleError(
            f"{path}: {MANIFEST} has been changed: content_sha256 does not match. "
            "Get the bundle again from its maker."
        )
    return Bundle(path, manifest, size, computed, MappingProxyType(files))


def _check_manifest(manifest: Mapping[str, Any], where: str) -> None:
    """Check the keys that every task shares; a task checks its own `task_settings`."""

    def refuse(problem: str) -> NoReturn:
        raise BundleError(f"{where}: {problem}")

    def value(table: Mapping[str, Any], key: str, kind: type, of: str = "") -> Any:
        found = table.get(key)
        if not isinstance(found, kind) or isinstance(found, bool):
            refuse(f"{of}{key} = {str(found)[:80]!r}: expected type {kind.__name__}")
        return found

    def texts(table: Mapping[str, Any], key: str, of: str = "") -> list[str]:
        found: list[str] = value(table, key, list, of)
        if not all(isinstance(item, str) and item for item in found):
            refuse(f"{of}{key}: expected a list of texts")
        return found

    if manifest.get("format") != FORMAT:
        refuse("not the manifest of an attar bundle")
    version = value(manifest, "format_version", int)
    if version > FORMAT_VERSION:
        refuse(
            f"format version {version} was made by a newer attar; this one reads up to "
            f"{FORMAT_VERSION}. Upgrade: pip install -U attar"
        )
    if version < 1:
        refuse(f"format version {version} is unknown; this attar reads 1 to {FORMAT_VERSION}")
    for key, kind in (("name", str), ("task", str), ("task_settings", dict), ("build", dict)):
        value(manifest, key, kind)
    texts(manifest, "capabilities")
    shape = value(manifest, "input", dict)
    if not 1 <= value(shape, "max_length", int, "input.") <= MAX_LENGTH:
        refuse(f"input.max_length: expected 1 to {MAX_LENGTH}")
    if not 0 <= value(shape, "pad_id", int, "input.") < 2**31:
        refuse("input.pad_id: expected a token id")
    weights: list[str] = []
    for part in value(manifest, "parts", list):
        if not isinstance(part, dict):
            refuse("parts: expected a list of tables")
        value(part, "role", str, "parts: ")
        value(part, "engine", str, "parts: ")
        weights += texts(part, "files", "parts: ")
    files = value(manifest, "files", dict)
    for name, entry in files.items():
        if not safe_name(name) or name == MANIFEST:
            refuse(f"files: unsafe name {name!r}")
        if name not in METADATA and name not in weights:
            refuse(f"files: {name} belongs to no part")
        if not isinstance(entry, dict):
            refuse(f"files.{name}: expected a table")
        value(entry, "sha256", str, f"files.{name}.")
        value(entry, "bytes", int, f"files.{name}.")
    for name in weights:
        if name not in files:
            refuse(f"parts: {name} is not in files")
    value(manifest, "content_sha256", str)


def _parse_table(data: bytes, where: str) -> dict[str, Any]:
    """Read a JSON object strictly: UTF-8, no NaN, no key twice."""
    try:
        table = json.loads(
            data.decode("utf-8"), object_pairs_hook=_no_key_twice, parse_constant=_no_constant
        )
    except (ValueError, RecursionError) as error:
        raise BundleError(f"{where}: is not valid JSON: {error}") from None
    if not isinstance(table, dict):
        raise BundleError(f"{where}: expected a JSON object")
    return table


def _no_key_twice(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    table = dict(pairs)
    if len(table) != len(pairs):
        raise ValueError("a key is there twice")
    return table


def _no_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is not JSON")
