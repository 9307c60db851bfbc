"""The cards: a report in words for readers (Markdown), and its data for machines (JSON).

Every figure is taken from the report; what it does not hold is left out, never guessed.
A card made of the sealed report alone says nothing about timings and is the same for the
same build; made of the full report, it adds what was measured on this machine.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from attar.evaluate.claims import in_words
from attar.evaluate.figures import figures_of, written
from attar.evaluate.markdown import bullets, escaped, table, yaml_text
from attar.evaluate.slices import share_of

Report = Mapping[str, Any]
Blocks = list[str]  # of Markdown: paragraphs, lists and tables

PIPELINES = {
    "classify": "text-classification",
    "extract": "token-classification",
    "multilabel": "text-classification",
    "rank": "sentence-similarity",
    "summarize": "summarization",
}
SHOWN = 10  # slices of a kind and confusions; the report has them all
#: The figures that count right answers, of which a report has one.
RIGHT = ("exact", "subset_accuracy", "recall_at_1", "accuracy")
HUB_METRICS = {"accuracy": "accuracy", "macro_f1": "f1"}
SLICES = {"label": "label", "length": "length", "perturbation": "typed as", "group": "group"}


def model_card(report: Report) -> str:
    """The model card in Markdown, with the front matter that Hugging Face reads.

    report: `full_report`, or the sealed report of a bundle. Sections whose keys are
    missing or null are left out. Texts of the user are escaped.
    """
    sections = {
        "What it does": _purpose(report),
        "Intended use and out of scope": _use(report),
        "Results": _results(report),
        "Claims": _claims(report),
        "Handing over": _handover(report),
        "Where it fails": _failures(report),
        "Size, speed and cost": _machine(report),
        "Data": _data(report),
        "Training": _training(report),
        "Limits": _limits(report),
        "How to reproduce": _reproduce(report),
    }
    blocks = [_front_matter(report), f"# {escaped(_name(report))}"]
    for title, content in sections.items():
        if content:
            blocks += [f"## {title}", *content]
    # A lone surrogate, which JSON can carry, has no place in UTF-8.
    return ("\n\n".join(blocks) + "\n").encode("utf-8", "replace").decode()


def data_card(report: Report) -> dict[str, Any]:
    """What the report knows of the data, in the vocabulary of Croissant (schema.org
    Dataset): counts, drops, notes, fingerprint. It lists no files, so it loads nothing."""
    data = _part(report, "data")
    labels = _part(data, "labels")
    card: dict[str, Any] = {
        "@context": {"@vocab": "https://schema.org/", "cr": "http://mlcommons.org/croissant/"},
        "@type": "Dataset",
        "name": f"{_name(report)}: data",
        "description": f"The curated rows that {_name(report)} was built and judged on.",
    }
    records = [
        {"@type": "cr:RecordSet", "name": split, "rows": rows}
        | ({"labels": dict(labels[split])} if labels.get(split) else {})
        for split, rows in _part(data, "rows").items()
    ]
    rest = {
        key: data[key]
        for key in ("dropped", "flagged", "balance", "notes", "fingerprint")
        if data.get(key)
    }
    return card | ({"cr:recordSet": records} if records else {}) | rest


def _front_matter(report: Report) -> str:
    pipeline = PIPELINES.get(str(report.get("task")))
    known = [(f, value) for f, value, _ in figures_of(report) if f.name in HUB_METRICS]
    lines = ["---", "library_name: attar", "tags:", "- attar", "- onnx"]
    if pipeline:
        lines.append(f"pipeline_tag: {pipeline}")
    if pipeline and known:
        lines += ["metrics:", *(f"- {HUB_METRICS[figure.name]}" for figure, _ in known)]
        lines += ["model-index:", f"- name: {yaml_text(_name(report))}", "  results:"]
        lines += ["  - task:", f"      type: {pipeline}", "    dataset:", "      type: custom"]
        lines += [f"      name: {yaml_text(_name(report) + ', certify split')}", "    metrics:"]
        for figure, value in known:
            lines.append(f"    - type: {HUB_METRICS[figure.name]}")
            lines.append(f"      name: {yaml_text(figure.title)}")
            lines.append(f"      value: {float(value)}")
    return "\n".join([*lines, "---"])


def _purpose(report: Report) -> Blocks:
    labels = report.get("labels") or ()
    named = ", ".join(map(escaped, labels))
    functions = report.get("functions")
    if functions:
        those = ", ".join(map(escaped, functions))
        return [
            f"Says which functions a text asks for, with their arguments, of {those}; or none. It "
            f"knows {len(labels)} kinds of calls, by name and fixed arguments, and combines them."
        ]
    if report.get("task") == "extract":
        spans = ", ".join(map(escaped, report.get("span_labels") or ()))
        of_text = f" Also says which label fits the whole text, of {named}." if labels else ""
        return [f"Marks spans of a text: {spans}.{of_text}"]
    if report.get("task") == "rank":
        count = report.get("documents") or 0
        finds = f"Finds, of {count:,} documents that the file holds, those that answer a query."
        if again := report.get("rescore"):
            top, student = again.get("top"), escaped(str(again.get("student")))
            finds += (
                f" A second model ({student}) reads the query with each of the best {top} and "
                "scores them again."
            )
        return [finds]
    if report.get("task") == "summarize":
        sections = ", ".join(map(escaped, report.get("sections") or ()))
        apart = f", apart for the sections {sections}" if "," in sections else ""
        return [f"Summarizes a document by sentences of its own{apart}."]
    those = (
        "those that fit a text"
        if report.get("task") == "multilabel"
        else ("the one that fits a text")
    )
    return [f"Names, of {len(labels)} labels, {those}: {named}."] if labels else []


def _use(report: Report) -> Blocks:
    found = []
    if report.get("certify_rows"):
        found.append(
            f"Meant for texts like the {report['certify_rows']:,} that it was judged on; nothing "
            "is known about others, such as another language or another subject."
        )
    if report.get("labels"):
        abstains = _part(report, "handover").get("threshold") is not None
        end = "should make it abstain" if abstains else "get one of them nevertheless"
        if report.get("task") == "multilabel":
            found.append("A text that none of its labels fits should get none.")
        else:
            found.append(f"Out of scope: texts that none of its labels fits. They {end}.")
    return found


def _results(report: Report) -> Blocks:
    whole = _slices(report, "perturbation", "as written")
    metrics = _part(report, "metrics")
    counted = next((name for name in RIGHT if name in metrics), "")
    spans = {counted: _span(whole[0])} if whole and "accuracy" in whole[0] else {}
    rows = [
        (one.title, written(one, mine), spans.get(one.name, ""), written(one, theirs))
        for one, mine, theirs in figures_of(report)
    ]
    if not rows:
        return []
    found = [table(("", "this model", "95 % interval", "teacher"), rows)]
    if count := report.get("certify_rows"):
        found.append(f"On {count:,} rows that nothing was chosen on.")
    if (chance := report.get("chance")) is not None:
        blind = "Giving every text the same answer scores"
        if _part(report, "metrics").get("rouge1") is not None:
            blind = "The first sentences alone have a ROUGE-1 of"
        found.append(f"{blind} {chance:.2%}.")
    both = _part(report, "comparison")
    if both:
        only = f"Only this model is right on {both['gains']:,}, only the teacher on"
        p = f"McNemar's exact test: p = {both['p_value']:.3g}"
        found.append(f"{only} {both['losses']:,} rows in scope ({p}).")
    return found


def _claims(report: Report) -> Blocks:
    claims = report.get("claims") or ()
    if not claims:
        return []
    found = [bullets(escaped(in_words(claim)) for claim in claims)]
    if len(claims) > 1 and all("together" in claim for claim in claims):
        held = sum(bool(claim["together"]) for claim in claims)
        found.append(f"{held} of {len(claims)} are met all together (Holm-adjusted).")
    return found


def _handover(report: Report) -> Blocks:
    handover = _part(report, "handover")
    if not handover:
        return []
    threshold, kind = handover.get("threshold"), handover.get("acceptance", "acceptance")
    found = ["It answers every text."]
    if threshold is not None:
        when = f"where its {escaped(kind)} is under {threshold:g}"
        found = [f"It abstains {when}: then a large model or a person should answer."]
    if handover.get("method"):
        found.append(f"How that was set: {escaped(handover['method'])}.")
    points = handover.get("curve") or ()
    point: Report = next((p for p in points if p.get("threshold") == threshold), {})
    facts = {
        "answered": "of the certify rows in scope are answered",
        "error": "of those answers are wrong",
        "oos_accepted": "of the rows out of scope are answered all the same",
    }
    shares = [f"{point[k]:.2%} {what}" for k, what in facts.items() if point.get(k) is not None]
    if handover.get("certified") is False:
        shares.append("no threshold could guarantee the error claims on the calibrate split")
    return [*found, bullets(shares)] if shares else found


def _failures(report: Report) -> Blocks:
    found = []
    if worst := report.get("worst_slice"):
        named = escaped(f"{SLICES.get(worst['kind'], worst['kind'])} “{worst['name']}”")
        how = "right of" if "accuracy" in worst else "on the mean of"
        right = f"{share_of(worst):.2%} {how} {worst['rows']:,} rows ({_span(worst)})"
        found.append(f"Most surely bad: {named}, {right}.")
    for kind, title in SLICES.items():
        some = _slices(report, kind)
        if kind in ("label", "group"):  # the others have an order of their own
            some = sorted(some, key=lambda entry: entry["upper"])
        cells = [(s["name"], f"{s['rows']:,}", f"{share_of(s):.2%}", _span(s)) for s in some]
        if cells:
            value = "accuracy" if "accuracy" in some[0] else "mean ROUGE"
            found.append(table((title, "rows", value, "95 % interval"), cells[:SHOWN]))
    groups = report.get("bias") or ()
    biased = [f"{g['name']} ({g['difference']:+.2%})" for g in groups if g["p_value"] <= 0.05]
    if groups:
        what = "Groups that differ from all others (Fisher's exact test, Holm-adjusted, 5 %)"
        found.append(f"{what}: {', '.join(map(escaped, biased)) or 'none'}.")
    confused = report.get("confusions") or ()
    pairs = [(c["gold"], c["named"], f"{c['rows']:,} of {c['of']:,}") for c in confused]
    return [*found, table(("gold label", "named", "rows"), pairs[:SHOWN])] if pairs else found


def _machine(report: Report) -> Blocks:
    measured, cost = _part(report, "measurements"), _part(report, "cost")
    latency, energy = _part(measured, "latency"), _part(measured, "energy")
    facts = []
    if report.get("size_bytes"):
        facts.append(f"{report['size_bytes'] / 1e6:.3g} MB on disk")
    if latency:
        figures = f"{latency['p50_ms']:.3g} ms (p50), {latency['p99_ms']:.3g} ms (p99)"
        on = f" on {escaped(measured['machine'])}" if measured.get("machine") else ""
        facts.append(f"{figures} for a short text, one thread{on}")
    if measured.get("peak_memory_mb"):
        facts.append(f"{measured['peak_memory_mb']:.3g} MB of memory at its peak")
    if energy:
        how = "measured by RAPL" if energy["method"] == "RAPL" else "an estimate"
        facts.append(f"{energy['joules_per_request']:.3g} J a request ({how})")
    found = [bullets(facts)] if facts else []
    if cost:
        rows = [(f"this model on {cost['machine']['name']}", cost["machine"], "")]
        for model in cost["models"]:
            even = model["break_even_requests_a_month"]
            pays = "never" if even is None else f"{even:,} requests a month"
            rows.append((model["model"], model, pays))
        prices = [(n, f"{p['per_million_usd']:.4g}", p["date"], pays) for n, p, pays in rows]
        head = ("list price", "USD a million requests", "as of", "the machine pays from")
        found += [table(head, prices), f"Assumed: {escaped(cost['assumptions']['note'])}."]
    return found


def _data(report: Report) -> Blocks:
    data = _part(report, "data")
    rows = [(split, f"{count:,}") for split, count in _part(data, "rows").items()]
    digest = data.get("fingerprint")
    dropped = [f"{n:,} {escaped(reason)}" for reason, n in _part(data, "dropped").items() if n]
    found = [table(("split", "rows"), rows)] if rows else []
    if dropped:
        found.append(f"Curation dropped: {', '.join(dropped)}.")
    flagged = [f"{n:,} {escaped(reason)}" for reason, n in _part(data, "flagged").items()]
    if flagged:
        found.append(f"Flagged and kept: {', '.join(flagged)}.")
    if labels := _part(_part(data, "balance"), "labels"):
        found.append(
            f"Labels: {labels['count']:,}, as diverse as {labels['effective_count']:g} of equal "
            f"size; the largest has {labels['largest_share']:.1%} of the train rows."
        )
    if data.get("notes"):
        found.append(bullets(map(escaped, data["notes"])))
    return [*found, f"Fingerprint: `{digest}`"] if digest else found


def _training(report: Report) -> Blocks:
    teacher, student = _part(report, "teacher"), report.get("student")
    found = [f"Student: {escaped(student)}."] if student else []
    if teacher.get("name"):
        model = f", starting from {escaped(teacher['model'])}" if teacher.get("model") else ""
        found.append(f"Teacher: {escaped(teacher['name'])}{model}.")
    plan = [(k, v.get("value"), v.get("reason")) for k, v in _part(report, "plan").items()]
    return [*found, table(("setting", "value", "reason"), plan)] if plan else found


def _limits(report: Report) -> Blocks:
    claims, seals = report.get("claims") or (), report.get("seals") or 1
    missed = sum(claim.get("status") != "met" for claim in claims)
    altered = _slices(report, "perturbation")
    limits = {
        "Intervals and claims hold for traffic that looks like the certify split, the 95 % "
        "intervals for independent rows.": claims or report.get("metrics"),
        f"{missed} of {len(claims)} claims are unmet or undecided.": missed,
        f"These certify rows have judged {seals} models: each claim counts at 1/{seals} of its "
        "error rate.": seals > 1,
        "Altered texts imitate careless typing; they are not real traffic.": altered,
    }
    said = [limit for limit, applies in limits.items() if applies]
    return [bullets(said)] if said else []


def _reproduce(report: Report) -> Blocks:
    digest, seed = report.get("content_sha256"), report.get("seed")
    found = [f"Content SHA-256: `{digest}`"] if digest else []
    if seed is not None:
        versions = _part(report, "versions").items()
        using = "".join(f", {name} {escaped(version)}" for name, version in versions)
        found.append(f"Build the same recipe on the same data, seed {seed}{using}.")
    return found


def _slices(report: Report, kind: str, name: str | None = None) -> list[Mapping[str, Any]]:
    found = [entry for entry in report.get("slices") or () if entry["kind"] == kind]
    return [entry for entry in found if name in (None, entry["name"])]


def _part(report: Report, key: str) -> Report:
    value = report.get(key)
    return value if isinstance(value, Mapping) else {}


def _name(report: Report) -> str:
    return str(report.get("name") or "model")


def _span(entry: Mapping[str, Any]) -> str:
    return f"{entry['lower']:.2%} to {entry['upper']:.2%}"
