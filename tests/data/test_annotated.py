"""Every form of annotated row reads as the same text and spans; each bad one is a DataError."""

from __future__ import annotations

import gzip
import json
import sys
from pathlib import Path
from typing import Any

import pytest

from attar.data import annotated, reasons
from attar.data.read import read_rows
from attar.errors import DataError, MissingExtraError
from attar.recipe import DataSection
from attar.tasks.annotations import Annotation, Span, annotation_in
from attar.types import Row

FIELDS = DataSection(train=())
GOOD: dict[str, Any] = {"text": "to Rome", "spans": [[3, 7, "city"]]}
ROME = Annotation(None, (Span(3, 7, "city"),))


def written(path: Path, *records: Any) -> Path:
    content = "".join(json.dumps(record) + "\n" for record in records).encode()
    path.write_bytes(gzip.compress(content) if path.suffix == ".gz" else content)
    return path


def rows_of(*paths: Path, fields: DataSection = FIELDS, **options: Any) -> list[Row]:
    given = {"labeled": True, "strict": True, "kind": "spans"} | options
    return read_rows(paths, fields, **given)[0]


def read(*paths: Path, fields: DataSection = FIELDS) -> list[tuple[str, Annotation]]:
    return [(row.text, annotation_in(row.label)) for row in rows_of(*paths, fields=fields)]


def slices(text: str, annotation: Annotation) -> list[tuple[str, str]]:
    return [(text[span.start : span.end], span.label) for span in annotation.spans]


SAME: dict[str, dict[str, Any]] = {
    "triples": GOOD,
    "objects": {"text": "to Rome", "spans": [{"start": 3, "end": 7, "label": "city"}]},
    "entities": {"text": "to Rome", "entities": [[3, 7, "city"]]},
    "prodigy": {
        "text": "to Rome",
        "tokens": [{"text": "to", "start": 0, "end": 2, "id": 0}],
        "spans": [
            {
                "start": 3,
                "end": 7,
                "label": "city",
                "text": "Rome",
                "token_start": 1,
                "token_end": 1,
            }
        ],
        "answer": "accept",
    },
    "null beside": {**GOOD, "entities": None, "tags": None, "label": None},
    "whitespace at its edges": {"text": "to Rome", "spans": [[2, 7, "city"]]},
    "tags": {"tokens": ["to", "Rome"], "tags": ["O", "B-city"]},
    "tags and a text": {"text": "to  Rome!", "tokens": ["to", "Rome"], "tags": ["O", "B-city"]},
}


@pytest.mark.parametrize("form", SAME)
@pytest.mark.parametrize("suffix", [".jsonl", ".ndjson", ".jsonl.gz"])
def test_forms_of_a_record(tmp_path: Path, form: str, suffix: str) -> None:
    path = written(tmp_path / f"a{suffix}", SAME[form])
    assert read(path) == [("to Rome", ROME)]


TAGS: dict[str, tuple[str, list[tuple[str, str]]]] = {
    "BIO": ("O B-x I-x O B-y", [("b c", "x"), ("e", "y")]),
    "BIO, side by side": ("B-x B-x I-x B-y O", [("a", "x"), ("b c", "x"), ("d", "y")]),
    "IOB1": ("I-x I-x B-x I-y O", [("a b", "x"), ("c", "x"), ("d", "y")]),
    "BILOU": ("B-x I-x L-x U-x U-y", [("a b c", "x"), ("d", "x"), ("e", "y")]),
    "BIOES": ("S-x B-y E-y O S-x", [("a", "x"), ("b c", "y"), ("e", "x")]),
    "an end alone": ("L-x I-x O E-y O", [("a", "x"), ("b", "x"), ("d", "y")]),
    "hyphens": ("B-x-B I-x-B I-x O O", [("a b", "x-B"), ("c", "x")]),
    "none": ("O O O O O", []),
}


