"""Plays days of conversations against the desk and reports what became of them.

    python -m measure.day --understand FILE --help-pages FILE [--days FILE …] [--out FOLDER]
    python -m measure.day --oracle --show wrong

Run in apps/customer_service. --out keeps day.json, conversations.jsonl and day.svg. How a
conversation is judged stands in `measure.judge`; what a customer says, in `measure.customer`.
--verdicts: lines `id<TAB>right|wrong` of a reader of conversations with answers to read. --pages:
lines `id<TAB>page,page` of a reader of the rows alone: the help pages that answer them.
"""

from __future__ import annotations

import argparse
import json
import logging
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from desk.shop import Shop
from measure import desks, figures, plot, report, world
from measure.deeds import Audit
from measure.judge import judge
from measure.leaks import Strangers
from measure.play import Played, Player
from measure.reading import page_ids
from measure.rows import Row, read_days
from measure.scene import Scene
from measure.verdicts import Fault, Verdict

HERE = Path(__file__).parents[1]
DAYS = (HERE / "day" / "day_a.jsonl", HERE / "day" / "day_b.jsonl")


def main(arguments: Sequence[str] | None = None) -> int:
    given = _arguments(arguments)
    rows = read_days(given.days)[: given.first]
    logging.basicConfig(level=logging.ERROR)
    made = world.make_sample(given.cache)
    with tempfile.TemporaryDirectory() as folder:
        run = Path(folder)
        shop = world.open_copy(made, run / "shop.db")
        opened = (
            desks.open_oracle(shop, run)
            if given.oracle
            else desks.open_desk(shop, run, given.understand, given.help_pages, given.topics)
        )
        player = Player(
            opened.desk,
            opened.watched.take,
            whisper=opened.whisper,
            careless=given.careless,
            logged_in=given.logged_in,
        )
        begun = time.perf_counter()
        pages = _read_pages(given.pages)
        judged = play_all(rows, shop, player, _read_verdicts(given.verdicts), pages)
        took = time.perf_counter() - begun
        shop.close()
    found = {
        **figures.figures(judged),
        "started_ms": dict(opened.started_ms),
        "about": dict(opened.about),
        "days": [Path(file).name for file in given.days],
        "careless": given.careless,
        "logged in": given.logged_in,
        "seconds": took,
    }
    if given.out:
        _write(given.out, found, judged)
    for name in given.show or ():
        for played, verdict in judged:
            if name in (played.scene.row.id, verdict.kind) or (name == "read" and verdict.to_read):
                print(_shown(played, verdict))
    print(report.text(found))
    return 0


def play_all(
    rows: Sequence[Row],
    shop: Shop,
    player: Player,
    read: Mapping[str, bool] | None = None,
    pages: Mapping[str, frozenset[str]] | None = None,
) -> list[tuple[Played, Verdict]]:
    """Every row in its own scene of the shop. read: a reader's verdicts, by id; pages: ids of the
    help pages that answer a row."""
    scenes = world.deal(rows, shop, pages=pages)
    strangers, audit = Strangers(shop), Audit(shop)
    judged = []
    for scene in scenes:
        before = _refunds(shop, scene)
        played = player.play(scene)
        after = _refunds(shop, scene)
        refunds = {number: (before[number], after[number]) for number in before}
        verdict = judge(played, audit.new(), refunds, strangers.leaked(played))
        judged.append((played, _as_read(played, verdict, read or {})))
    return judged


def _refunds(shop: Shop, scene: Scene) -> dict[str, Mapping[str, str]]:
    who = scene.main.customer
    return {one.number: shop.refund_status(who, one.number).facts for one in scene.own}


def _as_read(played: Played, verdict: Verdict, read: Mapping[str, bool]) -> Verdict:
    """A reader decides where nothing else is wrong: with the right answer, or with none."""
    good = read.get(played.scene.row.id)
    if good is None or verdict.kind not in ("right", "wrong") or not verdict.to_read:
        return verdict
    if not good:
        faults = [*verdict.faults, Fault("wrong answer", "by a reader")]
        return Verdict("wrong", faults, [])
    return Verdict(verdict.kind, verdict.faults, [])


