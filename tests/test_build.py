"""The straight line, end to end on a tiny teacher: same content, resumable, honest answers."""

from __future__ import annotations

import errno
import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

torch = pytest.importorskip("torch")

import attar
from attar.build import build
from attar.bundle import read_bundle
from attar.cli import main
from attar.errors import AttarError, InfeasibleError, OutputError, RecipeError, TeacherError
from attar.evaluate.report import exit_code
from attar.files import write_atomically
from attar.plan.start import built_model
from attar.recipe import ClaimSpec, read_recipe
from attar.testing import REPORT_KEYS, check_bundle
from attar.train.shapes import reports_bytes
from attar.types import Silent

Make = Callable[..., Path]
SIZE = "[budget]\nsize_mb = 0.4\n"

# Kills itself with the strongest signal in the last quarter of the final distillation.
KILLED = """
import os, signal, sys
from attar.build import build
from attar.types import Silent

seen = []  # the final training is the distillation after the teacher's

class Killer(Silent):
    def track(self, items, what, total=None):
        seen.append(what)
        final = what.startswith("distill") and any(w.startswith("finetune (full") for w in seen)
        for number, item in enumerate(items):
            if final and number == 3 * total // 4:
                os.kill(os.getpid(), signal.SIGKILL)
            yield item

build(sys.argv[1], sys.argv[2], progress=Killer())
"""


class Desk:
    """A recipe that was built once, in a folder of its own."""

    def __init__(self, recipe: Path, out: Path, report: dict[str, Any]) -> None:
        self.recipe, self.out, self.report = recipe, out, report

    def rebuild(self, out: Path, extra: str = "", **keys: Any) -> tuple[dict[str, Any], list[str]]:
        """Build the recipe with `extra` at its end; also returns what was said."""
        recipe = self.recipe.with_name("again.toml")
        base = self.recipe.read_text().replace(SIZE, "" if "[budget]" in extra else SIZE)
        recipe.write_text(base + extra)
        said = Silent()
        return build(recipe, out, progress=said, **keys), said.messages


@pytest.fixture(scope="module")
def desk(tmp_path_factory: pytest.TempPathFactory, request: pytest.FixtureRequest) -> Desk:
    folder = tmp_path_factory.mktemp("desk")
    os.environ["ATTAR_CACHE"] = str(tmp_path_factory.mktemp("latencies"))
    request.addfinalizer(lambda: os.environ.pop("ATTAR_CACHE", None))
    recipe = write_recipe(folder, request)
    return Desk(recipe, folder / "tiny.attar", build(recipe, folder / "tiny.attar"))


def write_recipe(folder: Path, request: pytest.FixtureRequest) -> Path:
    made: Path = request.getfixturevalue("write_desk")(folder, SIZE)
    return made


def test_the_bundle_keeps_the_contract(desk: Desk) -> None:
    check_bundle(desk.out)


def test_the_report_has_what_the_command_promises(desk: Desk) -> None:
    report = desk.report
    assert set(REPORT_KEYS) <= set(report)
    assert json.loads(json.dumps(report, allow_nan=False)) == report
    assert report["seed"] == 0
    assert report["size_bytes"] == desk.out.stat().st_size <= 0.4e6
    assert report["content_sha256"] == read_bundle(desk.out).content_sha256
    assert set(report["budget"]) == {"size_mb", "latency_ms", "memory_mb"}
    assert report["budget"]["size_mb"]["limit"] == 0.4
    assert all(entry["measured"] > 0 for entry in report["budget"].values())
    metrics = report["metrics"]
    assert {"accuracy", "agreement", "macro_f1", "oos_auroc", "oos_recall"} <= set(metrics)
    assert metrics["accuracy"] > 0.5 > report["chance"]
    assert report["teacher"]["model"] == "encoder"
    assert {"accuracy", "macro_f1", "oos_auroc"} <= set(report["teacher"]["metrics"])
    for name, entry in report["plan"].items():
        assert set(entry) == {"value", "reason"}, name
        assert entry["reason"], name
    assert {"student", "teacher.finetune", "max_length", "distill.epochs"} <= set(report["plan"])
    for candidate in report["candidates"]:
        assert {"name", "size_bytes", "parameters", "score", "select"} <= set(candidate)
    assert report["student"] in [candidate["name"] for candidate in report["candidates"]]
    assert set(report["data"]["rows"]) >= {"train", "select", "calibrate", "certify", "unlabeled"}
    assert report["data"]["rows"]["certify"] == report["certify_rows"] == 40
    assert {"attar", "torch", "onnxruntime"} <= set(report["versions"])
    assert {"latency", "peak_memory_mb", "build_seconds"} <= set(report["measurements"])
    assert str(desk.recipe.parent) not in json.dumps(report)


