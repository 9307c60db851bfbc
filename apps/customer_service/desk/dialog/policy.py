"""What the desk does next, turn by turn.

First what no model decides: asking for a person, danger, anger. Then the answer to what was asked;
else the message's own requests, one after the other, each until it is settled or something is
missing. What the model is not sure of is never done: the customer chooses what was meant.
"""

from __future__ import annotations

from dataclasses import replace

from desk.dialog import answers, choices, reading, tone, wishes
from desk.dialog.flows import FLOWS, pages
from desk.dialog.refusals import refuse
from desk.dialog.state import Wish
from desk.dialog.talk import Ask, HandOver, Settled, Talk
from desk.shop.results import NotFound, NotPossible
from desk.types import Reason, Request, Understood

PERSON = "speak_to_person"
_MOST_ANGER = 2
_SHORT = 6  # words
_HARDLY = 0.5  # so likely at most is what a remark is taken for
_NOT_UNLIKELY = 0.02  # of an intent that the customer may choose


def take(talk: Talk, understood: Understood) -> None:
    """Take one turn: afterwards `talk` holds what is said and what is remembered."""
    talk.intents = tuple(request.intent for request in understood.requests)
    try:
        if email := reading.email(talk.text):
            talk.change(email=email)
        _whatever_was_asked(talk, understood)
        asked = talk.conversation.asking is not None and talk.conversation.wish is not None
        if not (asked and answers.take(talk, understood)):
            _new_message(talk, understood)
        run(talk)
    except Ask as ask:
        _ask(talk, ask)
    except HandOver as over:
        hand_over(talk, over.reason)
    if not talk.texts:
        talk.tell("closing")


def hand_over(talk: Talk, reason: Reason) -> None:
    """From here on a person answers. The wishes stay, for the person to see."""
    talk.tell(f"person.{reason}")
    talk.suggestions = ()
    talk.change(handed=reason, asking=None)


def run(talk: Talk) -> None:
    """Deal with wishes until one asks for something or none is left."""
    while (wish := talk.conversation.wish) is not None:
        try:
            _page_first(talk, wish)
            FLOWS[wish.intent].run(talk)
        except Ask as ask:
            talk.change(unclear=0)
            _ask(talk, ask)
            return
        except Settled:
            pass
        except HandOver as over:
            if not _page_instead(talk, over):
                raise
        except NotFound:
            talk.tell("order.gone")
        except NotPossible as refusal:
            try:
                if refuse(talk, refusal):
                    continue
            except Ask as ask:
                _ask(talk, ask)
                return
        else:
            talk.change(failures=0)
        talk.change(unclear=0)
        talk.conversation = talk.conversation.without_wish()


def _page_instead(talk: Talk, over: HandOver) -> bool:
    """Who has no order number wants to know how it works, mostly: where a help page says it, that
    is the answer. The second such failure goes to a person."""
    talk.change(failures=talk.conversation.failures + 1)
    if over.lacking not in ("order_number", "email") or talk.conversation.failures >= 2:
        return False
    passage = pages.best_passage(talk)
    if passage is None:
        return False
    pages.tell_passage(talk, passage)
    return True


def _ask(talk: Talk, ask: Ask) -> None:
    talk.texts.append(ask.text)
    talk.suggestions = ask.suggestions
    talk.change(asking=ask.what)


def _whatever_was_asked(talk: Talk, understood: Understood) -> None:
    """Raises HandOver for what comes before every policy."""
    found = wishes.real(understood.requests)
    person = not understood.abstained and PERSON in talk.intents
    if person or tone.wants_person(talk.text):
        if not understood.abstained and found and not talk.conversation.wishes:
            wishes.begin(talk, found)
        raise HandOver("asked")
    ours = bool(found) or talk.conversation.wish is not None
    if ours and tone.is_grave(talk.text):
        raise HandOver("not_possible")
    if tone.is_angry(talk.text):
        talk.change(angry=talk.conversation.angry + 1)
        # Who only insults is not passed on to people.
        if ours and talk.conversation.angry >= _MOST_ANGER:
            raise HandOver("anger")


def _new_message(talk: Talk, understood: Understood) -> None:
    found = wishes.real(understood.requests)
    if not any(c.isalnum() for c in talk.text):
        talk.tell("empty")
    elif understood.abstained:
        _unsure(talk, understood, found)
    elif found:
        wishes.begin(talk, found)
    elif not (_small_talk(talk) or wishes.follow_up(talk, understood.requests)):
        if tone.is_angry(talk.text):
            talk.tell("calm")
        elif talk.conversation.settled is not None and not tone.asks(talk.text):
            talk.tell("closing")
        else:
            talk.tell("out_of_scope")


