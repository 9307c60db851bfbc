"""The contracts of parts, as checks to run in a test: built-in parts and plugins alike.

    from attar.testing import check_task
    def test_my_task(): check_task(MY_TASK)

Each check raises AssertionError saying what was expected. They hold parts to what the
rest of attar relies on; whether a part is any good is for its own tests.
"""

from __future__ import annotations

import dataclasses
import json
import math
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from attar.bundle import Bundle, content_hash, read_bundle
from attar.errors import BundleError, DataError, OutputError
from attar.evaluate.report import as_text, full_report
from attar.predictions import Extraction, LabelSet, Prediction, Ranking, Summary
from attar.runtime.index import DocumentIndex
from attar.runtime.nearest import ExactSearch
from attar.runtime.predictor import GOLDEN_TOLERANCE, Predictor
from attar.tasks.annotations import name_of as annotation_name
from attar.tasks.label_sets import name_of
from attar.tasks.segments import parts_in
from attar.tasks.summaries import reference_name
from attar.types import Document, Outputs, Row, Silent, Task

if TYPE_CHECKING:  # passes need the training extra, bundles and tasks do not
    from attar.passes import Artifact, Context, Pass

NEIGHBORS = 0.1  # what neighbors in a batch may move a similarity of vectors by
UNSURE = 0.9  # under it neighbors in a batch may tip an answer of many words
ODD_TEXTS = (
    "",
    " \t\n",
    "a",
    "word " * 5000,
    "x" * 20_000,
    "🙂👩‍👩‍👧 ﷽ \u202eabc e\u0301\u0301\u0301",
    "NUL \x00 and bell \x07",
    "half a surrogate \ud83d",
    "[CLS] [SEP] [PAD] <s> </s> ##ing",
    "Where is my order? It is LATE!!!",
)
REPORT_KEYS = (
    "metrics", "budget", "size_bytes", "plan", "candidates", "data", "teacher", "seed",
    "versions", "content_sha256", "measurements",
)  # fmt: skip
READABLE = ("data", "teacher", "seed")


def check_task(task: Task, rows: Sequence[Row] | None = None, out_of_scope: str = "none") -> None:
    """Check that targets, settings, decode, metrics and chance of a task fit together.

    rows: a small example, if labels mean more to the task than names; it must hold
    rows with the label `out_of_scope`.
    """
    if rows is None:
        rows = _examples(task, out_of_scope)
    _expect(isinstance(task.name, str) and task.name.isidentifier(), "name: one plain word")
    capabilities = task.capabilities
    _expect(
        isinstance(capabilities, tuple) and all(isinstance(c, str) for c in capabilities),
        "capabilities: a tuple of texts",
    )
    _expect(bool(capabilities), "capabilities: at least one")
    task.check(rows)
    _expect_error(DataError, lambda: task.check([]), "check: no rows must be a DataError")
    inside = [row for row in rows if row.label != out_of_scope]
    scopes = [(out_of_scope, rows), (out_of_scope, inside), (None, inside)]
    for label, chosen in scopes if task.gold_kind == "label" else scopes[-1:]:
        _check_decoding(task, chosen, label)


def check_pass(step: Pass, source: Artifact, context: Context) -> None:
    """Check a pass's settings and keys, and that it repeats, caches and cleans up.

    Runs the pass twice; nothing is written to `context.cache`.
    """
    _check_settings(step)
    _check_keys(step, source, context)
    with tempfile.TemporaryDirectory() as first, tempfile.TemporaryDirectory() as second:
        said = Silent()
        one = dataclasses.replace(context, cache=Path(first), progress=said, known=set())
        two = dataclasses.replace(context, cache=Path(second), progress=Silent(), known=set())
        made = step.apply(source, one)
        _expect(made.fingerprint == step.key(source, one), "apply: its fingerprint is its key")
        files = _contents(made.folder)
        _expect(bool(files), "run: wrote no file")
        _expect(
            [p.name for p in Path(first).iterdir() if p.is_dir()] == [made.folder.name],
            "apply: the cache holds more than the one finished folder",
        )
        repeated = _contents(step.apply(source, two).folder)
        _expect(files.keys() == repeated.keys(), "run: equal input gave other files")
        for name in files:
            _expect(files[name] == repeated[name], f"run: equal input gave another {name}")
        _check_loads(made)
        before = {p: p.stat().st_mtime_ns for p in made.folder.rglob("*")}
        said.messages.clear()
        again = step.apply(source, dataclasses.replace(one, known=set()))  # another build
        _expect(again == made, "apply: a second time must give the cached artifact")
        after = {p: p.stat().st_mtime_ns for p in made.folder.rglob("*")}
        _expect(before == after, "apply: a second time must not run again")
        reused = any("reused" in message for message in said.messages)
        _expect(reused, "apply: must say that it reused a result")
    _check_cleanup(step, source, context)