def test_the_measured_candidate_is_what_ships(desk: Desk) -> None:
    chosen = next(c for c in desk.report["candidates"] if c["name"] == desk.report["student"])
    added = desk.report["size_bytes"] - chosen["size_bytes"]
    labels = attar.load(desk.out).labels
    assert 0 < added <= reports_bytes(len(labels))
    assert labels == ("cancel", "delivery", "refund")


def test_a_second_build_reuses_everything(desk: Desk, tmp_path: Path) -> None:
    report, said = desk.rebuild(tmp_path / "again.attar")
    assert not [line for line in said if "continues" in line]
    reused = {line.split(":")[0] for line in said if "reused from cache/" in line}
    assert {"finetune", "trim_vocabulary", "distill", "export_onnx", "quantize"} <= reused
    # The recipe's name is part of the content, so the copy keeps it.
    assert report["content_sha256"] == desk.report["content_sha256"]
    inner = desk.recipe.parent / ".attar" / "cache"
    assert not [path.name for path in inner.iterdir() if "partial" in path.name]


def test_another_seed_gives_another_model(desk: Desk, tmp_path: Path) -> None:
    report, _ = desk.rebuild(tmp_path / "seeded.attar", seed=1)
    assert report["seed"] == 1
    assert report["content_sha256"] != desk.report["content_sha256"]


