"""attar serve beside LitServe, BentoML, KServe and a bare handler, on the same ONNX model.

    python bench/serve_load.py BUNDLE… --peers-python .venv-serve-peers/bin/python

For each bundle, in turns: one client, 64 clients, and the highest rate over 64 connections
at which the 99th percentile stays under 20 ms. `--soak MINUTES` then holds 80 % of attar's
rate, and `--overload` asks for three times its peak. The load runs on the same two cores:
only ratios of one run count. What the columns mean: bench/README.md.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import uvloop

from classify import say
from contenders import ROOT, SETS, read_rows
from report import line
from serving.contenders import Contender, Started, contenders, start, unpack
from serving.load import Seen, at_rate, closed_loop

CLIENTS = 64
MOST_P99_MS = 20.0
DEADLINE_MS = 2000.0  # the server's own default
AT_ONCE = 4_096  # connections under overload: four times the texts that may wait


def run(work: Any) -> Seen:
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        seen: Seen = runner.run(work)
    return seen


def measure(one: Started, texts: list[str], seconds: float) -> dict[str, Any]:
    requests = one.requests(texts)
    run(closed_loop(one.port, requests, 8, 1.0))  # warm
    alone = run(closed_loop(one.port, requests, 1, seconds)).summary()
    before = one.processor_s()
    many = run(closed_loop(one.port, requests, CLIENTS, seconds)).summary()
    used = (one.processor_s() - before) / many["seconds"]
    rate, at_best = highest_rate(one, requests, many["rps"], seconds)
    return {
        "one": alone,
        "many": many,
        "cores_used": used,
        "rate": rate,
        "at_rate": at_best,
        "resident_mb": one.resident_mb(),
        "first_answer_s": one.first_answer_s,
    }


def highest_rate(
    one: Started, requests: list[bytes], peak: float, seconds: float
) -> tuple[float, dict[str, Any] | None]:
    """The highest of the rates tried at which p99 stays under MOST_P99_MS, all answered. A rate
    is tried again before it counts as too high: the machine's own pauses are no contender's."""

    def held(rate: float) -> dict[str, Any] | None:
        for _ in range(2):
            found = run(at_rate(one.port, requests, rate, seconds, CLIENTS)).summary()
            answered = set(found["statuses"]) == {200} and not found["late"]
            if answered and found["p99_ms"] <= MOST_P99_MS:
                return found
        return None

    low, high, best = 0.0, 1.1 * peak, None
    for _ in range(5):
        rate = (low + high) / 2
        found = held(rate)
        low, high = (rate, high) if found else (low, rate)
        best = found or best
    return low, best


def round_of(
    chosen: list[Contender], bundle: Path, folder: Path, texts: list[str], seconds: float
) -> dict[str, dict[str, Any]]:
    results = {}
    for contender in chosen:
        log = folder / f"{contender.name.replace(' ', '-').replace(',', '')}.log"
        one = start(contender, bundle, folder, log)
        try:
            results[contender.name] = measure(one, texts, seconds)
        finally:
            one.stop()
        found = results[contender.name]
        say(
            f"{bundle.name}: {contender.name}: {found['one']['rps']:.0f} a second alone, "
            f"{found['many']['rps']:.0f} with {CLIENTS} clients, {found['rate']:.0f} at p99 "
            f"under {MOST_P99_MS:g} ms"
        )
    return results


def table(rounds: list[dict[str, dict[str, Any]]]) -> list[str]:
    """Medians over the rounds; ratios are of the medians."""
    head = ("contender", "one client: a second", "p50 ms", f"{CLIENTS} clients: a second", "p99 ms",
            "processors used", f"a second at p99 ≤ {MOST_P99_MS:g} ms", "attar's ×",
            "first answer s", "MB")  # fmt: skip
    out = [line(head), line(("---",) * len(head))]

    def middle(name: str, *keys: str) -> float:
        values = []
        for found in rounds:
            value: Any = found[name]
            for key in keys:
                value = value[key]
            values.append(value)
        return float(np.median(values))

    names = list(rounds[0])
    own = middle(names[0], "rate")
    for name in names:
        rate = middle(name, "rate")
        cells = (
            name,
            f"{middle(name, 'one', 'rps'):.0f}",
            f"{middle(name, 'one', 'p50_ms'):.2f}",
            f"{middle(name, 'many', 'rps'):.0f}",
            f"{middle(name, 'many', 'p99_ms'):.1f}",
            f"{middle(name, 'cores_used'):.2f}",
            f"{rate:.0f}",
            f"{own / rate:.2f}" if rate else "-",
            f"{middle(name, 'first_answer_s'):.2f}",
            f"{middle(name, 'resident_mb'):.0f}",
        )
        out.append(line(cells))
    return out


def soak(one: Started, texts: list[str], rate: float, minutes: float) -> list[str]:
    """80 % of the peak for long: errors, memory by the minute, p99 by the minute."""
    requests = one.requests(texts)
    out = [
        "| minute | a second | p99 ms | errors | no free connection | MB |",
        "|---|---|---|---|---|---|",
    ]
    for minute in range(1, round(minutes) + 1):
        found = run(at_rate(one.port, requests, 0.8 * rate, 60, CLIENTS)).summary()
        wrong = sum(n for status, n in found["statuses"].items() if status != 200)
        cells = (str(minute), f"{found['rps']:.0f}", f"{found['p99_ms']:.1f}",
                 str(wrong), str(found["late"]), f"{one.resident_mb():.1f}")  # fmt: skip
        out.append(line(cells))
        say("soak: " + out[-1])
    return out


def overload(one: Started, texts: list[str], peak: float, seconds: float) -> list[str]:
    """Three times the peak, then half of it: refusals, deadlines kept, recovery."""
    requests = one.requests(texts)
    hard = run(at_rate(one.port, requests, 3 * peak, seconds, AT_ONCE)).summary()
    began = time.perf_counter()
    after = run(at_rate(one.port, requests, 0.5 * peak, 3, CLIENTS))
    recovered = [
        end for end, ms in zip(after.ends, after.milliseconds, strict=True) if ms > MOST_P99_MS
    ]
    statuses = ", ".join(f"{status}: {n:,}" for status, n in sorted(hard["statuses"].items()))
    return [
        f"Three times the peak ({3 * peak:.0f} a second for {seconds:g} s): {statuses}; "
        f"{hard['late']:,} found no free connection of {AT_ONCE:,}. Of the answers: p50 "
        f"{hard['p50_ms']:.0f} ms, p99 {hard['p99_ms']:.0f} ms, longest {hard['max_ms']:.0f} ms "
        f"(deadline {DEADLINE_MS:g} ms).",
        f"At half the peak right after it the last answer over {MOST_P99_MS:g} ms came "
        f"{max(recovered, default=0.0):.2f} s after the change "
        f"(measured for {time.perf_counter() - began:.1f} s).",
    ]


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n\n")[0])
    add = parser.add_argument
    add("bundles", nargs="+", type=Path)
    add("--data", type=Path, default=ROOT.parent / "shared" / "data")
    add("--set", default="banking77", help="whose test texts are asked: %(default)s")
    add("--peers-python", type=Path, default=ROOT / ".venv-serve-peers" / "bin" / "python")
    add("--only", help="comma-separated parts of contenders' names; attar is always there")
    add("--rounds", type=int, default=3)
    add("--seconds", type=float, default=5.0, help="of each measurement: %(default)s")
    add("--soak", type=float, default=0.0, help="minutes at 80 %% of attar's rate")
    add("--overload", action="store_true")
    options = parser.parse_args()
    spec = SETS[options.set]
    texts = read_rows([options.data / options.set / file for file in spec.test]).texts
    chosen = contenders(options.peers_python)
    if options.only is not None:
        wanted = [part.lower() for part in options.only.split(",") if part]
        chosen = [chosen[0], *(c for c in chosen[1:] if any(p in c.name.lower() for p in wanted))]
    out = ["# attar serve beside its peers", ""]
    facts: dict[str, Any] = {}
    for bundle in options.bundles:
        folder = ROOT / ".bench" / "serve" / f"{bundle.stem}-{bundle.stat().st_size}"
        unpack(bundle, folder)
        rounds = [
            round_of(chosen, bundle, folder, texts, options.seconds) for _ in range(options.rounds)
        ]
        title = f"## {bundle.name}, {bundle.stat().st_size / 1e6:.2f} MB"
        out += [title, "", *table(rounds), ""]
        facts[title] = rounds
        own = [found["attar serve"] for found in rounds]
        one = start(chosen[0], bundle, folder, folder / "long.log")
        try:
            if options.soak:
                rate = float(np.median([f["rate"] for f in own]))
                out += [*soak(one, texts, rate, options.soak), ""]
            if options.overload:
                peak = float(np.median([f["many"]["rps"] for f in own]))
                out += [*overload(one, texts, peak, 2 * options.seconds), ""]
        finally:
            one.stop()
    text = "\n".join(out) + "\n"
    results = ROOT / "bench" / "results"
    results.mkdir(exist_ok=True)
    (results / "serve.md").write_text(text, encoding="utf-8")
    (results / "serve.json").write_text(json.dumps(facts, indent=1), encoding="utf-8")
    print(text)
    return 0


if __name__ == "__main__":
    sys.exit(main())
