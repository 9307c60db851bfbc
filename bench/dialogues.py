"""How many dialogues of MultiDoGO reach a person when a small model reads the customer.

    python bench/dialogues.py [--data DIR] [--domains airline,insurance,software] [--resume]

Only customers' turns are in the data. A turn is *answered* if the model is sure enough of it; of
one that is not, and of one that it reads as out of domain, a person takes over. A dialogue is
*contained* if every turn with a word in it is answered: acts and talk as well, because a bot does
not know beforehand which turns ask for something. Beside it stands *asking once*: the first turn
that is not answered in a dialogue is asked again in other words, and the second goes to a person
(the data have no other words, so it is taken for granted that those are understood).

An answer is *right* if the bot does what the gold intents would have it do (`dialogue_rules`):
turns to the request that is asked for; goes on where the turn agrees, greets, thanks, tells
something, or asks again for what the bot has turned to; stops where it declines or ends. What is
out of domain is answered wrongly whatever is answered. The second rule, *requests and acts*, also
parts telling from agreeing. Values of slots are not judged.

Who never sees what, by whole conversations: the model learns from four fifths of the train split;
the last fifth and the validation split choose the threshold, at which the error when answering is
at most 3 % with 95 % confidence; the test split is measured and decides the claim. The threshold
that the build itself fixes is shown beside: it is about exact intents, of texts that stand once.
The rival is TF-IDF with logistic regression, its threshold chosen alike from the same rows.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import sys
import time
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np

from attar.build import build
from attar.bundle import read_bundle
from attar.cli.progress import Bars
from attar.evaluate.bounds import bounds_of
from attar.evaluate.report import full_report
from attar.evaluate.statistics import clopper_pearson
from attar.evidence import Proportion
from attar.metrics import softmax
from attar.runtime.predictor import Predictor, load
from classify import cpu_model, say, versions
from contenders import ROOT, shipped_mb
from dialogue_rules import (
    ACTS,
    OUT_OF_DOMAIN,
    REQUESTS,
    Bools,
    Floats,
    Read,
    Rule,
    choose_threshold,
    count,
    error,
    intents_of,
    read_turns,
)
from spans import rows_of

DOMAINS = ("airline", "insurance", "software")
AT_MOST = 0.03  # error when answering
ALPHA = 0.05
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
    for turn in _flat(learn):
        texts[intents_of(turn.label)[0]].add(turn.text)
    names = (name for name, its in texts.items() if len(its) >= LEAST_TEXTS)
    test = list(found["test"].values())
    return Parts(learn, design, calibrate, test, tuple(sorted(names)))


def _number(conversation: str) -> int:
    return int.from_bytes(hashlib.sha256(conversation.encode()).digest()[:8])


def _flat(dialogues: Dialogues) -> Iterator[Turn]:
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
    pairs = [(turn.text, learned(turn.label, parts.names)) for turn in _flat(parts.learn)]
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
    for turn in list(_flat(parts.test))[:TIMED]:
        started = time.perf_counter()
        answer(turn.text)
        times.append(time.perf_counter() - started)
    return 1000 * float(np.median(times))


def figures(model: Model, parts: Parts, rule: Rule) -> Iterator[dict[str, Any]]:
    """Of the test dialogues, at the threshold from calibrate and then at the model's own."""

    def read(dialogues: Dialogues) -> Read:
        likely = model.likely([turn.text for turn in _flat(dialogues)])
        gold = [[turn.label for turn in turns] for turns in dialogues]
        return read_turns(gold, likely, model.names, rule)

    test = read(parts.test)
    threshold = choose_threshold(read(parts.design), read(parts.calibrate), AT_MOST, ALPHA)
    cut = float("inf") if threshold is None else threshold
    whole = {"model": model.title, "rule": rule.name, "threshold": threshold}
    whole |= {"size_mb": model.size_mb, "p50_ms": model.p50_ms, "build_s": model.build_s}
    yield whole | measured(test, test.sure >= cut)
    if model.answers is not None:
        own = model.answers([turn.text for turn in _flat(parts.test)]) & (test.sure >= 0)
        yield whole | {"model": "its own threshold", "threshold": "own"} | measured(test, own)


