"""E-mail from the mailbox to the desk and back: real protocols on loopback. The mailbox is
Dovecot's where the machine has it, and a small server of our own everywhere."""

from __future__ import annotations

import pytest

pytest.importorskip("starlette", reason="the extra desk is not installed")
pytest.importorskip("sqlalchemy", reason="the extra desk is not installed")
pytest.importorskip("aiosmtpd", reason="the extra dev is not installed")


import dovecot_server
from channels_desk import FakeDesk
from desk.dialog.desk import ServiceDesk
from desk.types import Message, Reply, Understood
from dialog_shop import Chat, request
from mail_fixtures import NUMBERS
from mail_world import ANNA, OWN, DovecotBox, FakeBox, World, mail


def test_a_message_is_answered_once_and_marked(mail_world: World) -> None:
    (answer,) = mail_world.get(mail("how do i return my coat?", Message_ID="<m1@mail.example>"))
    assert mail_world.flags == [{"\\Seen"}]
    said = answer.get_content()
    assert "You have 30 days." in said and "Sending things back" in said and "- Yes" in said
    assert answer["To"] == ANNA and "help@shop.example" in answer["From"]
    assert answer["Subject"] == "Re: A question"
    assert answer["In-Reply-To"] == answer["References"] == "<m1@mail.example>"
    assert answer["Auto-Submitted"] == "auto-replied"
    (taken,) = mail_world.desk.taken  # type: ignore[attr-defined]
    assert (taken.key, taken.channel) == ("<m1@mail.example>", "email")
    assert (taken.customer, taken.email) == (None, ANNA)
    mail_world.look()
    mail_world.look(anew=True)
    assert len(mail_world.post.taken) == 1


def test_a_thread_is_a_conversation_of_one_address(mail_world: World) -> None:
    (first,) = mail_world.get(mail("how do i return my coat?", Message_ID="<m1@mail.example>"))
    # As Outlook has it: without References.
    quoted = "".join(f"> {line}\n" for line in first.get_content().splitlines())
    back = f"yes please\n\nOn 1 Jun 2026, Shop <{OWN}> wrote:\n{quoted}"
    told = {"In_Reply_To": first["Message-ID"], "Subject": "Re: A question"}
    (second,) = mail_world.get(mail(back, Message_ID="<m2@mail.example>", **told))
    assert second["References"].split() == ["<m1@mail.example>", "<m2@mail.example>"]
    one, two = mail_world.desk.taken  # type: ignore[attr-defined]
    assert two.conversation == one.conversation
    assert two.text == "yes please"
    # Somebody else who names the same message is somebody else.
    mail_world.get(
        mail("yes please", Message_ID="<m3@evil.example>", From="eve@evil.example", **told)
    )
    mail_world.get(mail("anything", Message_ID="<m4@mail.example>"))
    names = [one.conversation for one in mail_world.desk.taken]  # type: ignore[attr-defined]
    assert len(set(names)) == 3


def test_an_id_that_others_may_know_is_no_key(small_mail_world: World) -> None:
    """Anna's own message may have gone to others, who can claim to be her."""
    small_mail_world.get(mail("please cancel it", Message_ID="<m1@mail.example>"))
    small_mail_world.get(mail("yes", Message_ID="<m2@x>", References="<m1@mail.example>"))
    one, two = small_mail_world.desk.taken  # type: ignore[attr-defined]
    assert one.conversation != two.conversation


def test_old_unread_messages_are_left_alone(
    dovecot: tuple[int, int], small_mail_world: World
) -> None:
    box = DovecotBox(dovecot[0], f"user{next(NUMBERS)}", dovecot_server.PASSWORD)
    box.put(bytes(mail("last year")), '"01-Jan-2020 12:00:00 +0000"')
    box.put(bytes(mail("today", Message_ID="<2@x>")))
    where = {"imap_port": dovecot[0], "imap_user": box.where[1]}
    small_mail_world.look(**where)
    assert "today" in small_mail_world.post.taken[0].get_content()
    assert box.flags() == [set(), {"\\Seen"}]


def test_programs_get_nothing(mail_world: World) -> None:
    mail_world.box.put(bytes(mail("away", Message_ID="<a@x>", Auto_Submitted="auto-replied")))
    mail_world.box.put(bytes(mail("news", Message_ID="<b@x>", List_Id="<news.x>")))
    mail_world.box.put(b"From: MAILER-DAEMON@x.yy\r\nReturn-Path: <>\r\n\r\nundeliverable\r\n")
    (answer,) = mail_world.get(mail("hello", Message_ID="<c@x>"))
    assert "hello" in answer.get_content()
    assert mail_world.flags == [{"\\Seen"}] * 4
    # What the desk sends is no question for a desk, nor for itself.
    assert mail_world.get(bytes(answer)) == []


def test_answered_messages_move(mail_world: World) -> None:
    mail_world.box.put(bytes(mail("hello")))
    mail_world.look(done_folder="Answered")
    assert mail_world.flags == []
    moved = (
        mail_world.box.kept.moved
        if isinstance(mail_world.box, FakeBox)
        else mail_world.box.flags("Answered")
    )
    assert len(moved) == 1


