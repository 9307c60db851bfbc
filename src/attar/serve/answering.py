"""One model's line: texts wait in it, and threads answer what has gathered.

There is no waiting for a batch to fill. A thread takes whatever has come while the last
batch ran, so that batches grow with the load and a lone request is answered at once (on
the event loop itself where that is quicker than handing it over). What cannot be answered
before its deadline is refused when it comes, not when it is late.
"""

from __future__ import annotations

import asyncio
import contextlib
import threading
import time
from collections.abc import Callable, Iterable, Sequence
from queue import Empty, SimpleQueue
from typing import Any, Literal

from attar.runtime.predictor import Predictor
from attar.serve.wire import HttpError

Want = Literal["label", "embed"]
PIECE = 16  # texts of one request that are taken together: others get their turn between
MOST_TOGETHER = 32  # texts that a thread takes at once …
TOGETHER_S = 0.025  # … and of them as many as it answers in about this time
AT_ONCE_S = 0.003  # a lone text that takes at most so long is answered on the event loop
FIRST_GUESS_S = 0.002  # of a text, until some were timed
DOUBT = 1.25  # times the wait that is expected must fit into the deadline
LEAST_S = 1e-6  # no text takes less
MEMORY = 0.1  # weight of the newest measurement in the running mean
ALARM = 0.3  # … where it is slower: what was taken in vain is worse than what was refused


class Job:
    """Some texts of one request. deadline: on the clock of time.monotonic(). words: how long a
    summary is asked for."""

    __slots__ = ("deadline", "future", "handed", "texts", "want", "words")

    def __init__(
        self,
        texts: Sequence[str],
        want: Want,
        deadline: float,
        future: asyncio.Future[Any],
        words: int | None = None,
    ) -> None:
        self.texts, self.want, self.deadline, self.future = texts, want, deadline, future
        self.words = words
        self.handed = False

    @property
    def useless(self) -> bool:
        return self.future.cancelled()


