"""How a large model is reached, and how much it may be asked: the table [large] of the settings.

[large]
url = "https://llm.example/v1"        # of an OpenAI-compatible API; attar serve and attar proxy are
model = "large"
key_env = "LLM_KEY"
deadline_ms = 3000
requests_a_day = 500                  # or pounds_a_day with input_pounds and output_pounds
languages = ["en", "de"]              # messages in others are not handed over
personal = "redact"                   # or "withhold", "send"
"""

from __future__ import annotations

from dataclasses import dataclass
from ipaddress import ip_address
from typing import Literal, get_args
from urllib.parse import urlsplit

from desk.secret import Secret, SettingsError

Personal = Literal["redact", "withhold", "send"]
#: Below the seconds for which a worker holds a conversation (`store.LEASE`), with room to spare.
_LONGEST_MS = 8_000


@dataclass(frozen=True, slots=True)
class Large:
    """url: without /chat/completions. deadline_ms: no turn waits longer for it. A day's budget
    (UTC) is in requests, in pounds or both; pounds need the price of a million tokens in and out.
    budget: URL where what was spent is kept for all workers and restarts, sqlite:///path or
    postgresql://…; this process alone where there is none. languages: of messages that may be
    handed over; none means all. personal: what happens to e-mail addresses, order numbers, phone
    and card numbers, postal addresses: "redact" sends a name for each in its place, "withhold"
    does not hand such a message over, "send" sends it as it is. at_once: requests of this process.
    insecure: http to another machine is allowed, for a network of your own."""

    url: str = ""
    model: str = ""
    key: Secret | None = None
    deadline_ms: int = 3_000
    requests_a_day: int | None = None
    pounds_a_day: float | None = None
    input_pounds: float | None = None
    output_pounds: float | None = None
    budget: str | None = None
    languages: tuple[str, ...] = ()
    personal: Personal = "redact"
    at_once: int = 8
    insecure: bool = False

    def __post_init__(self) -> None:
        if not self.url or not self.model:
            raise SettingsError("large.url and large.model: both are expected")
        where = urlsplit(self.url)
        if where.scheme not in ("http", "https") or not where.hostname or where.query:
            raise SettingsError(
                "large.url: expected http(s)://host/path, as https://llm.example/v1"
            )
        if where.scheme == "http" and not (self.insecure or _is_here(where.hostname)):
            raise SettingsError(
                "large.url: customers' messages would go over the network in the clear; use https, "
                "or set large.insecure = true for a network of your own"
            )
        if not 100 <= self.deadline_ms <= _LONGEST_MS:
            raise SettingsError(f"large.deadline_ms: 100 to {_LONGEST_MS} is expected")
        if self.personal not in get_args(Personal):
            known = ", ".join(get_args(Personal))
            raise SettingsError(f"large.personal: one of {known} is expected")
        if self.requests_a_day is None and self.pounds_a_day is None:
            raise SettingsError(
                "large: a day's budget is expected, in requests_a_day or pounds_a_day"
            )
        priced = self.input_pounds is not None and self.output_pounds is not None
        if self.pounds_a_day is not None and not priced:
            raise SettingsError(
                "large.pounds_a_day: input_pounds and output_pounds (a million tokens) go with it"
            )
        if self.at_once < 1:
            raise SettingsError("large.at_once: at least 1 is expected")

    def micropounds(self, tokens_in: int, tokens_out: int) -> int:
        """What so many tokens cost, in millionths of a pound; 0 without prices."""
        cost = tokens_in * (self.input_pounds or 0.0) + tokens_out * (self.output_pounds or 0.0)
        return round(cost)


def _is_here(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return False