def _small_talk(talk: Talk) -> bool:
    """Messages that only greet, thank or agree. A "no, the blue one" is more than that."""
    kinds = set(talk.intents)
    if "greeting" in kinds:
        talk.tell("greeting")
    elif "thanks" in kinds:
        talk.tell("thanks")
    elif kinds & {"affirm", "deny"}:
        if wishes.follow_up(talk):
            return True
        talk.tell("closing" if "deny" in kinds else "anything_else")
    return bool(kinds & {"greeting", "thanks", "affirm", "deny"})


def _unsure(talk: Talk, understood: Understood, found: list[Request]) -> None:
    """The model is not sure enough to act. Help pages have a threshold of their own, and a remark
    after the work is done needs no answer; else the customer chooses among what it may be. Where it
    is none of them twice in a row, a person takes over."""
    conversation = talk.conversation
    if PERSON in talk.intents:
        raise HandOver("asked")
    if conversation.settled and tone.closes(talk.text) and not reading.order_numbers(talk.text):
        talk.tell("closing")
        return
    # What is so short hardly says by itself what it is about, unless it asks for a deed.
    short = len(talk.text.split()) <= _SHORT and all(wishes.only_looks(one.intent) for one in found)
    if wishes.follow_up(talk, found) or (short and wishes.follow_up(talk)):
        return
    if conversation.settled is not None and not tone.asks(talk.text):
        # Who has been helped says more than asks.
        same = not found or found[0].intent == conversation.settled.intent
        if same or found[0].score < _HARDLY:
            talk.tell("closing")
            return
    if _on_a_page(talk, found) and (passage := talk.knows(talk.text)):
        pages.tell_passage(talk, passage)
        talk.change(unclear=0)
        return
    ranked = _ranked(talk, found, understood)
    talk.change(unsure=ranked, unclear=conversation.unclear + 1)
    if conversation.unclear >= choices.MOST_DECLINED:
        raise HandOver("unsure")
    if not ranked:
        # Twice nothing that the desk does: who wants a person is told how to get one.
        again = "out_of_scope" if conversation.unclear else "unclear"
        talk.tell("calm" if tone.is_angry(talk.text) else again)
        return
    slots = found[0].slots if found else {}
    wishes.begin(talk, [Request(ranked[0][0], slots)])
    if len(ranked) == 1:
        raise choices.meant(talk, ranked[0][0])
    raise choices.choice(talk)


def _on_a_page(talk: Talk, found: list[Request]) -> bool:
    """Whether a help page may be the answer: not where a fact of an order is asked for."""
    if not found or FLOWS[found[0].intent].at_once:
        return True
    flow = FLOWS[found[0].intent]
    return tone.asks(talk.text) and (flow.page or not flow.order)


def _ranked(
    talk: Talk, found: list[Request], understood: Understood
) -> tuple[tuple[str, float], ...]:
    """What a message may be about: what the model takes it for, what was just dealt with, then what
    is not unlikely, the less so where the message may say several things."""
    least = _NOT_UNLIKELY / 10 if pages.in_clauses(talk.text) else _NOT_UNLIKELY
    ranked: dict[str, float] = {}
    for one in found:
        ranked.setdefault(one.intent, round(one.score, 3))
    settled = talk.conversation.settled
    if ranked and settled is not None and settled.intent in FLOWS:
        ranked.setdefault(settled.intent, 0.0)
    for intent, score in understood.alternatives:
        if intent in FLOWS and score >= least:
            ranked.setdefault(intent, round(score, 3))
    return tuple(ranked.items())[: choices.MOST]


def _page_first(talk: Talk, wish: Wish) -> None:
    """A question about how something is done is answered from the help pages; whether to do it is
    asked afterwards. Raises Ask, or nothing where no page answers."""
    flow = FLOWS[wish.intent]
    if not flow.page or wish.slots.get("go") or wish.asked or "order_number" in wish.slots:
        return
    before = talk.conversation.settled
    # A question about what was done; what can be looked up again is.
    again = before is not None and before.intent == wish.intent != "refund_status"
    how = "product" not in wish.slots and tone.asks_how(wish.text)
    if not (how or tone.asks_in_general(wish.text) or (again and "?" in wish.text)):
        return
    passage = pages.best_passage(talk) or (pages.chosen_page(talk) if again else None)
    if passage is None:
        return
    pages.tell_passage(talk, passage)
    if again:
        raise Settled
    talk.change(wishes=(replace(wish, asked={"offer": 1}), *talk.conversation.wishes[1:]))
    yes_no = (talk.say("form.yes"), talk.say("form.no"))
    raise Ask("offer", talk.say(f"offer.{wish.intent}"), yes_no)
