"""Where conversations live, by URL, so that any process can take the next turn.

A turn is taken in two steps: `claim` holds the conversation for one worker for a while, `finish`
writes state, turns and reply at once, if the conversation is still as it was claimed. So two
workers never both take a turn. A worker that dies leaves a claim that runs out; whoever comes next
takes the same message from the same state, with the same keys for the shop's actions. The reply is
kept under the message's key: a message that comes again gets it again.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from desk.dialog.state import Conversation
from desk.types import Reply, Turn

#: Seconds for which a claim holds: far longer than a turn takes, and no longer than a customer
#: waits where a worker dies in the middle of one.
LEASE = 10.0


@dataclass(frozen=True, slots=True)
class Claim:
    """The right to take a turn. version: of the stored conversation; holder: this claim's name."""

    conversation: Conversation
    version: int
    holder: str


class Store(Protocol):
    def claim(self, conversation: str, key: str, lease: float = LEASE) -> Claim | Reply | None:
        """Hold a conversation for the message `key`; a new one is made. The reply where that
        message was answered before; None where another worker holds the conversation."""

    def finish(
        self,
        claim: Claim,
        conversation: Conversation,
        turns: Sequence[Turn],
        key: str,
        reply: Reply,
    ) -> bool:
        """Write a turn and let go. False, and nothing written, where the claim has run out and
        somebody else has gone on."""

    def drop(self, claim: Claim) -> None:
        """Let go without having taken the turn."""

    def load(self, conversation: str) -> Conversation | None:
        """As it is now; None where nobody has said anything."""

    def turns(self, conversation: str) -> tuple[Turn, ...]:
        """All that was said, in order."""

    def ping(self) -> None:
        """Raises whatever the database raises where it cannot be reached."""

    def close(self) -> None: ...


def open_store(url: str) -> Store:
    """The store at sqlite:///path, postgresql://user:password@host/name or redis://host:port/0.

    Raises ValueError for any other URL, ImportError where Redis's client is not installed.
    """
    kind = url.partition(":")[0].partition("+")[0]
    if kind in ("redis", "rediss", "unix"):
        from desk.dialog.store_redis import RedisStore

        return RedisStore(url)
    if kind in ("sqlite", "postgresql", "postgres"):
        from desk.dialog.store_sql import SqlStore

        return SqlStore(url)
    raise ValueError(
        f"conversations cannot be kept at a {kind!r} URL: "
        "expected sqlite:///path, postgresql://… or redis://…"
    )
