"""Energy: counters in a made-up powercap folder, and the estimate where there are none."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

import pytest

from attar.evaluate import energy as module
from attar.evaluate.energy import CORE_WATTS, WARM_UP, energy


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "SECONDS", 0.02)


def zone(
    root: Path, number: str, name: str, microjoules: int = 0, most: int | None = 2**40
) -> Path:
    folder = root / f"intel-rapl:{number}"
    folder.mkdir(parents=True)
    (folder / "name").write_text(f"{name}\n")
    (folder / "energy_uj").write_text(f"{microjoules}\n")
    if most is not None:
        (folder / "max_energy_range_uj").write_text(f"{most}\n")
    return folder / "energy_uj"


def add(counter: Path, microjoules: int, most: int = 2**40) -> None:
    counter.write_text(str((int(counter.read_text()) + microjoules) % most))


def spending(counter: Path, microjoules: int, most: int = 2**40) -> Callable[[], None]:
    def call() -> None:
        add(counter, microjoules, most)

    return call


def estimated(found: dict[str, object]) -> bool:
    return found["method"] == "estimate" and found["watts"] == CORE_WATTS


def test_joules_of_the_counter_by_call(tmp_path: Path) -> None:
    counter = zone(tmp_path, "0", "package-0")
    found = energy(spending(counter, 2500), tmp_path)
    assert found["method"] == "RAPL"
    assert found["joules_per_request"] == 0.0025
    assert found["watts"] > 0


def test_the_counter_starts_over(tmp_path: Path) -> None:
    """Once: a real counter lasts many minutes."""
    most = 10**9
    warm = WARM_UP * 1000
    counter = zone(tmp_path, "0", "package-0", most - warm - 1500, most)
    found = energy(spending(counter, 1000, most), tmp_path)
    assert found["method"] == "RAPL"
    assert found["joules_per_request"] == 0.001


@pytest.mark.parametrize("most", [None, 10])
def test_a_counter_that_falls_without_reason(tmp_path: Path, most: int | None) -> None:
    counter = zone(tmp_path, "0", "package-0", 10**12, most)
    assert estimated(energy(spending(counter, -1000), tmp_path))


def test_all_packages_and_their_memory_but_nothing_twice(tmp_path: Path) -> None:
    counters = [zone(tmp_path, "0", "package-0"), zone(tmp_path, "1", "package-1")]
    counters.append(zone(tmp_path / "intel-rapl:0", "0:0", "dram"))
    counters.append(zone(tmp_path / "intel-rapl:0", "0:1", "core"))
    counters.append(zone(tmp_path, "2", "psys"))
    # The class folder lists the inner zones flat as well.
    counters.append(zone(tmp_path, "0:0", "dram"))

    def call() -> None:
        for counter in counters:
            add(counter, 1000)

    assert energy(call, tmp_path)["joules_per_request"] == pytest.approx(0.003)


def test_idling_is_subtracted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    counter = zone(tmp_path, "0", "package-0")
    used = {"busy": 0}

    def call() -> None:
        add(counter, 1_000_000)
        used["busy"] += 1

    clock = [0.0]

    def tick() -> float:
        clock[0] += 0.001
        return clock[0]

    def sleep(seconds: float) -> None:  # idling draws half of what the calls draw
        clock[0] += seconds
        add(counter, (used["busy"] - WARM_UP) * 500_000)

    monkeypatch.setattr(module.time, "perf_counter", tick)
    monkeypatch.setattr(module.time, "sleep", sleep)
    assert energy(call, tmp_path)["joules_per_request"] == pytest.approx(0.5, rel=0.1)


def test_other_work_that_ended_leaves_an_estimate(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    counter = zone(tmp_path, "0", "package-0")
    monkeypatch.setattr(module.time, "sleep", lambda _: add(counter, 10**12))
    assert estimated(energy(spending(counter, 1), tmp_path))


def test_no_counters(tmp_path: Path) -> None:
    for root in (tmp_path, tmp_path / "none"):
        assert estimated(energy(lambda: None, root))


def test_counters_that_cannot_be_read(tmp_path: Path) -> None:
    """Since Linux 5.10 only root may; here the file is a folder, which not even root can."""
    counter = zone(tmp_path, "0", "package-0")
    counter.unlink()
    counter.mkdir()
    assert estimated(energy(lambda: None, tmp_path))


def test_a_counter_without_a_number(tmp_path: Path) -> None:
    zone(tmp_path, "0", "package-0").write_text("many")
    assert estimated(energy(lambda: None, tmp_path))


def test_the_estimate_counts_processor_time(tmp_path: Path) -> None:
    def work() -> None:
        until = time.process_time() + 0.005
        while time.process_time() < until:
            pass

    busy = energy(work, tmp_path)["joules_per_request"]
    waiting = energy(lambda: time.sleep(0.005), tmp_path)["joules_per_request"]
    assert 0.005 * CORE_WATTS <= busy < 0.05 * CORE_WATTS
    assert waiting < busy / 2


def test_a_slow_call_is_measured_once(tmp_path: Path) -> None:
    calls = []
    energy(lambda: (calls.append(0), time.sleep(0.03)), tmp_path)
    assert len(calls) == WARM_UP + 1


def test_an_error_of_the_call_is_the_callers(tmp_path: Path) -> None:
    with pytest.raises(ZeroDivisionError):
        energy(lambda: 1 / 0, tmp_path)
