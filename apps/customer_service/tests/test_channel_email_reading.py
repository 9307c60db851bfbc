"""E-mails as they come: what is read of them, what is cut, who is answered. No server."""

from __future__ import annotations

import time
from email.message import EmailMessage
from pathlib import Path

import pytest

pytest.importorskip("starlette", reason="the extra desk is not installed")

from hypothesis import given, settings
from hypothesis import strategies as st

from desk.channels.email_cut import cut
from desk.channels.email_reading import Mail, language_of_text, plain_subject, read_mail
from desk.channels.email_text import one_line, text_of_html
from desk.channels.email_writing import Answer, written
from mail_world import ANNA, OWN, mail
from mail_world import settings as email_settings

NEW = "Where is my parcel?\nIt was due on Monday."
CHAINS = {
    "nothing": NEW,
    "gmail": f"{NEW}\n\nOn Mon, 1 Jun 2026 at 09:00, S <help@shop.example> wrote:\n> Hi\n> there",
    "broken in two": f"{NEW}\n\nOn Mon, 1 Jun 2026 at 09:00, Marlow & Finch Service Desk\n"
    "<help@shop.example> wrote:\n\n> Hi",
    "apple": f"{NEW}\n\nSent from my iPhone\n\n> On 1 Jun 2026, at 09:00, Shop wrote:\n> \n> Hi",
    "german": f"{NEW}\n\nAm 01.06.2026 um 09:00 schrieb Laden <help@shop.example>:\n> Guten Tag",
    "unmarked": f"{NEW}\n\nOn 01/06/2026 09:00, Shop wrote:\nHi there,\nyour order is on its way",
    "outlook": f"{NEW}\n\nKind regards\nAnna\n\n________________________________\n"
    "From: Shop <help@shop.example>\nSent: 01 June 2026\nTo: Anna\nSubject: Your order\n\nHi",
    "outlook, old": f"{NEW}\n\n-----Original Message-----\nFrom: Shop\nHi there",
    "outlook, german": f"{NEW}\n\nVon: Laden\nGesendet: 1. Juni\nAn: Anna\nBetreff: Paket\n\nHi",
    "signature": f"{NEW}\n-- \nAnna Bell\nHead of Things\nT 020 7946 0123",
    "closing": f"{NEW}\n\nMany thanks,\nAnna Bell\n12 Mill Lane",
    "closing, german": f"{NEW}\n\nMit freundlichen Grüßen\nAnna Bell",
    "below a quote": f"On 1 Jun 2026, Shop <help@shop.example> wrote:\n> Hi\n> there\n\n{NEW}",
    "between quotes": "> Which order?\nWhere is my parcel?\n> When?\nIt was due on Monday.\n> Bye",
    "windows": NEW.replace("\n", "\r\n") + "\r\n\r\n> Hi\r\n",
}


@pytest.mark.parametrize("name", CHAINS)
def test_only_what_is_new_is_kept(name: str) -> None:
    assert cut(CHAINS[name]) == NEW


@pytest.mark.parametrize(
    "said",
    [
        "Thanks, but I still want to return it",
        "- cancel MF-48213\n- and send the other one",
        "On Monday I wrote: no answer yet",
        "From: the coat came in red\nTo: I want blue",
        "Thanks\nCan you also tell me when the shop in York opens?",
        "a -- b",
        "--",
    ],
)
def test_what_looks_like_it_is_kept(said: str) -> None:
    assert cut(said) == said


def test_a_number_in_a_signature_stays() -> None:
    assert cut("Where is it?\n\nRegards\nAnna\nOrder MF-48213") == "Where is it?\n\nOrder MF-48213"
    assert cut("> all of it is\n> quoted") == ""


@given(st.text(st.sampled_from("ab\n>-_: <@.1OnwroteFromRegards,"), max_size=300))
def test_cutting_takes_lines_and_makes_none(text: str) -> None:
    lines = [line.strip() for line in text.split("\n")]
    assert {line.strip() for line in cut(text).split("\n")} <= {*lines, ""}


@pytest.mark.parametrize(
    "text",
    [
        "> " * 50_000, "On " + "wrote " * 20_000, "-" * 100_000, "_" * 100_000, "\n" * 100_000,
        ("On 1 a@b wrote\n" * 8_000), "<" * 100_000, " \t" * 50_000, "From: a\n" * 12_000,
    ],
)  # fmt: skip
def test_no_text_takes_long(text: str) -> None:
    begun = time.monotonic()
    cut(text)
    text_of_html(text)
    read_mail(f"From: a@b.cc\nSubject: {text}\n\n{text}".encode(), OWN)
    assert time.monotonic() - begun < 2


