"""A ZIP archive from somewhere, read in memory: nothing is unpacked, sizes are bounded first."""

from __future__ import annotations

import json
import zipfile
from pathlib import Path, PurePosixPath
from typing import Any

from desk.channels.imports.phrases import ImportProblem

MOST_FILES = 100_000
MOST_BYTES, MOST_TOTAL = 32 << 20, 256 << 20  # unpacked: of a file, of all


class Archive:
    """Its files by their paths below the folder that holds agent.json."""

    def __init__(self, path: Path) -> None:
        self.path = path
        try:
            self._zip = zipfile.ZipFile(path)
        except (OSError, zipfile.BadZipFile) as error:
            raise ImportProblem(f"{path}: not a ZIP archive: {error}") from None
        found = [one for one in self._zip.infolist() if not one.is_dir()]
        size = sum(one.file_size for one in found)
        if len(found) > MOST_FILES or size > MOST_TOTAL:
            raise ImportProblem(
                f"{path}: {len(found):,} files of {size:,} bytes unpacked; at most "
                f"{MOST_FILES:,} of {MOST_TOTAL:,} are read"
            )
        roots = [
            n for n in (one.filename for one in found) if PurePosixPath(n).name == "agent.json"
        ]
        root = min(roots, key=len, default="agent.json").removesuffix("agent.json")
        self.files = {
            one.filename.removeprefix(root): one for one in found if one.filename.startswith(root)
        }

    def json(self, name: str) -> Any:
        """Raises ImportProblem where the file is too large or no JSON."""
        one = self.files[name]
        if one.file_size > MOST_BYTES:
            raise ImportProblem(f"{self.path}: {name}: larger than {MOST_BYTES:,} bytes")
        try:
            with self._zip.open(one) as file:
                # The size in the directory is what the archive claims; no more of it is read.
                content = file.read(MOST_BYTES + 1)
            if len(content) > MOST_BYTES:
                raise ImportProblem(f"{self.path}: {name}: larger than {MOST_BYTES:,} bytes")
            return json.loads(content.decode("utf-8-sig"))
        except (ValueError, RecursionError) as error:
            raise ImportProblem(f"{self.path}: {name}: JSON is expected: {error}") from None
        except (zipfile.BadZipFile, RuntimeError, NotImplementedError, OSError) as error:
            raise ImportProblem(f"{self.path}: {name}: {error}") from None

    def record(self, name: str) -> dict[str, Any]:
        found = self.json(name)
        if not isinstance(found, dict):
            raise ImportProblem(f"{self.path}: {name}: a JSON object is expected")
        return found
