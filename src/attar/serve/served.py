"""One bundle that is being served: opened, given threads, and opened anew when its file changes."""

from __future__ import annotations

import asyncio
import contextlib
import os
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from attar.bundle import Bundle, read_bundle
from attar.errors import AttarError
from attar.runtime.predictor import Predictor
from attar.runtime.quotes import Marking
from attar.serve.answering import AT_ONCE_S, Answering
from attar.serve.metering import Metering
from attar.serve.settings import Model, Settings
from attar.tasks import TASKS

ABSTAINED = "abstained"
#: What is said of a text, and what a large model or a person can say as well.
ANSWERS = ("label", "spans", "calls")
#: Each of these capabilities is answered by one `Prediction` for a text.
PREDICTS = (*ANSWERS, "ranking", "summary")
SOME_TEXT = "good morning, where is the parcel that i ordered last week"


class Served:
    """A bundle that is being served; reloaded when its file changes."""

    def __init__(
        self,
        name: str,
        model: Model,
        settings: Settings,
        metering: Metering,
        alone: Callable[[], bool],
    ) -> None:
        self.name, self.model = name, model
        self._settings, self._metering = settings, metering
        self._threads, self._tokens = settings.threads, settings.limits.batch_tokens
        self._processors = os.cpu_count() or 1
        self.path = Path(model.path)
        self._stamp = _stamp(self.path)
        self.bundle, predictor = self._load()
        batches = metering.batch.labels(name)
        self.answering = Answering(
            predictor,
            settings.limits.waiting,
            settings.workers or max(1, self._processors // (settings.threads or 1)),
            lambda texts, seconds: batches.observe(texts),
            alone,
        )
        metering.waiting.labels(name).set_function(lambda: self.answering.waiting)
        self.loaded = int(time.time())

    @property
    def predictor(self) -> Predictor:
        return self.answering.predictor

    @property
    def labels(self) -> tuple[str, ...]:
        """The labels of whole texts, in scope. A model that knows functions has none: its labels
        are templates of calls, which the calls say better."""
        return () if self.calls else self.predictor.labels

    @property
    def all_labels(self) -> tuple[str, ...]:
        """The labels in scope, and the out-of-scope label where there is one."""
        scope = self.bundle.manifest["task_settings"].get("out_of_scope")
        return (*self.labels, *((scope,) if scope else ()))

    @property
    def capabilities(self) -> tuple[str, ...]:
        """What it can be asked for: the bundle's own, and "label" where a model that marks spans
        gives the whole text a label too."""
        own = self.predictor.capabilities
        both = "spans" in own and "label" not in own and self.labels
        return (*own, "label") if both else own

    @property
    def marks(self) -> bool:
        """Whether it answers with parts of the text, or with calls made of them."""
        return not {"spans", "calls"}.isdisjoint(self.predictor.capabilities)

    @property
    def calls(self) -> bool:
        """Whether it knows functions."""
        return "calls" in self.predictor.capabilities

    @property
    def span_labels(self) -> tuple[str, ...]:
        """What a span can be; empty for a model that marks none."""
        return tuple(self.predictor.manifest["task_settings"].get("span_labels") or ())

    @property
    def ranks(self) -> bool:
        """Whether it answers with documents."""
        return "ranking" in self.predictor.capabilities

    @property
    def sections(self) -> tuple[str, ...]:
        """The sections of its summaries; empty for a model that makes none."""
        if "summary" not in self.predictor.capabilities:
            return ()
        return tuple(self.predictor.manifest["task_settings"]["sections"])

    @property
    def functions(self) -> tuple[Mapping[str, Any], ...]:
        """Name, parameters and perhaps description of each function that it knows."""
        found = self.predictor.manifest["task_settings"].get("functions") or ()
        return tuple(one.get("function", one) for one in found)

    @property
    def marking(self) -> Marking | None:
        """What another must mark in its place; None where labels of texts are all it gives."""
        if not self.marks:
            return None
        return (
            Marking((), (), self.functions)
            if self.calls
            else Marking(self.labels, self.span_labels)
        )

    @property
    def gives_sets(self) -> bool:
        """Whether a text gets any number of labels."""
        return TASKS.get(self.predictor.manifest["task"]).gold_kind == "labels"

    @property
    def abstain_text(self) -> str:
        scope = self.bundle.manifest["task_settings"].get("out_of_scope")
        return self.model.abstain_text or scope or ABSTAINED

    async def reload_if_changed(self) -> bool:
        """Take the new file, once it is whole, with no request dropped; a file that cannot
        be used leaves the old model in place."""
        stamp = _stamp(self.path)
        if stamp == self._stamp or stamp is None:
            return False
        self._stamp = stamp  # a broken file is tried once, not every second
        try:
            bundle, predictor = await asyncio.to_thread(self._load)
        except AttarError:
            self._metering.reloads.labels(self.name, "refused").inc()
            raise
        self.bundle, self.answering.predictor = bundle, predictor
        self.loaded = int(time.time())
        self._metering.reloads.labels(self.name, "done").inc()
        return True

    def _load(self) -> tuple[Bundle, Predictor]:
        """The first time `threads` is settled, too: workers are counted by it."""
        bundle = read_bundle(self.path)
        predictor = Predictor(bundle, self._threads or 1, self._tokens, only_exact=True)
        if self._threads is None:
            slow = self._processors > 1 and _seconds_a_text(predictor) > AT_ONCE_S
            self._threads = self._processors if slow else 1
            if slow:
                predictor = Predictor(bundle, self._threads, self._tokens, only_exact=True)
        return bundle, predictor


def _seconds_a_text(predictor: Predictor) -> float:
    """On one processor; the least of some tries, as others only disturb."""
    answers = not set(PREDICTS).isdisjoint(predictor.capabilities)
    ask = predictor if answers else predictor.embed
    tries = []
    for _ in range(3):
        began = time.perf_counter()
        ask([SOME_TEXT])
        tries.append(time.perf_counter() - began)
    return min(tries)


def _stamp(path: Path) -> tuple[int, int, int] | None:
    with contextlib.suppress(OSError):
        status = path.stat()
        return status.st_mtime_ns, status.st_size, status.st_ino
    return None
