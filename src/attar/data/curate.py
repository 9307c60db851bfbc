"""From the files of a recipe to four clean splits, with every dropped row accounted for.

The rows of a test file are taken as they are: never filtered, never relabeled. Calibrate,
and certify where there is no test file, get one row a text, drawn whatever its label;
train and select get the majority's (`filters.Repeats`). It does not write files by
itself (`save_dropped` does, when asked), and it labels nothing.
"""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from itertools import chain
from pathlib import Path
from typing import Any

from attar.data import filters, reasons
from attar.data.balance import balance
from attar.data.called import read_functions
from attar.data.documents import DOCUMENTS, names_of, naming, read_documents
from attar.data.filters import Filtered
from attar.data.joined import joined_rows
from attar.data.neighborhood import Neighborhood
from attar.data.neighbors import clusters
from attar.data.read import read_rows
from attar.data.screen import screen
from attar.data.split import (
    LabelsOf,
    fractions_without,
    in_order,
    row_key,
    split,
)
from attar.data.suspicious import check_judgeable
from attar.errors import DataError
from attar.files import write_atomically
from attar.recipe import DataSection
from attar.registry import did_you_mean
from attar.runtime.index import check_texts
from attar.types import Dataset, Document, Dropped, Flagged, Progress, Row, Silent, Task

FEW_ROWS = 5
LEAST_ROWS = 2  # of a label, for it to be learned
MAX_UNKNOWN_SHARE = 0.01
SPLITS = ("train", "select", "calibrate", "certify", "unlabeled")


def curate(
    task: Task,
    fields: DataSection,
    *,
    known: Sequence[str] = (),
    seed: int = 0,
    progress: Progress | None = None,
) -> Dataset:
    """Read, clean and split the data that a recipe names.

    known: labels that need no train rows, because the model to start from has them.
    Raises DataError for files, rows or labels that cannot be used. The result depends
    on what the rows say and on `seed`, not on the order of the rows.
    """
    progress = progress or Silent()
    if (how := fields.suspicious_labels) in ("drop", "relabel"):
        check_judgeable(task, f'[data] suspicious_labels = "{how}"')
    progress.say("reading the data")
    train, given, unlabeled, dropped = _read(task, fields)
    documents, train, given = _with_documents(task, fields, train, given)
    test = given.get("certify", [])

    progress.say(f"cleaning {len(train):,} train rows")
    long = task.gold_kind == "summary"
    most = filters.MAX_DOCUMENT_CHARACTERS if long else filters.MAX_CHARACTERS
    train = _keep(filters.usable(train, most), dropped)
    labeled, repeats = train, filters.Repeats(train)
    train = _keep(repeats.merged(), dropped)
    train = _keep(filters.without_duplicates(train), dropped)
    unlabeled = _keep(filters.usable(unlabeled, most), dropped)
    unlabeled = _keep(filters.without_duplicates(unlabeled), dropped)
    progress.say("looking for near-duplicates and leaks")
    # All labeled rows: evaluation may draw one that merging took out.
    near = Neighborhood(chain(labeled, *given.values(), unlabeled))
    train = _keep(filters.without_near_duplicates(train, near), dropped)
    apart = [row for rows in given.values() for row in rows]
    if fields.leaks == "groups":  # what people say again and again is no leak
        train = _keep(filters.without_shared_groups(train, apart), dropped)
    else:
        if "calibrate" in given:
            own = filters.without_leaks(given["calibrate"], test, near)
            given["calibrate"] = _keep(own, dropped)
            apart = [row for rows in given.values() for row in rows]
        train = _keep(filters.without_leaks(train, apart, near), dropped)

    learnable, _ = repeats.to_learn(train)
    names = _labels(task, learnable)
    rare = _Rare(task, learnable if fields.functions is not None else ())
    learnable, _ = rare.to_learn(learnable)
    notes = _check_labels(
        task, learnable, apart, fields.out_of_scope, known, bool(fields.functions)
    )
    task.check([*learnable, *(Row("", label) for label in known for _ in range(2))])
    splits = _split(rare.labels_of, train, given, near, seed)
    for name in ("train", "select"):
        splits[name] = _keep(repeats.to_learn(splits[name]), dropped)
        splits[name] = _keep(rare.to_learn(splits[name]), dropped)

    def learned(label: str | None) -> bool:
        return label is not None and all(part in names for part in task.labels_of(label))

    for name in ("calibrate", "certify"):
        if name not in given:
            splits[name] = in_order(repeats.to_evaluate(splits[name], learned, dropped))
    _check_not_empty(splits, train)
    notes += _drop_notes(task, train, dropped)
    if again := sum(len(document.also) for document in documents):
        notes.append(f"{again} documents equal another and are one with it")
    held_out = splits["select"] + splits["calibrate"] + splits["certify"]
    unlabeled = _keep(filters.without_leaks(unlabeled, held_out, near), dropped)
    unlabeled = _keep(filters.without_known(unlabeled, splits["train"]), dropped)
    splits["unlabeled"] = in_order(unlabeled)
    progress.say("looking at quality, languages and personal data")
    flagged, remarks = screen(splits, fields, task.gold_kind, dropped, progress)
    if fields.functions is not None:
        functions = read_functions(fields.functions)
        made = joined_rows(splits["train"], held_out, functions, seed)
        splits["train"] += made
        remarks = [*remarks, f"{len(made)} train rows of several requests were joined from others"]
    # As they are: the model that ships must read all of them.
    splits["unlabeled"] += [Row(document.read, file=DOCUMENTS) for document in documents]
    progress.say(f"kept {sum(map(len, splits.values())):,} rows, dropped {len(dropped):,}")
    return Dataset(
        **{name: tuple(splits[name]) for name in SPLITS},
        dropped=tuple(dropped),
        flagged=tuple(flagged),
        notes=(*notes, *remarks),
        fingerprint=_fingerprint(splits, documents),
        documents=documents,
        own_calibrate="calibrate" in given,
    )


