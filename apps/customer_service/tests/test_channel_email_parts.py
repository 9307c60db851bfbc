"""E-mail, part by part: settings, folders, threads that are forgotten."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("starlette", reason="the extra desk is not installed")
pytest.importorskip("sqlalchemy", reason="the extra desk is not installed")
pytest.importorskip("aiosmtpd", reason="the extra dev is not installed")


from channels_desk import FakeDesk
from desk.channels.email_box import _quoted
from desk.channels.email_channel import EmailChannel
from desk.channels.email_reading import read_mail
from desk.channels.email_threads import Threads
from desk.channels.settings import settings_of
from desk.secret import SettingsError
from mail_world import OWN, mail, settings


def test_quiet_threads_are_forgotten(tmp_path: Path) -> None:
    now = [0.0]
    threads = Threads(f"sqlite:///{tmp_path / 'email.db'}", 100_000, lambda: now[0])
    old, new = (
        read_mail(bytes(mail("hi", Message_ID=f"<{name}@x>", In_Reply_To=told)), OWN)
        for name, told in (("1", ""), ("2", "<ours@x>"))
    )
    first = threads.of(old, "en")
    threads.sent(first, "<ours@x>")
    threads.watch(first.conversation, 0)
    now[0] += 50_000
    threads.clear()
    assert threads.of(new, "en").conversation == first.conversation
    now[0] += 120_000
    assert threads.watched() == []
    threads.clear()
    later = read_mail(bytes(mail("hi", Message_ID="<3@x>", In_Reply_To="<ours@x>")), OWN)
    assert threads.of(later, "en").conversation != first.conversation
    threads.close()


def test_a_state_that_is_nowhere(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match=r"email\.state"):
        EmailChannel(FakeDesk(), settings(tmp_path, 1, 1, state="mysql://x/y"))


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
