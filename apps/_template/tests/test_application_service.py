"""Messages are worked on once for their key; people's words are kept; figures count them."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

pytest.importorskip("sqlalchemy", reason="the extra desk is not installed")

from application.database import open_engine, writing
from application.figures import figures, to_csv
from application.service import Conflict, Service
from application.types import Message, Reply
from application_made import due, lend

TODAY = datetime.now(UTC).date()


def test_an_answer_and_a_handing_over(service: Service) -> None:
    said = service.take(Message("web", "1", "when are you open"))
    assert (said.text, said.label, said.handed) == ("From 9 to 7.", "opening_hours", None)
    handed = service.take(Message("web", "2", "what a day"))
    assert (handed.label, handed.handed) == (None, "unsure")
    assert [case["number"] for case in service.cases("waiting")] == [handed.number]
    assert [case["number"] for case in service.cases("answered")] == [said.number]


def test_work_is_done_once_for_a_key(service: Service) -> None:
    lend(service.engine, "r1", days=2)
    first = service.take(Message("web", "1", "renew it", "r1"))
    again = service.take(Message("web", "1", "renew it", "r1"))
    assert first.text == f"Until {TODAY + timedelta(days=23)}: Emma."
    assert (again.text, again.again, first.again) == (first.text, True, False)
    assert due(service.engine, "r1") == [TODAY + timedelta(days=23)]
    with pytest.raises(Conflict, match="another message"):
        service.take(Message("web", "1", "renew it", "r2"))
    assert service.take(Message("other", "1", "open?")).number != first.number


def test_of_many_at_once_one_does_the_work(
    service_at: Callable[[Path], Service], tmp_path: Path
) -> None:
    """Each on connections of its own, as in processes of its own."""
    services = [service_at(tmp_path / "one.db") for _ in range(6)]
    lend(services[0].engine, "r1", days=2)
    ready, replies = threading.Barrier(len(services)), list[Reply]()

    def take(service: Service) -> None:
        ready.wait()
        replies.append(service.take(Message("web", "1", "renew it", "r1")))

    threads = [threading.Thread(target=take, args=(service,)) for service in services]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(reply.again for reply in replies) == [False] + [True] * 5
    assert len({(reply.text, reply.number) for reply in replies}) == 1
    assert due(services[0].engine, "r1") == [TODAY + timedelta(days=23)]


@pytest.mark.parametrize("days", [None, -1])
def test_what_cannot_be_done_is_handed_over(service: Service, days: int | None) -> None:
    if days is not None:
        lend(service.engine, "r1", days)
    reply = service.take(Message("web", "1", "renew it", "r1"))
    assert (reply.handed, reply.text) == ("not_possible", "A librarian will answer.")


def test_work_that_fails_leaves_nothing(service: Service, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(connection: object, message: Message) -> dict[str, str]:
        raise RuntimeError("the library's system is away")

    message = Message("web", "1", "renew it", "r1")
    with monkeypatch.context() as patch:
        patch.setattr("application.service.WORK", {"renew_loan": broken})
        with pytest.raises(RuntimeError):
            service.take(message)
    assert service.reply(message) is None
    lend(service.engine, "r1", days=2)
    assert service.take(message).handed is None


def test_people_answer_and_correct(service: Service) -> None:
    answered = service.take(Message("web", "1", "open a book for me"))
    handed = service.take(Message("web", "2", "what do I owe"))
    assert service.close(handed.number, "ada", "fees", "Nothing.")
    assert service.close(answered.number, "ada", "oos", None)
    assert not service.cases("waiting") and not service.cases("answered")
    assert service.take(Message("web", "2", "what do I owe")).text == "Nothing."
    assert [row["label"] for row in service.corrections()] == ["oos", "fees"]
    assert next(service.corrections())["predicted"]["label"] == "opening_hours"
    with pytest.raises(Conflict, match="ada has closed"):
        service.close(handed.number, "bob", "person", None)
    with pytest.raises(Conflict, match="only its label"):
        service.close(answered.number, "ada", None, "Open.")
    assert not service.close(99, "ada", "fees", None)


def test_figures(service: Service) -> None:
    texts = ("open now?", "are you open or not", "a human please", "hm", "the fine")
    said = [service.take(Message("web", str(n), text)) for n, text in enumerate(texts)]
    service.close(said[0].number, "ada", "opening_hours", None)
    service.close(said[1].number, "ada", "oos", None)
    service.close(said[3].number, "ada", "renew_loan", "Done.")
    found = figures(service.engine)
    every = found["all"]
    assert (every["messages"], every["answered"], every["handed"]) == (5, 2, 3)
    assert (every["handed_asked"], every["handed_unsure"], every["handed_no_answer"]) == (1, 1, 1)
    assert (every["judged"], every["wrong"], every["corrected"]) == (2, 1, 2)
    assert 0 < every["p50_ms"] <= every["p95_ms"]
    assert [day["messages"] for day in found["days"]] == [5]
    head, line = to_csv(found["days"]).splitlines()
    assert head.startswith("day,messages,answered") and line.startswith(f"{TODAY},5,2,3,")
    assert figures(service.engine, since=time.time()) == {
        "all": every | dict.fromkeys(every, 0),
        "days": [],
    }


def test_an_older_databases_tables_stay(tmp_path: Path) -> None:
    for _ in range(2):
        engine = open_engine(f"sqlite:///{tmp_path / 'kept.db'}")
        lend(engine, "r1", days=1)
        engine.dispose()
    assert len(due(writing(engine), "r1")) == 2
    engine.dispose()
