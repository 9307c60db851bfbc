"""What a user installs and loads: attar's base install beside torch + transformers.

    python bench/install.py --bundle support-desk.attar

attar is installed with `pip install .` in a throw-away environment; torch and
transformers are those of the current one. Needs the package index, or pip's cache.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import subprocess
import sys
import tempfile
import venv
from importlib import metadata
from pathlib import Path
from typing import Any

from contenders import ROOT, minilm_folder
from report import line

#: Printed by both probes as one line of JSON; /proc gives the resident memory on Linux.
PROBE = """
import json, os, sys, time
before = set(sys.modules)
start = time.perf_counter()
{load}
loaded = time.perf_counter() - start
third = sorted({{name.split(".")[0] for name in set(sys.modules) - before}}
               - set(sys.stdlib_module_names) - {{"__main__"}})
found = [name for name in third
         if "site-packages" in (getattr(sys.modules.get(name), "__file__", None) or "")]
start = time.perf_counter()
{answer}
first = time.perf_counter() - start
try:
    pages = int(open("/proc/self/statm").read().split()[1])
    memory = pages * os.sysconf("SC_PAGE_SIZE") / 1e6
except OSError:
    import resource
    memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6
print(json.dumps({{"load_s": loaded, "first_answer_s": first, "resident_mb": memory,
                   "packages": found}}))
"""
ATTAR = {
    "load": "import attar\npredictor = attar.load(sys.argv[1])",
    "answer": "predictor(['where is my order'])",
}
TRANSFORMERS = {
    "load": (
        "import torch, transformers\n"
        "transformers.logging.set_verbosity_error()\n"
        "answer = transformers.pipeline('text-classification', model=sys.argv[1], device='cpu')"
    ),
    "answer": "answer('where is my order')",
}


def folder_mb(folder: Path) -> float:
    files = (path for path in folder.rglob("*") if path.is_file() and not path.is_symlink())
    return sum(path.stat().st_size for path in files) / 1e6


def closure_mb(*names: str) -> tuple[float, int]:
    """Megabytes of installed packages with all that they require, and how many there are."""
    seen: set[str] = set()
    todo, size = list(names), 0
    while todo:
        name = re.sub(r"[-_.]+", "-", todo.pop()).lower()
        if name in seen:
            continue
        try:
            found = metadata.distribution(name)
        except metadata.PackageNotFoundError:
            continue
        seen.add(name)
        for file in found.files or ():
            path = Path(str(file.locate()))
            size += path.stat().st_size if path.is_file() else 0
        for requirement in found.requires or ():
            if "extra ==" not in requirement:
                todo.append(re.split(r"[^A-Za-z0-9._-]", requirement, maxsplit=1)[0])
    return size / 1e6, len(seen)


def probe(python: Path, parts: dict[str, str], argument: Path, times: int) -> dict[str, Any]:
    """The best of a few fresh processes, after one that fills the caches of the disk."""
    runs = []
    with tempfile.TemporaryDirectory() as elsewhere:  # not the checkout: only what is installed
        for _ in range(times + 1):
            done = subprocess.run(
                [str(python), "-c", PROBE.format(**parts), str(argument.resolve())],
                capture_output=True,
                text=True,
                cwd=elsewhere,
                env=os.environ | {"HF_HUB_OFFLINE": "1", "TOKENIZERS_PARALLELISM": "false"},
                check=False,
            )
            if done.returncode:
                raise SystemExit(f"the probe failed:\n{done.stderr.strip()[-2000:]}")
            runs.append(json.loads(done.stdout.strip().splitlines()[-1]))
    best: dict[str, Any] = min(runs[1:], key=lambda run: run["load_s"])
    return best


def base_install(project: Path, bundle: Path, times: int) -> dict[str, Any]:
    with tempfile.TemporaryDirectory() as folder:
        print("installing attar in a throw-away environment", file=sys.stderr)
        venv.create(folder, with_pip=True)
        python = Path(folder) / ("Scripts" if os.name == "nt" else "bin") / "python"
        pip = [str(python), "-m", "pip", "install", "-q", "--no-compile"]
        constraints = project / "constraints.txt"
        pip += ["-c", str(constraints)] if constraints.exists() else []
        done = subprocess.run([*pip, str(project)], stdout=sys.stderr, check=False)
        if done.returncode:
            raise SystemExit("pip could not install attar: see the lines above")
        installed = next(p for p in Path(folder).rglob("site-packages") if p.is_dir())
        tools = [p for p in installed.iterdir() if re.match(r"(pip|setuptools|wheel)\b", p.name)]
        size = folder_mb(installed) - sum(folder_mb(tool) for tool in tools)
        count = len(list(installed.glob("*.dist-info"))) - sum(
            tool.suffix == ".dist-info" for tool in tools
        )
        return {"size_mb": size, "installed": count} | probe(python, ATTAR, bundle, times)


def beside(model: Path, times: int) -> dict[str, Any]:
    size, count = closure_mb("torch", "transformers")
    found = probe(Path(sys.executable), TRANSFORMERS, model, times)
    return {"size_mb": size, "installed": count} | found


def markdown(rows: dict[str, dict[str, Any]]) -> str:
    head: tuple[str, ...] = (
        "",
        "site-packages MB",
        "packages installed",
        "import + load s",
        "first answer s",
    )
    head += ("resident MB", "third-party packages imported")
    out = [line(head), line(("---",) * len(head))]
    for name, row in rows.items():
        packages = row["packages"]
        listed = ", ".join(packages) if len(packages) <= 8 else f"{len(packages)} packages"
        cells: tuple[str, ...] = (
            name,
            f"{row['size_mb']:.0f}",
            str(row["installed"]),
            f"{row['load_s']:.2f}",
        )
        cells += (f"{row['first_answer_s']:.3f}", f"{row['resident_mb']:.0f}", listed)
        out.append(line(cells))
    return "\n".join(out) + "\n"


def newest_bundle() -> Path | None:
    found = [*ROOT.glob("*.attar"), *(ROOT / ".bench").rglob("out.attar")]
    return max(found, key=lambda path: path.stat().st_mtime, default=None)


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n\n")[0])
    parser.add_argument("--bundle", type=Path, help="default: the newest one of this checkout")
    parser.add_argument("--model", type=Path, help="folder of a fine-tuned model for transformers")
    parser.add_argument("--out", type=Path, default=ROOT / "bench" / "results")
    parser.add_argument("--times", type=int, default=3, help="processes per probe: %(default)s")
    options = parser.parse_args()
    bundle = options.bundle or newest_bundle()
    if bundle is None or not bundle.is_file():
        print("no bundle: build one with `make quickstart` or name it: --bundle", file=sys.stderr)
        return 2
    tuned = sorted((ROOT / ".bench").glob("*/minilm-trainer/ship"))
    model = options.model or (tuned[0] if tuned else minilm_folder())
    rows = {
        "attar (base install)": base_install(ROOT, bundle, options.times),
        "torch + transformers pipeline": beside(model, options.times),
    }
    text = markdown(rows)
    own = [name for name in rows["attar (base install)"]["packages"] if name != "attar"]
    verdict = "reached" if len(own) <= 3 else "missed"
    text += f"\nThree packages imported by `attar.load`: {verdict} ({', '.join(own)}).\n"
    options.out.mkdir(parents=True, exist_ok=True)
    (options.out / "install.json").write_text(json.dumps(rows, indent=2) + "\n", "utf-8")
    (options.out / "install.md").write_text(text, encoding="utf-8")
    print(text)
    return 0


if __name__ == "__main__":
    sys.exit(main())
