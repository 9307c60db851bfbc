"""attar itself: the real command line in a subprocess, then the bundle it wrote."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from contenders import ROOT, Answers, DataSet, Variant, size_name

TITLE = "attar"
MODULES = ("attar",)
INSTALL = "make install"

#: Exit codes that leave a bundle: done, and built with a claim unmet or undecided.
BUILT = (0, 4)


def variants(sizes: Sequence[float], options: Mapping[str, Any]) -> list[Variant]:
    keep = {key: options.get(key) for key in ("command", "share_cache", "latency_ms", "minutes")}
    return [Variant(f"attar-{size_name(size)}", "attar", size, dict(keep)) for size in sizes]


def recipe_text(data: DataSet, variant: Variant, folder: Path) -> str:
    """The recipe a user would write: data, the out-of-scope label and the budget."""

    def listed(paths: Sequence[Path]) -> str:
        names = (Path(os.path.relpath(path, folder)).as_posix() for path in paths)
        return "[" + ", ".join(f'"{name}"' for name in names) + "]"

    lines = ['task = "classify"', f'name = "{data.name}"', "", "[data]"]
    lines += [f"train = {listed(data.train_files)}", f"test = {listed(data.test_files)}"]
    if data.out_of_scope:
        lines.append(f'out_of_scope = "{data.out_of_scope}"')
    lines += ["", "[budget]", f"size_mb = {variant.size_mb:g}"]
    if variant.settings.get("latency_ms"):
        lines.append(f"latency_ms = {variant.settings['latency_ms']:g}")
    return "\n".join(lines) + "\n"


def build(data: DataSet, variant: Variant, work: Path) -> dict[str, Any]:
    # `work` starts empty, so that no cache is left from an earlier run.
    shared = bool(variant.settings.get("share_cache"))
    folder = work.parent / "attar-shared" if shared else work
    folder.mkdir(parents=True, exist_ok=True)
    recipe = folder / f"{variant.name}.toml" if shared else folder / "recipe.toml"
    recipe.write_text(recipe_text(data, variant, folder), encoding="utf-8")
    out = work / "ship" / "out.attar"
    command = variant.settings.get("command") or str(Path(sys.executable).with_name("attar"))
    minutes = variant.settings.get("minutes")
    limit = [] if minutes is None else ["--minutes", f"{minutes:g}"]
    done = subprocess.run(
        [command, "build", str(recipe), "-o", str(out), "--force", *limit],
        stdout=sys.stderr,
        cwd=ROOT,
        check=False,
    )
    if done.returncode not in BUILT:
        what = "budget infeasible" if done.returncode == 3 else "attar build failed"
        raise RuntimeError(f"{what} (exit code {done.returncode})")
    return {"exit_code": done.returncode, "share_cache": shared}


class Bundle:
    def __init__(self, path: Path) -> None:
        import attar

        self.predictor = attar.load(path)

    def answers(self, texts: Sequence[str], out_of_scope: str | None) -> Answers:
        found = self.predictor(list(texts))
        scores = np.array([answer.score for answer in found], dtype=np.float64)
        return Answers([answer.label for answer in found], {"score": scores})

    def label(self, text: str) -> str:
        return str(self.predictor([text])[0].label)


def load(ship: Path) -> Bundle:
    return Bundle(ship / "out.attar")
