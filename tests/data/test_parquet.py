"""Parquet reads as JSONL does, in bounded memory, and a bad file is one DataError."""

from __future__ import annotations

import json
import random
import sys
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

pa = pytest.importorskip("pyarrow")
pq = pytest.importorskip("pyarrow.parquet")

from attar.data import parquet, reasons
from attar.data.curate import curate
from attar.data.read import read_rows
from attar.errors import DataError, MissingExtraError
from attar.recipe import DataSection
from attar.tasks import TASKS
from attar.types import Row

FIELDS = DataSection(train=())
texts = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0\ufffd"))
labels = texts.filter(lambda label: bool(label.strip()))


def write(path: Path, columns: dict[str, Any], **options: Any) -> Path:
    pq.write_table(pa.table(columns), path, **options)
    return path


def columns_of(rows: list[tuple[str, str]]) -> dict[str, list[str]]:
    return {"label": [label for _, label in rows], "text": [text for text, _ in rows]}


def as_jsonl(path: Path, rows: list[tuple[str, str]]) -> Path:
    lines = [json.dumps({"text": text, "label": label}) + "\n" for text, label in rows]
    path.write_text("".join(lines))
    return path


def rows_of(path: Path, fields: DataSection = FIELDS, **options: Any) -> list[Row]:
    return read_rows([path], fields, **({"labeled": True, "strict": True} | options))[0]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("parquet")


@given(
    rows=st.lists(st.tuples(texts, labels), min_size=1, max_size=8),
    kind=st.sampled_from([pa.string(), pa.large_string(), pa.dictionary(pa.int8(), pa.string())]),
    group_rows=st.integers(1, 3),
)
@settings(max_examples=60, deadline=None)
def test_same_rows_as_jsonl(
    folder: Path, rows: list[tuple[str, str]], kind: Any, group_rows: int
) -> None:
    columns = {
        "label": [k for _, k in rows],
        "more": [[1]] * len(rows),
        "text": [t for t, _ in rows],
    }
    table = {name: pa.array(v) for name, v in columns.items()}
    table |= {name: table[name].cast(kind) for name in ("text", "label")}
    packed = write(folder / "rows.parquet", table, row_group_size=group_rows)
    plain = folder / "rows.jsonl"
    plain.write_text("".join(json.dumps({"text": t, "label": k}) + "\n" for t, k in rows))
    found, expected = rows_of(packed), rows_of(plain)
    assert [(r.text, r.label, r.line) for r in found] == [
        (r.text, r.label, r.line) for r in expected
    ]
    assert {row.file for row in found} == {"rows.parquet"}


def test_names_may_be_numbers_and_bools(tmp_path: Path) -> None:
    columns = {"q.x": ["a", "b"], "label": [True, False], "who": pa.array([7, 8], pa.uint8())}
    path = write(tmp_path / "a.PARQUET", columns)
    rows = rows_of(path, DataSection(train=(), text="q.x", group="who"))
    assert [(row.text, row.label, row.group) for row in rows] == [
        ("a", "true", "7"),
        ("b", "false", "8"),
    ]


def test_unlabeled_files_need_no_label_and_no_group(tmp_path: Path) -> None:
    fields = DataSection(train=(), group="who")
    path = write(tmp_path / "a.parquet", {"text": ["a", "b"], "who": [None, "g"]})
    assert [r.group for r in rows_of(path, fields, labeled=False)] == [None, "g"]
    path = write(tmp_path / "b.parquet", {"text": ["a"], "label": [[1]]})
    assert rows_of(path, fields, labeled=False)[0].label is None


def latin(values: list[bytes]) -> Any:
    """A string column of bytes that are not UTF-8, as careless writers leave."""
    return pa.Array.from_buffers(pa.string(), len(values), pa.array(values, pa.binary()).buffers())


def test_rows_that_are_not_utf8_are_dropped_but_never_from_certify(tmp_path: Path) -> None:
    columns = {"text": latin([b"a"] * 150 + [b"caf\xe9"]), "label": ["x"] * 151}
    path = write(tmp_path / "a.parquet", columns)
    rows, dropped = read_rows([path], FIELDS, labeled=True, strict=False)
    assert len(rows) == 150
    assert [(d.reason, d.row.line, d.row.text) for d in dropped] == [
        (reasons.ENCODING, 151, "caf\ufffd")
    ]
    with pytest.raises(DataError, match="row 151"):
        rows_of(path)


BAD: dict[str, tuple[dict[str, Any], str]] = {
    "no rows": ({"text": pa.array([], pa.string()), "label": pa.array([], pa.string())}, "no rows"),
    "no text": ({"txet": ["a"], "label": ["x"]}, r"schema: .*Did you mean 'txet'.*\[data\] text"),
    "no label": ({"text": ["a"], "lable": ["x"]}, r"Did you mean 'lable'.*\[data\] label"),
    "null text": ({"text": ["a", None], "label": ["x", "y"]}, "row 2: the field 'text' is null"),
    "null label": ({"text": ["a"], "label": pa.nulls(1)}, "row 1: the field 'label' is null"),
    "nan label": ({"text": ["a", "b"], "label": [1.5, float("nan")]}, "row 2: .* is null"),
    "empty label": ({"text": ["a"], "label": [" "]}, "row 1: the label .* is empty"),
    "number text": ({"text": [5], "label": ["x"]}, "'text' holds 'int64', expected texts"),
    "list text": ({"text": [["a"]], "label": ["x"]}, "holds 'list"),
    "struct text": ({"text": [{"body": "a"}], "label": ["x"]}, "holds 'struct"),
    "binary text": ({"text": [b"a"], "label": ["x"]}, "holds 'binary'"),
    "list label": ({"text": ["a"], "label": [["x"]]}, "'label' holds 'list"),
    "number dictionary": (
        {"text": pa.array([1]).dictionary_encode(), "label": ["x"]},
        "'text' holds 'int64'",
    ),
    "long": ({"text": ["a" * 1_000_001], "label": ["x"]}, "row 1: the text has 1,000,001"),
}  # fmt: skip


