"""What a server serves, to whom, and what it may call: one frozen record, from flags or a file.

The file is TOML; every key has the name and the default of the field here. URLs that the
server calls come from here alone, never from a request. Secrets are not in the file: it
names the environment variable that holds one, and keys are there as their SHA-256.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated, Literal
from urllib.parse import urlsplit

import msgspec
from msgspec import Meta, field

from attar.errors import RecipeError
from attar.runtime.readers import MAX_CHARACTERS

OnAbstain = Literal["return", "fallback", "person"]
Positive = Annotated[float, Meta(gt=0)]
Count = Annotated[int, Meta(ge=1)]
Share = Annotated[float, Meta(ge=0, le=1)]
Characters = Annotated[int, Meta(ge=1, le=MAX_CHARACTERS)]
Url = Annotated[str, Meta(pattern="^https?://")]
Hash = Annotated[str, Meta(pattern="^[0-9a-f]{64}$")]


class Section(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """A table of the file; an unknown key in it is refused."""


class Key(Section, frozen=True):
    """A client's key. sha256: of the key's UTF-8 bytes, in hex (`attar serve --new-key`).
    requests_per_second: refilled at this rate, up to `burst` at once; None for no limit."""

    name: str
    sha256: Hash
    requests_per_second: Positive | None = None
    burst: Count = 20


class Model(Section, frozen=True):
    """One bundle. aliases: further names it answers to, such as the large model's that it
    replaces. on_abstain: what follows when it abstains. abstain_text: what a chat client
    reads when nobody else answers; None for the out-of-scope label, or "abstained"."""

    path: str
    aliases: tuple[str, ...] = ()
    on_abstain: OnAbstain = "return"
    abstain_text: str | None = None


class Fallback(Section, frozen=True):
    """An OpenAI-compatible endpoint that answers what a model abstains from.

    url: up to and with "/v1". retries: further tries after a failure that may pass.
    open_after, closed_again_s: so many failures in a row, and it is left alone so long.
    at_once: requests to it that run together; others wait for their turn, within the deadline.
    usd_per_day: no request once the day's (UTC) answers have cost so much.
    input_usd, output_usd: price of a million tokens.
    """

    url: Url
    model: str
    api_key_env: str | None = None
    deadline_ms: Positive = 10_000
    retries: Annotated[int, Meta(ge=0, le=10)] = 2
    open_after: Count = 5
    closed_again_s: Positive = 30
    at_once: Count = 16
    usd_per_day: Positive | None = None
    input_usd: Annotated[float, Meta(ge=0)] = 0.0
    output_usd: Annotated[float, Meta(ge=0)] = 0.0


class Person(Section, frozen=True):
    """A webhook that takes what a person should answer. header_env: the environment
    variable with the value of its Authorization header."""

    url: Url
    header_env: str | None = None
    deadline_ms: Positive = 5_000


class Capture(Section, frozen=True):
    """Where requests and answers are written for the next build. sample: share of the
    requests. redact: replace personal data (needs the extra `curate`). megabytes: of a
    file, after which the next is begun; files: so many are kept, the newest."""

    path: str
    sample: Share = 1.0
    redact: bool = False
    megabytes: Positive = 100
    files: Count = 10


class Limits(Section, frozen=True):
    """What one request may be, and how much may wait.

    waiting: texts of a model that wait at most. deadline_ms: after which an answer is of no
    use, unless the request sets a shorter one. batch_tokens: that run at once, for models
    whose batches change no answer; more of them leave the processor's cache and take longer.
    """

    body_bytes: Count = 2_000_000
    texts: Count = 256
    characters: Characters = 100_000
    waiting: Count = 1_024
    deadline_ms: Positive = 2_000
    batch_tokens: Count = 128
    drain_s: Positive = 20


class Settings(Section, frozen=True):
    """The whole of it. threads: of the engine, for one call (None: one, or every processor for a
    model that takes over 3 ms for a text on one); workers: calls at once, for
    each model (None: as many as keep every processor busy). reload_s: how often bundles
    are looked at. mcp: offer the models as tools at /mcp (needs the extra `mcp`). cors:
    origins whose pages may call. log_requests: a line for each, without its text."""

    models: dict[str, Model] = field(default_factory=dict)
    host: str = "127.0.0.1"
    port: Annotated[int, Meta(ge=0, le=65_535)] = 8321
    threads: Count | None = None
    workers: Count | None = None
    reload_s: Positive = 2.0
    limits: Limits = field(default_factory=Limits)
    keys: tuple[Key, ...] = ()
    fallback: Fallback | None = None
    person: Person | None = None
    capture: Capture | None = None
    mcp: bool = False
    cors: tuple[str, ...] = ()
    certificate: str | None = None
    private_key: str | None = None
    insecure: bool = False
    log_requests: bool = True

    @property
    def local(self) -> bool:
        return self.host in ("127.0.0.1", "::1", "localhost")


def read_settings(path: Path) -> Settings:
    """Read the TOML file. Raises RecipeError naming the key that is wrong."""
    return checked(parse_settings(path), str(path))


def parse_settings(path: Path) -> Settings:
    """The TOML file, each value of the right type, before it is seen whether they fit
    together: flags may still replace some."""
    try:
        return msgspec.toml.decode(path.read_bytes(), type=Settings)
    except OSError as error:
        raise RecipeError(f"{path}: cannot be read: {error.strerror}") from None
    except (msgspec.DecodeError, ValueError) as error:  # ValidationError is a DecodeError
        raise RecipeError(f"{path}: {error}") from None


def checked(settings: Settings, where: str) -> Settings:
    """The settings, if they fit together. Raises RecipeError."""

    def refuse(problem: str) -> RecipeError:
        return RecipeError(f"{where}: {problem}")

    names: set[str] = set()
    for name, model in settings.models.items():
        for known in (name, *model.aliases):
            if known in names:
                raise refuse(f"two models are named {known!r}; every name and alias stands once")
            names.add(known)
        if model.on_abstain == "fallback" and settings.fallback is None:
            raise refuse(f'models.{name}: on_abstain = "fallback" needs a table [fallback]')
        if model.on_abstain == "person" and settings.person is None:
            raise refuse(f'models.{name}: on_abstain = "person" needs a table [person]')
    if not settings.models:
        raise refuse("no model: name at least one bundle")
    if len({key.sha256 for key in settings.keys}) < len(settings.keys):
        raise refuse("two keys are the same")
    fallback, person = settings.fallback, settings.person
    for table, url in (("fallback", fallback and fallback.url), ("person", person and person.url)):
        if url and not _is_address(url):
            raise refuse(f"{table}.url: {url!r} is no address with a host")
    if fallback and fallback.usd_per_day and not (fallback.input_usd or fallback.output_usd):
        raise refuse("fallback.usd_per_day counts nothing without input_usd and output_usd")
    if (settings.certificate is None) != (settings.private_key is None):
        raise refuse("TLS needs both certificate and private_key")
    if not settings.local and not settings.keys and not settings.insecure:
        raise refuse(
            f"binding to {settings.host} lets other machines in, and no key is set. Make one: "
            "attar serve --new-key NAME; or pass --insecure where something else guards it"
        )
    return settings


def _is_address(url: str) -> bool:
    try:
        parts = urlsplit(url)
        return bool(parts.hostname) and (parts.port or 0) >= 0  # reading the port checks it
    except ValueError:
        return False


def secret(variable: str | None, what: str) -> str | None:
    """The value of an environment variable. Raises RecipeError where it is named and unset."""
    if variable is None:
        return None
    value = os.environ.get(variable, "").strip()  # files that hold secrets end in a new line
    if not value:
        raise RecipeError(f"{what}: the environment variable {variable} is not set")
    if not (value.isascii() and value.isprintable()):
        raise RecipeError(f"{what}: the environment variable {variable} cannot stand in a header")
    return value
