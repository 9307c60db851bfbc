"""Products: what there is, in which colors and sizes, and questions about them."""

from __future__ import annotations

from desk.dialog import finding
from desk.dialog.flows.pages import best_passage, chosen_page, tell_passage
from desk.dialog.flows.variants import color_in, joined, size_in
from desk.dialog.talk import Talk
from desk.shop.results import Product, Variant


def availability(talk: Talk) -> None:
    product = product_said(talk)
    said = f"{talk.slot('size') or ''} {talk.slot('product') or ''} {talk.wish.text}"
    color, size = color_in(said, product), size_in(said, product)
    asked = joined(color, size)
    facts = {
        "product": product.name,
        "variant": asked,
        "price": min(one.price for one in product.variants),
    }
    there = product.in_stock(color, size)
    if there and asked:
        talk.tell("availability.variant", **facts | {"price": there[0].price})
    elif there:
        talk.tell("availability.some", **facts)
    else:
        _tell_none(talk, product, facts, color, size)
        there = product.in_stock()
    _tell_choice(talk, there)


def question(talk: Talk) -> None:
    """From the help pages; else what the catalog says of the product."""
    passage = best_passage(talk) or chosen_page(talk)
    if passage is not None:
        tell_passage(talk, passage)
        return
    product = product_said(talk)
    price = min(one.price for one in product.variants)
    talk.tell("product_question.known", product=product.name, price=price)
    _tell_choice(talk, product.in_stock())
    talk.tell("product_question.more")


def product_said(talk: Talk) -> Product:
    """The product of the catalog that the wish names; asks where it names none or several."""
    said = talk.slot("product")
    if said is None:
        raise talk.ask("product", "ask.which_product")
    found = [one for one in talk.shop.products(said) if one.score >= finding.FITS]
    if not found:
        talk.put(product=None)
        raise talk.ask("product", "ask.no_such_product", product=said)
    best = [one for one in found if one.score == found[0].score]
    if len(best) > 1:
        names = list(dict.fromkeys(one.name for one in best))
        if len(names) > 1 and talk.wish.times_asked("product") == 0:
            talk.put(product=None)
            listed = ", ".join(names[:5])
            raise talk.ask("product", "ask.which_of_products", suggest=names[:5], products=listed)
    return found[0]


def _tell_none(
    talk: Talk, product: Product, facts: dict[str, object], color: str | None, size: str | None
) -> None:
    asked = [
        one
        for one in product.variants
        if (color is None or one.color == color) and (size is None or one.size == size)
    ]
    days = [one.restock for one in asked if one.restock is not None and one.restock >= talk.today]
    if days:
        talk.tell("availability.restock", **facts | {"restock": min(days)})
    else:
        talk.tell("availability.none", **facts)


def _tell_choice(talk: Talk, there: tuple[Variant, ...]) -> None:
    colors = list(dict.fromkeys(one.color for one in there if one.color))
    sizes = list(dict.fromkeys(one.size for one in there if one.size))
    if len(colors) > 1 or len(sizes) > 1:
        phrase = f"availability.{'colors' if colors else ''}{'_' if colors and sizes else ''}"
        phrase += "sizes" if sizes else ""
        talk.tell(phrase, colors=", ".join(colors), sizes=", ".join(sizes))
