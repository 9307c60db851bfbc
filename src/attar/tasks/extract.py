"""Extract: spans of a text and what each of them is, and perhaps a label of the whole.

The model has columns for the labels of texts and for tags of words (`tasks.tagging`): its
logits say both at every place, the whole text's first and then each word's
(`tasks.words`). Tags are decoded to the likeliest that make spans. Where texts ask for function
calls, a second layer of tags has columns in place of the labels of texts: which words ask for
which call (`tasks.segments`).

A row's label, and an answer's, is the name of its annotation (`tasks.annotations`).
"Right" therefore means that label and spans are exactly the gold ones; F1 looks inside.
Offsets are code points.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from attar.errors import BundleError, DataError
from attar.evidence import Difference, Evidence, Proportion
from attar.metrics import softmax
from attar.predictions import (
    SHOWN_ALTERNATIVES,
    Alternative,
    Call,
    Extraction,
    FoundSpan,
    Prediction,
)
from attar.tasks.annotations import annotation_in, name_of
from attar.tasks.call_answers import (
    CALL_METRICS,
    asked_for,
    call_evidence,
    call_figures,
    check_functions,
    with_calls,
)
from attar.tasks.calling import filled
from attar.tasks.functions import Functions
from attar.tasks.layers import (
    OF_CALLS,
    OF_TEXT,
    SEVERAL,
    Floats,
    found_in,
    labels_of_columns,
    log_softmax,
    of_whole_text,
    tags_for,
    with_unread,
)
from attar.tasks.segments import OPEN, parts_in, segment_tags, together
from attar.tasks.shared import check_scores, f1_of, groups_of, ratio
from attar.tasks.span_counts import counts, evidence_by_label, labels_right
from attar.tasks.tagging import tags_of
from attar.tasks.words import places, words_of
from attar.types import Figure, GoldKind, Outputs, Reads, Row, Task

NO_CALLS = "none of the functions"
NOTHING, OTHER_EDGES = "(nothing)", "(other edges)"  # in tables of what stands for what
LEAST = 1e-12


class Extract:
    """The task "extract". functions: those that texts may ask for, by name; a text's label is
    then the template of its calls (`tasks.calling`), and what is learned are those of single
    calls."""

    name = "extract"
    gold_kind: GoldKind = "spans"
    reads: Reads = "words"
    capabilities: tuple[str, ...] = ("spans", "embed")
    acceptances: tuple[str, ...] = ("probability", "label")
    claim_metrics: tuple[str, ...] = (
        *("span_f1", "accuracy", "exact", "recall", "precision", "retained"),
        *("error_when_answering", "label_error_when_answering", "handover"),
    )
    figures: tuple[Figure, ...] = (
        Figure("calls", "exactly the gold calls"),
        Figure("call_f1", "call F1"),
        Figure("span_f1", "span F1"),
        Figure("accuracy", "accuracy of the text's label"),
        Figure("exact", "exactly the gold label and spans"),
    )

    def __init__(self, functions: Functions | None = None) -> None:
        self.functions = functions
        if functions is not None:
            self.capabilities = ("calls", *self.capabilities)
            self.claim_metrics = (*CALL_METRICS, *self.claim_metrics)

    def with_functions(self, functions: Functions) -> Extract:
        return Extract(functions)

    def check(self, rows: Sequence[Row]) -> None:
        """Raise DataError where labeled rows cannot be learned from."""
        if not rows:
            raise DataError("there are no labeled rows: data.train names no usable row")
        for row in rows:
            if row.label is None:
                raise DataError(f"{row.place}: the spans are missing; write [] for none")
        named = [annotation_in(row.label) for row in rows]
        if self.functions is None and not any(one.spans for one in named):
            raise DataError(f"{rows[0].file}: none of the {len(rows)} rows has a span")
        if self.functions is not None and not any(parts_in(one.label) for one in named):
            raise DataError(
                f"{rows[0].file}: none of the {len(rows)} rows calls a function. Add rows that do."
            )

    def labels_of(self, label: str | None) -> tuple[str, ...]:
        """The label of the text, or the templates of its single calls, and those of its spans,
        each once."""
        found = annotation_in(label)
        of_text: tuple[str, ...] = () if found.label is None else (found.label,)
        if self.functions is not None:
            of_text = parts_in(found.label) or of_text
        return tuple(dict.fromkeys((*of_text, *(span.label for span in found.spans))))

    def shown(self, label: str | None, text: str) -> str | None:
        """`go: New York [city], noon [time]`."""
        if label is None:
            return None
        found = annotation_in(label)
        if self.functions is not None:
            calls = filled(
                found.label, found.spans, text, self.functions, owners=found.owners
            ).calls
            return ", ".join(Call(*call[:2], 1.0).shown for call in calls) or NO_CALLS
        spans = ", ".join(f"{text[s.start : s.end]} [{s.label}]" for s in found.spans)
        return f"{found.label}: {spans or NOTHING}" if found.label is not None else spans or NOTHING

    def is_right(self, gold: str | None, named: str) -> bool:
        return gold == named

    def label_is_right(self, gold: str | None, named: str) -> bool:
        """With functions: whether the right ones are called, whatever their arguments."""
        return annotation_in(gold).label == annotation_in(named).label

    def confused(self, gold: str | None, named: str) -> Sequence[tuple[str | None, str]]:
        """Labels of the whole text, and those of spans; NOTHING where one side has no span."""
        theirs, mine = annotation_in(gold), annotation_in(named)
        pairs: list[tuple[str | None, str]] = []
        if theirs.label is not None and theirs.label != mine.label:
            pairs.append((theirs.label, mine.label or NOTHING))
        for span in set(theirs.spans) - set(mine.spans):
            over = [m.label for m in mine.spans if m.start < span.end and span.start < m.end]
            label = over[0] if over else NOTHING
            pairs.append((span.label, OTHER_EDGES if label == span.label else label))
        for span in mine.spans:
            if not any(t.start < span.end and span.start < t.end for t in theirs.spans):
                pairs.append((NOTHING, span.label))
        return pairs

    def targets(self, rows: Sequence[Row], out_of_scope: str | None) -> tuple[str, ...]:
        """Columns of texts' labels, sorted, then the tags; with functions the tags of spans and
        those of calls."""
        if out_of_scope is not None:
            raise DataError(
                f"[data] out_of_scope = {out_of_scope!r}: the task extract has no such label. "
                "A text without anything to extract has an empty list of spans."
            )
        annotations = [annotation_in(row.label) for row in rows]
        of_spans = sorted({span.label for a in annotations for span in a.spans})
        if self.functions is not None:
            of_calls = sorted({part for a in annotations for part in parts_in(a.label)})
            calls = (OF_CALLS + tag for tag in tags_for(of_calls))
            return (*tags_for(of_spans), *calls, SEVERAL)
        of_texts = sorted({a.label for a in annotations if a.label is not None})
        if not of_spans:
            raise DataError("no row has a span; there is nothing to extract")
        return (*(OF_TEXT + label for label in of_texts), *tags_for(of_spans))

    def gold(self, rows: Sequence[Row], targets: Sequence[str]) -> NDArray[np.int64]:
        """The column of the text and of each word, (rows, 1 + words); -1 where there is none.
        With functions the columns of both layers, (rows, 1 + words, 2)."""
        of_texts, of_spans = labels_of_columns(targets)
        words = [words_of(row.text) for row in rows]
        places = 1 + max(map(len, words), default=0)
        found = np.full((len(rows), places, 1 if self.functions is None else 2), -1, np.int64)
        index = {label: i for i, label in enumerate(of_texts)}
        before, after = len(of_texts), 1 + 2 * len(of_spans)
        for i, (row, its) in enumerate(zip(rows, words, strict=True)):
            annotation, own = annotation_in(row.label), slice(1, 1 + len(its))
            tags = np.array(tags_of(its, annotation.spans, of_spans), np.int64)
            if self.functions is None:
                found[i, 0, 0] = index.get(annotation.label or "", -1)
                found[i, own, 0] = tags + before
                continue
            found[i, own, 0] = tags
            calls = segment_tags(row.text, its, annotation, of_texts, self.functions)
            found[i, own, 1] = [OPEN if tag == OPEN else after + tag for tag in calls]
            found[i, 0, 1] = of_whole_text(parts_in(annotation.label), index, after)
        return found[..., 0] if self.functions is None else found

    def settings(
        self,
        targets: Sequence[str],
        out_of_scope: str | None,
        threshold: float | None = None,
        temperature: float = 1.0,
        acceptance: str = "probability",
    ) -> dict[str, Any]:
        """The manifest's `task_settings`; labels: of texts, with functions the templates of single
        calls; span_labels: of spans."""
        of_texts, of_spans = labels_of_columns(targets)
        tools = [dict(function.source) for function in (self.functions or {}).values()]
        return {
            **({"functions": tools, "several": SEVERAL in targets} if tools else {}),
            "acceptance": acceptance,
            "labels": of_texts,
            "span_labels": of_spans,
            "out_of_scope": None,
            "threshold": threshold,
            "temperature": temperature,
        }

    def check_manifest(self, manifest: Mapping[str, Any]) -> None:
        """Raise BundleError where `task_settings` cannot be decoded with."""
        settings = manifest["task_settings"]
        calls = settings.get("functions") is not None
        for key, least in (("labels", int(calls)), ("span_labels", int(not calls))):
            found = settings.get(key)
            texts = isinstance(found, list) and all(isinstance(x, str) for x in found)
            if not texts or len(set(found)) != len(found) or len(found) < least:
                raise BundleError(
                    f"manifest.json: task_settings.{key}: expected a list of distinct texts"
                )
        check_scores(settings)
        if calls:
            check_functions(settings)

    def tuned(
        self, outputs: Outputs, rows: Sequence[Row], settings: Mapping[str, Any]
    ) -> dict[str, Any]:
        return {}

    def beside(self, texts: Sequence[str]) -> Outputs:
        """words: places of the texts' words, (texts, words, 2). texts: themselves, (texts,)."""
        found = places([words_of(text) for text in texts])
        return {"words": found, "texts": np.array(list(texts), dtype=object)}

    def decode(self, outputs: Outputs, manifest: Mapping[str, Any]) -> list[Prediction]:
        """Answers from `logits` (batch, 1 + words, columns) and `words` (batch, words, 2), and
        where the model knows functions from `texts` (batch,)."""
        settings = manifest["task_settings"]
        labels, threshold = settings["labels"], settings["threshold"]
        of_text, of_words, of_calls, asked = self._log_p(outputs, settings)
        words = outputs["words"].tolist()
        spans, spans_p = found_in(of_words, words, settings["span_labels"])
        parts: Sequence[Sequence[FoundSpan]] = ()
        best = of_text.max(axis=1) if of_text.shape[1] else np.zeros(len(spans_p))
        if settings.get("functions") is not None:
            of_text, parts, best = asked_for(
                asked, of_calls, words, labels, outputs["texts"].tolist()
            )
        order = np.argsort(-of_text, axis=1, kind="stable")[:, : SHOWN_ALTERNATIVES + 1].tolist()
        answers: list[Prediction] = []
        sure = best if settings.get("acceptance") == "label" else spans_p + best
        for i, score in enumerate(np.exp(spans_p + best).tolist()):
            ranked = [Alternative(labels[j], float(np.exp(of_text[i, j]))) for j in order[i]]
            of_the_text = ranked[0].label if ranked else None
            if parts:
                of_the_text = together([one.label for one in parts[i]])
                ranked = [one for one in ranked if one.label != of_the_text][:SHOWN_ALTERNATIVES]
            answer = Extraction(
                label=name_of(of_the_text, [span[:3] for span in spans[i]]),
                score=score,
                abstained=threshold is not None and float(np.exp(sure[i])) < threshold,
                alternatives=tuple(ranked if parts else ranked[1:]),
                text_label=of_the_text,
                text_score=None if of_the_text is None else float(np.exp(best[i])),
                spans=spans[i],
            )
            if parts:
                answer = with_calls(answer, parts[i], outputs["texts"][i], settings)
            answers.append(answer)
        return answers

    def acceptance(self, outputs: Outputs, manifest: Mapping[str, Any]) -> Floats:
        """How likely exactly this label and these spans are, were the words independent, or with
        "label" how likely the label is; 0 where they come to a call that no function takes."""
        answers = self.decode(outputs, _always(manifest))
        if manifest["task_settings"].get("acceptance") == "label":
            return np.array([0.0 if a.abstained else label_score(a) for a in answers])
        return np.array([0.0 if a.abstained else a.score for a in answers])

    def log_loss(self, outputs: Outputs, rows: Sequence[Row], settings: Mapping[str, Any]) -> float:
        """Of the gold label and the gold tags, summed over the words that were read."""
        if not rows:
            return float("nan")
        of_text, of_words, of_calls, asked = self._log_p(outputs, settings)
        labels = settings["labels"]
        tags = tags_for(settings["span_labels"])
        names = (*(OF_TEXT + label for label in labels), *tags)
        if settings.get("functions") is not None:
            names = (*tags, *(OF_CALLS + tag for tag in tags_for(labels)), SEVERAL)
        gold = self.gold(rows, names)
        width = of_text.shape[1]
        total, layers = 0.0, [(of_words, gold, width)]
        if gold.ndim == 3:
            layers = [(of_words, gold[..., 0], 0), (of_calls, gold[..., 1], len(tags))]
            column = gold[:, 0, 1] - len(tags)
            known = np.flatnonzero((column >= 0) & (column < asked.shape[1]))
            total -= float(asked[known, column[known]].sum())
        else:
            known = np.flatnonzero(gold[:, 0] >= 0)
            total -= float(of_text[known, gold[known, 0]].sum())
        for log_p, column, before in layers:
            # Not of words that were cut off: their tag is no answer of the model.
            read = np.isfinite(log_p[..., -1])
            i, word = np.nonzero((column[:, 1 : 1 + log_p.shape[1]] >= 0) & read)
            total -= float(log_p[i, word, column[i, 1 + word] - before].sum())
        return total / len(rows)

    def mean(self, logits: Sequence[NDArray[np.float32]]) -> NDArray[np.float32]:
        """The logarithm of the mean of the softmaxes; NaN stays where there is no word."""
        if len(logits) == 1:
            return logits[0]
        shares = np.mean([softmax(one) for one in logits], axis=0)
        pooled: NDArray[np.float32] = np.log(shares + LEAST).astype(np.float32)
        return pooled

    def score(self, figures: Mapping[str, float]) -> float:
        known = [figures.get(name, np.nan) for name in ("span_f1", "accuracy")]
        known = [figure for figure in known if not np.isnan(figure)]
        return float(np.mean(known)) if known else 0.0

    def grades(self, rows: Sequence[Row], answers: Sequence[Prediction]) -> None:
        """Answers are right or wrong."""

    def metrics(
        self, rows: Sequence[Row], answers: Sequence[Prediction], out_of_scope: str | None
    ) -> dict[str, float]:
        """Point estimates; NaN where undefined. Spans count as found where start, end and label
        are the gold ones. exact: share of the rows with exactly the gold label and spans."""
        found, given, gold = counts(rows, answers)
        labeled, right = labels_right(rows, answers)
        exact = [a.label == row.label for a, row in zip(answers, rows, strict=True)]
        hits = float(found.sum())
        return {
            **call_figures(rows, answers, self.functions),
            "span_f1": ratio(2 * hits, float((given + gold).sum())),
            "span_precision": ratio(hits, float(given.sum())),
            "span_recall": ratio(hits, float(gold.sum())),
            "accuracy": float(right[labeled].mean()) if labeled.any() else np.nan,
            "exact": float(np.mean(exact)) if rows else np.nan,
            "spans": float(gold.sum()),
            "in_scope_rows": float(len(rows)),
            "rows": float(len(rows)),
        }

    def evidence(
        self,
        rows: Sequence[Row],
        answers: Sequence[Prediction],
        teacher: Sequence[str] | None,
        out_of_scope: str | None,
    ) -> dict[str, Evidence]:
        """By metric; "recall of LABEL" on the gold spans of a label, "precision of LABEL" on those
        given; `retained` and `error_when_answering` are about exact answers."""
        if not rows:
            return {}
        found, given, gold = counts(rows, answers)
        groups = groups_of(rows)
        right = np.array([a.label == row.label for a, row in zip(answers, rows, strict=True)])
        answered = np.array([not answer.abstained for answer in answers], bool)

        def share(hits: NDArray[np.bool_], of: NDArray[np.bool_]) -> Proportion:
            return Proportion(hits[of], None if groups is None else groups[of])

        everywhere = np.ones(len(rows), bool)
        evidence: dict[str, Evidence] = {
            "span_f1": f1_of(found, given + gold, groups),
            "exact": share(right, everywhere),
            "handover": share(~answered, everywhere),
            "error_when_answering": share(~right, answered),
        }
        evidence |= call_evidence(rows, answers, self.functions) | evidence_by_label(rows, answers)
        labeled, label_right = labels_right(rows, answers)
        if labeled.any():
            evidence["accuracy"] = share(label_right, labeled)
            evidence["label_error_when_answering"] = share(~label_right, labeled & answered)
        if teacher is not None:
            theirs = [t == row.label for t, row in zip(teacher, rows, strict=True)]
            evidence["retained"] = Difference(right, np.array(theirs, bool), groups)
        return evidence

    def chance(self, rows: Sequence[Row]) -> float:
        """How often the commonest annotation is exactly right. NaN without rows."""
        counts = Counter(row.label for row in rows)
        return max(counts.values()) / len(rows) if rows else float("nan")

    def _log_p(
        self, outputs: Outputs, settings: Mapping[str, Any]
    ) -> tuple[Floats, Floats, Floats, Floats]:
        """Of the text's labels (batch, labels), of the words' tags (batch, words, tags), of their
        tags in the layer of calls, and of the text's tag there (batch, tags); where there is no
        word, or the text was cut before it, O is certain. What a model has not is of width 0."""
        labels, tags = len(settings["labels"]), 1 + 2 * len(settings["span_labels"])
        calls = 0
        if settings.get("functions") is not None:
            labels, calls = 0, 1 + 2 * labels + bool(settings.get("several"))
        logits, words = outputs.get("logits"), outputs.get("words")
        if logits is None or logits.ndim != 3 or logits.shape[2] != labels + tags + calls:
            shape = None if logits is None else logits.shape
            raise BundleError(
                f"the model's output 'logits' has the shape {shape}; the manifest's labels need "
                f"(batch, words, {labels + tags + calls}). The bundle was put together wrongly."
            )
        if words is None or words.shape[:2] != (len(logits), logits.shape[1] - 1):
            raise BundleError("the model's output 'logits' does not fit the words of the texts")
        warm = logits.astype(np.float64) / settings["temperature"]
        if not np.isfinite(warm[:, 0]).all():
            raise BundleError("the model's output 'logits' holds values that are not numbers")
        end = labels + tags + calls - bool(settings.get("several"))  # no word has that one
        of_words, of_calls = (
            with_unread(log_softmax(layer))
            for layer in np.split(warm[:, 1:, labels:end], [tags], axis=2)
        )
        asked = log_softmax(warm[:, 0, labels + tags :])
        return log_softmax(warm[:, 0, :labels]), of_words, of_calls, asked


def label_score(answer: Prediction) -> float:
    """How likely the label of the text is by itself; the whole answer where it has none."""
    known = answer.text_score if isinstance(answer, Extraction) else None
    return answer.score if known is None else known


def _always(manifest: Mapping[str, Any]) -> dict[str, Any]:
    return {"task_settings": {**manifest["task_settings"], "threshold": None}}


EXTRACT: Task = Extract()
