"""What the routes ask: a text answered by a model, and by whom else where it abstains."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Collection, Coroutine, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, TypeVar

import httpx
import numpy as np
from msgspec import Struct

from attar.predictions import Extraction, Prediction, Ranking
from attar.registry import did_you_mean
from attar.runtime.capture import TrainingFiles
from attar.runtime.cascade import (
    Circuit,
    LargeModel,
    NoAnswerError,
    PersonDesk,
    Secret,
    Spending,
)
from attar.serve import rows
from attar.serve.answer import Answer, marked_by_fallback, shown
from attar.serve.departures import Departures
from attar.serve.metering import Metering
from attar.serve.pulse import Pulse
from attar.serve.served import Served
from attar.serve.settings import Settings, secret
from attar.serve.wire import HttpError
from attar.tasks.label_sets import labels_in

T = TypeVar("T")
ABILITIES = {
    "label": "give labels of texts", "spans": "mark spans", "calls": "call functions",
    "ranking": "rank documents", "summary": "summarize", "embed": "give embeddings",
}  # fmt: skip


class Asked(Struct, frozen=True):
    """What a request brings besides its texts. deadline: of the model's answer, on the clock of
    time.monotonic(). patience_until: the same for whoever answers after it; None where the
    client sets no deadline itself. conversation: what a person should see of it, messages of
    role and content. words: how long a summary is asked for."""

    request_id: str
    deadline: float
    patience_until: float | None = None
    conversation: tuple[Mapping[str, Any], ...] = ()
    words: int | None = None


class Service:
    """Made on the event loop that serves. running: the requests that the HTTP server has begun
    to read and not answered, where it tells."""

    def __init__(
        self,
        settings: Settings,
        capture: TrainingFiles | None,
        metering: Metering,
        running: Collection[object] | None = None,
        pulse: Pulse | None = None,
    ) -> None:
        self.settings, self.metering, self.capture = settings, metering, capture
        self.models = {
            name: Served(
                name, model, settings, metering, lambda: running is not None and len(running) == 1
            )
            for name, model in settings.models.items()
        }
        self._names = {
            known: name
            for name, model in settings.models.items()
            for known in (name, *model.aliases)
        }
        self.client = httpx.AsyncClient(follow_redirects=False, trust_env=False)
        self.large = self._large_model()
        self.desk = self._person_desk()
        self.departures, self.pulse = Departures(), pulse or Pulse()
        self.draining = False

    def find(self, name: str | None, *capabilities: str) -> Served:
        """The model of this name or alias, which must have one of the capabilities; without a
        name the first that has. Raises HttpError."""
        wanted = " or ".join(ABILITIES.get(one, one) for one in capabilities)
        if name is None:
            for served in self.models.values():
                if not set(capabilities).isdisjoint(served.capabilities):
                    return served
            raise HttpError(404, "model_not_found", f"no model here can {wanted}")
        served_name = self._names.get(name)
        if served_name is None:
            raise HttpError(
                404,
                "model_not_found",
                f"there is no model {name[:80]!r}.{did_you_mean(name, self._names)} "
                f"Served: {', '.join(sorted(self._names))}.",
                param="model",
            )
        served = self.models[served_name]
        if set(capabilities).isdisjoint(served.capabilities):
            can = ", ".join(served.capabilities)
            raise HttpError(
                400, "no_such_capability", f"{name!r} cannot {wanted}; it can: {can}",
                param="model",
            )  # fmt: skip
        return served

    def asked(
        self,
        request_id: str,
        headers: Mapping[str, str],
        conversation: Sequence[Mapping[str, Any]] = (),
        words: int | None = None,
    ) -> Asked:
        """With the deadlines of the header X-Deadline-Ms: of the model at most the limit of the
        settings. Both count from when the request came in, as far as the loop's lag tells, and
        leave time to send the answer. Raises HttpError, 429 where none is left."""
        lag = self.pulse.lag_s
        came, most = time.monotonic() - lag, self.settings.limits.deadline_ms / 1000
        wanted = headers.get("x-deadline-ms")
        until = None if wanted is None else came + _milliseconds(wanted) / 1000
        deadline = (came + most if until is None else min(until, came + most)) - lag
        if deadline < came + lag:
            raise HttpError.busy(lag)
        return Asked(request_id, deadline, until, tuple(conversation), words)

    def check_words(self, served: Served, words: int | None) -> None:
        """Raise HttpError where a length is asked of a model that makes no summaries."""
        if words is not None and not served.sections:
            can = ", ".join(served.capabilities)
            raise HttpError(
                400, "no_such_capability", f"words: {served.name!r} makes no summaries, which "
                f"alone have a length in words; it can: {can}. Leave words out.", param="words",
            )  # fmt: skip

    def check_texts(self, texts: Sequence[str], param: str) -> None:
        """Raise HttpError for more or longer texts than one request may bring."""
        limits = self.settings.limits
        if not texts:
            raise HttpError(400, "no_text", "there is no text to answer", param=param)
        if len(texts) > limits.texts:
            raise HttpError(
                413, "too_many_texts", f"{len(texts)} texts; at most {limits.texts} a request",
                param=param,
            )  # fmt: skip
        for text in texts:
            if len(text) > limits.characters:
                raise HttpError(
                    413, "text_too_long",
                    f"a text has {len(text):,} characters; at most {limits.characters:,} are taken",
                    param=param,
                )  # fmt: skip

    async def predict(self, served: Served, texts: Sequence[str], asked: Asked) -> list[Answer]:
        """An answer for each text, from the model or whoever answers where it abstains."""
        predictions: list[Prediction] = await served.answering.answer(
            texts, "label", asked.deadline, asked.words
        )
        follows = served.model.on_abstain
        if follows == "return" or not any(p.abstained for p in predictions):
            answers = [_own(p) for p in predictions]
        else:
            answers = list(
                await asyncio.gather(
                    *(
                        self._after_abstaining(served, text, prediction, asked)
                        if prediction.abstained
                        else _done(_own(prediction))
                        for text, prediction in zip(texts, predictions, strict=True)
                    )
                )
            )
        for text, answer in zip(texts, answers, strict=True):
            self.metering.count(served.name, answer.answered_by)
            self.record(served, text, answer, asked)
        return answers

    async def predict_or_chat(
        self, served: Served, text: str, body: Mapping[str, Any], asked: Asked
    ) -> tuple[Answer, dict[str, Any] | None]:
        """The model's answer to a chat request, or, where it abstains, the large model's to
        the request as it came, which then is the second value."""
        predictions = await served.answering.answer([text], "label", asked.deadline)
        answer, upstream = _own(predictions[0]), None
        if answer.prediction.abstained:
            try:
                upstream = await self.chat(body, asked)
                said = upstream["choices"][0]["message"].get("content") or ""
                answer = _in_chat(served, answer.prediction, str(said))
            except (NoAnswerError, LookupError, TypeError, AttributeError) as error:
                upstream = None
                answer = Answer(answer.prediction, answer.label, "nobody", str(error))
        self.metering.count(served.name, answer.answered_by)
        # What a large model says at length is no label to learn from.
        learned = answer.label in served.all_labels or answer.marked is not None
        learned = learned or answer.text is not None  # the query is, without a label
        if answer.answered_by != "fallback" or learned:
            self.record(served, text, answer, asked)
        return answer, upstream

    async def embed(self, served: Served, texts: Sequence[str], asked: Asked) -> Any:
        """(texts, dimensions), float32."""
        rows = await served.answering.answer(texts, "embed", asked.deadline)
        return np.asarray(rows, dtype=np.float32)

    async def chat(self, body: Mapping[str, Any], asked: Asked) -> dict[str, Any]:
        """The large model's answer to a whole chat request. Raises NoAnswerError."""
        if self.large is None:
            raise NoAnswerError("absent", "no fallback is set")
        try:
            return await _patiently(self.large.chat(body), asked)
        except NoAnswerError as error:
            self.metering.failures.labels(error.why).inc()
            raise

    def record(self, served: Served, text: str, answer: Answer, asked: Asked) -> None:
        if self.capture is None:
            return
        self.capture.offer(rows.answered(served, text, answer) | _stamp(asked))

    def correct(
        self,
        served: Served,
        text: str,
        said: rows.Correct,
        asked: Asked,
    ) -> None:
        """Record what a person said of a text. Raises HttpError where it is not what the model
        gives, and without a capture file."""
        if self.capture is None:
            raise HttpError(
                409, "no_capture", "corrections are kept in the capture file, and none is set: "
                "attar serve --capture FILE.jsonl",
            )  # fmt: skip
        row = rows.corrected(served, text, said) | _stamp(asked)
        self.capture.offer(row, always=True)

    async def close(self) -> None:
        for served in self.models.values():
            served.answering.close()
        await self.client.aclose()
        if self.capture is not None:
            await asyncio.to_thread(self.capture.close)

    async def _after_abstaining(
        self, served: Served, text: str, prediction: Prediction, asked: Asked
    ) -> Answer:
        try:
            if served.model.on_abstain == "fallback":
                return await _patiently(self._of_large(served, text, prediction), asked)
            await _patiently(self._to_person(served, text, prediction, asked), asked)
            return Answer(prediction, prediction.label, "person")
        except NoAnswerError as error:
            self.metering.failures.labels(error.why).inc()
            return Answer(prediction, prediction.label, "nobody", str(error))

    async def _of_large(self, served: Served, text: str, prediction: Prediction) -> Answer:
        assert self.large is not None  # checked with the settings
        if isinstance(prediction, Ranking):
            said = await self.large.say([{"role": "user", "content": text}])
            return Answer(prediction, prediction.label, "fallback", text=said)
        if isinstance(prediction, Extraction) and served.marking is not None:
            found = await self.large.mark(prediction.text, served.marking)
            marked = marked_by_fallback(found, prediction)
            return Answer(prediction, marked.label, "fallback", marked=marked)
        label = await self.large.label(text, served.all_labels, served.gives_sets)
        named = labels_in(label) if served.gives_sets else None
        return Answer(prediction, label, "fallback", named=named)

    async def _to_person(
        self, served: Served, text: str, prediction: Prediction, asked: Asked
    ) -> None:
        assert self.desk is not None  # checked with the settings
        await self.desk.hand_over(
            {
                "request_id": asked.request_id,
                "model": served.name,
                "text": text,
                "conversation": list(asked.conversation),
                **shown(prediction),
            }
        )

    def _large_model(self) -> LargeModel | None:
        fallback = self.settings.fallback
        if fallback is None:
            return None
        key = secret(fallback.api_key_env, "fallback.api_key_env")
        return LargeModel(
            fallback.url,
            fallback.model,
            self.client,
            Circuit(fallback.open_after, fallback.closed_again_s),
            Spending(fallback.usd_per_day),
            self.metering.paid,
            Secret(key) if key else None,
            fallback.deadline_ms / 1000,
            fallback.retries,
            asyncio.Semaphore(fallback.at_once),
        )

    def _person_desk(self) -> PersonDesk | None:
        person = self.settings.person
        if person is None:
            return None
        header = secret(person.header_env, "person.header_env")
        return PersonDesk(
            person.url, self.client, Secret(header) if header else None, person.deadline_ms / 1000
        )


