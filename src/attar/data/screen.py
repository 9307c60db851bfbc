"""What curation looks at once the rows are split: language, quality, personal data.

Train and unlabeled rows may be filtered and redacted, select rows redacted (they join
train). Calibrate and certify rows stay as they came: they stand for the traffic, and a
certificate on tidied texts would flatter the model. What is found there is flagged.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from attar.data import language, quality, reasons
from attar.data.called import read_functions
from attar.data.documents import DOCUMENTS
from attar.data.filters import without
from attar.data.joined import JOINED
from attar.data.personal import find_personal_data
from attar.data.redacted import label_fields, redacted
from attar.files import write_atomically
from attar.recipe import DataSection
from attar.types import Dataset, Dropped, Flagged, GoldKind, Progress, Row

SAMPLE = 5_000  # rows whose language is looked at where the recipe names none
REDACTED = ("train", "select", "unlabeled")

Splits = dict[str, list[Row]]


def screen(
    splits: Splits, fields: DataSection, kind: GoldKind, dropped: list[Dropped], progress: Progress
) -> tuple[list[Flagged], list[str]]:
    """Filter and redact `splits` in place as the recipe says, adding to `dropped`. kind: of the
    rows' labels.

    Returns the rows that are kept and flagged, and notes. Raises MissingExtraError where
    the recipe asks for what the extra `curate` brings.
    """
    flagged = _quality(splits, fields.quality_filter, dropped)
    notes: list[str] = []
    if fields.languages:
        flagged += _wanted_languages(splits, fields.languages, dropped, progress)
    elif language.available():
        found, notes = _main_language(splits)
        flagged += found
    if fields.personal_data != "keep":
        flagged += _personal_data(splits, kind, fields.personal_data == "redact", progress)
    return flagged, notes


def save_redacted(
    dataset: Dataset, fields: DataSection, kind: GoldKind, path: Path, progress: Progress
) -> int:
    """Write every curated row of the files as JSONL, its split named, personal data replaced, in
    the fields that the recipe reads; groups, which may name people, are left out. kind: of the
    rows' labels. Returns how many rows were left out because their label stands for what was
    replaced."""
    functions = None if fields.functions is None else read_functions(fields.functions)
    lines, left_out = [], 0
    for name in ("train", "select", "calibrate", "certify", "unlabeled"):
        # Not what curation made of rows and documents.
        rows = [row for row in getattr(dataset, name) if row.file not in (JOINED, DOCUMENTS)]
        for row in progress.track(rows, f"redacting {name}", len(rows)):
            row = redacted(row, find_personal_data(row.text), kind)
            gold = label_fields(row, kind, fields.label, functions)
            if gold is None:
                left_out += 1
                continue
            entry = {fields.text: row.text, **gold, "split": name}
            lines.append(json.dumps(entry, ensure_ascii=False) + "\n")
    write_atomically(path, "".join(lines).encode("utf-8"))
    return left_out


def _quality(splits: Splits, filtered: str, dropped: list[Dropped]) -> list[Flagged]:
    if filtered == "off":
        return []
    texts = (row.text for name in ("train", "unlabeled") for row in splits[name])
    frequent = quality.frequent_lines(texts)
    flagged: list[Flagged] = []
    for name, rows in splits.items():
        found = quality.with_defects(rows, frequent)
        if name == "unlabeled":
            found += quality.unlike_in_length(rows, splits["train"])
        if name == "unlabeled" or (name == "train" and filtered == "all"):
            _drop(splits, name, found, dropped)
        else:
            flagged += found
    return flagged


def _wanted_languages(
    splits: Splits, wanted: Sequence[str], dropped: list[Dropped], progress: Progress
) -> list[Flagged]:
    language.check_languages(wanted)
    flagged: list[Flagged] = []
    for name, rows in splits.items():
        shown = progress.track(rows, f"languages of {name}", len(rows))
        found = language.in_other_languages(shown, wanted)
        if name in ("train", "unlabeled"):
            _drop(splits, name, found, dropped)
        else:
            flagged += found
    return flagged


def _main_language(splits: Splits) -> tuple[list[Flagged], list[str]]:
    """Rows of a sample that are in another language than most, and a note on them."""
    sample = [row for name in ("train", "unlabeled") for row in splits[name][:SAMPLE]]
    codes = language.languages_of(sample)
    if len(codes) < 2:
        return [], []
    (main, most), *others = codes.most_common()
    some = ", ".join(f"{code} {n:,}" for code, n in others[:5])
    note = (
        f"of {len(sample):,} texts looked at, {most:,} are surely in {main} and "
        f"{codes.total() - most:,} in another language ({some}); "
        f'to drop those: [data] languages = ["{main}"]'
    )
    return language.in_other_languages(sample, (main,)), [note]


def _personal_data(
    splits: Splits, kind: GoldKind, redact: bool, progress: Progress
) -> list[Flagged]:
    flagged: list[Flagged] = []
    for name, rows in splits.items():
        kept = []
        for row in progress.track(rows, f"personal data in {name}", len(rows)):
            found = find_personal_data(row.text)
            if redact and name in REDACTED:
                row = redacted(row, found, kind)
            if found:
                kinds = Counter(one.kind for one in found)
                detail = ", ".join(f"{kind} {n}" for kind, n in sorted(kinds.items()))
                flagged.append(Flagged(row, reasons.PERSONAL_DATA, detail))
            kept.append(row)
        splits[name] = kept
    return flagged


def _drop(splits: Splits, name: str, found: Sequence[Flagged], dropped: list[Dropped]) -> None:
    splits[name], out = without(splits[name], found)
    dropped += out
