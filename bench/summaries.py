"""Summaries beside the document's first sentences, TextRank and LexRank, and the oracle.

    pip install -c constraints.txt sumy nltk rouge-score
    python bench/summaries.py [--data DIR] [--sets …] [--rows validation|test] [--size 5]

mts-dialog: talks of doctor and patient, and the section of the note that was written after
them (tests of 2023's MEDIQA-Chat and MEDIQA-Sum). meqsum: questions to a library of medicine,
and the question in short. ROUGE is that of the package rouge-score, without stemming; the last
column is the largest difference of attar's own from it in a mean. Every contender that takes
sentences gets the same ones (`attar.tasks.sentences`) and the number, or share, of them that
was best on the train rows; attar's length comes from its build. The oracle chooses sentences
with the reference at hand: what an extractive summary can reach.

    python bench/summaries.py --speed BUNDLE

measures seconds for a document of 50 pages of 500 words, made of mts-dialog's talks, on one
thread, and checks that every sentence of every answer is a slice of its document.
"""

from __future__ import annotations

import argparse
import gzip
import json
import os
import re
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from attar.build import build
from attar.bundle import read_bundle
from attar.cli.progress import Bars
from attar.evaluate.report import full_report
from attar.runtime.predictor import load
from attar.tasks.oracle import oracle
from attar.tasks.rouge import rouge
from attar.tasks.sentences import sentences_of
from attar.tasks.summaries import SUMMARY, reference_name
from contenders import ROOT

TESTS = {"mts-dialog": ("test1", "test2"), "meqsum": ("test",)}
MEASURES = ("rouge1", "rouge2", "rougeL")
LENGTHS = (1, 2, 3, 4, 6, 8, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9)  # sentences, or a share
COUNTED_ROWS = 250  # of train, that their number is chosen on
PAGES, WORDS_A_PAGE = 50, 500
SPEED_ROUNDS = 5

Example = dict[str, str]  # {"document": …, "summary": …}
Summarizer = Callable[[str, int], str]  # of a document, so many sentences


def read(name: str, part: str, data: Path) -> list[Example]:
    path = data / name / f"{part}.jsonl"
    if not path.exists():
        path = path.with_name(path.name + ".gz")
    content = path.read_bytes()
    lines = (gzip.decompress(content) if path.suffix == ".gz" else content).decode().splitlines()
    return [{k: row[k] for k in ("document", "summary")} for row in map(json.loads, lines)]


def parts(name: str, options: argparse.Namespace) -> tuple[list[Example], dict[str, list[Example]]]:
    """The rows to learn from, and by name those to summarize."""
    train, validation = (read(name, part, options.data) for part in ("train", "validation"))
    if options.rows == "validation":
        return train, {"validation": validation}
    return train + validation, {part: read(name, part, options.data) for part in TESTS[name]}


def lead(document: str, count: int) -> str:
    return " ".join(document[start:end] for start, end in sentences_of(document)[:count])


def from_sumy(kind: str) -> Summarizer:
    """TextRank or LexRank on attar's sentences; words are runs of letters and digits."""
    from sumy.models.dom import ObjectDocumentModel, Paragraph, Sentence
    from sumy.summarizers.lex_rank import LexRankSummarizer
    from sumy.summarizers.text_rank import TextRankSummarizer

    class Words:
        def to_words(self, text: str) -> tuple[str, ...]:
            return tuple(re.findall(r"[^\W_]+", text.lower()))

    summarizer = {"TextRank": TextRankSummarizer, "LexRank": LexRankSummarizer}[kind]()
    words = Words()

    def summarize(document: str, count: int) -> str:
        places = sentences_of(document)
        said = [Sentence(document[start:end], words) for start, end in places]
        said = [sentence for sentence in said if sentence.words] or said
        found = summarizer(ObjectDocumentModel([Paragraph(said)]), count) if said else ()
        return " ".join(map(str, found))

    return summarize


def of_oracle(example: Example) -> str:
    document = example["document"]
    places = sentences_of(document)
    chosen = oracle(document, reference_name({SUMMARY: example["summary"]}))
    return " ".join(document[slice(*places[i])] for i, _ in chosen)


def scores(texts: Sequence[str], examples: Sequence[Example]) -> dict[str, float]:
    """Means of F1 in percent, of words, and how far attar's own ROUGE is from the package's."""
    from rouge_score.rouge_scorer import RougeScorer

    scorer = RougeScorer([*MEASURES], use_stemmer=False)
    pairs = [(text, example["summary"]) for text, example in zip(texts, examples, strict=True)]
    theirs = np.array(
        [[scorer.score(gold, text)[name].fmeasure for name in MEASURES] for text, gold in pairs]
    ).mean(axis=0)
    ours = np.array([rouge(text, gold) for text, gold in pairs]).mean(axis=0)
    return {
        **dict(zip(MEASURES, (100 * theirs).tolist(), strict=True)),
        "words": float(np.mean([len(text.split()) for text in texts])),
        "apart": float(100 * np.abs(theirs - ours).max()),
    }


def of_length(summarize: Summarizer, length: float, document: str) -> str:
    """length: a number of sentences, or under 1 a share of the document's."""
    count = len(sentences_of(document))
    return summarize(document, int(length) if length >= 1 else max(1, round(length * count)))


