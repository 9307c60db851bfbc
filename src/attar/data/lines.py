"""Physical lines of UTF-8 files, plain or gzip, in bounded memory.

It turns what can be wrong with a file as a whole (missing, binary, UTF-16,
damaged, endless line) into one DataError. It does not know rows or fields, and it
leaves undecodable bytes in place, as lone surrogates, for the reader of rows to judge.
"""

from __future__ import annotations

import gzip
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO, cast

from attar.errors import DataError
from attar.registry import did_you_mean

#: Room for a text of the longest size allowed, every character a JSON escape pair.
MAX_LINE_BYTES = 16_000_000

# UTF-32 first: its little-endian mark begins with that of UTF-16.
_MARKS = {
    b"\xff\xfe\x00\x00": "UTF-32",
    b"\x00\x00\xfe\xff": "UTF-32",
    b"\xff\xfe": "UTF-16",
    b"\xfe\xff": "UTF-16",
}
_UTF8_MARK = b"\xef\xbb\xbf"


@contextmanager
def opened(path: Path) -> Iterator[BinaryIO]:
    """Open a file for reading bytes, unpacking `.gz`.

    Raises DataError, also for what fails while the body of the `with` reads.
    """
    packed = path.suffix.lower() == ".gz"
    try:
        # gzip.open is typed as GzipFile, which is a BinaryIO in all we use of it.
        with cast(BinaryIO, gzip.open(path, "rb")) if packed else path.open("rb") as stream:
            yield stream
    except (gzip.BadGzipFile, zlib.error, EOFError) as error:
        raise DataError(
            f"{path}: not a whole gzip file ({error}). Pack or fetch it again; "
            "a file that is not packed must not be named .gz."
        ) from None
    except FileNotFoundError:
        raise DataError(f"{path}: there is no such file.{_similar_file(path)}") from None
    except IsADirectoryError:
        raise DataError(f"{path} is a folder: name the files in it.") from None
    except OSError as error:
        raise DataError(f"{path}: cannot read it: {error.strerror or error}.") from None


def lines_of(stream: BinaryIO, name: str) -> Iterator[tuple[int, str]]:
    """Yield (number from 1, line with its end). A UTF-8 byte order mark is taken off."""
    number = 0
    while line := stream.readline(MAX_LINE_BYTES + 1):
        number += 1
        if number == 1:
            _refuse_wide_encodings(line, name)
            line = line.removeprefix(_UTF8_MARK)
        if len(line) > MAX_LINE_BYTES:
            raise DataError(
                f"{name}, row {number}: the line is longer than {MAX_LINE_BYTES:,} bytes. "
                "Cut the text into smaller ones, one row each."
            )
        if b"\0" in line:
            raise DataError(
                f"{name}, row {number}: there is a NUL byte, so this is a binary or UTF-16 "
                "file. Save it as UTF-8 text."
            )
        yield number, line.decode("utf-8", "surrogateescape")


def _refuse_wide_encodings(line: bytes, name: str) -> None:
    for mark, encoding in _MARKS.items():
        if line.startswith(mark):
            raise DataError(f"{name}: the file is {encoding}, expected UTF-8. Save it as UTF-8.")


def _similar_file(path: Path) -> str:
    try:
        known = [entry.name for entry in path.parent.iterdir()]
    except OSError:
        return f" Nor is there a folder {path.parent}."
    return did_you_mean(path.name, known)
