"""Which words ask for which call: cuts between arguments, and calls that compose."""

from __future__ import annotations

import json
from datetime import date
from typing import Any

import numpy as np
import pytest

pytest.importorskip("dateparser")

from attar.errors import BundleError, DataError
from attar.predictions import Extraction
from attar.tasks.annotations import Annotation, Span, annotation_in, name_of
from attar.tasks.call_answers import on_day
from attar.tasks.calling import MAX_CALLS, Part, name_of_template
from attar.tasks.extract import EXTRACT
from attar.tasks.functions import functions_in
from attar.tasks.segments import OPEN, parts_in, segment_tags, together
from attar.tasks.words import words_of
from attar.types import Row

FUNCTIONS = functions_in([
    {"name": name, "parameters": {"type": "object", "properties": {"what": {"type": "string"}}}}
    for name in ("start", "stop")
])  # fmt: skip
TASK = EXTRACT.with_functions(FUNCTIONS)
START, STOP = Part("start", {}), Part("stop", {})
LABELS = tuple(name_of_template([part]) for part in (START, STOP))


def annotation(text: str, parts: list[Part], *said: str) -> Annotation:
    spans = tuple(Span(text.index(one), text.index(one) + len(one), "what") for one in said)
    return Annotation(name_of_template(parts), spans)


def tagged(text: str, parts: list[Part], *said: str) -> str:
    """Of each word the sign of its tag: S and s start, P and p stop, "." none, "?" open."""
    words = words_of(text)
    tags = segment_tags(text, words, annotation(text, parts, *said), LABELS, FUNCTIONS)
    return "".join("?" if tag == OPEN else ".SsPp"[tag] for tag in tags)


def test_a_call_is_the_whole_text() -> None:
    assert tagged("please stop the fan", [STOP], "fan") == "Pppp"
    assert tagged("please stop", [STOP]) == "Pp"
    assert tagged("how are you", []) == "..."
    assert tagged("", [STOP]) == ""


def test_cuts_stand_at_what_is_between() -> None:
    assert tagged("stop fan and start lamp", [STOP, START], "fan", "lamp") == "Pp.Ss"
    assert tagged("stop fan, and then start lamp", [STOP, START], "fan", "lamp") == "Pp...Ss"
    assert tagged("fan off und lamp an", [STOP, START], "fan", "lamp") == "Pp.Ss"
    # Of several the one nearest to the middle, and none within an argument.
    text = "stop fan now and a b and start it with salt and oil"
    assert tagged(text, [STOP, START], "fan", "salt and oil") == "Pppppp.Ssssss"


def test_without_a_sign_the_words_between_are_open() -> None:
    assert tagged("stop fan start my lamp", [STOP, START], "fan", "lamp") == "Pp??s"
    assert tagged("stop fan lamp", [STOP, STOP], "fan", "lamp") == "PpP"


def test_what_no_argument_tells_is_open() -> None:
    assert tagged("stop it and start lamp", [STOP, START], "lamp") == "?????"
    shared = [START, Part("stop", {}, ("what",))]
    assert tagged("start and stop lamp", shared, "lamp") == "????"


def test_told_segments_are_taken() -> None:
    text = "hi you stop it and start lamp"
    told = annotation(text, [STOP, START], "lamp")._replace(calls=((7, 14), (19, 29)))
    assert annotation_in(name_of(*told)) == told
    tags = segment_tags(text, words_of(text), told, LABELS, FUNCTIONS)
    assert tags == [0, 0, 3, 4, 0, 1, 2]


def row(text: str, parts: list[Part], *said: str) -> Row:
    return Row(text, name_of(*annotation(text, parts, *said)[:2]), None, "rows.jsonl", 1)


def decoded(rows: list[Row], columns: tuple[str, ...], sure: float = 9.0) -> list[Any]:
    """Answers of a model that is sure of the rows' labels."""
    gold = TASK.gold(rows, columns)
    logits = np.full((*gold.shape[:2], len(columns)), -sure, np.float32)
    known = np.nonzero(gold >= 0)
    logits[(*known[:2], gold[known])] = sure
    for one, place in zip(rows, logits, strict=True):
        place[1 + len(words_of(one.text)) :] = np.nan
    given = {"logits": logits, **TASK.beside([one.text for one in rows])}
    return TASK.decode(given, {"task_settings": TASK.settings(columns, None)})


def test_combinations_that_train_never_shows() -> None:
    columns = TASK.targets([row("stop fan", [STOP], "fan"), row("start", [START])], None)
    assert columns[3:] == (
        "call: O",
        *(f"call: {tag}-{label}" for label in LABELS for tag in "BI"),
        "several calls",
    )
    text = "stop fan, start lamp and stop pump"
    new = row(text, [STOP, START, STOP], "fan", "lamp", "pump")
    (answer,) = decoded([new], columns)
    assert isinstance(answer, Extraction)
    assert answer.label == new.label
    assert answer.named == ('stop(what="fan")', 'start(what="lamp")', 'stop(what="pump")')
    assert answer.calls is not None
    assert answer.score < min(call.score for call in answer.calls) <= 1
    assert TASK.labels_of(new.label) == (LABELS[1], LABELS[0], "what")
    assert TASK.labels_of(row("hi", []).label) == ("[]",)


