"""Counts of a played day, as plain data: what the report shows and the JSON file keeps."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import asdict
from typing import Any

from desk.dialog.flows import FLOWS
from measure.play import Played, Said
from measure.verdicts import Verdict

_REQUESTS = frozenset({*FLOWS, "speak_to_person"})
Judged = tuple[Played, Verdict]


def wilson(successes: int, trials: int) -> tuple[float, float]:
    """A share's two-sided 95 % interval (Wilson 1927). 0 to 1 where there are no trials."""
    if trials == 0:
        return 0.0, 1.0
    z = 1.959964
    share = successes / trials
    middle = (share + z * z / (2 * trials)) / (1 + z * z / trials)
    half = z * math.sqrt(share * (1 - share) / trials + z * z / (4 * trials**2))
    half /= 1 + z * z / trials
    return max(middle - half, 0.0), min(middle + half, 1.0)


def share(successes: int, trials: int) -> dict[str, Any]:
    low, high = wilson(successes, trials)
    return {
        "count": successes,
        "of": trials,
        "share": successes / trials if trials else None,
        "low": low,
        "high": high,
    }


def percentile(values: Sequence[float], at: float) -> float | None:
    """The least value that `at` of all do not surpass."""
    ordered = sorted(values)
    return ordered[max(math.ceil(at * len(ordered)) - 1, 0)] if ordered else None


def figures(judged: Sequence[Judged]) -> dict[str, Any]:
    """Of all conversations, and of those that need something."""
    needing = [one for one in judged if one[0].scene.row.needs_something]
    kept = [verdict for _, verdict in judged if verdict.kind in ("right", "wrong")]
    turns = [said for played, _ in judged for said in played.said]
    return {
        "needing": of_group(needing),
        "all": of_group(judged),
        "out of scope or hostile": of_group(
            [one for one in judged if not one[0].scene.row.needs_something]
        ),
        "by outcome": {
            outcome: of_group([one for one in judged if one[0].scene.row.outcome == outcome])
            for outcome in dict.fromkeys(played.scene.row.outcome for played, _ in judged)
        },
        "by intent": _by_intent(needing),
        "answers to read": sum(len(verdict.to_read) for verdict in kept),
        "rows that the shop cannot fit": sorted(
            played.scene.row.id for played, _ in judged if not played.scene.fitting
        ),
        "questions without an answer of the row": dict(
            Counter(asking for played, _ in judged for asking in played.unready).most_common()
        ),
        "asked by the desk": dict(
            Counter(
                said.asking for played, _ in judged for said in played.said if said.asking
            ).most_common()
        ),
        "turned down by the customer": dict(
            Counter(intent for played, _ in judged for intent in played.turned_down).most_common()
        ),
        "model": model_figures(judged),
        "turns": turn_figures(judged, turns),
    }


def of_group(judged: Sequence[Judged]) -> dict[str, Any]:
    """handed over: by need and reason; fewer: 1 less that share, of conversations which without a
    bot all reach a person; back as well: fewer, if all that were kept wrongly come to a person."""
    count = len(judged)
    kinds = Counter(verdict.kind for _, verdict in judged)
    handed = kinds["handed"] + kinds["handed without need"]
    faults = Counter(
        kind
        for _, verdict in judged
        if verdict.kind == "wrong"
        for kind in {fault.kind for fault in verdict.faults}
    )
    harm = Counter(
        fault.kind
        for _, verdict in judged
        for fault in verdict.faults
        if fault.kind in ("wrong action", "wrong order", "wrong item", "leak")
    )
    unread = sum(bool(verdict.to_read) for _, verdict in judged if verdict.kind == "right")
    return {
        "conversations": count,
        "handed over": share(handed, count),
        "by reason": dict(Counter(p.handed for p, _ in judged if p.handed).most_common()),
        "without need": share(kinds["handed without need"], count),
        "without need by reason": dict(
            Counter(p.handed for p, v in judged if v.kind == "handed without need").most_common()
        ),
        "fewer than without a bot": share(count - handed, count),
        "fewer if wrong ones come back": share(kinds["right"], count),
        "contained and right": share(kinds["right"], count),
        "of these to be read": unread,
        "contained but wrong": share(kinds["wrong"], count),
        "kinds of wrong": dict(faults.most_common()),
        "right or rightly handed over": share(kinds["right"] + kinds["handed"], count),
        "done or said wrongly, also before handing over": dict(harm.most_common()),
    }