def measured(test: Read, answered: Bools) -> dict[str, Any]:
    found: dict[str, Any] = asdict(count(test, answered))
    total = found["dialogues"]
    for key in ("contained", "right", "asked_once"):
        found[f"{key}_bounds"] = clopper_pearson(found[key], total, ALPHA / 2)
    found |= {"turns": len(answered), "answered": int(answered.sum())}
    found |= {"accuracy": float(test.right.mean())}
    if not answered.any():
        return found | {"claim": "no threshold holds"}
    kept = Read(np.where(answered, 1.0, -1.0), test.right, test.dialogue)
    low, high, _ = bounds_of(error(kept, 0.5))(ALPHA)
    found |= {"error": float((~test.right[answered]).mean()), "error_bound": 1 - low}
    # The exact method of the report, beside: one turn of each dialogue.
    one = Proportion(~test.right[answered], test.dialogue[answered])
    found["error_bound_one_turn"] = bounds_of(one)(ALPHA).upper
    met, unmet = 1 - low <= AT_MOST, 1 - high > AT_MOST
    return found | {"claim": "met" if met else "unmet" if unmet else "undecided"}


COLUMNS = ("model", "contained %", "and all right %", "asking once, contained %", "answered %",
           "error when answering %", "at most, 95 %", "claim", "MB", "p50 ms",
           "build s")  # fmt: skip


def cells(row: dict[str, Any]) -> list[str]:
    def share(key: str) -> str:
        low, high = row[f"{key}_bounds"]
        return f"{100 * row[key] / row['dialogues']:.1f} ({100 * low:.1f} to {100 * high:.1f})"

    right, answered = row["right"] / row["dialogues"], row["answered"] / row["turns"]
    errors = ["–", "–"]
    if "error" in row:
        errors = [f"{100 * row[key]:.2f}" for key in ("error", "error_bound")]
    return [
        row["model"], share("contained"), f"{100 * right:.1f}", share("asked_once"),
        f"{100 * answered:.1f}", *errors, row["claim"], f"{row['size_mb']:.2f}",
        f"{row['p50_ms']:.2f}", f"{row['build_s']:.0f}",
    ]  # fmt: skip


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n\n")[0])
    default = os.environ.get("ATTAR_DATA") or str(ROOT.parent / "shared" / "data")
    add = parser.add_argument
    add("--data", type=Path, default=Path(default), help="folder of the data sets (ATTAR_DATA)")
    add("--domains", default=",".join(DOMAINS), help="default: %(default)s")
    add("--size-mb", type=float, default=6.0, help="attar's budget: %(default)s")
    add("--minutes", type=float, default=0.1, help="attar build --minutes: %(default)s")
    add("--finetune", default="auto", help="of the teacher, as in recipes: %(default)s")
    add("--no-attar", action="store_true", help="the rival only")
    add("--rows", choices=("test", "design"), default="test",
        help="design: measure on the dialogues that fix the sequence, to try things")  # fmt: skip
    add("--out", type=Path, default=ROOT / "bench" / "results", help="folder of the results")
    add("--work", type=Path, default=ROOT / ".bench" / "dialogues", help="folder of the builds")
    add("--resume", action="store_true", help="reuse what is already built in --work")
    return parser.parse_args()


def main() -> int:
    options, lines, found = arguments(), list[str](), list[dict[str, Any]]()
    for domain in options.domains.split(","):
        parts = parts_of(domain, options.data)
        measured_on = parts.test if options.rows == "test" else parts.design
        shown = Parts(parts.learn, parts.design, parts.calibrate, measured_on, parts.names)
        outside = sum(any(t.label == OUT_OF_DOMAIN for t in turns) for turns in measured_on)
        models = [] if options.no_attar else [attar_model(domain, parts, options)]
        models += [tfidf_model(domain, parts, options, once) for once in (False, True)]
        for rule in (REQUESTS, ACTS):
            lines += ["", f"## {domain}, {rule.name}: {len(measured_on)} dialogues, of them "
                      f"{outside} with a turn out of domain", ""]  # fmt: skip
            lines += [f"| {' | '.join(COLUMNS)} |", "|" + "---|" * len(COLUMNS)]
            for model in models:
                for row in figures(model, shown, rule):
                    found.append({"domain": domain, "measured on": options.rows, **row})
                    lines.append(f"| {' | '.join(cells(row))} |")
        print("\n".join(lines[-16:]), file=sys.stderr, flush=True)
    whole = {"date": datetime.now(UTC).isoformat(timespec="seconds"), "cpu": cpu_model(),
             "versions": versions(), "at_most": AT_MOST, "rows": found}  # fmt: skip
    text = "\n".join(["# Dialogues that reach a person", *lines, ""])
    options.out.mkdir(parents=True, exist_ok=True)
    (options.out / "dialogues.json").write_text(json.dumps(whole, indent=2) + "\n", "utf-8")
    (options.out / "dialogues.md").write_text(text, encoding="utf-8")
    print(text)
    return 0


if __name__ == "__main__":
    sys.exit(main())
