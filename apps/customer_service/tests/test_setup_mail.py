"""E-mail and a large model by the settings file of a whole desk."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

pytest.importorskip("aiosmtpd", reason="the extra dev is not installed")
setup = pytest.importorskip("desk.setup", reason="the extra desk is not installed")

from starlette.testclient import TestClient

import imap_server
from desk.secret import SettingsError
from mail_world import OWN, FakeBox, mail, serving_smtp
from test_setup import GOOD, bundles, folder  # noqa: F401


def test_it_reads_mail(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:  # noqa: F811
    monkeypatch.setenv("DESK_IMAP", imap_server.PASSWORD)
    with serving_smtp() as post, imap_server.serving_imap() as kept:
        table = f"""
[email]
from_address = "{OWN}"
state = "sqlite:///email.db"
imap_host = "127.0.0.1"
imap_port = {kept.port}
imap_tls = "none"
imap_user = "{imap_server.USER}"
imap_password_env = "DESK_IMAP"
smtp_host = "127.0.0.1"
smtp_port = {post.port}
smtp_tls = "none"
looks_s = 0.05
"""
        (folder / "desk.toml").write_text(GOOD + table)
        FakeBox(kept).put(bytes(mail("hello")))
        read = setup.read_setup(folder / "desk.toml")
        with setup.opened(read) as app, TestClient(app):
            until = time.monotonic() + 20
            while not post.taken and time.monotonic() < until:
                time.sleep(0.05)
        assert post.taken[0].get_content().strip()
    assert (folder / "email.db").is_file()


@pytest.mark.parametrize(
    ("table", "named"),
    [
        ('[large]\nurl = "http://localhost/v1"\nmodel = "m"\nrequests_a_day = 1', "no functions"),
        ("[large]\nmodel = 'm'", r"large\.url"),
        ("[email]\nstate = 'x'", r"email\.from_address"),
    ],
)
def test_mistakes_are_named(folder: Path, table: str, named: str) -> None:  # noqa: F811
    """The model of the tests knows no functions, so nothing could be asked for with it."""
    (folder / "desk.toml").write_text(GOOD + table)
    with (
        pytest.raises(SettingsError, match=named),
        setup.opened(setup.read_setup(folder / "desk.toml")),
    ):
        pass
