"""Why a row was dropped or flagged: every value that `reason` can take."""

ENCODING = "encoding"
EMPTY = "empty"
OVERLONG = "overlong"
LABEL_CONFLICT = "label conflict"
DUPLICATE = "duplicate"
NEAR_DUPLICATE = "near-duplicate"
LEAK = "leak"
RARE_CALLS = "rare calls"
LANGUAGE = "another language"
SYMBOLS = "symbols"
MARKUP = "markup"
REPETITION = "repetition"
BOILERPLATE = "boilerplate"
TOO_SHORT = "too short"
TOO_LONG = "too long"
SUSPICIOUS_LABEL = "suspicious label"

PERSONAL_DATA = "personal data"  # flagged or redacted, never dropped

#: Of `quality`: flagged in labeled rows, dropped from unlabeled ones.
QUALITY = (SYMBOLS, MARKUP, REPETITION, BOILERPLATE, TOO_SHORT, TOO_LONG)
DROPS = (
    ENCODING,
    EMPTY,
    OVERLONG,
    LABEL_CONFLICT,
    DUPLICATE,
    NEAR_DUPLICATE,
    LEAK,
    RARE_CALLS,
    LANGUAGE,
    *QUALITY,
    SUSPICIOUS_LABEL,
)
ALL = (*DROPS, PERSONAL_DATA)
