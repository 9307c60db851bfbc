"""Re-testing a bundle's claims on rows that somebody else brings.

Every claim about answers is decided again, at its own confidence, on the new rows
alone. *Retained* compares with a teacher that is not in the bundle, and what was
measured on the builder's machine says nothing here: those are named, not decided.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from attar.errors import BundleError, DataError
from attar.evaluate.claims import decide, evidence_name, measured, spec_of
from attar.runtime.predictor import Predictor
from attar.tasks import task_in
from attar.types import Progress, Row, Silent

NEEDS_TEACHER = ("retained",)
#: What a status means for a promise that was made before.
VERDICTS = {"met": "met", "unmet": "broken", "undecided": "undecided"}


def retest(
    predictor: Predictor, rows: Sequence[Row], progress: Progress | None = None
) -> list[dict[str, Any]]:
    """The claims of the sealed report decided on `rows`, each with `sealed`, its status in
    the report, and `verdict`: "met", "broken", "undecided" or "not re-testable"."""
    report = predictor.report
    if report is None:
        raise BundleError(f"{predictor.path}: holds no report, so there is no claim to re-test")
    if not rows:
        raise DataError("there are no rows to re-test on")
    task = task_in(predictor.manifest)
    out_of_scope = predictor.manifest["task_settings"].get("out_of_scope")
    stream = predictor.stream(row.text for row in rows)
    answers = list((progress or Silent()).track(stream, "re-testing", len(rows)))
    evidence = task.evidence(rows, answers, None, out_of_scope)
    found = []
    for sealed in report["claims"]:
        claim = spec_of(sealed)
        if measured(claim):
            continue
        if claim.metric in NEEDS_TEACHER:
            found.append({**sealed, "sealed": sealed["status"], "verdict": "not re-testable"})
            continue
        decided = decide(claim, evidence.get(evidence_name(claim)))
        verdict = VERDICTS[decided["status"]]
        found.append({**decided, "sealed": sealed["status"], "verdict": verdict})
    return found