def best_length(summarize: Summarizer, train: Sequence[Example]) -> float:
    """The length with the best mean of attar's three ROUGE on some train rows."""
    some = train[:: -(-len(train) // COUNTED_ROWS)]

    def mean(length: float) -> float:
        found = [rouge(of_length(summarize, length, e["document"]), e["summary"]) for e in some]
        return float(np.mean(found))

    return max(LENGTHS, key=mean)


def attar_bundle(name: str, options: argparse.Namespace) -> Path:
    train, held_out = parts(name, options)
    work: Path = options.work / f"summaries-{options.rows}" / name
    work.mkdir(parents=True, exist_ok=True)
    for file, rows in (("train", train), ("test", [r for some in held_out.values() for r in some])):
        text = "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows)
        (work / f"{file}.jsonl").write_text(text, encoding="utf-8")
    recipe = work / "recipe.toml"
    recipe.write_text(
        'task = "summarize"\n[data]\ntrain = "train.jsonl"\ntest = "test.jsonl"\n'
        'text = "document"\nlabel = "summary"\n'
        f"[budget]\nsize_mb = {options.size}\n",
        encoding="utf-8",
    )
    out = work / f"{name}-{options.size:g}.attar"
    if not out.exists():
        with Bars() as progress:
            build(recipe, out, progress=progress)
    return out


def results(name: str, options: argparse.Namespace) -> Iterator[dict[str, Any]]:
    train, held_out = parts(name, options)
    contenders: list[tuple[str, Summarizer]] = [("first sentences", lead)]
    if options.only == "attar":
        contenders = []
    else:
        contenders += [(kind, from_sumy(kind)) for kind in ("TextRank", "LexRank")]
    for title, summarize in contenders:
        length = best_length(summarize, train)
        for part, examples in held_out.items():
            texts = [of_length(summarize, length, example["document"]) for example in examples]
            yield {"part": part, "title": f"{title}, {length:g}", **scores(texts, examples)}
    if options.only != "rivals":
        path = attar_bundle(name, options)
        report, predictor = full_report(read_bundle(path)), load(path)
        title = f"attar, {report['student']}, {report['size_bytes'] / 1e6:.2f} MB"
        for part, examples in held_out.items():
            documents = [example["document"] for example in examples]
            answers = predictor(documents)
            texts = [answer.to_json()["summary"] for answer in answers]
            yield {"part": part, "title": title, **scores(texts, examples)}
    for part, examples in held_out.items():
        texts = list(map(of_oracle, examples))
        yield {"part": part, "title": "oracle", **scores(texts, examples)}


def speed(path: Path, options: argparse.Namespace) -> None:
    talks = [row["document"] for row in read("mts-dialog", "train", options.data)]
    pages: list[str] = []
    words = 0
    while words < PAGES * WORDS_A_PAGE:
        pages.append(talks[len(pages) % len(talks)])
        words += len(pages[-1].split())
    document = "\n\n".join(pages)
    predictor = load(path, threads=1)
    seconds = []
    for _ in range(SPEED_ROUNDS):
        began, ran = time.perf_counter(), time.process_time()
        answer = predictor(document)
        seconds.append((time.perf_counter() - began, time.process_time() - ran))
    count, chosen = len(sentences_of(document)), len(answer.to_json()["sentences"])
    clock, processor = np.min(seconds, axis=0)
    print(
        f"{words:,} words, {count:,} sentences, {chosen} chosen: {clock:.2f} s by the clock, "
        f"{processor:.2f} s of processor time, each the best of {SPEED_ROUNDS}"
    )
    exact = total = 0
    for text in (document, *talks):
        for one in predictor(text).to_json()["sentences"]:
            total += 1
            place = (one["start"], one["end"])
            exact += text[slice(*place)] == one["text"] and place in sentences_of(text)
    print(f"{exact:,} of {total:,} sentences of {1 + len(talks):,} answers stand where they say")


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n\n")[0])
    default = os.environ.get("ATTAR_DATA", ROOT / "shared" / "data")
    parser.add_argument("--data", type=Path, default=default)
    parser.add_argument("--work", type=Path, default=ROOT / ".bench")
    parser.add_argument("--sets", default=",".join(TESTS), type=lambda text: text.split(","))
    parser.add_argument("--rows", choices=("validation", "test"), default="test")
    parser.add_argument("--size", type=float, default=5.0)
    parser.add_argument("--only", choices=("attar", "rivals"))
    parser.add_argument("--speed", type=Path, metavar="BUNDLE")
    options = parser.parse_args()
    if options.speed is not None:
        speed(options.speed, options)
        return 0
    for name in options.sets:
        found = list(results(name, options))
        for part in dict.fromkeys(result["part"] for result in found):
            print(f"\n{name}, {part}\n")
            print("| | ROUGE-1 | ROUGE-2 | ROUGE-L | words | apart |\n|---|---|---|---|---|---|")
            for r in (r for r in found if r["part"] == part):
                figures = " | ".join(f"{r[key]:.2f}" for key in MEASURES)
                print(f"| {r['title']} | {figures} | {r['words']:.1f} | {r['apart']:.3f} |")
    return 0


if __name__ == "__main__":
    sys.exit(main())
