"""The Predictor on a tiny real bundle: answers, embeddings, golden replay, bad input."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import attar
from attar.bundle import read_bundle
from attar.errors import BundleError, DataError
from attar.runtime.predictor import Predictor
from attar.runtime.readers import MAX_CHARACTERS

Make = Callable[..., Path]
TEXTS = ["refund", "where is my parcel please", "", "i want to cancel now", "the weather",
         "parcel " * 40, "weather and refund"]  # fmt: skip


@pytest.fixture
def predictor(tiny_bundle: Path) -> Predictor:
    loaded: Predictor = attar.load(tiny_bundle)
    return loaded


def test_one_text_and_several(predictor: Predictor) -> None:
    assert predictor("i want my REFUND").label == "refund"
    answers = predictor(TEXTS)
    assert [a.label for a in answers][:2] == ["refund", "delivery"]
    assert answers[4].abstained
    assert predictor([]) == []
    assert predictor(tuple(TEXTS)) == answers
    assert predictor.labels == ("cancel", "delivery", "refund")
    assert predictor.report is None
    assert predictor.manifest["name"] == "tiny"


@pytest.mark.parametrize("batch_tokens", [1, 20, 4096])
def test_batches_change_nothing_and_keep_the_order(tiny_bundle: Path, batch_tokens: int) -> None:
    predictor = Predictor(read_bundle(tiny_bundle), threads=2, batch_tokens=batch_tokens)
    answers = predictor(TEXTS)
    assert [a.label for a in answers] == [predictor(text).label for text in TEXTS]
    for answer, text in zip(answers, TEXTS, strict=True):
        assert answer.score == pytest.approx(predictor(text).score, abs=1e-6)


def test_batches_stay_within_their_tokens(
    tiny_bundle: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    predictor = Predictor(read_bundle(tiny_bundle), batch_tokens=40)
    shapes = []
    run = predictor._engine.run

    def spy(input_ids: Any, *others: Any) -> Any:
        shapes.append(input_ids.shape)
        return run(input_ids, *others)

    monkeypatch.setattr(predictor._engine, "run", spy)
    predictor(TEXTS * 5)
    assert sum(rows for rows, _ in shapes) == 5 * len(TEXTS)
    assert all(rows * length <= 40 for rows, length in shapes)
    assert len(shapes) < 5 * len(TEXTS)


def test_embeddings(predictor: Predictor) -> None:
    one = predictor.embed("refund")
    assert one.shape == (1, 4)
    assert one.dtype == np.float32
    np.testing.assert_allclose(one, [[0, 0, 1 / 3, 0]], rtol=1e-6)
    every = predictor.embed(TEXTS)
    assert every.shape == (len(TEXTS), 4)
    np.testing.assert_allclose(every[0], one[0], rtol=1e-6)
    assert predictor.embed([]).shape == (0, 4)


def test_an_answer_asks_the_engine_for_logits_alone(
    predictor: Predictor, monkeypatch: pytest.MonkeyPatch
) -> None:
    given = []
    run = predictor._engine.run

    def spy(*arguments: Any) -> Any:
        given.append(run(*arguments))
        return given[-1]

    monkeypatch.setattr(predictor._engine, "run", spy)
    alone, together = predictor(TEXTS[0]), predictor(TEXTS[:2])
    assert alone == together[0]
    assert [set(outputs) for outputs in given] == [{"logits"}] * len(given)
    assert "embedding" in predictor.outputs(TEXTS[:1])


def test_no_embeddings_without_the_capability(make_bundle: Make) -> None:
    predictor = attar.load(make_bundle(capabilities=["label"]))
    with pytest.raises(BundleError, match=r"no embeddings. It can: label"):
        predictor.embed("a")


def test_a_stream_is_answered_as_it_comes(predictor: Predictor) -> None:
    taken = []

    def source() -> Iterator[str]:
        for number in range(10):
            taken.append(number)
            yield "refund" if number % 2 else "parcel"

    stream = predictor.stream(source(), batch=3)
    assert taken == []
    assert next(stream).label == "delivery"
    assert len(taken) == 3
    assert [a.label for a in stream] == ["refund", "delivery"] * 4 + ["refund"]
    with pytest.raises(DataError, match="several texts"):
        next(predictor.stream("refund"))


@pytest.mark.parametrize("bad", [None, 3, 3.5, object()])
def test_what_is_no_text(predictor: Predictor, bad: Any) -> None:
    with pytest.raises(DataError, match="expected a"):
        predictor(bad)
    with pytest.raises(DataError, match="text number 2 is a"):
        predictor(["a", bad])
    with pytest.raises(DataError, match="text number 6 is a"):
        list(predictor.stream(["a"] * 5 + [bad], batch=4))
    with pytest.raises(DataError, match="expected a"):
        predictor.embed(bad)


def test_bytes_and_tables_are_no_lists_of_texts(predictor: Predictor) -> None:
    for bad in (b"refund", {"text": "refund"}):
        with pytest.raises(DataError, match="expected a text or a list of texts"):
            predictor(bad)  # type: ignore[arg-type]


def test_long_texts(predictor: Predictor) -> None:
    start = time.perf_counter()
    assert predictor("refund " * (MAX_CHARACTERS // 7)).label == "refund"
    assert time.perf_counter() - start < 2.0
    with pytest.raises(DataError, match=r"text number 2 has 1000001 characters.*Split it"):
        predictor(["a", "x" * (MAX_CHARACTERS + 1)])
    with pytest.raises(DataError, match="the text has 1000001 characters"):
        predictor("x" * (MAX_CHARACTERS + 1))


@pytest.mark.parametrize("text", ["", " ", "\0", "\ud800 refund", "🎉" * 500, "ﷺ" * 99, "\r\n"])
def test_odd_texts(predictor: Predictor, text: str) -> None:
    assert predictor(text).label in predictor.labels
    assert len(predictor([text, "refund"])) == 2


def test_a_tokenizer_that_gives_no_tokens(make_bundle: Make, tiny_files: dict[str, bytes]) -> None:
    tokenizer = json.loads(tiny_files["tokenizer.json"])
    tokenizer["post_processor"] = None
    files = {"tokenizer.json": json.dumps(tokenizer).encode()}
    predictor = attar.load(make_bundle(files=files))
    assert predictor("").score == pytest.approx(0.25)
    assert len(predictor(["", "refund", ""])) == 3


# Golden examples


def test_verify_replays_the_golden_examples(predictor: Predictor) -> None:
    assert predictor.verify() == []


def test_verify_tells_what_differs(make_bundle: Make) -> None:
    lines: list[Any] = [
        {"text": "refund", "label": "cancel", "score": 0.99, "abstained": False},
        {"text": "refund", "label": "refund", "score": 0.90, "abstained": False},
        {"text": "refund", "label": "refund", "score": 0.99, "abstained": True},
        {"text": "refund", "label": "refund", "score": 0.99, "abstained": False},
        {"text": 1, "label": "refund", "score": 0.99, "abstained": False},
        {"text": "refund", "label": "refund"},
    ]
    content = "".join(json.dumps(line) + "\n" for line in lines).encode()
    failures = attar.load(make_bundle(files={"golden.jsonl": content})).verify()
    assert [failure.split(":")[0][-1] for failure in failures] == ["1", "2", "3", "5", "6"]
    assert "label 'refund' instead of 'cancel'" in failures[0]
    assert "score 0.99" in failures[1]
    assert "abstained is False" in failures[2]
    assert "not a golden example" in failures[3]


def test_abstention_may_differ_beside_the_threshold_only(make_bundle: Make) -> None:
    line = {"text": "weather and parcel", "label": "delivery", "score": 0.505, "abstained": False}
    files = {"golden.jsonl": json.dumps(line).encode()}
    predictor = attar.load(make_bundle(files=files))
    assert predictor("weather and parcel").abstained
    assert predictor.verify() == []


def test_verify_without_golden_examples(make_bundle: Make) -> None:
    assert attar.load(make_bundle(files={"golden.jsonl": b""})).verify() != []


# Bundles whose content does not fit


@pytest.mark.parametrize(
    ("keys", "words"),
    [
        ({"task": "paint"}, r"unknown task 'paint'.*Upgrade"),
        ({"task_settings": {"labels": ["a", "b"], "out_of_scope": None, "threshold": None,
                            "temperature": 1.0}}, r"logits.*shape"),
        ({"task_settings": {}}, "task_settings.labels"),
        ({"parts": [{"role": "model", "engine": "magic", "files": ["model.onnx"]}]}, "magic"),
        ({"parts": [{"role": "other", "engine": "onnxruntime", "files": ["model.onnx"]}]},
         "0 parts of the role"),
        ({"parts": [{"role": "model", "engine": "onnxruntime",
                     "files": ["model.onnx", "tokenizer.json"]}]}, "takes one file"),
    ],
)  # fmt: skip
def test_manifests_that_do_not_fit(make_bundle: Make, keys: dict[str, Any], words: str) -> None:
    path = make_bundle(**keys)
    with pytest.raises(BundleError, match=words) as caught:
        attar.load(path)
    assert str(path) in str(caught.value)


@pytest.mark.parametrize(
    ("name", "content"),
    [("model.onnx", b"no graph"), ("model.onnx", b""), ("tokenizer.json", b"{}"),
     ("tokenizer.json", b"\xff"), ("tokenizer.json", b"null")],
)  # fmt: skip
def test_contents_that_do_not_load(
    make_bundle: Make, capfd: pytest.CaptureFixture[str], name: str, content: bytes
) -> None:
    path = make_bundle(files={name: content})
    with pytest.raises(BundleError, match=name.replace(".", r"\.")):
        attar.load(path)
    assert capfd.readouterr().out == ""


def test_token_ids_beyond_the_model(make_bundle: Make, tiny_files: dict[str, bytes]) -> None:
    content = tiny_files["tokenizer.json"].replace(b'"now":17', b'"now":9999')
    assert content != tiny_files["tokenizer.json"]
    predictor = attar.load(make_bundle(files={"tokenizer.json": content}))
    with pytest.raises(BundleError, match="cannot be run"):
        predictor("now")


def test_weights_outside_the_bundle_are_not_read(
    make_bundle: Make, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """ONNX Runtime would look for external weights in the current folder."""
    import onnx

    model = onnx.load_from_string(read_bundle(make_bundle()).read("model.onnx"))
    words = next(t for t in model.graph.initializer if t.name == "words")
    (tmp_path / "private.bin").write_bytes(words.raw_data)
    size = len(words.raw_data)
    words.ClearField("raw_data")
    words.data_location = onnx.TensorProto.EXTERNAL
    for key, value in (("location", "private.bin"), ("offset", "0"), ("length", str(size))):
        entry = words.external_data.add()
        entry.key, entry.value = key, value
    path = make_bundle("outside.attar", files={"model.onnx": model.SerializeToString()})
    monkeypatch.chdir(tmp_path)
    with pytest.raises(BundleError, match="cannot load it"):
        attar.load(path)


def test_inputs_that_attar_does_not_give(make_bundle: Make) -> None:
    from onnx import TensorProto, helper

    graph = helper.make_graph(
        [helper.make_node("Identity", ["audio"], ["logits"])],
        "odd",
        [helper.make_tensor_value_info("audio", TensorProto.FLOAT, ["batch", 4])],
        [helper.make_tensor_value_info("logits", TensorProto.FLOAT, ["batch", 4])],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=10)
    path = make_bundle(files={"model.onnx": model.SerializeToString()})
    with pytest.raises(BundleError, match="takes the inputs audio"):
        attar.load(path)


def test_settings_of_a_predictor(tiny_bundle: Path) -> None:
    with pytest.raises(ValueError, match="at least 1"):
        attar.load(tiny_bundle, threads=0)


# Imports


def modules_after(code: str) -> set[str]:
    script = f"import sys\n{code}\nprint(*{{name.split('.')[0] for name in sys.modules}})"
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True, timeout=60
    )
    return set(done.stdout.split())


def test_the_runtime_imports_three_packages(tiny_bundle: Path) -> None:
    found = modules_after(f"import attar\nattar.load({str(tiny_bundle)!r})('refund')")
    assert {"numpy", "onnxruntime", "tokenizers"} <= found
    started = modules_after("")
    third_party = {
        name for name in found - started - set(sys.stdlib_module_names) if not name.startswith("_")
    }
    assert third_party == {"attar", "numpy", "onnxruntime", "tokenizers"}