@pytest.mark.parametrize("scheme", TAGS)
def test_schemes_of_tags(tmp_path: Path, scheme: str) -> None:
    tags, expected = TAGS[scheme]
    path = written(tmp_path / "a.jsonl", {"tokens": list("abcde"), "tags": tags.split()})
    [(text, annotation)] = read(path)
    assert text == "a b c d e"
    assert slices(text, annotation) == expected


def test_spans_come_in_order_and_trimmed(tmp_path: Path) -> None:
    path = written(
        tmp_path / "a.jsonl", {"text": "a\u00a0b\r\n c ", "spans": [[3, 8, "y"], [0, 3, "x"]]}
    )
    [(text, annotation)] = read(path)
    assert annotation.spans == (Span(0, 3, "x"), Span(6, 7, "y"))
    assert text == "a\u00a0b\r\n c "


@pytest.mark.parametrize(
    ("text", "part"),
    [
        ("fly 🛫🇫🇷 to 👩‍👩‍👧 Paris", "👩‍👩‍👧 Paris"),  # outside of the basic plane, joined
        ("cafe\u0301 noe\u0308l", "noe\u0308l"),  # combining marks stay apart
        ("טיסה לתל אביב מחר", "תל אביב"),  # right to left
        ("line\r\nnext\rlast\u2028end", "next\rlast"),
    ],
)
def test_offsets_are_code_points(tmp_path: Path, text: str, part: str) -> None:
    start = text.index(part)
    span = {"start": start, "end": start + len(part), "label": "ort…", "text": part}
    path = written(tmp_path / "a.jsonl", {"text": text, "spans": [span]})
    [(found, annotation)] = read(path)
    assert found == text
    assert slices(found, annotation) == [(part, "ort…")]


def test_utf16_offsets_are_found_by_the_text_of_the_span(tmp_path: Path) -> None:
    span = {"start": 3, "end": 7, "label": "city", "text": "Rome"}
    path = written(tmp_path / "a.jsonl", {"text": "🛫 Rome now", "spans": [span]})
    with pytest.raises(DataError, match=r"a\.jsonl, row 1: span 1 of 1 .*'Rome'.*UTF-16"):
        read(path)


def test_labels_of_the_whole_text(tmp_path: Path) -> None:
    records = [GOOD | {"intent": "fly"}, {"tokens": ["ok"], "tags": ["O"], "intent": "say"}]
    fields = DataSection(train=(), label="intent")
    found = read(written(tmp_path / "a.jsonl", *records), fields=fields)
    assert [annotation.label for _, annotation in found] == ["fly", "say"]
    # Named differently they are no label.
    assert [a.label for _, a in read(tmp_path / "a.jsonl")] == [None, None]


def test_fields_can_have_other_names(tmp_path: Path) -> None:
    path = written(tmp_path / "a.jsonl", {"body": "Rome", "spans": [], "who": "g", "n": 3})
    fields = DataSection(train=(), text="body", label="n", group="who")
    [row] = rows_of(path, fields=fields)
    assert (row.text, row.group, annotation_in(row.label).label) == ("Rome", "g", "3")
    path = written(tmp_path / "b.jsonl", {"tokens": ["to", "Rome"], "tags": ["O", "B-city"]})
    assert read(path, fields=DataSection(train=(), text="tokens")) == [("to Rome", ROME)]


def test_blank_tokens_outside_of_spans_are_passed_over(tmp_path: Path) -> None:
    record = tagged(["", "to", "\n", "Rome"], ["O", "O", "O", "B-city"])
    path = written(tmp_path / "a.jsonl", record, tagged([""], ["O"]))
    assert read(path) == [("to Rome", ROME), ("", Annotation())]


def test_a_label_that_no_row_has(tmp_path: Path) -> None:
    path = written(tmp_path / "a.jsonl", GOOD | {"label": "x"})
    with pytest.raises(DataError, match="'intent'.*Mend its name"):
        read(path, fields=DataSection(train=(), label="intent"))


