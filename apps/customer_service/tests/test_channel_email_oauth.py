"""Logging in without a password: tokens of an authority, judged by Dovecot and a mail server."""

from __future__ import annotations

import warnings
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("starlette", reason="the extra desk is not installed")
pytest.importorskip("sqlalchemy", reason="the extra desk is not installed")
pytest.importorskip("aiosmtpd", reason="the extra dev is not installed")

import dovecot_server
from channels_desk import FakeDesk
from desk.channels.email_box import BoxError
from desk.channels.email_channel import EmailChannel
from desk.channels.email_sending import NotSentError
from desk.channels.email_settings import Email
from desk.secret import Secret, SettingsError
from mail_fixtures import NUMBERS
from mail_world import DovecotBox, mail, serving_smtp, settings
from oauth_authority import CLIENT, SECRET, Authority, serving_tokens

#: The mail server is on loopback, and warns of a login without TLS.
pytestmark = pytest.mark.filterwarnings("ignore:Requiring AUTH while not requiring TLS")


class Judge:
    """The SMTP server's part: asks the authority's list."""

    def __init__(self, authority: Authority) -> None:
        self.authority = authority

    async def judge(self, server: Any, args: list[str]) -> Any:
        import base64

        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            from aiosmtpd.smtp import AuthResult
        said = base64.b64decode(args[1]).decode() if len(args) > 1 else ""
        right = [f"user=me@x\x01auth=Bearer {one}\x01\x01" for one in self.authority.given]
        if said in right:
            return AuthResult(success=True)
        await server.challenge_auth('{"status":"401"}')
        return AuthResult(success=False)


def about(folder: Path, imap: int, smtp: int, authority: Authority, **more: Any) -> Email:
    found = settings(
        folder,
        imap,
        smtp,
        imap_user=f"user{next(NUMBERS)}",
        imap_password=None,
        smtp_user="me@x",
        oauth_token_url=f"{authority.url}/token",
        oauth_client_id=CLIENT,
        oauth_client_secret=Secret(SECRET),
        **more,
    )
    authority.user = found.imap_user
    return found


def test_tokens_instead_of_passwords(
    dovecot: tuple[int, int], authority: Authority, tmp_path: Path
) -> None:
    judge = Judge(authority)
    with serving_smtp(judge.judge, auth_require_tls=False, auth_required=True) as post:
        kept = about(tmp_path, dovecot[0], post.port, authority)
        box = DovecotBox(dovecot[0], kept.imap_user, dovecot_server.PASSWORD)
        before = len(authority.given)
        channel = EmailChannel(FakeDesk(), kept)
        for number in range(2):
            box.put(bytes(mail("hello", Message_ID=f"<{number}@x>")))
            channel.look()
        assert len(post.taken) == 2
        assert len(authority.given) == before + 1  # it is kept until shortly before its end
        # A token that the mail server no longer knows.
        given, authority.given[:] = list(authority.given), []
        with pytest.raises(BoxError):
            channel.look()
        authority.given[:] = given
        channel.close()


def test_an_authority_that_gives_none(tmp_path: Path, dovecot: tuple[int, int]) -> None:
    with serving_tokens() as authority:
        kept = about(tmp_path, dovecot[0], 9, authority)
        for change in ({"oauth_client_id": "other"}, {"oauth_token_url": "http://127.0.0.1:9/"}):
            channel = EmailChannel(FakeDesk(), replace(kept, **change))
            with pytest.raises(BoxError, match="oauth_token_url"):
                channel.look()
            channel.close()
        authority.lasts_s = 0  # asked for anew each time
        judge = Judge(authority)
        with serving_smtp(judge.judge, auth_require_tls=False, auth_required=True) as post:
            from desk.channels.email_sending import send

            kept = replace(kept, smtp_port=post.port)
            send(mail("x", To="a@b.cc"), kept)
            send(mail("x", To="a@b.cc"), kept)
            assert (len(post.taken), len(authority.given)) == (2, 2)
            authority.status = 503
            with pytest.raises(NotSentError) as failed:
                send(mail("x", To="a@b.cc"), kept)
            assert failed.value.away and SECRET not in str(failed.value)


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ({"oauth_client_id": ""}, "are expected beside"),
        ({"imap_password": Secret("x")}, "not both"),
        ({"oauth_token_url": "http://login.example/token"}, "https is expected"),
    ],
)
def test_settings_of_oauth(tmp_path: Path, values: dict[str, Any], said: str) -> None:
    kept = about(tmp_path, 1, 1, Authority("http://127.0.0.1:9"))
    with pytest.raises(SettingsError, match=said):
        replace(kept, **values)
