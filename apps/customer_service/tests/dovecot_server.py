"""Starts Dovecot, an IMAP server, on loopback for tests, where the machine has it, and ends it."""

from __future__ import annotations

import os
import pwd
import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from free_ports import free_port

USER, PASSWORD = "desk", "secret-of-the-mailbox"
_SETTINGS = """
protocols = imap
listen = 127.0.0.1
base_dir = {folder}/run
state_dir = {folder}/state
log_path = {folder}/log
default_internal_user = {internal}
default_internal_group = {group}
default_login_user = {login}
ssl = yes
ssl_cert = <{folder}/cert.pem
ssl_key = <{folder}/key.pem
disable_plaintext_auth = no
mail_location = maildir:{folder}/mail/%u
first_valid_uid = 1
auth_mechanisms = plain xoauth2
passdb {{
  driver = oauth2
  mechanisms = xoauth2
  args = {folder}/oauth2.conf
}}
passdb {{
  driver = static
  args = password={password}
}}
userdb {{
  driver = static
  args = uid={uid} gid={gid} home={folder}/home/%u
}}
namespace inbox {{
  inbox = yes
  mailbox Answered {{
    auto = create
  }}
}}
service imap-login {{
  chroot =
  inet_listener imap {{
    port = {port}
  }}
  inet_listener imaps {{
    port = {tls_port}
  }}
}}
service anvil {{
  chroot =
}}
service stats {{
  chroot =
}}
"""


_OAUTH = """
introspection_mode = auth
introspection_url = {url}/introspect
active_attribute = active
active_value = true
username_attribute = username
"""


def missing() -> str | None:
    """Why there can be no server; None where there can."""
    if shutil.which("dovecot", path=_PATH) is None:
        return "no dovecot on this machine: no IMAP server of others is tried"
    if os.getuid() == 0 and not all(map(_exists, ("dovecot", "dovenull", "nobody"))):
        return "dovecot's users are not there"
    return None


_PATH = os.environ.get("PATH", "") + ":/usr/sbin"


@contextmanager
def running(certificate: bytes, key: bytes, authority: str) -> Iterator[tuple[int, int]]:
    """Its ports: plain (with STARTTLS) and TLS. Any user has the password PASSWORD. authority:
    URL of whoever says whose an access token is."""
    folder = Path(tempfile.mkdtemp(prefix="desk-dovecot-"))
    root = os.getuid() == 0
    owner = pwd.getpwnam("nobody") if root else pwd.getpwuid(os.getuid())
    try:
        folder.chmod(0o755)
        (folder / "cert.pem").write_bytes(certificate)
        (folder / "key.pem").write_bytes(key)
        (folder / "oauth2.conf").write_text(_OAUTH.format(url=authority))
        for name in ("mail", "home"):
            (folder / name).mkdir()
            os.chown(folder / name, owner.pw_uid, owner.pw_gid)
        port, tls_port = free_port(), free_port()
        about = {
            "internal": "dovecot" if root else owner.pw_name,
            "group": "dovecot" if root else "",
            "login": "dovenull" if root else owner.pw_name,
            "uid": owner.pw_uid,
            "gid": owner.pw_gid,
        }
        settings = folder / "dovecot.conf"
        made = _SETTINGS.format(
            folder=folder, password=PASSWORD, port=port, tls_port=tls_port, **about
        )
        settings.write_text("\n".join(x for x in made.splitlines() if not x.endswith("group = ")))
        server = subprocess.Popen(
            ["dovecot", "-F", "-c", str(settings)], env={**os.environ, "PATH": _PATH}
        )
        try:
            _wait_for(server, port, folder / "log")
            yield port, tls_port
        finally:
            server.terminate()
            server.wait(30)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _exists(user: str) -> bool:
    try:
        pwd.getpwnam(user)
    except KeyError:
        return False
    return True


def _wait_for(server: subprocess.Popen[bytes], port: int, log: Path) -> None:
    until = time.monotonic() + 30
    while time.monotonic() < until and server.poll() is None:
        try:
            with socket.create_connection(("127.0.0.1", port), 1) as found:
                if found.recv(4).startswith(b"* OK"):
                    return
        except OSError:
            time.sleep(0.05)
    raise RuntimeError(f"dovecot did not start: {log.read_text() if log.exists() else '?'}")
