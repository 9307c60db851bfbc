"""The application's words: what comes in, what is understood, what is answered. Plain data."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, Protocol

#: Why a message goes to a person: the model's threshold says so, it asks for one, nobody wrote an
#: answer, we do not know who asks, or what is asked for cannot be done.
Reason = Literal["unsure", "asked", "no_answer", "unknown_reader", "not_possible"]


@dataclass(frozen=True, slots=True)
class Message:
    """client: the server that hands it in; key: its own id of the message: the same key is the same
    message, however often it comes. reader: whom the client has authenticated, None for nobody."""

    client: str
    key: str
    text: str
    reader: str | None = None


@dataclass(frozen=True, slots=True)
class Understood:
    """score: how likely the label is right, 0 to 1. abstained: the score is below the threshold
    that the bundle brings, and nothing may be done on the label's word."""

    label: str
    score: float
    abstained: bool


class Understands(Protocol):
    """The model, as the application sees it: tests bring their own."""

    @property
    def labels(self) -> Sequence[str]:
        """Those that a message can have, out of scope included."""

    def __call__(self, text: str) -> Understood:
        """Raises nothing: any text is understood somehow."""


@dataclass(frozen=True, slots=True)
class Reply:
    """number: of the message here. label: on whose word something was answered. handed: why a
    person takes over; text is then what a person said, once somebody has. again: the message
    had come before, and nothing was done now."""

    number: int
    text: str
    label: str | None = None
    handed: Reason | None = None
    again: bool = False