def check_bundle(path: str | Path) -> None:
    """Check a finished bundle: it verifies, holds its report and answers anything."""
    path = Path(path)
    bundle = read_bundle(path)
    again = read_bundle(path).content_sha256
    _expect(bundle.content_sha256 == again == content_hash(bundle.manifest),
            "content_sha256: differs between two readings")  # fmt: skip
    _check_report(bundle)
    predictor = Predictor(bundle)
    _expect(bool(predictor.golden), "golden.jsonl: holds no example")
    failures = predictor.verify()
    _expect(not failures, f"verify: {failures}")
    texts = [*ODD_TEXTS, *(example["text"] for example in predictor.golden)]
    _check_same_alone(bundle, predictor, texts)


def _examples(task: Task, out_of_scope: str) -> list[Row]:
    if task.gold_kind == "labels":
        return _example_sets()
    if task.gold_kind == "document":
        return [Row(f"text {i}", f"document {i % 4}", None, "example", i) for i in range(1, 8)]
    if task.gold_kind == "summary":
        return _example_summaries()
    return _example_spans() if task.gold_kind == "spans" else _example_rows(out_of_scope)


def _example_spans() -> list[Row]:
    annotated: tuple[tuple[str, str, list[tuple[int, int, str]]], ...] = (
        ("fly to New York", "go", [(7, 15, "city")]),
        ("fly from Rome to Oslo", "go", [(9, 13, "city"), (17, 21, "city")]),
        ("stop", "end", []),
        ("in two days: stop 🛑", "end", [(3, 11, "when")]),
    )
    return [
        Row(text, annotation_name(label, spans), None, "example", i)
        for i, (text, label, spans) in enumerate(annotated, 1)
    ]


def _example_summaries() -> list[Row]:
    """Documents of which one sentence in three, never the first, is the summary."""
    documents = (
        ("Hello to all of you. The pump leaks. Thanks and bye!", {"problems": "The pump leaks."}),
        ("Well, good day. We ordered a pump. Bye now, all.", {"plan": "We ordered a pump."}),
        ("Hi there. Oil drips 🛑 here. See you.", {"problems": "Oil drips here."}),
        ("Good day, sir.\r\nCall the plumber!\r\nBye, bye.", {"plan": "Call the plumber!"}),
    )
    return [
        Row(text, reference_name(sections), None, "example", i)
        for i, (text, sections) in enumerate(documents, 1)
    ]


def _example_rows(out_of_scope: str) -> list[Row]:
    labels = ("b", "a", "b", out_of_scope, "c c", "a", "c c", out_of_scope)
    return [
        Row(f"text {i} of {name}", name, None, "example", i) for i, name in enumerate(labels, 1)
    ]


def _example_sets() -> list[Row]:
    sets: tuple[list[str], ...] = (["b"], ["a", "b"], [], ["c c", "a"], ["c c"], ["b"], [])
    return [
        Row(f"text {i} of {len(labels)}", name_of(labels), None, "example", i)
        for i, labels in enumerate(sets, 1)
    ]