def _stamp(asked: Asked) -> dict[str, Any]:
    now = datetime.now(UTC).isoformat(timespec="milliseconds")
    return {"request_id": asked.request_id, "time": now}


def _milliseconds(wanted: str) -> float:
    try:
        found = float(wanted)
    except ValueError:
        found = -1.0
    if not 0 < found < float("inf"):
        raise HttpError(400, "invalid_header", "X-Deadline-Ms: expected milliseconds, over 0")
    return found


def _own(prediction: Prediction) -> Answer:
    return Answer(prediction, prediction.label, "nobody" if prediction.abstained else "model")


def _in_chat(served: Served, prediction: Prediction, said: str) -> Answer:
    """The large model's answer in its own words, which may hold spans in our form."""
    if isinstance(prediction, Ranking):
        return Answer(prediction, prediction.label, "fallback", text=said)
    marked = None
    if isinstance(prediction, Extraction) and served.marking is not None:
        found = served.marking.read(said, prediction.text)
        marked = None if found is None else marked_by_fallback(found, prediction)
    return Answer(prediction, marked.label if marked else said, "fallback", marked=marked)


async def _patiently(answer: Coroutine[Any, Any, T], asked: Asked) -> T:
    """Wait no longer than the client says that it will. Raises NoAnswerError."""
    if asked.patience_until is None:
        return await answer
    try:
        async with asyncio.timeout(asked.patience_until - time.monotonic()):
            return await answer
    except TimeoutError:
        raise NoAnswerError("deadline", "the request's own deadline came first") from None


async def _done(answer: Answer) -> Answer:
    return answer
