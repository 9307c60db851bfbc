"""How the channels are set: read from TOML, secrets from the environment by name.

[web]
secret_env = "DESK_SECRET"            # signs conversations; the same in every worker
identity_env = "DESK_IDENTITY"        # shared with the shop, which signs its customers with it
origins = ["https://marlowandfinch.example"]
keys = { shop = "<sha256 of an API key>" }

[dialogflow]                          # one of basic_env, header + header_env, audience + email
audience = "https://desk.example/dialogflow/cx"
email = "service-123@gcp-sa-dialogflow.iam.gserviceaccount.com"

[bot]
app_id = "…"
password_env = "DESK_BOT_PASSWORD"
tenant = "…"

[large] and [email]: see `dialog.large_settings` and `email_settings`.
"""

from __future__ import annotations

import os
import secrets
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from difflib import get_close_matches
from pathlib import Path
from typing import Any

from desk.channels.email_settings import Email
from desk.dialog.large_settings import Large
from desk.secret import Secret as Secret
from desk.secret import SettingsError as SettingsError

#: Environment variable of the secret that a process makes for its workers where none is set.
MADE_SECRET = "DESK_MADE_SECRET"
LEAST_SECRET = 32  # bytes, of HS256 (RFC 7518, 3.2)
GOOGLE_KEYS = "https://www.googleapis.com/oauth2/v3/certs"
BOT_KEYS = "https://login.botframework.com/v1/.well-known/openidconfiguration"
LOGIN = "https://login.microsoftonline.com"


def _made_secret() -> Secret:
    return Secret(os.environ.get(MADE_SECRET) or secrets.token_urlsafe(32))


def _long(value: Secret | None, name: str) -> None:
    if value is not None and len(value.reveal().encode()) < LEAST_SECRET:
        raise SettingsError(f"{name}: a secret of at least {LEAST_SECRET} bytes is expected")


@dataclass(frozen=True, slots=True)
class Web:
    """REST, WebSocket and widget. secret: signs conversations; made anew at each start where none
    is given, which conversations do not survive. identity: the shop signs who its
    customer is with it (HS256). origins: pages that may hold the widget. keys: name -> SHA-256 of
    API keys of servers, which may say who a customer is. lasts_s: of a conversation's token.
    messages_a_minute: of one conversation; conversations_a_minute: begun from one address by others
    than servers with a key (behind a proxy that tells no addresses, that is everybody)."""

    secret: Secret = field(default_factory=_made_secret)
    identity: Secret | None = None
    origins: tuple[str, ...] = ()
    keys: Mapping[str, str] = field(default_factory=dict)
    lasts_s: int = 24 * 3600
    messages_a_minute: int = 60
    conversations_a_minute: int = 60

    def __post_init__(self) -> None:
        _long(self.secret, "web.secret")
        _long(self.identity, "web.identity")
        for name in ("lasts_s", "messages_a_minute", "conversations_a_minute"):
            if getattr(self, name) < 1:
                raise SettingsError(f"web.{name}: at least 1 is expected")


@dataclass(frozen=True, slots=True)
class Dialogflow:
    """Who may call the webhooks. basic: "name:password"; header: a name, with its secret;
    audience and email: of Google's ID tokens. within_s: until an excuse is answered: four fifths
    of the five seconds that Dialogflow waits. handed_page: of CX, to go to once a person is to
    take over. customer_parameter: of a CX session that says which customer has logged in; only
    for agents whose integration sets it itself, since what clients send lands there too."""

    basic: Secret | None = None
    header: str | None = None
    header_secret: Secret | None = None
    audience: str | None = None
    email: str | None = None
    keys_url: str = GOOGLE_KEYS
    within_s: float = 4.0
    handed_page: str | None = None
    customer_parameter: str | None = None

    def __post_init__(self) -> None:
        if (self.header is None) != (self.header_secret is None):
            raise SettingsError("dialogflow.header and dialogflow.header_env: give both or none")
        if (self.audience is None) != (self.email is None):
            raise SettingsError("dialogflow.audience and dialogflow.email: give both or none")
        if not (self.basic or self.header or self.audience):
            raise SettingsError(
                "dialogflow: nobody could call the webhooks; give basic_env, header with "
                "header_env, or audience with email"
            )


