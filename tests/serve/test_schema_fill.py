"""Labels in a client's own schema: what is filled is valid, what cannot be is refused."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from attar.serve.schema_fill import (
    ABSTAINED_NAMES,
    LABEL_NAMES,
    LABELS_NAMES,
    SCORE_NAMES,
    CannotFillError,
    filled,
)

quick = settings(
    max_examples=300,
    deadline=None,
    database=None,
    derandomize=True,
    suppress_health_check=list(HealthCheck),
)
names = st.sampled_from(
    [*LABEL_NAMES[:4], *SCORE_NAMES[:2], *ABSTAINED_NAMES[:2], *LABELS_NAMES[:2], "reason", "a/b~c"]
)
words = st.sampled_from(["refund", "cancel", "oos", None, 3])
kinds = st.sampled_from(["string", "number", "integer", "boolean", "null", "array", "object"])
leaves = st.one_of(
    st.fixed_dictionaries({"type": kinds | st.lists(kinds, min_size=1, max_size=3, unique=True)}),
    st.fixed_dictionaries({"enum": st.lists(words, min_size=1, max_size=3)}),
    st.fixed_dictionaries({"const": words}),
    st.fixed_dictionaries({"type": st.just("integer"), "maximum": st.just(100)}),
)
# That lead somewhere: the validator that judges fails on others.
references = st.sampled_from([{"$ref": "#/$defs/x"}, {"$ref": "#/$defs/a~1b"}])
parts = st.recursive(
    leaves | references,
    lambda inner: st.one_of(
        st.fixed_dictionaries({"anyOf": st.lists(inner, min_size=1, max_size=3)}),
        st.fixed_dictionaries({"oneOf": st.lists(inner, min_size=1, max_size=1)}),
        st.fixed_dictionaries({"allOf": st.lists(inner, min_size=1, max_size=1)}),
        st.fixed_dictionaries({"type": st.just("array"), "items": inner}),
    ),
    max_leaves=5,
)
schemas = st.fixed_dictionaries(
    {
        "type": st.just("object"),
        "properties": st.dictionaries(names, parts, max_size=4),
        "required": st.lists(names, max_size=3),
        "$defs": st.fixed_dictionaries({"x": leaves, "a/b": leaves}),
    }
)


@quick
@given(schemas, st.sampled_from(["refund", "oos", None]), st.floats(0, 1), st.booleans())
def test_what_is_filled_is_valid(
    schema: dict[str, Any], label: str | None, score: float, abstained: bool
) -> None:
    jsonschema = pytest.importorskip("jsonschema", reason="checks what was filled")
    several = [label] if label else ["refund", "cancel"]
    try:
        made = filled(schema, label, several, score, abstained)
    except CannotFillError:
        return
    jsonschema.Draft202012Validator(schema).validate(made)
    json.dumps(made, allow_nan=False)


anything = st.recursive(
    st.none() | st.booleans() | st.integers(-5, 200) | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(
                ["type", "properties", "required", "enum", "const", "anyOf", "oneOf", "allOf",
                 "items", "$ref", "$defs", "label", "score", "labels", "maximum"]
            ),
            inner | st.sampled_from(["#/properties/label", "#/$defs/label", "object", "string"]),
            max_size=5,
        )
    ),
    max_leaves=12,
)  # fmt: skip


@quick
@given(st.dictionaries(st.sampled_from(["properties", "required", "$defs", "$ref"]), anything))
def test_no_schema_breaks_it(schema: dict[str, Any]) -> None:
    try:
        filled(schema, "refund", ["refund"], 0.5, False)
    except CannotFillError:
        return


@pytest.mark.parametrize("width", [1, 2, 5])
def test_a_schema_that_refers_to_itself_is_refused_soon(width: int) -> None:
    schema = {
        "$defs": {"a": {"anyOf": [{"$ref": "#/$defs/a"}] * width}, "b": {"$ref": "#/$defs/b"}},
        "properties": {"label": {"$ref": "#/$defs/a"}},
        "required": ["label"],
    }
    with pytest.raises(CannotFillError, match="refers to itself"):
        filled(schema, "refund", ["refund"], 0.5, False)
    with pytest.raises(CannotFillError, match="leads out"):
        filled({**schema, "properties": {"label": {"$ref": "#/$defs/b"}}}, "a", ["a"], 0.5, False)
    with pytest.raises(CannotFillError, match="leads out"):
        filled({"$ref": "https://elsewhere.example/schema"}, "a", ["a"], 0.5, False)


@pytest.mark.parametrize(
    ("part", "made"),
    [
        ({"type": "number"}, 0.25),
        ({"type": "number", "maximum": 100}, 25.0),
        ({"type": "integer", "maximum": 100}, 25),
        ({"type": ["number", "null"]}, 0.25),
        ({"anyOf": [{"type": "null"}, {"type": "number"}]}, 0.25),
    ],
)
def test_scores(part: dict[str, Any], made: float) -> None:
    schema = {"properties": {"confidence": part}, "required": ["confidence"]}
    found = filled(schema, "refund", ["refund"], 0.25, False)
    assert found == {"confidence": made}
    assert type(found["confidence"]) is type(made)
    with pytest.raises(CannotFillError, match="integer"):
        filled(
            {"properties": {"score": {"type": "integer"}}, "required": ["score"]},
            "a",
            [],
            0.2,
            True,
        )


def test_several_labels() -> None:
    enum = {"type": "string", "enum": ["refund", "cancel"]}
    listed = {"properties": {"labels": {"type": "array", "items": enum}}}
    assert filled(listed, None, ["refund", "cancel"], 0.5, False)["labels"] == ["refund", "cancel"]
    assert filled(listed, None, [], 0.5, False)["labels"] == []
    # A label that the client's enum does not have is not left out in silence.
    with pytest.raises(CannotFillError, match="'delivery'"):
        filled(listed | {"required": ["labels"]}, None, ["refund", "delivery"], 0.5, False)
    one = {"properties": {"label": {"type": "string"}}, "required": ["label"]}
    with pytest.raises(CannotFillError, match="several"):
        filled(one, None, ["refund"], 0.5, False)
    nullable = {"properties": {"label": {"type": ["string", "null"]}}, "required": ["label"]}
    assert filled(nullable, None, ["refund"], 0.5, False) == {"label": None}
    # An abstention names none.
    assert filled(listed, "oos", ["oos"], 0.5, True) == {"labels": []}
    free = {"properties": {"intents": {"type": "array"}}}
    assert filled(free, None, ["refund"], 0.5, False) == {"intents": ["refund"]}


def test_null_stands_for_a_label_only_where_the_enum_has_it() -> None:
    kinds = {"type": ["string", "null"]}
    schema = {"properties": {"label": kinds | {"enum": ["cancel", None]}}}
    assert filled(schema, "refund", ["refund"], 0.5, False) == {"label": None}
    with pytest.raises(CannotFillError, match="'refund'"):
        filled(
            {"properties": {"label": kinds | {"enum": ["cancel"]}}, "required": ["label"]},
            *("refund", ["refund"], 0.5, False),
        )
