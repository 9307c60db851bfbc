"""Who talks in a conversation of the web: signed tokens, so that any worker knows them.

A conversation's token names the conversation and, where the shop vouched for one, the customer.
The shop vouches by a token of its own (`identity`), signed with a secret that it shares with the
desk; a browser can make neither.
"""

from __future__ import annotations

import hashlib
import secrets
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import jwt

from desk.channels.settings import Secret, Web
from desk.channels.wire import Refused

CONVERSATION, IDENTITY = "desk.conversation", "desk.identity"  # audiences
MOST_NAME = 100  # characters of a customer's id


@dataclass(frozen=True, slots=True)
class Session:
    """A conversation of the web. customer: whom the shop vouched for, if anyone."""

    conversation: str
    customer: str | None = None
    language: str = "en"
    ends: int = 0  # seconds since 1970


class Sessions:
    """Gives and reads the tokens of conversations, and knows the keys of servers."""

    def __init__(self, web: Web) -> None:
        self._web = web
        # By hash: how long a look-up takes tells nothing about the key.
        self._keys = {digest: name for name, digest in web.keys.items()}

    def begin(self, customer: str | None, language: str) -> Session:
        ends = int(time.time()) + self._web.lasts_s
        return Session(f"web:{secrets.token_urlsafe(18)}", customer, language, ends)

    def token(self, session: Session) -> str:
        claims: dict[str, Any] = {
            "aud": CONVERSATION,
            "exp": session.ends,
            "conversation": session.conversation,
            "language": session.language,
        }
        if session.customer is not None:
            claims["sub"] = session.customer
        return jwt.encode(claims, self._web.secret.reveal(), "HS256")

    def read(self, token: str | None, conversation: str) -> Session:
        """The session of a token. Raises Refused where it is forged, over or of another one."""
        claims = _claims(token, self._web.secret, CONVERSATION, ["exp", "conversation"])
        if claims["conversation"] != conversation:
            raise _unknown("the token is of another conversation")
        return Session(conversation, claims.get("sub"), claims["language"], claims["exp"])

    def customer(self, identity: str) -> str:
        """Whom the shop vouches for. Raises Refused where it does not."""
        if self._web.identity is None:
            raise _unknown("this desk takes no identity: web.identity_env is not set")
        claims = _claims(identity, self._web.identity, IDENTITY, ["exp", "sub"])
        return named(claims["sub"])

    def server(self, key: str | None) -> str | None:
        """The name of the server whose key this is, None for none."""
        if not key or not self._keys:
            return None
        return self._keys.get(hashlib.sha256(key.encode("utf-8", "replace")).hexdigest())


def named(customer: str) -> str:
    if not customer.strip() or len(customer) > MOST_NAME:
        what = f"a customer's id has 1 to {MOST_NAME} characters"
        raise Refused(422, "invalid_customer", what)
    return customer


def bearer(headers: Mapping[str, str]) -> str | None:
    """The token of an Authorization header."""
    scheme, _, token = headers.get("authorization", "").partition(" ")
    return token.strip() if scheme.lower() == "bearer" and token.strip() else None


def _claims(token: str | None, secret: Secret, audience: str, need: list[str]) -> dict[str, Any]:
    if not token:
        raise _unknown("a token is expected: Authorization: Bearer …")
    try:
        claims: dict[str, Any] = jwt.decode(
            token,
            secret.reveal(),
            algorithms=["HS256"],
            audience=audience,
            leeway=10,
            options={"require": need},
        )
    except jwt.ExpiredSignatureError:
        raise _unknown("the token has expired") from None
    except (jwt.PyJWTError, ValueError):
        raise _unknown("the token is not one of this desk's") from None
    return claims


def _unknown(why: str) -> Refused:
    return Refused(401, "unauthorized", why, {"WWW-Authenticate": "Bearer"})
