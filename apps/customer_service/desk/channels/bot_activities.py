"""Activities of the Bot Framework: what is read of those that come, and those that answer.

Source: the Activity schema of the Bot Framework protocol (Activity protocol 3.3).
"""

from __future__ import annotations

from typing import Any

from msgspec import Struct, field

from desk.channels.phrases import bubbles
from desk.types import Reply


class Account(Struct):
    """Of a channel: a customer, or ourselves."""

    id: str = ""
    name: str | None = None
    role: str | None = None

    def to_json(self) -> dict[str, str]:
        given = {"id": self.id, "name": self.name, "role": self.role}
        return {name: value for name, value in given.items() if value is not None}


class Place(Struct, rename="camel"):
    """A conversation of a channel."""

    id: str
    is_group: bool | None = None


class Activity(Struct, rename="camel"):
    """What is read; fields that channels add are ignored."""

    type: str
    conversation: Place
    channel_id: str
    id: str = ""
    service_url: str = ""
    sender: Account = field(name="from", default_factory=Account)
    recipient: Account = field(default_factory=Account)
    text: str | None = None
    locale: str | None = None
    delivery_mode: str | None = None
    members_added: list[Account] = field(default_factory=list)
    entities: list[dict[str, Any]] | None = None

    @property
    def said(self) -> str:
        """The text without mentions of us, which Teams puts into it."""
        text = self.text or ""
        for entity in self.entities or ():
            mentioned = entity.get("mentioned")
            ours = isinstance(mentioned, dict) and mentioned.get("id") == self.recipient.id
            mark = entity.get("text")
            if entity.get("type") == "mention" and ours and isinstance(mark, str) and mark:
                text = text.replace(mark, " ")
        return text.strip()

    @property
    def key(self) -> str:
        return f"{self.channel_id}:{self.conversation.id}:{self.id}"

    @property
    def conversation_key(self) -> str:
        """Of the desk's conversation: in a group everybody has one of his own, since what one
        has proved to be his must not be told to another."""
        place = f"bot:{self.channel_id}:{self.conversation.id}"
        return f"{place}:{self.sender.id}" if self.conversation.is_group else place

    @property
    def by_a_bot(self) -> bool:
        return self.sender.role == "bot" or (
            self.sender.id != "" and self.sender.id == self.recipient.id
        )


def answers(activity: Activity, reply: Reply, language: str) -> list[dict[str, Any]]:
    """An activity for each text of a reply; suggestions stand at the last."""
    made = [
        {**_said(activity, text, language), "replyToId": activity.id}
        for text in bubbles(reply, language)
    ]
    if made and reply.suggestions:
        actions = [{"type": "imBack", "title": s, "value": s} for s in reply.suggestions]
        made[-1]["suggestedActions"] = {"to": [], "actions": actions}
        made[-1]["inputHint"] = "expectingInput"
    if made and reply.handed is not None:
        made[-1]["channelData"] = {"desk": {"handed": reply.handed}}
    return made


def said_by_a_person(activity: Activity, text: str, language: str) -> dict[str, Any]:
    """What somebody of the staff says in the conversation of an activity."""
    return {**_said(activity, text, language), "channelData": {"desk": {"said_by": "agent"}}}


def _said(activity: Activity, text: str, language: str) -> dict[str, Any]:
    """Plain text: what customers wrote and databases hold is never read as Markdown."""
    place: dict[str, Any] = {"id": activity.conversation.id}
    if activity.conversation.is_group is not None:
        place["isGroup"] = activity.conversation.is_group
    return {
        "type": "message",
        "channelId": activity.channel_id,
        "serviceUrl": activity.service_url,
        "from": activity.recipient.to_json(),
        "recipient": activity.sender.to_json(),
        "conversation": place,
        "locale": language,
        "inputHint": "acceptingInput",
        "textFormat": "plain",
        "text": text,
    }
