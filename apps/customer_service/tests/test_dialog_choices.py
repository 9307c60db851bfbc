"""Where the desk is not sure, the customer chooses: what is wanted, and which page helps."""

from __future__ import annotations

import pytest

from dialog_shop import ANNA, Chat, request

OTHERS = (("exchange_item", 0.2), ("refund_status", 0.1), ("warranty", 0.05), ("invoice", 0.001))


def unsure(chat: Chat, text: str = "the coat, it is too big, what now") -> tuple[str, ...]:
    found = request("return_item", 0.3, product="coat")
    return chat.say(text, found, abstained=True, others=OTHERS).suggestions


def test_the_likeliest_are_offered() -> None:
    chat = Chat(customer=ANNA)
    assert unsure(chat) == (
        "Send something back",
        "Exchange for another size or color",
        "Where a refund is",
        "Something broke: warranty or repair",
        "Something else",
    )
    assert chat.asking == "choice"
    assert not chat.did


@pytest.mark.parametrize(
    "answer",
    [
        "Exchange for another size or color",
        "2",
        "2.",
        "the second one",
        "exchange for another size or color!",
    ],
)
def test_what_is_chosen_goes_on(answer: str) -> None:
    chat = Chat(customer=ANNA)
    unsure(chat)
    chat.say(answer, "complaint", abstained=True)
    conversation = chat.desk.conversation("chat")
    assert conversation and conversation.wish and conversation.unclear == 0
    assert conversation.wish.intent == "exchange_item"
    assert conversation.wish.slots["product"] == "coat"
    assert conversation.wish.text == "the coat, it is too big, what now"


@pytest.mark.parametrize("answer", ["1 and 3", "1, 3", "Send something back and Where a refund is"])
def test_several_may_be_chosen(answer: str) -> None:
    chat = Chat(customer=ANNA)
    unsure(chat)
    chat.say(answer)
    conversation = chat.desk.conversation("chat")
    assert conversation
    assert [wish.intent for wish in conversation.wishes] == ["return_item", "refund_status"]


def test_other_words_may_choose_too() -> None:
    chat = Chat(customer=ANNA)
    unsure(chat)
    chat.say("i want my money for it", "refund_status", abstained=True)
    conversation = chat.desk.conversation("chat")
    assert conversation and conversation.wish and conversation.wish.intent == "refund_status"


def test_none_of_them_is_asked_once_and_then_a_person_takes_over() -> None:
    chat = Chat(customer=ANNA)
    unsure(chat)
    assert chat.say("Something else").texts == (
        "Sorry about that. Could you say in other words what you need?",
    )
    assert chat.asking is None
    chat.say("hm", "return_item", abstained=True, others=OTHERS)
    assert chat.say("none of them").handed == "unsure"


def test_a_message_that_is_understood_is_no_choice() -> None:
    chat = Chat(customer=ANNA)
    unsure(chat)
    reply = chat.say("do you ship to Spain", "delivery_options")
    assert reply.source and reply.source.document == "delivery"


def test_two_things_that_are_not_sure_are_offered_together() -> None:
    chat = Chat(customer=ANNA)
    reply = chat.say("that and this", "invoice", "complaint", "invoice", abstained=True)
    assert reply.suggestions[:2] == ("An invoice or a receipt", "Make a complaint")
    chat.say("1 and 2")
    conversation = chat.desk.conversation("chat")
    assert conversation
    assert [wish.intent for wish in conversation.wishes] == ["invoice", "complaint"]


def test_what_was_just_dealt_with_is_offered_too() -> None:
    chat = Chat(customer=ANNA)
    chat.say("where is 10001", "order_status")
    asked = request("warranty", 0.4)
    reply = chat.say("does it have to be in the box it came in", asked, abstained=True)
    assert reply.suggestions[:2] == ("Something broke: warranty or repair", "Where an order is")


def test_pages_about_it_are_offered() -> None:
    chat = Chat()
    reply = chat.say("that card thing", "gift_card")
    assert reply.suggestions == ("Gift-Card-Buy", "Gift-Card-Lost", "Something else")
    reply = chat.say("2")
    assert reply.source and reply.source.document == "gift-card-lost"


def test_the_only_page_about_it_is_shown() -> None:
    reply = Chat().say("hm, paying", "payment_methods")
    assert reply.source and reply.source.document == "payment-methods"


def test_none_of_the_pages() -> None:
    chat = Chat()
    chat.say("that card thing", "gift_card")
    reply = chat.say("Something else")
    assert "don't find that" in reply.texts[0] and reply.source is None
    chat.say("that card thing again", "gift_card")
    assert chat.say("none of these").handed == "failures"


def test_where_an_order_is_stands_on_no_page() -> None:
    reply = Chat().say("where is my order to York", request("order_status", 0.9), abstained=True)
    assert reply.source is None
    assert "where an order is" in reply.texts[0]