def _check_decoding(task: Task, rows: Sequence[Row], out_of_scope: str | None) -> None:
    where = f"(out of scope: {out_of_scope!r}, {len(rows)} rows)"
    columns = task.targets(rows, out_of_scope)
    _expect(isinstance(columns, tuple) and len(set(columns)) == len(columns) > 0,
            f"targets: a tuple of distinct names {where}")  # fmt: skip
    backwards = task.targets(rows[::-1], out_of_scope)
    _expect(columns == backwards, f"targets: depend on the order of the rows {where}")
    for threshold in (None, 0.5):
        settings = task.settings(columns, out_of_scope, threshold=threshold)
        _expect(_json(settings) == settings, f"settings: must survive JSON {where}")
        manifest = {"task_settings": settings}
        task.check_manifest(manifest)
        outputs = _sure(task, rows, columns)
        answers = task.decode(outputs, manifest)
        _expect(len(answers) == len(rows), f"decode: one answer a row {where}")
        for i, answer in enumerate(answers):
            alone = task.decode({k: v[i : i + 1] for k, v in outputs.items()}, manifest)
            _expect(alone == [answer], f"decode: row {i} alone is answered otherwise {where}")
            _expect(_json(answer.to_json()) == answer.to_json(), "to_json: must survive JSON")
            differs = answer.differs(_json(answer.to_golden()), 1e-5)
            _expect(differs is None, f"to_golden: differs from its own answer: {differs}")
        _check_metrics(task, rows, answers, out_of_scope, where)
        _expect_error(
            BundleError,
            lambda m=manifest: task.decode({"logits": np.zeros((2, 99), np.float32)}, m),
            f"decode: logits of the wrong width must be a BundleError {where}",
        )
    _expect_error(
        BundleError,
        lambda: task.check_manifest({"task_settings": {}}),
        "check_manifest: empty task_settings must be a BundleError",
    )


def _sure(task: Task, rows: Sequence[Row], columns: Sequence[str]) -> Outputs:
    """What a model would give that knows the gold and is sure of it."""
    if task.gold_kind == "document":
        ids = sorted({row.label or "" for row in rows})
        vectors = np.eye(len(ids), len(columns), dtype=np.float32)
        documents = [Document(name, f"about {name}") for name in ids]
        index = DocumentIndex(documents, ExactSearch(vectors))
        asked = vectors[[ids.index(row.label or "") for row in rows]]
        return {"logits": asked, **index(asked, [row.text for row in rows])}
    gold = task.gold(rows, columns)
    # Of spans places, and perhaps layers, come before the columns.
    places = gold.shape[: 2 if task.gold_kind == "spans" else None]
    logits = np.full((*places, len(columns)), -8.0, np.float32)
    if gold.ndim == 2 and task.gold_kind == "labels":
        logits = np.where(gold > 0, np.float32(8), np.float32(-8))
    else:
        known = np.nonzero(gold >= 0)
        logits[(*known[: len(places)], gold[known])] = 8.0
    return {"logits": logits, **task.beside([row.text for row in rows])}


def _check_metrics(
    task: Task,
    rows: Sequence[Row],
    answers: Sequence[Prediction],
    out_of_scope: str | None,
    where: str,
) -> None:
    inside = [row for row in rows if row.label != out_of_scope]
    found = task.metrics(rows, answers, out_of_scope)
    _expect(bool(found), f"metrics: none {where}")
    _expect(all(isinstance(v, float) for v in found.values()), f"metrics: floats {where}")
    chance = task.chance(inside)
    _expect(0.0 <= chance <= 1.0, f"chance: {chance} is not between 0 and 1 {where}")
    name, best = next(iter(found.items()))
    _expect(best >= chance, f"metrics: perfect answers have {name} {best}, chance {chance} {where}")
    one = task.metrics(rows[:1], answers[:1], out_of_scope)
    _expect(name in one, f"metrics: {name} is missing for one row {where}")
    task.metrics([], [], out_of_scope)  # undefined is NaN, never an error


def _check_settings(step: Pass) -> None:
    _expect(dataclasses.is_dataclass(step), "a pass is a dataclass of its settings")
    kind: Any = type(step)
    frozen = kind.__dataclass_params__.frozen
    _expect(frozen, "the settings' dataclass must be frozen")
    _expect(isinstance(step.name, str) and step.name.isidentifier(), "name: one plain word")
    _expect(isinstance(step.version, int) and step.version >= 1, "version: an int from 1")
    unknown = set(step.reads) - set(READABLE)
    _expect(not unknown, f"reads: {unknown} is unknown; known are {READABLE}")
    settings = step.settings()
    _expect(set(step.reasons) <= set(settings), "reasons: give some for what is no setting")
    try:
        json.dumps(settings, allow_nan=False)
    except (TypeError, ValueError) as error:
        raise AssertionError(f"settings: must be plain JSON values: {error}") from None