def test_empty_texts_are_read_and_left_to_curation(tmp_path: Path) -> None:
    path = written(tmp_path / "a.jsonl", {"tokens": [], "tags": []}, {"text": "", "spans": []})
    assert read(path) == [("", Annotation())] * 2


def test_labels_must_not_be_mixed(tmp_path: Path) -> None:
    some = written(tmp_path / "a.jsonl", GOOD | {"label": "x"})
    none = written(tmp_path / "b.jsonl", GOOD, GOOD | {"label": None})
    mixed = written(tmp_path / "c.jsonl", GOOD | {"label": "x"}, GOOD)
    assert len(rows_of(none)) == 2
    for paths, place in (((some, none), "b.jsonl, row 1"), ((mixed,), "c.jsonl, row 2")):
        with pytest.raises(DataError, match=f"^{place}: there is no label.*'label'.*or none"):
            rows_of(*paths)


def test_unlabeled_rows_need_no_spans(tmp_path: Path) -> None:
    records = [{"text": "a"}, {"text": "b", "tags": ["news"]}, {"tokens": ["c", "d"]},
               {"tokens": ["e"], "tags": ["?"]}, {"text": "f", "spans": "?"}]  # fmt: skip
    path = written(tmp_path / "a.jsonl", *records)
    table = tmp_path / "b.csv"
    table.write_text("text\ng\n")
    conll = tmp_path / "c.conll"
    conll.write_text("h O\ni O\n")
    rows = rows_of(path, table, conll, labeled=False)
    assert [(row.text, row.label) for row in rows] == [
        (text, None) for text in ("a", "b", "c d", "e", "f", "g", "h i")
    ]


def spans(*given: Any, text: str = "to Rome") -> dict[str, Any]:
    return {"text": text, "spans": list(given)}


def tagged(tokens: Any, tags: Any) -> dict[str, Any]:
    return {"tokens": tokens, "tags": tags}


