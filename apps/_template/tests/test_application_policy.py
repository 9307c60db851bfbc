"""What is answered and what is handed over, and that the reason is told."""

from __future__ import annotations

import pytest

pytest.importorskip("sqlalchemy", reason="the extra desk is not installed")

from application.policy import why_handed
from application.types import Message, Reason, Understood
from application_made import POLICY


@pytest.mark.parametrize(
    ("label", "abstained", "reader", "reason"),
    [
        ("opening_hours", False, None, None),
        ("opening_hours", True, None, "unsure"),
        ("renew_loan", False, "r1", None),
        ("renew_loan", False, None, "unknown_reader"),
        ("renew_loan", True, None, "unsure"),
        ("person", False, "r1", "asked"),
        ("fees", False, "r1", "no_answer"),
    ],
)
def test_reasons(label: str, abstained: bool, reader: str | None, reason: Reason | None) -> None:
    message, found = Message("web", "1", "text", reader), Understood(label, 0.5, abstained)
    assert why_handed(message, found, POLICY, {"renew_loan"}) == reason
