"""Records from a Parquet file: the columns a recipe names, batch by batch.

Needs pyarrow (the extra `parquet`). It checks the file and its columns, not the values:
whether a text is missing or too long is for `read` to judge. Texts that are not valid
UTF-8 come out with lone surrogates, as those of other files do.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from attar.data import annotated
from attar.data.lines import opened
from attar.data.records import Records, no_field, short
from attar.errors import DataError, MissingExtraError
from attar.recipe import DataSection
from attar.types import GoldKind

#: Rows decoded at a time, and bytes of a column chunk read at a time: a row group may hold
#: a million rows, and a column that no recipe names may hold images.
BATCH_ROWS = 4096
BUFFER_BYTES = 1 << 20


def parquet_records(
    path: Path, fields: DataSection, labeled: bool, kind: GoldKind = "label"
) -> Records:
    """Yield (row number from 1, values of the columns that `fields` names).

    labeled: there must be a label (and a group, where `fields` names one); otherwise
    labels are not read and a group is optional. kind "labels" and "document": a label
    may be a list. kind "spans": a label is optional, and there are columns of spans, or of tokens
    and tags, whose values are for `annotated` to judge. Raises DataError while iterating,
    and MissingExtraError without pyarrow.
    """
    try:
        import pyarrow
        from pyarrow.parquet import ParquetFile
    except ImportError:
        raise MissingExtraError("parquet", f"{path}: reading Parquet") from None
    with opened(path) as stream:
        try:
            # Checksums, where the writer left any, tell damage from data.
            file = ParquetFile(
                stream, buffer_size=BUFFER_BYTES, pre_buffer=False, page_checksum_verification=True
            )
            yield from _records(file, path.name, fields, labeled, kind)
        except (pyarrow.ArrowException, OSError, UnicodeDecodeError) as error:
            raise DataError(
                f"{path}: not a whole Parquet file ({_first_line(error)}). "
                "Write or fetch it again; a file of another kind must not be named .parquet."
            ) from None


def _records(file: Any, name: str, fields: DataSection, labeled: bool, kind: GoldKind) -> Records:
    schema = file.schema_arrow
    wanted = _wanted(schema.names, fields, labeled, kind)
    for key, column in wanted.items():
        if column not in schema.names:
            raise no_field(f"{name}, the schema", key, column, schema.names)
        if schema.names.count(column) > 1:
            raise DataError(
                f"{name}: the schema names {short(column)} more than once. Rename the columns."
            )
        if key not in (*annotated.FIELDS, *annotated.CALLED):
            may_be_list = kind in ("labels", "document") and key == "label"
            _check_type(schema.field(column).type, name, key, column, may_be_list)
    columns = list(dict.fromkeys(wanted.values()))
    number = 0
    for batch in file.iter_batches(BATCH_ROWS, columns=columns):
        for values in zip(*(_values(batch.column(column)) for column in columns), strict=True):
            number += 1
            yield number, dict(zip(columns, values, strict=True))


def _wanted(
    names: Sequence[str], fields: DataSection, labeled: bool, kind: GoldKind
) -> dict[str, str]:
    """The columns to read, by what they hold."""
    wanted = {"text": fields.text}
    if labeled:
        wanted["label"] = fields.label
    if fields.group is not None and (labeled or fields.group in names):
        wanted["group"] = fields.group
    if kind == "spans":
        # A text may come from the tokens, and the label of a text is optional.
        other = annotated.TOKENS in names or annotated.MESSAGES in names
        optional = ("text", "label") if other else ("label",)
        wanted = {k: v for k, v in wanted.items() if k not in optional or v in names}
        more = (*annotated.FIELDS, *annotated.CALLED)
        wanted |= {field: field for field in more if field in names}
    return wanted


def _check_type(kind: Any, name: str, key: str, column: str, may_be_list: bool) -> None:
    from pyarrow import types

    if may_be_list and (types.is_list(kind) or types.is_large_list(kind)):
        kind = kind.value_type
    if types.is_dictionary(kind):
        kind = kind.value_type
    is_text = (
        types.is_string(kind)
        or types.is_large_string(kind)
        or types.is_string_view(kind)
        or types.is_null(kind)  # a column of nulls only: the reader of rows says so
    )
    is_name = types.is_integer(kind) or types.is_floating(kind) or types.is_boolean(kind)
    if not (is_text or (is_name and key != "text")):
        expected = "texts" if key == "text" else "texts, numbers or booleans"
        raise DataError(
            f"{name}: the column {short(column)} holds {short(str(kind))}, expected {expected}. "
            f'Write it as a string column, or name another in the recipe: [data] {key} = "…".'
        )


def _values(column: Any) -> list[Any]:
    """The Python values of a column of a batch; NaN, which pandas writes for none, is None."""
    from pyarrow import binary, types

    if types.is_dictionary(column.type):
        column = column.dictionary_decode()
    if types.is_floating(column.type):
        return [None if value != value else value for value in column.to_pylist()]
    try:
        values: list[Any] = column.to_pylist()
    except UnicodeDecodeError:
        raw = column.cast(binary()).to_pylist()
        values = [None if v is None else v.decode("utf-8", "surrogateescape") for v in raw]
    return values


def _first_line(error: Exception) -> str:
    return str(error).partition("\n")[0][:200]