def summary(dataset: Dataset, task: Task) -> dict[str, Any]:
    """Rows and label counts by split, drops and flags by reason, balance, notes: for JSON."""
    splits = {name: getattr(dataset, name) for name in SPLITS}
    reason_counts = Counter(d.reason for d in dataset.dropped)
    flag_counts = Counter(f.reason for f in dataset.flagged)
    return {
        "rows": {name: len(rows) for name, rows in splits.items()},
        "labels": {
            name: dict(sorted(_labels(task, rows).items())) for name, rows in splits.items()
        },
        "dropped": {reason: reason_counts[reason] for reason in reasons.DROPS},
        "flagged": {reason: flag_counts[reason] for reason in reasons.ALL if flag_counts[reason]},
        "balance": balance(
            [
                row if row.label == label else replace(row, label=label)
                for row in dataset.train
                for label in task.labels_of(row.label)
            ]
        ),
        "notes": list(dataset.notes),
        "fingerprint": dataset.fingerprint,
    }


def save_dropped(dataset: Dataset, path: str | Path) -> None:
    """Write the dropped rows as JSONL. Raises OutputError when the disk refuses."""
    save_rows(dataset.dropped, path)


def save_rows(found: Iterable[Dropped | Flagged], path: str | Path) -> None:
    """Write dropped or flagged rows as JSONL, each with its reason."""
    lines = (
        json.dumps(
            {
                "file": d.row.file,
                "row": d.row.line,
                "text": d.row.text,
                "label": d.row.label,
                "reason": d.reason,
                "detail": d.detail,
            },
            ensure_ascii=False,
        )
        for d in found
    )
    write_atomically(path, "".join(line + "\n" for line in lines).encode("utf-8"))


def _labels(task: Task, rows: Iterable[Row]) -> Counter[str]:
    """How many rows have each label."""
    return Counter(label for row in rows for label in task.labels_of(row.label))


