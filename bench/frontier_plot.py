"""`classify.json` as a picture: what accuracy a size buys, attar beside its peers.

    python bench/frontier_plot.py [--results FILE] [--out docs/frontier.svg]

Of each kind only what no smaller one surpasses is drawn.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from contenders import ROOT
from report import Result, built, of_set

LIMITED = {
    "attar": "attar",
    "fasttext": "fastText, autotuned",
    "model2vec": "model2vec, fine-tuned",
    "tfidf": "TF-IDF + linear SVM",
}
LEAST = 80.0  # percent; what lies lower is left out, so that the rest can be told apart


def stairs(results: Sequence[Result]) -> list[tuple[float, float]]:
    """(MB, accuracy) of the contenders that no smaller one of the same kind surpasses."""
    found: list[tuple[float, float]] = []
    for one in sorted(results, key=lambda r: (r["size_mb"], -r["accuracy"])):
        if not found or 100 * one["accuracy"] > found[-1][1]:
            found.append((one["size_mb"], 100 * one["accuracy"]))
    return found


def draw(results: Sequence[Result], path: Path) -> None:
    """Write an SVG, a panel a set; equal figures give equal files."""
    import matplotlib as mpl

    mpl.use("svg")
    mpl.rcParams["svg.hashsalt"] = "frontier"
    from matplotlib import pyplot as plt

    names = list(dict.fromkeys(result["set"] for result in results))
    size = (4.6 * len(names) + 0.4, 3.8)
    figure, panels = plt.subplots(1, len(names), figsize=size, squeeze=False, layout="constrained")
    for axis, name in zip(panels[0], names, strict=True):
        for place, (peer, title) in enumerate(LIMITED.items()):
            mine = [r for r in built(of_set(results, name)) if r["peer"] == peer]
            points = [point for point in stairs(mine) if point[1] >= LEAST]
            if not points:
                continue
            style: dict[str, Any] = {"color": f"C{place}", "label": title}
            style |= {"lw": 2.2, "ms": 7} if peer == "attar" else {"lw": 1.2, "ms": 4}
            axis.plot(*zip(*points, strict=True), marker="o", **style)
        axis.set_xscale("log")
        axis.set_xticks([0.3, 1, 2, 5, 20], ["0.3", "1", "2", "5", "20"])
        axis.minorticks_off()
        axis.set_xlabel("MB that ship")
        axis.set_title(name)
        axis.grid(alpha=0.3)
    panels[0][0].set_ylabel("accuracy on the official test split, %")
    panels[0][-1].legend(frameon=False, loc="lower right")
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, metadata={"Date": None})
    plt.close(figure)


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n\n")[0])
    add = parser.add_argument
    add("--results", type=Path, default=ROOT / "bench" / "results" / "classify.json")
    add("--out", type=Path, default=ROOT / "docs" / "frontier.svg")
    options = parser.parse_args()
    whole = json.loads(options.results.read_text(encoding="utf-8"))
    draw(whole["results"], options.out)
    print(options.out)
    return 0


if __name__ == "__main__":
    sys.exit(main())
