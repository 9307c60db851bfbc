"""A query and a document in one sequence."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tokenizers import Tokenizer, processors

from attar.errors import BundleError
from attar.runtime.pairs import PairTemplate
from conftest import tiny_tokenizer

CLS, SEP = 2, 3
ids = st.lists(st.integers(4, 9), max_size=40)


def tokenizer(pair: str | None = "[CLS] $A [SEP] $B:1 [SEP]:1") -> Tokenizer:
    made = Tokenizer.from_buffer(tiny_tokenizer())
    made.add_special_tokens(["[CLS]", "[SEP]"])
    made.post_processor = processors.TemplateProcessing(
        single="[CLS] $A [SEP]", pair=pair, special_tokens=[("[CLS]", CLS), ("[SEP]", SEP)]
    )
    return made


@given(ids, ids, st.integers(5, 30))
def test_both_are_cut_to_fit(query: list[int], document: list[int], size: int) -> None:
    template = PairTemplate(tokenizer(), size)
    made = template.pair(template.plain(query), template.plain(document))
    assert len(made) <= size
    assert (made[0], made[-1], made.count(SEP)) == (CLS, SEP, 2)
    asked, said = made[1 : made.index(SEP)], made[made.index(SEP) + 1 : -1]
    assert query[: len(asked)] == asked
    assert document[: len(said)] == said
    assert len(asked) == min(len(query), template.most_of_a_query)
    assert len(said) == min(len(document), size - 3 - len(asked))


def test_the_frame_is_the_tokenizers_own() -> None:
    whole = tokenizer()
    template = PairTemplate(whole, 20)
    texts = ("where is my refund", "thank you")
    plain = [template.plain(whole.encode(text).ids) for text in texts]
    assert template.pair(*plain) == whole.encode(*texts).ids
    assert template.separator == SEP
    # What spells a special token does not move the separator.
    assert SEP not in template.plain(whole.encode("my [SEP] refund").ids)


def test_a_tokenizer_that_knows_no_pairs() -> None:
    template = PairTemplate(Tokenizer.from_buffer(tiny_tokenizer()), 9)
    assert template.pair([5], [6, 7]) == [CLS, 5, SEP, 6, 7, SEP]
    with pytest.raises(BundleError, match="leave no room"):
        PairTemplate(tokenizer(), 4)
