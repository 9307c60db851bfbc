from __future__ import annotations

from attar.tasks.rank import RANK
from attar.testing import check_task


def test_contract() -> None:
    check_task(RANK)