Given = dict[str, list[Row]]  # rows of the splits that have files of their own


def _read(task: Task, fields: DataSection) -> tuple[list[Row], Given, list[Row], list[Dropped]]:
    kind = task.gold_kind
    functions = None if fields.functions is None else read_functions(fields.functions)
    read = partial(read_rows, fields=fields, labeled=True, kind=kind, functions=functions)
    train, dropped = read(fields.train, strict=False)
    files = {"calibrate": fields.calibrate, "certify": fields.test}
    given = {name: in_order(read(paths, strict=True)[0]) for name, paths in files.items() if paths}
    unlabeled, more = read_rows(fields.unlabeled, fields, labeled=False, strict=False, kind=kind)
    # From here on no step depends on the order of the files.
    return in_order(train), given, in_order(unlabeled), dropped + more


def _with_documents(
    task: Task, fields: DataSection, train: list[Row], given: Given
) -> tuple[tuple[Document, ...], list[Row], Given]:
    """The documents of a task that ranks them, and the rows with the ids of those."""
    if task.gold_kind != "document":
        if fields.documents:
            raise DataError(f"[data] documents: the task {task.name} ranks none. Take the key out.")
        return (), train, given
    if not fields.documents:
        raise DataError(
            f"the task {task.name} needs documents to rank: name their files in the recipe, "
            '[data] documents = "documents.jsonl", a line each: {"id": "…", "text": "…"}'
        )
    documents = read_documents(fields.documents)
    check_texts(documents)
    oos = fields.out_of_scope
    if oos in names_of(documents):
        raise DataError(f"[data] out_of_scope = {oos!r}: a document has this id. Rename one.")
    named = {name: naming(rows, documents, oos) for name, rows in given.items()}
    return tuple(documents), naming(train, documents, oos), named


def _keep(filtered: Filtered, dropped: list[Dropped]) -> list[Row]:
    kept, out = filtered
    dropped += out
    return kept


def _check_labels(
    task: Task,
    train: list[Row],
    test: list[Row],
    out_of_scope: str | None,
    known: Sequence[str],
    calls: bool,
) -> list[str]:
    """Refuse labels that cannot be learned or certified; return notes on weak ones."""
    counts = _labels(task, train)
    if not train:
        raise DataError(
            "no train row is left after cleaning. Are train and test the same file? "
            "Name different ones, or leave test out."
        )
    if task.gold_kind == "document":  # which has no classes, and need not know each document
        return []
    counts.update(dict.fromkeys(known, FEW_ROWS))
    if out_of_scope is not None and out_of_scope not in counts:
        raise DataError(
            f"[data] out_of_scope = {out_of_scope!r}: no train row has this label."
            f"{did_you_mean(out_of_scope, counts)} There are: {_some(counts)}."
        )
    in_scope = [label for label in counts if label != out_of_scope]
    if len(in_scope) < (2 if task.gold_kind == "label" else 1):
        raise DataError(
            f"the train rows left have only the label {_some(in_scope)}"
            f"{' in scope' if out_of_scope else ''}; telling apart takes two. "
            'Add rows of another label, or name the field: [data] label = "…".'
        )
    single = [label for label, n in counts.items() if n == 1]
    if single and task.gold_kind != "summary":  # a rare section is merely not learned
        raise DataError(
            f"only one train row is left for {_some(single)}. "
            "Add rows, or merge the label with another."
        )
    return [*_few_note(counts), *_unknown_note(counts, task, test, calls)]


def _few_note(counts: Mapping[str, int]) -> list[str]:
    few = [label for label, n in counts.items() if n < FEW_ROWS]
    return [f"fewer than {FEW_ROWS} train rows for {_some(few)}"] if few else []


