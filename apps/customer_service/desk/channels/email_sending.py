"""Answers go out by SMTP. What a server will never take is told from what it does not take now."""

from __future__ import annotations

import smtplib
from email.message import EmailMessage

from desk.channels.email_box import TIMEOUT_S, trusted
from desk.channels.email_oauth import NoTokenError, xoauth2
from desk.channels.email_settings import Email


class NotSentError(Exception):
    """for_good: the server has refused this message or its receiver, so trying again is no use.
    away: the server takes no message at all now."""

    def __init__(self, why: str, *, for_good: bool = False, away: bool = False) -> None:
        super().__init__(why)
        self.for_good = for_good
        self.away = away


def send(message: EmailMessage, settings: Email) -> None:
    """Raises NotSentError."""
    where = (settings.smtp_host, settings.port("smtp"))
    # A name to say EHLO with: looking up this machine's own takes long where nobody knows it.
    name = settings.domain
    try:
        if settings.smtp_tls == "implicit":
            server: smtplib.SMTP = smtplib.SMTP_SSL(
                *where, name, context=trusted(settings), timeout=TIMEOUT_S
            )
        else:
            server = smtplib.SMTP(*where, name, TIMEOUT_S)
    except (OSError, smtplib.SMTPException) as error:
        raise NotSentError(f"{where[0]} cannot be reached: {error}", away=True) from None
    try:
        if settings.smtp_tls == "starttls":
            server.starttls(context=trusted(settings))
        if settings.smtp_user is not None:
            _log_in(server, settings, settings.smtp_user)
    except (OSError, smtplib.SMTPException, NoTokenError) as error:
        server.close()
        # Not the message's fault, whatever the code: somebody mends it.
        raise NotSentError(
            f"{where[0]} lets nobody in: {type(error).__name__}", away=True
        ) from None
    try:
        server.send_message(message, settings.from_address, [str(message["To"])])
    except smtplib.SMTPRecipientsRefused as error:
        codes = [code for code, _ in error.recipients.values()]
        raise NotSentError(f"refused: {codes}", for_good=min(codes) >= 500) from None
    except smtplib.SMTPResponseException as error:
        code = error.smtp_code
        raise NotSentError(f"refused with {code}", for_good=500 <= code < 600) from None
    except (OSError, smtplib.SMTPException) as error:
        raise NotSentError(f"broke off: {error}", away=True) from None
    finally:
        _leave(server)


def _log_in(server: smtplib.SMTP, settings: Email, user: str) -> None:
    server.ehlo_or_helo_if_needed()
    if settings.smtp_password is not None:
        server.login(user, settings.smtp_password.reveal())
        return
    told = [xoauth2(user, settings)]
    # A server that refuses asks once more, and wants to hear nothing.
    server.auth("XOAUTH2", lambda challenge=None: told.pop() if told else "")


def _leave(server: smtplib.SMTP) -> None:
    try:
        server.quit()
    except (OSError, smtplib.SMTPException):
        server.close()
