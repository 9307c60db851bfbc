"""The documents of the task rank, and the rows that name them.

A file holds a document a row, as JSON lines or CSV: the fields `id` and `text`,
and perhaps `title`. Documents with equal title and text are one, under the id that comes
first, and know the others as `also`; rows that name one of these are given the first.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from attar.data.lines import lines_of, opened
from attar.data.records import Records, no_field, records, short
from attar.errors import DataError
from attar.registry import did_you_mean
from attar.tasks.right_documents import documents_in, documents_name
from attar.types import Document, Row

SUFFIXES = (".jsonl", ".ndjson", ".csv", ".tsv")
MOST_CHARACTERS = 1_000_000
DOCUMENTS = "the documents"  # as the file of their rows among the unlabeled


def read_documents(paths: Sequence[Path]) -> list[Document]:
    """The documents in order. Raises DataError that names file, row and field."""
    kept: dict[tuple[str, str], Document] = {}
    canonical: dict[str, str] = {}
    for path in paths:
        before = len(canonical)
        for number, values in _records(path):
            place = f"{path.name}, row {number}"
            document = _document(values, place)
            if document.id in canonical:
                raise DataError(
                    f"{place}: the id {short(document.id)} is there twice. Each document needs one "
                    "of its own."
                )
            same = kept.setdefault((document.title, document.text), document)
            canonical[document.id] = same.id
        if len(canonical) == before:
            raise DataError(f"{path}: the file has no documents. Add some, or take it out.")
    also: dict[str, list[str]] = {}
    for name, first in canonical.items():
        if name != first:
            also.setdefault(first, []).append(name)
    return [replace(one, also=tuple(also.get(one.id, ()))) for one in kept.values()]


def names_of(documents: Iterable[Document]) -> dict[str, str]:
    """Every id of the documents -> the one that counts."""
    return {name: one.id for one in documents for name in (one.id, *one.also)}


def naming(
    rows: Sequence[Row], documents: Iterable[Document], out_of_scope: str | None
) -> list[Row]:
    """The rows with the ids that count. Raises DataError for an id that no document has."""
    canonical = names_of(documents)
    found = []
    for row in rows:
        if row.label is None or row.label == out_of_scope:
            found.append(row)
            continue
        kept = documents_name(_counting(documents_in(row.label), row, canonical, out_of_scope))
        found.append(row if kept == row.label else replace(row, label=kept))
    return found


def _counting(
    ids: Sequence[str], row: Row, canonical: Mapping[str, str], out_of_scope: str | None
) -> Iterator[str]:
    for name in ids:
        if name == out_of_scope:
            raise DataError(
                f"{row.place}: {short(name)} says that no document answers, and stands beside "
                "documents that do. Leave one or the other."
            )
        if name not in canonical:
            near = did_you_mean(name, list(canonical)[:1_000])
            raise DataError(
                f"{row.place}: no document has the id {short(name)}.{near} Add the document, "
                "or mend the row."
            )
        yield canonical[name]


def _records(path: Path) -> Records:
    name = path.name.lower()
    suffix = next((s for s in SUFFIXES if name.removesuffix(".gz").endswith(s)), None)
    if suffix is None:
        raise DataError(
            f"{path}: unknown kind of file. Documents need a name ending in "
            f'{", ".join(SUFFIXES)}: {{"id": "…", "text": "…", "title": "…"}} a line.'
        )
    with opened(path) as stream:
        yield from records(lines_of(stream, path.name), suffix, path.name, "text")


def _document(values: Mapping[str, Any], place: str) -> Document:
    for field in ("id", "text"):
        if field not in values:
            raise no_field(place, field, field, list(values))
    number = values["id"]
    name = str(number) if isinstance(number, int) and not isinstance(number, bool) else number
    text, title = values["text"], values.get("title") or ""
    for field, value, empty in (("id", name, False), ("text", text, False), ("title", title, True)):
        if not isinstance(value, str) or not (empty or value.strip()):
            shown = "empty" if isinstance(value, str) else f"a {type(value).__name__}"
            raise DataError(f"{place}: the field {field!r} is {shown}, expected a text.")
        try:
            value.encode()
        except UnicodeEncodeError:
            raise DataError(
                f"{place}: the field {field!r} has bytes or escapes that are not valid Unicode. "
                "Save the file as UTF-8, or mend this row."
            ) from None
    if documents_in(name) != (name,):
        raise DataError(
            f"{place}: the id {short(name)} reads as a list of ids. Give the document a plain one."
        )
    if len(text) + len(title) > MOST_CHARACTERS:
        raise DataError(
            f"{place}: the document has {len(text):,} characters, at most {MOST_CHARACTERS:,} can "
            "be read. Cut it into smaller ones, one row each."
        )
    return Document(name, text, title)