def test_arguments_belong_to_the_segment_that_they_stand_in() -> None:
    """Filled in order alone, the first call would take what is said of the second."""
    rows = [row("stop fan", [STOP], "fan"), row("start", [START])]
    columns = TASK.targets(rows, None)
    text = "start and stop fan"
    told = annotation(text, [START, STOP], "fan")
    taught = Row(text, name_of(*told._replace(calls=((0, 5), (10, 18)))), None, "rows.jsonl", 1)
    (answer,) = decoded([taught], columns)
    assert isinstance(answer, Extraction)
    assert answer.named == ("start()", 'stop(what="fan")')
    assert annotation_in(answer.label) == told._replace(owners=(1,))
    gold = Row(text, name_of(*told._replace(owners=(1,))), None, "rows.jsonl", 1)
    assert TASK.metrics([gold], [answer], None)["calls"] == 1.0
    assert TASK.metrics([gold], [answer], None)["exact"] == 1.0
    assert TASK.shown(gold.label, text) == 'start(), stop(what="fan")'
    dated = on_day(answer.in_text(text), TASK.settings(columns, None), date(2026, 11, 28))
    assert dated.named == answer.named


def test_scores_of_words_that_say_the_same() -> None:
    """Ten words of one call make it no less sure than two do, and a longer neighbor changes
    nothing."""
    columns = TASK.targets([row("stop fan", [STOP], "fan"), row("hi", [])], None)
    texts = ["stop it", "stop it now and here and soon please do it", "hi", "well hello there you"]
    rows = [row(text, [STOP] if "stop" in text else []) for text in texts]
    for i, answer in enumerate(decoded(rows, columns, sure=2.0)):
        (alone,) = decoded([rows[i]], columns, sure=2.0)
        assert alone.score == pytest.approx(answer.score)
        spans_p = (np.exp(2) / (np.exp(2) + 2 * np.exp(-2))) ** len(words_of(texts[i]))
        text_p = np.exp(2) / (np.exp(2) + 3 * np.exp(-2))  # several is one more
        either = np.exp(2) + np.exp(-2) if "stop" in texts[i] else np.exp(2)  # B or I
        calls_p = np.sqrt(text_p * either / (np.exp(2) + 2 * np.exp(-2)))
        assert answer.score == pytest.approx(spans_p * calls_p)


def test_the_text_itself_says_what_it_asks_for() -> None:
    """Where its words, less surely, fall into other calls."""
    columns = TASK.targets([row("stop fan", [STOP], "fan"), row("start", [START])], None)
    text = "stop fan start"
    of = {
        name: columns.index(f"call: {name}")
        for name in ("O", *(f"{t}-{one}" for t in "BI" for one in LABELS))
    } | {"several": columns.index("several calls")}

    def answered(by_text: str) -> Extraction:
        logits = np.full((1, 4, len(columns)), -9.0, np.float32)
        logits[0, 1:, 0] = 9.0  # no spans
        logits[0, 0, of[by_text]] = 1.0
        for place, tag in enumerate((f"B-{LABELS[1]}", f"I-{LABELS[1]}", f"B-{LABELS[0]}"), 1):
            logits[0, place, of[tag]] = -8.0
        given = {"logits": logits, **TASK.beside([text])}
        (answer,) = TASK.decode(given, {"task_settings": TASK.settings(columns, None)})
        assert isinstance(answer, Extraction)
        return answer

    assert answered("O").calls == ()
    alone = answered(f"I-{LABELS[0]}")
    assert alone.named == ("start()",)
    assert alone.calls and alone.calls[0].score == pytest.approx(alone.text_score, abs=1e-6)
    assert [one.label for one in alone.alternatives] == [LABELS[1]]
    assert answered("several").named == ("stop()", "start()")


def test_too_many_calls_abstain() -> None:
    columns = TASK.targets([row("stop fan", [STOP], "fan")], None)
    logits = np.full((1, 1 + 20, len(columns)), -9.0, np.float32)
    logits[0, 1:, 0] = logits[0, 1:, columns.index(f"call: B-{LABELS[1]}")] = 9.0
    logits[0, 0, columns.index("several calls")] = 9.0
    given = {"logits": logits, **TASK.beside(["stop " * 20])}
    (answer,) = TASK.decode(given, {"task_settings": TASK.settings(columns, None)})
    assert answer.abstained
    assert isinstance(answer, Extraction)
    assert len(answer.calls or ()) == MAX_CALLS


def test_templates_come_apart_and_together() -> None:
    name = name_of_template([STOP, START])
    assert parts_in(name) == (LABELS[1], LABELS[0])
    assert together(parts_in(name)) == name
    assert parts_in(None) == parts_in("[]") == ()


def test_rows_without_any_call() -> None:
    with pytest.raises(DataError, match="none of the 2 rows calls a function"):
        TASK.check([row("hi", []), row("you", [])])
    TASK.check([row("hi", []), row("stop", [STOP])])


def test_a_manifest_knows_single_calls_alone() -> None:
    columns = TASK.targets([row("stop fan", [STOP], "fan")], None)
    settings = TASK.settings(columns, None)
    TASK.check_manifest({"task_settings": settings})
    for label in ("[]", json.dumps([{"name": "stop"}, {"name": "stop"}], separators=(",", ":"))):
        with pytest.raises(BundleError, match="not the template of one call"):
            TASK.check_manifest({"task_settings": {**settings, "labels": [label]}})
