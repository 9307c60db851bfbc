"""Traffic as rows of a data set: a thread reads each exchange and writes what it teaches.

Rows with a label go to the capture file, the others beside it, because `attar build` reads
the first as `train` and the second as `unlabeled`, and takes no train row without a label.
Headers are never part of a row, so no key is. Nothing here may delay or fail the exchange
that it looks at: what is too much is lost and counted.
"""

from __future__ import annotations

import hashlib
import os
import random
import tempfile
import threading
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from queue import Full, Queue
from typing import Any

from attar.errors import OutputError, RecipeError
from attar.runtime.capture import Rotation, TrainingFiles
from attar.serve.proxy_exchange import (
    Form,
    LabelFrom,
    Question,
    Reply,
    label_in,
    question_in,
    reply_in,
    unpacked,
)
from attar.serve.proxy_shadow import Shadow
from attar.serve.proxy_tally import Tally
from attar.serve.rows import predicted

AUTO = LabelFrom()
SUFFIXES = (".jsonl", ".ndjson")
MOST_WAITING = 1_000  # exchanges
MOST_WAITING_BYTES = 100_000_000
MOST_TEXT_CHARACTERS = 1_000_000  # that attar build reads
PROBE_BYTES = 65_536


@dataclass(frozen=True, slots=True)
class Exchange:
    """One request and its answer. answer: None where it was too long to keep, or never came.
    status: 499 where the client left before the end."""

    form: Form
    question: bytes
    answer: bytes | None
    status: int
    streamed: bool
    coding: str
    time: datetime
    seconds: float
    request_id: str

    @property
    def size(self) -> int:
        return len(self.question) + len(self.answer or b"")


@dataclass(frozen=True, slots=True)
class Wanted:
    """What is recorded and how. system_contains: only where the application's instructions
    hold this. report_every: rows between two lines on standard error."""

    label_from: LabelFrom = AUTO
    keep_answers: bool = False
    system_contains: str | None = None
    sample: float = 1.0
    report_every: int = 1_000


