"""Readers round-trip, and each bad input is one DataError that names the place."""

from __future__ import annotations

import csv
import gzip
import io
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Literal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from attar.data import reasons
from attar.data.read import MAX_TEXT_CHARACTERS, read_rows, read_texts
from attar.errors import DataError
from attar.recipe import DataSection
from attar.tasks.label_sets import labels_in
from attar.types import Row

FIELDS = DataSection(train=())
GOOD = b'{"text": "a", "label": "x"}\n'
texts = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0\ufffd"))
labels = texts.filter(lambda label: bool(label.strip()))


def rows_of(path: Path, fields: DataSection = FIELDS, strict: bool = True) -> list[Row]:
    return read_rows([path], fields, labeled=True, strict=strict)[0]


def encoded(rows: list[tuple[str, str]], suffix: str) -> bytes:
    if suffix == ".jsonl":
        return "".join(json.dumps({"text": t, "label": k}) + "\n" for t, k in rows).encode()
    stream = io.StringIO(newline="")
    writer = csv.writer(stream, delimiter="," if suffix == ".csv" else "\t")
    writer.writerows([("text", "label"), *rows])
    return stream.getvalue().encode()


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("read")


@given(
    rows=st.lists(st.tuples(texts, labels), min_size=1, max_size=5),
    suffix=st.sampled_from([".jsonl", ".csv", ".tsv"]),
    packed=st.booleans(),
    mark=st.booleans(),
)
@settings(max_examples=150, deadline=None)
def test_round_trip(
    folder: Path, rows: list[tuple[str, str]], suffix: str, packed: bool, mark: bool
) -> None:
    content = (b"\xef\xbb\xbf" if mark else b"") + encoded(rows, suffix)
    path = folder / ("rows" + suffix + (".gz" if packed else ""))
    path.write_bytes(gzip.compress(content, 1) if packed else content)
    found = rows_of(path)
    assert [(row.text, row.label) for row in found] == rows
    assert {row.file for row in found} == {path.name}


