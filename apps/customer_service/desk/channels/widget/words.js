// What the chat itself says. The desk says all else.
const WORDS = {
  en: {
    title: "Help",
    open: "Chat with us",
    close: "Close the chat",
    log: "Conversation",
    text: "Your message",
    send: "Send",
    suggestions: "Suggested answers",
    you: "You",
    desk: "Assistant",
    agent: "Colleague",
    writing: "Writing…",
    waiting: "No connection. Your message will be sent as soon as there is one.",
    unsent: "Your message was not sent.",
    again: "Send again",
    source: "From our help pages",
    handed: "A colleague takes over and answers here.",
    anew: "The earlier conversation has ended. This is a new one.",
  },
  de: {
    title: "Hilfe",
    open: "Chat mit uns",
    close: "Chat schließen",
    log: "Gespräch",
    text: "Ihre Nachricht",
    send: "Senden",
    suggestions: "Vorgeschlagene Antworten",
    you: "Sie",
    desk: "Assistent",
    agent: "Kollegin oder Kollege",
    writing: "Schreibt…",
    waiting: "Keine Verbindung. Ihre Nachricht wird gesendet, sobald es eine gibt.",
    unsent: "Ihre Nachricht wurde nicht gesendet.",
    again: "Noch einmal senden",
    source: "Aus unseren Hilfeseiten",
    handed: "Eine Kollegin oder ein Kollege übernimmt und antwortet hier.",
    anew: "Das frühere Gespräch ist beendet. Dies ist ein neues.",
  },
};

/** The language to speak and its words; English where the page's is none of ours. */
export function wordsFor(asked) {
  const tag = asked || document.documentElement.lang || navigator.language || "en";
  const language = tag.toLowerCase().split("-")[0];
  return WORDS[language] ? { language, words: WORDS[language] } : { language: "en", words: WORDS.en };
}