def test_what_people_say_goes_out(mail_world: World) -> None:
    (first,) = mail_world.get(mail("i want an agent", Message_ID="<m1@mail.example>"))
    assert "A colleague takes over." in first.get_content()
    conversation = mail_world.desk.taken[0].conversation  # type: ignore[attr-defined]
    mail_world.desk.person_says(conversation, "I will look.\nBest, Alice")  # type: ignore[attr-defined]
    mail_world.look(anew=True)
    mail_world.look()
    (_, said) = mail_world.post.taken
    assert said.get_content().split() == ["I", "will", "look.", "Best,", "Alice"]
    assert said["Auto-Submitted"] is None
    assert (said["To"], said["Subject"]) == (ANNA, "Re: A question")
    assert said["In-Reply-To"] == "<m1@mail.example>"
    # An answer to what the person wrote goes on with the conversation.
    told = {"In_Reply_To": said["Message-ID"], "Message_ID": "<m2@mail.example>"}
    mail_world.get(mail("thank you", **told))
    assert mail_world.desk.taken[-1].conversation == conversation  # type: ignore[attr-defined]
    mail_world.desk.person_says(conversation, "Done.")  # type: ignore[attr-defined]
    mail_world.post.codes = ["451 later"]
    mail_world.look()
    mail_world.look()
    assert [one.get_content().strip() for one in mail_world.post.taken].count("Done.") == 1


def test_a_silent_desk_sends_nothing(small_mail_world: World) -> None:
    class Handed(FakeDesk):
        def _reply(self, message: Message) -> Reply:
            return Reply(())

    small_mail_world.desk = Handed()
    assert small_mail_world.get(mail("are you there?")) == []
    assert small_mail_world.flags == [{"\\Seen"}]
    small_mail_world.desk.person_says(small_mail_world.desk.taken[0].conversation, "I am.")
    small_mail_world.look()
    assert small_mail_world.post.taken[0].get_content().strip() == "I am."


def test_attachments_and_empty_messages(small_mail_world: World) -> None:
    made = mail("it came broken, see the photo")
    made.add_attachment(b"\0" * 100, "image", "jpeg", filename="NAME")
    (answer,) = small_mail_world.get(bytes(made).replace(b"NAME", b"=?utf-8?q?a=0D=0ABcc:_x?="))
    assert "cannot open attachments" in answer.get_content() and answer["Bcc"] is None
    (answer,) = small_mail_world.get(mail("", Subject="", Message_ID="<2@x>"))
    assert "only read text" in answer.get_content()
    assert len(small_mail_world.desk.taken) == 1  # type: ignore[attr-defined]


def test_long_broken_and_nameless_messages(small_mail_world: World) -> None:
    small_mail_world.get(mail("where is it? " * 10_000, Message_ID=""))
    small_mail_world.get(
        b"From: a@b.cc\r\nContent-Type: text/plain; charset=klingon\r\n\r\nwo ist es \xfc\r\n"
    )
    small_mail_world.get(b"\xff\x00\r\n\r\n\x00")
    assert len(small_mail_world.post.taken) == 2
    assert [len(one.text) <= 4_000 for one in small_mail_world.desk.taken] == [True, True]  # type: ignore[attr-defined]
    assert all("\\Seen" in flags for flags in small_mail_world.flags)


def test_german_gets_german(small_mail_world: World) -> None:
    made = mail("Ich habe die Jacke nicht bekommen und möchte das Geld zurück", Subject="Frage")
    made.add_attachment(b"x", "image", "png", filename="a.png")
    (answer,) = small_mail_world.get(made)
    assert "Anhänge kann ich nicht öffnen" in answer.get_content()
    assert answer["Content-Language"] == small_mail_world.desk.taken[0].language == "de"  # type: ignore[attr-defined]


def real(mail_world: World) -> Chat:
    """The desk itself, over a shop in memory."""
    chat = Chat()
    assert isinstance(chat.desk, ServiceDesk)
    mail_world.desk = chat.desk
    return chat


def test_from_fills_the_address_and_proves_nothing(small_mail_world: World) -> None:
    chat = real(small_mail_world)
    chat.understood = Understood((request("order_status"),))
    # Anna's address beside Anna's order number: as if she had typed both on the web.
    (answer,) = small_mail_world.get(mail("where is MF-10002", Message_ID="<1@x>"))
    assert "MF-10002" in answer.get_content()
    # Her address alone shows nothing, and neither does a foreign number.
    (answer,) = small_mail_world.get(mail("where is my parcel", Message_ID="<2@x>", Subject="Hi"))
    assert "What is your order number" in answer.get_content()
    (answer,) = small_mail_world.get(mail("where is MF-20001", Message_ID="<3@x>", Subject="Hi"))
    assert "I can't find an order with that" in answer.get_content()
    # An address to answer to that is not the sender's is not even typed.
    (answer,) = small_mail_world.get(
        mail("where is MF-10002", Message_ID="<4@x>", Reply_To="eve@evil.example")
    )
    assert answer["To"] == "eve@evil.example" and "e-mail" in answer.get_content()


def test_a_trusted_host_may_say_who_it_is(small_mail_world: World) -> None:
    chat = real(small_mail_world)
    chat.understood = Understood((request("order_status"),))
    pass_it = "mx.shop.example; dmarc=pass header.from=mail.example"
    made = mail("where is my parcel", Message_ID="<1@x>", Authentication_Results=pass_it)
    small_mail_world.box.put(bytes(made))
    small_mail_world.look(authenticated_by="mx.shop.example")
    (answer,) = small_mail_world.post.taken
    assert "MF-1000" in answer.get_content()  # her own orders, to choose from
