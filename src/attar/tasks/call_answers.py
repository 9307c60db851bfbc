"""Answers that hold function calls: how they are made, and how often they are right.

A call counts as right where its name and all of its arguments are the gold ones; both sides come
from an annotation and the text by the same way (`calling.filled`), so that what is compared is
what a caller would get.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import date
from math import prod
from typing import Any

import numpy as np
from numpy.typing import NDArray

from attar.errors import BundleError
from attar.evidence import Evidence, Proportion
from attar.predictions import Call, Extraction, FoundSpan, Prediction
from attar.tasks.annotations import annotation_in, name_of
from attar.tasks.calling import MAX_CALLS, Filled, alike, check_template, filled, template_in
from attar.tasks.functions import Functions, known_functions
from attar.tasks.layers import Floats, asked_by_text, found_in, said_by_words
from attar.tasks.normalize import need_extra
from attar.tasks.segments import owners_of
from attar.tasks.shared import f1_of, groups_of, ratio
from attar.types import Row

CALL_METRICS = ("calls", "call_f1")


def check_functions(settings: Mapping[str, Any]) -> None:
    """Raise BundleError where the functions of a manifest, or templates that call them, cannot
    be used, and MissingExtraError where reading their values takes more than is installed."""
    where = "manifest.json: task_settings.functions"
    try:
        functions = known_functions(settings["functions"])
        for label in settings["labels"]:
            check_template(label, functions)
            if len(template_in(label)) != 1:
                raise ValueError(
                    f"{label[:60]!r} is not the template of one call; build the bundle again"
                )
    except ValueError as error:
        raise BundleError(f"{where}: {error}") from None
    need_extra(functions.values())


def asked_for(
    asked: Floats,
    of_calls: Floats,
    words: Sequence[Sequence[Sequence[int]]],
    labels: Sequence[str],
    texts: Sequence[str],
) -> tuple[Floats, list[tuple[FoundSpan, ...]], Floats]:
    """What each text asks for: the likeliest of nothing, one call, and the calls that its words
    fall into. Log-probabilities of each call alone (batch, labels), the parts of each text that ask
    for a call, and the log-probability of these (batch,).

    The text's own place is read as a classifier reads, and finds the call of a text far more often
    than its words, one by one, agree on it (docs/experiments.md). Both say the same thing, so that
    their probabilities are no product but a geometric mean.
    """
    nothing, alone, several = asked_by_text(asked, len(labels))
    of_no_word, of_each_word = said_by_words(of_calls)
    nothing, alone = (nothing + of_no_word) / 2, (alone + of_each_word) / 2
    segments, segments_p = found_in(of_calls, words, labels, alike=True)
    best, parts = np.maximum(nothing, alone.max(axis=1)), []
    for i, of_words in enumerate(segments):
        together_p = segments_p[i] if several is None else (several[i] + segments_p[i]) / 2
        if together_p > best[i] and len(of_words) > 1:
            parts.append(of_words)
            best[i] = together_p
        elif nothing[i] >= alone[i].max():
            parts.append(())
        else:
            label, score = labels[int(alone[i].argmax())], float(np.exp(best[i]))
            parts.append((FoundSpan(0, len(texts[i]), label, score),))
    return alone, parts, best


def with_calls(
    answer: Extraction, segments: Sequence[FoundSpan], text: str, settings: Mapping[str, Any]
) -> Extraction:
    """The answer with its calls. It abstains where one of them is not valid, where a span
    belongs to none, or where there are too many. segments: the words that ask for each."""
    functions = known_functions(settings["functions"])
    spans = [span[:3] for span in answer.spans]
    found = filled(answer.text_label, spans, text, functions)
    owners = owners_of(spans, [segment[:3] for segment in segments])
    owned = filled(answer.text_label, spans, text, functions, owners=owners) if segments else found
    if owned.whole and owned.calls != found.calls:
        found, label = owned, name_of(answer.text_label, spans, owners=owners)
        answer = replace(answer, label=label)
    calls = tuple(
        Call(name, arguments, segments[part].score * prod(answer.spans[i].score for i in spans))
        for name, arguments, spans, part in found.calls
    )
    whole = found.whole and len(segments) <= MAX_CALLS
    return replace(answer, calls=calls, abstained=answer.abstained or not whole)


def on_day(answer: Prediction, settings: Mapping[str, Any], day: date) -> Prediction:
    """The answer with the dates that its words mean on that day: "tomorrow" as one. An answer
    without calls is given back as it is."""
    if not isinstance(answer, Extraction) or answer.calls is None:
        return answer
    found = _filled(answer.label, answer.text, known_functions(settings["functions"]), day)
    if len(found.calls) != len(answer.calls):  # what abstained does not get better by a date
        return answer
    pairs = zip(answer.calls, found.calls, strict=True)
    return replace(answer, calls=tuple(one._replace(arguments=f.arguments) for one, f in pairs))


def call_figures(
    rows: Sequence[Row], answers: Sequence[Prediction], functions: Functions | None
) -> dict[str, float]:
    """calls: the share of rows whose calls are exactly the gold ones, in order. call_f1: of
    single calls, whatever their order. Empty for a model without functions."""
    if functions is None:
        return {}
    right, found, given, gold = _counted(rows, answers, functions)
    return {
        "calls": float(right.mean()) if rows else float("nan"),
        "call_f1": ratio(2 * float(found.sum()), float((given + gold).sum())),
        "gold_calls": float(gold.sum()),
    }


def call_evidence(
    rows: Sequence[Row], answers: Sequence[Prediction], functions: Functions | None
) -> dict[str, Evidence]:
    if functions is None:
        return {}
    right, found, given, gold = _counted(rows, answers, functions)
    groups = groups_of(rows)
    return {
        "calls": Proportion(right, groups),
        "call_f1": f1_of(found, given + gold, groups),
    }


def _counted(
    rows: Sequence[Row], answers: Sequence[Prediction], functions: Functions
) -> tuple[NDArray[np.bool_], NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]:
    """Which rows have exactly the gold calls; calls found rightly, given, and gold, (rows,)."""
    right = np.zeros(len(rows), bool)
    counts = np.zeros((3, len(rows)), np.int64)
    for i, (row, answer) in enumerate(zip(rows, answers, strict=True)):
        wanted, ours = (_filled(label, row.text, functions) for label in (row.label, answer.label))
        left = [call[:2] for call in wanted.calls]
        for call in ours.calls:
            match = next((one for one in left if alike(call[:2], one, functions)), None)
            if match is not None:
                left.remove(match)
        found = len(wanted.calls) - len(left)
        counts[:, i] = found, len(ours.calls), len(wanted.calls)
        pairs = zip(ours.calls, wanted.calls, strict=False)
        right[i] = (
            ours.whole
            and wanted.whole
            and len(ours.calls) == len(wanted.calls)
            and all(alike(a[:2], b[:2], functions) for a, b in pairs)
        )
    return right, counts[0], counts[1], counts[2]


def _filled(label: str | None, text: str, functions: Functions, day: date | None = None) -> Filled:
    found = annotation_in(label)
    return filled(found.label, found.spans, text, functions, day, found.owners)
