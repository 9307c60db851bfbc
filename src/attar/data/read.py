"""Rows from files, texts from a stream.

Formats go by suffix: `.jsonl`/`.ndjson`, `.csv`, `.tsv` (with a header) and, where
no label is needed, `.txt` (a text a line), each also with `.gz`; and `.parquet`. Every problem is a
DataError that names the file, the row, the field and the mend. It does not clean:
apart from rows that cannot be decoded, which it drops where that is allowed, what
stands in the file comes out.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from sys import intern
from typing import Any, BinaryIO, Literal

from attar.data.lines import lines_of, opened
from attar.data.parquet import parquet_records
from attar.data.reasons import ENCODING
from attar.data.records import Lines, Records, no_field, records, short, sniffed
from attar.errors import DataError
from attar.recipe import DataSection
from attar.tasks.label_sets import name_of
from attar.types import Dropped, Row

InputKind = Literal["auto", "jsonl", "csv", "lines"]

MAX_TEXT_CHARACTERS = 1_000_000
MAX_BAD_SHARE = 0.01
MIN_ROWS_FOR_SHARE = 10
LINE_SUFFIXES = (".jsonl", ".ndjson", ".csv", ".tsv", ".txt")
PARQUET = ".parquet"

_SURROGATE = re.compile("[\ud800-\udfff]")


def read_rows(
    paths: Sequence[Path],
    fields: DataSection,
    *,
    labeled: bool,
    strict: bool,
    label_sets: bool = False,
) -> tuple[list[Row], list[Dropped]]:
    """Read all rows of the files, in order; returns (rows, rows with encoding errors).

    labeled: every row must have a label (and a group, where `fields` names one);
    otherwise labels are not read and a group is optional.
    label_sets: a label is a list, or a text with `fields.label_separator` between labels.
    strict: nothing is dropped: a row that cannot be decoded is a DataError.
    """
    rows: list[Row] = []
    dropped: list[Dropped] = []
    seen: set[Path] = set()
    for path in paths:
        if path in seen:
            raise DataError(f"{path} is named twice. Name each file once.")
        seen.add(path)
        file_rows, file_dropped = _read_file(path, fields, labeled, strict, label_sets)
        rows += file_rows
        dropped += file_dropped
    return rows, dropped


def read_texts(
    stream: BinaryIO,
    kind: InputKind = "auto",
    text_field: str = "text",
    name: str = "standard input",
) -> Iterator[str]:
    """Yield the texts of a stream as they arrive.

    auto: JSONL if the first line that is not blank is a JSON object, CSV if it is a
    header with the column `text_field`, else plain lines. Blank lines are no text,
    except as rows of a CSV of one column. Raises DataError while iterating.
    """
    lines: Lines = lines_of(stream, name)
    if kind == "auto":
        kind, lines = sniffed(lines, text_field)
    found = records(lines, {"lines": ".txt"}.get(kind, f".{kind}"), name, text_field)
    fields = DataSection(train=(), text=text_field)
    for number, values in found:
        row = _row(values, fields, name, number, labeled=False)
        _check_decoded(row)
        yield row.text


def _read_file(
    path: Path, fields: DataSection, labeled: bool, strict: bool, label_sets: bool
) -> tuple[list[Row], list[Dropped]]:
    suffix = _format_of(path, labeled)
    rows: list[Row] = []
    dropped: list[Dropped] = []
    for number, values in _records(path, suffix, fields, labeled, label_sets):
        row = _row(values, fields, path.name, number, labeled, label_sets)
        if strict:
            _check_decoded(row)
        if not strict and _is_damaged(row):
            dropped.append(Dropped(_printable(row), ENCODING))
        else:
            rows.append(row)
    _check_share(path, len(rows), dropped)
    return rows, dropped


def _records(
    path: Path, suffix: str, fields: DataSection, labeled: bool, label_sets: bool
) -> Records:
    if suffix == PARQUET:
        yield from parquet_records(path, fields, labeled, label_sets)
        return
    with opened(path) as stream:
        yield from records(lines_of(stream, path.name), suffix, path.name, fields.text)


def _format_of(path: Path, labeled: bool) -> str:
    name = path.name.lower()
    if name.endswith(PARQUET):
        return PARQUET
    if name.endswith(PARQUET + ".gz"):
        raise DataError(f"{path}: Parquet packs its columns itself. Unpack the file (gunzip).")
    name = name.removesuffix(".gz")
    suffix = next((s for s in LINE_SUFFIXES if name.endswith(s)), None)
    if suffix is None:
        raise DataError(
            f"{path}: unknown kind of file. Expected a name ending in "
            f"{', '.join(LINE_SUFFIXES)}, each also with .gz, or in {PARQUET}; "
            "write other formats as .jsonl, one JSON object a line."
        )
    if suffix == ".txt" and labeled:
        raise DataError(
            f"{path}: a .txt file has no labels. Labeled rows need .jsonl, .csv, .tsv or .parquet."
        )
    return suffix


def _check_share(path: Path, kept: int, dropped: Sequence[Dropped]) -> None:
    count = kept + len(dropped)
    if count == 0:
        raise DataError(f"{path}: the file has no rows. Add some, or take it out of the recipe.")
    too_many = count >= MIN_ROWS_FOR_SHARE and len(dropped) > MAX_BAD_SHARE * count
    if too_many or not kept:
        raise DataError(
            f"{path}: {len(dropped)} of {count} rows have encoding errors, the first is "
            f"row {dropped[0].row.line}. Save the file as UTF-8 (with the encoding it was "
            "written in as the source)."
        )


def _row(
    values: Mapping[str, Any],
    fields: DataSection,
    file: str,
    line: int,
    labeled: bool,
    label_sets: bool = False,
) -> Row:
    place = f"{file}, row {line}"
    text = _value(values, "text", fields.text, place)
    if not isinstance(text, str):
        raise DataError(
            f"{place}: the field {short(fields.text)} is a {type(text).__name__}, expected a "
            f'text. Name the field with the text in the recipe: [data] text = "…".'
        )
    if len(text) > MAX_TEXT_CHARACTERS:
        raise DataError(
            f"{place}: the text has {len(text):,} characters, at most {MAX_TEXT_CHARACTERS:,} "
            "can be read. Cut it into smaller ones, one row each."
        )
    label = None
    if labeled:
        # Interned: there are few labels, and a million copies of them would fill the memory.
        label = intern((_set if label_sets else _one)(values, fields, place))
    group = None
    if fields.group is not None and (labeled or values.get(fields.group) not in (None, "")):
        group = _name(values, "group", fields.group, place)
    return Row(text, label, group, file, line)


def _one(values: Mapping[str, Any], fields: DataSection, place: str) -> str:
    """The label of a row that has exactly one."""
    if isinstance(values.get(fields.label), list):
        raise DataError(
            f"{place}: the label (field {short(fields.label)}) is a list. Several labels a "
            'text are another task: task = "multilabel".'
        )
    return _name(values, "label", fields.label, place)


def _set(values: Mapping[str, Any], fields: DataSection, place: str) -> str:
    """The name of a row's set of labels."""
    value = _value(values, "label", fields.label, place)
    if isinstance(value, str):
        value = [part.strip() for part in value.split(fields.label_separator) if part.strip()]
    if not isinstance(value, list) or not all(isinstance(x, str) and x.strip() for x in value):
        raise DataError(
            f"{place}: the labels (field {short(fields.label)}) are no list of texts, such as "
            f'["fees", "refund"], [] for none, or "fees{fields.label_separator}refund". '
            'Another field is named in the recipe: [data] label = "…".'
        )
    return name_of(value)