def test_lines_are_those_an_editor_shows(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_bytes(b'text,label\r\n"two\nlines",x\r\n\r\nb,y\r\n')
    assert [(row.text, row.line) for row in rows_of(path)] == [("two\nlines", 2), ("b", 5)]
    path = tmp_path / "a.ndjson"
    path.write_bytes(b"\n" + GOOD + b"\n" + GOOD)
    assert [row.line for row in rows_of(path)] == [2, 4]


def test_names_may_be_numbers_and_bools(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    path.write_bytes(b'{"q": "a", "label": 3, "who": 7}\n{"q": "b", "label": true, "who": "z"}\n')
    rows = rows_of(path, DataSection(train=(), text="q", group="who"))
    assert [(row.label, row.group) for row in rows] == [("3", "7"), ("true", "z")]


def test_unlabeled_files(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_bytes("één\r\n\n two\n".encode())
    (tmp_path / "b.jsonl").write_bytes(b'{"text": "c", "label": null, "who": "g"}\n{"text": "d"}\n')
    fields = DataSection(train=(), group="who")
    rows, dropped = read_rows(
        [tmp_path / "a.txt", tmp_path / "b.jsonl"], fields, labeled=False, strict=False
    )
    assert [(row.text, row.line, row.group) for row in rows] == [
        ("één", 1, None),
        (" two", 3, None),
        ("c", 1, "g"),
        ("d", 2, None),
    ]
    assert dropped == []


BAD: dict[str, tuple[str, bytes, str]] = {
    "empty": ("a.jsonl", b"", "no rows"),
    "header only": ("a.csv", b"text,label\n", "no rows"),
    "utf-16": ("a.csv", "text,label\na,b\n".encode("utf-16"), "UTF-16"),
    "utf-32": ("a.csv", "text,label\na,b\n".encode("utf-32"), "UTF-32"),
    "binary": ("a.jsonl", b"\x7fELF\x00\x01", "NUL"),
    "not gzip": ("a.jsonl.gz", GOOD, "gzip"),
    "cut gzip": ("a.jsonl.gz", gzip.compress(GOOD * 99)[:-9], "gzip"),
    "damaged gzip": ("a.csv.gz", gzip.compress(GOOD)[:12] + b"xxxx", "gzip"),
    "suffix": ("a.json", GOOD, "unknown kind"),
    "plain text": ("a.txt", b"a\n", "no labels"),
    "malformed": ("a.jsonl", GOOD + b'{"text": \n', "row 2: not valid JSON"),
    "constant": ("a.jsonl", b'{"text": NaN, "label": "x"}\n', "not valid JSON"),
    "deep": ("a.jsonl", b"[" * 100_000, "nested too deeply"),
    "huge number": ("a.jsonl", b'{"text": ' + b"1" * 9999 + b"}\n", "not valid JSON"),
    "list": ("a.jsonl", b"[1]\n", "a JSON list"),
    "no field": ("a.jsonl", b'{"txt": "a", "label": "x"}\n', "Did you mean 'txt'"),
    "null text": ("a.jsonl", b'{"text": null, "label": "x"}\n', "null"),
    "number text": ("a.jsonl", b'{"text": 5, "label": "x"}\n', "is a int"),
    "null label": ("a.jsonl", b'{"text": "a", "label": null}\n', r"\[data\] label"),
    "list label": ("a.jsonl", b'{"text": "a", "label": []}\n', "a list"),
    "empty label": ("a.csv", b"text,label\na,\n", "row 2: the label"),
    "no label": ("a.csv", b"text,lable\na,x\n", "Did you mean 'lable'"),
    "no text": ("a.csv", b"body,label\na,x\n", "It has: 'body', 'label'"),
    "twice": ("a.csv", b"text,label,text\na,x,b\n", "more than once"),
    "ragged": ("a.csv", b"text,label\na, b,x\n", "3 fields"),
    "open quote": ("a.csv", b'text,label\n"a,x\nb,y\n', "row 2: not valid CSV"),
    "old Mac": ("a.csv", b"text,label\ra,x\r", "not valid CSV"),
    "long": ("a.jsonl", b'{"text": "' + b"a" * 10_000_000 + b'"}\n', "10,000,000 characters"),
    "long field": ("a.csv", b"text,label\n" + b"a" * 10_000_000 + b",x\n", "row 2: a field is"),
    "endless": ("a.jsonl", b"a" * 16_000_001, "longer than 16,000,000"),
}


@pytest.mark.parametrize("case", BAD)
@pytest.mark.parametrize("strict", [False, True])
def test_bad_files_are_one_data_error(tmp_path: Path, case: str, strict: bool) -> None:
    name, content, message = BAD[case]
    (tmp_path / name).write_bytes(content)
    with pytest.raises(DataError, match=message) as caught:
        rows_of(tmp_path / name, strict=strict)
    assert name in str(caught.value)
    assert len(str(caught.value)) < 600


def test_files_that_cannot_be_opened(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "train.jsonl").write_bytes(GOOD)
    with pytest.raises(DataError, match=r"Did you mean 'train\.jsonl'"):
        rows_of(tmp_path / "trian.jsonl")
    with pytest.raises(DataError, match="Nor is there a folder"):
        rows_of(tmp_path / "none" / "train.jsonl")
    (tmp_path / "folder.csv").mkdir()
    with pytest.raises(DataError, match="is a folder"):
        rows_of(tmp_path / "folder.csv")
    with pytest.raises(DataError, match="named twice"):
        read_rows([tmp_path / "train.jsonl"] * 2, FIELDS, labeled=True, strict=False)

    def refuse(*_: Any) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "open", refuse)
    with pytest.raises(DataError, match="Permission denied"):
        rows_of(tmp_path / "train.jsonl")


@pytest.mark.parametrize("bad", [b"\xe9", rb"\ud800", "\ufffd".encode()])
def test_rows_with_encoding_errors_are_dropped_but_never_from_certify(
    tmp_path: Path, bad: bytes
) -> None:
    path = tmp_path / "a.jsonl"
    path.write_bytes(GOOD * 150 + b'{"text": "caf' + bad + b'", "label": "x"}\n')
    rows, dropped = read_rows([path], FIELDS, labeled=True, strict=False)
    assert len(rows) == 150
    assert [(d.reason, d.row.line) for d in dropped] == [(reasons.ENCODING, 151)]
    dropped[0].row.text.encode()  # can be saved
    if bad == "\ufffd".encode():  # somebody else's damage, but valid Unicode
        assert len(rows_of(path)) == 151
    else:
        with pytest.raises(DataError, match="row 151"):
            rows_of(path)


def test_many_encoding_errors_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_bytes(b"text,label\n" + "café,x\n".encode("latin-1") * 2 + b"a,x\n" * 98)
    with pytest.raises(DataError, match="2 of 100 rows have encoding errors"):
        rows_of(path, strict=False)
    path.write_bytes(b"text,label\n\xe9,x\n")
    with pytest.raises(DataError, match="1 of 1 rows"):
        rows_of(path, strict=False)


def test_longest_text_is_read(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    row = {"text": "😀" * MAX_TEXT_CHARACTERS, "label": "x"}
    path.write_text(json.dumps(row))  # twelve bytes a character
    assert len(rows_of(path)[0].text) == MAX_TEXT_CHARACTERS


def test_reading_leaves_the_limit_of_csv_alone() -> None:
    assert csv.field_size_limit() == 131_072


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (b'\n{"text": "a", "n": 1}\n\n{"text": "b"}\n', ["a", "b"]),
        (b'id,text\n1,a\n2,"b,\nc"\n', ["a", "b,\nc"]),
        (b"\xef\xbb\xbftext\na\n\nb\n", ["a", "", "b"]),
        (b"hello, you\n\n{not json}\r\n  c\n", ["hello, you", "{not json}", "  c"]),
        (b"texts, more\n", ["texts, more"]),
        (b'["text"]\n', ['["text"]']),
        (b"", []),
        (b"\n\n", []),
    ],
)
def test_kinds_of_streams_are_told_apart(content: bytes, expected: list[str]) -> None:
    assert list(read_texts(io.BytesIO(content))) == expected


@pytest.mark.parametrize(
    ("kind", "expected"),
    [("lines", ["text", "a"]), ("csv", ["a"])],
)
def test_kind_can_be_given(kind: Literal["lines", "csv"], expected: list[str]) -> None:
    assert list(read_texts(io.BytesIO(b"text\na\n"), kind)) == expected


@pytest.mark.parametrize("content", [b"caf\xe9\n", b"a\0\n", b'{"txt": "a"}\n', b"\xff\xfea\0"])
def test_bad_streams(content: bytes) -> None:
    with pytest.raises(DataError, match="standard input"):
        list(read_texts(io.BytesIO(content)))


def test_streams_are_read_row_by_row() -> None:
    class Endless(io.RawIOBase):
        def readline(self, size: int | None = -1, /) -> bytes:
            return b"again\n"

    stream: Iterator[str] = read_texts(Endless())  # type: ignore[arg-type]
    assert [next(stream) for _ in range(3)] == ["again"] * 3


SETS = DataSection(train=(), label="labels", label_separator=";")


def sets_in(path: Path) -> list[tuple[str, ...]]:
    rows, _ = read_rows([path], SETS, labeled=True, strict=True, kind="labels")
    return [labels_in(row.label) for row in rows]


def test_label_sets(tmp_path: Path) -> None:
    path = tmp_path / "rows.jsonl"
    sets: list[Any] = [["b", "a", "a"], [], "b; a", "", "a|b"]
    path.write_text("".join(json.dumps({"text": "t", "labels": x}) + "\n" for x in sets))
    assert sets_in(path) == [("a", "b"), (), ("a", "b"), (), ("a|b",)]
    table = tmp_path / "rows.csv"
    table.write_text('text,labels\none,"a;b"\ntwo,\nthree, b ;;\n')
    assert sets_in(table) == [("a", "b"), (), ("b",)]


@pytest.mark.parametrize("bad", [None, 3, ["a", 3], ["a", ""], {"a": 1}, True])
def test_what_is_no_label_set(tmp_path: Path, bad: Any) -> None:
    path = tmp_path / "rows.jsonl"
    path.write_text(json.dumps({"text": "t", "labels": bad}) + "\n")
    with pytest.raises(DataError, match=r"rows\.jsonl, row 1: .*labels"):
        sets_in(path)


def test_a_list_of_labels_names_the_task_that_takes_it(tmp_path: Path) -> None:
    path = tmp_path / "rows.jsonl"
    path.write_text('{"text": "t", "label": ["a"]}\n')
    with pytest.raises(DataError, match='task = "multilabel"'):
        rows_of(path)
