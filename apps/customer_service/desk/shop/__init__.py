"""The shop's database and what the desk may do with it. It understands and says nothing."""

from __future__ import annotations

from desk.shop.actions import Shop
from desk.shop.results import KeyReused, NotFound, NotPossible, Product, ShopError, Variant
from desk.shop.search import matching
from desk.shop.variants import color_said, size_said

__all__ = [
    "KeyReused",
    "NotFound",
    "NotPossible",
    "Product",
    "Shop",
    "ShopError",
    "Variant",
    "color_said",
    "matching",
    "size_said",
]
