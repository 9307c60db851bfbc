"""Requests and answers as JSON lines, in the form that `attar build` reads.

A line has the `text`, and a `label`, `spans`, `calls` or a `summary` where somebody better than the
model gave them: the large model it fell back to, or a person who corrected it. The model's own
answers are under `predicted`, so that nothing is ever trained to repeat itself by accident. Lines
with any of these stand in one file, which is `train` data; the others beside it, which is
`unlabeled` data.

Writing never blocks a request: rows wait in a bounded queue for a thread, and where that
is full they are lost and counted. Files are rotated by size. They are readable by their
owner alone.
"""

from __future__ import annotations

import contextlib
import json
import os
import random
import re
import threading
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from queue import Empty, Full, Queue
from typing import Any, BinaryIO

from attar.errors import OutputError

APPEND = os.O_WRONLY | os.O_CREAT | os.O_APPEND
MOST_WAITING = 10_000  # rows
FLUSHED_AFTER_S = 0.5
TEXTS = ("text", "conversation", "calls", "summary")  # what redaction looks at
GOLD = frozenset({"label", "spans", "calls", "summary"})  # any of them makes a row one to train on


@dataclass(frozen=True, slots=True)
class Rotation:
    """bytes: of a file, after which the next is begun. files: so many are kept."""

    bytes: int = 100_000_000
    files: int = 10


class Capture:
    """Appends to `path`, say requests.jsonl; older rows are in requests.1.jsonl, the next in
    requests.2.jsonl. Raises OutputError where the file cannot be opened.

    sample: share of the rows offered that are written. redact: text in, text out, run in
    the writing thread. count: told of "written", "lost" and "failed" rows.
    """

    def __init__(
        self,
        path: str | Path,
        sample: float = 1.0,
        rotation: Rotation | None = None,
        redact: Callable[[str], str] | None = None,
        count: Callable[[str], None] = lambda outcome: None,
    ) -> None:
        self.path = Path(path)
        self._sample = sample
        self._rotation = rotation or Rotation()
        self._redact = redact
        self._count = count
        self._queue: Queue[Mapping[str, Any] | None] = Queue(MOST_WAITING)
        self._file = self._opened()
        self._thread = threading.Thread(target=self._write_all, name="attar-capture", daemon=True)
        self._thread.start()

    def offer(self, row: Mapping[str, Any], always: bool = False) -> None:
        """Write a row when there is time for it. always: whatever the sample says."""
        if not always and self._sample < 1 and random.random() >= self._sample:
            return
        try:
            self._queue.put_nowait(row)
        except Full:
            self._count("lost")

    def close(self) -> None:
        """Write what waits, and end."""
        self._queue.put(None)
        self._thread.join()

    def _write_all(self) -> None:
        try:
            while True:
                try:
                    row = self._queue.get(timeout=FLUSHED_AFTER_S)
                except Empty:
                    with contextlib.suppress(OSError, ValueError):  # tried again with the next row
                        self._file.flush()
                    continue
                if row is None:
                    return
                self._write(row)
        finally:
            with contextlib.suppress(OSError):
                self._file.close()

    def _write(self, row: Mapping[str, Any]) -> None:
        try:
            if self._redact is not None:
                hidden = {k: self._redacted(v) if k in TEXTS else v for k, v in row.items()}
                row = _with_spans(row, hidden, self._redact)
            line = json.dumps(row, ensure_ascii=False).encode("utf-8", "replace") + b"\n"
            if self._file.closed:  # a rotation failed half-way
                self._file = self._opened()
            if self._file.tell() and self._file.tell() + len(line) > self._rotation.bytes:
                self._rotate()
            self._file.write(line)
            self._count("written")
        except Exception:  # a full disk, a text the redaction fails on: the service goes on
            self._count("failed")

    def _redacted(self, value: Any) -> Any:
        assert self._redact is not None
        if isinstance(value, str):
            return self._redact(value)
        if isinstance(value, list | tuple):
            return [self._redacted(one) for one in value]
        if isinstance(value, dict):
            return {key: self._redacted(one) for key, one in value.items()}
        return value

    def _rotate(self) -> None:
        self._file.close()
        for number in range(self._rotation.files - 1, 0, -1):
            older = self._numbered(number)
            if older.exists():
                if number + 1 >= self._rotation.files:
                    older.unlink()
                else:
                    os.replace(older, self._numbered(number + 1))
        if self._rotation.files > 1:
            os.replace(self.path, self._numbered(1))
        else:
            self.path.unlink()
        self._file = self._opened()

    def _numbered(self, number: int) -> Path:
        # The number before the suffix, by which attar build knows the kind of file.
        return self.path.with_name(f"{self.path.stem}.{number}{self.path.suffix}")

    def _opened(self) -> BinaryIO:
        try:
            return os.fdopen(os.open(self.path, APPEND, 0o600), "ab")
        except OSError as error:
            raise OutputError(f"cannot write {self.path}: {error.strerror or error}") from error


