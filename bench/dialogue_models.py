"""MultiDoGO's dialogues by parts, and the models that read their turns: attar's and the rival's."""

from __future__ import annotations

import argparse
import hashlib
import json
import time
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from attar.build import build
from attar.bundle import read_bundle
from attar.cli.progress import Bars
from attar.evaluate.report import full_report
from attar.metrics import softmax
from attar.runtime.predictor import Predictor, load
from classify import say
from contenders import shipped_mb
from dialogue_rules import OUT_OF_DOMAIN, Bools, Floats, intents_of
from spans import rows_of

AT_MOST = 0.03  # error when answering
LEAST_TEXTS = 10  # of an intent, to be learned: what is rarer goes to a person
DESIGN = 6  # every sixth of the dialogues held out fixes the sequence of thresholds
RECIPE = """task = "classify"
name = "{name}"
[data]
train = "train.jsonl"
test = "test.jsonl"
group = "conversation"
leaks = "groups"
[teacher]
finetune = "{finetune}"
[budget]
size_mb = {size_mb:g}
[[claims]]
metric = "error_when_answering"
at_most = {at_most:g}
[[claims]]
metric = "accuracy"
at_least = 0.85
"""
TIMED = 300  # texts


@dataclass(frozen=True, slots=True)
class Turn:
    text: str
    label: str  # several intents are joined


Dialogues = list[list[Turn]]


@dataclass(frozen=True, slots=True)
class Parts:
    """Dialogues of a domain. names: the intents that a model learns."""

    learn: Dialogues
    design: Dialogues
    calibrate: Dialogues
    test: Dialogues
    names: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Model:
    """A contender. likely: probabilities of `names` for texts. answers: by its own threshold."""

    title: str
    names: tuple[str, ...]
    likely: Callable[[Sequence[str]], Floats]
    size_mb: float
    p50_ms: float
    build_s: float
    answers: Callable[[Sequence[str]], Bools] | None = None