BAD: dict[str, tuple[Any, str]] = {
    "nothing": ({"text": "a"}, "neither spans nor tags.*'spans'.*'entities'.*'tokens' and 'tags'"),
    "null spans": ({"text": "a", "spans": None}, "neither spans nor tags"),
    "both": ({"text": "a", "spans": [], "entities": []}, "both 'spans' and 'entities'"),
    "no text": ({"spans": [[0, 1, "x"]]}, r"no field 'text'.*\[data\] text"),
    "null text": ({"text": None, "spans": []}, "'text' is null"),
    "number text": ({"text": 5, "spans": []}, "'text' is a int"),
    "label list": (GOOD | {"label": ["x"]}, "the label .*'label'.* is a list"),
    "empty label": (GOOD | {"label": " "}, "the label .* is empty"),
    "spans object": ({"text": "a", "spans": {"start": 0}}, "'spans' is a dict"),
    "spans text": ({"text": "a", "entities": "x"}, "'entities' is a str"),
    "pair": (spans([0, 2]), "span 1 of 1 .*'spans'.* is no span"),
    "null span": (spans([0, 2, "x"], None), "span 2 of 2 .* is no span"),
    "negative": (spans([-1, 2, "x"]), "-1 to 2 is no part .*7 characters"),
    "beyond": (spans([3, 8, "x"]), "3 to 8 is no part"),
    "far beyond": (spans([3, 10**3000, "x"]), "3 to 1000"),
    "empty": (spans([3, 3, "x"]), "start must be before end"),
    "backwards": (spans([3, 2, "x"]), "start must be before end"),
    "float": (spans([3.0, 7, "x"]), "3.0 and 7, expected integers"),
    "bool": (spans([True, 7, "x"]), "True and 7, expected integers"),
    "text offset": (spans({"start": "3", "end": 7, "label": "x"}), "'3' and 7, expected integers"),
    "list offset": (spans([[3], 7, "x"]), "a list and 7, expected integers"),
    "no end": (spans({"start": 3, "label": "x"}), "3 and None, expected integers"),
    "no span label": (spans({"start": 3, "end": 7}), "label is None"),
    "empty span label": (spans([3, 7, "  "]), "label is '  '"),
    "number span label": (spans([3, 7, 4]), "label is 4, expected a text"),
    "whitespace span": (spans([2, 3, "x"]), "2 to 3 .*'spans'.*nothing but whitespace"),
    "overlap": (spans([0, 4, "x"], [3, 7, "y"]), "'to R' .*'x'.* and 'Rome' .*'y'.* overlap"),
    "nested": (spans([3, 7, "x"], [4, 5, "y"]), "overlap .*'spans'"),
    "twice": (spans([3, 7, "x"], [3, 7, "x"]), "overlap"),
    "text differs": (spans({"start": 3, "end": 7, "label": "x", "text": "Rom"}), "'Rom', but 3 to"),
    "no tokens": ({"text": "a", "tags": ["O"]}, "'tags' but no 'tokens'"),
    "tokens text": (tagged("to Rome", ["O"]), "'tokens' is a str"),
    "tags text": (tagged(["to"], "O"), "'tags' is a str"),
    "lengths": (tagged(["to", "Rome"], ["O"]), "2 tokens but 1 tags"),
    "number token": (tagged(["to", 5], ["O", "O"]), "token 2 of 2 .*'tokens'.* is 5"),
    "empty token": (tagged(["", "a"], ["B-x", "O"]), "token 1 of 2 .* is ''"),
    "blank token": (tagged(["a", "\u00a0\n"], ["O", "B-x"]), "token 2 of 2 "),
    "null token": (tagged(["a", None], ["O", "O"]), "token 2 of 2 .* is None"),
    "number tag": (tagged(["a"], [3]), "tag 1 is 3 .*'tags'.*B-city"),
    "unknown tag": (tagged(["a"], ["M-x"]), "tag 1 is 'M-x'"),
    "bare tag": (tagged(["a", "b"], ["O", "B"]), "tag 2 is 'B'"),
    "empty tag": (tagged(["a"], ["B-"]), "tag 1 is 'B-'"),
    "blank tag label": (tagged(["a"], ["B- "]), "tag 1 is 'B- '"),
    "small tag": (tagged(["a"], ["o"]), "tag 1 is 'o'"),
    "long tag": (tagged(["a"], ["x" * 9999]), "tag 1 is 'x"),
    "lone surrogate": (spans([0, 1, "\ud800"]), "not valid Unicode"),
    "surrogate in a message": (tagged(["a"], ["\ud800"]), r"tag 1 is '\\ud800'"),
}  # fmt: skip


@pytest.mark.parametrize("case", BAD)
def test_bad_records_are_one_data_error(tmp_path: Path, case: str) -> None:
    record, message = BAD[case]
    path = written(tmp_path / "a.jsonl", GOOD, record)
    with pytest.raises(DataError, match=f"^a.jsonl, row 2: .*{message}") as caught:
        rows_of(path)
    assert len(str(caught.value).encode()) < 600


@pytest.mark.parametrize("suffix", [".csv", ".tsv", ".txt", ".csv.gz"])
def test_tables_of_texts_hold_no_spans(tmp_path: Path, suffix: str) -> None:
    path = written(tmp_path / f"a{suffix}", GOOD)
    with pytest.raises(DataError, match=r"cannot hold spans. Write the rows as \.jsonl"):
        rows_of(path)


def test_kinds_of_files_are_named(tmp_path: Path) -> None:
    with pytest.raises(
        DataError, match=r"\.conll, each also with \.gz, or in \.parquet or \.spacy"
    ):
        rows_of(tmp_path / "a.json")
    with pytest.raises(DataError, match="spaCy packs its documents itself"):
        rows_of(tmp_path / "a.spacy.gz")
    with pytest.raises(DataError, match=r"unknown kind of file.*\.txt, each also"):
        rows_of(tmp_path / "a.conll", kind="label")