def _read_verdicts(file: Path | None) -> dict[str, bool]:
    """ValueError names the line that is no verdict."""
    found: dict[str, bool] = {}
    for number, line in enumerate(file.read_text(encoding="utf-8").splitlines() if file else [], 1):
        parts = line.split("\t")
        if len(parts) < 2 or parts[1] not in ("right", "wrong"):
            raise ValueError(f"{file}, line {number}: expected an id, a tab, and right or wrong")
        found[parts[0]] = parts[1] == "right"
    return found


def _read_pages(file: Path | None) -> dict[str, frozenset[str]]:
    """ValueError names the line without pages, and pages that are not there."""
    found: dict[str, frozenset[str]] = {}
    known = set(page_ids().values()) if file else set()
    for number, line in enumerate(file.read_text(encoding="utf-8").splitlines() if file else [], 1):
        name, _, listed = line.partition("\t")
        pages = frozenset(listed.replace(",", " ").split())
        if not pages or not pages <= known:
            raise ValueError(
                f"{file}, line {number}: expected an id, a tab, ids of pages in help/faq.jsonl; "
                f"unknown: {', '.join(sorted(pages - known)) or 'none is named'}"
            )
        found[name] = pages
    return found


def _write(out: Path, found: Mapping[str, Any], judged: Sequence[figures.Judged]) -> None:
    out.mkdir(parents=True, exist_ok=True)
    (out / "day.json").write_text(
        json.dumps(found, indent=1, ensure_ascii=False) + "\n", encoding="utf-8"
    )
    lines = (json.dumps(figures.transcript(*one), ensure_ascii=False) for one in judged)
    (out / "conversations.jsonl").write_text("".join(f"{x}\n" for x in lines), encoding="utf-8")
    try:
        plot.draw(found, out / "day.svg")
    except ImportError:
        print("no picture: matplotlib is not installed", file=sys.stderr)


def _shown(played: Played, verdict: Verdict) -> str:
    row = played.scene.row
    faults = "; ".join(f"{one.kind}: {one.what}" for one in verdict.faults)
    lines = [
        f"===== {row.id} {verdict.kind}, expected {row.outcome} {','.join(row.wants) or '-'} "
        f"{faults} {played.handed or ''}"
    ]
    for said in played.said:
        model = ""
        if said.understood is not None and said.kind != "answer":
            named = ",".join(f"{r.intent} {r.score:.2f}" for r in said.understood.requests)
            model = f"   <{'?' if said.understood.abstained else ''}{named}>"
        lines.append(f"  C {said.text}{model}")
        lines += [f"  D {text}" for text in said.reply.texts]
    lines += [f"  read: {one.intent} <- {one.source}" for one in verdict.to_read]
    return "\n".join(lines)


def _arguments(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m measure.day", description=__doc__)
    parser.add_argument("--days", nargs="+", type=Path, default=list(DAYS), metavar="FILE")
    parser.add_argument("--understand", type=Path, metavar="FILE", help="bundle of extract")
    parser.add_argument("--help-pages", type=Path, metavar="FILE", help="bundle of rank")
    parser.add_argument("--topics", type=Path, metavar="FILE", help="which pages are about what")
    parser.add_argument("--oracle", action="store_true", help="the rows' truth for the models")
    parser.add_argument("--careless", action="store_true", help="customers confirm anything")
    parser.add_argument("--logged-in", action="store_true", help="the channel knows who it is")
    parser.add_argument("--cache", type=Path, default=Path(tempfile.gettempdir()) / "attar-desk")
    parser.add_argument("--out", type=Path, metavar="FOLDER")
    parser.add_argument("--first", type=int, metavar="N", help="only the first N conversations")
    parser.add_argument("--verdicts", type=Path, metavar="FILE")
    parser.add_argument("--pages", type=Path, metavar="FILE")
    parser.add_argument(
        "--show", action="append", help="an id, a verdict (wrong, handed …), or read"
    )
    given = parser.parse_args(arguments)
    if not given.oracle and not (given.understand and given.help_pages):
        parser.error("--understand and --help-pages, or --oracle, are needed")
    return given


if __name__ == "__main__":
    raise SystemExit(main())