def _name(values: Mapping[str, Any], key: str, field: str, place: str) -> str:
    """A label or group: a text, number or bool, as text."""
    value = _value(values, key, field, place)
    name = value if isinstance(value, str) else json.dumps(value)
    if not isinstance(value, str | int | float) or not name.strip():
        shown = "empty" if isinstance(value, str) else f"a {type(value).__name__}"
        raise DataError(
            f"{place}: the {key} (field {short(field)}) is {shown}, expected a text. "
            f'Fill it in, or name another field in the recipe: [data] {key} = "…".'
        )
    return name


def _value(values: Mapping[str, Any], key: str, field: str, place: str) -> Any:
    if field not in values:
        raise no_field(place, key, field, list(values))
    if values[field] is None:
        raise DataError(
            f"{place}: the field {short(field)} is null. Fill it in or take the row out, "
            f'or name another field in the recipe: [data] {key} = "…".'
        )
    return values[field]


def _parts(row: Row) -> tuple[str, ...]:
    return (row.text, row.label or "", row.group or "")


def _check_decoded(row: Row) -> None:
    if any(_SURROGATE.search(part) for part in _parts(row)):
        raise DataError(
            f"{row.place}: there are bytes or escapes that are not valid Unicode. "
            "Save the data as UTF-8, or mend this row."
        )


def _is_damaged(row: Row) -> bool:
    return any("\ufffd" in part or _SURROGATE.search(part) for part in _parts(row))


def _printable(row: Row) -> Row:
    """The row as it can be saved: what was not Unicode becomes U+FFFD."""
    text, label, group = (_SURROGATE.sub("\ufffd", part) for part in _parts(row))
    return replace(row, text=text, label=label or None, group=group or None)
