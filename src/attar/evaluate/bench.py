"""Latency and memory of a finished bundle on this machine.

Latency: one text of 16 tokens, text in to label out, one thread. The median over
calls is taken in several rounds and the quietest round is reported, because other
load on the machine only ever adds time. Memory: the peak resident set of a fresh
process that loads the bundle and answers.
"""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from attar.errors import BundleError
from attar.runtime.predictor import Predictor

TOKENS = 16
#: Linux keeps ru_maxrss across exec, so it would show the parent's peak: VmHWM does not.
MEMORY_PROGRAM = """
import sys, attar
attar.load(sys.argv[1])(["a", "the quick brown fox jumps over the lazy dog"])
try:
    lines = open("/proc/self/status").read().splitlines()
    print(next(int(l.split()[1]) * 1024 for l in lines if l.startswith("VmHWM")))
except OSError:
    import resource
    print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)
"""
ROUNDS = 5
CALLS = 400  # enough for a bound on the 99th percentile at 95 %


def sample_text(predictor: Predictor) -> str:
    """A text of TOKENS tokens for this bundle's tokenizer, or as near as its input allows."""
    words = ["my", "order", "is", "late", "and", "nobody", "answers", "when", "will", "it", "come"]
    text = words[0]
    for word in words[1:] + ["a"] * TOKENS:
        if predictor.count_tokens(f"{text} {word}") > TOKENS:
            break
        text = f"{text} {word}"
    return text


def latency_times(predictor: Predictor) -> NDArray[np.float64]:
    """Milliseconds of each call, (CALLS,), in the quietest of ROUNDS rounds."""
    text = sample_text(predictor)
    rounds = [_round(lambda: predictor(text)) for _ in range(ROUNDS)]
    return 1e3 * np.array(min(rounds, key=lambda times: float(np.median(times))))


def latency_summary(times: NDArray[np.float64]) -> dict[str, Any]:
    """p50_ms, p99_ms, and percentiles_ms: the 0th to the 100th."""
    percentiles = [round(float(x), 4) for x in np.percentile(times, np.arange(101))]
    return {"p50_ms": percentiles[50], "p99_ms": percentiles[99], "percentiles_ms": percentiles}


def _round(call: Callable[[], Any]) -> list[float]:
    for _ in range(20):
        call()
    times = []
    for _ in range(CALLS):
        start = time.perf_counter()
        call()
        times.append(time.perf_counter() - start)
    return times


def peak_memory_mb(path: Path) -> float:
    """Peak resident memory in 10^6 bytes of a process that loads the bundle and answers."""
    done = subprocess.run(
        [sys.executable, "-c", MEMORY_PROGRAM, str(path)],
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        raise BundleError(f"{path}: does not answer in a fresh process:\n{done.stderr[-2000:]}")
    return round(int(done.stdout.split()[-1]) / 1e6, 1)
