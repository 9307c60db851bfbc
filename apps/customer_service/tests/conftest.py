"""Puts the application on the path, as `python -m desk` has it; the shop's fixtures for all."""

from __future__ import annotations

import sys
from contextlib import suppress
from pathlib import Path

sys.path[:0] = [str(Path(__file__).parents[1]), str(Path(__file__).parent)]

with suppress(ImportError):  # no SQLAlchemy: the shop's tests are skipped
    from shop_fixtures import (  # noqa: F401
        clock,
        postgres_server_url,
        postgres_world,
        shop,
        shop_url,
        sqlite_world,
    )

with suppress(ImportError):  # no aiosmtpd: the tests of e-mail over servers are skipped
    from mail_fixtures import (  # noqa: F401
        authority,
        certificate,
        dovecot,
        mail_world,
        small_mail_world,
    )
