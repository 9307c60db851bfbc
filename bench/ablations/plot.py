"""The ablation table as a picture: accuracy against megabytes and against milliseconds."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from ablations.entry import FINE_TUNED

SHOWN_POINTS = 3.0  # below the fine-tuned model; what lost more is drawn at the lower edge


def draw(found: Sequence[dict[str, Any]], title: str, path: Path) -> None:
    """Write an SVG. Entries are numbered as in the table, colored by family; arrows stand for
    those below the picture."""
    import matplotlib as mpl

    mpl.use("svg")
    mpl.rcParams["svg.hashsalt"] = title  # equal figures give equal files
    from matplotlib import pyplot as plt

    tuned = next((one for one in found if one["entry"] == FINE_TUNED), None)
    least = min(100 * one["figures"]["accuracy"] for one in found)
    if tuned is not None:
        least = max(least, 100 * tuned["figures"]["accuracy"] - SHOWN_POINTS)
    families = list(dict.fromkeys(one["family"] for one in found))
    figure, panels = plt.subplots(1, 2, figsize=(11, 5.5), sharey=True, layout="constrained")
    for axis, key, name in zip(panels, ("mb", "latency_ms"), ("MB", "ms, p50"), strict=True):
        for number, one in enumerate(found, 1):
            x, y = one[key], 100 * one["figures"]["accuracy"]
            color = f"C{families.index(one['family'])}"
            marker = "*" if one is tuned else "v" if y < least else "o"
            y = max(y, least)
            axis.scatter(x, y, color=color, s=36, marker=marker)
            axis.annotate(str(number), (x, y), textcoords="offset points", xytext=(5, 3), size=8)
        axis.set_xscale("log")
        axis.set_xlabel(name)
        axis.grid(alpha=0.3)
    panels[0].set_ylabel("accuracy, %")
    for place, family in enumerate(families):
        panels[1].scatter([], [], color=f"C{place}", label=family)
    panels[1].legend(frameon=False, loc="lower right")
    figure.suptitle(title)
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, metadata={"Date": None})
    plt.close(figure)
