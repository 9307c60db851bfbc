"""What the strangers share: their arguments, and facts that hold or end the program.

Runs in every stranger's own environment, so it uses the standard library alone.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Callable
from typing import Any, NoReturn

REFUND, WEATHER = "i want my refund", "the weather now"
LABELS = ["cancel", "delivery", "refund"]
started = time.perf_counter()
held: list[str] = []


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser()
    parser.add_argument("--url", required=True, help="of the server, without /v1")
    parser.add_argument("--model", required=True)
    parser.add_argument("--spans-model", required=True, help="which marks spans")
    parser.add_argument("--key", required=True)
    parser.add_argument("--limited-key", required=True, help="a key that may ask but rarely")
    return parser.parse_args()


def fact(name: str, holds: bool, *seen: object) -> None:
    """A fact that holds, or the end of the program with what was seen instead."""
    if not holds:
        fail(name, *seen)
    held.append(name)


def fail(name: str, *seen: object) -> NoReturn:
    print(f"NOT SO: {name}" + "".join(f"\n  seen: {one!r}"[:2_000] for one in seen))
    sys.exit(1)


def refused(name: str, kind: type[BaseException], ask: Callable[[], Any]) -> Any:
    """The error of this kind that asking ends in; any other end is the program's."""
    try:
        found = ask()
    except kind as error:
        held.append(name)
        return error
    except Exception as error:
        fail(name, error)
    fail(name, found)


def done(version: str) -> None:
    print(f"{version}: {len(held)} facts in {time.perf_counter() - started:.1f} s")
