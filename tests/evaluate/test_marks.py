"""Spans in color on the report's page, from the errors of an examination."""

from __future__ import annotations

from pathlib import Path

import pytest

pytest.importorskip("scipy.stats")

from attar.evaluate.examine import SHOWN_CHARACTERS, Examination
from attar.evaluate.page import weaknesses
from attar.evaluate.page.marks import kinds_in, marked
from attar.runtime.predictor import load
from attar.tasks import TASKS
from attar.tasks.annotations import name_of
from attar.types import Row
from evaluate.html_reader import Page
from tiny_spans import write_spans_bundle


def test_gold_and_given_spans_of_wrong_answers(tmp_path: Path) -> None:
    predictor = load(write_spans_bundle(tmp_path / "things.attar"))
    texts = ["my refund & parcel", "i want my refund", "the <b> refund" + SHOWN_CHARACTERS * "x"]
    rows = [Row(text, name_of(None, [(0, 2, "x_y")])) for text in texts]
    examination = Examination(TASKS.get("extract"), predictor, rows, None, (), None)
    errors = examination._errors()
    by_text = {error["text"]: error for error in errors}
    assert by_text[texts[0]]["marked"] == {
        "gold": {"label": None, "spans": [{"start": 0, "end": 2, "label": "x_y"}]},
        "given": {"label": None, "spans": [{"start": 3, "end": 9, "label": "thing"}]},
    }  # fmt: skip
    assert sum("marked" in error for error in errors) == 2  # a shortened text has none
    page = Page(weaknesses.errors({"errors": errors}))
    marks = [attributes["class"] for name, attributes in page.tags if name == "mark"]
    assert sorted(marks) == ["hue-0", "hue-0", "hue-1", "hue-1"]
    assert "refund (thing) & parcel" in page.text and "my (x_y) refund" in page.text


def test_a_span_within_another_is_left_out_and_nothing_is_markup() -> None:
    text = "<i>🛑 a"
    spans = [{"start": 0, "end": 4, "label": "<b>"}, {"start": 1, "end": 2, "label": "c"}]
    both = {"label": "<u>", "spans": spans}
    kinds = kinds_in([{"marked": {"gold": both, "given": both}}])
    page = Page(marked(text, both, kinds))
    assert page.text == "<u>: <i>🛑 (<b>) a"
    assert [name for name, _ in page.tags if name in ("i", "b", "u")] == []