def test_html_as_its_reader_sees_it() -> None:
    page = (
        "<html><head><style>p{color:red}</style></head><body><p>Where is&nbsp;my <b>parcel</b>?"
        "</p><div>Order<br>MF-48213</div><script>alert(1)</script>"
        '<div class="gmail_quote"><div>On Monday Shop wrote:</div><blockquote>Hi</blockquote></div>'
        "<p>Thanks</p></body></html>"
    )
    assert text_of_html(page).split("\n\n") == ["Where is my parcel?", "Order\nMF-48213", "Thanks"]
    outlook = '<p>New</p><div id="divRplyFwdMsg">From: Shop</div><div>Old</div>'
    assert text_of_html(outlook) == "New"
    assert text_of_html("<p>unclosed <blockquote>a<p>b") == "unclosed"


def read(message: EmailMessage | bytes, **more: str) -> Mail:
    return read_mail(message if isinstance(message, bytes) else bytes(message), OWN, **more)


def test_html_alone_is_text_and_attachments_are_named() -> None:
    made = mail("x", Subject="")
    made.set_content("<p>Where is <i>it</i>?</p>", subtype="html")
    made.add_attachment(b"\0" * 90, "image", "jpeg", filename="IMG_20441.jpg")
    made.add_attachment("secret words", filename="no\u202etes.txt")
    made.add_attachment(mail("inner"))
    found = read(made)
    assert found.text == "Where is it?"
    assert found.attachments == ("IMG_20441.jpg", "no tes.txt", "message.eml")


@pytest.mark.parametrize(
    ("subject", "body", "text"),
    [
        ("Order MF-48213", "Where is it?", "Order MF-48213\n\nWhere is it?"),
        ("Where is it", "where is it?", "where is it?"),
        ("Re: Your order MF-48213 is on its way", "it is not", "it is not\nMF-48213"),
        ("AW: Re: MF-48213", "no, MF-48214", "no, MF-48214"),
        ("Where is MF-48213", "", "Where is MF-48213"),
        ("Re: a question", "yes", "yes"),
    ],
)
def test_a_subject_that_says_something(subject: str, body: str, text: str) -> None:
    assert read(mail(body, Subject=subject)).text == text


def test_threads_ids_and_senders() -> None:
    made = mail("hi", In_Reply_To="<b@x> (sent)", References="<a@x> <b@x> nonsense <c d>")
    found = read(made)
    assert (found.key, found.references) == ("<1@mail.example>", ("<b@x>", "<a@x>"))
    assert (found.address, found.claimed, found.proven) == (ANNA, True, False)
    # Without an id, a message is known by what it is.
    one, same, other = (read(mail(text, Message_ID="")) for text in ("hi", "hi", "ho"))
    assert (one.message_id, one.key) == (None, same.key)
    assert one.key != other.key
    elsewhere = read(mail("hi", Reply_To="eve@evil.example"))
    assert (elsewhere.address, elsewhere.claimed) == ("eve@evil.example", False)
    assert read(mail("hi", Reply_To=f"Anna <{ANNA.upper()}>")).claimed


@pytest.mark.parametrize(
    ("headers", "why"),
    [
        ({"Auto_Submitted": "auto-replied"}, "Auto-Submitted"),
        ({"Auto_Submitted": "Auto-Generated; x=1"}, "Auto-Submitted"),
        ({"Precedence": "Bulk"}, "Precedence"),
        ({"List_Id": "<news.shop.example>"}, "List-Id"),
        ({"List_Unsubscribe": "<mailto:x@y.zz>"}, "List-Unsubscribe"),
        ({"X_Auto_Response_Suppress": "DR, OOF, AutoReply"}, "X-Auto-Response-Suppress"),
        ({"Return_Path": "<>"}, "a bounce"),
        ({"From": "MAILER-DAEMON@mail.example"}, "a program"),
        ({"From": "no-reply@mail.example"}, "a program"),
        ({"From": "list-bounces+anna=mail.example@lists.example"}, "a program"),
        ({"From": OWN.upper()}, "this mailbox itself"),
        ({"Reply_To": OWN}, "this mailbox itself"),
        ({"From": ""}, "no single sender"),
        ({"From": f"{ANNA}, bert@post.example"}, "no single sender"),
        ({"From": "anna"}, "address that is none"),
        ({"From": '"a\\"b"@mail.example'}, "address that is none"),
        ({"Subject": "Automatic reply: your order"}, "absence"),
    ],
)
def test_programs_get_no_answer(headers: dict[str, str], why: str) -> None:
    found = read(mail("hi", **headers))
    assert found.program and why in found.program


def test_a_report_is_no_question() -> None:
    raw = b"From: a@b.cc\nContent-Type: multipart/report; boundary=x\n\n--x\n\nhi\n--x--"
    assert read(raw).program == "a report"
    assert read(mail("hi", Auto_Submitted="no")).program is None


TRUSTED = "mx.shop.example; spf=pass smtp.mailfrom=x; dmarc=pass (p=NONE) header.from=mail.example"


