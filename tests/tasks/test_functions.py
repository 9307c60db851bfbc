"""Which functions can be learned, which schemas are refused, and which arguments are valid."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from attar.tasks import functions
from attar.tasks.functions import functions_in, known_functions


def of(**properties: Any) -> dict[str, Any]:
    return {"name": "f", "parameters": {"type": "object", "properties": properties}}


TEXT = {"type": "string"}


def test_both_forms_are_the_same() -> None:
    inner = of(a=TEXT)
    assert functions_in([inner]) == functions_in([{"type": "function", "function": inner}])
    bare = functions_in([{"name": "stop"}])["stop"]
    assert bare.arguments == {}
    assert bare.problem({}) is None


@pytest.mark.parametrize(
    ("tools", "said"),
    [
        ({}, "expected a list"),
        ([], "expected a list"),
        ([3], "function 1: expected an object"),
        ([{"name": ""}], "the name is ''"),
        ([{"name": "a b"}], "the name is 'a b'"),
        ([{"name": "f"}, {"name": "f"}], "function 2: the name 'f' is taken"),
        ([{"name": "f", "parameters": {"type": "string"}}], "parameters: expected"),
        ([{"name": "f", "parameters": {"type": "object", "oneOf": []}}], "'oneOf' is not known"),
        ([of(a={"$ref": "#/x"})], r"\$ref is not known"),
        ([of(a={"$ref": "http://example.invalid/x.json"})], r"\$ref is not known"),
        ([of(a={"type": "object", "properties": {}})], "an object in an object"),
        ([of(a={"type": ["string", "number"]})], "the type is"),
        ([of(a={"type": "string", "pattern": "(a+)+$"})], "'pattern' is not known"),
        ([of(a={"type": "string", "format": "uri"})], "the format is 'uri'"),
        ([of(a={"type": "number", "format": "date"})], "the format is 'date'"),
        ([of(a={"type": "string", "enum": []})], "enum: expected a list"),
        ([of(a={"type": "string", "enum": [1]})], "values of the type string"),
        ([of(a={"type": "number", "minimum": "0"})], "minimum: expected a number"),
        ([of(a={"type": "array"})], "expected a JSON Schema"),
        ([of(a={"type": "array", "items": {"type": "array", "items": TEXT}})], "lists of"),
        ([of(**{" ": TEXT})], "expected a name"),
        ([{"name": "f", "parameters": {"type": "object", "required": ["a"]}}], "required"),
        ([of(**{f"a{i}": TEXT for i in range(65)})], "65 arguments"),
        ([{"name": f"f{i}"} for i in range(257)], "257 functions"),
        ([{"name": "f", "description": "x" * 1_000_001}], "bytes"),
        ([{"name": "f", "description": float("nan")}], "not plain JSON"),
    ],
)
def test_what_is_refused(tools: Any, said: str) -> None:
    with pytest.raises(ValueError, match=said):
        functions_in(tools)


def test_nesting_without_end_is_refused() -> None:
    deep: Any = TEXT
    for _ in range(100_000):
        deep = {"type": "array", "items": deep}
    with pytest.raises(ValueError, match="not plain JSON"):
        functions_in([of(a=deep)])


@pytest.mark.parametrize(
    ("schema", "good", "bad"),
    [
        (TEXT, ["", "a"], [1, None, ["a"]]),
        ({"type": ["string", "null"]}, ["a", None], [1]),
        ({"type": "string", "maxLength": 2}, ["ab"], ["abc"]),
        ({"type": "string", "enum": ["on", "off"]}, ["on"], ["ON", 1]),
        ({"type": "integer"}, [1, 2.0], [1.5, True, "1"]),
        ({"type": "number", "minimum": 0, "exclusiveMaximum": 1}, [0, 0.5], [-1, 1, "0"]),
        ({"type": "number", "exclusiveMinimum": 0, "maximum": 1}, [1], [0, 2, float("inf")]),
        ({"type": "boolean"}, [True], [1, "true"]),
        ({"type": "array", "items": {"type": "integer"}, "maxItems": 2}, [[], [1]], [[1, 2, 3]]),
        ({"type": "array", "items": TEXT, "minItems": 1}, [["a"]], [[], "a", [1]]),
    ],
)
def test_arguments_are_held_to_their_schema(
    schema: dict[str, Any], good: list[Any], bad: list[Any]
) -> None:
    function = functions_in([of(a=schema)])["f"]
    assert [function.problem({"a": value}) for value in good] == [None] * len(good)
    assert all("the argument 'a' of 'f'" in str(function.problem({"a": one})) for one in bad)


def test_arguments_that_are_missing_or_unknown() -> None:
    tool = of(a=TEXT, b=TEXT)
    tool["parameters"]["required"] = ["a"]
    function = functions_in([tool])["f"]
    assert "'a' of 'f' is missing" in str(function.problem({"b": "x"}))
    assert "no argument 'c'" in str(function.problem({"a": "x", "c": 1}))


def test_a_list_is_read_once(monkeypatch: pytest.MonkeyPatch) -> None:
    tools = [of(a=TEXT)]
    found = known_functions(tools)
    monkeypatch.setattr(functions, "functions_in", lambda _: pytest.fail("read again"))
    assert known_functions(tools) is found


#: JSON of the words that functions are made of: near enough to get past the first look.
JSON = st.recursive(
    st.one_of(
        st.none(),
        st.booleans(),
        st.integers(),
        st.just(10**400),
        st.floats(),
        st.sampled_from(["string", "integer", "array", "object", "null", "a", "date", ""]),
    ),
    lambda inner: st.one_of(
        st.lists(inner, max_size=3),
        st.dictionaries(
            st.sampled_from(
                ["name", "type", "function", "parameters", "properties", "required", "items",
                 "enum", "format", "a", "minimum", "maxItems", "additionalProperties"]
            ),
            inner,
            max_size=5,
        ),
    ),
    max_leaves=20,
)  # fmt: skip


@given(schema=JSON, value=JSON, required=JSON)
def test_nothing_but_a_value_error(schema: Any, value: Any, required: Any) -> None:
    for tools in (schema, [schema], [of(a=schema)], [{"name": "f", "parameters": schema}]):
        try:
            found = functions_in(tools)
        except ValueError:
            continue
        for function in found.values():
            function.problem({"a": value})
    tool = of(a=TEXT)
    tool["parameters"]["required"] = required
    if not isinstance(required, list) or any(one != "a" for one in required):
        with pytest.raises(ValueError, match="required|plain JSON"):
            functions_in([tool])