def _with_spans(
    row: Mapping[str, Any], hidden: Mapping[str, Any], redact: Callable[[str], str]
) -> Mapping[str, Any]:
    """The redacted row with its spans where they are now. Raises ValueError where one, or a value
    of a call, is not found: what a row says wrongly would be learned."""
    guess = row.get("predicted")
    kept = dict(hidden)
    if isinstance(guess, dict) and "calls" in guess:  # its arguments hold parts of the text
        del kept["predicted"]
    before, after = row.get("text"), hidden.get("text")
    if not isinstance(before, str) or not isinstance(after, str) or before == after:
        return kept
    if isinstance(row.get("spans"), list):
        kept["spans"] = _moved(row["spans"], before, after, redact)
    for value in _texts_in(row.get("calls")):
        if value in before and redact(value) not in after:
            raise ValueError("a value of a call is not in the redacted text")
    if isinstance(guess, dict) and isinstance(guess.get("spans"), list):
        try:
            kept["predicted"] = {**guess, "spans": _moved(guess["spans"], before, after, redact)}
        except ValueError:  # a guess is not needed
            del kept["predicted"]
    return kept


def _texts_in(value: Any) -> Iterable[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, list | tuple | dict):
        for one in value.values() if isinstance(value, dict) else value:
            yield from _texts_in(one)


def _moved(
    spans: Sequence[Mapping[str, Any]], before: str, after: str, redact: Callable[[str], str]
) -> list[dict[str, Any]]:
    """Each span at the occurrence of its redacted text that is nearest to where it should be."""
    found, least = [], 0
    for span in spans:
        quote = redact(before[span["start"] : span["end"]])
        about = len(redact(before[: span["start"]]))
        places = [m.start() for m in re.finditer(re.escape(quote), after) if m.start() >= least]
        start = min(places, key=lambda at: abs(at - about))  # ValueError where there is none
        least = start + len(quote)
        found.append({**span, "start": start, "end": least})
    return found


def beside(path: Path) -> Path:
    """Where the rows without a label go: requests.unlabeled.jsonl beside requests.jsonl."""
    return path.with_name(f"{path.stem}.unlabeled{path.suffix}")


class TrainingFiles:
    """Rows with a label in `path`, rows without beside it; the arguments are `Capture`'s.
    closed: True once all is written."""

    def __init__(
        self,
        path: str | Path,
        sample: float = 1.0,
        rotation: Rotation | None = None,
        redact: Callable[[str], str] | None = None,
        count: Callable[[str], None] = lambda outcome: None,
    ) -> None:
        path = Path(path)
        self.closed = False
        self._labeled = Capture(path, sample, rotation, redact, count)
        try:
            self._unlabeled = Capture(beside(path), sample, rotation, redact, count)
        except OutputError:
            self._labeled.close()
            raise

    def offer(self, row: Mapping[str, Any], always: bool = False) -> None:
        """Write a row when there is time for it. always: whatever the sample says."""
        gold = not GOLD.isdisjoint(row)
        (self._labeled if gold else self._unlabeled).offer(row, always)

    def close(self) -> None:
        """Write what waits, and end."""
        for capture in (self._labeled, self._unlabeled):
            capture.close()
            # An empty file is no data set: attar build refuses it.
            if capture.path.is_file() and not capture.path.stat().st_size:
                capture.path.unlink()
        self.closed = True
