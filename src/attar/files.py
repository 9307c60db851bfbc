"""Writing files so that a reader never sees half of one.

It does not decide whether an existing file may be replaced: callers ask for
`--force` before they come here.
"""

from __future__ import annotations

import contextlib
import os
import secrets
from pathlib import Path

from attar.errors import OutputError


def write_atomically(path: str | Path, content: bytes) -> None:
    """Write `content` beside `path` and rename it into place.

    Raises OutputError when the file system refuses (no such folder, full disk, no
    permission); the partial file is removed and a previous `path` stays as it was.
    """
    path = Path(path)
    # Not tempfile: its files are private to the owner, ours follow the umask.
    partial = path.parent / f".{secrets.token_hex(8)}.part"
    try:
        with partial.open("xb") as stream:
            stream.write(content)
            stream.flush()
            os.fsync(stream.fileno())
        os.replace(partial, path)
    except OSError as error:
        _remove(partial)
        raise OutputError(f"cannot write {path}: {error.strerror or error}") from error
    except BaseException:
        _remove(partial)
        raise


def _remove(partial: Path) -> None:
    with contextlib.suppress(OSError):
        partial.unlink()
