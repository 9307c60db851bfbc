"""E-mail where something fails: killed processes, servers that are away, loops, wrong settings."""

from __future__ import annotations

import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("starlette", reason="the extra desk is not installed")
pytest.importorskip("sqlalchemy", reason="the extra desk is not installed")
pytest.importorskip("aiosmtpd", reason="the extra dev is not installed")

from starlette.testclient import TestClient

import dovecot_server
from channels_desk import FakeDesk
from desk.app import make_app
from desk.channels.email_box import Box, BoxError
from desk.channels.email_channel import EmailChannel
from desk.channels.email_sending import NotSentError
from desk.channels.settings import Settings
from desk.secret import Secret
from desk.types import Message, Reply, Turn
from mail_fixtures import NUMBERS
from mail_world import DovecotBox, World, mail, serving_smtp, settings
from shop_fixtures import create_database


def test_a_kill_before_the_mark_sends_nothing_twice(small_mail_world: World) -> None:
    small_mail_world.box.kept.breaks = 1
    with pytest.raises(BoxError):
        small_mail_world.get(mail("please cancel it"))
    assert (len(small_mail_world.post.taken), small_mail_world.flags) == (1, [set()])
    small_mail_world.look(anew=True)
    assert (len(small_mail_world.post.taken), small_mail_world.flags) == (1, [{"\\Seen"}])
    assert len(small_mail_world.desk.taken) == 1  # type: ignore[attr-defined]


def test_a_kill_before_the_answer_asks_again_with_the_same_key(small_mail_world: World) -> None:
    small_mail_world.post.codes = ["451 try later"]
    assert small_mail_world.get(mail("please cancel it")) == []
    assert small_mail_world.flags == [set()]
    small_mail_world.look(anew=True)
    (answer,) = small_mail_world.post.taken
    assert "Done: MF-48213 is canceled." in answer.get_content()
    one, two = small_mail_world.desk.taken  # type: ignore[attr-defined]
    assert (one.conversation, one.key) == (two.conversation, two.key)
    assert small_mail_world.flags == [{"\\Seen"}]


def test_nothing_is_lost_while_no_mail_goes_out(small_mail_world: World) -> None:
    for number in range(3):
        small_mail_world.box.put(bytes(mail("hello", Message_ID=f"<{number}@x>")))
    with pytest.raises(NotSentError):
        small_mail_world.look(smtp_port=9)
    assert small_mail_world.flags == [set()] * 3
    small_mail_world.look(anew=True)
    assert len(small_mail_world.post.taken) == 3


def test_a_message_that_breaks_the_desk_holds_up_no_other(
    small_mail_world: World, caplog: Any
) -> None:
    small_mail_world.box.put(bytes(mail("break", Message_ID="<1@x>")))
    assert len(small_mail_world.get(mail("hello", Message_ID="<2@x>"))) == 1
    assert small_mail_world.flags == [set(), {"\\Seen"}]
    small_mail_world.channel._failed["1"] -= 25 * 3600  # type: ignore[union-attr]
    small_mail_world.look()
    assert small_mail_world.flags == [{"\\Seen", "\\Flagged"}, {"\\Seen"}]


_WORKER = """
import os, sys
sys.path[:0] = sys.argv[5:]
from pathlib import Path
import desk.channels.delivered as delivered
import desk.channels.email_channel as channel
from channels_desk import FakeDesk
from mail_world import settings

delivered.CLAIM_S = 0.1
dies, folder, imap, smtp = sys.argv[1:5]
about = settings(Path(folder), int(imap), int(smtp))
made = channel.EmailChannel(FakeDesk(), about)
if dies == "sent":
    channel.send = lambda *_: os._exit(9)
elif dies == "noted":
    made._delivered.note = lambda *_: os._exit(9)
elif dies == "marked":
    channel.Box.done = lambda *_: os._exit(9)
elif dies == "freed":
    made._delivered.free = lambda *_: os._exit(9)
made.look()
"""


@pytest.mark.parametrize(
    ("dies", "mails"), [("sent", 1), ("noted", 2), ("marked", 1), ("freed", 1)]
)
def test_a_killed_process_loses_nothing(
    small_mail_world: World, tmp_path: Path, dies: str, mails: int
) -> None:
    """It dies before the answer is sent, is noted as sent, is marked as read, is let go."""
    small_mail_world.box.put(bytes(mail("please cancel it")))
    ports = [str(small_mail_world.box.kept.port), str(small_mail_world.post.port)]
    run = [sys.executable, "-c", _WORKER, dies, str(tmp_path), *ports, *sys.path[:6]]
    killed = subprocess.run(run, capture_output=True, text=True, check=False)
    assert killed.returncode == 9, killed.stderr
    time.sleep(0.15)  # until its claim has run out: in life a minute
    small_mail_world.look(anew=True)
    small_mail_world.look()
    assert small_mail_world.flags == [{"\\Seen"}]
    ids = [one["Message-ID"] for one in small_mail_world.post.taken]
    assert len(ids) == mails and len(set(ids)) == 1


