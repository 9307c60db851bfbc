"""Fixtures of the tests of e-mail: a mailbox, a mail server, and the channel between them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import aiosmtpd  # noqa: F401 - without it there is no mail server, and no fixtures
import pytest

import dovecot_server
from channels_desk import FakeDesk
from desk.channels.email_channel import EmailChannel
from desk.channels.email_settings import Email
from imap_server import serving_imap
from mail_world import DovecotBox, FakeBox, World, serving_smtp, settings
from oauth_authority import Authority, serving_tokens

#: Mailboxes of one Dovecot, a new one for each test.
NUMBERS = iter(range(1, 10**6))


@pytest.fixture(scope="session")
def certificate() -> tuple[bytes, bytes]:
    return made_certificate()


@pytest.fixture(scope="session")
def authority() -> Iterator[Authority]:
    with serving_tokens() as found:
        yield found


@pytest.fixture(scope="session")
def dovecot(certificate: tuple[bytes, bytes], authority: Authority) -> Iterator[tuple[int, int]]:
    if why := dovecot_server.missing():
        pytest.skip(why)
    with dovecot_server.running(*certificate, authority.url) as ports:
        yield ports


@pytest.fixture(params=["small", "dovecot"])
def mail_world(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[World]:
    desk = FakeDesk()
    with serving_smtp() as post:
        if request.param == "small":
            with serving_imap() as kept:
                about = settings(tmp_path, kept.port, post.port)
                yield from _world(desk, FakeBox(kept), post, about)
        else:
            port, _ = request.getfixturevalue("dovecot")
            box = DovecotBox(port, f"user{next(NUMBERS)}", dovecot_server.PASSWORD)
            about = settings(tmp_path, port, post.port, imap_user=box.where[1])
            yield from _world(desk, box, post, about)


@pytest.fixture
def small_mail_world(tmp_path: Path) -> Iterator[World]:
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
