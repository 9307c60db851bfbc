"""From lines to records (named values), one function a format.

It checks the format, not the values: whether a field is there, is a text or is too
long is for `read` to judge.
"""

from __future__ import annotations

import csv
import json
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import chain
from typing import Any, Literal, NoReturn

from attar.errors import DataError
from attar.registry import did_you_mean

#: (number from 1, line)
Lines = Iterable[tuple[int, str]]
#: (number of the first line, values)
Records = Iterator[tuple[int, Mapping[str, Any]]]


def records(lines: Lines, suffix: str, name: str, text_field: str) -> Records:
    if suffix in (".csv", ".tsv"):
        return _csv_records(lines, name, text_field, "," if suffix == ".csv" else "\t")
    if suffix == ".txt":
        return ((n, {text_field: line.rstrip("\r\n")}) for n, line in lines if line.strip())
    return _json_records(lines, name)


def _json_records(lines: Lines, name: str) -> Records:
    for number, line in lines:
        if not line.strip():
            continue
        try:
            values = _parse_json(line)
        except (ValueError, RecursionError) as error:
            reason = "nested too deeply" if isinstance(error, RecursionError) else error
            raise DataError(
                f"{name}, row {number}: not valid JSON ({reason}). "
                'Expected one object a line: {"text": "…", "label": "…"}.'
            ) from None
        if not isinstance(values, dict):
            raise DataError(
                f"{name}, row {number}: a JSON {type(values).__name__}, expected an object "
                'a line: {"text": "…", "label": "…"}.'
            )
        yield number, values


def _refuse(constant: str) -> NoReturn:
    raise ValueError(f"{constant} is not JSON")


#: Made once: json.loads with an argument makes one a call, which takes longer than a short line.
_parse_json = json.JSONDecoder(parse_constant=_refuse).decode


def _csv_records(lines: Lines, name: str, text_field: str, delimiter: str) -> Records:
    rows = _csv_cells(lines, name, delimiter)
    header = next((cells for _, cells in rows if cells), [])
    twice = sorted(column for column, n in Counter(header).items() if n > 1 and column)
    if twice:
        raise DataError(
            f"{name}: the header names {', '.join(map(short, twice))} more than once. "
            "Rename the columns."
        )
    if header and text_field not in header:
        raise no_field(f"{name}, the header", "text", text_field, header)
    for number, cells in rows:
        if not cells and len(header) == 1:
            cells = [""]
        if not cells:
            continue
        if len(cells) != len(header):
            raise DataError(
                f"{name}, row {number}: {len(cells)} fields, but the header has {len(header)}. "
                'Put texts that hold the separator in quotes: "…".'
            )
        yield number, dict(zip(header, cells, strict=True))


def _csv_cells(lines: Lines, name: str, delimiter: str) -> Iterator[tuple[int, list[str]]]:
    reader = csv.reader((line for _, line in lines), delimiter=delimiter, strict=True)
    while True:
        start = reader.line_num + 1
        try:
            cells = next(reader)
        except StopIteration:
            return
        except csv.Error as error:
            # The limit is a setting of the whole process, so it is reported, not raised.
            if "field limit" in str(error):
                raise DataError(
                    f"{name}, row {start}: a field is longer than {csv.field_size_limit():,} "
                    "characters, or a quote in this row is never closed. "
                    "Close it, or write long texts as .jsonl."
                ) from None
            raise DataError(
                f"{name}, row {start}: not valid CSV ({error}). Inside quotes write a quote "
                'twice (""), close every quote, and end lines with a line feed.'
            ) from None
        yield start, cells


def sniffed(lines: Lines, text_field: str) -> tuple[Literal["jsonl", "csv", "lines"], Lines]:
    """Tell the kind by the first line that is not blank; the lines are given back whole."""
    lines = iter(lines)
    start = next(((n, line) for n, line in lines if line.strip()), None)
    if start is None:
        return "lines", ()
    whole = chain([start], lines)
    try:
        if isinstance(_parse_json(start[1]), dict):
            return "jsonl", whole
    except (ValueError, RecursionError):
        pass
    try:
        if text_field in next(csv.reader([start[1]], strict=True)):
            return "csv", whole
    except csv.Error:
        pass
    return "lines", whole


def no_field(place: str, key: str, field: str, known: Sequence[str]) -> DataError:
    shown = ", ".join(map(short, known[:20])) + (", …" if len(known) > 20 else "")
    return DataError(
        f"{place}: there is no field {short(field)}.{did_you_mean(field, known[:100])} "
        f'It has: {shown or "none"}. Name it: in a recipe [data] {key} = "…", '
        f"with a bundle --{key}."
    )


def short(name: str) -> str:
    return repr(name if len(name) <= 60 else name[:59] + "…")