def test_its_state_in_postgres(small_mail_world: World, postgres_server_url: str) -> None:
    state = create_database(postgres_server_url)
    small_mail_world.box.put(bytes(mail("i want an agent", Message_ID="<1@x>")))
    small_mail_world.look(state=state)
    told = {"In_Reply_To": small_mail_world.post.taken[0]["Message-ID"], "Message_ID": "<2@x>"}
    small_mail_world.get(mail("hello?", **told))
    one, two = small_mail_world.desk.taken  # type: ignore[attr-defined]
    assert one.conversation == two.conversation
    small_mail_world.desk.person_says(one.conversation, "I will look.")  # type: ignore[attr-defined]
    small_mail_world.look()
    assert len(small_mail_world.post.taken) == 3


def test_what_is_refused_for_good_is_for_people(small_mail_world: World) -> None:
    small_mail_world.post.recipient_codes = ["550 no such mailbox"]
    assert small_mail_world.get(mail("hello")) == []
    assert small_mail_world.flags == [{"\\Seen", "\\Flagged"}]
    small_mail_world.look()
    assert small_mail_world.post.taken == []


def test_two_copies_are_one_message(small_mail_world: World) -> None:
    small_mail_world.box.put(bytes(mail("hello")))
    assert len(small_mail_world.get(mail("hello"))) == 1
    assert small_mail_world.flags == [{"\\Seen"}, {"\\Seen"}]


def test_two_workers_answer_once(small_mail_world: World) -> None:
    other = small_mail_world.make(small_mail_world.desk)

    class Slow:
        def take(self, message: Message) -> Reply:
            other.look()  # another worker looks while this one is at it
            return small_mail_world.desk.take(message)

        turns = small_mail_world.desk.turns

    desk, small_mail_world.desk = small_mail_world.desk, Slow()  # type: ignore[assignment]
    channel = small_mail_world.make(small_mail_world.desk)
    small_mail_world.desk = desk
    small_mail_world.box.put(bytes(mail("hello")))
    channel.look()
    assert len(small_mail_world.post.taken) == 1
    channel.close()
    other.close()


def test_a_loop_ends(small_mail_world: World) -> None:
    for number in range(14):  # a program that says nothing of itself, with a new thread each time
        small_mail_world.get(mail(f"hello {number}", Message_ID=f"<{number}@mail.example>"))
    assert len(small_mail_world.post.taken) == 10
    assert small_mail_world.flags[-1] == {"\\Seen", "\\Flagged"}
    assert len(small_mail_world.desk.taken) == 10  # type: ignore[attr-defined]
    assert small_mail_world.get(mail("hello", Message_ID="<other@x>", From="bert@post.example"))


@pytest.mark.parametrize("kind", ["starttls", "implicit"])
def test_tls(
    kind: str, dovecot: tuple[int, int], certificate: tuple[bytes, bytes], tmp_path: Path
) -> None:
    import ssl

    ca, key = tmp_path / "ca.pem", tmp_path / "key.pem"
    ca.write_bytes(certificate[0])
    key.write_bytes(certificate[1])
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(ca, key)
    wrapped = {"ssl_context" if kind == "implicit" else "tls_context": context}
    with serving_smtp(**wrapped) as post:
        about = settings(
            tmp_path, dovecot[kind == "implicit"], post.port, imap_user=f"user{next(NUMBERS)}",
            imap_tls=kind, smtp_tls=kind, ca_file=str(ca),
        )  # fmt: skip
        box = DovecotBox(dovecot[0], about.imap_user, dovecot_server.PASSWORD)
        box.put(bytes(mail("hello")))
        channel = EmailChannel(FakeDesk(), about)
        channel.look()
        channel.close()
        assert len(post.taken) == 1
        # A certificate that nobody vouches for, and a wrong password.
        with pytest.raises(BoxError, match="certificate"), Box(replace(about, ca_file=None)):
            pass
        with pytest.raises(BoxError), Box(replace(about, imap_password=Secret("wrong"))):
            pass


def test_it_runs_with_the_application(small_mail_world: World, tmp_path: Path) -> None:
    small_mail_world.box.put(bytes(mail("hello")))
    about = settings(
        tmp_path, small_mail_world.box.kept.port, small_mail_world.post.port, looks_s=0.05
    )
    with TestClient(make_app(small_mail_world.desk, Settings(email=about))) as client:
        assert client.get("/healthz").text == "ok"
        until = time.monotonic() + 10
        while small_mail_world.flags != [{"\\Seen"}] and time.monotonic() < until:
            time.sleep(0.02)
    assert len(small_mail_world.post.taken) == 1


def test_a_mailbox_that_is_away_is_looked_at_again(tmp_path: Path, caplog: Any) -> None:
    channel = EmailChannel(FakeDesk(), settings(tmp_path, 9, 9, looks_s=0.01))
    with pytest.raises(BoxError):
        channel.look()
    channel._ended.wait = lambda pause: channel.end()  # type: ignore[assignment,method-assign]
    channel.run()
    assert "the next look is in" in caplog.text
    channel.close()


def test_turns_are_not_lost_between_hand_over_and_watch(small_mail_world: World) -> None:
    """A person answers before the hand-over's mail has gone out."""

    class Quick(FakeDesk):
        def take(self, message: Message) -> Reply:
            reply = super().take(message)
            self.said[message.conversation].append(Turn("agent", "Quick!", "2026-11-28T12:00:00Z"))
            return reply

    small_mail_world.desk = Quick()
    small_mail_world.get(mail("i want an agent"))
    small_mail_world.look()
    assert [one.get_content().strip() for one in small_mail_world.post.taken][-1] == "Quick!"
    assert len(small_mail_world.post.taken) == 2
