"""A query and a document as one sequence of token ids, for a model that reads both together.

Both are tokenized by themselves and put into the frame that the tokenizer has for pairs, such as
`[CLS] query [SEP] document [SEP]`. A query keeps at most a third of the room, a document what is
left; what is longer is cut. Special tokens that a text spells out are left out of it: the model
counts token types from the first separator.
"""

from __future__ import annotations

from collections.abc import Sequence

from tokenizers import Tokenizer

from attar.errors import BundleError

QUERY_SHARE = 1 / 3  # of the room, that a query keeps at most
PROBE = "a"


class PairTemplate:
    """The frame of one tokenizer, for sequences of at most `size` tokens. Raises BundleError for
    tokenizers that have no frame for pairs."""

    def __init__(self, tokenizer: Tokenizer, size: int) -> None:
        encoding = tokenizer.encode(PROBE, PROBE)
        sides, ids = encoding.sequence_ids, encoding.ids
        if 0 not in sides or 1 not in sides:
            raise BundleError("the tokenizer cannot put two texts into one sequence")
        first, second = _place(sides, 0), _place(sides, 1)
        self.prefix, self.suffix = ids[: first.start], ids[second.stop :]
        self.middle = ids[first.stop : second.start]
        if not self.middle:  # it knows no pairs: two texts are put together as one ends
            alone = tokenizer.encode(PROBE)
            only = _place(alone.sequence_ids, 0)
            self.prefix, self.suffix = alone.ids[: only.start], alone.ids[only.stop :]
            self.middle = self.suffix
        self._special = {*self.prefix, *self.middle, *self.suffix}
        self.size = size
        self._room = size - len(self.prefix) - len(self.middle) - len(self.suffix)
        if self._room < 2:
            raise BundleError(f"{size} tokens leave no room for a query and a document")
        self.most_of_a_query = max(1, int(QUERY_SHARE * self._room))

    @property
    def separator(self) -> int | None:
        """The token after which token types are 1; None where nothing stands between."""
        return self.middle[0] if self.middle else None

    def plain(self, ids: Sequence[int]) -> list[int]:
        """A text's ids without special tokens, as many as can ever be used."""
        found = [number for number in ids if number not in self._special]
        return found[: self._room]

    def pair(self, query: Sequence[int], document: Sequence[int]) -> list[int]:
        """Both, as `plain` gives them, in one sequence."""
        kept = query[: self.most_of_a_query]
        rest = document[: self._room - len(kept)]
        return [*self.prefix, *kept, *self.middle, *rest, *self.suffix]


def _place(sides: Sequence[int | None], side: int) -> slice:
    """Where the tokens of one side stand among all."""
    return slice(sides.index(side), len(sides) - sides[::-1].index(side))
