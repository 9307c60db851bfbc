"""What happens with a message: answered where the model's threshold allows, else handed over.

A pure function, so that every case is one line of a test. It does nothing itself.
"""

from __future__ import annotations

from collections.abc import Collection

from application.settings import Policy
from application.types import Message, Reason, Understood


def why_handed(
    message: Message, understood: Understood, policy: Policy, needs_reader: Collection[str]
) -> Reason | None:
    """Why a person takes over, None where the message may be answered. needs_reader: labels of what
    is done for a known reader alone."""
    if understood.abstained:
        return "unsure"
    if understood.label == policy.person:
        return "asked"
    if understood.label not in policy.answers:
        return "no_answer"
    if understood.label in needs_reader and message.reader is None:
        return "unknown_reader"
    return None
