"""Documents from files, and rows that name them."""

from __future__ import annotations

import gzip
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from attar.data.curate import curate
from attar.data.documents import naming, read_documents
from attar.data.read import read_rows
from attar.data.redacted import label_fields
from attar.errors import DataError
from attar.recipe import DataSection, parse_recipe
from attar.tasks.classify import CLASSIFY
from attar.tasks.rank import RANK
from attar.tasks.right_documents import documents_in, documents_name
from attar.types import Document, Row


def test_lines_tables_and_packed_files(tmp_path: Path) -> None:
    (tmp_path / "a.jsonl").write_text('{"id": 7, "text": "one", "url": "x"}\n')
    (tmp_path / "b.csv").write_text("id,title,text\nb,Title,two\n")
    with gzip.open(tmp_path / "c.jsonl.gz", "wt") as file:
        file.write('{"id": "c", "text": "three"}\n')
    found = read_documents([tmp_path / n for n in ("a.jsonl", "b.csv", "c.jsonl.gz")])
    assert found == [
        Document("7", "one"),
        Document("b", "two", "Title"),
        Document("c", "three"),
    ]
    assert found[1].read == "Title\ntwo"


def test_equal_documents_are_one(tmp_path: Path) -> None:
    (tmp_path / "a.jsonl").write_text(
        '{"id": "a", "text": "same"}\n{"id": "b", "text": "same"}\n'
        '{"id": "c", "text": "same", "title": "other"}\n'
    )
    found = read_documents([tmp_path / "a.jsonl"])
    assert found == [Document("a", "same", also=("b",)), Document("c", "same", "other")]
    rows = naming([Row("q", "b"), Row("q", "none")], found, "none")
    assert [row.label for row in rows] == ["a", "none"]


@given(st.lists(st.text(max_size=4), min_size=1, max_size=4))
def test_names_of_several_ids_are_read_again(ids: list[str]) -> None:
    assert documents_in(documents_name(ids)) == tuple(sorted(set(ids)))


def test_several_documents_answer_a_query(tmp_path: Path) -> None:
    known = [Document("a", "one", also=("x",)), Document("b", "two"), Document('["c"]', "three")]
    fields = DataSection((tmp_path / "q.jsonl",))
    (tmp_path / "q.jsonl").write_text(
        '{"text": "p", "label": ["b", "x"]}\n{"text": "q", "label": ["x", "a"]}\n'
        '{"text": "r", "label": "[\\"c\\"]"}\n{"text": "s", "label": ["b", "none"]}\n'
        '{"text": "t", "label": ["b", "z"]}\n'
    )
    rows, _ = read_rows(fields.train, fields, labeled=True, strict=True, kind="document")
    named = naming(rows[:3], known, None)
    assert [row.label for row in named] == ['["a", "b"]', "a", '["c"]']
    labels = [label_fields(row, "document")["label"] for row in named]
    assert labels == [["a", "b"], "a", '["c"]']
    with pytest.raises(DataError, match="q.jsonl, row 4: 'none' says that no document answers"):
        naming(rows, known, "none")
    with pytest.raises(DataError, match="row 5: no document has the id 'z'"):
        naming(rows[4:], known, "none")
    (tmp_path / "q.jsonl").write_text('{"text": "p", "label": []}\n')
    with pytest.raises(DataError, match="row 1: the field 'label' is an empty list"):
        read_rows(fields.train, fields, labeled=True, strict=True, kind="document")


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (
            '{"id": "a", "text": "x"}\n{"id": "a", "text": "y"}\n',
            "row 2: the id 'a' is there twice",
        ),
        ('{"id": "a"}\n', "row 1: there is no field 'text'"),
        ('{"text": "a"}\n', "row 1: there is no field 'id'"),
        ('{"id": true, "text": "a"}\n', "row 1: the field 'id' is a bool"),
        ('{"id": " ", "text": "a"}\n', "row 1: the field 'id' is empty"),
        ('{"id": "a", "text": ""}\n', "row 1: the field 'text' is empty"),
        ('{"id": "a", "text": ["b"]}\n', "row 1: the field 'text' is a list"),
        ('{"id": "a", "text": "\\ud83d"}\n', "not valid Unicode"),
        ('{"id": "[\\"a\\", \\"b\\"]", "text": "x"}\n', "reads as a list of ids"),
        ("\n", "no documents"),
    ],
)
def test_refusals_name_file_row_and_field(tmp_path: Path, content: str, message: str) -> None:
    (tmp_path / "a.jsonl").write_text(content)
    with pytest.raises(DataError, match="a.jsonl") as found:
        read_documents([tmp_path / "a.jsonl"])
    assert message in str(found.value)


def test_other_files_are_refused(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("x\n")
    with pytest.raises(DataError, match="unknown kind of file"):
        read_documents([tmp_path / "a.txt"])


def write(tmp_path: Path, rows: str) -> None:
    lines = (f'{{"id": "d{i}", "text": "document number {i}"}}\n' for i in range(3))
    (tmp_path / "documents.jsonl").write_text("".join(lines))
    (tmp_path / "train.jsonl").write_text(rows)


COLORS = ("red", "green", "blue", "black", "white", "pink", "gold", "gray", "teal", "lime")
QUESTIONS = "".join(
    f'{{"text": "question {word}", "label": "d{i % 3}"}}\n' for i, word in enumerate(COLORS)
)
DATA = {"train": "train.jsonl", "documents": "documents.jsonl"}


def test_curation_keeps_queries_and_documents(tmp_path: Path) -> None:
    write(tmp_path, QUESTIONS + '{"text": "none of them", "label": ["d0"]}\n')
    recipe = parse_recipe({"task": "rank", "data": DATA}, tmp_path)
    dataset = curate(RANK, recipe.data)
    assert [document.id for document in dataset.documents] == ["d0", "d1", "d2"]
    assert [row.text for row in dataset.unlabeled] == [d.text for d in dataset.documents]
    queries = (*dataset.train, *dataset.select, *dataset.calibrate, *dataset.certify)
    assert len(queries) == 11
    (tmp_path / "documents.jsonl").write_text(
        (tmp_path / "documents.jsonl").read_text().replace("number 2", "number two")
    )
    assert curate(RANK, recipe.data).fingerprint != dataset.fingerprint


def test_rows_name_known_documents(tmp_path: Path) -> None:
    write(tmp_path, QUESTIONS + '{"text": "lost", "label": "d9"}\n')
    recipe = parse_recipe({"task": "rank", "data": DATA}, tmp_path)
    with pytest.raises(DataError, match=r"train.jsonl, row 11: no document has the id 'd9'"):
        curate(RANK, recipe.data)


def test_documents_and_the_task_go_together(tmp_path: Path) -> None:
    write(tmp_path, QUESTIONS)
    recipe = parse_recipe({"task": "classify", "data": DATA}, tmp_path)
    with pytest.raises(DataError, match="classify ranks none"):
        curate(CLASSIFY, recipe.data)
    recipe = parse_recipe({"task": "rank", "data": {"train": "train.jsonl"}}, tmp_path)
    with pytest.raises(DataError, match="needs documents to rank"):
        curate(RANK, recipe.data)
    recipe = parse_recipe({"task": "rank", "data": DATA | {"out_of_scope": "d1"}}, tmp_path)
    with pytest.raises(DataError, match="out_of_scope"):
        curate(RANK, recipe.data)
