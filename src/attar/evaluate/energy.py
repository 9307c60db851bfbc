"""Energy of one request: measured by the processor's own counters, else estimated.

On Linux the counters of RAPL (running average power limit: Intel, and AMD since Zen) are
read around many calls; what the idle machine draws in as much time is subtracted. They
cover processor and memory, not disk, fan or power supply, and count whatever else runs.

Where they cannot be read (virtual machines, other systems, and without root since Linux
5.10) the figure is labeled "estimate": the processor time of a call at an assumed power
of a busy core. It is no measurement and serves only as an order of magnitude.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

SECONDS = 1.0  # of calls; the counters move about a thousand times a second
WARM_UP = 5
#: Watts of a busy core, rounded up because a lone busy core runs at its highest clock.
#: Thermal design power by core: Intel Xeon Platinum 8380 270 W / 40 = 6.8,
#: AMD EPYC 7763 280 W / 64 = 4.4, Intel Core i7-1165G7 28 W / 4 = 7.
CORE_WATTS = 10.0


def energy(call: Callable[[], object], root: Path = Path("/sys/class/powercap")) -> dict[str, Any]:
    """{joules_per_request, method, watts} of one call, after a second of calls.

    method: "RAPL", watts being what the calls drew on top of idling; or "estimate", watts
    being the assumed CORE_WATTS. root: where the counters are.
    """
    for _ in range(WARM_UP):
        call()
    zones = _zones(root)
    before = _read(zones)
    started, cpu_started = time.perf_counter(), time.process_time()
    calls = 0
    elapsed = 0.0
    while elapsed < SECONDS or not calls:
        call()
        calls += 1
        elapsed = time.perf_counter() - started
    cpu_seconds = time.process_time() - cpu_started
    joules = _joules(zones, before, _read(zones))
    if joules is not None:
        idle = _idle_watts(zones, elapsed)
        net = joules - idle * elapsed if idle is not None else 0.0
        if net > 0:  # else other work ended meanwhile, and the difference says nothing
            return _result(net / calls, "RAPL", net / elapsed)
    return _result(CORE_WATTS * cpu_seconds / calls, "estimate", CORE_WATTS)


def _idle_watts(zones: Sequence[Path], seconds: float) -> float | None:
    before = _read(zones)
    started = time.perf_counter()
    time.sleep(seconds)
    joules = _joules(zones, before, _read(zones))
    elapsed = time.perf_counter() - started
    return None if joules is None or elapsed <= 0 else joules / elapsed


def _zones(root: Path) -> list[Path]:
    """The packages, and memory where it is counted apart.

    Core and graphics lie within their package, and "psys" holds the packages: adding
    them would count twice.
    """
    packages = [z for z in _folders(root, "intel-rapl:*") if _name(z).startswith("package")]
    memory = [z for p in packages for z in _folders(p, "intel-rapl:*:*") if _name(z) == "dram"]
    return packages + memory


def _folders(root: Path, pattern: str) -> list[Path]:
    try:
        return sorted(path for path in root.glob(pattern) if path.is_dir())
    except OSError:
        return []


def _name(zone: Path) -> str:
    try:
        return (zone / "name").read_text().strip()
    except (OSError, ValueError):
        return ""


def _read(zones: Sequence[Path]) -> list[int] | None:
    """Microjoules of every zone; None where there is none, or one cannot be read."""
    try:
        return [_counter(zone / "energy_uj") for zone in zones] or None
    except (OSError, ValueError):
        return None


def _joules(
    zones: Sequence[Path], before: Sequence[int] | None, after: Sequence[int] | None
) -> float | None:
    """What all zones used in between, each counter having started over at most once."""
    if before is None or after is None:
        return None
    total = 0
    for zone, first, last in zip(zones, before, after, strict=True):
        if last < first:
            try:
                last += _counter(zone / "max_energy_range_uj")
            except (OSError, ValueError):
                return None
            if last < first:
                return None
        total += last - first
    return total / 1e6


def _counter(path: Path) -> int:
    return int(path.read_text())


def _result(joules: float, method: str, watts: float) -> dict[str, Any]:
    assert math.isfinite(joules)
    return {
        "joules_per_request": float(f"{joules:.6g}"),
        "method": method,
        "watts": float(f"{watts:.6g}"),
    }
