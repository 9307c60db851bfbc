"""Re-testing sealed claims on rows that the build never saw."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("scipy.stats")

from attar.bundle import read_bundle, repack
from attar.errors import BundleError, DataError
from attar.evaluate.retest import retest
from attar.runtime.predictor import Predictor, load
from attar.types import Row

Sealer = Callable[..., Predictor]


@pytest.fixture
def sealed(tiny_bundle: Path, tmp_path: Path) -> Sealer:
    """The tiny bundle with these claims in its report."""

    def make(*claims: dict[str, Any]) -> Predictor:
        base = {"label": None, "at_least": None, "at_most": None, "confidence": 0.95,
                "status": "met"}  # fmt: skip
        report = {"claims": [{**base, **claim} for claim in claims]}
        out = tmp_path / "sealed.attar"
        extra = {"report.json": json.dumps(report).encode()}
        return Predictor(repack(read_bundle(tiny_bundle), extra, out, force=True))

    return make


def labeled(predictor: Predictor, texts: Sequence[str], wrong: int = 0) -> list[Row]:
    """Rows that the bundle has right, but for the first `wrong`."""
    answers = [answer.label for answer in predictor(list(texts))]
    others = {label: next(x for x in predictor.labels if x != label) for label in set(answers)}
    return [
        Row(text, others[label] if i < wrong else label)
        for i, (text, label) in enumerate(zip(texts, answers, strict=True))
    ]


TEXTS = [f"{words} {i}" for i in range(40) for words in ("refund please", "cancel it now")]


def test_verdicts(sealed: Sealer) -> None:
    predictor = sealed(
        {"metric": "accuracy", "at_least": 0.9},
        {"metric": "retained", "at_least": -0.02},
        {"metric": "oos_acceptance", "at_most": 0.2},
        {"metric": "size_mb", "at_most": 5.0},
    )
    good = retest(predictor, labeled(predictor, TEXTS))
    assert [(c["metric"], c["verdict"]) for c in good] == [
        ("accuracy", "met"),
        ("retained", "not re-testable"),
        ("oos_acceptance", "undecided"),
    ]
    assert good[0]["sealed"] == "met"
    assert good[0]["rows"] == len(TEXTS)
    bad = retest(predictor, labeled(predictor, TEXTS, wrong=30))
    assert bad[0]["verdict"] == "broken"
    assert bad[0]["upper"] < 0.9


def test_groups_shrink_the_sample(sealed: Sealer) -> None:
    predictor = sealed({"metric": "accuracy", "at_least": 0.9})
    rows = [
        Row(row.text, row.label, f"group {i % 5}")
        for i, row in enumerate(labeled(predictor, TEXTS))
    ]
    (found,) = retest(predictor, rows)
    assert (found["rows"], found["verdict"]) == (5, "undecided")


def test_nothing_to_test(sealed: Sealer, tiny_bundle: Path) -> None:
    with pytest.raises(BundleError, match="no claim to re-test"):
        retest(load(tiny_bundle), [Row("a", "b")])
    with pytest.raises(DataError, match="no rows"):
        retest(sealed({"metric": "accuracy", "at_least": 0.9}), [])
    assert retest(sealed(), [Row("a", "b")]) == []
