"""What every part's settings are made of: secrets that do not show, and one kind of mistake."""

from __future__ import annotations


class SettingsError(Exception):
    """Settings that cannot be meant. The message names the field and what it expects."""


class Secret:
    """Text that no log, repr or traceback shows."""

    def __init__(self, value: str) -> None:
        self._value = value

    def __repr__(self) -> str:
        return "Secret(…)"

    def reveal(self) -> str:
        return self._value
