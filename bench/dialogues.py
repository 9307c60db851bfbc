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
import json
import os
import sys
from collections.abc import Iterator
from dataclasses import asdict, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np

from attar.evaluate.bounds import bounds_of
from attar.evaluate.statistics import clopper_pearson
from attar.evidence import Proportion
from classify import cpu_model, versions
from contenders import ROOT
from dialogue_models import (
    AT_MOST,
    Dialogues,
    Model,
    Parts,
    attar_model,
    flat,
    parts_of,
    tfidf_model,
)
from dialogue_rules import (
    ACTS,
    OUT_OF_DOMAIN,
    REQUESTS,
    Bools,
    Read,
    Rule,
    choose_threshold,
    count,
    error,
    read_turns,
    redrawn,
)

DOMAINS = ("airline", "insurance", "software")
ALPHA = 0.05


def figures(
    model: Model, parts: Parts, rule: Rule, aim: float, draws: int
) -> Iterator[dict[str, Any]]:
    """Of the test dialogues, at the threshold from calibrate and then at the model's own."""

    def read(dialogues: Dialogues) -> Read:
        likely = model.likely([turn.text for turn in flat(dialogues)])
        gold = [[turn.label for turn in turns] for turns in dialogues]
        return read_turns(gold, likely, model.names, rule)

    test = read(parts.test)
    threshold = choose_threshold(read(parts.design), read(parts.calibrate), aim, ALPHA)
    cut = float("inf") if threshold is None else threshold
    whole = {"model": model.title, "rule": rule.name, "threshold": threshold}
    whole |= {"size_mb": model.size_mb, "p50_ms": model.p50_ms, "build_s": model.build_s}
    if draws and model.answers is not None:
        sizes = len(parts.design), len(parts.calibrate)
        whole["redrawn"] = redrawn(test, sizes, aim, ALPHA, draws)
        print(f"{model.title}, {rule.name}: broken in {whole['redrawn']:.1%}", file=sys.stderr)
    yield whole | measured(test, test.sure >= cut)
    if model.answers is not None:
        own = model.answers([turn.text for turn in flat(parts.test)]) & (test.sure >= 0)
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
    add("--size-mb", type=float, default=1.0, help="attar's budget: %(default)s")
    add("--minutes", type=float, default=0.1, help="attar build --minutes: %(default)s")
    add("--finetune", default="frozen", help="of the teacher, as in recipes: %(default)s")
    add("--aim", type=float, default=AT_MOST,
        help="error that the threshold guarantees on calibrate: %(default)s")  # fmt: skip
    add(
        "--draws",
        type=int,
        default=0,
        help="redraws of the dialogues that choose attar's threshold",
    )
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
        shown = replace(parts, test=measured_on)
        outside = sum(any(t.label == OUT_OF_DOMAIN for t in turns) for turns in measured_on)
        models = [] if options.no_attar else [attar_model(domain, parts, options)]
        models += [tfidf_model(domain, parts, options, once) for once in (False, True)]
        for rule in (REQUESTS, ACTS):
            lines += ["", f"## {domain}, {rule.name}: {len(measured_on)} dialogues, of them "
                      f"{outside} with a turn out of domain", ""]  # fmt: skip
            lines += [f"| {' | '.join(COLUMNS)} |", "|" + "---|" * len(COLUMNS)]
            for model in models:
                for row in figures(model, shown, rule, options.aim, options.draws):
                    found.append({"domain": domain, "measured on": options.rows, **row})
                    lines.append(f"| {' | '.join(cells(row))} |")
        print("\n".join(lines[-16:]), file=sys.stderr, flush=True)
    whole = {"date": datetime.now(UTC).isoformat(timespec="seconds"), "cpu": cpu_model(),
             "versions": versions(), "at_most": AT_MOST,
             "aim": options.aim, "rows": found}  # fmt: skip
    text = "\n".join(["# Dialogues that reach a person", *lines, ""])
    options.out.mkdir(parents=True, exist_ok=True)
    (options.out / "dialogues.json").write_text(json.dumps(whole, indent=2) + "\n", "utf-8")
    (options.out / "dialogues.md").write_text(text, encoding="utf-8")
    print(text)
    return 0


if __name__ == "__main__":
    sys.exit(main())
