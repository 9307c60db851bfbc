"""attar on function calls: exactly right calls, call F1 and size, of real `attar build`s.

    python bench/calls.py [--data DIR] [--sets home-llm-piles,sgd-calls] [--sizes 4]

home-llm-piles: English requests at home and the service that each calls. Templates are filled
with names of devices and with numbers, colors and times; a fifth of the templates, of the
device names and of the other requests, by a hash of the text, is the test. Questions about a state
call nothing. Requests that name one device by its id have it as the argument: where the id's
words do not stand in the text, no model of this kind can answer, and the row counts as an error.
sgd-calls: the last turns of a dialogue and the service call that follows; services of train only.
"""

from __future__ import annotations

import argparse
import gzip
import hashlib
import json
import os
import random
import re
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from attar.build import build
from attar.bundle import read_bundle
from attar.cli.progress import Bars
from attar.data.called import read_functions
from attar.data.read import read_rows
from attar.evaluate.report import full_report
from attar.recipe import DataSection
from attar.runtime.predictor import load
from attar.tasks import task_in
from attar.tasks.annotations import annotation_in
from attar.tasks.segments import parts_in
from attar.types import Row
from contenders import ROOT

Rows = list[dict[str, Any]]
FILLINGS = 12  # of one template, with other devices and values
TEST_PERCENT = 20
SLOT = re.compile(r"<(\w+)>")

TEXT: dict[str, Any] = {"type": "string"}
COLORS = ["red", "blue", "green", "purple", "warm white", "orange", "turquoise", "pink"]
FAN_MODES = ["low", "medium", "high", "auto"]
HVAC_MODES = ["heat", "cool", "auto", "dry", "off"]
THINGS = ["oat milk", "new batteries", "call the plumber", "tomatoes", "water the plants",
          "birthday candles", "rye bread", "light bulbs", "mop the floor", "dog food"]  # fmt: skip
VALUES: dict[str, tuple[str, dict[str, Any]]] = {  # slot: argument, its schema
    "brightness": ("brightness", {"type": "integer", "minimum": 0, "maximum": 100}),
    "color": ("color", TEXT),
    "duration": ("duration", {"type": "string", "format": "duration"}),
    "temp_f": ("temperature", {"type": "integer"}),
    "temp_c": ("temperature", {"type": "integer"}),
    "humidity": ("humidity", {"type": "integer", "minimum": 0, "maximum": 100}),
    "fan_mode": ("fan_mode", {"type": "string", "enum": FAN_MODES}),
    "hvac_mode": ("hvac_mode", {"type": "string", "enum": HVAC_MODES}),
    "todo": ("item", TEXT),
}


def in_test(text: str) -> bool:
    digest = hashlib.sha256(text.encode()).digest()
    return int.from_bytes(digest[:8], "big") % 100 < TEST_PERCENT


def home(folder: Path) -> tuple[Rows, Rows, list[dict[str, Any]]]:
    """Train rows, test rows and functions of home-llm-piles."""
    devices: dict[bool, dict[str, list[str]]] = {False: {}, True: {}}
    for row in _lines(folder / "devices_english.jsonl"):
        kind = row["device"].split(".")[0]
        devices[in_test(row["name"])].setdefault(kind, []).append(row["name"])
    found: dict[str, dict[bool, Rows]] = {}
    arguments: dict[str, dict[str, Any]] = {}
    for pile in _lines(folder / "english.jsonl.gz"):
        test, rng = in_test(pile["text"]), random.Random(pile["text"])
        made: Rows = []
        if pile["kind"] == "specific":
            device = pile["device"].replace("_", " ")
            arguments.setdefault(pile["service"], {})["device"] = TEXT
            call = {"name": pile["service"], "arguments": {"device": device}}
            made = [{"text": pile["text"], "calls": [call]}]
        elif pile["kind"] == "templated":
            kinds, _, actions = pile["service"].partition(".")
            services = list(zip(kinds.split("|"), actions.split("|"), strict=True))
            made = [_fill(pile["text"], services, devices[test], rng) for _ in range(FILLINGS)]
        elif pile["kind"] == "status":
            service = [(pile["device_type"], "state")]
            filled = [_fill(pile["text"], service, devices[test], rng) for _ in range(3)]
            made = [{"text": row["text"], "calls": []} for row in filled]
        for row in made:
            row["group"] = pile["text"]  # fillings of one template are no independent rows
            for call in row["calls"]:
                known = arguments.setdefault(call["name"], {})
                known |= {name: SCHEMAS[name] for name in call["arguments"]}
            found.setdefault(row["text"].casefold(), {}).setdefault(test, []).append(row)
    train = [by[False][0] for by in found.values() if True not in by]
    held_out = [by[True][0] for by in found.values() if True in by]
    functions = [_function(name, known) for name, known in sorted(arguments.items())]
    return train, held_out, functions


