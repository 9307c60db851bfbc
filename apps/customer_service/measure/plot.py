"""What became of the conversations, as an SVG picture: a bar for each first wish."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

KINDS = {
    "right": ("#2a7f4f", "contained and right"),
    "wrong": ("#c0392b", "contained but wrong"),
    "handed": ("#7f8c8d", "handed over, needed"),
    "handed without need": ("#d9a441", "handed over without need"),
}


def draw(figures: Mapping[str, Any], out: Path) -> None:
    """Raises ImportError where matplotlib is not installed."""
    import matplotlib

    matplotlib.use("svg")
    import matplotlib.pyplot as plt

    groups = sorted(figures["by intent"].items(), key=lambda one: one[1]["conversations"])
    names = [intent.replace("_", " ") for intent, _ in groups]
    figure, axes = plt.subplots(figsize=(8, 0.28 * len(names) + 1.8))
    left = [0] * len(groups)
    for kind, (color, label) in KINDS.items():
        widths = [one.get(kind, 0) for _, one in groups]
        axes.barh(names, widths, left=left, color=color, label=f"{label} ({sum(widths)})")
        left = [a + b for a, b in zip(left, widths, strict=True)]
    needing = figures["needing"]
    low, high = (needing["fewer than without a bot"][end] for end in ("low", "high"))
    axes.set_title(
        f"{needing['conversations']} conversations that need something: "
        f"{needing['fewer than without a bot']['share']:.0%} fewer reach a person "
        f"({low:.0%} to {high:.0%})",
        fontsize=10,
    )
    axes.set_xlabel("conversations, by their first wish")
    axes.legend(fontsize=8, loc="lower right")
    for side in ("top", "right"):
        axes.spines[side].set_visible(False)
    figure.tight_layout()
    figure.savefig(out, metadata={"Date": None})
    plt.close(figure)