def _unknown_note(counts: Mapping[str, int], task: Task, test: list[Row], calls: bool) -> list[str]:
    unknown = [set(task.labels_of(row.label)) - counts.keys() for row in test]
    rows = sum(map(bool, unknown))
    if not rows:
        return []
    message = f"{rows} of {len(test)} test rows have labels without train rows: " + (
        _some(set().union(*unknown))
    )
    # Of calls some combinations are always new; to leave them out would flatter the model.
    settled = calls or task.gold_kind == "summary"
    if rows > MAX_UNKNOWN_SHARE * len(test) and not settled:
        raise DataError(
            f"{message}. Every such row counts as an error. Add train rows with these "
            f"labels, or mend their spelling; train has: {_some(counts)}."
        )
    return [message]


def _drop_notes(task: Task, train: list[Row], dropped: list[Dropped]) -> list[str]:
    counts = Counter(d.reason for d in dropped)
    lost = _labels(task, (d.row for d in dropped)).keys() - _labels(task, train).keys()
    texts = {
        reasons.ENCODING: "rows with encoding errors were dropped",
        reasons.LABEL_CONFLICT: "train rows whose text stands under another label were dropped",
        reasons.LEAK: "train rows that equal, nearly equal or share a group with a test row "
        "were dropped",
        reasons.RARE_CALLS: f"train rows whose calls, or an argument of them, stand in fewer than "
        f"{LEAST_ROWS} rows were dropped",
    }
    notes = [f"{counts[reason]} {text}" for reason, text in texts.items() if counts[reason]]
    if lost:
        notes.append(f"no row is left after cleaning for {_some(lost)}")
    return notes


class _Rare:
    """Labels that too few rows have to be learned, of a task whose labels are combinations:
    calls with their constants. Their rows leave train and select, wherever they fall; calibrate
    and certify keep their share of them, which the model answers wrongly, as it will later."""

    def __init__(self, task: Task, rows: Sequence[Row]) -> None:
        self._task = task
        self._labels: set[str] = set()
        while True:  # a row that goes takes its other labels along
            counts = _labels(task, (row for row in rows if not self._hit(row.label)))
            found = {label for label, n in counts.items() if n < LEAST_ROWS}
            if not found:
                return
            self._labels |= found

    def _hit(self, label: str | None) -> bool:
        return bool(self._labels) and not self._labels.isdisjoint(self._task.labels_of(label))

    def labels_of(self, label: str | None) -> tuple[str, ...]:
        return () if self._hit(label) else self._task.labels_of(label)

    def to_learn(self, rows: Sequence[Row]) -> Filtered:
        kept = [row for row in rows if not self._hit(row.label)]
        return kept, [Dropped(row, reasons.RARE_CALLS) for row in rows if self._hit(row.label)]


def _split(
    labels_of: LabelsOf, train: list[Row], given: Given, near: Neighborhood, seed: int
) -> dict[str, list[Row]]:
    units = clusters(len(train), near.pairs_within(train)).tolist()
    return {**split(train, units, fractions_without(given), seed, labels_of), **given}


def _check_not_empty(splits: Mapping[str, list[Row]], train: list[Row]) -> None:
    empty = [name for name, rows in splits.items() if not rows]
    if empty:
        raise DataError(
            f"{len(train)} train rows, or fewer clusters of near-duplicates or groups, leave "
            f"nothing for {', '.join(empty)}. Add rows, or smaller groups."
        )


def _fingerprint(splits: Mapping[str, list[Row]], documents: Sequence[Document]) -> str:
    digest = hashlib.sha256()
    for document in documents:
        digest.update(hashlib.sha256(repr(document).encode()).digest())
    for name in SPLITS:
        digest.update(f"{name} {len(splits[name])}\n".encode())
        for key in sorted(map(row_key, splits[name])):
            digest.update(key)
    return digest.hexdigest()


def _some(labels: Iterable[str], most: int = 10) -> str:
    names = sorted(labels)
    more = f" and {len(names) - most} more" if len(names) > most else ""
    return ", ".join(repr(name[:60]) for name in names[:most]) + more