SCHEMAS = {"device": TEXT, **dict(VALUES.values())}


def _fill(
    text: str, services: list[tuple[str, str]], devices: dict[str, list[str]], rng: random.Random
) -> dict[str, Any]:
    """One filling of a template; its first device is that of its first service, and so on."""
    calls = [{"name": ".".join(service), "arguments": {}} for service in services]

    def put(match: re.Match[str]) -> str:
        slot = match[1]
        number = re.fullmatch(r"device_name(\d?)", slot)
        if number:
            at = int(number[1] or 1) - 1
            said = rng.choice(devices[services[at][0]])
            calls[at]["arguments"]["device"] = said
            return said
        said, value = _value(slot, rng)
        calls[0]["arguments"][VALUES[slot][0]] = value
        return said

    return {"text": SLOT.sub(put, text), "calls": calls}


def _value(slot: str, rng: random.Random) -> tuple[str, Any]:
    """How a value is said, and the value."""
    if slot == "duration":
        minutes = rng.choice([1, 2, 5, 10, 15, 20, 25, 30, 45, 60, 90, 120])
        hours = {60: "one hour", 90: "an hour and a half", 120: "two hours"}
        return hours.get(minutes, f"{minutes} minutes"), f"PT{minutes}M"
    texts = {"color": COLORS, "fan_mode": FAN_MODES, "hvac_mode": HVAC_MODES, "todo": THINGS}
    if slot in texts:
        said = rng.choice(texts[slot])
        return said, said
    low, high = {"temp_f": (60, 85), "temp_c": (15, 28)}.get(slot, (5, 100))
    number = rng.randint(low, high)
    return str(number), number


def sgd(folder: Path) -> tuple[Rows, Rows, list[dict[str, Any]]]:
    """Train rows, validation rows of services of train, and the functions of sgd-calls."""
    schema = {service["service_name"]: service for service in _json(folder / "schema_train.json")}
    made: dict[str, Rows] = {"train": [], "validation": []}
    used: dict[str, set[str]] = {}
    for part, rows in made.items():
        for row in _lines(folder / f"{part}.jsonl.gz"):
            if row["service"] not in schema:
                continue
            name = f"{row['service']}.{row['call']['method']}"
            text = "\n".join(turn["text"] for turn in row["history"])
            call = {"name": name, "arguments": row["call"]["parameters"]}
            used.setdefault(name, set()).update(call["arguments"])
            rows.append({"text": text, "calls": [call], "group": row["dialogue_id"]})
    functions = []
    for name, slots in sorted(used.items()):
        service = schema[name.split(".")[0]]
        values = {slot["name"]: slot["possible_values"] for slot in service["slots"]}
        kinds = {slot: _sgd_schema(slot, values.get(slot, [])) for slot in sorted(slots)}
        functions.append(_function(name, kinds))
    return made["train"], made["validation"], functions


def _sgd_schema(slot: str, values: list[str]) -> dict[str, Any]:
    for form in ("date", "time"):
        if slot == form or slot.endswith(f"_{form}"):
            return {"type": "string", "format": form}
    return TEXT


def _function(name: str, arguments: dict[str, Any]) -> dict[str, Any]:
    return {"name": name, "parameters": {"type": "object", "properties": arguments}}


def _lines(path: Path) -> Iterator[dict[str, Any]]:
    content = path.read_bytes()
    content = gzip.decompress(content) if path.suffix == ".gz" else content
    yield from map(json.loads, content.decode("utf-8").split("\n")[:-1])


def _json(path: Path) -> Any:
    return json.loads(path.read_text(encoding="utf-8"))


SETS = {"home-llm-piles": home, "sgd-calls": sgd}


def written(name: str, options: argparse.Namespace) -> Path:
    """The folder of a set's rows, functions and recipe."""
    train, held_out, functions = SETS[name](options.data / name)
    work: Path = options.work / "calls" / name
    work.mkdir(parents=True, exist_ok=True)
    for file, rows in (("train", train), ("test", held_out)):
        text = "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows)
        (work / f"{file}.jsonl").write_text(text, encoding="utf-8")
    (work / "functions.json").write_text(json.dumps(functions, indent=1), encoding="utf-8")
    return work


def build_one(name: str, work: Path, size: float, minutes: float | None) -> Path:
    recipe, out = work / "recipe.toml", work / f"{name}-{size:g}.attar"
    recipe.write_text(
        'task = "extract"\n[data]\ntrain = "train.jsonl"\ntest = "test.jsonl"\n'
        f'functions = "functions.json"\ngroup = "group"\n[budget]\nsize_mb = {size}\n',
        encoding="utf-8",
    )
    if not out.exists():
        with Bars() as progress:
            build(recipe, out, minutes=minutes, progress=progress)
    return out