def parts_of(domain: str, data: Path) -> Parts:
    found: dict[str, dict[str, list[Turn]]] = {}
    for part in ("train", "validation", "test"):
        by_name: dict[str, list[Turn]] = defaultdict(list)
        for row in rows_of(f"multidogo-{domain}", part, data):
            text = " ".join(" ".join(row["tokens"]).split())
            by_name[row["conversation"]].append(Turn(text, row["intent"]))
        found[part] = by_name
    held_out, learn = dict(found["validation"]), Dialogues()
    for name, turns in found["train"].items():
        if _number(name) % 5:
            learn.append(turns)
        else:
            held_out[name] = turns
    calibrate = [turns for name, turns in held_out.items() if _number(name) // 5 % DESIGN]
    design = [turns for name, turns in held_out.items() if not _number(name) // 5 % DESIGN]
    texts: dict[str, set[str]] = defaultdict(set)
    for turn in flat(learn):
        texts[intents_of(turn.label)[0]].add(turn.text)
    names = (name for name, its in texts.items() if len(its) >= LEAST_TEXTS)
    test = list(found["test"].values())
    return Parts(learn, design, calibrate, test, tuple(sorted(names)))


def _number(conversation: str) -> int:
    return int.from_bytes(hashlib.sha256(conversation.encode()).digest()[:8])


def flat(dialogues: Dialogues) -> Iterator[Turn]:
    return (turn for turns in dialogues for turn in turns)


def learned(label: str, names: Sequence[str]) -> str:
    """The intent that is learned of a turn: the first, or out of domain where it is rare."""
    first = intents_of(label)[0]
    return first if first in names else OUT_OF_DOMAIN


def attar_model(domain: str, parts: Parts, options: argparse.Namespace) -> Model:
    folder = options.work / f"{domain}-{options.finetune}-{options.size_mb:g}"
    folder.mkdir(parents=True, exist_ok=True)
    for file, dialogues in (("train", parts.learn), ("test", parts.test)):
        lines = (
            {"text": turn.text, "label": label, "conversation": f"{file} {number}"}
            for number, turns in enumerate(dialogues)
            for turn in turns
            # Test keeps what a turn is labeled with, so that nothing unlearned is left out.
            for label in [learned(turn.label, parts.names) if file == "train" else turn.label]
        )
        text = "".join(json.dumps(line, ensure_ascii=False) + "\n" for line in lines)
        (folder / f"{file}.jsonl").write_text(text, encoding="utf-8")
    recipe, out = folder / "recipe.toml", folder / f"{domain}.attar"
    values = {"name": domain, "finetune": options.finetune, "size_mb": options.size_mb}
    recipe.write_text(RECIPE.format(**values, at_most=AT_MOST), encoding="utf-8")
    if not (options.resume and out.exists()):
        say(f"{domain}: attar build")
        with Bars() as progress:
            build(recipe, out, force=True, minutes=options.minutes, progress=progress)
    report = full_report(read_bundle(out))
    predictor = load(out)
    return Model(
        f"attar, {report['student']}", predictor.labels,
        lambda texts: _likely(predictor, texts), report["size_bytes"] / 1e6,
        _p50_ms(predictor, parts), report["measurements"]["build_seconds"],
        lambda texts: np.array([not answer.abstained for answer in predictor(texts)], bool),
    )  # fmt: skip


def _likely(predictor: Predictor, texts: Sequence[str]) -> Floats:
    logits = predictor.outputs(texts)["logits"]
    return softmax(logits / predictor.manifest["task_settings"]["temperature"])


def tfidf_model(domain: str, parts: Parts, options: argparse.Namespace, once: bool) -> Model:
    """once: a text counts once, with the label of most of its turns, as curation has it."""
    from scipy.sparse import hstack
    from sklearn.feature_extraction.text import TfidfVectorizer
    from sklearn.linear_model import LogisticRegression

    started = time.perf_counter()
    pairs = [(turn.text, learned(turn.label, parts.names)) for turn in flat(parts.learn)]
    if once:
        counts: dict[str, dict[str, int]] = defaultdict(lambda: defaultdict(int))
        for text, label in pairs:
            counts[text][label] += 1
        pairs = [(text, max(its, key=its.__getitem__)) for text, its in counts.items()]
    kinds: list[dict[str, Any]] = [
        {"analyzer": "word", "ngram_range": (1, 2), "token_pattern": r"(?u)\b\w+\b"},
        {"analyzer": "char_wb", "ngram_range": (2, 5)},
    ]
    vectorizers = [TfidfVectorizer(sublinear_tf=True, **kind) for kind in kinds]
    texts, labels = zip(*pairs, strict=True)
    head = LogisticRegression(C=10, max_iter=300)
    head.fit(hstack([v.fit_transform(texts) for v in vectorizers]).tocsr(), labels)
    seconds = time.perf_counter() - started

    def likely(texts: Sequence[str]) -> Floats:
        found: Floats = head.predict_proba(
            hstack([v.transform(list(texts)) for v in vectorizers]).tocsr()
        )
        return found

    ship = options.work / f"{domain}-tfidf" / "ship"
    ship.mkdir(parents=True, exist_ok=True)
    terms = [list(v.get_feature_names_out()) for v in vectorizers]
    (ship / "terms.json").write_text(json.dumps(terms), encoding="utf-8")
    np.save(ship / "weights.npy", head.coef_.astype(np.float16))
    np.save(ship / "idf.npy", np.concatenate([v.idf_ for v in vectorizers]).astype(np.float16))
    how = "a text once" if once else "all turns"
    return Model(
        f"TF-IDF + logistic regression, {how}", tuple(head.classes_), likely,
        shipped_mb(ship, ship.parent), _p50_ms(lambda text: likely([text]), parts), seconds,
    )  # fmt: skip


def _p50_ms(answer: Callable[[str], Any], parts: Parts) -> float:
    times = []
    for turn in list(flat(parts.test))[:TIMED]:
        started = time.perf_counter()
        answer(turn.text)
        times.append(time.perf_counter() - started)
    return 1000 * float(np.median(times))
