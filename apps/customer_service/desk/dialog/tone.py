"""What a message means that needs no model: yes and no, asking for a person, anger, questions.

For the answers to what the desk has just asked, and for what must never depend on a model's
threshold. English and German are complete; the usual words of other languages that customers mix
in are known, too.
"""

from __future__ import annotations

import re


def _words(*alternatives: str) -> re.Pattern[str]:
    return re.compile(r"(?<!\w)(?:" + "|".join(alternatives) + r")(?!\w)", re.I)


_YES = _words(
    "yes", "ye(?:a|ah|p|s)*", "yup", "yep+", "yess+", "yh", "aye", "correct",
    "exactly", "indeed", "never been surer",
    "absolutely", "definitely", "of course", "that'?s (?:right|it|the one|correct|fine)",
    "please do", "by all means",
    "go (?:ahead|on|for it)", "do (?:it|that|so)", "send it", "start it", "proceed",
    "confirm(?:ed)?", "agreed", "sounds good", "ja(?:wohl|a+)?", "jo", "genau", "richtig", "stimmt",
    "einverstanden", "mach(?:en sie)? (?:das|es)", "s[ií]", "claro", "oui", "tak", "haan",
)  # fmt: skip
# Said without meaning it, too: "ok, but no".
_YES_PERHAPS = _words(
    "ok(?:ay)?", "sure(?: thing)?", "right", "fine", "perfect", "great", "why not", "please", "pls",
    "gerne?", "passt", "klar", "bitte", "vale", "d'accord",
)  # fmt: skip
_NO = _words(
    "no+", "nope", "nah", "naw", "don'?t", "do not", "not", "nein", "nee", "nicht",
    "non",
)  # fmt: skip
_BUT = _words(
    "but", "except", "instead", "rather", "only if", "aber", "statt(?:dessen)?", "sondern"
)
_UNSURE = _words(
    "not sure", "unsure", "(?:don'?t|do not) know", "dunno", "idk", "maybe", "perhaps", "depends",
    "vielleicht", "weiß (?:ich )?nicht", "nicht sicher",
)  # fmt: skip
_RETRACTS = _words(
    "leave it(?: as it is)?", "leave that", "keep it", "never ?mind", "nvm", "nm",
    "chang(?:ed|e) my mind", "forget (?:it|that|about it)", "actually,? no", "no,? actually",
    "don'?t bother", "no need", "hang on", "hold on", "wait", "scrap that",
    "i'?ll (?:leave|keep) it", "doch nicht", "lass(?:en sie)? (?:es|mal|das)", "vergiss es",
    "vergessen sie es", "egal", "schon gut", "warte", "moment",
)  # fmt: skip
_NO_AT_ALL = _words(
    "no problem", "no worries", "why not", "not a problem", "no rush", "kein problem"
)
_PERSON = _words(
    "(?:an?|live|human|real|your) agent", "(?:get|fetch|find) (?:me )?(?:somebody|someone)",

    "(?:get|fetch) (?:me )?(?:your|the|a) (?:manager|supervisor|boss)", "a human(?: being)?",
    "(?:real|actual|live) (?:person|human|someone|somebody)",
    "someone real",
    "(?:speak|talk|chat) (?:to|with) (?:an? |your |the )?(?:real |actual )?(?:person"
    "|human|people|manager|supervisor|someone|somebody|staff|team|colleague|advis[eo]r"
    "|customer services?)",
    "put me through", "not a (?:bot|machine|robot)", "a person(?:,? please)?",
    "mit (?:einem|einer) (?:menschen|mitarbeiter(?:in)?|person)", "einen menschen",
)  # fmt: skip
_AGENT = re.compile(
    r"\W*(?:(?:please|pls|an?|i want|i need)\W+)*agents?(?:\W+(?:please|pls|now))?\W*", re.I
)
_NO_PERSON = _words("ai agents?", "estate agents?", "a person (?:who|that)")
_GRAVE = _words(
    "hacked", "(?:got|broken|been) into my account", "identity theft", "fraud(?:ulent(?:ly)?)?",
    "injur(?:y|ies|ed)", "electric shock", "electrocuted", "burn(?:s|ed|t) (?:my|his|her|our|on)",
    "scald(?:s|ed)?", "caught fire", "a&e", "ambulance", "solicitors?", "lawyers?", "legal action",
    "gehackt", "verletzt", "stromschlag", "anwalt", "verbrannt",
)  # fmt: skip
_COMPLAINT = _words(
    "complain\\w*", "ombudsman", "beschwer\\w*", "reklamier\\w*", "queja", "plainte",
)  # fmt: skip
_ANGER = _words(
    "useless", "disgust(?:ing|ed)", "furious", "ridiculous", "pathetic", "a joke", "shambles",
    "rubbish", "unacceptable", "disgrace(?:ful)?", "appalling", "outrage(?:ous|d)?", "wtf",
    "(?:bull)?shit(?:e|ty)?", "crap", "f+[u*]+[c*]+k*\\w*", "bloody hell", "bastards?", "idiots?",
    "morons?", "scam(?:mers)?", "thieves", "robbing", "stupid", "sick of",
    "had enough", "unverschämt(?:heit)?", "frechheit", "saftladen", "scheiß\\w*", "schei(?:ss|ß)e",
    "wütend", "sauer", "unfassbar", "betrug", "betrüger",
)  # fmt: skip
_NOT = re.compile(r"\b(?:not|nicht|kein\w*)\b|n't\b|n’t\b", re.I)
_CLOSES = _words(
    "thanks?(?: you)?", "thank (?:you|u)", "thx", "ty+", "ta", "cheers", "lovely", "brill(?:iant)?",
    "great", "perfect", "super", "champion", "bye", "good ?bye", "fine", "ok(?:ay)?", "will do",
    "dank\\w*", "tschüs+", "super", "gracias", "merci", "dziękuję", "diolch", "takk?",
)  # fmt: skip
_ASKS = _words(
    "what", "whats", "when", "where", "who", "why", "how", "which", "can (?:i|you|u|we)", "could",
    "do (?:i|you|u|we)", "does", "did", "is", "are", "will", "would", "should", "have you", "shall",
    "any (?:idea|chance|way)", "was", "wann", "wo", "wer", "warum", "wie", "welche[rsn]?", "kann",
    "kannst", "können", "gibt es", "muss", "habt ihr", "haben sie", "ist", "sind",
)  # fmt: skip
_GENERAL = _words(
    "how (?:long|much|many|late|far|often)", "who(?:'?s| is| do i)? (?:pays?|paying|covers)",
    "what happens",
    "what(?:'?s| is| are)? (?:your|the) (?:policy|rules?|cost|costs|price|difference)",
    "do (?:you|u) (?:charge|offer|cover|have)", "do i (?:have|need) to",
    "does (?:it|the|that|this)", "is it (?:free|possible|covered)", "is there",
    "am i (?:able|allowed)",
    "(?:can|may) (?:i|we) (?:still|get|bring|take|give)",
    "must (?:it|i|we)", "will it", "wie (?:lange|viel)", "wer zahlt", "was kostet",
    "was passiert", "muss ich", "kann ich (?:noch|auch)", "ist es",
)  # fmt: skip
_HOW = _words(
    "how (?:do|does|would|can|to|should)",
    "what(?:'?s| is| are)? (?:your|the) (?:process|procedure|way)",
    "wie (?:geht|läuft|kann|funktioniert)",
)  # fmt: skip
_OTHER = re.compile(
    r"\b(?:the |my |an)?(?:other|second|next|2nd)(?: (?:one|order|parcel|package|thing|item))?\b"
    r"|\b(?:ander|zweit)e[rsn]?\b", re.I
)  # fmt: skip
_FOLLOWS = re.compile(
    r"^\W*(?:and|also|what about|how about|ok(?:ay)? and|or|so|but|then|same|no,?|nope|sorry|i mean"
    r"|und|oder|was ist mit|auch|nein|ich meine)\b", re.I
)  # fmt: skip
_ALL = _words(
    "all(?: of (?:it|them))?", "everything", "(?:the )?whole (?:thing|lot|order|parcel|package)",
    "(?:the )?(?:full|entire) \\w+", "both", "the lot", "any of it", "none of it", "alles", "alle",
    "beide[sn]?", "ganze?n?",
)  # fmt: skip