def _check_keys(step: Pass, source: Artifact, context: Context) -> None:
    key = step.key(source, context)
    twin = dataclasses.replace(step)  # type: ignore[type-var]
    _expect(twin == step and twin.key(source, context) == key, "key: equal settings, other key")
    other_source = dataclasses.replace(source, fingerprint=source.fingerprint + "'")
    _expect(step.key(other_source, context) != key, "key: must depend on the input")
    other_data = dataclasses.replace(context.dataset, fingerprint="other")
    for name, changed in (
        ("data", dataclasses.replace(context, dataset=other_data)),
        ("seed", dataclasses.replace(context, seed=context.seed + 1)),
    ):
        differs = step.key(source, changed) != key
        _expect(differs == (name in step.reads), f"key: reads says otherwise about {name!r}")
    for field in dataclasses.fields(step):  # type: ignore[arg-type]
        for value in _others(getattr(step, field.name)):
            changed_step = dataclasses.replace(step, **{field.name: value})  # type: ignore[type-var]
            _expect(changed_step.key(source, context) != key, f"key: must depend on {field.name}")


def _others(value: Any) -> list[Any]:
    """Another value of the same kind, where one can be made up."""
    if isinstance(value, bool):
        return [not value]
    if isinstance(value, int | float):
        return [value + 1]
    if isinstance(value, tuple):
        return [value[:-1]] if value else []
    return [1] if value is None else []


class _StopError(Exception):
    pass


def _check_cleanup(step: Pass, source: Artifact, context: Context) -> None:
    """A pass that fails half-way leaves no folder behind, whatever the failure."""
    for error, expected in ((OSError("no space left"), OutputError), (_StopError(), _StopError)):

        def fail(self: Pass, source: Artifact, folder: Path, context: Context,
                 error: Exception = error) -> None:  # fmt: skip
            (folder / "half").write_text("half")
            raise error

        broken_type = type(type(step).__name__, (type(step),), {"run": fail, "__slots__": ()})
        fields = dataclasses.fields(step)  # type: ignore[arg-type]
        broken = broken_type(**{f.name: getattr(step, f.name) for f in fields})
        with tempfile.TemporaryDirectory() as folder:
            failing = dataclasses.replace(
                context, cache=Path(folder), progress=Silent(), known=set()
            )
            _expect_error(
                expected,
                lambda b=broken, c=failing: b.apply(source, c),
                f"apply: {type(error).__name__} in run must become {expected.__name__}",
            )
            left = sorted(p.name for p in Path(folder).iterdir())
            _expect(not left, f"apply: left {left} behind after {type(error).__name__} in run")


def _check_loads(made: Artifact) -> None:
    """The result is a torch model or an exported one, whole."""
    if (made.folder / "attar.json").exists():
        from attar.train.models import Model

        model = Model.load(made.folder)
        logits, embedding = model.answer(["a text", ""])
        _expect(logits.shape == (2, model.columns), "the result's logits: (batch, columns)")
        _expect(bool(np.isfinite(logits).all() and np.isfinite(embedding).all()),
                "the result answers with numbers that are not finite")  # fmt: skip
        return
    names = {p.name for p in made.folder.iterdir()}
    missing = {"model.onnx", "tokenizer.json", "input.json"} - names
    _expect(not missing, f"the result is neither a torch model nor an export: lacks {missing}")
    from attar.runtime.engines.onnx import OnnxEngine

    engine = OnnxEngine()
    engine.load({"model.onnx": (made.folder / "model.onnx").read_bytes()}, threads=1)
    for shape in ((1, 1), (2, 7)):
        outputs = engine.run(np.ones(shape, np.int64), np.ones(shape, np.int64))
        _expect({"logits", "embedding"} <= outputs.keys(), "an export gives logits and embedding")
        _expect(len(outputs["logits"]) == shape[0], "an export's batch must be dynamic")