@pytest.mark.parametrize("code", [0xD800, 0xDCE9, 0xFFFD])
@pytest.mark.parametrize("where", ["text", "span", "label"])
def test_damaged_rows_are_dropped_and_can_be_saved(tmp_path: Path, code: int, where: str) -> None:
    name = {where: "caf" + chr(code)}
    record = {
        "text": f"to {name.get('text', 'Rome')}",
        "spans": [[3, 7, name.get("span", "city")]],
        "label": name.get("label", "fly"),
    }
    path = written(tmp_path / "a.jsonl", *[GOOD | {"label": "x"}] * 150, record)
    rows, dropped = read_rows([path], FIELDS, labeled=True, strict=False, kind="spans")
    assert (len(rows), [d.reason for d in dropped]) == (150, [reasons.ENCODING])
    row = dropped[0].row
    f"{row.text}{row.label}".encode()  # can be saved
    found = annotation_in(row.label)
    assert [*slices(row.text, found), found.label] == [
        ("caf\ufffd" if where == "text" else "Rome", "caf\ufffd" if where == "span" else "city"),
        "caf\ufffd" if where == "label" else "fly",
    ]


CONLL = """# sentence 1
-DOCSTART- -X- -X- O

to TO I-PP O
Rome NNP I-NP B-city\r
# a comment between
# # I-NP O

\t
-DOCSTART- -X- O O
New\u00a0York NNP I-NP B-city
# text = take Vitamin B-12
"""


@pytest.mark.parametrize("suffix", [".conll", ".conll.gz"])
def test_conll(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"a{suffix}"
    content = b"\xef\xbb\xbf" + CONLL.encode()
    path.write_bytes(gzip.compress(content) if suffix.endswith(".gz") else content)
    rows = rows_of(path)
    assert [(row.text, row.line) for row in rows] == [("to Rome #", 4), ("New\u00a0York", 11)]
    found = [annotation_in(row.label) for row in rows]
    assert found == [ROME, Annotation(None, (Span(0, 8, "city"),))]


def test_conll_columns_between_tabs_may_hold_blanks(tmp_path: Path) -> None:
    path = tmp_path / "a.conll"
    path.write_text("#\tO\nNew York\t\tB-city \n\n\n#\tO")
    assert read(path) == [
        ("# New York", Annotation(None, (Span(2, 10, "city"),))),
        ("#", Annotation()),
    ]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("a O\n\nb O\nc\n", "row 3: line 4 has one column, 'c'"),
        ("a O\n\nb\n", "row 3: line 3 has one column, 'b'"),
        ("a\t\n", "row 1: line 1 has one column"),
        ("a O\n\nb O\nc 0\n", "row 3: tag 2 is '0'"),
        ("\tB-x\n", "row 1: token 1 of 1"),
        ("\n\n", "no rows"),
    ],
)
def test_bad_conll(tmp_path: Path, content: str, message: str) -> None:
    path = tmp_path / "a.conll"
    path.write_text(content)
    with pytest.raises(DataError, match=rf"a\.conll.*{message}"):
        rows_of(path)


def parquet(path: Path, columns: dict[str, Any]) -> Path:
    pa = pytest.importorskip("pyarrow")
    pytest.importorskip("pyarrow.parquet").write_table(pa.table(columns), path)
    return path


def test_parquet(tmp_path: Path) -> None:
    objects = [[{"start": 3, "end": 7, "label": "city"}], []]
    path = parquet(tmp_path / "a.parquet", {"text": ["to Rome", "hi"], "spans": objects})
    assert read(path) == [("to Rome", ROME), ("hi", Annotation())]
    columns = {"tokens": [["to", "Rome"]], "tags": [["O", "B-city"]], "label": ["fly"]}
    path = parquet(tmp_path / "b.parquet", columns)
    assert read(path) == [("to Rome", ROME._replace(label="fly"))]
    assert [row.text for row in rows_of(path, labeled=False)] == ["to Rome"]


