"""Summarize: the sentences of a document that say what matters, each with its place.

The model reads each sentence by itself (`tasks.sentences`) and has one column for leaving it
out and one for each section that it may stand in. Which of them make the summary,
`tasks.choosing` decides. A row's label is a reference, written by people in words of their
own, in one section or several (`tasks.summaries`); an answer's label names the places of its
sentences. So no answer is right or wrong: ROUGE (`tasks.rouge`) says how much of the reference
it holds, as a mean over sections, of which a missing or needless one counts 0.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from attar.errors import BundleError, DataError
from attar.evidence import Evidence, Ratio
from attar.metrics import softmax
from attar.predictions import FoundSpan, Prediction, Summary
from attar.tasks.choosing import DEFAULTS, Document, check_choosing, choose, fixed, unit
from attar.tasks.oracle import oracle
from attar.tasks.rouge import rouge
from attar.tasks.sentences import sentence_array, sentences_of, with_words
from attar.tasks.shared import check_scores, groups_of
from attar.tasks.summaries import (
    SUMMARY,
    chosen_name,
    reference_in,
    texts_in,
)
from attar.types import Figure, GoldKind, Outputs, Reads, Row, Task
from attar.words import words_of

LEFT_OUT = "(left out)"
LEAST = 1e-12
TUNED_ROWS = 400  # at most, that lengths and weights are fixed on
MEASURES = ("rouge1", "rouge2", "rougeL")
Floats = NDArray[np.float64]


class Summarize:
    """The task "summarize"."""

    name = "summarize"
    gold_kind: GoldKind = "summary"
    reads: Reads = "sentences"
    capabilities: tuple[str, ...] = ("summary", "embed")
    acceptances: tuple[str, ...] = ("probability",)
    claim_metrics: tuple[str, ...] = (*MEASURES, "compression", "retained")
    figures: tuple[Figure, ...] = (
        Figure("rouge1", "ROUGE-1"),
        Figure("rouge2", "ROUGE-2"),
        Figure("rougeL", "ROUGE-L"),
        Figure("compression", "words of a summary, of the document"),
    )

    def check(self, rows: Sequence[Row]) -> None:
        """Raise DataError where labeled rows cannot be learned from."""
        if not rows:
            raise DataError("there are no labeled rows: data.train names no usable row")
        for row in rows:
            if row.label is None:
                raise DataError(f"{row.place}: the summary is missing")
        if not any(oracle(row.text, row.label) for row in rows):
            raise DataError(
                f"{rows[0].file}: none of the {len(rows)} summaries shares a word with its "
                "document; is [data] label the field with the summary?"
            )

    def labels_of(self, label: str | None) -> tuple[str, ...]:
        """The sections of the reference."""
        return tuple(reference_in(label))

    def shown(self, label: str | None, text: str) -> str | None:
        """The summary, of several sections each after its name."""
        if label is None:
            return None
        found = texts_in(label, text)
        if set(found) <= {SUMMARY}:
            return found.get(SUMMARY, "")
        return " ".join(f"{name}: {said}" for name, said in found.items())

    def is_right(self, gold: str | None, named: str) -> bool:
        return gold == named

    def confused(self, gold: str | None, named: str) -> Sequence[tuple[str | None, str]]:
        return ()

    def targets(self, rows: Sequence[Row], out_of_scope: str | None) -> tuple[str, ...]:
        """LEFT_OUT, then the sections, sorted."""
        if out_of_scope is not None:
            raise DataError(
                f"[data] out_of_scope = {out_of_scope!r}: the task summarize has no such label"
            )
        sections = sorted({name for row in rows for name in reference_in(row.label)})
        if not sections:
            raise DataError("no row has a summary; there is nothing to learn")
        return (LEFT_OUT, *sections)

    def gold(self, rows: Sequence[Row], targets: Sequence[str]) -> NDArray[np.int64]:
        """The column of each sentence that the oracle chooses (`tasks.oracle`), 0 of the
        others, (rows, sentences); -1 past the last, and where a row has no reference."""
        index = {name: i for i, name in enumerate(targets)}
        counts = [len(sentences_of(row.text)) for row in rows]
        found = np.full((len(rows), max(counts, default=0)), -1, np.int64)
        for i, (row, count) in enumerate(zip(rows, counts, strict=True)):
            if row.label is None:
                continue
            found[i, :count] = 0
            for sentence, section in oracle(row.text, row.label):
                found[i, sentence] = index.get(section, 0)
        return found

    def settings(
        self,
        targets: Sequence[str],
        out_of_scope: str | None,
        threshold: float | None = None,
        temperature: float = 1.0,
        acceptance: str = "probability",
    ) -> dict[str, Any]:
        """The manifest's `task_settings`. Answers have no labels; sections: of columns but the
        first. The others are those of `tasks.choosing`, not yet fixed on rows."""
        return {
            **DEFAULTS,
            "weights": dict(DEFAULTS["weights"]),
            "acceptance": acceptance,
            "labels": [],
            "sections": list(targets[1:]),
            "out_of_scope": None,
            "threshold": threshold,
            "temperature": temperature,
        }

    def check_manifest(self, manifest: Mapping[str, Any]) -> None:
        """Raise BundleError where `task_settings` cannot be decoded with."""
        settings = manifest["task_settings"]
        found = settings.get("sections")
        texts = isinstance(found, list) and all(isinstance(x, str) for x in found)
        if not texts or not found or len(set(found)) != len(found):
            raise BundleError(
                "manifest.json: task_settings.sections: expected a list of distinct texts"
            )
        check_choosing(settings)
        check_scores(settings)

    def tuned(
        self, outputs: Outputs, rows: Sequence[Row], settings: Mapping[str, Any]
    ) -> dict[str, Any]:
        """Length, weights and redundancy that give `rows` the best mean of ROUGE-1, -2, -L."""
        step = max(1, -(-len(rows) // TUNED_ROWS))
        rows = rows[::step]
        documents = self._documents({k: v[::step] for k, v in outputs.items()}, settings)
        if not documents:
            return {}
        places = [sentences_of(row.text) for row in rows]
        sections = self._sections({k: v[::step] for k, v in outputs.items()}, settings)
        wanted = [
            sum(len(words_of(said)) for said in reference_in(row.label).values()) for row in rows
        ]

        def merit(i: int, chosen: tuple[int, ...]) -> float:
            names = [(*places[i][at], settings["sections"][sections[i][at]]) for at in chosen]
            return float(np.mean(_rouge(rows[i], chosen_name(names))))

        return fixed(documents, wanted, merit, settings)

    def beside(self, texts: Sequence[str]) -> Outputs:
        """sentences: place and number of words of the texts' sentences, (texts, sentences, 3)."""
        return {"sentences": sentence_array(texts)}

    def decode(self, outputs: Outputs, manifest: Mapping[str, Any]) -> list[Prediction]:
        """Answers from `logits` (batch, sentences, columns), `sentences` (batch, sentences, 3)
        and, where the model gave them, `sentence_embeddings` (batch, sentences, hidden)."""
        settings = manifest["task_settings"]
        threshold, names = settings["threshold"], settings["sections"]
        sections = self._sections(outputs, settings)
        answers: list[Prediction] = []
        for i, document in enumerate(self._documents(outputs, settings)):
            chosen = choose(document, settings)
            sure = np.exp(-np.logaddexp(0.0, -document.log_odds[chosen]))
            places = outputs["sentences"][i, chosen, :2].tolist()
            found = tuple(
                FoundSpan(start, end, names[sections[i][at]], float(p))
                for (start, end), at, p in zip(places, chosen, sure, strict=True)
            )
            score = float(sure.mean()) if chosen else 0.0
            answers.append(
                Summary(
                    label=chosen_name([span[:3] for span in found]),
                    score=score,
                    abstained=threshold is not None and score < threshold,
                    sentences=found,
                    several=len(names) > 1,
                )
            )
        return answers

    def acceptance(self, outputs: Outputs, manifest: Mapping[str, Any]) -> Floats:
        """How likely the chosen sentences belong to the summary, on the mean."""
        return np.array([answer.score for answer in self.decode(outputs, manifest)], np.float64)

    def log_loss(self, outputs: Outputs, rows: Sequence[Row], settings: Mapping[str, Any]) -> float:
        """Of the oracle's columns, a mean over all sentences."""
        log_p = self._log_p(outputs, settings)
        gold = self.gold(rows, (LEFT_OUT, *settings["sections"]))[:, : log_p.shape[1]]
        i, sentence = np.nonzero((gold >= 0) & (outputs["sentences"][:, : gold.shape[1], 0] >= 0))
        if not len(i):
            return float("nan")
        return -float(log_p[i, sentence, gold[i, sentence]].mean())

    def mean(self, logits: Sequence[NDArray[np.float32]]) -> NDArray[np.float32]:
        """The logarithm of the mean of the softmaxes; NaN stays where there is no sentence."""
        if len(logits) == 1:
            return logits[0]
        shares = np.mean([softmax(one) for one in logits], axis=0)
        pooled: NDArray[np.float32] = np.log(shares + LEAST).astype(np.float32)
        return pooled

    def score(self, figures: Mapping[str, float]) -> float:
        known = [figures[name] for name in MEASURES if name in figures]
        return float(np.mean(known)) if known else 0.0

    def grades(self, rows: Sequence[Row], answers: Sequence[Prediction]) -> Floats | None:
        """The mean of ROUGE-1, -2 and -L, (rows,)."""
        found: Floats = _rouges(rows, [answer.label for answer in answers]).mean(axis=1)
        return found

    def metrics(
        self, rows: Sequence[Row], answers: Sequence[Prediction], out_of_scope: str | None
    ) -> dict[str, float]:
        """Point estimates; NaN where undefined. compression: words of the summary for one of
        the document."""
        found = _rouges(rows, [answer.label for answer in answers])
        means = found.mean(axis=0) if rows else np.full(len(MEASURES), np.nan)
        said = _words(rows, answers)
        return {
            **{name: float(value) for name, value in zip(MEASURES, means, strict=True)},
            "compression": float(_compression(rows, said).mean()) if rows else np.nan,
            "words": float(said.mean()) if rows else np.nan,
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
        """Means by metric; `retained` is the mean of the three ROUGE, less the teacher's."""
        if not rows:
            return {}
        found = _rouges(rows, [answer.label for answer in answers])
        groups = groups_of(rows)
        evidence: dict[str, Evidence] = {
            name: Ratio.mean(found[:, i], groups) for i, name in enumerate(MEASURES)
        }
        # A sentence cut in two at its end can count one word more than in its document.
        said = np.minimum(_compression(rows, _words(rows, answers)), 1.0)
        evidence["compression"] = Ratio.mean(said, groups)
        if teacher is not None:
            gained = found.mean(axis=1) - _rouges(rows, teacher).mean(axis=1)
            evidence["retained"] = Ratio.mean(gained, groups, low=-1.0)
        return evidence

    def chance(self, rows: Sequence[Row]) -> float:
        """ROUGE-1 of the first sentences, as many as come nearest to a reference's length on the
        mean, all in the commonest section. NaN without rows."""
        if not rows:
            return float("nan")
        references = [reference_in(row.label) for row in rows]
        sections = Counter(name for one in references for name in one)
        if not sections:
            return 0.0
        section = min(sections, key=lambda name: (-sections[name], name))
        wanted = float(np.mean([len(words_of(" ".join(one.values()))) for one in references]))
        names = [chosen_name(lead(row.text, wanted, section)) for row in rows]
        return float(_rouges(rows, names)[:, 0].mean())

    def _log_p(self, outputs: Outputs, settings: Mapping[str, Any]) -> Floats:
        """Log-probabilities of the columns, (batch, sentences, columns)."""
        logits, sentences = outputs.get("logits"), outputs.get("sentences")
        columns = 1 + len(settings["sections"])
        if logits is None or logits.ndim != 3 or logits.shape[2] != columns:
            shape = None if logits is None else logits.shape
            raise BundleError(
                f"the model's output 'logits' has the shape {shape}; the manifest's sections "
                f"need (batch, sentences, {columns}). The bundle was put together wrongly."
            )
        if sentences is None or sentences.shape[:2] != logits.shape[:2]:
            raise BundleError("the model's output 'logits' does not fit the sentences of the texts")
        warm = logits.astype(np.float64) / settings["temperature"]
        warm[sentences[..., 0] < 0] = 0.0  # past the last sentence
        if not np.isfinite(warm).all():
            raise BundleError("the model's output 'logits' holds values that are not numbers")
        shifted = warm - warm.max(axis=-1, keepdims=True)
        found: Floats = shifted - np.log(np.exp(shifted).sum(axis=-1, keepdims=True))
        return found

    def _documents(self, outputs: Outputs, settings: Mapping[str, Any]) -> list[Document]:
        log_p = self._log_p(outputs, settings)
        odds = np.logaddexp.reduce(log_p[..., 1:], axis=-1) - log_p[..., 0]
        embeddings = outputs.get("sentence_embeddings")
        found = []
        for i, sentences in enumerate(outputs["sentences"]):
            count = int((sentences[:, 0] >= 0).sum())
            vectors = None if embeddings is None else unit(embeddings[i, :count])
            words = sentences[:count, 2].astype(np.int64)
            found.append(Document(odds[i, :count], words, vectors))
        return found

    def _sections(self, outputs: Outputs, settings: Mapping[str, Any]) -> NDArray[np.int64]:
        """The likeliest section of each sentence, (batch, sentences)."""
        found: NDArray[np.int64] = np.nan_to_num(outputs["logits"][..., 1:]).argmax(axis=-1)
        return found


def lead(text: str, words: float, section: str = SUMMARY) -> list[tuple[int, int, str]]:
    """The first sentences of a document up to about `words` words, one at least."""
    found: list[tuple[int, int, str]] = []
    total = 0
    for start, end, count in with_words(text):
        if found and total + count / 2 > words:
            break
        found.append((start, end, section))
        total += count
    return found


def _rouge(row: Row, label: str) -> tuple[float, float, float]:
    """Of a summary, by its name, to the row's document and reference: means over sections."""
    wanted, found = reference_in(row.label), texts_in(label, row.text)
    names = dict.fromkeys((*wanted, *found))
    if not names:
        return 0.0, 0.0, 0.0
    each = [rouge(found.get(name, ""), wanted.get(name, "")) for name in names]
    one, two, longest = (sum(values) / len(names) for values in zip(*each, strict=True))
    return one, two, longest


def _rouges(rows: Sequence[Row], labels: Sequence[str]) -> Floats:
    """(rows, 3), in the order of MEASURES."""
    pairs = zip(rows, labels, strict=True)
    return np.array([_rouge(row, label) for row, label in pairs], np.float64).reshape(-1, 3)


def _words(rows: Sequence[Row], answers: Sequence[Prediction]) -> Floats:
    """Words of each summary, (rows,)."""
    return np.array(
        [
            sum(len(words_of(said)) for said in texts_in(answer.label, row.text).values())
            for row, answer in zip(rows, answers, strict=True)
        ],
        np.float64,
    )


def _compression(rows: Sequence[Row], said: Floats) -> Floats:
    return said / np.array([max(1, len(words_of(row.text))) for row in rows], np.float64)


SUMMARIZE: Task = Summarize()
