"""What a phrase means among goods, sizes and colors; the sample's goods are searched."""

from __future__ import annotations

import random
import time
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path

import pytest

pytest.importorskip("sqlalchemy")

from hypothesis import given
from hypothesis import strategies as st

from desk.shop import Shop, matching
from desk.shop.sample import fill
from desk.shop.search import words
from desk.shop.variants import color_said, size_said
from desk.types import Item

NAVY = Item("1", "Wool coat", "navy", "M", 1, Decimal("99.99"))
BLUE = Item("2", "Linen shirt", "blue", "L", 1, Decimal("39.99"))
SHOES = Item("3", "Canvas trainers", "white", "42", 1, Decimal("49.99"))
OTHER_SHOES = Item("4", "Canvas trainers", "white", "41", 1, Decimal("49.99"))
ORDER = (NAVY, BLUE, SHOES, OTHER_SHOES)


@pytest.fixture(scope="module")
def sample(tmp_path_factory: pytest.TempPathFactory) -> Shop:
    shop = Shop(f"sqlite:///{tmp_path_factory.mktemp('sample') / 'shop.db'}")
    fill(shop.database, datetime(2026, 6, 10, tzinfo=UTC), customers=20, orders=40)
    return shop


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("the blue one", (BLUE,)),
        ("navy wool coat", (NAVY,)),
        ("my coats", (NAVY,)),
        ("size 42 trainers", (SHOES,)),
        ("trainers", (SHOES, OTHER_SHOES)),
        ("white canvas traniers in 41", (OTHER_SHOES,)),
        ("kettle", ()),
        ("", ORDER),
        ("my order", ORDER),
    ],
)
def test_items_of_an_order(text: str, found: tuple[Item, ...]) -> None:
    assert matching(ORDER, text) == found


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("duffle coat", "Duffle coat"),
        ("Have you got the cable-knit jumpers in navy?", "Cable-knit jumper"),
        ("over ear headphones", "Over-ear headphones"),
        ("chelsae boots size 42", "Chelsea boots"),
        ("gooseneck kettle", "Gooseneck kettle"),
        ("t-shirt, organic cotton", "Organic cotton T-shirt"),
    ],
)
def test_products(sample: Shop, text: str, name: str) -> None:
    assert sample.products(text)[0].name == name


@pytest.mark.parametrize("text", ["", "a", "surfboard", "' OR 1=1 --", "\x00\ud83d", "blue"])
def test_no_product(sample: Shop, text: str) -> None:
    assert sample.products(text) == ()


def test_stock_is_read_anew(sample: Shop) -> None:
    product = sample.products("duffle coat")[0]
    variant = product.variants[0]
    with sample.database.writes() as session:
        from desk.shop import schema

        session.query(schema.Variant).filter_by(sku=variant.sku).update({"stock": 987})
    again = sample.products("duffle coat")[0]
    assert again.variants[0].stock == 987
    assert again.variants[0] in again.in_stock(color=variant.color)


def test_a_long_text_is_searched_quickly(sample: Shop) -> None:
    chance = random.Random(1)
    long = "".join(chance.choices("abcdefgh ", k=100_000))
    sample.products("warm up")
    start = time.perf_counter()
    sample.products(long)
    assert time.perf_counter() - start < 1


def test_products_that_come_later_are_found(tmp_path: Path) -> None:
    shop = Shop(f"sqlite:///{tmp_path / 'shop.db'}")
    assert shop.products("coat") == ()
    fill(shop.database, datetime(2026, 6, 10, tzinfo=UTC), customers=5, orders=5)
    assert shop.products("coat") != ()
    shop.close()


LETTERS = ("XS", "S", "M", "L", "XL", "XXL")
NUMBERS = ("8", "10", "12", "14", "16")


@pytest.mark.parametrize(
    ("text", "sizes", "current", "size"),
    [
        ("a medium please", LETTERS, None, "M"),
        ("extra large", LETTERS, None, "XL"),
        ("XL, it is for my brother", LETTERS, None, "XL"),
        ("m", LETTERS, None, "M"),
        ("I'm not sure", LETTERS, None, None),
        ("it's too small", LETTERS, "M", None),
        ("size 12", NUMBERS, "10", "12"),
        ("UK 12 or so", NUMBERS, None, "12"),
        ("a 10 or a 12", NUMBERS, None, None),
        ("one size up", NUMBERS, "10", "12"),
        ("a size for a growing girl, two sizes up", NUMBERS, "10", "14"),
        ("something bigger", LETTERS, "M", "L"),
        ("one size smaller", LETTERS, "M", "S"),
        ("bigger", LETTERS, "XXL", None),
        ("bigger", LETTERS, None, None),
        ("could it be the next size up", LETTERS, "S", "M"),
        ("double", ("single", "double", "king"), None, "double"),
        ("9-10", LETTERS, None, None),
    ],
)
def test_sizes(text: str, sizes: tuple[str, ...], current: str | None, size: str | None) -> None:
    assert size_said(text, sizes, current) == size


COLORS = ("black", "navy", "dark green", "grey", "green")


@pytest.mark.parametrize(
    ("text", "color"),
    [
        ("the navy one", "navy"),
        ("Dark green then", "dark green"),
        ("green", "green"),
        ("gray", "grey"),
        ("navy, or else the black one", "navy"),
        ("pink", None),
        ("", None),
    ],
)
def test_colors(text: str, color: str | None) -> None:
    assert color_said(text, COLORS) == color


@given(st.text(max_size=300), st.sampled_from([*LETTERS, None]))
def test_any_text_is_a_size_or_none(text: str, current: str | None) -> None:
    assert size_said(text, LETTERS, current) in (*LETTERS, None)
    assert color_said(text, COLORS) in (*COLORS, None)
    assert set(matching(ORDER, text)) <= set(ORDER)


@given(st.text())
def test_words_are_plain(text: str) -> None:
    assert all(word == word.casefold() and " " not in word for word in words(text))
