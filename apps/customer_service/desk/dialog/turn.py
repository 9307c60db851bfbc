"""Which conversation's turn is being taken, for whoever understands its message.

`Understands` is given the text alone, for most models need no more; one that does looks here.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

from desk.dialog.state import Conversation

_TAKEN: ContextVar[Conversation | None] = ContextVar("conversation", default=None)


@contextmanager
def taking(conversation: Conversation) -> Iterator[None]:
    """While a message of the conversation is understood."""
    token = _TAKEN.set(conversation)
    try:
        yield
    finally:
        _TAKEN.reset(token)


def taken() -> Conversation | None:
    """As it was before the message; None outside of a turn."""
    return _TAKEN.get()
