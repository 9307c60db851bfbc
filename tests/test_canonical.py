"""RFC 8785: the published examples, and agreement with plain JSON."""

from __future__ import annotations

import json
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from attar.canonical import canonical_json

values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**53) + 1, 2**53 - 1)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=10,
)


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (333333333.33333329, "333333333.3333333"),
        (1e30, "1e+30"),
        (4.5, "4.5"),
        (2e-3, "0.002"),
        (1e-27, "1e-27"),
        (1e21, "1e+21"),
        (1e20, "100000000000000000000"),
        (-0.0, "0"),
        (5e-324, "5e-324"),
        (1.7976931348623157e308, "1.7976931348623157e+308"),
        (1e-6, "0.000001"),
        (1e-7, "1e-7"),
        (-1.5, "-1.5"),
        (9007199254740991, "9007199254740991"),
        ('€$\u000f\nA\'B"\\\\"/', '"€$\\u000f\\nA\'B\\"\\\\\\\\\\"/"'),
        ({"b": [True, None], "a": {}}, '{"a":{},"b":[true,null]}'),
        ({"\ufb33": 1, "\U0001f600": 2, "é": 3}, '{"é":3,"\U0001f600":2,"\ufb33":1}'),
    ],
)
def test_published_forms(value: object, expected: str) -> None:
    assert canonical_json(value).decode() == expected


@given(values)
def test_it_is_json_of_the_same_value(value: object) -> None:
    assert json.loads(canonical_json(value), parse_int=float) == value


@given(values)
def test_it_is_read_and_written_again_alike(value: object) -> None:
    once = canonical_json(value)
    assert canonical_json(json.loads(once)) == once


@given(values)
def test_it_does_not_depend_on_the_way_there(value: object) -> None:
    again = json.loads(json.dumps(value))
    assert canonical_json(again) == canonical_json(value)


@pytest.mark.parametrize(
    "value", [math.nan, math.inf, 2**53 + 1, 2**60, 10**400, {1: 2}, b"x", "\ud800", [object()]]
)
def test_what_has_no_form_is_refused(value: object) -> None:
    with pytest.raises(ValueError, match=r"JSON|surrogates"):
        canonical_json(value)
