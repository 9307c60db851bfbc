"""The strict ZIP subset that a bundle is stored in.

Writes: stored weights, deflated text, fixed times and permissions. Reads: what
`zipfile` and every other unzip tool would also read, and nothing that two tools
could read differently: local headers repeat the directory, entries follow each
other without gaps, nothing stands before, between or after them. Not supported,
on purpose: ZIP64, encryption, comments, extra fields, data descriptors, folders,
links. It does not know what the files mean; that is bundle.py.
"""

from __future__ import annotations

import re
import struct
import zlib
from collections.abc import Iterable
from dataclasses import dataclass
from typing import BinaryIO, NoReturn

from attar.errors import BundleError

MAX_BYTES = 4 * 10**9  # of the file, and of all entries together
MAX_ENTRIES = 64
MAX_TEXT_BYTES = 256 * 10**6  # of all inflated text entries together
MAX_RATIO = 200  # of an entry that inflates beyond FREE_BYTES
FREE_BYTES = 10**6
TEXT_SUFFIXES = (".json", ".jsonl", ".md", ".txt")

STORED, DEFLATED = 0, 8
_ENCRYPTED, _DESCRIPTOR, _UTF8 = 0x1, 0x8, 0x800
_LOCAL = struct.Struct("<4s5H3I2H")
_CENTRAL = struct.Struct("<4s6H3I5H2I")
_END = struct.Struct("<4s4H2IH")
_SIGNATURES = (b"PK\x03\x04", b"PK\x01\x02", b"PK\x05\x06")
_VERSION, _MADE_BY_UNIX = 20, (3 << 8) | 20
_JANUARY_1980 = (0, (1 << 5) | 1)  # MS-DOS time and date
_REGULAR_FILE, _FILE_TYPE = 0o100000, 0o170000
_PERMISSIONS = (_REGULAR_FILE | 0o644) << 16
_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._-]*(/[A-Za-z0-9_][A-Za-z0-9._-]*)*")
_MEND = "Copy or download the bundle again."


def safe_name(name: str) -> bool:
    """True for a relative path of plain ASCII parts: no "..", backslash, drive or root."""
    return len(name) <= 255 and _NAME.fullmatch(name) is not None


def is_text(name: str) -> bool:
    """True for entries that may be deflated; weights are stored."""
    return name.endswith(TEXT_SUFFIXES)


def pack(files: Iterable[tuple[str, bytes]]) -> bytes:
    """Return a ZIP of the files in the given order.

    Equal input gives equal bytes for one version of zlib; between versions only
    the inflated content is equal, which is why hashes are taken of the content.
    """
    body: list[bytes] = []
    directory: list[bytes] = []
    offset = 0
    for name, data in files:
        raw, method = data, STORED
        if is_text(name):
            deflater = zlib.compressobj(9, zlib.DEFLATED, -15)
            smaller = deflater.compress(data) + deflater.flush()
            if len(smaller) < len(data):
                raw, method = smaller, DEFLATED
        if offset + len(raw) > MAX_BYTES:
            raise BundleError(f"{name}: a bundle holds at most {MAX_BYTES} bytes")
        sizes = (zlib.crc32(data), len(raw), len(data), len(name))
        times = (0, method, *_JANUARY_1980)
        local = _LOCAL.pack(_SIGNATURES[0], _VERSION, *times, *sizes, 0) + name.encode("ascii")
        directory.append(
            _CENTRAL.pack(
                _SIGNATURES[1], _MADE_BY_UNIX, _VERSION, *times, *sizes, 0, 0, 0, 0,
                _PERMISSIONS, offset,
            )
            + name.encode("ascii")
        )  # fmt: skip
        body += [local, raw]
        offset += len(local) + len(raw)
    count, size = len(directory), sum(map(len, directory))
    end = _END.pack(_SIGNATURES[2], 0, 0, count, count, size, offset, 0)
    return b"".join([*body, *directory, end])


@dataclass(frozen=True, slots=True)
class Entry:
    """One file as the directory declares it; sizes in bytes."""

    name: str
    method: int
    flags: int
    crc: int
    stored: int
    size: int