def consents(text: str) -> bool | None:
    """Yes or no to a question, None where it is neither. What is irreversible hangs on it, so a
    doubtful yes is none."""
    if _RETRACTS.search(text):
        return False
    said = _NO_AT_ALL.sub(" yes ", text)
    yes, no = _YES.search(said), _NO.search(said)
    if _UNSURE.search(said) and not yes:
        return None
    if yes and _BUT.search(said, yes.end()):
        return None  # "yes, but …" is a yes to something else
    if yes and no:
        return yes.start() < no.start()
    if yes or no:
        return yes is not None
    if "?" in said or _BUT.search(said) or len(said.split()) > 5:
        return None
    return True if _YES_PERHAPS.search(said) or re.search("[👍👌✅]", said) else None


def agrees_clearly(text: str) -> bool:
    return consents(text) is True and _YES.search(text) is not None


def retracts(text: str) -> bool:
    return _RETRACTS.search(text) is not None


def wants_person(text: str) -> bool:
    """Asks for a person. "agent" is the word that the desk tells people to type."""
    if re.fullmatch(
        r"\W*(?:(?:please|pls|an?|i want|i need)\W+)*agents?(?:\W+(?:please|pls|now))?\W*",
        text,
        re.I,
    ):
        return True
    return _PERSON.search(_NO_PERSON.sub(" ", text)) is not None


def is_grave(text: str) -> bool:
    """What people alone may deal with: danger, injuries, stolen accounts, lawyers."""
    return _GRAVE.search(text) is not None


def is_angry(text: str) -> bool:
    return _ANGER.search(text) is not None


def asks(text: str) -> bool:
    return "?" in text or _ASKS.match(text.lstrip(" .,!¿")) is not None


def asks_in_general(text: str) -> bool:
    """A question about what holds for everybody, rather than a wish that something be done."""
    return _GENERAL.search(text) is not None


def asks_how(text: str) -> bool:
    """A question about how something is done, by which people mean a wish or a question."""
    return _HOW.search(text) is not None


def adds(text: str) -> bool:
    """Something is to be added."""
    return (
        re.search(r"(?<!\w)(?:add(?:ed|ing)?|include|put in|hinzu\w*|dazu)(?!\w)", text, re.I)
        is not None
    )


def closes(text: str) -> bool:
    """A word of thanks or of parting that asks for nothing."""
    if len(text.split()) > 12 or asks(text) or _NOT.search(text) or is_angry(text):
        return False
    return _CLOSES.search(text) is not None


def says_other(text: str) -> bool:
    return _OTHER.search(text) is not None


def follows_on(text: str) -> bool:
    """It goes on from what was said before: "and …", "no, …", "what about …"."""
    return _FOLLOWS.search(text) is not None or says_other(text)


def says_all(text: str) -> bool:
    return _ALL.search(text) is not None


def complains(text: str) -> bool:
    """Whether a complaint is named as one."""
    return _COMPLAINT.search(text) is not None