class Recorder:
    """Owns its thread and files until `close`. Raises OutputError where these cannot be
    written. path: None where only the shadow looks on. count: told the fate of each exchange:
    "labeled", "unlabeled", "skipped", "lost", "failed". say: takes lines for the operator.
    """

    def __init__(
        self,
        path: Path | None,
        wanted: Wanted,
        shadow: Shadow | None = None,
        redact: Callable[[str], str] | None = None,
        rotation: Rotation | None = None,
        count: Callable[[str], None] = lambda outcome: None,
        say: Callable[[str], None] = lambda line: None,
    ) -> None:
        self._wanted, self._shadow, self._redact = wanted, shadow, redact
        self._count, self._say = count, say
        self.tally = Tally(path)
        self._files = None
        if path is not None:
            check_writable(path)
            self._files = TrainingFiles(path, 1.0, rotation, None, self._written)
        self._waiting_bytes = 0
        self._warned = self._closed = False
        self._lock = threading.Lock()
        self._queue: Queue[Exchange | None] = Queue(MOST_WAITING)
        self._thread = threading.Thread(target=self._work, name="attar-recorder", daemon=True)
        self._thread.start()

    def offer(self, exchange: Exchange) -> None:
        """Look at an exchange when there is time for it."""
        with self._lock:
            fits = self._waiting_bytes + exchange.size <= MOST_WAITING_BYTES
            self._waiting_bytes += exchange.size if fits else 0
        try:
            if not fits:
                raise Full
            self._queue.put_nowait(exchange)
        except Full:
            if fits:
                self._taken(exchange)
            self._count("lost")

    def close(self) -> None:
        """Look at what waits, write it, say what there is, and end."""
        if self._closed:
            return
        self._closed = True
        self._queue.put(None)
        self._thread.join()
        if self._files is not None:
            self._files.close()
        if self.tally.rows:
            self._say(self.tally.line())
            self._say(self.tally.recipe())

    def _work(self) -> None:
        while (exchange := self._queue.get()) is not None:
            self._taken(exchange)
            try:
                outcome = self._look(exchange)
            except Exception as error:  # whatever passes by, the next one is looked at too
                outcome = "failed"
                self._warn(f"an exchange could not be recorded: {type(error).__name__}")
            self._count(outcome)

    def _look(self, exchange: Exchange) -> str:
        question = question_in(exchange.form, exchange.question)
        if question is None or len(question.text) > MOST_TEXT_CHARACTERS:
            return "skipped"
        contained = self._wanted.system_contains
        if contained is not None and contained not in (question.system or ""):
            return "skipped"
        reply = self._reply(exchange)
        label = label_in(reply, self._wanted.label_from)
        shown = self._beside(question, label, reply, exchange)
        if self._files is None:
            return "skipped"
        if self._wanted.sample < 1 and random.random() >= self._wanted.sample:
            return "skipped"
        row = self._row(exchange, question, reply, label) | shown
        self._files.offer(row)
        self.tally.add(row.get("label"))
        if self.tally.rows % self._wanted.report_every == 0:
            self._say(self.tally.line())
        return "labeled" if "label" in row else "unlabeled"

    def _reply(self, exchange: Exchange) -> Reply:
        if exchange.status != 200 or exchange.answer is None:
            return Reply()
        body = unpacked(exchange.answer, exchange.coding)
        return Reply() if body is None else reply_in(exchange.form, body, exchange.streamed)

    def _beside(
        self, question: Question, label: str | list[str] | None, reply: Reply, exchange: Exchange
    ) -> dict[str, Any]:
        """What the small model says to the same text; nothing where there is none, or it fails."""
        if self._shadow is None:
            return {}
        try:
            prediction, seconds = self._shadow.ask(question.text)
        except Exception as error:
            self._warn(f"the small model failed on a text: {type(error).__name__}")
            return {}
        took = exchange.seconds if reply.whole else None
        tokens = (reply.input_tokens, reply.output_tokens)
        theirs = self._shadow.theirs(question.text, label, (reply.arguments, reply.content))
        agrees = self._shadow.note(prediction, seconds, theirs, took, tokens)
        return {
            "predicted": predicted(prediction),
            "score": round(prediction.score, 6),
            "abstained": prediction.abstained,
            "agrees": agrees,
        }

    def _row(
        self, exchange: Exchange, question: Question, reply: Reply, label: str | list[str] | None
    ) -> dict[str, Any]:
        hidden = self._redact or (lambda text: text)
        row: dict[str, Any] = {"text": hidden(question.text)}
        names = [label] if isinstance(label, str) else label or []
        # A label that holds personal data is none.
        if label is not None and all(hidden(name) == name for name in names):
            row["label"] = label
        answer = reply.content or reply.arguments
        if self._wanted.keep_answers and answer and answer != label:
            row["answer"] = hidden(answer)
        if question.system is not None:
            row["system"] = hashlib.sha256(
                hidden(question.system).encode("utf-8", "replace")
            ).hexdigest()
        return row | {
            "model": reply.model,
            "input_tokens": reply.input_tokens,
            "output_tokens": reply.output_tokens,
            "latency_ms": round(1000 * exchange.seconds, 1),
            "time": exchange.time.isoformat(timespec="milliseconds"),
            "request_id": exchange.request_id,
            "status": exchange.status,
        }

    def _taken(self, exchange: Exchange) -> None:
        with self._lock:
            self._waiting_bytes -= exchange.size

    def _written(self, outcome: str) -> None:
        if outcome != "written":
            self._count(outcome)
            self._warn("rows are not written: is the disk full?")

    def _warn(self, line: str) -> None:
        """Once: the counters tell how often."""
        if not self._warned:
            self._warned = True
            self._say(f"{line} (said once; counted at /_attar/metrics)")


def check_writable(path: Path) -> None:
    """Raise an error now for what would otherwise lose every row later."""
    if path.suffix not in SUFFIXES:
        raise RecipeError(
            f"--capture {path}: expected a name ending in {' or '.join(SUFFIXES)}, by which "
            "attar build knows the form"
        )
    if path.exists() and not path.is_file():
        raise OutputError(f"cannot write {path}: it is not a file. Name another with --capture")
    try:
        with tempfile.TemporaryFile(dir=path.parent, buffering=0) as probe:
            if probe.write(bytes(PROBE_BYTES)) != PROBE_BYTES:
                raise OSError("the disk is full")
            os.fsync(probe.fileno())
    except OSError as error:
        raise OutputError(
            f"cannot write {path}: {error.strerror or error}. Free the disk or name another "
            "file with --capture"
        ) from None
