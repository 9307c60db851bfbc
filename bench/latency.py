"""Latency of one text on one thread, contenders taken in turns within one run.

Every contender answers in a process of its own, and all of them stay loaded: a
round asks each one in a shuffled order, so that a slow minute of the machine
falls on all of them and the ratios hold.
"""

from __future__ import annotations

import json
import os
import random
import statistics
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from contenders import SEED, minilm_folder

TOKENS = 16
ONE_THREAD = {
    "OMP_NUM_THREADS": "1",
    "MKL_NUM_THREADS": "1",
    "OPENBLAS_NUM_THREADS": "1",
    "RAYON_NUM_THREADS": "1",
    "TOKENIZERS_PARALLELISM": "false",
    "HF_HUB_OFFLINE": "1",
}


def texts_of_length(texts: Sequence[str], tokens: int = TOKENS, most: int = 40) -> list[str]:
    """Test texts of exactly so many MiniLM tokens, special tokens included."""
    from tokenizers import Tokenizer

    tokenizer = Tokenizer.from_file(str(minilm_folder() / "tokenizer.json"))
    tokenizer.no_padding()
    lengths = [len(encoding.ids) for encoding in tokenizer.encode_batch(list(texts))]
    found = [text for text, length in zip(texts, lengths, strict=True) if length == tokens]
    random.Random(SEED).shuffle(found)
    return found[:most]


class Timed:
    """A contender that stays loaded in its process and answers a round when asked."""

    def __init__(self, name: str, peer: str, ship: Path, texts: list[str], scratch: Path) -> None:
        self.name = name
        self.times: list[float] = []
        scratch.mkdir(parents=True, exist_ok=True)
        job = scratch / f"latency-{name}.json"
        job.write_text(json.dumps({"peer": peer, "ship": str(ship), "texts": texts}))
        self.process = subprocess.Popen(
            [sys.executable, str(Path(__file__).with_name("worker.py")), "serve", str(job)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env=os.environ | ONE_THREAD,
        )

    def read(self) -> Any:
        assert self.process.stdout is not None
        line = self.process.stdout.readline()
        if not line:
            raise RuntimeError(f"{self.name}: the latency process ended early")
        return json.loads(line)

    def round(self) -> None:
        assert self.process.stdin is not None
        self.process.stdin.write("\n")
        self.process.stdin.flush()
        self.times += self.read()

    def close(self) -> None:
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.process.stdin.close()
        self.process.wait(timeout=60)
        self.process.stdout.close()


def measure(
    contenders: Sequence[tuple[str, str, Path]], texts: list[str], rounds: int, scratch: Path
) -> dict[str, dict[str, float]]:
    """`contenders`: name, peer, folder that ships. Returns milliseconds by name."""
    timed: list[Timed] = []
    shuffler = random.Random(SEED)
    try:
        for name, peer, ship in contenders:
            one = Timed(name, peer, ship, texts, scratch)
            timed.append(one)
            one.read()  # loaded and warmed up, before the next one takes the core
        for _ in range(rounds):
            for one in shuffler.sample(timed, len(timed)):
                one.round()
    finally:
        for one in timed:
            one.close()
    return {
        one.name: {
            "p50_ms": 1e3 * statistics.median(one.times),
            "p90_ms": 1e3 * sorted(one.times)[int(0.9 * (len(one.times) - 1))],
            "calls": len(one.times),
        }
        for one in timed
    }
