"""One contender in a process of its own: `build` it and score it, or `serve` it for timing.

Not a command for users: `classify.py` starts it with a job as JSON on the command line.
"""

from __future__ import annotations

import json
import os
import shutil
import sys
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import peers
from contenders import Variant, read_set, score, shipped_mb

WARM_UPS = 50


def build(job: dict[str, Any]) -> dict[str, Any]:
    """Build from the raw files. Seconds count from the start of the process, imports included."""
    variant = Variant(**job["variant"])
    work = Path(job["work"])
    shutil.rmtree(work, ignore_errors=True)
    (work / "ship").mkdir(parents=True, exist_ok=True)
    peer = peers.get(variant.peer)
    data = read_set(job["set"], Path(job["data"]), job["limit"], work.parent)
    extra = peer.build(data, variant, work)
    seconds = time.time() - job["started"]
    found = peer.load(work / "ship").answers(data.test.texts, data.out_of_scope)
    return {
        "set": data.name,
        "contender": variant.name,
        "peer": variant.peer,
        "title": peer.TITLE,
        "target_mb": variant.size_mb,
        "settings": variant.settings,
        "extra": extra,
        "train_rows": len(data.train.texts),
        "test_rows": len(data.test.texts),
        **score(found, data.test, data.out_of_scope),
        "size_mb": shipped_mb(work / "ship", work),
        "build_s": seconds,
        "built": datetime.now(UTC).isoformat(timespec="seconds"),
    }


def serve(job: dict[str, Any]) -> None:
    """Warm up, say so, then time every text once for each line that arrives on stdin."""
    if hasattr(os, "sched_setaffinity"):  # one core, so that one thread is a fact
        os.sched_setaffinity(0, {max(os.sched_getaffinity(0))})
    answer = sys.stdout
    sys.stdout = sys.stderr
    model = peers.get(job["peer"]).load(Path(job["ship"]))
    texts = job["texts"]
    for index in range(WARM_UPS):
        model.label(texts[index % len(texts)])
    print(json.dumps("ready"), file=answer, flush=True)
    for _ in sys.stdin:
        times = []
        for text in texts:
            start = time.perf_counter()
            model.label(text)
            times.append(time.perf_counter() - start)
        print(json.dumps(times), file=answer, flush=True)


def main() -> None:
    job = json.loads(Path(sys.argv[2]).read_text(encoding="utf-8"))
    if sys.argv[1] == "serve":
        serve(job)
        return
    out = Path(job["part"])
    out.parent.mkdir(parents=True, exist_ok=True)
    beside = out.with_suffix(".tmp")
    beside.write_text(json.dumps(build(job), indent=2) + "\n", encoding="utf-8")
    beside.replace(out)


if __name__ == "__main__":
    main()
