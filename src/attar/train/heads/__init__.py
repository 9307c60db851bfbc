"""Heads: pooled embedding in, the task's columns out. One file a task."""

from __future__ import annotations

from attar.registry import Registry

HEADS: Registry[type] = Registry(
    "heads",
    {
        "classify": "attar.train.heads.classify:ClassifyHead",
        "extract": "attar.train.heads.extract:ExtractHead",
        "multilabel": "attar.train.heads.multilabel:MultilabelHead",
        "pairs": "attar.train.heads.pairs:PairHead",
        "rank": "attar.train.heads.rank:RankHead",
        "summarize": "attar.train.heads.summarize:SummarizeHead",
    },
    noun="head",
)
