"""Accounts: getting in, leaving, and papers."""

from __future__ import annotations

from desk.dialog import finding
from desk.dialog.talk import HandOver, Talk
from desk.shop.results import NotFound, NotPossible
from desk.types import Done


def login(talk: Talk) -> None:
    """A link to the account's e-mail. It needs no proof of who asks: only its owner gets it, and
    the answer is the same where there is no such account."""
    before = talk.conversation.settled
    if before is not None and before.intent == "login_problem" and before.key != talk.wish.key:
        raise HandOver("failures")  # the link has not helped
    email = talk.slot("email") or talk.conversation.email
    if email is None:
        raise talk.ask("email", "ask.account_email")
    done = talk.do(lambda key: talk.shop.reset_password(email, key=key))
    talk.tell("login_problem.done", **done.facts)


def delete(talk: Talk) -> None:
    """Nothing is erased before the link in an e-mail to the account is pressed. Whoever has not
    proven who they are is told the same whether there is an account or not."""
    known = talk.conversation.customer
    email = talk.slot("email") or talk.conversation.email
    if known is None and email is None:
        raise talk.ask("email", "ask.account_email")
    talk.confirm("confirm.delete_account")
    if known is not None:
        done = talk.do(lambda key: talk.shop.request_deletion(known, key=key))
        talk.tell("delete_account.done", **done.facts)
        return
    assert email is not None, "asked for just now"
    try:
        customer = talk.shop.customer(email)
        talk.do(lambda key: talk.shop.request_deletion(customer, key=key))
        talk.done.pop()
    except (NotFound, NotPossible):
        pass  # told apart only in the mailbox
    talk.done.append(Done("request_deletion", facts={"email": email}))
    talk.tell("delete_account.unproven", email=email)


def invoice(talk: Talk) -> None:
    order = finding.order(talk, ("dispatched", "delivered"))
    customer = finding.customer(talk)
    done = talk.do(lambda key: talk.shop.send_invoice(customer, order.number, key=key))
    talk.tell("invoice.done", **done.facts)
