"""What channels say themselves: that an answer is late, that something broke, where it is from.

All else is said by the desk (`dialog.say`).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

from desk.types import Reply

Phrase = Literal["late", "broken", "welcome", "text_only", "source", "choices", "attached"]
PHRASES: Mapping[str, Mapping[Phrase, str]] = {
    "en": {
        "late": "I'm still looking that up. Please ask me again in a moment.",
        "broken": "Something went wrong on our side. Please try again.",
        "welcome": "Hello! How can I help you with your order?",
        "text_only": "I can only read text. Please type your question.",
        "source": "From our help pages: {title}",
        "choices": "You can answer, for example:",
        "attached": "I cannot open attachments ({names}). Please write what matters of them.",
    },
    "de": {
        "late": "Ich sehe noch nach. Bitte fragen Sie mich gleich noch einmal.",
        "broken": "Bei uns ist etwas schiefgegangen. Bitte versuchen Sie es noch einmal.",
        "welcome": "Guten Tag! Wie kann ich Ihnen mit Ihrer Bestellung helfen?",
        "text_only": "Ich kann nur Text lesen. Bitte schreiben Sie Ihre Frage.",
        "source": "Aus unseren Hilfeseiten: {title}",
        "choices": "Sie können zum Beispiel antworten:",
        "attached": "Anhänge kann ich nicht öffnen ({names}). Bitte schreiben Sie, worum es geht.",
    },
}


def phrase(name: Phrase, language: str) -> str:
    """In English where the language is none of ours."""
    return PHRASES.get(language, PHRASES["en"])[name]


def bubbles(reply: Reply, language: str) -> list[str]:
    """The texts for channels that show only texts: the source is the last one's last line."""
    texts = [text for text in reply.texts if text.strip()]
    if texts and reply.source is not None:
        said = phrase("source", language).replace("{title}", reply.source.title)
        texts[-1] = f"{texts[-1]}\n{said}"
    return texts
