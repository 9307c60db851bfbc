"""Why a row was dropped: every value that `Dropped.reason` can take."""

ENCODING = "encoding"
EMPTY = "empty"
OVERLONG = "overlong"
LABEL_CONFLICT = "label conflict"
DUPLICATE = "duplicate"
NEAR_DUPLICATE = "near-duplicate"
LEAK = "leak"

ALL = (ENCODING, EMPTY, OVERLONG, LABEL_CONFLICT, DUPLICATE, NEAR_DUPLICATE, LEAK)
