"""Which words of a text ask for which call: calls as segments of words.

A segment is a run of words, and its label the template of one call (`tasks.calling`): so
calls compose, and a text may ask for calls that train never shows together. Words in no segment
ask for nothing. Arguments are spans of their own layer; filling gives them to the calls.

A text with one call is its segment as a whole. Of several calls the words between the last
argument of one and the first of the next hold a cut: at "and", a comma and the like, which are
in neither call. Where there is none it is left open how the words between are dealt; where a
call has no argument in the text, or arguments of several calls are mixed, all of it is.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

from attar.tasks.annotations import Annotation, Span
from attar.tasks.calling import MAX_CALLS, filled, name_of_template, template_in
from attar.tasks.functions import Functions
from attar.tasks.tagging import tags_of
from attar.tasks.words import Place

OPEN = -1  # the tag of a word that may be in one call or the other
Run = tuple[int, int]  # first word, and the word after the last

#: Words and signs that stand between what is asked for, in languages that are asked in often.
CUES = frozenset({
    *",;.!?:&+/|\n、。，；،؛",
    *("and", "then", "also", "plus", "afterwards", "next", "finally"),
    *("und", "dann", "danach", "außerdem", "sowie", "et", "puis", "ensuite", "aussi"),
    *("y", "luego", "también", "después", "poi", "anche", "quindi", "depois", "também"),
    *("en", "daarna", "ook", "och", "sedan", "og", "potem", "oraz", "и", "затем", "потом"),
    *("ve", "sonra", "和", "然", "并", "と", "और", "फिर", "و", "ثم"),
})  # fmt: skip


def parts_in(template: str | None) -> tuple[str, ...]:
    """The templates of the single calls, in order."""
    return () if template is None else tuple(name_of_template([p]) for p in template_in(template))


def together(parts: Sequence[str]) -> str:
    """The template of calls one after the other, of whose single templates at most `MAX_CALLS`
    are taken."""
    return name_of_template([part for one in parts[:MAX_CALLS] for part in template_in(one)])


def segment_tags(
    text: str,
    words: Sequence[Place],
    annotation: Annotation,
    labels: Sequence[str],
    functions: Functions,
) -> list[int]:
    """A column for each word, as `tagging.tags_of`; OPEN where nobody knows."""
    parts = parts_in(annotation.label)
    if annotation.calls is not None:
        told = zip(annotation.calls, parts, strict=True)
        return tags_of(words, [Span(start, end, part) for (start, end), part in told], labels)
    if len(parts) == 1 and words:
        return tags_of(words, [Span(words[0][0], words[-1][1], parts[0])], labels)
    if not parts:
        return tags_of(words, (), labels)
    runs = _argument_runs(text, words, annotation, functions)
    if runs is None or not set(parts) <= set(labels):
        return [OPEN] * len(words)
    first, segments, gaps = 0, [], []
    for (_, last), (after, _) in pairwise(runs):
        cut = _cut(text, words, last, after)
        if cut is None:
            gaps.append((last, after))
            cut = (last, last)
        segments.append((first, cut[0]))
        first = cut[1]
    segments.append((first, len(words)))
    spans = [
        Span(words[start][0], words[end - 1][1], part)
        for (start, end), part in zip(segments, parts, strict=True)
    ]
    tags = tags_of(words, spans, labels)
    for start, end in gaps:
        tags[start:end] = [OPEN] * (end - start)
    return tags


def owners_of(
    spans: Sequence[tuple[int, int, str]], segments: Sequence[tuple[int, int, str]]
) -> tuple[int, ...]:
    """The number of the segment that each span begins in, else of the nearest one; 0 if none."""

    def far(segment: int, at: int) -> int:
        start, end, _ = segments[segment]
        return max(start - at, at - end + 1, 0)

    numbers = range(len(segments))
    return tuple(min(numbers, key=lambda n: far(n, start), default=0) for start, _, _ in spans)


def _argument_runs(
    text: str, words: Sequence[Place], annotation: Annotation, functions: Functions
) -> list[Run] | None:
    """From the first to the last word of each call's own arguments; None where a call has none,
    or where they are not one after the other."""
    parts = template_in(annotation.label or "[]")
    found = filled(annotation.label, annotation.spans, text, functions, owners=annotation.owners)
    if not found.whole:
        return None
    runs: list[Run] = []
    for part, call in zip(parts, found.calls, strict=True):
        own = [s for n in call.spans if (s := annotation.spans[n]).label not in part.shared]
        touched = [
            i
            for i, (start, end) in enumerate(words)
            if any(start < span.end and span.start < end for span in own)
        ]
        if not touched or (runs and touched[0] < runs[-1][1]):
            return None
        runs.append((touched[0], touched[-1] + 1))
    return runs


def _cut(text: str, words: Sequence[Place], last: int, after: int) -> Run | None:
    """The cues in a row, of several rows the one nearest to the middle, among the words from
    `last` to before `after`."""
    rows: list[Run] = []
    for i in range(last, after):
        if text[slice(*words[i])].casefold() in CUES:
            if rows and rows[-1][1] == i:
                rows[-1] = (rows[-1][0], i + 1)
            else:
                rows.append((i, i + 1))
    middle = last + after
    return min(rows, key=lambda row: abs(row[0] + row[1] - middle), default=None)
