"""E-mail from the mailbox to the desk and back: real protocols on loopback. The mailbox is
Dovecot's where the machine has it, and a small server of our own everywhere."""

from __future__ import annotations

import time
from collections.abc import Iterator
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
from desk.channels.email_box import Box, BoxError, _quoted
from desk.channels.email_channel import EmailChannel
from desk.channels.email_settings import Email
from desk.channels.settings import Settings, settings_of
from desk.dialog.desk import ServiceDesk
from desk.secret import Secret, SettingsError
from desk.types import Message, Reply, Turn, Understood
from dialog_shop import Chat, request
from imap_server import serving_imap
from mail_world import ANNA, OWN, DovecotBox, FakeBox, World, mail, serving_smtp, settings

_NUMBER = iter(range(1, 10**6))


@pytest.fixture(scope="session")
def certificate() -> tuple[bytes, bytes]:
    return made_certificate()


@pytest.fixture(scope="session")
def dovecot(certificate: tuple[bytes, bytes]) -> Iterator[tuple[int, int]]:
    if why := dovecot_server.missing():
        pytest.skip(why)
    with dovecot_server.running(*certificate) as ports:
        yield ports


@pytest.fixture(params=["small", "dovecot"])
def world(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[World]:
    desk = FakeDesk()
    with serving_smtp() as post:
        if request.param == "small":
            with serving_imap() as kept:
                about = settings(tmp_path, kept.port, post.port)
                yield from _world(desk, FakeBox(kept), post, about)
        else:
            port, _ = request.getfixturevalue("dovecot")
            box = DovecotBox(port, f"user{next(_NUMBER)}", dovecot_server.PASSWORD)
            about = settings(tmp_path, port, post.port, imap_user=box.where[1])
            yield from _world(desk, box, post, about)


@pytest.fixture
def small(tmp_path: Path) -> Iterator[World]:
    with serving_smtp() as post, serving_imap() as kept:
        about = settings(tmp_path, kept.port, post.port)
        yield from _world(FakeDesk(), FakeBox(kept), post, about)


def _world(desk: Any, box: Any, post: Any, about: Email) -> Iterator[World]:
    found = World(desk, box, post, lambda d, **more: EmailChannel(d, replace(about, **more)))
    yield found
    found.close()


def made_certificate() -> tuple[bytes, bytes]:
    """For 127.0.0.1: certificate and key, as PEM."""
    from datetime import UTC, datetime, timedelta
    from ipaddress import ip_address

    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec

    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "127.0.0.1")])
    now = datetime.now(UTC)
    here = x509.SubjectAlternativeName([x509.IPAddress(ip_address("127.0.0.1"))])
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(here, critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .sign(key, hashes.SHA256())
    )
    pem = serialization.Encoding.PEM
    hidden = key.private_bytes(pem, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    return made.public_bytes(pem), hidden


def test_a_message_is_answered_once_and_marked(world: World) -> None:
    (answer,) = world.get(mail("how do i return my coat?", Message_ID="<m1@mail.example>"))
    assert world.flags == [{"\\Seen"}]
    said = answer.get_content()
    assert "You have 30 days." in said and "Sending things back" in said and "- Yes" in said
    assert answer["To"] == ANNA and "help@shop.example" in answer["From"]
    assert answer["Subject"] == "Re: A question"
    assert answer["In-Reply-To"] == answer["References"] == "<m1@mail.example>"
    assert answer["Auto-Submitted"] == "auto-replied"
    (taken,) = world.desk.taken  # type: ignore[attr-defined]
    assert (taken.key, taken.channel) == ("<m1@mail.example>", "email")
    assert (taken.customer, taken.email) == (None, ANNA)
    world.look()
    world.look(anew=True)
    assert len(world.post.taken) == 1


def test_a_thread_is_a_conversation_of_one_address(world: World) -> None:
    (first,) = world.get(mail("how do i return my coat?", Message_ID="<m1@mail.example>"))
    # As Outlook has it: without References.
    quoted = "".join(f"> {line}\n" for line in first.get_content().splitlines())
    back = f"yes please\n\nOn 1 Jun 2026, Shop <{OWN}> wrote:\n{quoted}"
    told = {"In_Reply_To": first["Message-ID"], "Subject": "Re: A question"}
    (second,) = world.get(mail(back, Message_ID="<m2@mail.example>", **told))
    assert second["References"].split() == ["<m1@mail.example>", "<m2@mail.example>"]
    one, two = world.desk.taken  # type: ignore[attr-defined]
    assert two.conversation == one.conversation
    assert two.text == "yes please"
    # Somebody else who names the same message is somebody else.
    world.get(mail("yes please", Message_ID="<m3@evil.example>", From="eve@evil.example", **told))
    world.get(mail("anything", Message_ID="<m4@mail.example>"))
    names = [one.conversation for one in world.desk.taken]  # type: ignore[attr-defined]
    assert len(set(names)) == 3


def test_programs_get_nothing(world: World) -> None:
    world.box.put(bytes(mail("away", Message_ID="<a@x>", Auto_Submitted="auto-replied")))
    world.box.put(bytes(mail("news", Message_ID="<b@x>", List_Id="<news.x>")))
    world.box.put(b"From: MAILER-DAEMON@x.yy\r\nReturn-Path: <>\r\n\r\nundeliverable\r\n")
    (answer,) = world.get(mail("hello", Message_ID="<c@x>"))
    assert "hello" in answer.get_content()
    assert world.flags == [{"\\Seen"}] * 4
    # What the desk sends is no question for a desk, nor for itself.
    assert world.get(bytes(answer)) == []


def test_answered_messages_move(world: World) -> None:
    world.box.put(bytes(mail("hello")))
    world.look(done_folder="Answered")
    assert world.flags == []
    moved = world.box.kept.moved if isinstance(world.box, FakeBox) else world.box.flags("Answered")
    assert len(moved) == 1


def test_a_kill_before_the_mark_sends_nothing_twice(small: World) -> None:
    small.box.kept.breaks = 1
    with pytest.raises(BoxError):
        small.get(mail("please cancel it"))
    assert (len(small.post.taken), small.flags) == (1, [set()])
    small.look(anew=True)
    assert (len(small.post.taken), small.flags) == (1, [{"\\Seen"}])
    assert len(small.desk.taken) == 1  # type: ignore[attr-defined]


def test_a_kill_before_the_answer_asks_again_with_the_same_key(small: World) -> None:
    small.post.codes = ["451 try later"]
    assert small.get(mail("please cancel it")) == []
    assert small.flags == [set()]
    small.look(anew=True)
    (answer,) = small.post.taken
    assert "Done: MF-48213 is canceled." in answer.get_content()
    one, two = small.desk.taken  # type: ignore[attr-defined]
    assert (one.conversation, one.key) == (two.conversation, two.key)
    assert small.flags == [{"\\Seen"}]


def test_what_is_refused_for_good_is_for_people(small: World) -> None:
    small.post.recipient_codes = ["550 no such mailbox"]
    assert small.get(mail("hello")) == []
    assert small.flags == [{"\\Seen", "\\Flagged"}]
    small.look()
    assert small.post.taken == []


def test_two_copies_are_one_message(small: World) -> None:
    small.box.put(bytes(mail("hello")))
    assert len(small.get(mail("hello"))) == 1
    assert small.flags == [{"\\Seen"}, {"\\Seen"}]


def test_two_workers_answer_once(small: World) -> None:
    other = small.make(small.desk)

    class Slow:
        def take(self, message: Message) -> Reply:
            other.look()  # another worker looks while this one is at it
            return small.desk.take(message)

        turns = small.desk.turns

    desk, small.desk = small.desk, Slow()  # type: ignore[assignment]
    channel = small.make(small.desk)
    small.desk = desk
    small.box.put(bytes(mail("hello")))
    channel.look()
    assert len(small.post.taken) == 1
    channel.close()
    other.close()


def test_a_loop_ends(small: World) -> None:
    for number in range(14):  # a program that says nothing of itself, with a new thread each time
        small.get(mail(f"hello {number}", Message_ID=f"<{number}@mail.example>"))
    assert len(small.post.taken) == 10
    assert small.flags[-1] == {"\\Seen", "\\Flagged"}
    assert len(small.desk.taken) == 10  # type: ignore[attr-defined]
    assert small.get(mail("hello", Message_ID="<other@x>", From="bert@post.example"))


def test_what_people_say_goes_out(world: World) -> None:
    (first,) = world.get(mail("i want an agent", Message_ID="<m1@mail.example>"))
    assert "A colleague takes over." in first.get_content()
    conversation = world.desk.taken[0].conversation  # type: ignore[attr-defined]
    world.desk.person_says(conversation, "I will look.\nBest, Alice")  # type: ignore[attr-defined]
    world.look(anew=True)
    world.look()
    (_, said) = world.post.taken
    assert said.get_content().split() == ["I", "will", "look.", "Best,", "Alice"]
    assert said["Auto-Submitted"] is None
    assert (said["To"], said["Subject"]) == (ANNA, "Re: A question")
    assert said["In-Reply-To"] == "<m1@mail.example>"
    # An answer to what the person wrote goes on with the conversation.
    told = {"In_Reply_To": said["Message-ID"], "Message_ID": "<m2@mail.example>"}
    world.get(mail("thank you", **told))
    assert world.desk.taken[-1].conversation == conversation  # type: ignore[attr-defined]
    world.desk.person_says(conversation, "Done.")  # type: ignore[attr-defined]
    world.post.codes = ["451 later"]
    world.look()
    world.look()
    assert [one.get_content().strip() for one in world.post.taken].count("Done.") == 1


def test_a_silent_desk_sends_nothing(small: World) -> None:
    class Handed(FakeDesk):
        def _reply(self, message: Message) -> Reply:
            return Reply(())

    small.desk = Handed()
    assert small.get(mail("are you there?")) == []
    assert small.flags == [{"\\Seen"}]
    small.desk.person_says(small.desk.taken[0].conversation, "I am.")
    small.look()
    assert small.post.taken[0].get_content().strip() == "I am."


def test_attachments_and_empty_messages(small: World) -> None:
    made = mail("it came broken, see the photo")
    made.add_attachment(b"\0" * 100, "image", "jpeg", filename="NAME")
    (answer,) = small.get(bytes(made).replace(b"NAME", b"=?utf-8?q?a=0D=0ABcc:_x?="))
    assert "cannot open attachments" in answer.get_content() and answer["Bcc"] is None
    (answer,) = small.get(mail("", Subject="", Message_ID="<2@x>"))
    assert "only read text" in answer.get_content()
    assert len(small.desk.taken) == 1  # type: ignore[attr-defined]


def test_long_broken_and_nameless_messages(small: World) -> None:
    small.get(mail("where is it? " * 10_000, Message_ID=""))
    small.get(
        b"From: a@b.cc\r\nContent-Type: text/plain; charset=klingon\r\n\r\nwo ist es \xfc\r\n"
    )
    small.get(b"\xff\x00\r\n\r\n\x00")
    assert len(small.post.taken) == 2
    assert [len(one.text) <= 4_000 for one in small.desk.taken] == [True, True]  # type: ignore[attr-defined]
    assert all("\\Seen" in flags for flags in small.flags)


def test_german_gets_german(small: World) -> None:
    made = mail("Ich habe die Jacke nicht bekommen und möchte das Geld zurück", Subject="Frage")
    made.add_attachment(b"x", "image", "png", filename="a.png")
    (answer,) = small.get(made)
    assert "Anhänge kann ich nicht öffnen" in answer.get_content()
    assert answer["Content-Language"] == small.desk.taken[0].language == "de"  # type: ignore[attr-defined]


def real(world: World) -> Chat:
    """The desk itself, over a shop in memory."""
    chat = Chat()
    assert isinstance(chat.desk, ServiceDesk)
    world.desk = chat.desk
    return chat


def test_from_fills_the_address_and_proves_nothing(small: World) -> None:
    chat = real(small)
    chat.understood = Understood((request("order_status"),))
    # Anna's address beside Anna's order number: as if she had typed both on the web.
    (answer,) = small.get(mail("where is MF-10002", Message_ID="<1@x>"))
    assert "MF-10002" in answer.get_content()
    # Her address alone shows nothing, and neither does a foreign number.
    (answer,) = small.get(mail("where is my parcel", Message_ID="<2@x>", Subject="Hi"))
    assert "What is your order number" in answer.get_content()
    (answer,) = small.get(mail("where is MF-20001", Message_ID="<3@x>", Subject="Hi"))
    assert "I can't find an order with that" in answer.get_content()
    # An address to answer to that is not the sender's is not even typed.
    (answer,) = small.get(
        mail("where is MF-10002", Message_ID="<4@x>", Reply_To="eve@evil.example")
    )
    assert answer["To"] == "eve@evil.example" and "e-mail" in answer.get_content()


def test_a_trusted_host_may_say_who_it_is(small: World) -> None:
    chat = real(small)
    chat.understood = Understood((request("order_status"),))
    pass_it = "mx.shop.example; dmarc=pass header.from=mail.example"
    made = mail("where is my parcel", Message_ID="<1@x>", Authentication_Results=pass_it)
    small.box.put(bytes(made))
    small.look(authenticated_by="mx.shop.example")
    (answer,) = small.post.taken
    assert "MF-1000" in answer.get_content()  # her own orders, to choose from


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
            tmp_path, dovecot[kind == "implicit"], post.port, imap_user=f"user{next(_NUMBER)}",
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


def test_it_runs_with_the_application(small: World, tmp_path: Path) -> None:
    small.box.put(bytes(mail("hello")))
    about = settings(tmp_path, small.box.kept.port, small.post.port, looks_s=0.05)
    with TestClient(make_app(small.desk, Settings(email=about))) as client:
        assert client.get("/healthz").text == "ok"
        until = time.monotonic() + 10
        while small.flags != [{"\\Seen"}] and time.monotonic() < until:
            time.sleep(0.02)
    assert len(small.post.taken) == 1


def test_a_mailbox_that_is_away_is_looked_at_again(tmp_path: Path, caplog: Any) -> None:
    channel = EmailChannel(FakeDesk(), settings(tmp_path, 9, 9, looks_s=0.01))
    with pytest.raises(BoxError):
        channel.look()
    channel._ended.wait = lambda pause: channel.end()  # type: ignore[assignment,method-assign]
    channel.run()
    assert "the next look is in" in caplog.text
    channel.close()


def test_folders_of_other_alphabets() -> None:
    assert _quoted('Räume & "x"') == '"R&AOQ-ume &- \\"x\\""'


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ({"from_address": "help"}, "from_address: an address"),
        ({"imap_host": "mail.example", "imap_tls": "none"}, "in the clear"),
        ({"smtp_tls": "maybe"}, "implicit, starttls, none"),
        ({"smtp_user": "x"}, "give both or none"),
        ({"state": ""}, "email.state"),
        ({"name": "a\nb"}, "one line"),
        ({"signature": "a\x00"}, "control characters"),
        ({"most_an_hour": 0}, "more than 0"),
    ],
)
def test_settings_that_cannot_be_meant(tmp_path: Path, values: Any, said: str) -> None:
    with pytest.raises(SettingsError, match=said):
        settings(tmp_path, 1, 1, **values)