@pytest.mark.parametrize("case", BAD)
def test_bad_columns_are_one_data_error(tmp_path: Path, case: str) -> None:
    columns, message = BAD[case]
    path = write(tmp_path / "a.parquet", columns)
    with pytest.raises(DataError, match=message) as caught:
        rows_of(path)
    assert "a.parquet" in str(caught.value)
    assert len(str(caught.value)) < 600


def test_a_column_named_twice_is_refused(tmp_path: Path) -> None:
    table = pa.table([pa.array(["a"]), pa.array(["b"]), pa.array(["x"])], ["text", "text", "label"])
    pq.write_table(table, tmp_path / "a.parquet")
    with pytest.raises(DataError, match="'text' more than once"):
        rows_of(tmp_path / "a.parquet")


def test_files_that_cannot_be_opened(tmp_path: Path) -> None:
    path = write(tmp_path / "train.parquet", {"text": ["a"], "label": ["x"]})
    with pytest.raises(DataError, match=r"Did you mean 'train\.parquet'"):
        rows_of(tmp_path / "trian.parquet")
    with pytest.raises(DataError, match="packs its columns itself"):
        rows_of(tmp_path / "train.parquet.gz")
    for content in (b"", b"text,label\na,x\n", path.read_bytes()[:-20], b"PAR1" * 99):
        (tmp_path / "bad.parquet").write_bytes(content)
        with pytest.raises(DataError, match=r"bad\.parquet: not a whole Parquet file"):
            rows_of(tmp_path / "bad.parquet")


@pytest.mark.parametrize("compression", ["none", "zstd"])
def test_damage_is_found(tmp_path: Path, compression: str) -> None:
    """Any one byte changed: the same rows (it was padding), or one DataError."""
    columns = {"text": [f"text number {i}" for i in range(40)], "label": ["x", "y"] * 20}
    path = write(tmp_path / "a.parquet", columns, compression=compression, write_page_checksum=True)
    whole, expected = path.read_bytes(), rows_of(path)
    rng = random.Random(0)
    refused = 0
    for _ in range(400):
        damaged = bytearray(whole)
        damaged[rng.randrange(len(whole))] ^= 1 << rng.randrange(8)
        path.write_bytes(damaged)
        try:
            found = rows_of(path)
        except DataError:
            refused += 1
        else:
            assert found == expected
    assert refused > 40


def test_only_named_columns_are_read_batch_by_batch(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One row group with a fat column that nobody names: memory follows the batch."""
    count = 20_000
    columns = {
        "text": [f"a message of a customer, number {i}" for i in range(count)],
        "label": ["x", "y"] * (count // 2),
        "image": [random.Random(i).randbytes(1000) for i in range(count)],
    }
    path = write(tmp_path / "a.parquet", columns, use_dictionary=False, row_group_size=count)
    del columns
    seen: list[int] = []
    values = parquet._values

    def watched(column: Any) -> list[Any]:
        seen.append(len(column))
        return values(column)

    monkeypatch.setattr(parquet, "_values", watched)
    before = pa.total_allocated_bytes()
    fields = DataSection(train=())
    peak = 0
    for number, _ in parquet.parquet_records(path, fields, labeled=True):
        if number % 1000 == 0:
            peak = max(peak, pa.total_allocated_bytes() - before)
    assert number == count
    assert max(seen) == parquet.BATCH_ROWS
    assert peak < 8_000_000  # the file has 20 MB


def test_without_pyarrow_the_extra_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = write(tmp_path / "a.parquet", {"text": ["a"], "label": ["x"]})
    monkeypatch.setitem(sys.modules, "pyarrow.parquet", None)
    with pytest.raises(MissingExtraError, match=r"attar\[parquet\]"):
        rows_of(path)


def test_curation_is_that_of_the_same_rows_as_jsonl(tmp_path: Path) -> None:
    rng = random.Random(0)
    syllables = ["ba", "ke", "li", "mo", "nu", "ra"]
    rows = [(" ".join("".join(rng.choices(syllables, k=3)) for _ in range(8)), "xy"[i % 2])
            for i in range(120)]  # fmt: skip
    packed = write(
        tmp_path / "a.parquet", {"text": [t for t, _ in rows], "label": [k for _, k in rows]}
    )
    plain = tmp_path / "a.jsonl"
    plain.write_text("".join(json.dumps({"text": t, "label": k}) + "\n" for t, k in rows))
    task: Any = TASKS.get("classify")
    made = [curate(task, DataSection(train=(path,))).fingerprint for path in (packed, plain)]
    assert made[0] == made[1]


def test_a_list_is_a_label_set_where_the_task_has_them(tmp_path: Path) -> None:
    path = tmp_path / "sets.parquet"
    table = pa.table({"text": ["one", "two"], "label": [["b", "a"], []]})
    pq.write_table(table, path)
    fields = DataSection(train=(path,))
    rows, _ = read_rows((path,), fields, labeled=True, strict=True, kind="labels")
    assert [row.label for row in rows] == ['["a", "b"]', "[]"]
    with pytest.raises(DataError, match="holds 'list<"):
        read_rows((path,), fields, labeled=True, strict=True)