@pytest.mark.parametrize(
    ("columns", "message"),
    [
        ({"text": ["a"]}, "row 1: there are neither spans nor tags"),
        ({"spans": [[{"start": 0}]]}, "schema: there is no field 'text'"),
        ({"text": ["a"], "spans": [[{"start": 0, "end": 2, "label": "x"}]]}, "row 1: .*0 to 2"),
        ({"tokens": [["a"]], "tags": [[3]]}, "row 1: tag 1 is 3"),
    ],
)
def test_bad_parquet(tmp_path: Path, columns: dict[str, Any], message: str) -> None:
    with pytest.raises(DataError, match=rf"a\.parquet.*{message}"):
        rows_of(parquet(tmp_path / "a.parquet", columns))


def doc_bin(path: Path, *docs: tuple[list[str], list[str], dict[str, float]]) -> Path:
    spacy = pytest.importorskip("spacy")
    tokens = pytest.importorskip("spacy.tokens")
    vocab = spacy.blank("xx").vocab
    made = [tokens.Doc(vocab, words=words, ents=tags) for words, tags, _ in docs]
    for doc, (_, _, cats) in zip(made, docs, strict=True):
        doc.cats = cats
    tokens.DocBin(docs=made).to_disk(path)
    return path


def test_spacy(tmp_path: Path) -> None:
    docs = (["fly", "🛫", "to", "New", "York"], ["O", "O", "O", "B-city", "I-city"])
    path = doc_bin(
        tmp_path / "a.spacy", (*docs, {"fly": 0.9, "say": 0.1}), (["ok"], ["O"], {"say": 1})
    )
    rows = rows_of(path)
    assert [(row.text, row.line) for row in rows] == [("fly 🛫 to New York ", 1), ("ok ", 2)]
    found = [annotation_in(row.label) for row in rows]
    assert found == [Annotation("fly", (Span(9, 17, "city"),)), Annotation("say")]
    path = doc_bin(tmp_path / "b.spacy", (*docs, {}), (*docs, {"fly": 0.4}))
    assert [annotation_in(row.label).label for row in rows_of(path)] == [None, None]
    assert [row.label for row in rows_of(path, labeled=False)] == [None, None]


def test_bad_spacy(tmp_path: Path) -> None:
    path = doc_bin(tmp_path / "a.spacy", (["ok"], ["O"], {"x": 1.0, "y": 1.0}))
    with pytest.raises(DataError, match=r"a\.spacy, row 1: the label .* is a list"):
        rows_of(path)
    for content in (b"", b"not packed", path.read_bytes()[:-9]):
        path.write_bytes(content)
        with pytest.raises(DataError, match=r"a\.spacy: not a whole \.spacy file"):
            rows_of(path)
    with pytest.raises(DataError, match=r"no such file. Did you mean 'a\.spacy'"):
        rows_of(tmp_path / "b.spacy")


def test_without_spacy_the_extra_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "spacy", None)
    with pytest.raises(MissingExtraError, match=r"attar\[spacy\]"):
        rows_of(tmp_path / "a.spacy")


def test_names_of_annotations_are_not_interned(tmp_path: Path, monkeypatch: Any) -> None:
    """They are mostly unique, so nothing would be shared."""
    monkeypatch.setattr("attar.data.read.intern", pytest.fail)
    assert len(rows_of(written(tmp_path / "a.jsonl", GOOD))) == 1


def test_the_example_in_the_message_can_be_read() -> None:
    example = json.loads(annotated._EXAMPLE.replace("…", "Rome"))
    assert annotated.spans_in(example, "Rome", "here") == [Span(0, 4, "city")]
