"""Personal data found by patterns: precision and recall by kind, on synthetic sentences.

    python bench/personal_data.py [--data DIR] [--file test.jsonl]

A finding counts as right if it has the kind of a marked span and overlaps it; `covered` is
the share of the marked characters that a redaction would replace, whatever kind it names.
Kinds that no pattern can find (names, places, …) are listed with what is covered of them,
which is what a pattern for something else happens to hit.
"""

from __future__ import annotations

import argparse
import gzip
import json
import os
import sys
from collections import Counter
from pathlib import Path

from attar.data.personal import KINDS, Found, find_personal_data
from contenders import ROOT
from report import line

#: What the set calls a kind -> what attar does.
NAMES = {**KINDS, "DOMAIN_NAME": KINDS["URL"]}


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n\n")[0])
    default = os.environ.get("ATTAR_DATA") or str(ROOT.parent / "shared" / "data")
    parser.add_argument("--data", type=Path, default=Path(default), help="folder of the data sets")
    parser.add_argument("--file", default="test.jsonl", help="default: %(default)s")
    options = parser.parse_args()
    path = options.data / "pii-presidio" / options.file
    with gzip.open(path, "rt") if path.suffix == ".gz" else path.open(encoding="utf-8") as file:
        rows = [json.loads(text) for text in file]
    marked, found, right, characters, covered = (Counter[str]() for _ in range(5))
    for row in rows:
        findings = find_personal_data(row["text"])
        found.update(one.kind for one in findings)
        replaced = {i for one in findings for i in range(one.start, one.end)}
        left = list(findings)
        for span in row["spans"]:
            kind = NAMES.get(span["label"], span["label"])
            marked[kind] += 1
            characters[kind] += span["end"] - span["start"]
            covered[kind] += len(replaced.intersection(range(span["start"], span["end"])))
            hits = (o for o in left if o.kind == kind and touch(o, span["start"], span["end"]))
            hit = next(hits, None)
            if hit is not None:
                right[kind] += 1
                left.remove(hit)
    print(f"{len(rows):,} sentences of {options.file}\n")
    head = ("kind", "marked", "precision %", "recall %", "covered %")
    print(line(head), line(("---",) * len(head)), sep="\n")
    kinds = [kind for kind in KINDS.values() if marked[kind] or found[kind]]
    for kind in [*kinds, *sorted(set(marked) - set(kinds))]:
        precision = share(right[kind], found[kind]) if kind in kinds else "-"
        recall = share(right[kind], marked[kind]) if kind in kinds else "not looked for"
        cells = (kind, str(marked[kind]), precision, recall)
        print(line((*cells, share(covered[kind], characters[kind]))))
    return 0


def touch(one: Found, start: int, end: int) -> bool:
    return one.start < end and start < one.end


def share(part: int, whole: int) -> str:
    return f"{100 * part / whole:.1f} ({part} of {whole})" if whole else "-"


if __name__ == "__main__":
    sys.exit(main())
