"""The table [email] of the settings: one mailbox that is read by IMAP, and answers by SMTP.

[email]
from_address = "help@marlowandfinch.example"
name = "Marlow & Finch"
state = "sqlite:///desk.db"
imap_host = "imap.example"
imap_user = "help@marlowandfinch.example"
imap_password_env = "DESK_IMAP"
smtp_host = "smtp.example"
smtp_user = "help@marlowandfinch.example"
smtp_password_env = "DESK_SMTP"
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Literal, get_args
from urllib.parse import urlsplit

from desk.secret import Secret, SettingsError

Tls = Literal["implicit", "starttls", "none"]
_HERE = ("localhost", "127.0.0.1", "::1")
_PORTS = {"imap": (993, 143), "smtp": (465, 587)}
#: As the desk writes to: nothing that could end a header or name a second mailbox.
ADDRESS = re.compile(
    r"[A-Za-z0-9_.!#$%&'*+/=?^`{|}~-]{1,64}@(?=.{1,253}\Z)[A-Za-z0-9-]{1,63}(?:\.[A-Za-z0-9-]{1,63})+"
)


@dataclass(frozen=True, slots=True)
class Email:
    """from_address, name: of the answers. state: URL of where threads and sent answers are noted,
    sqlite:///path or postgresql://…, the same in every worker. tls: "implicit" from the first byte,
    "starttls", or "none", which is for this machine alone. ca_file: certificates that are trusted
    instead of the system's. done_folder: where a message goes once it is answered; without one it
    is marked as read. authenticated_by: the authserv-id whose Authentication-Results say whether a
    sender is who it claims (dmarc=pass); without one nobody is. language: of messages that tell
    none. oauth_…: of an authority that gives tokens for client credentials, in the place of both
    passwords. looks_s: between looks. most_an_hour: answers to one address. lasts_days: after which
    a thread begins anew, and what was noted of it goes. since_days: older messages are left to
    people. signature: below every answer."""

    from_address: str = ""
    state: str = ""
    imap_host: str = ""
    imap_user: str = ""
    imap_password: Secret | None = None
    smtp_host: str = ""
    smtp_user: str | None = None
    smtp_password: Secret | None = None
    name: str = ""
    imap_port: int | None = None
    smtp_port: int | None = None
    imap_tls: Tls = "implicit"
    smtp_tls: Tls = "starttls"
    ca_file: str | None = None
    folder: str = "INBOX"
    done_folder: str | None = None
    authenticated_by: str | None = None
    language: str = "en"
    signature: str = ""
    oauth_token_url: str | None = None
    oauth_client_id: str = ""
    oauth_client_secret: Secret | None = None
    oauth_scope: str = "https://outlook.office365.com/.default"
    looks_s: float = 15.0
    most_an_hour: int = 10
    lasts_days: float = 30.0
    since_days: int = 3

    def __post_init__(self) -> None:
        for name in ("from_address", "state", "imap_host", "imap_user", "smtp_host"):
            if not getattr(self, name):
                raise SettingsError(f"email.{name}: is expected")
        if not ADDRESS.fullmatch(self.from_address):
            raise SettingsError("email.from_address: an address as help@shop.example is expected")
        if self.oauth_token_url is not None:
            self._check_oauth()
        elif self.imap_password is None:
            raise SettingsError("email.imap_password_env: is expected")
        elif (self.smtp_user is None) != (self.smtp_password is None):
            raise SettingsError("email.smtp_user and email.smtp_password_env: give both or none")
        for kind in ("imap", "smtp"):
            tls, host = getattr(self, f"{kind}_tls"), getattr(self, f"{kind}_host")
            if tls not in get_args(Tls):
                known = ", ".join(get_args(Tls))
                raise SettingsError(f"email.{kind}_tls: one of {known} is expected")
            if tls == "none" and host not in _HERE:
                raise SettingsError(
                    f"email.{kind}_tls: without TLS passwords and customers' messages would go "
                    "over the network in the clear; only a server on this machine may do without"
                )
        if self.lasts_days <= self.since_days:
            raise SettingsError("email.lasts_days: more than since_days is expected")
        for name in ("name", "signature", "folder", "done_folder"):
            if any(ord(c) < 32 and c != "\n" for c in getattr(self, name) or ""):
                raise SettingsError(f"email.{name}: holds control characters")
        if "\n" in self.name:
            raise SettingsError("email.name: one line is expected")
        for name in ("looks_s", "most_an_hour", "lasts_days", "since_days"):
            if getattr(self, name) <= 0:
                raise SettingsError(f"email.{name}: more than 0 is expected")

    def _check_oauth(self) -> None:
        if not self.oauth_client_id or self.oauth_client_secret is None:
            raise SettingsError(
                "email.oauth_client_id and email.oauth_client_secret_env: are expected beside "
                "email.oauth_token_url"
            )
        if self.imap_password is not None or self.smtp_password is not None:
            raise SettingsError("email: either passwords or oauth_token_url is expected, not both")
        where = urlsplit(self.oauth_token_url or "")
        if where.scheme != "https" and where.hostname not in _HERE:
            raise SettingsError("email.oauth_token_url: https is expected")

    def port(self, kind: Literal["imap", "smtp"]) -> int:
        given: int | None = getattr(self, f"{kind}_port")
        implicit, plain = _PORTS[kind]
        return given or (implicit if getattr(self, f"{kind}_tls") == "implicit" else plain)

    @property
    def domain(self) -> str:
        return self.from_address.rpartition("@")[2]