def _by_intent(judged: Sequence[Judged]) -> dict[str, Any]:
    """By a row's first wish."""
    groups: dict[str, list[Judged]] = {}
    for one in judged:
        groups.setdefault(one[0].scene.row.wants[0], []).append(one)
    return {
        intent: {
            "conversations": len(group),
            **Counter(verdict.kind for _, verdict in group),
        }
        for intent, group in sorted(groups.items())
    }


def model_figures(judged: Sequence[Judged]) -> dict[str, Any]:
    """Where the model alone decides: messages with a request of their own (the opening one, its
    repetition, follow-ups; nothing is wanted by those out of scope) that it does not abstain from.
    wrong: it names a request that is not wanted; lacks: it leaves out one that is. unasked: other
    messages by which the desk began something that the row wants nowhere."""
    asked = decided = wrong = lacks = others = unasked = 0
    pairs: Counter[str] = Counter()
    for played, _ in judged:
        every = {*played.scene.row.all_wants, "speak_to_person"}
        for said in played.said:
            if said.understood is None:
                continue
            if said.kind not in ("opening", "again", "follow_up"):
                others += 1
                unasked += bool(set(said.begun) - every)
                continue
            asked += 1
            if said.understood.abstained:
                continue
            decided += 1
            named, wanted = requests(said), _wanted(said, played)
            wrong += bool(named - wanted)
            lacks += bool(set(said.wants) - named)
            if named - wanted:
                pairs[f"{_listed(said.wants)} -> {_listed(named)}"] += 1
    return {
        "messages with a request": asked,
        "decided by the model alone": share(decided, asked),
        "wrong": share(wrong, decided),
        "lacks one": share(lacks, decided),
        "most frequent": dict(pairs.most_common(12)),
        "other messages that began something unasked": share(unasked, others),
    }


def requests(said: Said) -> set[str]:
    assert said.understood is not None
    return {one.intent for one in said.understood.requests} & _REQUESTS


def _wanted(said: Said, played: Played) -> set[str]:
    # Who insists on a person wants one, whatever else it is about.
    person = {"speak_to_person"} if played.scene.row.outcome == "person" else set()
    return {*said.wants, *person}


def _listed(intents: Collection[str]) -> str:
    return "+".join(sorted(intents)) or "nothing"


def turn_figures(judged: Sequence[Judged], turns: Iterable[Said]) -> dict[str, Any]:
    counts = [len(played.said) for played, _ in judged]
    taken = [said for said in turns if said.understood is not None]
    ms, cpu = [said.ms for said in taken], [said.cpu_ms for said in taken]
    return {
        "turns": sum(counts),
        "per conversation": sum(counts) / len(counts) if counts else None,
        "most": max(counts, default=0),
        "ms p50": percentile(ms, 0.5),
        "ms p95": percentile(ms, 0.95),
        "ms p99": percentile(ms, 0.99),
        "ms most": max(ms, default=None),
        "cpu ms p50": percentile(cpu, 0.5),
        "cpu ms p95": percentile(cpu, 0.95),
        "cpu ms p99": percentile(cpu, 0.99),
    }


def transcript(played: Played, verdict: Verdict) -> Mapping[str, Any]:
    """One conversation as it was, for readers."""
    row = played.scene.row
    return {
        "id": row.id,
        "outcome": row.outcome,
        "wants": row.wants,
        "verdict": verdict.kind,
        "handed": played.handed,
        "faults": [asdict(fault) for fault in verdict.faults],
        "to_read": [asdict(one) for one in verdict.to_read],
        "said": [
            {
                "kind": said.kind,
                "customer": said.text,
                "understood": None
                if said.understood is None
                else {
                    "abstained": said.understood.abstained,
                    "requests": [
                        {"intent": r.intent, "score": round(r.score, 3), "slots": dict(r.slots)}
                        for r in said.understood.requests
                    ],
                },
                "desk": said.reply.texts,
                "source": said.reply.source.document if said.reply.source else None,
                "done": [done.name for done in said.reply.done],
                "ms": round(said.ms, 2),
            }
            for said in played.said
        ],
    }