def _check_report(bundle: Bundle) -> None:
    report = full_report(bundle)
    missing = [key for key in REPORT_KEYS if key not in report]
    _expect(not missing, f"report: lacks {', '.join(missing)}")
    _expect(_json(report) == report, "report: must be plain JSON, without NaN")
    _expect(report["size_bytes"] == bundle.path.stat().st_size, "report: size_bytes is the file's")
    _expect(bool(as_text(report)), "report: has no text")


def _check_same_alone(bundle: Bundle, predictor: Predictor, texts: Sequence[str]) -> None:
    alone = [predictor(text) for text in texts]
    for text, answer in zip(texts, alone, strict=True):
        shown = ascii(text[:40])
        _expect(_known(answer, text, predictor), f"label: {answer.label!r} for {shown}")
        _expect(math.isfinite(answer.score) and 0.0 <= answer.score <= 1.0 + 1e-9,
                f"score: {answer.score} for {shown}")  # fmt: skip
        _expect(predictor(text) == answer, f"the second answer differs for {shown}")
    one_by_one = Predictor(bundle, batch_tokens=1)(texts)
    _expect(one_by_one == alone, "batch_tokens=1: answers differ from those of single texts")
    # Dynamic quantization scales over the batch: equal within what golden examples allow.
    for text, answer, among in zip(texts, alone, predictor(texts), strict=True):
        near = _nearly(answer, among)
        _expect(near, f"among others {text[:40]!a} scores otherwise: {answer} and {among}")


def _known(answer: Prediction, text: str, predictor: Predictor) -> bool:
    """Whether an answer names only labels that the bundle has, and spans of the text."""
    if isinstance(answer, Ranking):
        known = {document.id for document in predictor.documents}
        return {found.id for found in answer.documents} <= known
    if isinstance(answer, Summary):
        sections = predictor.manifest["task_settings"]["sections"]
        return all(
            0 <= s.start < s.end <= len(text) and s.label in sections for s in answer.sentences
        )
    if not isinstance(answer, Extraction):
        return set(answer.named) <= set(predictor.labels)
    of_spans = predictor.manifest["task_settings"]["span_labels"]
    of_text = answer.text_label is None or answer.text_label in predictor.labels
    if answer.calls is not None:
        of_text = set(parts_in(answer.text_label)) <= set(predictor.labels)
    return of_text and all(
        0 <= span.start < span.end <= len(text) and span.label in of_spans for span in answer.spans
    )


def _nearly(answer: Prediction, among: Prediction) -> bool:
    """Whether an answer from a batch scores what was named alone as it was scored alone."""
    if isinstance(answer, LabelSet) and isinstance(among, LabelSet):
        mine, theirs = (dict((*a.labels, *a.alternatives)) for a in (answer, among))
        return all(abs(mine[label] - theirs[label]) <= GOLDEN_TOLERANCE for label in mine)
    if isinstance(answer, Ranking) and isinstance(among, Ranking):
        mine, theirs = ({d.id: d.score for d in a.documents} for a in (answer, among))
        both = mine.keys() & theirs.keys()
        return all(abs(mine[i] - theirs[i]) <= NEIGHBORS for i in both) and bool(both or not mine)
    if isinstance(answer, Summary):  # each document runs alone
        return answer == among
    if isinstance(answer, Extraction):
        return answer.label == among.label or answer.score < UNSURE
    scores = dict(among.alternatives) | {among.label: among.score}
    return abs(scores.get(answer.label, 0.0) - answer.score) <= GOLDEN_TOLERANCE


def _contents(folder: Path) -> dict[str, bytes]:
    files = sorted(p for p in folder.rglob("*") if p.is_file())
    return {str(p.relative_to(folder)): p.read_bytes() for p in files}


def _json(value: Mapping[str, Any]) -> Any:
    try:
        return json.loads(json.dumps(value, allow_nan=False))
    except (TypeError, ValueError) as error:
        raise AssertionError(f"not plain JSON: {error}") from None


def _expect(holds: bool, expected: str) -> None:
    if not holds:
        raise AssertionError(expected)


def _expect_error(kind: type[Exception], call: Any, expected: str) -> None:
    try:
        call()
    except kind:
        return
    except Exception as error:
        raise AssertionError(f"{expected}; it was {error!r}") from error
    raise AssertionError(f"{expected}; it was no error")