def test_a_fresh_folder_gives_the_same_content(
    desk: Desk, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    recipe = write_recipe(tmp_path, request)
    report = build(recipe, tmp_path / "fresh.attar")
    assert report["content_sha256"] == desk.report["content_sha256"]


def test_a_killed_build_goes_on_and_ends_the_same(
    desk: Desk, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    recipe = write_recipe(tmp_path, request)
    out = tmp_path / "killed.attar"
    done = subprocess.run(
        [sys.executable, "-c", KILLED, str(recipe), str(out)], capture_output=True, timeout=120
    )
    assert done.returncode == -signal.SIGKILL, done.stderr[-2000:]
    assert not out.exists()
    said = Silent()
    report = build(recipe, out, progress=said)
    assert any(line.startswith("finetune: reused") for line in said.messages)
    assert any(line.startswith("distill: continues after epoch") for line in said.messages)
    assert report["content_sha256"] == desk.report["content_sha256"]


def test_an_infeasible_size_names_the_nearest(desk: Desk, tmp_path: Path) -> None:
    out = tmp_path / "none.attar"
    with pytest.raises(InfeasibleError, match=r"nearest feasible budget: size_mb = 0\.\d+") as e:
        desk.rebuild(out, "[budget]\nsize_mb = 0.01\n")
    assert e.value.exit_code == 3
    assert "score on select" in str(e.value)
    assert not out.exists()
    # What it names is feasible.
    nearest = str(e.value).split("size_mb = ")[2].split()[0].rstrip(",")
    report, _ = desk.rebuild(out, f"[budget]\nsize_mb = {nearest}\n")
    assert report["size_bytes"] <= float(nearest) * 1e6


@pytest.mark.parametrize("limit", ["latency_ms = 0.001", "memory_mb = 1"])
def test_an_infeasible_latency_or_memory_is_an_answer(
    desk: Desk, tmp_path: Path, limit: str
) -> None:
    out = tmp_path / "none.attar"
    with pytest.raises(InfeasibleError, match=r"nearest feasible budget") as caught:
        desk.rebuild(out, f"[budget]\nsize_mb = 0.4\n{limit}\n")
    assert limit.split()[0] in str(caught.value).partition("nearest feasible")[2]
    assert not out.exists()


def test_the_command_exits_with_3_when_infeasible(
    desk: Desk, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    recipe = desk.recipe.with_name("small.toml")
    recipe.write_text(desk.recipe.read_text().replace("0.4", "0.01"))
    with pytest.raises(SystemExit) as stopped:
        main(["build", str(recipe), "-o", str(tmp_path / "none.attar")])
    assert stopped.value.code == 3
    assert capsys.readouterr().err.count("error:") == 1


def test_an_existing_file_is_refused_before_any_work(desk: Desk, tmp_path: Path) -> None:
    out = tmp_path / "there.attar"
    out.write_text("mine")
    said = Silent()
    with pytest.raises(OutputError, match="exists already. Pass --force"):
        build(desk.recipe, out, progress=said)
    assert said.messages == []
    assert out.read_text() == "mine"
    with pytest.raises(OutputError, match="not a file in a folder that exists"):
        build(desk.recipe, tmp_path / "nowhere" / "x.attar", progress=said)
    with pytest.raises(OutputError, match="not a file in a folder"):
        build(desk.recipe, tmp_path, force=True, progress=said)
    assert said.messages == []
    report, _ = desk.rebuild(out, force=True)
    assert read_bundle(out).content_sha256 == report["content_sha256"]


def test_a_full_disk_leaves_nothing_half_written(
    desk: Desk, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = {p: p.stat().st_size for p in desk.recipe.parent.rglob("*") if p.is_file()}

    def full(descriptor: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OutputError, match="No space left on device"):
        desk.rebuild(tmp_path / "full.attar", seed=2)
    monkeypatch.undo()
    assert list(tmp_path.iterdir()) == []
    left = {p for p in desk.recipe.parent.rglob("*") if p.is_file()} - set(before)
    assert not [p for p in left if p.suffix == ".part" or "partial" in str(p)]


def test_a_disk_that_fills_at_the_last_file(
    desk: Desk, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = tmp_path / "last.attar"
    module = sys.modules["attar.build"]

    def write(path: Path, content: bytes) -> None:
        if Path(path) == out:
            raise OutputError(f"cannot write {path}: No space left on device")
        write_atomically(path, content)

    monkeypatch.setattr(module, "write_atomically", write)
    with pytest.raises(OutputError, match="No space left"):
        desk.rebuild(out)
    assert list(tmp_path.iterdir()) == []


def test_claims_decide_the_exit_code(
    desk: Desk, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    value = desk.report["metrics"]["accuracy"]
    bounds = {"met": 0.05, "undecided": round(value, 3), "unmet": 0.999}
    claim = '[[claims]]\nmetric = "accuracy"\nat_least = {}\n'
    report, _ = desk.rebuild(
        tmp_path / "three.attar", "".join(claim.format(b) for b in bounds.values())
    )
    statuses = [entry["status"] for entry in report["claims"]]
    assert statuses == list(bounds) or value == 1.0
    assert exit_code(report) == 4
    for status, bound in bounds.items():
        recipe = desk.recipe.with_name(f"{status}.toml")
        recipe.write_text(desk.recipe.read_text() + claim.format(bound))
        out = tmp_path / f"{status}.attar"
        with pytest.raises(SystemExit) as stopped:
            main(["build", str(recipe), "-o", str(out)])
        assert stopped.value.code == (0 if status == "met" else 4)
        assert out.exists()
        assert status in capsys.readouterr().out


def test_a_certificate_of_every_kind(
    desk: Desk, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    claims = {
        "macro_f1": "at_least = 0.3", "retained": "at_least = -0.6",
        "error_when_answering": "at_most = 0.6", "handover": "at_most = 0.999",
        "oos_auroc": "at_least = 0.4", "oos_recall": "at_least = 0.0",
        "oos_acceptance": "at_most = 1.0", "latency_p50_ms": "at_most = 1000",
        "latency_p99_ms": "at_most = 5000", "memory_mb": "at_most = 5000",
        "size_mb": "at_most = 0.4",
    }  # fmt: skip
    text = "".join(f'[[claims]]\nmetric = "{name}"\n{b}\n' for name, b in claims.items())
    text += '[[claims]]\nmetric = "recall"\nlabel = "refund"\nat_least = 0.01\n'
    out = tmp_path / "certified.attar"
    report, _ = desk.rebuild(out, text)
    decided = {claim["metric"]: claim for claim in report["claims"]}
    assert set(decided) == {*claims, "recall"}
    assert {claim["status"] for claim in decided.values()} == {"met"}, decided
    assert decided["size_mb"]["value"] == pytest.approx(report["size_bytes"] / 1e6, abs=1e-6)
    handover = report["handover"]
    assert handover["method"].startswith("learn then test")
    assert handover["calibrate_rows"] == report["data"]["rows"]["calibrate"] > 0
    assert set(handover["separation"]) == {"probability", "energy", "distance"}
    assert handover["threshold"] == report["threshold"]
    if report["threshold"] is not None:
        assert report["threshold"] in [point["threshold"] for point in handover["curve"]]
    assert report["seals"] >= 1
    sealed = read_bundle(out)
    assert "latency_p50_ms" not in str(sealed.report)  # timings are outside the content
    assert sealed.read("card.md").startswith(b"---\n")
    kinds = {cut["kind"] for cut in report["slices"]}
    assert kinds == {"label", "length", "perturbation"}
    assert report["reliability"]["ece"] >= 0
    assert report["measurements"]["energy"]["joules_per_request"] > 0
    assert report["cost"]["models"]
    check_bundle(out)
    page = tmp_path / "report.html"
    with pytest.raises(SystemExit) as stopped:
        main(["report", str(out), "--html", str(page)])
    assert stopped.value.code == 0
    assert "<!doctype html>" in page.read_text().lower()
    capsys.readouterr()
    data = desk.recipe.parent / "test.jsonl"
    with pytest.raises(SystemExit) as stopped:
        main(["verify", str(out), "--data", str(data), "--json"])
    assert stopped.value.code == 0
    verdicts = {c["metric"]: c["verdict"] for c in json.loads(capsys.readouterr().out)}
    assert verdicts.pop("retained") == "not re-testable"
    assert "size_mb" not in verdicts
    assert set(verdicts.values()) == {"met"}
    backwards = tmp_path / "backwards.jsonl"  # the draw of a group's row once saw the order
    backwards.write_text("\n".join(data.read_text().splitlines()[::-1]) + "\n")
    found = []
    for path in (data, backwards):
        with pytest.raises(SystemExit):
            main(["verify", str(out), "--data", str(path), "--group", "label", "--json"])
        found.append(json.loads(capsys.readouterr().out))
    assert found[0] == found[1]
    assert {claim["rows"] for claim in found[0] if claim["metric"] == "handover"} == {3}


def test_a_broken_claim_exits_with_4(
    desk: Desk, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "claimed.attar"
    lines = (desk.recipe.parent / "test.jsonl").read_text().splitlines()
    rows = [json.loads(line) for line in lines]
    names = sorted({row["label"] for row in rows} - {"oos"})
    others = {name: names[i - 1] for i, name in enumerate(names)}
    wrong = [{**row, "label": others.get(row["label"], row["label"])} for row in rows] * 5
    data = tmp_path / "wrong.jsonl"
    data.write_text("".join(json.dumps(row) + "\n" for row in wrong))
    desk.rebuild(out, '[[claims]]\nmetric = "accuracy"\nat_least = 0.5\n')
    with pytest.raises(SystemExit) as stopped:
        main(["verify", str(out), "--data", str(data)])
    assert stopped.value.code == 4
    assert "broken: accuracy at least 0.5" in capsys.readouterr().out


def test_claims_are_checked_before_the_data_is_read(desk: Desk, tmp_path: Path) -> None:
    said = Silent()
    recipe = read_recipe(desk.recipe)
    odd = replace(recipe, claims=(ClaimSpec("acuracy", at_least=0.9),))
    with pytest.raises(RecipeError, match="Did you mean 'accuracy'"):
        build(odd, tmp_path / "x.attar", progress=said)
    assert said.messages == []
    odd = replace(recipe, claims=(ClaimSpec("recall", "refnd", at_least=0.9),))
    with pytest.raises(RecipeError, match="Did you mean 'refund'"):
        build(odd, tmp_path / "x.attar")


def test_every_model_judged_on_the_same_rows_counts(
    tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    recipe = write_recipe(tmp_path, request)
    claimed = recipe.read_text() + '[[claims]]\nmetric = "accuracy"\nat_least = 0.4\n'
    recipe.write_text(claimed)
    first = build(recipe, tmp_path / "a.attar")
    second = build(recipe, tmp_path / "b.attar", seed=1)
    again = build(recipe, tmp_path / "c.attar")
    assert [r["seals"] for r in (first, second, again)] == [1, 2, 1]
    assert again["content_sha256"] == first["content_sha256"]
    assert second["claims"][0]["seals"] == 2


def test_a_student_starts_from_a_bundle_or_a_folder(desk: Desk, tmp_path: Path) -> None:
    student = f'[student]\nstart = "{desk.out.name}"\n'
    report, _ = desk.rebuild(tmp_path / "next.attar", student)
    assert report["plan"]["start"] == {"value": desk.out.name, "reason": "the recipe names it"}
    check_bundle(tmp_path / "next.attar")
    report, _ = desk.rebuild(tmp_path / "folder.attar", '[student]\nstart = "encoder"\n')
    assert report["plan"]["start"]["value"] == "encoder"


def test_a_student_whose_build_is_gone_is_named(desk: Desk, tmp_path: Path) -> None:
    moved = tmp_path / "moved.attar"
    moved.write_bytes(desk.out.read_bytes())
    assert built_model(desk.out, desk.recipe.parent / ".attar").is_dir()
    with pytest.raises(TeacherError, match=r"moved\.attar.*its build is neither in") as caught:
        built_model(moved, tmp_path / ".attar")
    assert "hint: copy the `.attar` folder" in str(caught.value)
    recipe = read_recipe(desk.recipe)
    gone = replace(recipe, student=replace(recipe.student, start=str(tmp_path / "gone.attar")))
    with pytest.raises(AttarError, match=r"gone\.attar"):
        build(gone, tmp_path / "x.attar")
