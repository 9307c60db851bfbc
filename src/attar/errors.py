"""Every error a user can cause, in one tree.

Each class carries the exit code of the command line. Messages name the file,
row or field, and end with the mend; they are written where they are raised.
"""


class AttarError(Exception):
    """Root of all errors that attar raises on purpose."""

    exit_code = 2


class RecipeError(AttarError):
    """The recipe cannot be read, or a key or value in it is wrong."""


class DataError(AttarError):
    """A data file or a row in it cannot be used."""


class TeacherError(AttarError):
    """The teacher or starting model is missing, unreadable or tampered with."""


class BundleError(AttarError):
    """A bundle is damaged, truncated, oversized, hostile or of an unknown version."""


class OutputError(AttarError):
    """A result cannot be written: it exists already, or the disk refuses."""


class MissingExtraError(AttarError):
    """A command needs packages that the base install does not bring."""

    def __init__(self, extra: str, needed_for: str) -> None:
        super().__init__(
            f"{needed_for} needs the extra {extra!r}, which is not installed.\n"
            f"hint: pip install 'attar[{extra}]'"
        )


class InfeasibleError(AttarError):
    """No plan meets the budget. The message holds the measured frontier."""

    exit_code = 3
