"""Every built-in task and pass keeps the contracts that plugins are held to."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from attar.errors import BundleError
from attar.tasks import TASKS
from attar.tasks.classify import Classify
from attar.testing import check_bundle, check_task


@pytest.mark.parametrize("name", list(TASKS))
def test_every_task(name: str) -> None:
    check_task(TASKS.get(name))


class Forgetful(Classify):
    """Settings that its own check_manifest refuses."""

    def settings(self, *arguments: Any, **keys: Any) -> dict[str, Any]:
        made = super().settings(*arguments, **keys)
        del made["temperature"]
        return made


class ByOrder(Classify):
    """Columns in the order of the rows."""

    def targets(self, rows: Any, out_of_scope: str | None) -> tuple[str, ...]:
        return tuple(dict.fromkeys(row.label for row in rows))


class Backwards(Classify):
    """Answers of a batch in the wrong order."""

    def decode(self, outputs: Any, manifest: Any) -> Any:
        return super().decode(outputs, manifest)[::-1]


class Crashes(Classify):
    """Takes wrong shapes as its own fault."""

    def decode(self, outputs: Any, manifest: Any) -> Any:
        try:
            return super().decode(outputs, manifest)
        except BundleError:
            raise IndexError from None


@pytest.mark.parametrize(
    ("task", "expected"),
    [
        (ByOrder(), "order of the rows"),
        (Backwards(), "alone is answered otherwise"),
        (Crashes(), "wrong width must be a BundleError"),
    ],
)
def test_check_task_finds(task: Any, expected: str) -> None:
    with pytest.raises(AssertionError, match=expected):
        check_task(task)


def test_check_task_lets_errors_of_the_task_through() -> None:
    with pytest.raises(BundleError, match="temperature"):
        check_task(Forgetful())


def test_check_bundle_wants_a_report(tiny_bundle: Path) -> None:
    with pytest.raises(BundleError, match="holds no report"):
        check_bundle(tiny_bundle)


def test_check_bundle_finds_wrong_golden_answers(
    make_bundle: Callable[..., Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("attar.testing._check_report", lambda bundle: None)
    check_bundle(make_bundle("right.attar"))
    wrong = b'{"text": "refund", "label": "cancel", "score": 0.9, "abstained": false}\n'
    with pytest.raises(AssertionError, match=r"verify: .*golden\.jsonl, line 1"):
        check_bundle(make_bundle("wrong.attar", {"golden.jsonl": wrong}))
