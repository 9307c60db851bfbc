"""Rows from files, texts from a stream.

Formats go by suffix: `.jsonl`/`.ndjson`, `.csv`, `.tsv` (with a header) and, where
no label is needed, `.txt` (a text a line), each also with `.gz`; and `.parquet`. Rows with
spans also come from `.conll` (also with `.gz`) and `.spacy`, but not from tables of texts.
Every problem is a DataError that names the file, the row, the field and the mend. It does
not clean: apart from rows that cannot be decoded, which it drops where that is allowed,
what stands in the file comes out.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from sys import intern
from typing import Any, BinaryIO, Literal

from attar.data import annotated, called
from attar.data.lines import lines_of, opened
from attar.data.parquet import parquet_records
from attar.data.reasons import ENCODING
from attar.data.records import Lines, Records, no_field, records, short, sniffed
from attar.errors import DataError
from attar.recipe import DataSection
from attar.tasks.annotations import name_of as annotation_name
from attar.tasks.functions import Functions
from attar.tasks.label_sets import name_of as set_name
from attar.tasks.right_documents import documents_name
from attar.tasks.summaries import SUMMARY, reference_name
from attar.types import Dropped, GoldKind, Row

InputKind = Literal["auto", "jsonl", "csv", "lines"]

MAX_TEXT_CHARACTERS = 1_000_000
MAX_BAD_SHARE = 0.01
MIN_ROWS_FOR_SHARE = 10
LINE_SUFFIXES = (".jsonl", ".ndjson", ".csv", ".tsv", ".txt")
NO_SPANS = (".csv", ".tsv", ".txt")
CONLL = ".conll"
PARQUET = ".parquet"
SPACY = ".spacy"

_SURROGATE = re.compile("[\ud800-\udfff]")


def read_rows(
    paths: Sequence[Path],
    fields: DataSection,
    *,
    labeled: bool,
    strict: bool,
    kind: GoldKind = "label",
    functions: Functions | None = None,
) -> tuple[list[Row], list[Dropped]]:
    """Read all rows of the files, in order; returns (rows, rows with encoding errors).

    labeled: every row must have a label (and a group, where `fields` names one);
    otherwise labels are not read and a group is optional.
    kind "labels": a label is a list, or a text with `fields.label_separator` between labels.
    kind "document": a label is an id, or a list of ids (`tasks.right_documents`).
    kind "spans": a label is the name of an annotation (`tasks.annotations`), and either all
    rows have a label of the whole text or none has. functions: its rows ask for calls of
    these, and the label is the template of the calls (`tasks.calling`). kind "summary": a label
    is a text, or an object of section and text, and becomes the name of a reference
    (`tasks.summaries`).
    strict: nothing is dropped: a row that cannot be decoded is a DataError.
    """
    rows: list[Row] = []
    dropped: list[Dropped] = []
    seen: set[Path] = set()
    for path in paths:
        if path in seen:
            raise DataError(f"{path} is named twice. Name each file once.")
        seen.add(path)
        file_rows, file_dropped = _read_file(path, fields, labeled, strict, kind, functions)
        rows += file_rows
        dropped += file_dropped
    if kind == "spans" and labeled and functions is None:
        annotated.check_labels_alike(rows, fields.label)
    return rows, dropped


def read_texts(
    stream: BinaryIO,
    kind: InputKind = "auto",
    text_field: str = "text",
    name: str = "standard input",
    gold_kind: GoldKind = "label",
) -> Iterator[str]:
    """Yield the texts of a stream as they arrive.

    auto: JSONL if the first line that is not blank is a JSON object, CSV if it is a
    header with the column `text_field`, else plain lines. Blank lines are no text,
    except as rows of a CSV of one column. gold_kind "spans": a JSON object may have tokens
    instead, which are joined by one space. Raises DataError while iterating.
    """
    lines: Lines = lines_of(stream, name)
    if kind == "auto":
        kind, lines = sniffed(lines, text_field)
    found = records(lines, {"lines": ".txt"}.get(kind, f".{kind}"), name, text_field)
    fields = DataSection(train=(), text=text_field)
    for number, values in found:
        row = _row(values, fields, name, number, labeled=False, kind=gold_kind)
        _check_decoded(row)
        yield row.text


def _read_file(
    path: Path,
    fields: DataSection,
    labeled: bool,
    strict: bool,
    kind: GoldKind,
    functions: Functions | None,
) -> tuple[list[Row], list[Dropped]]:
    suffix = _format_of(path, labeled, kind)
    rows: list[Row] = []
    dropped: list[Dropped] = []
    for number, values in _records(path, suffix, fields, labeled, kind):
        row = _row(values, fields, path.name, number, labeled, kind, functions)
        if strict:
            _check_decoded(row)
        if not strict and _is_damaged(row):
            dropped.append(Dropped(_printable(row), ENCODING))
        else:
            rows.append(row)
    _check_share(path, len(rows), dropped)
    return rows, dropped


def _records(
    path: Path, suffix: str, fields: DataSection, labeled: bool, kind: GoldKind
) -> Records:
    if suffix == PARQUET:
        yield from parquet_records(path, fields, labeled, kind)
        return
    if suffix == SPACY:
        yield from annotated.spacy_records(path, fields)
        return
    with opened(path) as stream:
        lines = lines_of(stream, path.name)
        if suffix == CONLL:
            yield from annotated.conll_records(lines, path.name)
        else:
            yield from records(lines, suffix, path.name, fields.text)


def _format_of(path: Path, labeled: bool, kind: GoldKind) -> str:
    name = path.name.lower()
    packing = (PARQUET, SPACY) if kind == "spans" else (PARQUET,)
    whole = next((s for s in packing if name.removesuffix(".gz").endswith(s)), None)
    if whole is not None:
        if name.endswith(".gz"):
            who = "Parquet packs its columns" if whole == PARQUET else "spaCy packs its documents"
            raise DataError(f"{path}: {who} itself. Unpack the file (gunzip).")
        return whole
    name = name.removesuffix(".gz")
    suffixes = (*LINE_SUFFIXES, CONLL) if kind == "spans" else LINE_SUFFIXES
    suffix = next((s for s in suffixes if name.endswith(s)), None)
    if suffix is None:
        raise DataError(
            f"{path}: unknown kind of file. Expected a name ending in "
            f"{', '.join(suffixes)}, each also with .gz, or in {' or '.join(packing)}; "
            "write other formats as .jsonl, one JSON object a line."
        )
    if labeled and kind == "spans" and suffix in NO_SPANS:
        raise DataError(
            f"{path}: a {suffix} file cannot hold spans. Write the rows as .jsonl: "
            '{"text": "…", "spans": [{"start": 0, "end": 4, "label": "city"}]}.'
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
    kind: GoldKind = "label",
    functions: Functions | None = None,
) -> Row:
    place = f"{file}, row {line}"
    held = values
    if kind == "spans":
        held = called.with_message(values, fields.text)
        held = annotated.with_text(held, fields.text, place)
    text = _value(held, "text", fields.text, place)
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
    if labeled and functions is not None:
        label = called.annotation_of(values, text, functions, place)
    elif labeled and kind == "spans":
        label = _annotation(values, text, fields, place)
    elif labeled and kind == "summary":
        label = _reference(values, fields, place)
    elif labeled:
        # Interned: there are few labels, and a million copies of them would fill the memory.
        # (Not those with spans, of which nearly every row has its own.)
        named = {"labels": _set, "document": _document}.get(kind, _one)
        label = intern(named(values, fields, place))
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


def _document(values: Mapping[str, Any], fields: DataSection, place: str) -> str:
    """The name of the right documents (`tasks.right_documents`)."""
    value = values.get(fields.label)
    if not isinstance(value, list):
        return _name(values, "label", fields.label, place)
    if not value:
        raise DataError(
            f"{place}: the field {short(fields.label)} is an empty list. Name the documents that "
            "answer the query, or give it the label for queries that none answers ([data] "
            "out_of_scope)."
        )
    return documents_name(_name({fields.label: v}, "label", fields.label, place) for v in value)


def _annotation(values: Mapping[str, Any], text: str, fields: DataSection, place: str) -> str:
    """The name of a row's spans and of its label, where it has one."""
    if annotated.CALLS in values and not any(field in values for field in annotated.FIELDS):
        raise DataError(
            f"{place}: there are calls, but the recipe names no functions. Name their file: "
            '[data] functions = "functions.json".'
        )
    has_label = values.get(fields.label) is not None
    whole = _one(values, fields, place) if has_label else None
    return annotation_name(whole, annotated.spans_in(values, text, place))


def _reference(values: Mapping[str, Any], fields: DataSection, place: str) -> str:
    """The name of a row's reference summary; a section that is null or empty is not there."""
    value = _value(values, "label", fields.label, place)
    if isinstance(value, str):
        value = {SUMMARY: value}
    if not isinstance(value, dict) or not all(
        isinstance(said, str) or said is None for said in value.values()
    ):
        raise DataError(
            f"{place}: the summary (field {short(fields.label)}) is neither a text nor an object "
            'of section and text, such as {"problems": "…", "plan": "…"}. Another field is named '
            'in the recipe: [data] label = "…".'
        )
    sections = {name: said for name, said in value.items() if said and said.strip()}
    if not sections:
        raise DataError(
            f"{place}: the summary (field {short(fields.label)}) is empty. Fill it in, or take "
            "the row out."
        )
    return reference_name(sections)


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
    return set_name(value)


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
