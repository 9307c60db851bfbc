"""What the tests of the page share: texts, a key, a report, and a large model on loopback."""

from __future__ import annotations

import contextlib
import hashlib
from collections.abc import Iterator

from attar.serve.settings import Fallback, Key
from upstream import completion, served

REFUND, WEATHER, KEY = "i want my refund", "the weather now", "attar-key-of-the-test"
HOSTILE = "<img src=x onerror=\"document.title='run'\">"
REPORT = {
    "name": "tiny", "task": "classify", "labels": ["cancel", "delivery", "refund"],
    "metrics": {"accuracy": 0.9}, "certify_rows": 1200,
    "errors": [{"text": HOSTILE, "gold": "refund", "label": "cancel", "score": 0.9}],
}  # fmt: skip


def keys() -> tuple[Key, ...]:
    return (Key(name="someone", sha256=hashlib.sha256(KEY.encode()).hexdigest()),)


@contextlib.contextmanager
def large_model() -> Iterator[Fallback]:
    """A large model on loopback, which says that everything is "delivery"."""
    with served() as stub:
        stub.script = [completion("delivery", tokens=(100, 10))]
        yield Fallback(url=stub.url, model="large", input_usd=1.0, output_usd=10.0)