@dataclass(frozen=True, slots=True)
class Bot:
    """A registration at Azure Bot Service. app_id: None for a bot that only programs on this
    machine may talk to (the Agents Playground). delivered: URL of where sent answers are noted, as
    of the conversations' store. lasts_s: how long a replay of an activity is known as one."""

    app_id: str | None = None
    password: Secret | None = None
    tenant: str = "botframework.com"
    keys_url: str = BOT_KEYS
    login_url: str = LOGIN
    delivered: str | None = None
    within_s: float = 12.0
    lasts_s: int = 24 * 3600

    def __post_init__(self) -> None:
        if (self.app_id is None) != (self.password is None):
            raise SettingsError("bot.app_id and bot.password_env: give both or none")


@dataclass(frozen=True, slots=True)
class Settings:
    """web always; the others where they are set."""

    web: Web = field(default_factory=Web)
    dialogflow: Dialogflow | None = None
    bot: Bot | None = None
    email: Email | None = None
    large: Large | None = None


#: Fields that hold secrets, by the keys that name their environment variables.
_SECRETS = {
    "secret_env": "secret",
    "identity_env": "identity",
    "basic_env": "basic",
    "header_env": "header_secret",
    "password_env": "password",
    "key_env": "key",
    "imap_password_env": "imap_password",
    "oauth_client_secret_env": "oauth_client_secret",
    "smtp_password_env": "smtp_password",
}


def read_settings(path: Path | str) -> Settings:
    """Settings of a TOML file. Raises SettingsError, naming the field."""
    try:
        with Path(path).open("rb") as file:
            return settings_of(tomllib.load(file))
    except (OSError, UnicodeError, tomllib.TOMLDecodeError) as error:
        raise SettingsError(f"{path}: {error}") from None


def settings_of(values: Mapping[str, Any], environment: Mapping[str, str] = os.environ) -> Settings:
    sections: dict[str, type[Any]] = {
        "web": Web,
        "dialogflow": Dialogflow,
        "bot": Bot,
        "email": Email,
        "large": Large,
    }
    for name in values:
        known(name, sections, "the settings")
    made: dict[str, Any] = {n: section(sections[n], n, v, environment) for n, v in values.items()}
    return Settings(**made)


def section(
    kind: type[Any], name: str, values: Mapping[str, Any], environment: Mapping[str, str]
) -> Any:
    """A table of the settings as one of the data classes. Raises SettingsError."""
    if not isinstance(values, Mapping):
        raise SettingsError(f"{name}: a table [{name}] is expected")
    plain = [f.name for f in fields(kind) if f.name not in _SECRETS.values()]
    hidden = {env: f for env, f in _SECRETS.items() if f in {x.name for x in fields(kind)}}
    made: dict[str, Any] = {}
    for key, value in values.items():
        known(key, [*plain, *hidden], name)
        if key not in hidden:
            made[key] = tuple(value) if isinstance(value, list) else value
        elif not (found := environment.get(str(value))):
            raise SettingsError(f"{name}.{key}: the environment has no variable {value}")
        else:
            made[hidden[key]] = Secret(found)
    return kind(**made)


def known(key: str, names: Any, where: str) -> None:
    """Raises SettingsError, with the name that may be meant, for a key that is none of them."""
    if key not in names:
        near = get_close_matches(key, list(names), 1)
        hint = f"did you mean {near[0]!r}?" if near else f"there are {', '.join(sorted(names))}"
        raise SettingsError(f"{where}: there is no {key!r}; {hint}")
