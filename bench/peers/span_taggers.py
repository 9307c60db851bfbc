"""Models that mark spans: spaCy's NER (PyPI `spacy`) and a CRF (PyPI `sklearn-crfsuite`).

No peers of `classify.py`. `spans.py` calls `run`, which starts this same file with the Python
that has them; so nothing but the standard library is imported at the top.
"""

from __future__ import annotations

import json
import random
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

INSTALL = (
    "python3 -m venv .venv-spans-peers && .venv-spans-peers/bin/pip install -c constraints.txt "
    "spacy==3.8.18 sklearn-crfsuite==0.5.0, then --peers-python .venv-spans-peers/bin/python"
)
EPOCHS, DROPOUT = 20, 0.2  # of spaCy; the best of them by the held-out tenth
HELD_OUT = 0.1
#: tokens of a text, and spans of them: (first token, token after the last, label)
Row = tuple[list[str], list[tuple[int, int, str]]]
Tagger = Callable[[list[str]], list[tuple[int, int, str]]]


def run(
    python: Path, peer: str, train: Sequence[Row], texts: Sequence[list[str]], work: Path
) -> dict[str, Any]:
    """What a peer, "spacy" or "crf", learned from `train` marks in `texts`; its bytes in `ship`.

    Kept in `work`, where a second run finds it.
    """
    work.mkdir(parents=True, exist_ok=True)
    job, out = work / "job.json", work / "answers.json"
    if not out.exists():
        fields = {"peer": peer, "train": train, "texts": texts, "ship": str(work / "ship")}
        job.write_text(json.dumps(fields), encoding="utf-8")
        with (work / "peer.log").open("w", encoding="utf-8") as log:
            command = [str(python), __file__, str(job), str(out)]
            done = subprocess.run(command, stdout=log, stderr=log, check=False)
        if done.returncode:
            raise SystemExit(f"{peer} failed; see {work / 'peer.log'}. Mend: {INSTALL}")
    found: dict[str, Any] = json.loads(out.read_text(encoding="utf-8"))
    return found


def answer(job: dict[str, Any]) -> dict[str, Any]:
    rows = [(tokens, [tuple(span) for span in spans]) for tokens, spans in job["train"]]
    ship = Path(job["ship"])
    ship.mkdir(parents=True, exist_ok=True)
    started = time.perf_counter()
    tagger = {"spacy": spacy_tagger, "crf": crf_tagger}[job["peer"]](rows, ship)
    seconds = time.perf_counter() - started
    started = time.perf_counter()
    marked = [tagger(tokens) for tokens in job["texts"]]
    each = (time.perf_counter() - started) / len(marked)
    return {"spans": marked, "build_s": seconds, "mean_ms": 1000 * each}


def spacy_tagger(rows: list[Row], ship: Path) -> Tagger:
    """spaCy's transition-based NER over its own hash embeddings, from nothing."""
    import spacy
    from spacy.tokens import Doc, Span
    from spacy.training import Example
    from spacy.util import minibatch

    spacy.util.fix_random_seed(0)
    shuffled = random.Random(0)
    rows = list(rows)
    shuffled.shuffle(rows)
    cut = int(HELD_OUT * len(rows))
    nlp = spacy.blank("en")
    nlp.add_pipe("ner")

    def example(row: Row) -> Any:
        tokens, spans = row
        gold = Doc(nlp.vocab, words=tokens)
        gold.ents = [Span(gold, *span) for span in spans]
        return Example(Doc(nlp.vocab, words=tokens), gold)

    held, train = [example(row) for row in rows[:cut]], [example(row) for row in rows[cut:]]
    optimizer = nlp.initialize(lambda: train)
    best = -1.0
    for _ in range(EPOCHS):
        shuffled.shuffle(train)
        for batch in minibatch(train, size=32):
            nlp.update(batch, drop=DROPOUT, sgd=optimizer)
        score = nlp.evaluate(held)["ents_f"] or 0.0
        print(score, flush=True)
        if score > best:
            best = score
            nlp.to_disk(ship)
    shipped = spacy.load(ship)

    def tag(tokens: list[str]) -> list[tuple[int, int, str]]:
        doc = shipped.get_pipe("ner")(Doc(shipped.vocab, words=tokens))
        return [(ent.start, ent.end, ent.label_) for ent in doc.ents]

    return tag


def crf_tagger(rows: list[Row], ship: Path) -> Tagger:
    """A linear-chain CRF on the usual features of a word and its two neighbors on each side."""
    import sklearn_crfsuite

    def tags_of(row: Row) -> list[str]:
        tags = ["O"] * len(row[0])
        for first, after, label in row[1]:
            tags[first:after] = [f"B-{label}", *[f"I-{label}"] * (after - first - 1)]
        return tags

    crf = sklearn_crfsuite.CRF(
        algorithm="lbfgs", c1=0.1, c2=0.1, max_iterations=100, model_filename=str(ship / "crf.bin")
    )
    crf.fit([_features(tokens) for tokens, _ in rows], [tags_of(row) for row in rows])

    def tag(tokens: list[str]) -> list[tuple[int, int, str]]:
        found: list[tuple[int, int, str]] = []
        for at, mark in enumerate(crf.predict_single(_features(tokens))):
            begin, _, label = mark.partition("-")
            if begin == "I" and found and found[-1][1:] == (at, label):
                found[-1] = (found[-1][0], at + 1, label)
            elif begin != "O":
                found.append((at, at + 1, label))
        return found

    return tag


def _features(tokens: list[str]) -> list[dict[str, Any]]:
    def shape(word: str) -> str:
        kinds = ("X" if c.isupper() else "x" if c.islower() else "d" if c.isdigit() else c
                 for c in word)  # fmt: skip
        return "".join(kinds)[:8]

    rows = []
    for i, word in enumerate(tokens):
        found: dict[str, Any] = {
            "word": word.lower(),
            "shape": shape(word),
            **{f"suffix {n}": word[-n:].lower() for n in (1, 2, 3, 4)},
            **{f"prefix {n}": word[:n].lower() for n in (1, 2, 3)},
        }
        for step in (-2, -1, 1, 2):
            inside = 0 <= i + step < len(tokens)
            beside = tokens[i + step] if inside else "(edge)"
            found[f"word {step}"] = beside.lower()
            found[f"shape {step}"] = shape(beside)
        rows.append(found)
    return rows


if __name__ == "__main__":
    given, result = map(Path, sys.argv[1:])
    told = answer(json.loads(given.read_text(encoding="utf-8")))
    result.write_text(json.dumps(told), encoding="utf-8")
