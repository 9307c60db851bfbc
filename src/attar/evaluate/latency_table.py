"""Latencies of model shapes on this machine: measured once, stored, looked up ever after.

So a plan never depends on how busy the machine was during its build. The table lies
in the user's cache folder; deleting it measures anew.
"""

from __future__ import annotations

import hashlib
import json
import os
import platform
from collections.abc import Callable
from pathlib import Path

import onnxruntime

from attar.evaluate.bench import latency_summary, latency_times
from attar.files import write_atomically
from attar.runtime.predictor import load


class LatencyTable:
    """shape -> p50 in milliseconds, for one processor and one version of the engine."""

    def __init__(self, path: Path) -> None:
        self.path = path

    @classmethod
    def of_this_machine(cls) -> LatencyTable:
        root = os.environ.get("ATTAR_CACHE") or os.environ.get("XDG_CACHE_HOME")
        folder = Path(root) if root else Path.home() / ".cache"
        machine = f"{cpu_name()} {platform.machine()} onnxruntime {onnxruntime.__version__}"
        digest = hashlib.sha256(machine.encode()).hexdigest()[:12]
        return cls(folder / "attar" / f"latency-{digest}.json")

    def lookup(self, shape: str, bundle: Callable[[], Path]) -> float:
        """The stored latency of `shape`, or that of the bundle, measured and stored now."""
        table = self._read()
        if shape not in table:
            table[shape] = latency_summary(latency_times(load(bundle())))["p50_ms"]
            self.path.parent.mkdir(parents=True, exist_ok=True)
            content = json.dumps(table, indent=1, sort_keys=True)
            write_atomically(self.path, content.encode())
        return table[shape]

    def _read(self) -> dict[str, float]:
        try:
            table = json.loads(self.path.read_text())
        except (OSError, ValueError):
            return {}
        return {k: float(v) for k, v in table.items()} if isinstance(table, dict) else {}


def cpu_name() -> str:
    """The processor's name as the operating system tells it."""
    try:
        for line in Path("/proc/cpuinfo").read_text().splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    except OSError:
        pass
    return platform.processor() or platform.machine()