class Archive:
    """An open archive whose directory has been checked; `read` checks each entry.

    `file` must be seekable and hold `size` bytes; `where` names it in messages.
    Raises BundleError.
    """

    def __init__(self, file: BinaryIO, size: int, where: str) -> None:
        self._file, self._where = file, where
        if size > MAX_BYTES:
            self._refuse(f"the file has {size} bytes; a bundle has at most {MAX_BYTES}")
        start = file.read(4)
        if start != _SIGNATURES[0]:
            what = "is empty" if not start else "is not a bundle (it is not a ZIP archive)"
            self._refuse(f"the file {what}. Expected a file that attar build wrote.")
        if size < _END.size:
            self._refuse(f"the file is truncated. {_MEND}")
        file.seek(size - _END.size)
        signature, disk, first_disk, here, count, length, offset, comment = _END.unpack(
            self._exactly(_END.size)
        )
        if signature != _SIGNATURES[2] or offset + length + _END.size != size:
            self._refuse(f"the file is truncated or has been added to. {_MEND}")
        if disk or first_disk or comment or here != count:
            self._refuse("the ZIP has several volumes or a comment, which a bundle never has")
        if not 0 < count <= MAX_ENTRIES:
            self._refuse(f"the ZIP declares {count} files; a bundle holds 1 to {MAX_ENTRIES}")
        if length > count * (_CENTRAL.size + 255):
            self._refuse(f"the ZIP directory is oversized or damaged. {_MEND}")
        file.seek(offset)
        self.entries = self._directory(self._exactly(length), count, offset)
        self._check_limits()
        file.seek(0)

    def read(self, entry: Entry) -> bytes:
        """Return the content of the next entry. Entries are read in their order, each once."""
        signature, _, flags, method, _, _, crc, stored, size, name_length, extra = _LOCAL.unpack(
            self._exactly(_LOCAL.size)
        )
        name = self._exactly(name_length).decode("latin-1")
        local = (signature, name, method, flags, crc, stored, size, extra)
        if local != (
            _SIGNATURES[0], entry.name, entry.method, entry.flags,
            entry.crc, entry.stored, entry.size, 0,
        ):  # fmt: skip
            self._refuse(f"{entry.name}: its two ZIP headers differ. {_MEND}")
        data = self._exactly(entry.stored)
        if entry.method == DEFLATED:
            data = self._inflate(entry, data)
        if zlib.crc32(data) != entry.crc:
            self._refuse(f"{entry.name} is damaged (wrong checksum). {_MEND}")
        return data

    def _inflate(self, entry: Entry, data: bytes) -> bytes:
        inflater = zlib.decompressobj(-15)
        try:
            # One byte of room more than declared shows a lie without allocating it.
            content = inflater.decompress(data, entry.size + 1)
        except zlib.error:
            self._refuse(f"{entry.name} is damaged (cannot be inflated). {_MEND}")
        if len(content) > entry.size:
            self._refuse(f"{entry.name} inflates beyond its declared {entry.size} bytes")
        if len(content) < entry.size or not inflater.eof or inflater.unused_data:
            self._refuse(f"{entry.name} is damaged (does not fill its declared size). {_MEND}")
        return content

    def _directory(self, data: bytes, count: int, end: int) -> tuple[Entry, ...]:
        entries: list[Entry] = []
        position = expected = 0
        for _ in range(count):
            if len(data) - position < _CENTRAL.size:
                self._refuse(f"the ZIP directory is cut short. {_MEND}")
            (
                signature, _, _, flags, method, _, _, crc, stored, size,
                name_length, extra, comment, disk, _, attributes, offset,
            ) = _CENTRAL.unpack_from(data, position)  # fmt: skip
            position += _CENTRAL.size
            raw_name = data[position : position + name_length]
            position += name_length
            name = raw_name.decode("latin-1")
            if signature != _SIGNATURES[1] or len(raw_name) != name_length:
                self._refuse(f"the ZIP directory is damaged. {_MEND}")
            self._check_entry(name, flags, method, attributes >> 16, entries)
            if extra or comment or disk:
                self._refuse(f"{name}: has ZIP extra fields, which a bundle never has")
            after = offset + _LOCAL.size + name_length + stored
            if offset != expected or after > end:
                self._refuse(f"{name}: does not lie where the ZIP directory says. {_MEND}")
            expected = after
            entries.append(Entry(name, method, flags, crc, stored, size))
        if position != len(data) or expected != end:
            self._refuse(f"bytes stand between the files of the ZIP. {_MEND}")
        return tuple(entries)

    def _check_entry(
        self, name: str, flags: int, method: int, mode: int, before: list[Entry]
    ) -> None:
        if not safe_name(name):
            self._refuse(f"unsafe file name {name!r}; names are relative, plain ASCII paths")
        if any(entry.name == name for entry in before):
            self._refuse(f"{name} is there twice")
        if flags & _ENCRYPTED:
            self._refuse(f"{name} is encrypted, which a bundle never is")
        if flags & ~_UTF8:
            self._refuse(f"{name} uses ZIP features that a bundle never uses (flags {flags:#x})")
        if mode & _FILE_TYPE not in (0, _REGULAR_FILE):
            self._refuse(f"{name} is a link or another special file")
        if method not in ((STORED, DEFLATED) if is_text(name) else (STORED,)):
            self._refuse(f"{name}: ZIP method {method}; weights are stored, text may be deflated")

    def _check_limits(self) -> None:
        for entry in self.entries:
            if entry.method == STORED and entry.stored != entry.size:
                self._refuse(f"{entry.name}: stored, but declares two sizes. {_MEND}")
            if entry.size > max(FREE_BYTES, MAX_RATIO * entry.stored):
                self._refuse(
                    f"{entry.name} would inflate {entry.stored} bytes to {entry.size}, "
                    f"more than {MAX_RATIO} to 1: refused as a ZIP bomb"
                )
        text = sum(entry.size for entry in self.entries if is_text(entry.name))
        if text > MAX_TEXT_BYTES:
            self._refuse(f"its text files hold {text} bytes; at most {MAX_TEXT_BYTES} are read")
        total = sum(entry.size for entry in self.entries)
        if total > MAX_BYTES:
            self._refuse(f"its files hold {total} bytes; a bundle holds at most {MAX_BYTES}")

    def _exactly(self, count: int) -> bytes:
        data = self._file.read(count)
        if len(data) != count:
            self._refuse(f"the file is truncated. {_MEND}")
        return data

    def _refuse(self, problem: str) -> NoReturn:
        raise BundleError(f"{self._where}: {problem}")