def test_settings_are_read() -> None:
    table = {
        "from_address": OWN, "state": "sqlite:///x.db", "imap_host": "imap.x", "imap_user": "u",
        "imap_password_env": "P", "smtp_host": "smtp.x",
    }  # fmt: skip
    found = settings_of({"email": table}, {"P": "hidden"}).email
    assert found and found.imap_password and found.imap_password.reveal() == "hidden"
    assert (found.port("imap"), found.port("smtp")) == (993, 587)
    assert "hidden" not in repr(found)
    large = {"url": "https://x/v1", "model": "m", "key_env": "P", "requests_a_day": 5}
    other = settings_of({"large": large}, {"P": "hidden"}).large
    assert other and other.key and other.key.reveal() == "hidden"


def test_turns_are_not_lost_between_hand_over_and_watch(small: World) -> None:
    """A person answers before the hand-over's mail has gone out."""

    class Quick(FakeDesk):
        def take(self, message: Message) -> Reply:
            reply = super().take(message)
            self.said[message.conversation].append(Turn("agent", "Quick!", "2026-11-28T12:00:00Z"))
            return reply

    small.desk = Quick()
    small.get(mail("i want an agent"))
    small.look()
    assert [one.get_content().strip() for one in small.post.taken][-1] == "Quick!"
    assert len(small.post.taken) == 2