def annotated(work: Path, part: str) -> list[Row]:
    functions, path = read_functions(work / "functions.json"), work / f"{part}.jsonl"
    options: dict[str, Any] = {"labeled": True, "strict": True, "kind": "spans"}
    return read_rows([path], DataSection(()), functions=functions, **options)[0]


def reach(work: Path) -> str:
    """What can be answered at all: rows each of whose calls stands in at least two rows of train,
    by name and constants."""
    templates = {
        part: [parts_in(annotation_in(row.label).label) for row in annotated(work, part)]
        for part in ("train", "test")
    }
    counts = Counter(part for parts in templates["train"] for part in set(parts))
    known = sum(all(counts[part] >= 2 for part in parts) for parts in templates["test"])
    single = sum(n == 1 for n in counts.values())
    together = {parts for parts in templates["train"] if len(parts) > 1}
    several = [parts for parts in templates["test"] if len(parts) > 1]
    return (
        f"{len(counts):,} kinds of calls in train, {single:,} of them in one row; "
        f"{known:,} of {len(templates['test']):,} test rows have such as can be learned; "
        f"{len(together)} combinations in train, which {sum(p in together for p in several):,} "
        f"of {len(several):,} test rows with several calls have"
    )


def show(out: Path, work: Path) -> None:
    """All rows, then those with no, one and several calls, and those that could be answered."""
    report, predictor = full_report(read_bundle(out)), load(out)
    task, labels = task_in(predictor.manifest), set(predictor.labels)
    functions = read_functions(work / "functions.json")
    rows, _ = read_rows(
        [work / "test.jsonl"], DataSection(()), labeled=True, strict=True, kind="spans",
        functions=functions,
    )  # fmt: skip
    answers = predictor([row.text for row in rows])
    counts = [len(json.loads(annotation_in(row.label).label or "[]")) for row in rows]
    cuts = {
        "all": [True] * len(rows),
        "calls nothing": [n == 0 for n in counts],
        "one call": [n == 1 for n in counts],
        "several calls": [n > 1 for n in counts],
        "calls known from train": [
            labels.issuperset(parts_in(annotation_in(row.label).label)) for row in rows
        ],
    }
    mb = report["size_bytes"] / 1e6
    print(f"| {report['student']} | rows | MB | exact calls | call F1 | abstains |")
    print("|---|---|---|---|---|---|")
    for title, kept in cuts.items():
        chosen = [i for i, keep in enumerate(kept) if keep]
        if not chosen:
            continue
        ours = [answers[i] for i in chosen]
        figures = task.metrics([rows[i] for i in chosen], ours, None)
        shares = [100 * figures[key] for key in ("calls", "call_f1")]
        cells = ("–" if share != share else f"{share:.1f}" for share in shares)
        away = sum(answer.abstained for answer in ours) / len(ours)
        print(f"| {title} | {len(chosen):,} | {mb:.2f} | {' | '.join(cells)} | {100 * away:.1f} |")
    theirs = report["teacher"]["metrics"]
    cells = (f"{100 * theirs[key]:.1f}" for key in ("calls", "call_f1"))
    print(f"| its teacher, all | {len(rows):,} | – | {' | '.join(cells)} | – |", flush=True)


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n\n")[0])
    default = os.environ.get("ATTAR_DATA") or str(ROOT.parent / "shared" / "data")
    add = parser.add_argument
    add("--data", type=Path, default=Path(default), help="folder of the data sets (ATTAR_DATA)")
    add("--sets", default="home-llm-piles", help=f"of {', '.join(SETS)}: %(default)s")
    add("--sizes", default="4", help="of bundles in MB (10^6 bytes): %(default)s")
    add("--minutes", type=float, help="of the search among shapes (attar build --minutes)")
    add("--rows-only", action="store_true", help="write the rows and count them, build nothing")
    add("--work", type=Path, default=ROOT / ".bench", help="folder of rows and caches")
    options = parser.parse_args()
    for name in options.sets.split(","):
        work = written(name, options)
        counts = [sum(1 for _ in (work / f"{part}.jsonl").open()) for part in ("train", "test")]
        functions = len(_json(work / "functions.json"))
        print(f"\n## {name}: {counts[0]:,} train rows, {counts[1]:,} test; {functions} functions\n")
        print(f"{reach(work)}\n", flush=True)
        for size in [] if options.rows_only else [float(size) for size in options.sizes.split(",")]:
            show(build_one(name, work, size, options.minutes), work)
    return 0


if __name__ == "__main__":
    sys.exit(main())