class Answering:
    """Owned by the event loop that made it: all methods but the threads' run there.

    observe: told of each batch, (texts, seconds). workers: threads. alone: whether the request
    that now runs is known to be the only one, so that nothing can come beside it.
    """

    def __init__(
        self,
        predictor: Predictor,
        most_waiting: int,
        workers: int,
        observe: Callable[[int, float], None],
        alone: Callable[[], bool] = lambda: False,
    ) -> None:
        self.predictor = predictor  # replaced when the bundle is
        self.waiting = 0  # texts, those being answered included
        self.seconds_a_text = FIRST_GUESS_S
        self._most_waiting = most_waiting
        self._workers = workers
        self._observe = observe
        self._alone = alone
        self._loop = asyncio.get_running_loop()
        self._gathered: list[Job] = []  # in this turn of the loop
        self._line: SimpleQueue[Job | None] = SimpleQueue()
        self._threads = [
            threading.Thread(target=self._work, name=f"attar-{n}", daemon=True)
            for n in range(workers)
        ]
        for thread in self._threads:
            thread.start()

    @property
    def wait_s(self) -> float:
        """How long a text that came now would wait, about."""
        return self.waiting * self.seconds_a_text / self._workers

    async def answer(
        self, texts: Sequence[str], want: Want, deadline: float, words: int | None = None
    ) -> list[Any]:
        """Predictions or embeddings, in order. words: of summaries, which alone have a length.
        Raises HttpError: 429 where the line is too long for the deadline, 504 where it has
        passed."""
        seconds = self.wait_s
        # Where nothing waits it is tried: how long a text takes is learned from nothing else.
        late = self.waiting and time.monotonic() + DOUBT * seconds + self.seconds_a_text > deadline
        if late or self.waiting + len(texts) > self._most_waiting:
            raise HttpError.busy(seconds)
        if len(texts) == 1 and not self.waiting and self._quick and self._alone():
            return self._now(texts, want, deadline, words)
        jobs = [
            Job(texts[at : at + PIECE], want, deadline, self._loop.create_future(), words)
            for at in range(0, len(texts), PIECE)
        ]
        self.waiting += len(texts)
        # Only so many pieces are in the line at once: what comes meanwhile gets in between.
        ahead = self._workers + 1
        answers: list[Any] = []
        try:
            self._gather(jobs[:ahead])
            for number, job in enumerate(jobs, ahead):
                answers.extend(await job.future)
                self._gather(jobs[number : number + 1])
        except BaseException:
            for job in jobs:
                job.future.cancel()
                if not job.handed:
                    self.waiting -= len(job.texts)
                elif job.future.done() and not job.future.cancelled():
                    job.future.exception()  # looked at, so that nothing warns of it
            raise
        return answers

    @property
    def _quick(self) -> bool:
        return self.seconds_a_text <= AT_ONCE_S

    def _now(
        self, texts: Sequence[str], want: Want, deadline: float, words: int | None
    ) -> list[Any]:
        """Without a turn of the loop between: it would cost more than all else but the model."""
        future = self._loop.create_future()
        self.waiting += 1
        self._deliver(*self._answered([Job(texts, want, deadline, future, words)]))
        answers: list[Any] = future.result()
        return answers

    def _gather(self, jobs: Sequence[Job]) -> None:
        if not jobs:
            return
        if not self._gathered:
            self._loop.call_soon(self._hand_over)
        for job in jobs:
            job.handed = True
        self._gathered += jobs

    def close(self) -> None:
        """Let the threads end when the line is empty."""
        for _ in self._threads:
            self._line.put(None)

    def _hand_over(self) -> None:
        """Pass on what this turn of the loop has gathered; answer a lone quick text here."""
        jobs, self._gathered = self._gathered, []
        alone = len(jobs) == 1 and len(jobs[0].texts) == self.waiting == 1
        if alone and self._quick and not jobs[0].useless:
            self._deliver(*self._answered(jobs))
            return
        for job in jobs:
            self._line.put(job)

    def _work(self) -> None:
        """A thread: take what has gathered, answer it, give it back in one go."""
        while (job := self._line.get()) is not None:
            jobs, count = [job], len(job.texts)
            most = min(MOST_TOGETHER, TOGETHER_S / max(self.seconds_a_text, LEAST_S))
            with contextlib.suppress(Empty):
                while count < most and self._line.qsize() >= self._workers:
                    another = self._line.get_nowait()
                    if another is None:
                        self._line.put(None)
                        break
                    jobs.append(another)
                    count += len(another.texts)
            results = self._answered(jobs)
            # The loop is gone where the server ends without draining.
            with contextlib.suppress(RuntimeError):
                self._loop.call_soon_threadsafe(self._deliver, *results)

    def _answered(self, jobs: list[Job]) -> tuple[list[tuple[Job, Any]], int, float]:
        """(each job with its answers or an error, texts run, seconds)."""
        predictor, now, started = self.predictor, time.monotonic(), time.perf_counter()
        results: list[tuple[Job, Any]] = []
        texts = 0
        for want, words, asked_so in _by_want(jobs):
            chosen = []
            for job in asked_so:
                if job.useless:
                    results.append((job, None))
                elif job.deadline < now:
                    results.append((job, HttpError.late()))
                else:
                    chosen.append(job)
            if not chosen:
                continue
            asked = [text for job in chosen for text in job.texts]
            texts += len(asked)
            try:
                if want == "embed":
                    found: Any = predictor.embed(asked)
                else:
                    found = (predictor if words is None else predictor.asked(words))(asked)
            except Exception as error:  # whatever it is, nobody may wait for ever
                results += [(job, error) for job in chosen]
                continue
            at = 0
            for job in chosen:
                results.append((job, found[at : at + len(job.texts)]))
                at += len(job.texts)
        return results, texts, time.perf_counter() - started

    def _deliver(self, results: list[tuple[Job, Any]], texts: int, seconds: float) -> None:
        for job, result in results:
            self.waiting -= len(job.texts)
            if job.future.done():
                continue
            if isinstance(result, Exception):
                job.future.set_exception(result)
            else:
                job.future.set_result(result)
        if texts:
            slower = seconds / texts - self.seconds_a_text
            self.seconds_a_text += (ALARM if slower > 0 else MEMORY) * slower
            self._observe(texts, seconds)


def _by_want(jobs: list[Job]) -> Iterable[tuple[Want, int | None, list[Job]]]:
    """Those apart of which each needs a call of the predictor: labels, embeddings, and
    summaries of each length."""
    first = jobs[0]
    if all(job.want == first.want and job.words == first.words for job in jobs):
        return ((first.want, first.words, jobs),)
    apart: dict[tuple[Want, int | None], list[Job]] = {}
    for job in jobs:
        apart.setdefault((job.want, job.words), []).append(job)
    return ((want, words, asked_so) for (want, words), asked_so in apart.items())