@pytest.mark.parametrize(
    ("results", "proven"),
    [
        ([TRUSTED], True),
        ([TRUSTED, "mx.evil.example; dmarc=fail"], True),
        (["mx.evil.example; dmarc=pass header.from=mail.example", TRUSTED], False),
        ([TRUSTED.replace("dmarc=pass", "dmarc=fail")], False),
        ([TRUSTED.replace("from=mail.example", "from=evil.example")], False),
        ([TRUSTED.replace("dmarc=pass", 'x="dmarc=pass"')], False),
        (["mx.shop.example; spf=pass (; dmarc=pass header.from=mail.example"], False),
        ([f"mx.shop.example; dmarc=fail; {TRUSTED.partition('; ')[2]}"], False),
        ([], False),
    ],
)  # fmt: skip
def test_who_somebody_is_says_a_trusted_host_alone(results: list[str], proven: bool) -> None:
    heads = "".join(f"Authentication-Results: {one}\n" for one in results)
    raw = f"{heads}From: {ANNA}\nMessage-ID: <1@x>\n\nhi".encode()
    assert read(raw, authenticated_by="mx.shop.example").proven is proven
    assert not read(raw).proven
    # Two senders, of whom one is checked, are none.
    assert not read(
        f"From: eve@x.yy\n{raw.decode()}".encode(), authenticated_by="mx.shop.example"
    ).proven


@pytest.mark.parametrize(
    "raw",
    [
        b"", b"\n", b"\xff\xfe", b"no header at all", b"From: a@b.cc", b":\n\n",
        b"From: =?utf-8?b?!!!?= <a@b.cc>\nSubject: =?nope?q?=FF?=\n\nhi",
        b"From: a@b.cc\nContent-Type: text/plain; charset=klingon\n\nhi \xe4",
        b"From: a@b.cc\nContent-Type: text/plain; charset=\"\xff\n\nhi",
        b"From: a@b.cc\nContent-Transfer-Encoding: base64\n\n!!!not base64!!!",
        b"From: a@b.cc\nContent-Type: multipart/mixed\n\nno boundary",
        b"From: a@b.cc\n" + b"Content-Type: multipart/mixed; boundary=x\n\n--x\n" * 50,
        b"From: a@b.cc\nMessage-ID: " + b"<" * 5000 + b"\nReferences: " + b"<a@b>" * 5000,
    ],
)  # fmt: skip
def test_any_bytes_are_read(raw: bytes) -> None:
    read(raw)


@settings(max_examples=60)
@given(st.binary(max_size=400), st.sampled_from(["From", "Subject", "Content-Type", "References"]))
def test_broken_headers_are_read(value: bytes, name: str) -> None:
    read(f"From: a@b.cc\n{name}: ".encode() + value + b"\n\nhi")


def test_charsets() -> None:
    for charset, declared in (("cp1252", "klingon"), ("latin-1", "utf-8"), ("utf-8", "us-ascii")):
        raw = f"From: a@b.cc\nContent-Type: text/plain; charset={declared}\n\n".encode()
        assert read(raw + "grün".encode(charset)).text == "grün"
    assert len(read(mail("word " * 20_000)).text) <= 4_000


def test_languages() -> None:
    assert language_of_text("Ich habe die Jacke nicht bekommen und möchte das Geld") == "de"
    assert language_of_text("i have not got the jacket and want my money") == "en"
    assert language_of_text("MF-48213") == ""


def test_headers_cannot_be_put_in(tmp_path: Path) -> None:
    found = read(mail("hi", Subject="=?utf-8?q?Hi=0D=0ABcc:_eve@evil.example=0D=0A=0D=0Abody?="))
    assert "\n" not in found.subject
    answer = Answer(
        ANNA, found.subject, "text\n.\nBcc: no", "n", ("<a@x>",), "en", by_program=True
    )  # fmt: skip
    made = written(answer, email_settings(tmp_path, 1, 1), "token")
    raw = bytes(made)
    heads = raw.partition(b"\r\n\r\n")[0]
    assert b"\r\nBcc:" not in heads
    assert (made["Auto-Submitted"], made["In-Reply-To"]) == ("auto-replied", "<a@x>")
    with pytest.raises(ValueError, match="may not contain linefeed"):
        written(
            Answer("a@b.cc\r\nBcc: e@x.yy", "s", "t", "n", (), "en", by_program=True),
            email_settings(tmp_path, 1, 1),
            "token",
        )


@given(st.text(max_size=400))
def test_any_subject_can_be_answered(subject: str) -> None:
    answer = Answer(ANNA, subject, "t", "n", ("<a@x>",), "en", by_program=True)
    made = written(answer, email_settings(Path(), 1, 1), "token")
    assert bytes(made).count(b"\r\nSubject:") == 1
    assert one_line(subject) == " ".join(one_line(subject).split())
    assert plain_subject(subject) == plain_subject(plain_subject(subject))
